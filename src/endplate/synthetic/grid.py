"""The scanner's grid over the phantom: spacing, order and direction of the voxel axes, obliquity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from endplate.imaging.geometry import FloatArray
from endplate.synthetic.spec import refuse

_DIRECTION = {
    "R": (1.0, 0.0, 0.0),
    "L": (-1.0, 0.0, 0.0),
    "A": (0.0, 1.0, 0.0),
    "P": (0.0, -1.0, 0.0),
    "S": (0.0, 0.0, 1.0),
    "I": (0.0, 0.0, -1.0),
}
_PAIR = {"R": 0, "L": 0, "A": 1, "P": 1, "S": 2, "I": 2}

MAX_VOXELS = 400_000_000
"""Grids larger than this are refused rather than filling the memory."""


@dataclass(frozen=True)
class GridSpec:
    """A voxel grid over the fixed anatomy.

    Parameters
    ----------
    spacing:
        Voxel size along the three voxel axes in mm.
    axes:
        Letter toward which each voxel axis runs, e.g. ``("P", "I", "R")``.
    oblique_deg, oblique_axis:
        The grid is turned by this angle about the world axis ``"R"``, ``"A"`` or ``"S"`` (right-handed); the
        anatomy stays.
    margin_mm:
        Field of view beyond the vertebrae: one number, or (right–left, front–back, head–foot).
    to_skin:
        Widen the field backward until the skin and 12 mm of air behind it are in view.
    psf_fwhm_mm:
        Full width at half maximum of the scanner's point spread, 0 for none (CT only).
    noise_hu:
        Standard deviation of white noise in HU, 0 for none (CT only).
    phase:
        Shift of the grid along its axes in voxels, so that no voxel centre lies in a plane of symmetry by design.
    """

    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    axes: tuple[str, str, str] = ("R", "A", "S")
    oblique_deg: float = 0.0
    oblique_axis: str = "R"
    margin_mm: float | tuple[float, float, float] = (15.0, 15.0, 12.0)
    to_skin: bool = False
    psf_fwhm_mm: float = 0.0
    noise_hu: float = 0.0
    phase: tuple[float, float, float] = (0.31, 0.17, 0.43)

    def __post_init__(self) -> None:
        if len(self.spacing) != 3 or not all(0.1 <= s <= 10.0 for s in self.spacing):
            raise refuse(f"{self.spacing} is no voxel size.", "Give three sizes between 0.1 and 10 mm.")
        if len(self.axes) != 3 or sorted(_PAIR.get(a, -1) for a in self.axes) != [0, 1, 2]:
            raise refuse(f"{self.axes} are no voxel axes.", "Give one letter each of R/L, A/P and S/I.")
        if self.oblique_axis not in ("R", "A", "S") or not abs(self.oblique_deg) <= 60.0:
            raise refuse("That obliquity cannot be built.", "Turn by at most 60° about R, A or S.")
        if any(not 0.0 <= m <= 400.0 for m in self.margins):
            raise refuse("A margin is negative or larger than 400 mm.", "Choose margins of 0–400 mm.")
        if not 0.0 <= self.psf_fwhm_mm <= 5.0 or not 0.0 <= self.noise_hu <= 200.0:
            raise refuse("That point spread or noise is no CT's.", "Choose 0–5 mm and 0–200 HU.")

    @property
    def margins(self) -> tuple[float, float, float]:
        """Margins right–left, front–back, head–foot in mm."""
        if isinstance(self.margin_mm, tuple):
            return self.margin_mm
        return (self.margin_mm, self.margin_mm, self.margin_mm)

    def directions(self) -> FloatArray:
        """Unit vectors of the voxel axes in RAS as columns, shape (3, 3)."""
        plain = np.array([_DIRECTION[a] for a in self.axes]).T
        turn = Rotation.from_rotvec(np.radians(self.oblique_deg) * np.array(_DIRECTION[self.oblique_axis]))
        directions: FloatArray = turn.as_matrix() @ plain
        return directions

    def cover(self, points_ras_mm: FloatArray, back_mm: float) -> tuple[tuple[int, int, int], FloatArray]:
        """Return shape and affine of the grid that holds the points, shape (n, 3), with the margins.

        ``back_mm`` is the world y that ``to_skin`` must reach.
        """
        margins = np.array(self.margins)
        low = points_ras_mm.min(axis=0) - margins
        high = points_ras_mm.max(axis=0) + margins
        if self.to_skin:
            low[1] = min(low[1], back_mm)
        box = np.array(
            [[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])]
        )
        directions = self.directions()
        along = box @ directions
        start, stop = along.min(axis=0), along.max(axis=0)
        spacing = np.asarray(self.spacing)
        counts = np.ceil((stop - start) / spacing).astype(int) + 1
        if float(np.prod(counts.astype(float))) > MAX_VOXELS:
            raise refuse(
                "The phantom's grid would not fit into memory.", "Choose larger voxels or fewer levels."
            )
        affine = np.eye(4)
        affine[:3, :3] = directions * spacing
        middle = directions @ (0.5 * (start + stop) + np.asarray(self.phase) * spacing)
        affine[:3, 3] = middle - affine[:3, :3] @ (0.5 * (counts - 1.0))
        return (int(counts[0]), int(counts[1]), int(counts[2])), affine


def voxel_box(
    corners_ras_mm: FloatArray, shape: tuple[int, int, int], affine: FloatArray
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Smallest voxel box [start, stop) that holds the points, clipped to the grid."""
    inverse = np.linalg.inv(affine)
    index = corners_ras_mm @ inverse[:3, :3].T + inverse[:3, 3]
    start = np.clip(np.floor(index.min(axis=0)).astype(np.int64), 0, np.array(shape))
    stop = np.clip(np.ceil(index.max(axis=0)).astype(np.int64) + 1, 0, np.array(shape))
    return start, stop
