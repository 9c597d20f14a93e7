"""Records of validation: our number beside the analytic or published one, kept with a hash of the code it tested.

``docs/validation/NAME.json`` holds one record; ``docs/validation.md`` is built from all of them.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import endplate

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "validation"
PAGE = ROOT / "docs" / "validation.md"
PACKAGE = Path(endplate.__file__).parent

FOUND_IN_BONE = {
    "lesions": ("lesion*", "posterior_wall", "arch_breaks"),
    "implants": ("implant*", "cement", "metal", "lines", "cylinder", "transitional"),
}
"""Modules of the anatomy that look for something in the bone; they do not shape what is measured of it."""

AROUND_CLICKS = (
    "mend*",
    "outputs*",
    "pick*",
    "points*",
    "propose",
    "child",
    "contract",
    "programs",
    "run",
    "version",
)
"""Modules of the labelling that bring points in or labels out."""

VIRTUAL_FRACTURE = ("virtual_fracture*", "fracture_*", "restoration*")
"""Modules that break a vertebra of a scan or restore its heights; the phantom does not use them."""

GROUPS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "anatomy: geometry": (
        "anatomy",
        ("*",),
        tuple(name for names in FOUND_IN_BONE.values() for name in names),
    ),
    "anatomy: lesions": ("anatomy", FOUND_IN_BONE["lesions"], ()),
    "anatomy: implants": ("anatomy", FOUND_IN_BONE["implants"], ()),
    "mechanics: strength": (
        "mechanics",
        (
            "caps",
            "interval",
            "laws",
            "orient",
            "plasticity",
            "platen",
            "pressing",
            "ramp",
            "specimen",
            "tissue",
        ),
        (),
    ),
    "cement: material": ("cement", ("cannula", "compiled", "curing", "damage", "heat*", "rheology"), ()),
    "cement: bone": (
        "cement",
        (
            "bone_*",
            "cavity",
            "defects",
            "exits",
            "measures",
            "medium*",
            "permeability",
            "porosity",
            "structures",
            "veins",
        ),
        (),
    ),
    "labelling: from clicks": ("labelling", ("*",), AROUND_CLICKS),
    "cement: flow": ("cement", ("advance", "compiled", "flow_*", "model", "nozzle"), ()),
    "synthetic": ("synthetic", ("*",), VIRTUAL_FRACTURE),
    "synthetic: virtual fracture": ("synthetic", VIRTUAL_FRACTURE, ()),
    "imaging: what kind of scan": (
        "imaging",
        (
            "calibrat*",
            "attenuation",
            "phantom_rods",
            "references",
            "internal_calibration",
            "contrast",
            "kernel",
            "coarse",
            "scan_*",
            "spine_place",
            "surroundings",
            "density_scales",
        ),
        (),
    ),
}
"""Parts of a room that a study tests: the room, the modules in the part, and those left out of it."""

CONSTANTS_OF = {
    "balloon": ("balloon",),
    "cement: flow": ("cement_flow",),
    "anatomy: geometry": ("anatomy", "norms", "pedicles", "refine"),
    "anatomy: lesions": ("lesions",),
    "anatomy: implants": ("implants", "transitional"),
    "cement: material": ("cement_material",),
    "imaging: what kind of scan": ("attenuation", "calibration", "internal_calibration", "scan_character"),
    "mechanics: strength": ("mechanics",),
    "cement: bone": ("cement_bone",),
    "outcome": ("outcome",),
    "labelling: from clicks": ("labelling_arch", "labelling_bodies"),
    "synthetic": ("synthetic", "norms", "phantom_scanner"),
    "synthetic: virtual fracture": ("virtual_fracture",),
}
"""Files of constants that a room or a part of one reads; only their values count."""

INTRODUCTION = """# Validation

