"""Lesions on phantoms of normal variation: what is found by size, place and kind, and what is called one wrongly.

Every drawn spine is built once and imaged twice, without and with a lesion: the same bone, other noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from flag_study import Share
from scipy.ndimage import gaussian_filter

from endplate.anatomy.lesions import LesionSigns, find_lesions
from endplate.anatomy.locate import locate_vertebrae
from endplate.errors import UsageError
from endplate.imaging.volume import Volume
from endplate.sources import value
from endplate.synthetic import (
    ArchBreakSpec,
    FractureSpec,
    GridSpec,
    LesionSpec,
    PhantomSpec,
    build_phantom,
    hu_of_density,
    random_spec,
)
from endplate.synthetic.ct import FWHM_PER_SIGMA
from endplate.synthetic.lesion import arch_break_truths, lesion_truths, paint_lesions
from endplate.synthetic.truth import LesionTruth

REGIONS = (
    ("T7", "T8", "T9"),
    ("T10", "T11", "T12"),
    ("T11", "T12", "L1"),
    ("L1", "L2", "L3"),
    ("L3", "L4", "L5"),
)
"""Three-level crops; the lesion and the fracture are in the middle one."""
SPACINGS_MM = (0.7, 1.0, 1.0, 1.25, 1.5)
PLACES = ("body", "pedicle", "posterior wall")
KINDS = ("lytic", "blastic")
DIAMETERS_MM = (4.0, 20.0)
BLASTIC_OVER_HU = 150.0
"""A blastic area is at least so much denser than what it replaces: bone of its surroundings' density is none."""
SIZES_MM = ((4.0, 8.0), (8.0, 12.0), (12.0, 20.0))
BULGE_MM = 3.0
"""Bulges from here on must be found."""


@dataclass(frozen=True)
class Found:
    """One lesion of the study and whether it was found."""

    kind: str
    place: str
    diameter_mm: float
    contrast_hu: float
    spacing_mm: float
    found_mm: float | None


@dataclass(frozen=True)
class Pair:
    """What came of one drawn spine: its lesion, and which levels without a lesion were called ill by which finding."""

    lesion: Found
    false: tuple[str, ...]
    levels: int
    bulges: tuple[int, int]
    """Of how many bulging borders, how many were found."""
    breaks: tuple[int, int]


