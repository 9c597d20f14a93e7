"""Every side of a spine searched, from a label map or a random phantom."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from endplate.anatomy import assess
from endplate.anatomy.model import Spine
from endplate.devices.cannulas import cannula
from endplate.errors import QualityGateError
from endplate.imaging.calibration import Calibration
from endplate.imaging.labels import read_labels
from endplate.imaging.volume import LabelMap
from endplate.planning.path import NeedleAccess, Wish
from endplate.planning.rules import load_rules
from endplate.planning.scene import SIDES, level_scene
from endplate.planning.search import search
from endplate.synthetic import GridSpec, build_phantom, random_spec

GAUGE = "11G"

SEARCH = (
    "canal_points",
    "checks",
    "corridor",
    "finish",
    "foramen",
    "isthmus",
    "kernels",
    "measure",
    "needles",
    "neighbours",
    "path",
    "robustness",
    "scene",
    "score",
    "search",
    "structures",
    "targets",
)
"""Modules of planning that find and measure paths."""

ROOMS = (
    "anatomy: geometry",
    "synthetic",
    *(f"planning/{name}.py" for name in SEARCH),
    "planning/rules.yaml",
    "sources/data/constants/planning.toml",
)
"""What the studies of paths test."""


@dataclass(frozen=True)
class Planned:
    """One side of one level; lengths ``None`` where it was refused."""

    source: str
    level: str
    side: str
    access: str
    refusal: str | None
    medial_mm: float | None = None
    clearance_mm: float = 0.0
    convergence_deg: float = 0.0
    craniocaudal_deg: float = 0.0
    worst_grade: str = ""


def planned(path: Path, *accesses: NeedleAccess) -> list[Planned]:
    """Search both sides of every whole thoracic and lumbar level of a label map."""
    labels = read_labels(path)
    return sides_of(
        path.name.split("_")[0], labels, assess(labels, None, Calibration.uncalibrated()), *accesses
    )


def sides_of(source: str, labels: LabelMap, spine: Spine, *accesses: NeedleAccess) -> list[Planned]:
    """Search both sides of every whole thoracic and lumbar level of a measured spine."""
    rules = load_rules()
    found = []
    for vertebra in spine.levels:
        if vertebra.level.startswith("C"):
            continue
        try:
            scene = level_scene(labels, None, None, None, spine, vertebra)
        except QualityGateError:
            continue
        for side in SIDES:
            for access in accesses:
                result = search(scene, Wish(side, "transpedicular", cannula(GAUGE), access), rules)
                path = result.best
                if path is None:
                    found.append(Planned(source, vertebra.level, side, access, result.refusal))
                    continue
                found.append(
                    Planned(
                        source,
                        vertebra.level,
                        side,
                        access,
                        None,
                        path.margins_mm.medial,
                        path.clearance_mm,
                        path.convergence_deg,
                        path.craniocaudal_deg,
                        path.robustness.grade or "",
                    )
                )
    return found


@dataclass(frozen=True)
class Person:
    """Three levels of one random phantom."""

    seed: int
    levels: tuple[str, ...]


def random_person(person: Person) -> list[Planned]:
    """Both sides of the levels of a random phantom on 1 mm voxels, with two needles and with one."""
    phantom = build_phantom(random_spec(person.seed, person.levels), GridSpec(margin_mm=4.0), ct=False)
    spine = assess(phantom.labels, None, Calibration.uncalibrated())
    return sides_of("phantoms", phantom.labels, spine, "bipedicular", "unipedicular")
