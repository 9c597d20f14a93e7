"""The vertebral arch of every level from the bone behind its body, split between levels and from the ribs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.distances import depth_mm, distance_mm
from endplate.imaging.volume import Volume
from endplate.labelling.arch_bone import bone_threshold_hu, occupancy
from endplate.labelling.arch_grid import WorkGrid, work_grid
from endplate.labelling.arch_marks import ELSEWHERE, Marks, find_marks
from endplate.labelling.arch_places import Place, places
from endplate.labelling.canal_tube import LevelCanal, canal_mask, find_canals
from endplate.labelling.model import LabelledBody
from endplate.labelling.split_kernels import COST_MAX, claim, enclosed, spread
from endplate.sources import value

COST_UNIT = 20
"""Cost of a step through plain bone."""


@dataclass(frozen=True, eq=False)
class Arches:
    """Arches and canal on the CT's grid.

    Parameters
    ----------
    box:
        Where the arrays stand in the CT's array.
    labels:
        uint8, shape of the box: VerSe ids of the arches (bodies not included).
    canal:
        Shape of the box: the canal's voxels.
    found:
        The levels looked at, known or not.
    canals:
        One a level.
    pedicles_mm:
        Per level and side, the heights between which bone closes the canal to that side.
    """

    box: tuple[slice, slice, slice]
    labels: NDArray[np.uint8]
    canal: NDArray[np.bool_]
    found: tuple[Place, ...]
    canals: tuple[LevelCanal | None, ...]
    pedicles_mm: tuple[dict[str, tuple[float, float]], ...]


def find_arches(image: Volume, bodies: Sequence[LabelledBody], guards: Sequence[LabelledBody] = ()) -> Arches:
    """Find the arch of every body.

    Parameters
    ----------
    image:
        The CT in HU.
    bodies:
        The bodies, none of which overlap.
    guards:
        Bodies next to them that are not labelled; they keep their arches.
    """
    found = places(bodies, guards)
    grid = _grid_round(image, found)
    values = grid.sample(np.asarray(image.data[grid.box], dtype=np.float32))
    body = _body_numbers(grid, (*bodies, *guards), found)
    within = body > 0
    threshold = bone_threshold_hu(values, grid.step_mm)
    share = occupancy(values, threshold)
    # Where a ring is closed at all is asked with a lower threshold: thin bone beside thick must not open it.
    faint = occupancy(values, np.minimum(threshold, np.float32(value("labelling.ring_threshold_max_hu"))))
    canals = find_canals(grid, np.maximum(faint, within.astype(np.float32)), found)
    tube = canal_mask(grid, canals, found) & ~within
    bone = faint >= 0.5
    marked = find_marks(grid, bone, within, found, canals)
    free = marked.allowed & bone & ~within & ~(tube & (faint < 1.0))
    delay = int(COST_UNIT * float(value("labelling.rib_delay_mm")) / grid.step_mm)
    labels = claim(
        _costs(values, free, grid.step_mm), _marks_in(marked, free), ELSEWHERE, min(delay, COST_MAX)
    )
    # The outermost layer is closed to the growth: it takes what stands beside it, so that a cut vertebra is seen.
    labels = np.where(free & (labels == 0), spread(labels, 1), labels)
    labels[labels == ELSEWHERE] = len(found) + 1
    filled = _whole(labels, body, tube, values, share, found, grid.step_mm)
    return _on_image(grid, filled, within, share, tube, found, canals, marked)


def _grid_round(image: Volume, found: Sequence[Place]) -> WorkGrid:
    """The grid round all levels: far enough back for spinous processes, to the sides for transverse ones."""
    corners = []
    for place in found:
        half = place.half_height_mm * (1.6 if place.seen else 0.6)
        corners += [
            place.axes.to_world((x, y, z))
            for x in (-place.reach_mm - 10.0, place.reach_mm + 10.0)
            for y in (
                place.wall_y_mm - float(value("labelling.arch_reach_back_mm")),
                place.half_depth_mm if place.known else place.wall_y_mm,
            )
            for z in (-half, half)
        ]
    points = np.array(corners)
    return work_grid(image, points.min(axis=0), points.max(axis=0))


def _body_numbers(
    grid: WorkGrid, bodies: Sequence[LabelledBody], found: Sequence[Place]
) -> NDArray[np.uint8]:
    """Index of the level + 1 in each body's voxels of the grid."""
    rows = {place.level: row + 1 for row, place in enumerate(found)}
    numbers = np.zeros(grid.shape, dtype=np.uint8)
    for body in bodies:
        inside = grid.sample(body.mask.astype(np.float32), offset=np.array(body.start_ijk)) >= 0.5
        numbers[inside & (numbers == 0)] = rows[body.level]
    return numbers


def _costs(values: NDArray[np.float32], free: NDArray[np.bool_], step_mm: float) -> NDArray[np.int16]:
    """Cost of a step into each voxel: one through bone, more through the dark cleft between two bright surfaces."""
    reach = 2 * round(float(value("labelling.cleft_reach_mm")) / step_mm) + 1
    cleft = ndimage.grey_closing(values, size=(reach, reach, reach)) - values
    share = np.clip(cleft / float(value("labelling.cleft_hu")), 0.0, 1.0)
    cost = COST_UNIT * (1.0 + float(value("labelling.cleft_weight")) * share)
    costs = np.zeros(values.shape, dtype=np.int16)
    inner = (slice(1, -1),) * 3
    costs[inner] = np.where(free, np.clip(cost, 1, COST_MAX), 0)[inner]
    return costs


