"""One body's surface: rays from the drum's centre, a cost along each, the best surface, the drum fitted to it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.axes import Axes, FloatArray
from endplate.labelling.drum import BodySurface, Drum, Lattice, gauge, lattice, plate_lines
from endplate.labelling.local_field import LocalField
from endplate.labelling.surface_kernels import best_surface, crossed
from endplate.sources import value


@dataclass(frozen=True)
class Pass:
    """One round of the search.

    Parameters
    ----------
    cells:
        Cells of the lattice along an edge.
    low, high, step:
        Factors of the drum that are tried.
    side_sd, plate_sd:
        How far side wall and endplates may stand from the drum (one standard deviation of the factor).
    """

    cells: int
    low: float
    high: float
    step: float
    side_sd: float
    plate_sd: float


@dataclass(frozen=True, eq=False)
class Found:
    """A surface and what the image says at it.

    Parameters
    ----------
    surface:
        The surface.
    edge:
        Shape (N,): outward fall at each node in units of a clear edge.
    inner_hu:
        Median HU of the middle.
    at_limit:
        Share of nodes at the first or last factor tried.
    """

    surface: BodySurface
    edge: FloatArray
    inner_hu: float
    at_limit: float


def slots_of(nodes: Lattice) -> NDArray[np.int32]:
    """In which slot of its neighbour each node stands, shape (N, 4)."""
    slots = np.zeros_like(nodes.neighbours)
    for slot in range(4):
        other = nodes.neighbours[:, slot]
        valid = other >= 0
        match = nodes.neighbours[other[valid]] == np.flatnonzero(valid)[:, None]
        slots[valid, slot] = match.argmax(axis=1)
    return slots


def drum_normals(drum: Drum, at_mm: FloatArray) -> FloatArray:
    """Outward unit normals of the drum's surface at points near it, shape (N, 3), in the body's frame."""
    slope = np.empty_like(at_mm)
    for axis in range(3):
        shift = np.zeros(3)
        shift[axis] = 0.05
        slope[:, axis] = gauge(drum.from_mm(at_mm + shift)) - gauge(drum.from_mm(at_mm - shift))
    normal: FloatArray = slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-9)
    return normal


def search(field: LocalField, axes: Axes, drum: Drum, stage: Pass, limits: FloatArray | None = None) -> Found:
    """The best surface about a drum.

    ``limits``, shape (N, K) or ``None``, is a cost added to each node and factor (planes not to be crossed).
    """
    nodes = lattice(stage.cells)
    factors = np.arange(stage.low, stage.high + 0.5 * stage.step, stage.step)
    rays = nodes.directions * nodes.drum_factor[:, None]
    points = drum.to_mm(rays[:, None, :] * factors[None, :, None])
    normals = drum_normals(drum, drum.to_mm(rays))
    level, drop = field.rays(axes, points, normals)
    spacing = np.linalg.norm(points[:, -1] - points[:, 0], axis=1) / (len(factors) - 1)
    weights = value("labelling.search")
    plate = nodes.directions[:, 2] ** 8
    # Thick slices blur the endplates, not the side wall: each has a clear edge of its own.
    ends = plate > 0.5
    scale = np.where(ends, _clear_edge(drop[ends], factors), _clear_edge(drop[~ends], factors))
    relative = (drop / scale[:, None]).astype(np.float32)
    edge = np.clip(relative, -0.5, float(weights["edge_cap"]))
    inner = level[:, factors < max(0.6, factors[0] + 0.05)]
    inner_hu = float(np.median(inner))
    cost = -float(weights["edge"]) * edge
    cost += float(weights["crossed"]) * crossed(
        relative,
        spacing,
        float(weights["crossed_tolerance"]),
        float(weights["crossed_lag_mm"]),
        float(weights["crossed_most"]),
    )
    sd = stage.side_sd * (1.0 - plate) + stage.plate_sd * plate
    cost += 0.5 * ((factors[None, :] - 1.0) / sd[:, None]) ** 2
    if limits is not None:
        cost += limits
    weight = float(weights["smooth"]) * (stage.step / 0.05) ** 2 * (stage.cells / 12.0) ** 2
    chosen = best_surface(
        np.ascontiguousarray(cost, dtype=np.float32),
        nodes.neighbours,
        slots_of(nodes),
        np.float32(weight),
        int(weights["band"]),
        int(weights["band"]),
        int(weights["rounds"]),
    )
    rows = np.arange(len(chosen))
    at_limit = float(np.mean((chosen == 0) | (chosen == len(factors) - 1)))
    surface = BodySurface(axes, drum, stage.cells, _between(cost, chosen, factors))
    return Found(surface, edge[rows, chosen].astype(np.float64), inner_hu, at_limit)


def _clear_edge(drop: NDArray[np.float32], factors: FloatArray) -> float:
    """HU per mm that counts as a clear edge: the median over rays of their steepest fall."""
    near = drop[:, (factors > 0.5) & (factors < 1.6)]
    steepest = near.max(axis=1)
    return max(float(np.percentile(steepest, 50.0)), float(value("labelling.least_edge_hu_mm")))


def _between(cost: NDArray[Any], chosen: NDArray[np.int32], factors: FloatArray) -> FloatArray:
    """Factors between the steps, from a parabola through the costs beside the chosen one."""
    rows = np.arange(len(chosen))
    inner = np.clip(chosen, 1, len(factors) - 2)
    left, here, right = cost[rows, inner - 1], cost[rows, inner], cost[rows, inner + 1]
    bend = left - 2.0 * here + right
    shift = np.where(bend > 1e-6, 0.5 * (left - right) / np.maximum(bend, 1e-6), 0.0)
    shift = np.where(inner == chosen, np.clip(shift, -0.5, 0.5), 0.0)
    between: FloatArray = factors[chosen] + shift * (factors[1] - factors[0])
    return between


def refit(found: Found, trust: float) -> tuple[Axes, Drum]:
    """Frame and drum of a surface: centre, sizes, tilt, wedge and hollows.

    ``trust`` 0–1: how far the drum follows the surface rather than what it was.
    """
    surface = found.surface
    nodes = lattice(surface.cells)
    drum, axes = surface.drum, surface.axes
    local = drum.to_mm(nodes.directions * (nodes.drum_factor * surface.factors)[:, None])
    sure = np.clip(found.edge, 0.02, 1.0)
    d = nodes.directions
    side = np.abs(d[:, 2]) < 0.7
    across = _extent(local[:, 0] / nodes.drum_factor, d[:, 0], side & (np.abs(d[:, 1]) < 0.6), sure)
    along = _extent(local[:, 1] / nodes.drum_factor, d[:, 1], side & (np.abs(d[:, 0]) < 0.5), sure)
    middle = np.array([0.5 * (across[0] + across[1]), 0.5 * (along[0] + along[1])])
    a = drum.half_width_mm + trust * (0.5 * (across[1] - across[0]) - drum.half_width_mm)
    b = drum.half_depth_mm + trust * (0.5 * (along[1] - along[0]) - drum.half_depth_mm)
    plates = []
    for sign in (1.0, -1.0):
        plate = (d[:, 2] == sign) & (np.hypot(d[:, 0], d[:, 1]) < 0.85)
        plates.append(_plate(local[plate] - [*middle, 0.0], sure[plate], (a, b), sign))
    return _centred(axes, middle, a, b, plates[0], plates[1])


def _extent(
    coordinate: FloatArray, direction: FloatArray, wanted: NDArray[np.bool_], sure: FloatArray
) -> tuple[float, float]:
    """Weighted medians of the two opposite walls along one axis."""
    ends = []
    for sign in (-1.0, 1.0):
        chosen = wanted & (direction == sign)
        ends.append(_weighted_median(coordinate[chosen], sure[chosen]))
    return ends[0], ends[1]


def _weighted_median(values: FloatArray, weights: FloatArray) -> float:
    rank = np.argsort(values, kind="stable")
    total = np.cumsum(weights[rank])
    return float(values[rank][np.searchsorted(total, 0.5 * total[-1])])


def follow(axes: Axes, drum: Drum) -> tuple[Axes, Drum]:
    """Turn and move a frame to its drum's endplates as they are; the maps become planes with a hollow for it."""
    lines = plate_lines()
    u, v = np.meshgrid(lines, lines, indexing="ij")
    inside = np.hypot(u, v) < 0.9
    fits = []
    for plate, sign in ((drum.upper, 1.0), (drum.lower, -1.0)):
        x, y = u[inside] * drum.half_width_mm, v[inside] * drum.half_depth_mm
        points = np.stack([x, y, plate[inside]], axis=1)
        fits.append(_plate(points, np.ones(len(points)), (drum.half_width_mm, drum.half_depth_mm), sign))
    return _centred(axes, np.zeros(2), drum.half_width_mm, drum.half_depth_mm, fits[0], fits[1])


