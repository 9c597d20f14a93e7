"""A pedicle as a tube: axis and sections from all of its wall at once, undisturbed where it flares into other bone.

A pedicle runs into the body in front and into facet and transverse process behind, on one side earlier than on the
other. Centroids of its sections follow these flares, single walls carry the voxels' steps. So the distances from the
axis to the wall, in all directions of many sections, are fitted by one smooth tube that may shift, turn, be oval and
widen like an hourglass. Where bone stands out of it, the wall from there on is other bone's and is left out.

Thoracic pedicles are three times as high as wide. Their sections are stretched to circles before they are described
by harmonics, which a slender oval would need many of; distances count as what they are across the wall.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.axes import FloatArray, unit
from endplate.anatomy.mask import LabelField
from endplate.anatomy.section import DIRECTIONS, RAYS, Outline, Plane, cast_radii
from endplate.sources import value

ITERATIONS = 8
"""Times that the rays are cast again from the axis found; it moves by less than 0.1° after the sixth."""

SETTLED_TURN, SETTLED_MM = 5e-4, 5e-3
"""Turn (0.03°) and shift below which the axis has settled."""

FIT_STEPS = 8
"""Reweighting steps of one fit."""

SECTION_STEP_MM = 0.8
"""Distance between sections."""

TURN_MAX = 0.2
"""Greatest turn of the axis in one iteration, mm/mm."""

GRAIN_RANGE_MM = (1.0, 2.0)
"""Bone is no smoother where voxels are finer, and steps larger than this are not taken for wall."""

TURN_DAMPING = 0.8
"""Share of a turn that is taken: the rays of the next iteration see the rest."""

ISTHMUS_SHIFT_MAX_MM = 2.5
"""Farthest that the tube's narrowest section may lie from the one first found."""

KEEP_SHAPE = 10.0
"""Weight, in rays, with which shift and asymmetry hold to the axis so far."""

PLAIN_STEPS = 2
"""First steps of a fit, which see all of the wall; then what flares is left out."""

FLARE_MARGIN = (1, 2)
"""Sections and rays next to a flare that are left out with it: it begins before it is seen."""

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
    rays:
        Shape (RAYS, 2): the ray vectors in (u, v), as long as the section is stretched in their direction.
    ring:
        Shape (RAYS,): wall distance at the point, in lengths of the ray vectors.
    linear, square:
        Shape (RAYS,): its change per mm and per mm² along the axis.
    residual_mm:
        Root mean square distance of the believed wall from the tube.
    wall_share:
        Share of the tube's surface on which wall was met and believed.
    """

    point_ras_mm: FloatArray
    axis_ras: FloatArray
    u_ras: FloatArray
    v_ras: FloatArray
    rays: FloatArray
    ring: FloatArray
    linear: FloatArray
    square: FloatArray
    residual_mm: float
    wall_share: float

    def section(self, offset_mm: float) -> tuple[Plane, Outline]:
        """Plane and smooth outline of the section at an offset along the axis."""
        radii = self.ring + self.linear * offset_mm + self.square * offset_mm**2
        plane = Plane(self.point_ras_mm + offset_mm * self.axis_ras, self.u_ras, self.v_ras)
        return plane, Outline(np.maximum(radii, 0.1)[:, None] * self.rays, np.zeros(2))

    def isthmus_offset_mm(self) -> float:
        """Where along the axis the section is smallest, near the narrowest section that the fit started from."""
        offsets = np.linspace(-ISTHMUS_SHIFT_MAX_MM, ISTHMUS_SHIFT_MAX_MM, 51)
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

    def across(self, axis: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Unit vectors across an axis, lateral and to the head."""
        u = unit(self.lateral_ras - (self.lateral_ras @ axis) * axis)
        v = np.cross(axis, u)
        return u, v if v @ self.head_ras > 0 else -v


