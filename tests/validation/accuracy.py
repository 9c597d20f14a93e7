"""How far measurements lie from a phantom's exact truth, and the grids on which that is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from endplate.anatomy.assessment import assess
from endplate.anatomy.model import Vertebra
from endplate.imaging.calibration import Calibration
from endplate.synthetic import (
    GridSpec,
    LevelTruth,
    PedicleSpec,
    Phantom,
    PhantomSpec,
    VertebraSpec,
    build_phantom,
    default_spec,
)

ORIENTATIONS = {
    "RAS": ("R", "A", "S"),
    "LPS": ("L", "P", "S"),
    "PIR": ("P", "I", "R"),
    "LAS": ("L", "A", "S"),
    "ASL": ("A", "S", "L"),
    "SRP": ("S", "R", "P"),
}
"""Six voxel orders."""

SIDES = ("left", "right")

HEIGHTS = ("anterior", "middle", "posterior")

QUANTITIES = {
    "height_mm": ("height of the body", "mm"),
    "wedge_deg": ("wedge angle", "deg"),
    "isthmus_mm": ("inscribed diameter of the isthmus", "mm"),
    "pedicle_width_mm": ("width of the isthmus", "mm"),
    "pedicle_axis_deg": ("pedicle axis, transverse and sagittal", "deg"),
    "canal_mm": ("canal depth and width", "mm"),
    "frame_deg": ("axes of the vertebra", "deg"),
}
"""Names and units of the errors reported."""


def acceptance_spec() -> PhantomSpec:
    """The acceptance vertebra: isthmus 8.0 mm, axis 12°/5°, heights 25/20/27 mm, canal 22 × 16 mm."""
    pedicle = PedicleSpec(inscribed_diameter_mm=8.0, height_mm=15.0, transverse_deg=12.0, sagittal_deg=5.0)
    plain = default_spec(("L1",))
    own = VertebraSpec(
        level="L1",
        anterior_height_mm=25.0,
        middle_height_mm=20.0,
        posterior_height_mm=27.0,
        body_width_mm=42.0,
        body_depth_mm=31.0,
        canal_ap_mm=16.0,
        canal_width_mm=22.0,
        pedicle_left=pedicle,
        pedicle_right=pedicle,
    )
    return PhantomSpec(levels=("L1",), vertebrae=(own,), discs=plain.discs)


@dataclass(frozen=True)
class GridCase:
    """One grid over the acceptance vertebra."""

    name: str
    grid: GridSpec


def grid_cases(spacing_mm: float, *, oblique: bool = True) -> list[GridCase]:
    """Six orientations, and the grid turned by 20° about each axis of the patient."""
    spacing = (spacing_mm, spacing_mm, spacing_mm)
    scanner = {"psf_fwhm_mm": 0.8, "noise_hu": 15.0}
    cases = [GridCase(name, GridSpec(spacing, axes, **scanner)) for name, axes in ORIENTATIONS.items()]
    if oblique:
        cases += [
            GridCase(f"20° about {axis}", GridSpec(spacing, oblique_deg=20.0, oblique_axis=axis, **scanner))
            for axis in ("R", "A", "S")
        ]
    return cases


def angle_deg(a: Iterable[float], b: Iterable[float]) -> float:
    """Angle between two unit vectors."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b)))


def errors(found: Vertebra, truth: LevelTruth) -> dict[str, list[float]]:
    """Signed errors of one level by quantity; what was not measured is NaN, so that it cannot pass."""
    result: dict[str, list[float]] = {
        "height_mm": [
            _gap(getattr(found.heights_mm, name), getattr(truth.heights_mm, name)) for name in HEIGHTS
        ],
        "wedge_deg": [_gap(found.wedge_angle_deg, truth.wedge_angle_deg)],
        "canal_mm": [
            _gap(found.canal.ap_mm, truth.canal.ap_mm),
            _gap(found.canal.width_mm, truth.canal.width_mm),
        ],
        "isthmus_mm": [],
        "pedicle_width_mm": [],
        "pedicle_axis_deg": [],
        "frame_deg": [np.nan] * 2
        if found.frame is None
        else [
            angle_deg(found.frame.superior_ras, truth.frame.superior_ras),
            angle_deg(found.frame.anterior_ras, truth.frame.anterior_ras),
        ],
    }
    for side in SIDES:
        pedicle, true = getattr(found.pedicles, side), truth.pedicles[side]
        for quantity, name in (
            ("isthmus_mm", "inscribed_diameter_mm"),
            ("pedicle_width_mm", "width_mm"),
            ("pedicle_axis_deg", "transverse_deg"),
            ("pedicle_axis_deg", "sagittal_deg"),
        ):
            result[quantity].append(_gap(getattr(pedicle, name, None), getattr(true, name)))
    return result


def measure(spec: PhantomSpec, grid: GridSpec, *, ct: bool) -> list[tuple[Vertebra, LevelTruth]]:
    """Build a phantom, assess it and pair each level with its truth."""
    made = build_phantom(spec, grid, ct=ct)
    return pairs(made, ct=ct)


def pairs(made: Phantom, *, ct: bool) -> list[tuple[Vertebra, LevelTruth]]:
    """Assess a phantom, with its CT or from its labels alone, and pair each level with its truth."""
    spine = assess(made.labels, made.volume if ct else None, Calibration.uncalibrated())
    return [(vertebra, made.truth.levels[vertebra.level]) for vertebra in spine.levels]


def errors_both_ways(task: tuple[PhantomSpec, GridCase]) -> list[dict[str, list[float]]]:
    """Errors of one phantom on one grid, from its labels alone and with its CT."""
    spec, case = task
    made = build_phantom(spec, case.grid)
    return [merged(errors(*pair) for pair in pairs(made, ct=ct)) for ct in (False, True)]


@dataclass(frozen=True)
class Spread:
    """Errors of one quantity over many measurements."""

    n: int
    bias: float
    rms: float
    worst: float
    within: float | None = None
    """Share of the measurements inside the tolerance asked for."""


def spread(values: Iterable[float], tolerance: float | None = None) -> Spread:
    """Summarise errors; one that was not measured makes the worst infinite."""
    array = np.asarray(list(values), dtype=float)
    known = array[np.isfinite(array)]
    worst = float(np.abs(known).max()) if len(known) == len(array) and len(known) else float("inf")
    within = None if tolerance is None else float((np.abs(array) <= tolerance).mean())
    return Spread(len(array), float(known.mean()), float(np.sqrt(np.mean(known**2))), worst, within)


def merged(all_errors: Iterable[Mapping[str, list[float]]]) -> dict[str, list[float]]:
    """Errors of many levels by quantity."""
    result: dict[str, list[float]] = {name: [] for name in QUANTITIES}
    for one in all_errors:
        for name, values in one.items():
            result[name] += values
    return result


def _gap(found: float | None, true: float) -> float:
    return float("nan") if found is None else found - true