def _plate(points: FloatArray, sure: FloatArray, half: tuple[float, float], sign: float) -> FloatArray:
    """Height, slopes and hollow of an endplate through its nodes, by reweighted least squares."""
    dish = np.maximum(1.0 - (points[:, 0] / half[0]) ** 2 - (points[:, 1] / half[1]) ** 2, 0.0)
    matrix = np.stack([np.ones(len(points)), points[:, 0], points[:, 1], -sign * dish], axis=1)
    # Slopes and hollow are drawn weakly to zero: a plate seen in part must not tip over.
    pull = np.diag([0.0, 30.0, 30.0, 0.3])
    weight = sure.copy()
    solution: FloatArray = np.zeros(4)
    for _ in range(4):
        normal = matrix.T @ (weight[:, None] * matrix) + pull
        solution = np.asarray(np.linalg.solve(normal, matrix.T @ (weight * points[:, 2])), dtype=np.float64)
        weight = sure / (1.0 + ((matrix @ solution - points[:, 2]) / 1.5) ** 2)
    return solution


def _centred(
    axes: Axes, middle: FloatArray, a: float, b: float, upper: FloatArray, lower: FloatArray
) -> tuple[Axes, Drum]:
    """Move the frame to the middle and turn it so that both endplates lean alike to either side."""
    height = 0.5 * (upper[0] + lower[0])
    slope = 0.5 * (upper[1:3] + lower[1:3])
    superior = axes.direction_to_world([-slope[0], -slope[1], 1.0])
    moved = Axes.from_directions(axes.to_world([middle[0], middle[1], height]), superior, axes.anterior)
    top, low = upper.copy(), lower.copy()
    top[0] -= height
    low[0] -= height
    top[1:3] -= slope
    low[1:3] -= slope
    return moved, Drum.of_planes(a, b, top, low)
