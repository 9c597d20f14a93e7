"""The site file: a hospital's own rules and devices in one YAML, read with the line of every entry."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from endplate.errors import InputError
from endplate.sources.yaml_text import Place, YamlText, fault_at, nearest

CODE = "site-file-wrong"

BYTES_MAX = 1_000_000
"""A site file is a page or two; anything larger is another kind of file."""

PARTS = ("name", "rules", "devices")
"""What may stand at the top of a site file."""


@dataclass(frozen=True)
class SiteFile:
    """A site file as plain values.

    Parameters
    ----------
    name:
        What the file calls itself, else its file name.
    sha256:
        Hash of its bytes.
    rules, devices:
        Its two parts; empty where the file has none.
    lines:
        Line (from 1) of each entry by its place.
    """

    name: str
    sha256: str
    rules: Mapping[str, Any] = field(default_factory=dict)
    devices: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[Place, int] = field(default_factory=dict)

    @property
    def mark(self) -> str:
        """How documents name the file."""
        return f"site file {self.name} (sha256 {self.sha256[:12]})"

    def refusal(self, place: Place, what: str, do: str) -> InputError:
        """The error for one entry, with the line of the nearest part that stands in the file."""
        return fault_at(CODE, self.name, self.lines, place, what, do)


def read_site(path: Path) -> SiteFile:
    """Read a site file.

    Raises
    ------
    InputError
        No such file, not YAML (with the line), or parts that do not belong there.
    """
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= BYTES_MAX else b""
    except OSError as error:
        raise InputError(
            "site-file-unreadable",
            f"The site file {path.name} cannot be read: {error.strerror or error}.",
            do="Name a readable YAML file after --site.",
        ) from error
    if size > BYTES_MAX:
        raise InputError(
            CODE,
            f"{path.name} has {size} bytes; a site file has a page or two.",
            do="Name the YAML file with the rules and devices.",
        )
    return parse_site(path.name, content)


def parse_site(name: str, content: bytes) -> SiteFile:
    """Read the bytes of a site file; ``name`` stands for it in errors, and where it does not name itself.

    Raises
    ------
    InputError
        Not YAML (with the line), or parts that do not belong there.
    """
    text = YamlText(name, content, CODE)
    values = text.values
    bare = SiteFile(name=name, sha256=hashlib.sha256(content).hexdigest(), lines=text.lines)
    if not isinstance(values, dict):
        raise bare.refusal((), "the file is not a table.", f"Begin with {' and '.join(PARTS[1:])}.")
    for key in values:
        if key not in PARTS:
            raise bare.refusal((key,), f"{key!r} does not belong here{nearest(key, PARTS)}.", _PARTS_DO)
    own_name = values.get("name") or name
    if not isinstance(own_name, str):
        raise bare.refusal(("name",), "the name is not a text.", "Write it between quotation marks.")
    parts = {}
    for part in PARTS[1:]:
        parts[part] = {} if values.get(part) is None else values[part]
        if not isinstance(parts[part], dict):
            raise bare.refusal((part,), f"{part} is not a table.", "Indent its entries below it.")
    return SiteFile(name=own_name, sha256=bare.sha256, lines=text.lines, **parts)


_PARTS_DO = f"At the top stand only {', '.join(PARTS)}; rules stand in their sections below `rules`."
