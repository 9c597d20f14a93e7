"""The throat between body and arch: the plane section of least area through the bone beside the canal.

A coronal slice finds a pedicle that runs straight forward. At L5 it runs 30° inward, and a coronal slice there cuts
pedicle, transverse process and lamina in one. So the plane is turned as well: among planes of all directions that a
pedicle may have, and all places along it, the one whose section is smallest is the throat, its normal the first axis.
The area tells direction only weakly where walls run parallel, so planes far from the published direction of the level
count as a little larger than they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.canal import CanalTube
from endplate.anatomy.kernels import cast_out
from endplate.anatomy.mask import LocalGrid
from endplate.imaging.levels import order
from endplate.sources import value

RAYS = 32
"""Rays of a section in the search: coarse, the tube is fitted with more."""

RAY_STEP_MM = 0.6
"""Sampling step along a ray; crossings are interpolated."""

CENTRINGS = 3
"""Times that a section's centre is moved to its centroid."""

ROUNDS = ((5.0, 1.2, 1.0), (2.5, 0.6, 0.25))
"""Refinements round the best plane: angle step (degrees), step along the axis (mm) and how much of the lean is left.

Once the right bone is found, its own shape counts more than what is published.
"""

_ANGLES = 2.0 * np.pi * np.arange(RAYS) / RAYS
_DIRECTIONS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=-1)


@dataclass(frozen=True, eq=False)
class Throat:
    """The narrowest section: centre and forward normal in the vertebra's frame, and its area in mm²."""

    centre_mm: FloatArray
    axis: FloatArray
    area_mm2: float


