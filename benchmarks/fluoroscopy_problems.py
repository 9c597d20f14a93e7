"""Volumes and views of the benchmark of fluoroscopy."""

from __future__ import annotations

import os
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from endplate.fluoroscopy.view import View, mobile_view
from endplate.imaging.carm import CArmPose
from endplate.imaging.read import read_image
from endplate.imaging.sample import fetch_sample

WATER_PER_MM = 0.02
"""Attenuation of water, 1/mm: near enough to time a projector."""

AIR_HU = -1000

DETECTOR_MM = 307.2

PIXELS = (512, 256)

SAMPLE_ISOCENTRE_RAS_MM = (-10.0, -70.0, -226.0)
"""In the spine, half way up the sample CT."""

SAMPLE_BULLS_EYE_DEG = (-177.66, -18.0)
"""The needle planned for the sample's L1 from the left."""

AP_DEG, LATERAL_DEG = (180.0, 0.0), (-90.0, 0.0)

THIN_SLICES = "rider_pilot_0117_chest_thin_dicom.zip"
"""A thin-slice CT in the folder of real data."""


@dataclass(frozen=True, eq=False)
class Shot:
    """One view to cast, with its name."""

    name: str
    view: View


@dataclass(frozen=True, eq=False)
class Problem:
    """A volume of attenuation (1/mm) and what to cast of it, the large detector first."""

    name: str
    values: NDArray[np.float32]
    affine: NDArray[np.float64]
    shots: tuple[Shot, ...]

    @staticmethod
    def of(name: str, hu: NDArray[Any], affine: Any, poses: list[tuple[str, Any, Any]]) -> Problem:
        """From Hounsfield units and (name, (primary, secondary), isocentre); each pose at both detector sizes."""
        shots = tuple(
            Shot(
                f"{what} {pixels}²",
                mobile_view(_pose(*angles), centre, pixels=pixels, detector_mm=DETECTOR_MM),
            )
            for pixels in PIXELS
            for what, angles, centre in poses
        )
        return Problem(name, attenuation(hu), np.asarray(affine, dtype=np.float64), shots)


def attenuation(hu: NDArray[Any]) -> NDArray[np.float32]:
    """Hounsfield units → 1/mm as of water."""
    return (WATER_PER_MM * (1.0 + np.maximum(hu, AIR_HU) / 1000.0)).astype(np.float32)


def sample(seed: int, *, more: bool) -> Problem:
    """The public sample CT: AP, lateral and bull's-eye; seeds above 0 move isocentre and angles; ``more``: obliques."""
    image = read_image(fetch_sample().ct)
    rng = np.random.default_rng(seed)
    centre = np.array(SAMPLE_ISOCENTRE_RAS_MM)
    eye = np.array(SAMPLE_BULLS_EYE_DEG)
    if seed:
        centre = centre + rng.uniform(-25.0, 25.0, 3)
        eye = np.array([-180.0 + rng.uniform(1.0, 30.0), rng.uniform(-25.0, 25.0)])
    poses = [("AP", AP_DEG, centre), ("lateral", LATERAL_DEG, centre), ("bull's-eye", tuple(eye), centre)]
    if more:
        poses += [("oblique 25+10", (155.0, 10.0), centre), ("oblique 40", (-140.0, 0.0), centre)]
    return Problem.of("sample CT", image.data, image.affine, poses)


def thin_slices() -> Problem | None:
    """A thin-slice CT of the folder that ENDPLATE_DATA names; ``None`` without it."""
    file = Path(os.environ.get("ENDPLATE_DATA", "")) / THIN_SLICES
    if not file.is_file():
        return None
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(file).extractall(folder)
        image = read_image(Path(folder))
    centre = image.to_world((np.array(image.shape) - 1) / 2)
    poses = [("AP", AP_DEG, centre), ("lateral", LATERAL_DEG, centre), ("bull's-eye", (168.0, -8.0), centre)]
    return Problem.of("thin-slice CT", image.data, image.affine, poses)


def from_file(file: Path) -> Problem:
    """A problem of one's own.

    The file holds ``hu`` (I, J, K), ``affine`` (4×4, RAS mm) and ``poses`` (N, 2): DICOM primary and secondary angle of
    a prone patient, about the middle of the volume; or (N, 5), the isocentre (RAS mm) behind the angles.
    """
    with np.load(file) as held:
        hu, affine = held["hu"], np.asarray(held["affine"], dtype=np.float64)
        given = np.atleast_2d(np.asarray(held["poses"], dtype=np.float64))
    middle = affine[:3, :3] @ ((np.array(hu.shape) - 1) / 2) + affine[:3, 3]
    poses = [
        (f"pose {n} ({row[0]:.0f}°, {row[1]:.0f}°)", tuple(row[:2]), row[2:5] if row.size >= 5 else middle)
        for n, row in enumerate(given)
    ]
    return Problem.of(file.stem, hu, affine, poses)


def _pose(primary: float, secondary: float) -> CArmPose:
    return CArmPose(float(primary), float(secondary), "prone")
