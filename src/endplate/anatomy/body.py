"""Vertebral body and arch: the body is what lies in front of the canal's front wall and of its continuation."""

from __future__ import annotations

from dataclasses import dataclass

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.canal import CanalTube
from endplate.anatomy.distances import depth_mm, distance_mm
from endplate.anatomy.kernels import cast_forward, median_5x5
from endplate.anatomy.mask import LocalGrid
from endplate.sources import value

WALL_SEARCH_STEP_MM = 0.4
"""Step of the search for the posterior wall along the anterior axis; crossings are interpolated."""


@dataclass(frozen=True, eq=False)
class Body:
    """The vertebral body on the vertebra's grid.

    Parameters
    ----------
    mask:
        Shape of the grid; voxels of the body.
    wall_y_mm:
        Shape (X, Z): anterior coordinate of the surface that divides body from canal and arch.
    wall_seen:
        Shape (X, Z): the surface was met by a ray (the posterior wall itself), not continued.
    """

    mask: NDArray[np.bool_]
    wall_y_mm: FloatArray
    wall_seen: NDArray[np.bool_]


def split_body(grid: LocalGrid, canal: CanalTube | None) -> Body:
    """Divide the vertebra into body and arch at the posterior wall; without a canal all of it is body.

    Between the pedicles the wall is where rays from the canal's coronal mid-plane first meet bone going forward.
    Lateral of the canal it goes on as the body's own outline does above and below the pedicles.
    """
    if canal is None:
        covered: NDArray[np.bool_] = np.asarray(grid.inside.any(axis=1))
        back = np.where(covered, grid.coordinate(1)[grid.inside.argmax(axis=1)], np.inf)
        return Body(grid.inside, back, covered)
    wall, seen = _posterior_wall(grid, canal)
    y = grid.coordinate(1)
    front = grid.inside & (y[None, :, None] >= wall[:, None, :])
    return Body(_core(front, grid.step_mm), wall, seen)


def _posterior_wall(grid: LocalGrid, canal: CanalTube) -> tuple[FloatArray, NDArray[np.bool_]]:
    """The dividing surface, shape (X, Z), and where it was really met."""
    x, z = grid.coordinate(0), grid.coordinate(2)
    centre = canal.centre_at(z)
    ring = canal.typical_mm
    turn = 2.0 * np.pi * np.arange(len(ring)) / len(ring)
    half_left = float(np.max(-ring * np.cos(turn)))
    half_right = float(np.max(ring * np.cos(turn)))
    front = float(ring[len(ring) // 4])

    start = (centre[:, 1] - grid.low_mm[1]) / grid.step_mm
    steps = int(np.ceil((front + float(value("body.wall_reach_mm"))) / WALL_SEARCH_STEP_MM))
    depth = grid.step_mm * cast_forward(grid.values, start, WALL_SEARCH_STEP_MM / grid.step_mm, steps)
    offset = x[:, None] - centre[None, :, 0]
    inner = float(value("body.wall_inner_fraction"))
    between = (offset > -inner * half_left) & (offset < inner * half_right)
    # A first hit much nearer than the canal's front is lamina or facet, not the wall.
    seen = np.isfinite(depth) & between
    seen[seen] = depth[seen] > float(value("body.wall_nearest_fraction")) * front

    typical = float(np.median(depth[seen])) if seen.any() else front
    wall = np.where(seen, depth, np.nan)
    return centre[None, :, 1] + _continue(wall, typical), seen


def _continue(wall: FloatArray, typical: float) -> FloatArray:
    """Fill the wall's depth where it was not met with the nearest seen depth, sideways before up and down."""
    missing = ~np.isfinite(wall)
    if missing.all():
        return np.full_like(wall, typical)
    # Depths are compared within a slice first (a column of the mask far away says little).
    stretch = (1.0, 4.0)
    nearest = ndimage.distance_transform_edt(
        missing, sampling=stretch, return_distances=False, return_indices=True
    )
    filled: FloatArray = wall[tuple(nearest)]
    smooth = ndimage.gaussian_filter(median_5x5(filled), 1.0, mode="nearest")
    return np.where(missing, smooth, wall)


def _core(front: NDArray[np.bool_], step_mm: float) -> NDArray[np.bool_]:
    """Drop what sticks out of the body's outline seen from above (transverse processes, rib facets).

    The outline is that of the columns that are not much thinner than the body: processes are thin ones. It is opened
    as an outline and not in 3-D, so that the thin rims of concave endplates stay.
    """
    thickness = front.sum(axis=2)
    distance = depth_mm(thickness > 0, step_mm)
    opening = min(float(value("body.core_opening_mm")), 0.6 * float(distance.max()))
    usual = float(np.median(thickness[distance > opening]))
    thick = ndimage.binary_fill_holes(thickness >= float(value("body.core_thickness_fraction")) * usual)
    depth = depth_mm(thick, step_mm)
    inner = _largest(depth > min(opening, 0.6 * float(depth.max())))
    reach = opening + float(value("body.core_regrow_mm"))
    near = distance_mm(~inner, step_mm) <= reach
    core = front & near[:, :, None]
    # Loose specks of the map or of a facet in front of the wall are not body.
    pieces, count = cc3d.connected_components(core, connectivity=6, return_N=True)
    if count > 1:
        sizes = np.bincount(pieces.ravel(), minlength=count + 1)
        sizes[0] = 0
        core = (sizes > 0.02 * sizes.max())[pieces]
    result: NDArray[np.bool_] = core
    return result


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected piece of a plane mask."""
    number, count = ndimage.label(mask)
    if count <= 1:
        return mask
    sizes = ndimage.sum_labels(mask, number, np.arange(1, count + 1))
    piece: NDArray[np.bool_] = number == 1 + int(np.argmax(sizes))
    return piece
