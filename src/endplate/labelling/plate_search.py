"""Both endplates as height maps: columns along the body's axis, so that deep hollows and steep wedges are followed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.axes import Axes, FloatArray
from endplate.labelling.drum import PLATE_NODES, Drum, gauge, plate_lines
from endplate.labelling.local_field import LocalField
from endplate.labelling.surface_kernels import best_surface, crossed
from endplate.sources import value

STEP_MM = 0.6
"""Step along a column."""

LEAST_HEIGHT_MM = 2.0
"""Columns begin this far above the opposite endplate."""

TILTS = ((0.0, 0.0), (0.7, 0.0), (-0.7, 0.0), (0.0, 0.7), (0.0, -0.7))
"""Slopes of the endplate that a fall of HU is looked for across; the clearest counts."""


@dataclass(frozen=True, eq=False)
class PlateGraph:
    """Neighbours of the map's nodes and which of them lie over the body."""

    neighbours: NDArray[np.int32]
    slots: NDArray[np.int32]
    inside: NDArray[np.bool_]


@cache
def plate_graph() -> PlateGraph:
    """The graph of an endplate's map."""
    index = np.arange(PLATE_NODES**2).reshape(PLATE_NODES, PLATE_NODES)
    padded = np.pad(index, 1, constant_values=-1)
    # Slot order is left, right, front, back, so that the slot of a neighbour is the opposite one.
    sides = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    neighbours = np.stack([side.ravel() for side in sides], axis=1).astype(np.int32)
    slots = np.broadcast_to(np.array([1, 0, 3, 2], dtype=np.int32), neighbours.shape).copy()
    u, v = np.meshgrid(plate_lines(), plate_lines(), indexing="ij")
    inside = gauge(np.stack([u, v, np.zeros_like(u)], axis=-1)) <= 1.02
    return PlateGraph(neighbours, slots, inside)


def search_plates(
    field: LocalField, axes: Axes, drum: Drum, room: tuple[FloatArray | None, FloatArray | None]
) -> Drum:
    """Find both endplates of a drum anew.

    Parameters
    ----------
    field, axes, drum:
        The image, the body's frame and what is known of the body.
    room:
        Heights over the map, shape (PLATE_NODES,)*2, that the upper endplate must stay below and the lower above
        (middle of the discs); ``None`` where there is no neighbour.
    """
    upper, lower = drum.upper, drum.lower
    for _ in range(2):
        upper = _search(field, axes, drum, lower, upper, 1.0, room[0])
        lower = _search(field, axes, drum, upper, lower, -1.0, room[1])
    return Drum(drum.half_width_mm, drum.half_depth_mm, upper, lower)


def _search(
    field: LocalField,
    axes: Axes,
    drum: Drum,
    base: FloatArray,
    usual: FloatArray,
    sign: float,
    room: FloatArray | None,
) -> FloatArray:
    """One endplate above (sign 1) or below (sign -1) the opposite one."""
    weights = value("labelling.plates")
    graph = plate_graph()
    height = float(np.median(np.abs(usual - base)[graph.inside]))
    most = max(float(weights["most_of_height"]) * height, height + float(weights["beyond_mm"]))
    steps = np.arange(LEAST_HEIGHT_MM, most, STEP_MM)
    lines = plate_lines()
    x, y = np.meshgrid(lines * drum.half_width_mm, lines * drum.half_depth_mm, indexing="ij")
    z = base.ravel()[:, None] + sign * steps
    points = np.stack(
        [np.broadcast_to(x.ravel()[:, None], z.shape), np.broadcast_to(y.ravel()[:, None], z.shape), z],
        axis=-1,
    )
    drop = np.full(z.shape, -np.inf, dtype=np.float32)
    for along, across in TILTS:
        normal = np.array([along, across, sign]) / np.sqrt(1.0 + along**2 + across**2)
        _, fall = field.rays(axes, points, np.broadcast_to(normal, (len(points), 3)))
        drop = np.maximum(drop, fall)
    # The clear edge of this endplate itself: thick slices blur it more than the side wall.
    steepest = drop[graph.inside.ravel()].max(axis=1)
    scale = max(float(np.median(steepest)), float(value("labelling.least_edge_hu_mm")))
    edge = np.clip(drop / scale, -0.5, float(weights["edge_cap"]))
    cost = -float(weights["edge"]) * edge
    cost += float(weights["crossed"]) * crossed(
        (drop / scale).astype(np.float32),
        np.full(len(points), STEP_MM),
        float(weights["crossed_tolerance"]),
        float(weights["crossed_lag_mm"]),
        float(weights["crossed_most"]),
    )
    # A broken endplate sinks in; what stands out further than usual is a neighbour's edge or a bridge of bone to it.
    out = sign * (z - usual.ravel()[:, None])
    cost += (
        0.5
        * (out / np.where(out > 0.0, float(weights["outward_sd_mm"]), float(weights["inward_sd_mm"]))) ** 2
    )
    if room is not None:
        cost += float(weights["room"]) * np.maximum(sign * (z - room.ravel()[:, None]), 0.0)
    cost[~graph.inside.ravel()] *= 0.0
    chosen = best_surface(
        np.ascontiguousarray(cost, dtype=np.float32),
        graph.neighbours,
        graph.slots,
        np.float32(weights["smooth"]),
        int(weights["linear_from"]),
        int(weights["band"]),
        int(weights["rounds"]),
    )
    found = z[np.arange(len(z)), chosen].reshape(base.shape)
    return ndimage.gaussian_filter(found, 0.5, mode="nearest")
