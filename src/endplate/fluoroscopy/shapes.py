"""Shapes of tools that a ray meets in at most one stretch: a quadric cut by planes.

A :class:`Piece` is the set of points where ``(x − centre)·form·(x − centre) + level ≤ 0`` and, for each of its planes,
``normal·(x − centre) ≤ offset``. Cylinders, ellipsoids, cones and ground tips are all of this kind; a tube is a
cylinder less another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from endplate.errors import UsageError
from endplate.imaging.geometry import FloatArray

SHORTEST_MM = 1e-6
"""A shape shorter or thinner than this is no shape."""

FAR_FACTOR = 1.0001
"""Corners of the box about a piece stand out by this, so that rounding never cuts a pixel off."""


@dataclass(frozen=True, eq=False)
class Piece:
    """One convex piece of a tool.

    Parameters
    ----------
    material:
        What it is made of.
    centre_ras_mm:
        Point about which form and planes are told.
    form, level:
        The quadric: symmetric (3, 3) and a number.
    planes:
        Normals and offsets, shape (N, 4); N up to ``MOST_PLANES``.
    corners_ras_mm:
        Corners of a box that holds it, shape (8, 3).
    sign:
        +1, or −1 where the material is missing, as in a lumen.
    """

    material: str
    centre_ras_mm: FloatArray
    form: FloatArray
    level: float
    planes: FloatArray
    corners_ras_mm: FloatArray
    sign: float = 1.0


MOST_PLANES = 8
"""Of one piece."""


def cylinder(
    start_ras_mm: ArrayLike,
    end_ras_mm: ArrayLike,
    diameter_mm: float,
    material: str,
    *,
    facets: FloatArray | None = None,
    sign: float = 1.0,
) -> Piece:
    """A solid cylinder between two points.

    Parameters
    ----------
    start_ras_mm, end_ras_mm:
        Middles of its flat ends.
    diameter_mm:
        Above 0.
    material, sign:
        As in :class:`Piece`.
    facets:
        More planes that cut it, shape (N, 4): normal and offset from its middle, ``normal·(x − middle) ≤ offset``.

    Raises
    ------
    UsageError
        ``tool-shape``: no length or no thickness.
    """
    start, end, axis, length = _between(start_ras_mm, end_ras_mm, diameter_mm)
    middle = 0.5 * (start + end)
    ends = np.array([[*axis, 0.5 * length], [*(-axis), 0.5 * length]])
    return Piece(
        material,
        middle,
        np.eye(3) - np.outer(axis, axis),
        -0.25 * diameter_mm**2,
        ends if facets is None else np.concatenate([ends, facets]),
        _box(middle, axis, 0.5 * length, 0.5 * diameter_mm),
        sign,
    )


def tube(
    start_ras_mm: ArrayLike, end_ras_mm: ArrayLike, outer_mm: float, inner_mm: float, material: str
) -> tuple[Piece, ...]:
    """A cylinder with a lumen along its whole length, as a cannula.

    Raises
    ------
    UsageError
        ``tool-shape``: the lumen is not thinner than the tube.
    """
    if not 0.0 < inner_mm < outer_mm:
        raise _no_shape(f"A tube of {outer_mm} mm with a lumen of {inner_mm} mm has no wall.")
    return (
        cylinder(start_ras_mm, end_ras_mm, outer_mm, material),
        cylinder(start_ras_mm, end_ras_mm, inner_mm, material, sign=-1.0),
    )


def ellipsoid(centre_ras_mm: ArrayLike, half_axes_mm: ArrayLike, material: str) -> Piece:
    """An ellipsoid.

    Parameters
    ----------
    centre_ras_mm:
        Its middle.
    half_axes_mm:
        Three vectors from the middle to the surface, at right angles to each other, rows of shape (3, 3).
    material:
        What it is made of.

    Raises
    ------
    UsageError
        ``tool-shape``: an axis without length, or axes that are not at right angles.
    """
    centre, axes = _point(centre_ras_mm), np.asarray(half_axes_mm, dtype=np.float64)
    lengths = np.linalg.norm(axes, axis=-1)
    if axes.shape != (3, 3) or not np.isfinite(axes).all() or lengths.min() < SHORTEST_MM:
        raise _no_shape("An ellipsoid needs three half axes with a length.")
    turned = axes / lengths[:, None]
    if np.abs(turned @ turned.T - np.eye(3)).max() > 1e-6:
        raise _no_shape("The half axes of an ellipsoid stand at right angles to each other.")
    signs = np.array([[i, j, k] for i in (-1.0, 1.0) for j in (-1.0, 1.0) for k in (-1.0, 1.0)])
    return Piece(
        material,
        centre,
        turned.T @ np.diag(1.0 / lengths**2) @ turned,
        -1.0,
        np.zeros((0, 4)),
        centre + FAR_FACTOR * signs @ axes,
    )


def sphere(centre_ras_mm: ArrayLike, diameter_mm: float, material: str) -> Piece:
    """A ball."""
    return ellipsoid(centre_ras_mm, 0.5 * diameter_mm * np.eye(3), material)


def capsule(
    start_ras_mm: ArrayLike, end_ras_mm: ArrayLike, diameter_mm: float, material: str
) -> tuple[Piece, ...]:
    """A cylinder with half balls about both ends."""
    start, end, axis, _ = _between(start_ras_mm, end_ras_mm, diameter_mm)
    caps = []
    for place, outward in ((start, -axis), (end, axis)):
        ball = sphere(place, diameter_mm, material)
        half = np.array([[*(-outward), 0.0]])
        caps.append(Piece(material, ball.centre_ras_mm, ball.form, ball.level, half, ball.corners_ras_mm))
    return cylinder(start, end, diameter_mm, material), *caps


def cone(base_ras_mm: ArrayLike, apex_ras_mm: ArrayLike, diameter_mm: float, material: str) -> Piece:
    """A cone from its flat base to its apex."""
    base, apex, axis, length = _between(base_ras_mm, apex_ras_mm, diameter_mm)
    slope = 0.5 * diameter_mm / length
    return Piece(
        material,
        apex,
        np.eye(3) - (1.0 + slope**2) * np.outer(axis, axis),
        0.0,
        np.array([[*axis, 0.0], [*(-axis), length]]),
        _box(0.5 * (base + apex), axis, 0.5 * length, 0.5 * diameter_mm),
    )


def ground_tip(
    back_ras_mm: ArrayLike,
    tip_ras_mm: ArrayLike,
    diameter_mm: float,
    facets: int,
    angle_deg: float,
    material: str,
) -> Piece:
    """A rod ground to a point by flat facets: 1 a bevel, 3 a trocar, 4 a diamond tip.

    Parameters
    ----------
    back_ras_mm, tip_ras_mm:
        On the rod's axis: where it begins, and how far it reaches. A bevel's point is on the rim.
    diameter_mm:
        Of the rod.
    facets:
        1 to 6.
    angle_deg:
        Between a facet and the axis, above 0 and below 90.
    material:
        What it is made of.

    Raises
    ------
    UsageError
        ``tool-shape``.
    """
    back, tip, axis, _ = _between(back_ras_mm, tip_ras_mm, diameter_mm)
    if not (1 <= facets <= MOST_PLANES - 2 and 0.0 < angle_deg < 90.0):
        raise _no_shape(f"A tip of {facets} facets at {angle_deg}° cannot be ground.")
    first = np.eye(3)[int(np.argmin(np.abs(axis)))]
    first = first - (first @ axis) * axis
    first /= np.linalg.norm(first)
    turn = 2.0 * np.pi * np.arange(facets)[:, None] / facets
    outward = np.cos(turn) * first + np.sin(turn) * np.cross(axis, first)
    angle = np.radians(angle_deg)
    normals = np.sin(angle) * axis + np.cos(angle) * outward
    point = np.broadcast_to(tip, normals.shape) if facets > 1 else tip - 0.5 * diameter_mm * outward
    offsets = np.sum(normals * (point - 0.5 * (back + tip)), axis=1)
    return cylinder(back, tip, diameter_mm, material, facets=np.column_stack([normals, offsets]))


def _between(
    start_ras_mm: ArrayLike, end_ras_mm: ArrayLike, diameter_mm: float
) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    start, end = _point(start_ras_mm), _point(end_ras_mm)
    length = float(np.linalg.norm(end - start))
    if not (length > SHORTEST_MM and SHORTEST_MM < diameter_mm < np.inf):
        raise _no_shape(f"A shape {length} mm long and {diameter_mm} mm thick holds nothing.")
    return start, end, (end - start) / length, length


def _box(middle: FloatArray, axis: FloatArray, half_length: float, radius: float) -> FloatArray:
    """Corners of a box along an axis."""
    first = np.eye(3)[int(np.argmin(np.abs(axis)))]
    first = first - (first @ axis) * axis
    first /= np.linalg.norm(first)
    second = np.cross(axis, first)
    sides = FAR_FACTOR * np.stack([half_length * axis, radius * first, radius * second])
    signs = np.array([[i, j, k] for i in (-1.0, 1.0) for j in (-1.0, 1.0) for k in (-1.0, 1.0)])
    return np.asarray(middle + signs @ sides)


def _point(ras_mm: ArrayLike) -> FloatArray:
    point = np.asarray(ras_mm, dtype=np.float64)
    if point.shape != (3,) or not np.isfinite(point).all():
        raise _no_shape("A shape needs points of three finite numbers, RAS mm.")
    return point


def _no_shape(what: str) -> UsageError:
    return UsageError("tool-shape", what, do="Give points apart from each other and sizes above 0 mm.")