@dataclass(frozen=True, eq=False)
class Extent:
    """How far the typical canal reaches from its centre to the front, to the back and to one side, mm."""

    front_mm: float
    back_mm: float
    lateral_mm: float

    @staticmethod
    def of(canal: CanalTube, sign: float) -> Extent:
        """The extent toward the side of ``sign`` (+1: right)."""
        ring = canal.typical_mm
        sideways = sign * ring * np.cos(2.0 * np.pi * np.arange(len(ring)) / len(ring))
        return Extent(float(ring[len(ring) // 4]), float(ring[3 * len(ring) // 4]), float(sideways.max()))


@dataclass(frozen=True, eq=False)
class Expected:
    """Published mean direction of the pedicles of a level, degrees (signs as in the document)."""

    transverse_deg: float
    sagittal_deg: float

    def plausible(self, transverse_deg: float, sagittal_deg: float) -> bool:
        """Whether a direction lies within the published spread."""
        reach = float(value("pedicle.direction_spreads"))
        across = abs(transverse_deg - self.transverse_deg) <= reach * float(
            value("pedicle.transverse_sd_deg")
        )
        return across and abs(sagittal_deg - self.sagittal_deg) <= reach * float(
            value("pedicle.sagittal_sd_deg")
        )

    def excess(self, transverse_deg: FloatArray, sagittal_deg: FloatArray) -> FloatArray:
        """By what share a section counts as larger, for its direction."""
        scale = float(value("pedicle.direction_scale_deg"))
        across = (transverse_deg - self.transverse_deg) / scale
        along = (sagittal_deg - self.sagittal_deg) / scale
        share: FloatArray = across**2 + along**2
        return share


def expected_direction(level: str) -> Expected:
    """Published mean direction at a level; that of the nearest level where its own is not known."""
    transverse, sagittal = value("pedicle.transverse_mean_deg"), value("pedicle.sagittal_mean_deg")
    nearest = min(transverse, key=lambda name: abs(order(name) - order(level)))
    return Expected(float(transverse[nearest]), float(sagittal[nearest]))


@dataclass(frozen=True, eq=False)
class _Planes:
    """Many section planes: centres shape (N, 3), angles shape (N,), in the vertebra's frame."""

    centres: FloatArray
    transverse_deg: FloatArray
    sagittal_deg: FloatArray


def find_throat(
    grid: LocalGrid, canal: CanalTube, sign: float, starts_mm: FloatArray, expected: Expected
) -> Throat | None:
    """Search the section of least area, or ``None`` where no plane cuts a pedicle.

    Parameters
    ----------
    grid, canal:
        The vertebra along its own axes.
    sign:
        +1 for the right side.
    starts_mm:
        Points in the bone beside the canal, shape (N, 3), local mm.
    expected:
        Published direction of the level.
    """
    low, high = value("pedicle.transverse_search_deg")
    transverse = np.arange(low, high + 1e-6, 9.0)
    down, up = value("pedicle.sagittal_search_deg")
    sagittal = np.arange(down, up + 1e-6, 9.0)
    which, first, second = (
        a.ravel() for a in np.meshgrid(np.arange(len(starts_mm)), transverse, sagittal, indexing="ij")
    )
    planes = _Planes(starts_mm[which], first.astype(np.float64), second.astype(np.float64))
    best = _least(grid, canal, sign, planes, expected, 1.0)
    for angle_step, offset_step, lean in ROUNDS:
        if best is None:
            return None
        best = _least(grid, canal, sign, _around(best, angle_step, offset_step, sign), expected, lean)
    if best is None:
        return None
    axis = _axes(np.array([best.transverse_deg]), np.array([best.sagittal_deg]), sign)[0]
    return Throat(best.centre_mm, axis, best.area_mm2)


@dataclass(frozen=True, eq=False)
class _Best:
    """The best plane so far."""

    area_mm2: float
    centre_mm: FloatArray
    transverse_deg: float
    sagittal_deg: float


def _least(
    grid: LocalGrid, canal: CanalTube, sign: float, planes: _Planes, expected: Expected, lean: float
) -> _Best | None:
    """The plane of least area, leaning toward the expected direction; ``None`` where none cuts a pedicle."""
    areas, centres = _areas(grid, canal, sign, planes)
    cost = areas * (1.0 + lean * expected.excess(planes.transverse_deg, planes.sagittal_deg))
    index = int(np.argmin(cost))
    if not np.isfinite(cost[index]):
        return None
    angles = float(planes.transverse_deg[index]), float(planes.sagittal_deg[index])
    return _Best(float(areas[index]), centres[index], *angles)


def _around(best: _Best, angle_step: float, offset_step: float, sign: float) -> _Planes:
    """Planes turned and moved a little from the best one so far, within the angles searched."""
    axis = _axes(np.array([best.transverse_deg]), np.array([best.sagittal_deg]), sign)[0]
    turns, moves = angle_step * np.arange(-1.0, 2.0), offset_step * np.arange(-2.0, 3.0)
    across, along, offset = (a.ravel() for a in np.meshgrid(turns, turns, moves, indexing="ij"))
    return _Planes(
        best.centre_mm + offset[:, None] * axis,
        np.clip(best.transverse_deg + across, *value("pedicle.transverse_search_deg")),
        np.clip(best.sagittal_deg + along, *value("pedicle.sagittal_search_deg")),
    )


def _axes(transverse_deg: FloatArray, sagittal_deg: FloatArray, sign: float) -> FloatArray:
    """Forward unit axes of the angles, shape (N, 3), in the vertebra's frame."""
    lateral = -sign * np.tan(np.radians(transverse_deg))
    axes = np.stack([lateral, np.ones_like(lateral), np.tan(np.radians(sagittal_deg))], axis=-1)
    scaled: FloatArray = axes / np.linalg.norm(axes, axis=-1, keepdims=True)
    return scaled


def _areas(grid: LocalGrid, canal: CanalTube, sign: float, planes: _Planes) -> tuple[FloatArray, FloatArray]:
    """Section areas, infinite where the plane cuts no pedicle, and the centred points."""
    axis = _axes(planes.transverse_deg, planes.sagittal_deg, sign)
    u = np.array([sign, 0.0, 0.0]) - (sign * axis[:, :1]) * axis
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    v = np.cross(axis, u)
    v *= np.sign(v[:, 2:])
    centres = planes.centres
    radii = np.empty(0)
    for index in range(CENTRINGS + 1):
        radii = _star(grid, centres, u, v)
        if index < CENTRINGS:
            shift = _centroids(radii)
            centres = centres + shift[:, :1] * u + shift[:, 1:] * v
    area = 0.5 * np.sin(2.0 * np.pi / RAYS) * np.sum(radii * np.roll(radii, -1, axis=1), axis=1)
    extent = Extent.of(canal, sign)
    aside, ahead = (centres[:, :2] - canal.centre_at(centres[:, 2])).T
    valid = (
        (sign * aside > extent.lateral_mm) & (ahead > -0.6 * extent.back_mm) & (ahead < extent.front_mm + 2.0)
    )
    valid &= area >= float(value("pedicle.area_min_mm2"))
    return np.where(valid, area, np.inf), centres


def _star(grid: LocalGrid, centres: FloatArray, u: FloatArray, v: FloatArray) -> FloatArray:
    """Wall distances, shape (N, RAYS), cut at the longest ray; 0 where the centre is outside."""
    steps = int(np.ceil((float(value("pedicle.ray_reach_mm")) + 1e-6) / RAY_STEP_MM))
    ray = _DIRECTIONS[:, :1] * u[:, None, :] + _DIRECTIONS[:, 1:] * v[:, None, :]
    start = np.repeat(centres, RAYS, axis=0)
    to_index = np.column_stack([np.eye(3), -grid.low_mm]) / grid.step_mm
    found = cast_out(grid.values, to_index, start, ray.reshape(-1, 3), np.zeros((1, 3)), RAY_STEP_MM, steps)
    radii: FloatArray = np.nan_to_num(found, nan=0.0).reshape(-1, RAYS)
    return radii


def _centroids(radii: FloatArray) -> FloatArray:
    """Centroids of stars relative to their centres, shape (N, 2)."""
    cubes = radii**3
    weight = 1.5 * np.sum(radii**2, axis=1)
    shift: FloatArray = (cubes @ _DIRECTIONS) / np.maximum(weight, 1e-6)[:, None]
    return shift
