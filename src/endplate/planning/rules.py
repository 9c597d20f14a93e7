"""The rules of planning: every number with its reason and source, shipped in one YAML that a site file can override.

``load_rules(None)`` gives the shipped rules. Values are typed and in reach as ``rules.cement.target_fraction``; what
they mean and where they come from is ``rules.note("cement.target_fraction")``.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML

from endplate.anatomy.model import Document
from endplate.devices.site import SiteFile, read_site
from endplate.errors import InternalError
from endplate.planning.rule_sections import (
    AccessRules,
    BalloonRules,
    CautionRules,
    CementRules,
    SearchRules,
    Section,
    SessionRules,
    TechniqueRules,
)
from endplate.sources.constants import Status
from endplate.sources.yaml_text import nearest

VERSION = 1
"""Version of the shipped rules, named in every plan."""

SECTIONS: dict[str, type[Section]] = {
    "search": SearchRules,
    "technique": TechniqueRules,
    "access": AccessRules,
    "balloon": BalloonRules,
    "cement": CementRules,
    "cautions": CautionRules,
    "session": SessionRules,
}
"""Sections of the rules in their order."""

SITE_ENTRY = frozenset({"value", "unit", "why", "source", "status"})
"""What an entry of a site file may hold beside its plain value."""


class RuleNote(Document):
    """What a rule means and where it comes from."""

    unit: str
    why: str
    status: Status
    source: str
    """Key of a citation, or what the site file says."""


class RuleChange(Document):
    """One entry that a site file changed."""

    rule_id: str
    shipped: Any
    site: Any


class Rules(Document):
    """All rules."""

    search: SearchRules
    technique: TechniqueRules
    access: AccessRules
    balloon: BalloonRules
    cement: CementRules
    cautions: CautionRules
    session: SessionRules
    notes: dict[str, RuleNote]
    """By rule id, ``"section.key"``."""
    changes: tuple[RuleChange, ...] = ()
    provenance: str
    """``"rules 1"``, with the site file's name and hash where one was given."""

    def note(self, rule_id: str) -> RuleNote:
        """Meaning and source of one rule."""
        if rule_id not in self.notes:
            raise InternalError(
                "rule-unknown", f"There is no rule {rule_id!r}.", do="Name a rule of the YAML."
            )
        return self.notes[rule_id]

    def source(self, rule_id: str) -> str:
        """Source of one rule, with a word where the value is recalled or our own."""
        note = self.note(rule_id)
        return note.source if note.status in ("read", "definition") else f"{note.source} ({note.status})"


def load_rules(site: Path | SiteFile | None = None) -> Rules:
    """The shipped rules, with the entries that a site file overrides.

    Raises
    ------
    InputError
        The site file cannot be read, names a rule that does not exist (the nearest known one is told), or holds a
        value that cannot be; each with its line.
    """
    if site is None:
        return _shipped_rules()
    file = read_site(site) if isinstance(site, Path) else site
    return _build(file)


@cache
def shipped_table() -> dict[str, dict[str, dict[str, Any]]]:
    """The shipped YAML as plain tables: section, key, then value, unit, why, status, source."""
    text = (resources.files("endplate.planning") / "rules.yaml").read_text("utf-8")
    table: dict[str, dict[str, dict[str, Any]]] = YAML(typ="safe", pure=True).load(text)
    return table


@cache
def _shipped_rules() -> Rules:
    return _build(None)


def _build(site: SiteFile | None) -> Rules:
    shipped = shipped_table()
    values = {
        section: {key: entry["value"] for key, entry in part.items()} for section, part in shipped.items()
    }
    notes = {
        f"{section}.{key}": RuleNote(**{name: entry[name] for name in RuleNote.model_fields})
        for section, part in shipped.items()
        for key, entry in part.items()
    }
    changes: list[RuleChange] = []
    if site is not None:
        for section, part in site.rules.items():
            _check_known(site, ("rules", section), section, SECTIONS, part)
            for key, entry in part.items():
                _override(site, (section, key), entry, values, notes, changes)
    sections = {name: _section(name, kind, values[name], site) for name, kind in SECTIONS.items()}
    provenance = f"rules {VERSION}" if site is None else f"rules {VERSION} + {site.mark}"
    return Rules.model_validate(
        {**sections, "notes": notes, "changes": tuple(changes), "provenance": provenance}
    )