def _marks_in(marked: Marks, free: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.where(free, marked.marks, 0).astype(np.uint8)


def _slice_holes(mask: NDArray[np.bool_], step_mm: float, area_mm2: float) -> NDArray[np.bool_]:
    """Holes of a mask in any plane along the grid's axes that are no larger than an area."""
    holes = np.zeros(mask.shape, dtype=bool)
    outside = ~mask
    for axis in range(3):
        link = np.zeros((3, 3, 3), dtype=bool)
        cross = [slice(1, 2)] * 3
        for other in range(3):
            if other != axis:
                line = list(cross)
                line[other] = slice(0, 3)
                link[tuple(line)] = True
        number, count = ndimage.label(outside, structure=link)
        sizes = np.bincount(number.ravel(), minlength=count + 1)
        keep = sizes * step_mm**2 <= area_mm2
        keep[0] = False
        for other in range(3):
            if other != axis:
                keep[np.unique(np.take(number, (0, -1), axis=other))] = False
        holes |= keep[number]
    return holes


def _whole(
    labels: NDArray[np.uint8],
    body: NDArray[np.uint8],
    tube: NDArray[np.bool_],
    values: NDArray[np.float32],
    share: NDArray[np.float32],
    found: Sequence[Place],
    step_mm: float,
) -> NDArray[np.uint8]:
    """Arches with their spongy bone filled in and without loose pieces; index of the level + 1."""
    result = np.zeros(labels.shape, dtype=np.uint8)
    reach = float(value("labelling.arch_closing_mm"))
    pad = int(np.ceil(reach / step_mm)) + 1
    far = int(float(value("labelling.enclosed_reach_mm")) / step_mm)
    boxes = ndimage.find_objects(np.maximum(labels, body), max_label=len(found))
    for row, place in enumerate(found):
        box = boxes[row]
        if not place.known or box is None:
            continue
        box = tuple(
            slice(max(s.start - pad, 0), min(s.stop + pad, n)) for s, n in zip(box, labels.shape, strict=True)
        )
        own = (labels[box] == row + 1) | (body[box] == row + 1)
        taken = (labels[box] > 0) | (body[box] > 0) | tube[box]
        near = distance_mm(~own, step_mm) <= reach
        closed = depth_mm(near, step_mm) > reach
        soft = values[box] > float(value("labelling.fill_least_hu"))
        whole = own | (closed & ~taken & soft)
        whole |= _slice_holes(whole, step_mm, float(value("labelling.hole_area_mm2"))) & ~taken
        barred = (taken & ~own) | ~soft
        for _ in range(int(value("labelling.enclosed_rounds"))):
            state = np.where(whole, np.uint8(1), np.where(barred, np.uint8(2), np.uint8(0)))
            whole |= enclosed(state, far, int(value("labelling.enclosed_directions")))
        # The rim was taken with the lower threshold: bring the outer surface, and only that, to its own.
        shallow = depth_mm(whole | taken, step_mm) <= float(value("labelling.arch_rim_mm"))
        whole &= ~(shallow & (share[box] < 0.5) & (body[box] != row + 1))
        arch = _joined(whole, body[box] == row + 1)
        result[box] = np.where(arch & (result[box] == 0), np.uint8(row + 1), result[box])
    return result


def _joined(whole: NDArray[np.bool_], body: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The arch without pieces that hang on nothing: what is connected to the body, else the largest piece."""
    arch = whole & ~body
    pieces, count = cc3d.connected_components(whole, connectivity=6, return_N=True)
    if count > 1:
        sizes = np.bincount(pieces.ravel(), minlength=count + 1)
        sizes[0] = 0
        kept = sizes >= float(value("labelling.arch_piece_share")) * sizes.max()
        arch &= kept[pieces]
    return arch


def _on_image(
    grid: WorkGrid,
    filled: NDArray[np.uint8],
    within: NDArray[np.bool_],
    share: NDArray[np.float32],
    tube: NDArray[np.bool_],
    found: tuple[Place, ...],
    canals: tuple[LevelCanal | None, ...],
    marked: Marks,
) -> Arches:
    """Bring the arches onto the CT's voxels: the surface from the occupancy, the level from the nearest point."""
    grown = spread(filled, 2)
    rim = (grown > 0) & (filled == 0)
    occupied = np.where(filled > 0, np.maximum(share, 0.5), np.where(rim, np.minimum(share, 0.499), 0.0))
    # Where a pedicle leaves the body there is no surface: no slit is left between the two.
    inner = ndimage.minimum_filter((filled > 0) | within, size=3)
    occupied[inner | within] = 1.0
    fine = grid.to_image(occupied.astype(np.float32)) >= 0.5
    numbers = np.zeros(len(found) + 2, dtype=np.uint8)
    for row, place in enumerate(found):
        numbers[row + 1] = place.number if place.known else 0
    back = np.linalg.inv(grid.chain)
    index = [
        np.clip(
            np.rint((np.arange(s.start, s.stop) * back[n, n]) + back[n, 3]).astype(int), 0, grid.shape[n] - 1
        )
        for n, s in enumerate(grid.box)
    ]
    nearest = grown[np.ix_(*index)]
    labels = np.where(fine, numbers[nearest], 0).astype(np.uint8)
    canal = grid.to_image(tube.astype(np.float32)) >= 0.5
    return Arches(grid.box, labels, canal & (labels == 0), found, canals, marked.pedicles_mm)
