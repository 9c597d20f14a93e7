"""Phantoms of known density, scanned in many ways, and the density that their own tissues calibrate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from endplate.imaging.calibrate import calibration_of
from endplate.imaging.scan_character import scan_character
from endplate.imaging.volume import Volume
from endplate.synthetic import GridSpec, Phantom, PhantomSpec, ScannerSpec, build_phantom, default_spec

LEVELS = ("L1", "L2", "L3")
BALL_MM = 6.0
"""Radius of the ball of marrow whose mean HU is turned into density."""
AHEAD_MM = 7.0
"""The ball lies this far in front of the body's centre, clear of the basivertebral vein."""


@dataclass(frozen=True)
class Case:
    """One phantom and its scan. ``told``: the file states the tube voltage (never the contrast agent)."""

    spec: PhantomSpec
    noise_hu: float
    told: bool = True


@dataclass(frozen=True)
class Outcome:
    """What calibration made of a case: density true and ours by level, and whether ours is within its interval."""

    kvp: float
    contrast: str
    told: bool
    phase: str
    method: str
    references: tuple[str, ...]
    true_mgcc: tuple[float, ...]
    ours_mgcc: tuple[float, ...]
    uncorrected_mgcc: tuple[float, ...]
    """By the usual line of 120 kVp, which knows nothing of the scan."""
    held: tuple[bool, ...]
    codes: tuple[str, ...]

    @property
    def errors(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Relative errors of our densities."""
        true = np.array(self.true_mgcc)
        return (np.array(self.ours_mgcc) - true) / true


def draw(seed: int, kvp: float, contrast: str, *, told: bool = True) -> Case:
    """A phantom with tissues, scanner and contrast as they differ between people and hospitals."""
    rng = np.random.default_rng([seed, int(kvp), len(contrast)])
    spec = default_spec(LEVELS, seed=seed)
    base = float(rng.uniform(70.0, 190.0))
    for level in LEVELS:
        spec = spec.with_vertebra(level, trabecular_mgcc=base * float(rng.uniform(0.9, 1.1)))
    soft = replace(
        spec.soft_tissue,
        muscle_hu=float(rng.uniform(35.0, 62.0)),
        fat_hu=float(rng.uniform(-112.0, -94.0)),
        blood_hu=float(rng.uniform(35.0, 50.0)),
    )
    added = {"none": (0.0, 1.0), "portal_venous": (6.0, 22.0), "arterial": (5.0, 20.0)}[contrast]
    scanner = ScannerSpec(
        kvp=kvp,
        contrast=contrast,  # type: ignore[arg-type]
        bone_contrast_hu=float(rng.uniform(*added)),
        hu_scale=float(np.clip(rng.normal(1.0, 0.012), 0.96, 1.04)),
        hu_offset=float(np.clip(rng.normal(0.0, 4.0), -10.0, 10.0)),
        mineral_factor=float(np.clip(rng.normal(1.0, 0.04), 0.9, 1.1)),
        kernel=("plain", "soft", "sharp")[int(rng.integers(3))],  # type: ignore[arg-type]
        couch=bool(rng.integers(2)),
    )
    return Case(replace(spec, soft_tissue=soft, scanner=scanner), float(rng.uniform(10.0, 25.0)), told)


def run_case(case: Case) -> Outcome:
    """Build, calibrate and compare."""
    grid = GridSpec(
        spacing=(1.5, 1.5, 3.0),
        to_skin=True,
        margin_mm=(150.0, 60.0, 4.0),
        psf_fwhm_mm=1.0,
        noise_hu=case.noise_hu,
    )
    phantom = build_phantom(case.spec, grid)
    assert phantom.volume is not None
    scan = replace(phantom.volume.scan, contrast_agent=None, kvp=case.spec.scanner.kvp if case.told else None)
    volume = replace(phantom.volume, scan=scan)
    character = scan_character(volume, phantom.labels)
    calibration = calibration_of(character.calibration)
    usual = calibration_of(character.calibration.model_copy(update={"slope": 0.85, "intercept": 0.0}))
    means = [marrow_hu(phantom, volume, level) for level in LEVELS]
    ours = [calibration.density(hu) for hu in means]
    true = [vertebra.trabecular_mgcc for vertebra in case.spec.vertebrae]
    return Outcome(
        kvp=case.spec.scanner.kvp,
        contrast=case.spec.scanner.contrast,
        told=case.told,
        phase=character.contrast.phase,
        method=character.calibration.method,
        references=tuple(r.tissue for r in character.calibration.references if r.used),
        true_mgcc=tuple(true),
        ours_mgcc=tuple(estimate.value for estimate in ours),
        uncorrected_mgcc=tuple(usual.density(hu).value for hu in means),
        held=tuple(o.low <= t <= o.high for o, t in zip(ours, true, strict=True)),
        codes=tuple(found.code for found in character.findings),
    )


def marrow_hu(phantom: Phantom, volume: Volume, level: str) -> float:
    """Mean HU of a ball of marrow of that level."""
    frame = phantom.truth.levels[level].frame
    centre = np.array(frame.origin_ras_mm) + AHEAD_MM * np.array(frame.anterior_ras)
    ijk = np.rint(volume.to_voxel(centre)).astype(int)
    reach = np.ceil(BALL_MM / volume.spacing_mm).astype(int)
    low, high = np.maximum(ijk - reach, 0), np.minimum(ijk + reach + 1, volume.shape)
    index = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), axis=-1)
    inside = np.linalg.norm(volume.to_world(index) - centre, axis=-1) <= BALL_MM
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return float(volume.data[box][inside].mean())