def draw(seed: int) -> tuple[PhantomSpec, PhantomSpec, GridSpec]:
    """One spine without and with its lesion, and the scanner's grid."""
    rng = np.random.default_rng([seed, 733])
    levels = REGIONS[seed % len(REGIONS)]
    middle = levels[1]
    fracture = None
    if rng.uniform() < 0.35:
        fracture = FractureSpec(
            ("wedge", "biconcave", "crush")[int(rng.integers(3))],
            float(rng.uniform(0.15, 0.45)),
            endplate="both" if rng.uniform() < 0.3 else "superior",
            cleft_ml=0.6 if rng.uniform() < 0.3 else 0.0,
            impacted=bool(rng.uniform() < 0.8),
        )
    spec = random_spec(seed, levels, fracture=fracture, fracture_level=middle)
    spec = replace(spec, soft_tissue=replace(spec.soft_tissue, ribs=False))
    if rng.uniform() < 0.25:
        share = float(rng.uniform(0.5, 0.8))
        for vertebra in spec.vertebrae:
            thin = max(share * vertebra.trabecular_mgcc, 45.0)
            spec = spec.with_vertebra(vertebra.level, trabecular_mgcc=thin)
    if rng.uniform() < 0.1:
        spec = spec.with_vertebra(middle, border_bulge_mm=float(rng.uniform(BULGE_MM, 6.0)))
    kind, place = KINDS[seed % 2], PLACES[(seed // 2) % 3]
    diameter = float(rng.uniform(*DIAMETERS_MM))
    hu = float(rng.uniform(30.0, 60.0)) if kind == "lytic" else float(rng.uniform(300.0, 900.0))
    if kind == "blastic":
        density = spec.vertebra(middle).trabecular_mgcc
        if place == "pedicle":
            bone = value("synthetic.bone_mgcc")
            density = float(bone["arch_factor"]) * density + float(bone["arch_offset"])
        hu = max(hu, hu_of_density(density) + BLASTIC_OVER_HU)
    lesion = LesionSpec(
        kind,  # type: ignore[arg-type]
        diameter,
        place,  # type: ignore[arg-type]
        ("left" if rng.uniform() < 0.5 else "right") if place == "pedicle" else "middle",
        at=(float(rng.uniform(-0.6, 0.6)), float(rng.uniform(0.3, 0.8)), float(rng.uniform(0.3, 0.7))),
        hu=hu,
        border_mm=float(rng.choice([0.0, 2.0, 4.0])) if diameter > 6.0 else 0.0,
    )
    breaks: tuple[ArchBreakSpec, ...] = ()
    if rng.uniform() < 0.15:
        where = ("left lamina", "right lamina", "spinous process")[int(rng.integers(3))]
        breaks = (ArchBreakSpec(where, float(rng.uniform(2.0, 4.0))),)  # type: ignore[arg-type]
    ill = spec.with_vertebra(middle, lesions=(lesion,), arch_breaks=breaks)
    grid = GridSpec(
        (SPACINGS_MM[int(rng.integers(len(SPACINGS_MM)))],) * 3,
        margin_mm=4.0,
        psf_fwhm_mm=float(rng.uniform(0.6, 1.2)),
        noise_hu=float(rng.uniform(5.0, 20.0)),
    )
    return spec, ill, grid


def study(seed: int) -> Pair | None:
    """Build, image twice, look for lesions; ``None`` where no such body can be built."""
    spec, ill, grid = draw(seed)
    try:
        made = build_phantom(spec, replace(grid, psf_fwhm_mm=0.0, noise_hu=0.0))
    except UsageError as error:
        if error.code != "phantom-spec-invalid":
            raise
        return None
    assert made.volume is not None
    middle = 1
    spine = replace(made.spine, spec=ill)
    vertebrae = [item.vertebra for item in locate_vertebrae(made.labels)]
    lesion = lesion_truths(spine, middle)[0]
    false: list[str] = []
    found = None
    breaks = (0, 0)
    bulges = [0, 0]
    for diseased in (False, True):
        image = made.volume.data.astype(np.float32)
        if diseased:
            paint_lesions(image, made.volume.affine, spine, middle)
        sigma = grid.psf_fwhm_mm / FWHM_PER_SIGMA / made.volume.spacing_mm
        image = gaussian_filter(image, sigma, mode="nearest")
        rng = np.random.default_rng([seed, 734, int(diseased)])
        image += np.float32(grid.noise_hu) * rng.standard_normal(image.shape, dtype=np.float32)
        volume = Volume(np.rint(image).astype(np.int16), made.volume.affine)
        for index, signs in enumerate(find_lesions(vertebrae, volume)):
            true_bulge = made.truth.levels[spec.levels[index]].border_bulge_mm
            called = calls(signs, bulging=true_bulge > 0.0)
            if diseased and index == middle:
                found = match(lesion, signs)
                true = {item.place for item in arch_break_truths(spine, middle)}
                breaks = (sum(item.place in true for item in signs.arch_breaks), len(true))
                continue
            false.append(" and ".join(called))
            if true_bulge >= BULGE_MM:
                bulges[1] += 1
                bulges[0] += _bulges(signs)
    return Pair(
        lesion=Found(
            lesion.kind, lesion.place, lesion.diameter_mm, lesion.contrast_hu, grid.spacing[0], found
        ),
        false=tuple(false),
        levels=len(false),
        bulges=(bulges[0], bulges[1]),
        breaks=breaks,
    )


def _bulges(signs: LesionSigns) -> bool:
    bulge = signs.posterior_bulge_mm
    return bulge is not None and bulge >= float(value("lesion.bulge_report_mm"))


def calls(signs: LesionSigns, *, bulging: bool) -> list[str]:
    """What a level without a lesion is wrongly said to have."""
    called = [f"{item.kind} {item.place}" for item in signs.lesions]
    called += [f"broken {item.place}" for item in signs.arch_breaks]
    if _bulges(signs) and not bulging:
        called.append("bulging border")
    return called


def match(lesion: LesionTruth, signs: LesionSigns) -> float | None:
    """Diameter of the area of the same kind whose centre lies within the lesion (or 5 mm), else ``None``."""
    reach = max(0.5 * lesion.diameter_mm, 5.0) + 1.0
    for item in signs.lesions:
        away = np.linalg.norm(np.subtract(item.centre_ras_mm, lesion.centre_ras_mm))
        if item.kind == lesion.kind and away <= reach:
            return item.diameter_mm
    return None


def found_share(pairs: Sequence[Pair], low: float, high: float, kind: str = "", place: str = "") -> Share:
    """Lesions of a range of diameters (and of one kind or place) that were found."""
    chosen = [
        pair.lesion
        for pair in pairs
        if low <= pair.lesion.diameter_mm < high
        and kind in ("", pair.lesion.kind)
        and place in ("", pair.lesion.place)
    ]
    return Share(sum(item.found_mm is not None for item in chosen), len(chosen))


__all__ = ["SIZES_MM", "Found", "Pair", "draw", "found_share", "match", "study"]