Our number beside the analytic or published one, the tolerance and why. Built from `docs/validation/*.json`, which
`make validate` writes (set `ENDPLATE_DATA` for the rows on real spines); a test fails when the code of a room is newer
than the record of it. A bound marked **not reached** is a tolerance that was asked for and is missed in the worst
case: the number stands as it is.
"""


def rooms_hash(rooms: Sequence[str]) -> str:
    """Hash of the code of some rooms (or single modules) and of the constants they read.

    Comments and blank lines do not count.
    """
    digest = hashlib.sha256()
    for room in sorted(rooms):
        for file in _files(room):
            digest.update(file.relative_to(PACKAGE).as_posix().encode() + b"\0")
            for line in file.read_text("utf-8").splitlines():
                if line.strip() and not line.lstrip().startswith("#"):
                    digest.update(line.rstrip().encode() + b"\n")
        for name in CONSTANTS_OF.get(room, ()):
            file = PACKAGE / "sources" / "data" / "constants" / f"{name}.toml"
            if file.is_file():
                entries = tomllib.loads(file.read_text("utf-8"))
                values = {key: [entry["value"], entry.get("spread")] for key, entry in entries.items()}
                digest.update(json.dumps(values, sort_keys=True).encode())
    return digest.hexdigest()


def _files(room: str) -> list[Path]:
    """Source files of a room, a part of one, or a single module."""
    if room not in GROUPS:
        place = PACKAGE / room
        return [place] if place.is_file() else sorted(place.rglob("*.py"))
    folder, taken, left = GROUPS[room]
    files = sorted((PACKAGE / folder).rglob("*.py"))
    return [file for file in files if _named(file, taken) and not _named(file, left)]


def _named(file: Path, patterns: Sequence[str]) -> bool:
    return any(fnmatch(file.stem, pattern) for pattern in patterns)


def row(
    what: str, ours: str, reference: str, tolerance: str, why: str, *, reached: bool | None
) -> dict[str, Any]:
    """One comparison; ``reached`` is ``None`` where nothing is asked and the number is only reported."""
    return {
        "what": what,
        "ours": ours,
        "reference": reference,
        "tolerance": tolerance,
        "why": why,
        "reached": reached,
    }


def write_record(
    name: str,
    *,
    title: str,
    order: int,
    method: str,
    rooms: Sequence[str],
    rows: Sequence[dict[str, Any]],
    details: Sequence[str] = (),
) -> None:
    """Keep one record and build the page anew. ``details`` are Markdown tables or paragraphs below the rows."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    record = {
        "name": name,
        "title": title,
        "order": order,
        "method": method,
        "rooms": sorted(rooms),
        "rooms_sha256": rooms_hash(rooms),
        "rows": list(rows),
        "details": list(details),
    }
    text = json.dumps(record, ensure_ascii=False, indent=1) + "\n"
    (FOLDER / f"{name}.json").write_text(text, "utf-8")
    PAGE.write_text(page(), "utf-8")


def read_records() -> list[dict[str, Any]]:
    """All records in the order of the page."""
    records = [json.loads(file.read_text("utf-8")) for file in sorted(FOLDER.glob("*.json"))]
    return sorted(records, key=lambda record: (record["order"], record["name"]))


def page() -> str:
    """The page that the records give."""
    parts = [INTRODUCTION]
    for record in read_records():
        parts.append(f"## {record['title']}\n\n{record['method']}\n")
        lines = [
            "| what | ours | analytic or published | tolerance | reached | why |",
            "|---|---|---|---|---|---|",
        ]
        for item in record["rows"]:
            reached = {True: "yes", False: "**not reached**", None: "reported"}[item["reached"]]
            cells = (item["what"], item["ours"], item["reference"], item["tolerance"], reached, item["why"])
            lines.append("| " + " | ".join(cells) + " |")
        parts.append("\n".join(lines) + "\n")
        parts += [f"{detail}\n" for detail in record["details"]]
        tested = ", ".join(f"`{room}`" for room in record["rooms"])
        file = f"{record['name']}.json"
        parts.append(
            f"Tests {tested} at `{record['rooms_sha256'][:12]}`; record: [{file}](validation/{file}).\n"
        )
    return "\n".join(parts)
