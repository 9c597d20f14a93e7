"""A site's protocol pack: values with provenance, checked when loaded, inherited only toward the safe side."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from endplate.care.model import RiskNumber
from endplate.care.pack_schema import check_shape
from endplate.care.pack_values import PackValue, read_date, read_leaf, read_span
from endplate.care.parameters import parameters
from endplate.care.times import Span
from endplate.care.yamlfile import YamlFile
from endplate.errors import InputError
from endplate.sources import value
from endplate.sources.yaml_text import nearest

SHIPPED = ("leaflet-000", "leaflet-001", "leaflet-002", "leaflet-003", "leaflet-004", "safest")
"""Packs that come with Endplate: the five leaflets as published, and the safest choices."""

DEPTH_MAX = 5
"""Packs that extend one another; more is a mistake."""


@dataclass(frozen=True)
class Pack:
    """A pack with everything it inherits."""

    id: str
    version: str
    kind: str
    """``site``, ``safest`` or ``illustrative`` (a published leaflet, never to be used for a patient)."""
    title: str
    language: str
    jurisdiction: str
    values: Mapping[str, PackValue]
    review_by: str
    reviewed_on: dt.date
    expires_on: dt.date
    grace: Span
    verified: frozenset[str]
    """Facts that the site has checked against their primary source."""
    risk_numbers: Mapping[str, tuple[RiskNumber, ...]]
    """Rates the site adds, by risk id."""
    sha256: str
    extends: str | None = None
    silent: frozenset[str] = field(default_factory=frozenset)
    """Parameters with no value."""

    def get(self, key: str) -> Any:
        """The typed value, or ``None`` where the site has not chosen. ``KeyError`` for an unknown parameter."""
        if key not in parameters():
            raise KeyError(key)
        found = self.values.get(key)
        return None if found is None else found.value

    def source(self, key: str) -> tuple[str, ...]:
        """Citation keys of a value; the register's choices where none is set, else the project."""
        found = self.values.get(key)
        if found is not None:
            return found.citations
        return tuple(dict.fromkeys(choice.source for choice in parameters()[key].choices)) or ("endplate",)

    def missing(self, paper: str) -> tuple[str, ...]:
        """Parameters without a value that a paper needs."""
        return tuple(
            key for key, entry in parameters().items() if paper in entry.needed and key not in self.values
        )

    @property
    def mark(self) -> str:
        """How papers name the pack."""
        return f"{self.id} {self.version} (sha256 {self.sha256[:12]})"


def load_pack(name: str | Path, *, beside: Path | None = None) -> Pack:
    """Load a pack by the name of a shipped one or by its file.

    ``extends`` may name a shipped pack, or a file in the same folder (``NAME.yaml``).

    Raises
    ------
    InputError
        Unreadable, an unknown key, a missing unit, a value beyond its limits, a change against the safe direction
        without a reason, or a circle of packs; each with file and line.
    """
    return _load(name, beside, ())


@cache
def _shipped(name: str) -> Pack:
    label, content, _ = _read(name, None)
    file = YamlFile(label, content)
    check_shape(file)
    return _build(file, None, content)


def _load(name: str | Path, beside: Path | None, above: tuple[str, ...]) -> Pack:
    if isinstance(name, str) and name in SHIPPED:
        return _shipped(name)
    label, content, folder = _read(name, beside)
    if label in above or len(above) >= DEPTH_MAX:
        raise InputError(
            "care-pack-wrong",
            f"The packs extend one another in a circle or too deeply: {' → '.join((*above, label))}.",
            do="Let a pack extend one that stands on its own.",
        )
    file = YamlFile(label, content)
    check_shape(file)
    parent_name = file.values["pack"].get("extends")
    parent = _load(parent_name, folder, (*above, label)) if parent_name else None
    return _build(file, parent, content)


def _read(name: str | Path, beside: Path | None) -> tuple[str, bytes, Path | None]:
    if isinstance(name, str) and name in SHIPPED:
        return (
            f"{name}.yaml",
            (resources.files("endplate.care") / "packs" / f"{name}.yaml").read_bytes(),
            None,
        )
    path = Path(name)
    if beside is not None:
        if not str(name).replace("-", "").replace("_", "").isalnum():
            raise InputError(
                "care-pack-wrong",
                "A pack extends another one by its plain name.",
                do="Put the parent beside it as NAME.yaml and write extends: NAME.",
            )
        path = beside / f"{name}.yaml"
    try:
        return path.name, path.read_bytes(), path.parent
    except OSError as error:
        raise InputError(
            "care-pack-unreadable",
            f"The pack {path.name} cannot be read: {error.strerror or error}.",
            do=f"Name a readable YAML file, or one of {', '.join(SHIPPED)}.",
        ) from error


def _build(file: YamlFile, parent: Pack | None, content: bytes) -> Pack:
    head = file.values["pack"]
    if head["kind"] == "site" and parent is not None and parent.kind == "illustrative":
        raise file.fault(
            ("pack", "extends"),
            "a site pack cannot extend a published leaflet: those are records, not protocols.",
            "Extend `safest`, and take single values with their source.",
        )
    values = dict(parent.values) if parent else {}
    for key, leaf in (file.values.get("parameters") or {}).items():
        values[key] = read_leaf(file, key, leaf, values.get(key), head)
    pack = Pack(
        id=head["id"],
        version=str(head["version"]),
        kind=head["kind"],
        title=head.get("title", head["id"]),
        language=head["language"],
        jurisdiction=head["jurisdiction"],
        values=values,
        review_by=head["review"]["by"],
        reviewed_on=read_date(file, ("pack", "review", "on"), head["review"]["on"]),
        expires_on=read_date(file, ("pack", "review", "expires"), head["review"]["expires"]),
        grace=read_span(file, ("pack", "grace"), head.get("grace", "P0D")),
        verified=frozenset(file.values.get("verified") or {}) | (parent.verified if parent else frozenset()),
        risk_numbers={**(parent.risk_numbers if parent else {}), **_risk_numbers(file)},
        sha256=hashlib.sha256(content + (parent.sha256.encode() if parent else b"")).hexdigest(),
        extends=None if parent is None else parent.id,
        silent=frozenset(parameters()) - frozenset(values),
    )
    unknown = [fact for fact in file.values.get("verified") or {} if fact not in value("care.facts")]
    if unknown:
        raise file.fault(
            ("verified", unknown[0]),
            f"{unknown[0]!r} is no fact that waits to be verified{nearest(unknown[0], value('care.facts'))}.",
            f"Known are {', '.join(value('care.facts'))}.",
        )
    missing = pack.missing("pack")
    if pack.kind != "illustrative" and missing:
        raise file.fault(
            ("parameters",),
            f"{missing[0]} is not set: {parameters()[missing[0]].meaning[0].lower()}"
            f"{parameters()[missing[0]].meaning[1:]}.",
            f"Name one of {', '.join(str(choice.raw) for choice in parameters()[missing[0]].choices)}.",
        )
    return pack


def _risk_numbers(file: YamlFile) -> dict[str, tuple[RiskNumber, ...]]:
    found = {}
    for risk, entries in (file.values.get("risk_numbers") or {}).items():
        numbers = []
        for index, entry in enumerate(entries):
            try:
                numbers.append(RiskNumber.model_validate(entry))
            except ValueError as error:
                raise file.fault(
                    ("risk_numbers", risk, str(index)),
                    f"the number for {risk} is not whole: a rate is printed only with its value per 1000, "
                    "population, time-frame and source.",
                    "Complete it or take it out; the page then says that there is no reliable number.",
                ) from error
        found[risk] = tuple(numbers)
    return found
