"""Veins that leave a vertebral body: one channel to the canal, several through its front and sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.axes import unit
from endplate.cement.bone_grid import BoneGrid
from endplate.imaging.geometry import FloatArray
from endplate.sources import value
from endplate.units import M_PER_MM

Mask = NDArray[np.bool_]

FINE = 4
"""Points along each edge of a voxel at which a channel's share of it is counted."""

BEYOND_MM = 4.0
"""How far out of the bone a channel is drawn, so that it meets the surface whatever the voxels are."""


@dataclass(frozen=True, eq=False)
class Channel:
    """A round channel from inside a body to outside it.

    Parameters
    ----------
    route:
        One of ``cement.model.ROUTES``.
    inner_mm, outer_mm:
        Its ends in the vertebra's frame, shape (3,); the outer one lies outside the bone.
    radius_mm:
        Of the channel.
    conductance_m3:
        Of the vein outside: flow in m³/s = this × pressure difference ÷ viscosity.
    """

    route: str
    inner_mm: FloatArray
    outer_mm: FloatArray
    radius_mm: float
    conductance_m3: float

    def share(self, grid: BoneGrid) -> FloatArray:
        """Share of each voxel that lies in the channel, shape (I, J, K)."""
        reach = self.radius_mm + grid.step_mm
        near = away_mm(grid.local_mm, self.inner_mm, self.outer_mm) <= reach
        share = np.zeros(grid.shape)
        centres = grid.local_mm[near]
        inside = np.zeros(len(centres))
        places = grid.step_mm * ((np.arange(FINE) + 0.5) / FINE - 0.5)
        for x in places:
            for y in places:
                for z in places:
                    inside += (
                        away_mm(centres + np.array([x, y, z]), self.inner_mm, self.outer_mm) <= self.radius_mm
                    )
        share[near] = inside / FINE**3
        return share


def poiseuille_m3(radius_mm: float, length_mm: float) -> float:
    """Conductance of a round tube, π r⁴ / 8 L."""
    return float(np.pi * (radius_mm * M_PER_MM) ** 4 / (8.0 * length_mm * M_PER_MM))


def channels(grid: BoneGrid, *, basivertebral_mm: float, segmental_mm: float) -> tuple[Channel, ...]:
    """The veins of one body.

    Parameters
    ----------
    grid:
        The vertebra.
    basivertebral_mm, segmental_mm:
        Radii; 0 leaves them out.

    Notes
    -----
    The basivertebral channel runs in the midline at half height from the posterior wall to the middle of the body, the
    segmental ones at half height through the front half of the wall. CT shows them only now and then; their places are
    those of anatomy, not of this patient.
    """
    found: list[Channel] = []
    body = grid.local_mm[grid.body]
    mid_x = grid.local.x_mid_mm
    middle = np.array([mid_x, float(body[:, 1].mean()), _half_height(grid, mid_x)])
    if basivertebral_mm > 0.0:
        table = value("vein.basivertebral_mm")
        wall = float(middle[1] - _forward_at(grid, middle))
        inner = middle.copy()
        inner[1] = wall + float(table["depth"]) * grid.body_depth_mm
        outer = middle.copy()
        outer[1] = wall - BEYOND_MM
        found.append(
            Channel(
                "basivertebral",
                inner,
                outer,
                basivertebral_mm,
                poiseuille_m3(basivertebral_mm, float(table["outside"])),
            )
        )
    if segmental_mm > 0.0:
        table = value("vein.segmental_mm")
        for angle in value("vein.segmental_deg"):
            turn = np.radians(float(angle))
            way = unit([np.sin(turn), np.cos(turn), 0.0])
            reach = _to_surface(grid, middle, way)
            if reach is None:
                continue
            found.append(
                Channel(
                    "segmental",
                    middle + (1.0 - float(table["depth"])) * reach * way,
                    middle + (reach + BEYOND_MM) * way,
                    segmental_mm,
                    poiseuille_m3(segmental_mm, float(table["outside"])),
                )
            )
    return tuple(found)


def _half_height(grid: BoneGrid, mid_x: float) -> float:
    """Half way between both endplates near the midline."""
    near = grid.body & (np.abs(grid.local_mm[..., 0] - mid_x) <= 3.0)
    z = grid.local_mm[..., 2]
    column = near.any(axis=2)
    top = np.where(near, z, -np.inf).max(axis=2)[column]
    bottom = np.where(near, z, np.inf).min(axis=2)[column]
    return float(0.5 * (np.median(top) + np.median(bottom)))


def _forward_at(grid: BoneGrid, local_mm: FloatArray) -> float:
    """Distance of a place in front of the posterior wall."""
    at = np.rint(grid.index(grid.axes.to_world(local_mm))).astype(np.intp)
    i, j, k = np.clip(at, 0, np.array(grid.shape) - 1)
    return float(grid.forward_mm[i, j, k] + local_mm[1] - grid.local_mm[i, j, k, 1])


def _to_surface(grid: BoneGrid, start_mm: FloatArray, way: FloatArray) -> float | None:
    """Length along a ray to the last voxel of the body."""
    lengths = np.arange(0.0, 80.0, 0.5 * grid.step_mm)
    points = start_mm + lengths[:, None] * way
    at = np.rint(grid.index(grid.axes.to_world(points))).astype(np.intp)
    within = ((at >= 0) & (at < np.array(grid.shape))).all(axis=1)
    i, j, k = at[within].T
    hit = grid.body[i, j, k]
    return float(lengths[within][hit].max()) if hit.any() else None


def away_mm(points_mm: FloatArray, start_mm: FloatArray, end_mm: FloatArray) -> FloatArray:
    """Distance of points, shape (…, 3), from a straight piece in the same frame."""
    along = end_mm - start_mm
    part = np.clip((points_mm - start_mm) @ along / float(along @ along), 0.0, 1.0)
    away: FloatArray = np.linalg.norm(points_mm - start_mm - part[..., None] * along, axis=-1)
    return away
