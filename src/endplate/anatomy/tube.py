"""A pedicle as a tube: axis and sections from all of its wall at once, undisturbed where it flares into other bone.

A pedicle runs into the body in front and into facet and transverse process behind, on one side earlier than on the
other. Centroids of its sections follow these flares, single walls carry the voxels' steps. So the distances from the
axis to the wall, in all directions of many sections, are fitted by one smooth tube that may shift, turn, be oval and
widen like an hourglass, with a loss that trusts bone that cuts in and doubts bone that stands out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.axes import FloatArray, unit
from endplate.anatomy.mask import LabelField
from endplate.anatomy.section import DIRECTIONS, RAYS, Outline, Plane, cast_radii
from endplate.sources import value

ITERATIONS = 6
"""Times that the rays are cast again from the axis found; it moves by less than 0.1° after the fourth."""

FIT_STEPS = 12
"""Reweighting steps of one fit."""

SECTION_STEP_MM = 0.8
"""Distance between sections."""

TURN_MAX = 0.3
"""Greatest turn of the axis in one iteration, mm/mm."""

TURN_DAMPING = 0.8
"""Share of a turn that is taken: the rays of the next iteration see the rest."""

KEEP_RAYS = 10.0
"""Weight, in rays, with which shift, turn and asymmetry hold to the axis so far."""

_ANGLES = 2.0 * np.pi * np.arange(RAYS) / RAYS


@dataclass(frozen=True, eq=False)
class Tube:
    """A fitted tube.

    Parameters
    ----------
    point_ras_mm, axis_ras:
        A point of the axis and its direction toward the front.
    u_ras, v_ras:
        Across the axis, lateral and to the head.
    ring_mm:
        Shape (RAYS,): mean wall distance at the point.
    linear, square:
        Shape (RAYS,): its change per mm and per mm² along the axis.
    half_length_mm:
        The tube was fitted this far to each side.
    """

    point_ras_mm: FloatArray
    axis_ras: FloatArray
    u_ras: FloatArray
    v_ras: FloatArray
    ring_mm: FloatArray
    linear: FloatArray
    square: FloatArray
    half_length_mm: float

    def section(self, offset_mm: float) -> tuple[Plane, Outline]:
        """Plane and smooth outline of the section at an offset along the axis."""
        radii = self.ring_mm + self.linear * offset_mm + self.square * offset_mm**2
        plane = Plane(self.point_ras_mm + offset_mm * self.axis_ras, self.u_ras, self.v_ras)
        return plane, Outline(np.maximum(radii, 0.1)[:, None] * DIRECTIONS, np.zeros(2))

    def isthmus_offset_mm(self) -> float:
        """Where along the axis the section is smallest."""
        offsets = np.linspace(-self.half_length_mm, self.half_length_mm, 91)
        areas = [self.section(float(offset))[1].area_mm2 for offset in offsets]
        return float(offsets[int(np.argmin(areas))])


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Directions that fix how ``u`` (lateral) and ``v`` (to the head) run, and where the pedicle ends laterally.

    Bone further along ``lateral_ras`` than ``limit_mm`` from ``origin_ras_mm`` is transverse process: a wall found
    there says nothing of the pedicle.
    """

    origin_ras_mm: FloatArray
    lateral_ras: FloatArray
    head_ras: FloatArray
    limit_mm: float


def fit_tube(
    field: LabelField, point_ras_mm: FloatArray, axis_ras: FloatArray, around: Surroundings
) -> Tube | None:
    """Fit a tube to the bone around a first axis, or ``None`` where the axis leaves the bone.

    Parameters
    ----------
    field:
        The vertebra.
    point_ras_mm, axis_ras:
        First isthmus point and axis.
    around:
        What lies around it.
    """
    half = float(value("pedicle.track_half_length_mm"))
    reach = float(value("pedicle.ray_reach_mm"))
    offsets = np.arange(-half, half + 1e-6, SECTION_STEP_MM)
    point, axis = point_ras_mm, axis_ras
    tube: Tube | None = None
    for _ in range(ITERATIONS):
        u = unit(around.lateral_ras - (around.lateral_ras @ axis) * axis)
        v = np.cross(axis, u)
        v = v if v @ around.head_ras > 0 else -v
        planes = [Plane(point + offset * axis, u, v) for offset in offsets]
        cast = [cast_radii(field, plane, reach) for plane in planes]
        seen = [
            (o, radii, _known(plane, radii, reach, around))
            for o, plane, radii in zip(offsets, planes, cast, strict=True)
            if radii is not None
        ]
        if len(seen) < 4:
            return tube
        known, radii = np.array([k for _, _, k in seen]), np.array([r for _, r, _ in seen])
        if known.sum() < 3 * RAYS:
            return tube
        shift, turn, ring, linear, square = _fit(np.array([o for o, _, _ in seen]), radii, known)
        point = point + shift[0] * u + shift[1] * v
        turn = TURN_DAMPING * np.clip(turn, -TURN_MAX, TURN_MAX)
        axis = unit(axis + turn[0] * u + turn[1] * v)
        tube = Tube(point, axis, u, v, ring, linear, square, half)
    return tube


def _known(plane: Plane, radii: FloatArray, reach: float, around: Surroundings) -> NDArray[np.bool_]:
    """Which rays met the pedicle's own wall."""
    wall = plane.to_world(radii[:, None] * DIRECTIONS)
    lateral = (wall - around.origin_ras_mm) @ around.lateral_ras
    met: NDArray[np.bool_] = (radii < reach - 0.1) & (lateral <= around.limit_mm)
    return met


def _fit(
    offsets: FloatArray, radii: FloatArray, known: NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Shift, turn, and the ring with its linear and square change, from wall distances of shape (N, RAYS)."""
    angle = np.tile(_ANGLES, len(offsets))
    t = np.repeat(offsets, RAYS)
    distance = radii.ravel()
    cosine, sine = np.cos(angle), np.sin(angle)
    shape = [np.ones_like(angle), np.cos(2 * angle), np.sin(2 * angle)]
    shape += [np.cos(3 * angle), np.sin(3 * angle), np.cos(4 * angle), np.sin(4 * angle)]
    widening = [t, t**2, np.cos(2 * angle) * t**2]
    design = np.stack([cosine, sine, cosine * t, sine * t, *shape, *widening], axis=1)
    scale = float(value("pedicle.flare_scale_mm"))
    base = known.ravel().astype(np.float64)
    weight = base.copy()
    # Where a whole side has no wall (L5), shift and asymmetry are not known from it: they stay as they are.
    keep = np.zeros(design.shape[1])
    keep[[0, 1, 2, 3, 7, 8]] = KEEP_RAYS
    solution = np.zeros(design.shape[1])
    for _ in range(FIT_STEPS):
        # Normal equations: well conditioned here and far cheaper than an orthogonal solve.
        weighted = design * weight[:, None]
        solution = np.linalg.solve(weighted.T @ design + np.diag(keep + 1e-9), weighted.T @ distance)
        outward = np.maximum(distance - design @ solution, 0.0)
        weight = base / (1.0 + (outward / scale) ** 2) ** 2
    ring = np.stack(shape, axis=1)[:RAYS] @ solution[4:11]
    linear = np.full(RAYS, solution[11])
    square = solution[12] + solution[13] * np.cos(2 * _ANGLES)
    return solution[0:2], solution[2:4], ring, linear, square