def _check_known(site: SiteFile, place: tuple[str, ...], name: str, known: Any, part: Any) -> None:
    if name not in known:
        raise site.refusal(
            place,
            f"there is no section of rules {name!r}{nearest(name, known)}.",
            f"Known: {', '.join(known)}.",
        )
    if not isinstance(part, dict):
        raise site.refusal(place, f"{name} is not a table of rules.", "Indent its rules below it.")


def _override(
    site: SiteFile,
    rule: tuple[str, str],
    entry: Any,
    values: dict[str, dict[str, Any]],
    notes: dict[str, RuleNote],
    changes: list[RuleChange],
) -> None:
    """Put one entry of the site file in the place of the shipped one."""
    section, key = rule
    place = ("rules", section, key)
    if key not in values[section]:
        home = next((name for name, part in values.items() if key in part), None)
        hint = f" (it stands in the section {home})" if home else nearest(key, values[section])
        raise site.refusal(
            place,
            f"there is no rule {section}.{key}{hint}.",
            "Use a name of the shipped rules (docs/science).",
        )
    shipped = values[section][key]
    full = isinstance(entry, dict) and "value" in entry
    given = entry["value"] if full else entry
    rule_id = f"{section}.{key}"
    note = notes[rule_id].model_dump() | {"source": site.mark, "status": "engineering"}
    if full:
        for name in entry:
            if name not in SITE_ENTRY:
                raise site.refusal(
                    (*place, name),
                    f"{name!r} is not part of a rule{nearest(name, SITE_ENTRY)}.",
                    f"A rule has {', '.join(sorted(SITE_ENTRY))}.",
                )
        if entry.get("unit", note["unit"]) != note["unit"]:
            raise site.refusal(
                (*place, "unit"),
                f"{rule_id} is in {note['unit']}, not {entry['unit']}.",
                "Convert the value and leave the unit out.",
            )
        note |= {name: entry[name] for name in ("why", "source", "status") if name in entry}
    if isinstance(shipped, dict) and isinstance(given, dict):
        for name in given:
            if name not in shipped:
                raise site.refusal(
                    (*place, name),
                    f"{rule_id} has no entry {name!r}{nearest(name, shipped)}.",
                    f"Known: {', '.join(shipped)}.",
                )
        given = shipped | given
    try:
        notes[rule_id] = RuleNote.model_validate(note)
    except ValidationError as error:
        raise _refusal(site, place, error) from error
    values[section][key] = given
    changes.append(RuleChange(rule_id=rule_id, shipped=shipped, site=given))


def _section(name: str, kind: type[Section], values: dict[str, Any], site: SiteFile | None) -> Section:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        if site is None:
            raise InternalError(
                "rules-broken", f"The shipped rules are wrong in {name}: {error}.", do="Correct rules.yaml."
            ) from error
        raise _refusal(site, ("rules", name), error) from error


def _refusal(site: SiteFile, place: tuple[str, ...], error: ValidationError) -> Exception:
    """The first complaint about an entry, with its line."""
    first = error.errors(include_url=False)[0]
    inner = tuple(str(part) for part in first["loc"])
    place = (*place, *inner)
    # An entry may be written out as a table with its value below it.
    written = (*place[:3], "value", *place[3:])
    place = written if written[:4] in site.lines else place
    words = str(first["msg"]).removeprefix("Value error, ")
    named = ".".join(part for part in place[1:] if part != "value")
    return site.refusal(
        place, f"{named}: {words[0].lower()}{words[1:]}.", "Correct the value or leave the rule out."
    )
