"""The canal as points: a solid tube whose skin is the measured ring, and the holes of its front wall."""

from __future__ import annotations

import numpy as np

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.canal import DIRECTIONS, CanalTube
from endplate.anatomy.mask import LocalGrid
from endplate.anatomy.vertebra import LocalVertebra
from endplate.sources import value

SHARES = (1.0, 0.75, 0.5, 0.2)
"""Rings inside the canal, as shares of its radius: a needle anywhere in it is near one."""


def canal_points(canal: CanalTube, grid: LocalGrid) -> FloatArray:
    """Points of the canal and its inside, shape (N, 3), over the height of the vertebra.

    A ray that slips out through a foramen and meets bone far away is held at the typical ring; where the posterior
    wall bulges in, the measured ring follows it.
    """
    limit = float(value("search.canal_ring_factor")) * canal.typical_mm
    ring = np.minimum(canal.filled_mm, limit)
    between = 0.5 * (ring + np.roll(ring, -1, axis=1))
    rings = np.stack([ring, between], axis=2).reshape(len(ring), -1)
    turn = np.stack([DIRECTIONS, 0.5 * (DIRECTIONS + np.roll(DIRECTIONS, -1, axis=0))], axis=1).reshape(-1, 2)
    z = grid.coordinate(2)
    centre = canal.centre_at(z)
    points = []
    for share in SHARES:
        xy = centre[:, None] + share * rings[:, :, None] * turn[None]
        height = np.broadcast_to(z[:, None, None], (*xy.shape[:2], 1))
        points.append(np.concatenate([xy, height], axis=2).reshape(-1, 3))
    return np.ascontiguousarray(np.concatenate(points))


def defect_points(geometry: LocalVertebra) -> FloatArray:
    """Places of the posterior wall, between the endplates, where no bone closes the canal in front, shape (N, 3)."""
    canal, grid, body = geometry.canal, geometry.grid, geometry.body
    if canal is None:
        return np.empty((0, 3))
    x, z = grid.coordinate(0), grid.coordinate(2)
    inner = float(value("body.wall_inner_fraction"))
    half = 0.5 * float(np.ptp(canal.typical_mm * DIRECTIONS[:, 0]))
    between = np.abs(x[:, None] - canal.centre_at(z)[None, :, 0]) < inner * half
    top = np.nanmedian(geometry.surfaces.top_smooth_mm)
    bottom = np.nanmedian(geometry.surfaces.bottom_smooth_mm)
    rim = float(value("search.defect_rim_mm"))
    inside = (z > bottom + rim) & (z < top - rim)
    ix, iz = np.nonzero(between & ~body.wall_seen & inside[None, :])
    return np.column_stack([x[ix], body.wall_y_mm[ix, iz], z[iz]])
