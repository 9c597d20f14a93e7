"""A vertebral body on voxels and the balloons that lie in it.

Arrays lie on one cubic voxel grid along the vertebra's own axes, shape (I, J, K): toward the patient's right, the front
and the head. ``affine`` maps voxel indices to RAS mm. Pressures are in MPa, forces in N, volumes in ml, lengths in mm,
densities in mg/cm³ (K2HPO4 equivalent).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.axes import Axes, FloatArray
from endplate.anatomy.model import HeightTriple, Shape, Side
from endplate.devices.balloons import Balloon
from endplate.sources import Finding
from endplate.units import MM3_PER_ML

Mask = NDArray[np.bool_]

Wall = Literal["anterior", "posterior", "lateral", "superior", "inferior"]
"""Walls of a body; the last two are the endplates."""

WALLS: tuple[Wall, ...] = ("anterior", "posterior", "lateral", "superior", "inferior")


@dataclass(frozen=True, eq=False)
class Bone:
    """A vertebral body ready for a balloon.

    Parameters
    ----------
    level:
        Its name.
    affine, step_mm, axes:
        The grid, the edge of a voxel and the vertebra's frame.
    body:
        Voxels of the body.
    depth_mm:
        Distance below the body's surface, negative outside.
    wall:
        For each voxel the place in :data:`WALLS` of the wall nearest to it.
    density_mgcc:
        Never negative; 0 outside the body.
    heights_mm, expected_heights_mm, uncertainty_mm:
        As measured, as expected of an unbroken body, and how sure the expectation is.
    windows:
        In the frame, right and anterior mm of the lines on which the three heights are read: anterior, middle,
        posterior; shape (3, 2).
    wedge_deg:
        Angle between the endplates, positive when lower in front; ``None`` where it was not measured.
    shape, loss:
        Of its fracture, ``None`` where none was seen; greatest loss of height (0–1).
    findings:
        What building it found.
    """

    level: str
    affine: FloatArray
    step_mm: float
    axes: Axes
    body: Mask
    depth_mm: FloatArray
    wall: NDArray[np.int8]
    density_mgcc: FloatArray
    heights_mm: HeightTriple
    expected_heights_mm: HeightTriple
    uncertainty_mm: HeightTriple
    windows: FloatArray
    wedge_deg: float | None = None
    shape: Shape | None = None
    loss: float | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel."""
        return self.step_mm**3 / MM3_PER_ML

    @property
    def volume_ml(self) -> float:
        """Volume of the body."""
        return float(np.count_nonzero(self.body)) * self.voxel_ml

    def index(self, ras_mm: FloatArray) -> FloatArray:
        """RAS mm, shape (…, 3) → fractional voxel indices."""
        inverse = np.linalg.inv(self.affine)
        found: FloatArray = np.asarray(ras_mm) @ inverse[:3, :3].T + inverse[:3, 3]
        return found


@dataclass(frozen=True, eq=False)
class Tamp:
    """One balloon in its place.

    Parameters
    ----------
    side:
        Of the needle it came through.
    device:
        The catalogue's balloon.
    markers_ras_mm:
        Proximal and distal marker, shape (2, 3).
    cannula_end_ras_mm:
        Where the working cannula ends, shape (3,).
    """

    side: Side
    device: Balloon
    markers_ras_mm: FloatArray
    cannula_end_ras_mm: FloatArray

    @property
    def middle_ras_mm(self) -> FloatArray:
        """Midway between the markers."""
        found: FloatArray = self.markers_ras_mm.mean(axis=0)
        return found

    @property
    def direction_ras(self) -> FloatArray:
        """Unit vector from the proximal to the distal marker."""
        way = self.markers_ras_mm[1] - self.markers_ras_mm[0]
        unit: FloatArray = way / np.linalg.norm(way)
        return unit

    def core_ras_mm(self, volume_ml: float) -> tuple[FloatArray, FloatArray, float]:
        """Ends of the axis of the free balloon's capsule at a volume, shape (3,), and its radius."""
        radius = 0.5 * self.device.inflated_diameter_mm(min(volume_ml, self.device.max_volume_ml))
        half = max(0.5 * self.device.length_mm - radius, 0.0)
        middle, way = self.middle_ras_mm, self.direction_ras
        return middle - half * way, middle + half * way, radius