def fit_tube(
    field: LabelField, point_ras_mm: FloatArray, axis_ras: FloatArray, around: Surroundings, hold: float
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
    hold:
        Weight with which the axis holds to the first one, mm⁴ (wall area times distance squared) at voxels of 1 mm;
        the coarser they are the less the wall tells, and the more the axis holds.
    """
    half = float(value("pedicle.track_half_length_mm"))
    offsets = np.arange(-half, half + 1e-6, SECTION_STEP_MM)
    point, axis = point_ras_mm, axis_ras
    stretch = np.eye(2)
    tube: Tube | None = None
    for _ in range(ITERATIONS):
        u, v = around.across(axis)
        if tube is None:
            stretch = _first_stretch(field, Plane(point, u, v))
        else:
            stretch = _stretch(tube.section(0.0)[1].points_mm)
        wall = _cast(field, point, axis, (u, v), stretch, offsets, around)
        if wall is None:
            return tube
        turned = np.array([(axis - axis_ras) @ u, (axis - axis_ras) @ v])
        fit = _fit(wall, stretch, turned, hold)
        settled = float(np.abs(fit.turn).max()) < SETTLED_TURN and float(np.abs(fit.shift).max()) < SETTLED_MM
        point = point + fit.shift[0] * u + fit.shift[1] * v
        axis = unit(axis + fit.turn[0] * u + fit.turn[1] * v)
        tube = Tube(
            point,
            axis,
            *around.across(axis),
            DIRECTIONS @ stretch.T,
            fit.ring,
            fit.linear,
            fit.square,
            fit.residual_mm,
            fit.wall_share,
        )
        if settled:
            break
    return tube


@dataclass(frozen=True, eq=False)
class _Solution:
    """What one fit says: ``shift`` and ``turn`` in (u, v), and the tube's shape."""

    shift: FloatArray
    turn: FloatArray
    ring: FloatArray
    linear: FloatArray
    square: FloatArray
    residual_mm: float
    wall_share: float


@dataclass(frozen=True, eq=False)
class _Wall:
    """Wall distances: ``offsets`` shape (N,), ``radii`` and ``known`` shape (N, RAYS), ``grain_mm`` shape (RAYS,).

    ``grain_mm`` is the size of a voxel across the wall in each direction.
    """

    offsets: FloatArray
    radii: FloatArray
    known: NDArray[np.bool_]
    grain_mm: FloatArray


def _cast(
    field: LabelField,
    point: FloatArray,
    axis: FloatArray,
    across: tuple[FloatArray, FloatArray],
    stretch: FloatArray,
    offsets: FloatArray,
    around: Surroundings,
) -> _Wall | None:
    """Feel for the wall in sections along the axis; ``None`` where too little of it is met."""
    rays = DIRECTIONS @ stretch.T
    reach = float(value("pedicle.ray_reach_mm")) / float(np.linalg.norm(rays, axis=1).min())
    used, found, met = [], [], []
    for offset in offsets:
        plane = Plane(point + offset * axis, *across)
        radii = cast_radii(field, plane, reach, rays)
        if radii is None:
            continue
        wall = plane.to_world(radii[:, None] * rays)
        lateral = (wall - around.origin_ras_mm) @ around.lateral_ras
        used.append(offset)
        found.append(radii)
        met.append((radii < reach - 0.1) & (lateral <= around.limit_mm))
    known = np.array(met)
    if len(used) < 4 or known.sum() < 3 * RAYS:
        return None
    normals = _normals(stretch)
    normals_ras = normals[:, :1] * across[0] + normals[:, 1:] * across[1]
    grain = np.linalg.norm(normals_ras @ field.affine[:3, :3], axis=1)
    return _Wall(np.array(used), np.array(found), known, grain)


def _normals(stretch: FloatArray) -> FloatArray:
    """Outward unit normals in (u, v) of the stretched circle at every ray, shape (RAYS, 2)."""
    normals = DIRECTIONS @ np.linalg.inv(stretch)
    scaled: FloatArray = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    return scaled


def _first_stretch(field: LabelField, plane: Plane) -> FloatArray:
    """Stretch of the section itself, before any tube is known."""
    reach = float(value("pedicle.ray_reach_mm"))
    radii = cast_radii(field, plane, reach)
    return np.eye(2) if radii is None else _stretch(radii[:, None] * DIRECTIONS)


def _stretch(points: FloatArray) -> FloatArray:
    """Symmetric matrix of determinant one that makes a circle as oval as an outline, shape (RAYS, 2)."""
    following = np.roll(points, -1, axis=0)
    cross = points[:, 0] * following[:, 1] - points[:, 1] * following[:, 0]
    both = points + following
    centre = (both * cross[:, None]).sum(axis=0) / (3.0 * cross.sum())
    outer = sum(
        np.einsum("ni,nj,n->ij", a - centre, b - centre, cross)
        for a, b in ((points, points), (following, following), (points, following), (following, points))
    )
    sizes, vectors = np.linalg.eigh(0.5 * (outer + outer.T))
    ratio = float(
        np.clip((max(sizes[1], 1e-6) / max(sizes[0], 1e-6)) ** 0.5, 1.0, float(value("pedicle.oval_max")))
    )
    matrix: FloatArray = vectors @ np.diag([ratio**-0.5, ratio**0.5]) @ vectors.T
    return matrix


def _fit(wall: _Wall, stretch: FloatArray, turned: FloatArray, hold: float) -> _Solution:
    """Fit shift, turn and shape to the wall; ``turned`` is by how much the axis has left the first one."""
    count = len(wall.offsets)
    angle = np.tile(_ANGLES, count)
    t = np.repeat(wall.offsets, RAYS)
    # A shift of the centre by s moves the wall of the stretched circle by stretch⁻¹ s along the ray.
    moved = np.tile(DIRECTIONS @ np.linalg.inv(stretch), (count, 1))
    shape = [np.ones_like(angle), np.cos(2 * angle), np.sin(2 * angle)]
    shape += [np.cos(3 * angle), np.sin(3 * angle), np.cos(4 * angle), np.sin(4 * angle)]
    widening = [t, t**2, np.cos(2 * angle) * t**2]
    design = np.stack([*moved.T, *(moved * t[:, None]).T, *shape, *widening], axis=1)
    distance = wall.radii.ravel()
    # From lengths of rays to distances across the wall, and from rays to lengths of wall.
    across = np.einsum("ni,ni->n", DIRECTIONS @ stretch.T, _normals(stretch))
    tangent = np.linalg.norm(np.stack([-DIRECTIONS[:, 1], DIRECTIONS[:, 0]], axis=-1) @ stretch.T, axis=1)
    measure = np.tile(across**2 * tangent, count)
    base = wall.known.ravel() * measure
    grain = np.clip(wall.grain_mm, *GRAIN_RANGE_MM)
    # Where a whole side has no wall (L5), shift and asymmetry are not known from it: they stay as they are.
    keep = np.full(design.shape[1], 1e-9)
    keep[[0, 1, 7, 8]] = KEEP_SHAPE
    keep[2:4] = hold * float(np.mean(grain**2))
    target = np.zeros(design.shape[1])
    target[2:4] = -turned
    share = _clean_share(stretch)
    weight = base.copy()
    solution, outward = np.zeros(design.shape[1]), np.zeros(len(t))
    for step in range(FIT_STEPS):
        # Normal equations: well conditioned here and far cheaper than an orthogonal solve.
        weighted = design * weight[:, None]
        solution = np.linalg.solve(weighted.T @ design + np.diag(keep), weighted.T @ distance + keep * target)
        outward = (distance - design @ solution) * np.tile(across, count)
        if step >= PLAIN_STEPS - 1:
            weight = base * _clean(
                (outward / np.tile(grain, count)).reshape(count, RAYS), wall.offsets, base, share
            )
    return _Solution(
        solution[0:2],
        TURN_DAMPING * np.clip(solution[2:4], -TURN_MAX, TURN_MAX),
        np.stack(shape, axis=1)[:RAYS] @ solution[4:11],
        np.full(RAYS, solution[11]),
        solution[12] + solution[13] * np.cos(2 * _ANGLES),
        float(np.sqrt(weight @ outward**2 / max(float(weight.sum()), 1e-9))),
        float(weight.sum() / measure.sum()),
    )


def _clean_share(stretch: FloatArray) -> float:
    """Share of the wall that a fit must keep: less of a slender section, whose ends flare close to the isthmus."""
    slenderness = float(np.linalg.cond(stretch))
    return float(np.interp(slenderness, value("pedicle.slender_range"), value("pedicle.wall_share")))


def _clean(outward: FloatArray, offsets: FloatArray, base: FloatArray, share: float) -> NDArray[np.bool_]:
    """Which wall points to believe, by the strictest limit on standing out that leaves enough of them.

    ``outward``, shape (N, RAYS), is in voxels; the result is flat.
    """
    clean = np.ones(outward.size, dtype=bool)
    for limit in value("pedicle.flare_limits"):
        clean = _before_flare(outward > limit, offsets).ravel()
        if float(base @ clean) > share * float(base.sum()):
            break
    return clean


def _before_flare(flares: NDArray[np.bool_], offsets: FloatArray) -> NDArray[np.bool_]:
    """Which wall points lie between the middle and the first flare on their line along the wall, with a margin."""
    sections, rays = FLARE_MARGIN
    grown = flares.copy()
    for step in range(1, rays + 1):
        grown |= np.roll(flares, step, axis=1) | np.roll(flares, -step, axis=1)
    middle = int(np.argmin(np.abs(offsets)))
    front = np.logical_or.accumulate(grown[middle:], axis=0)
    back = np.logical_or.accumulate(grown[middle::-1], axis=0)[::-1]
    beyond = np.concatenate([back[:-1], front])
    wide = beyond.copy()
    for step in range(1, sections + 1):
        wide[middle:-step] |= beyond[middle + step :]
        wide[step : middle + 1] |= beyond[: middle + 1 - step]
    before: NDArray[np.bool_] = ~wide
    return before
