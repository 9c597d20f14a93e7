"""The pages of this room that are made from data and code: traceability, packs, JSON schemas."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from endplate.care.case import Case
from endplate.care.model import Evaluation
from endplate.care.pack import SHIPPED, load_pack
from endplate.care.pack_differences import differences
from endplate.care.pack_schema import pack_schema
from endplate.care.parameters import parameters
from endplate.care.quantities import words
from endplate.care.yamlfile import YamlFile
from endplate.sources import citation

GROUPS = (
    ("P-", "Requirements from the leaflets"),
    ("C", "Conflicts between the leaflets"),
    ("F", "Acceptance examples"),
    ("HAZ-", "Hazards and their controls"),
)
"""Beginning of the ids of each part of the page."""


@dataclass(frozen=True)
class Row:
    """One requirement: the tests that show it, or the reason why none does; for a hazard its control."""

    id: str
    what: str
    tests: tuple[str, ...] = ()
    reason: str = ""
    control: str = ""


@cache
def rows() -> tuple[Row, ...]:
    """All rows of the data file."""
    content = (resources.files("endplate.care") / "traceability.yaml").read_bytes()
    return tuple(
        Row(
            id=key,
            what=entry["what"],
            tests=tuple(entry.get("tests", ())),
            reason=entry.get("reason", ""),
            control=entry.get("control", ""),
        )
        for key, entry in YamlFile("traceability.yaml", content).values.items()
    )


def traceability_page() -> str:
    """The traceability table as Markdown."""
    text = "# Care: requirement, test, control\n\nMade from `care/traceability.yaml`; do not edit.\n"
    for begin, title in GROUPS:
        text += f"\n## {title}\n\n| id | what | shown by |\n|---|---|---|\n"
        for row in rows():
            if row.id.startswith(begin):
                shown = ", ".join(f"`{name}`" for name in row.tests) or f"no test: {row.reason}"
                what = f"{row.what}. {row.control}" if row.control else row.what
                text += f"| {row.id} | {what} | {shown} |\n"
    return text


def packs_page() -> str:
    """Every parameter with its published choices, and where the shipped packs differ, as Markdown."""
    text = (
        "# Care: parameters and packs\n\nMade from `care/parameters.yaml` and `care/packs`; do not edit. The leaflet "
        "packs are records of what was published, not protocols. Sources are listed below.\n\n"
        "| parameter | row | meaning | safe side | published choices |\n|---|---|---|---|---|\n"
    )
    for key, entry in parameters().items():
        choices = "; ".join(
            f"{words(entry.kind, choice.value)} ({choice.source}{', not to be used' if choice.forbidden else ''})"
            for choice in entry.choices
        )
        text += (
            f"| `{key}` | {entry.row} | {entry.meaning} | {entry.safe} | {choices or 'the site decides'} |\n"
        )
    packs = tuple(load_pack(name) for name in SHIPPED)
    text += f"\n## Where the shipped packs differ\n\n| parameter | {' | '.join(SHIPPED)} |\n"
    text += f"|---|{'---|' * len(SHIPPED)}\n"
    for row in differences(packs):
        text += f"| `{row.key}` | {' | '.join(row.values)} |\n"
    sources = sorted(
        {choice.source for entry in parameters().values() for choice in entry.choices} - {"endplate"}
    )
    text += "\n## Sources\n\n"
    return text + "".join(f"- `{key}`: {citation(key).text}\n" for key in sources)


def pages() -> dict[str, str]:
    """Every generated page of this room by its name under ``docs/care``."""
    return {
        "traceability.md": traceability_page(),
        "packs.md": packs_page(),
        "pack.schema.json": _json(pack_schema()),
        "case.schema.json": _json(Case.model_json_schema(by_alias=True)),
        "evaluation.schema.json": _json(Evaluation.model_json_schema(by_alias=True)),
    }


def _json(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def write_pages(folder: Path) -> None:
    """Write every generated page."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
