"""The site file: a hospital's own rules and devices in one YAML, read with the line of every entry."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from endplate.errors import InputError

Path_ = tuple[str, ...]
"""Place of an entry in the file: the keys that lead to it."""

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
    lines: Mapping[Path_, int] = field(default_factory=dict)

    @property
    def mark(self) -> str:
        """How documents name the file."""
        return f"site file {self.name} (sha256 {self.sha256[:12]})"

    def refusal(self, place: Path_, what: str, do: str) -> InputError:
        """The error for one entry, with the line of the nearest part that stands in the file."""
        while place and place not in self.lines:
            place = place[:-1]
        where = f", line {self.lines[place]}" if place else ""
        return InputError("site-file-wrong", f"{self.name}{where}: {what}", do=do)


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
            "site-file-wrong",
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
    tree = _parse(name, content)
    lines: dict[Path_, int] = {}
    bare = SiteFile(name=name, sha256=hashlib.sha256(content).hexdigest(), lines=lines)
    values = _plain(tree, (), bare, lines, set())
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
    return SiteFile(name=own_name, sha256=bare.sha256, lines=lines, **parts)


def nearest(name: str, known: Iterable[str]) -> str:
    """``" (did you mean X?)"`` for the nearest known name, or the empty text."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


_PARTS_DO = f"At the top stand only {', '.join(PARTS)}; rules stand in their sections below `rules`."


def _parse(name: str, content: bytes) -> Any:
    try:
        return YAML(typ="rt", pure=True).load(content)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}" if mark is not None else ""
        problem = str(error.problem or error.context or "not YAML").splitlines()[0]
        raise InputError(
            "site-file-wrong",
            f"{name}{where}: {problem}.",
            do="Correct the YAML there (indent with spaces, one `key: value` a line, no key twice).",
        ) from error
    except (YAMLError, UnicodeDecodeError, ValueError) as error:
        problem = (str(error).splitlines() or ["no text"])[0]
        raise InputError(
            "site-file-wrong", f"{name} is not a YAML text: {problem}.", do="Save it as a UTF-8 YAML file."
        ) from error


def _plain(node: Any, place: Path_, site: SiteFile, lines: dict[Path_, int], seen: set[int]) -> Any:
    """Plain values of a node; fills ``lines``. Aliases are refused, so the tree cannot grow or turn back on itself."""
    if isinstance(node, CommentedMap | CommentedSeq):
        if id(node) in seen:
            raise site.refusal(place, "an alias is used.", "Write the entry out; aliases are not read.")
        seen.add(id(node))
    if isinstance(node, CommentedMap):
        table = {}
        for key, value in node.items():
            here = (*place, str(key))
            lines[here] = node.lc.key(key)[0] + 1
            table[str(key)] = _plain(value, here, site, lines, seen)
        return table
    if isinstance(node, CommentedSeq):
        items = []
        for index, value in enumerate(node):
            here = (*place, str(index))
            lines[here] = node.lc.item(index)[0] + 1
            items.append(_plain(value, here, site, lines, seen))
        return items
    if node is None or isinstance(node, bool):
        return node
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    raise site.refusal(
        place, "this value is not a number, text, list or table.", "Put texts in quotation marks."
    )
