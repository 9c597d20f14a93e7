"""Where the implants of a phantom stand: simple bodies in the world, packed for the kernels.

One row is one body: an ellipsoid or a cylinder with flat or round ends. Cement inside a vertebra is kept within its
body, so a row also says in which one.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from endplate.imaging.geometry import FloatArray
from endplate.sources import value
from endplate.synthetic import implant_kernels as k
from endplate.synthetic import rows as r
from endplate.synthetic import sampling
from endplate.synthetic.anatomy import SolvedSpine
from endplate.synthetic.body_measure import posterior_wall_mm
from endplate.synthetic.implant_spec import CementSpec, Leak, ScrewSpec
from endplate.synthetic.pedicle import SIDES
from endplate.units import MM3_PER_ML

THREAD_MM = 1.4
"""Radius of a thread of leaked cement."""
WIRE_RADIUS_MM = 0.75
WIRE_BEHIND_MM = 60.0
"""How far a guide wire stands out behind the isthmus."""
HEAD_LENGTH_MM, HEAD_RADIUS_MM = 13.0, 6.2
"""Head of a pedicle screw."""
ROD_END_MM = 9.0
"""How far a rod stands out beyond its last head."""
CLOUD_LOBULES = 26
LATTICE_MM = 1.0
"""Sampling on which the volume of cement is adjusted."""


def solid(
    kind: float,
    start: FloatArray,
    end: FloatArray,
    radii: FloatArray | float,
    hu: float,
    level: int,
    material: int,
    *,
    within: bool = False,
) -> FloatArray:
    """One packed body; an ellipsoid has its half axes along the rows of a rotation given by ``kind`` rows after."""
    row = np.zeros(k.SOLID_SIZE)
    row[k.S_KIND] = kind
    row[k.S_START : k.S_START + 3] = start
    row[k.S_END : k.S_END + 3] = end
    row[k.S_RADII : k.S_RADII + 3] = radii
    row[k.S_AXES : k.S_AXES + 9] = np.eye(3).ravel()
    row[k.S_HU] = hu
    row[k.S_LEVEL] = level
    row[k.S_MATERIAL] = material
    row[k.S_WITHIN] = within
    return row


def solids_of(spine: SolvedSpine) -> FloatArray:
    """All implants of a phantom, shape (n, SOLID_SIZE); metal comes last and so lies over cement."""
    cement: list[FloatArray] = []
    metal: list[FloatArray] = []
    heads: dict[tuple[int, str], FloatArray] = {}
    for i, vertebra in enumerate(spine.spec.vertebrae):
        wanted = vertebra.implants
        if wanted is None:
            continue
        if wanted.cement is not None:
            cement += _cement(spine, i, wanted.cement)
        if wanted.screws is not None:
            for side in SIDES:
                if wanted.screws.sides in ("both", side):
                    parts, heads[i, side] = _screw(spine, i, side, wanted.screws)
                    metal += parts
        if wanted.cage is not None:
            metal.append(_cage(spine, i, wanted.cage))
        if wanted.wire is not None:
            metal.append(_wire(spine, i, wanted.wire))
    metal += _rods(spine, heads)
    return np.array(cement + metal).reshape(-1, k.SOLID_SIZE)


def _metal_hu(material: str) -> float:
    return float(value("synthetic.metal_hu")[material])


def _pedicle_line(spine: SolvedSpine, i: int, side: str) -> tuple[FloatArray, FloatArray]:
    """Isthmus and forward axis of a pedicle, RAS."""
    packed = spine.pedicles(i)[SIDES.index(side)]
    return spine.placement.to_world(i, packed[0:3]), spine.placement.direction(i, packed[3:6])


def _screw(spine: SolvedSpine, i: int, side: str, spec: ScrewSpec) -> tuple[list[FloatArray], FloatArray]:
    """The shaft and head of a screw, and the middle of its head."""
    isthmus, axis = _pedicle_line(spine, i, side)
    depth = float(spine.models[i].row[r.B_DEPTH])
    tip = isthmus + 0.80 * depth * axis
    start = tip - spec.length_mm * axis
    hu = _metal_hu(spec.material)
    head = start - HEAD_LENGTH_MM * axis
    parts = [
        solid(k.CYLINDER, start, tip, 0.5 * spec.diameter_mm, hu, i, k.METAL),
        solid(k.CYLINDER, head, start, HEAD_RADIUS_MM, hu, i, k.METAL),
    ]
    return parts, start - 0.6 * HEAD_LENGTH_MM * axis


def _rods(spine: SolvedSpine, heads: dict[tuple[int, str], FloatArray]) -> list[FloatArray]:
    """Rods through the heads of neighbouring levels on one side."""
    rods = []
    for side in SIDES:
        for i in range(len(spine.models) - 1):
            upper, lower = heads.get((i, side)), heads.get((i + 1, side))
            spec = spine.spec.vertebrae[i].implants
            if upper is None or lower is None or spec is None or spec.screws is None:
                continue
            if spec.screws.rod_diameter_mm <= 0.0:
                continue
            along = (upper - lower) / np.linalg.norm(upper - lower)
            above = 0.0 if (i - 1, side) in heads else ROD_END_MM
            below = 0.0 if (i + 2, side) in heads else ROD_END_MM
            rods.append(
                solid(
                    k.CAPSULE,
                    lower - below * along,
                    upper + above * along,
                    0.5 * spec.screws.rod_diameter_mm,
                    _metal_hu(spec.screws.material),
                    i,
                    k.METAL,
                )
            )
    return rods


def _wire(spine: SolvedSpine, i: int, material: str) -> FloatArray:
    isthmus, axis = _pedicle_line(spine, i, "left")
    depth = float(spine.models[i].row[r.B_DEPTH])
    return solid(
        k.CYLINDER,
        isthmus - WIRE_BEHIND_MM * axis,
        isthmus + 0.5 * depth * axis,
        WIRE_RADIUS_MM,
        _metal_hu(material),
        i,
        k.METAL,
    )


def _disc_point(spine: SolvedSpine, i: int, sign: float) -> FloatArray:
    """Local point in the middle of the disc above (+1) or below (−1) a body."""
    y = -0.05 * float(spine.models[i].row[r.B_DEPTH])
    plates = sampling.endplates_at(np.array([[0.0, y]]), spine.models[i].row)[0]
    discs = spine.spec.discs
    gap = discs[max(i - 1, 0)].height_mm if sign > 0 else discs[i].height_mm
    return np.array([0.0, y, float(plates[0]) + 0.5 * gap if sign > 0 else float(plates[1]) - 0.5 * gap])


def _cage(spine: SolvedSpine, i: int, material: str) -> FloatArray:
    """A solid cage across the disc below."""
    middle = _disc_point(spine, i, -1.0)
    half = np.array([10.0, 0.0, 0.0])
    place = spine.placement
    return solid(
        k.CYLINDER,
        place.to_world(i, middle - half),
        place.to_world(i, middle + half),
        0.45 * spine.spec.discs[i].height_mm,
        _metal_hu(material),
        i,
        k.METAL,
    )


def _ellipsoid(
    spine: SolvedSpine, i: int, centre: FloatArray, radii: FloatArray, hu: float, *, within: bool
) -> FloatArray:
    """An ellipsoid along the axes of vertebra i."""
    world = spine.placement.to_world(i, centre)
    row = solid(k.ELLIPSOID, world, world, radii, hu, i, k.CEMENT, within=within)
    row[k.S_AXES : k.S_AXES + 9] = spine.placement.poses[i, :3].ravel()
    return row


def _cement(spine: SolvedSpine, i: int, spec: CementSpec) -> list[FloatArray]:
    """The masses of cement of one body, grown until their volume is as wanted, and its leaks."""
    low, high = 0.1, 3.0
    for _ in range(9):
        middle = 0.5 * (low + high)
        grown = np.array(_masses(spine, i, spec, middle))
        if _volume_ml(spine, i, grown) < spec.volume_ml:
            low = middle
        else:
            high = middle
    leaks = [row for leak in spec.leaks for row in _leak(spine, i, leak, spec)]
    return _masses(spine, i, spec, 0.5 * (low + high)) + leaks


def _masses(spine: SolvedSpine, i: int, spec: CementSpec, scale: float) -> list[FloatArray]:
    """The masses of cement inside the body at one scale."""
    row = spine.models[i].row
    half_width, depth = float(row[r.B_HALF_WIDTH]), float(row[r.B_DEPTH])
    plates = sampling.endplates_at(np.array([[0.0, 0.05 * depth]]), row)[0]
    middle, half = 0.5 * float(plates[0] + plates[1]), 0.5 * float(plates[0] - plates[1])
    if spec.form == "blobs":
        return [
            _ellipsoid(
                spine,
                i,
                np.array([side * 0.48 * half_width, 0.08 * depth, middle]),
                scale * np.array([0.30 * half_width, 0.26 * depth, 0.75 * half]),
                spec.hu,
                within=True,
            )
            for side in (-1.0, 1.0)
        ]
    if spec.form == "bridging":
        radii = np.array([scale * 0.5 * half_width, scale * 0.3 * depth, 1.6 * half])
        return [_ellipsoid(spine, i, np.array([0.0, 0.06 * depth, middle]), radii, spec.hu, within=True)]
    rng = np.random.default_rng([spine.spec.seed, 3, i])
    core = scale * np.array([0.30 * half_width, 0.22 * depth, 0.55 * half])
    parts = [_ellipsoid(spine, i, np.array([0.0, 0.05 * depth, middle]), core, spec.hu, within=True)]
    for _ in range(CLOUD_LOBULES):
        way = rng.standard_normal(3)
        way /= np.linalg.norm(way)
        far = rng.uniform(0.9, 1.7)
        centre = np.array([0.0, 0.05 * depth, middle]) + far * core * way
        size = scale * rng.uniform(2.2, 3.6)
        thin = 1.0 - 0.35 * (far - 0.9) / 0.8
        parts.append(_ellipsoid(spine, i, centre, np.full(3, size), thin * spec.hu, within=True))
    # The thinnest first: what is painted later lies over it.
    return sorted(parts, key=lambda part: float(part[k.S_HU]))


def _volume_ml(spine: SolvedSpine, i: int, solids: FloatArray) -> float:
    """Volume of cement on a lattice over the body."""
    row = spine.models[i].row
    half = np.array(
        [float(row[r.B_HALF_WIDTH]), 0.5 * float(row[r.B_DEPTH]), float(row[r.B_SUP_HEIGHT]) + 3.0]
    )
    steps = [np.arange(-h, h, LATTICE_MM) for h in half]
    points = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3)
    inside = k.solids_at(spine.placement.to_world(i, points), solids, spine.packed) >= 0
    return float(inside.sum()) * LATTICE_MM**3 / MM3_PER_ML


def _thread(spine: SolvedSpine, i: int, points: FloatArray, hu: float) -> list[FloatArray]:
    """A thread of cement through local points."""
    world = spine.placement.to_world(i, points)
    return [solid(k.CAPSULE, a, b, THREAD_MM, hu, i, k.CEMENT) for a, b in pairwise(world)]


def _leak(spine: SolvedSpine, i: int, leak: Leak, spec: CementSpec) -> list[FloatArray]:
    """One leak and the thread that leads to it."""
    row = spine.models[i].row
    half_width, depth = float(row[r.B_HALF_WIDTH]), float(row[r.B_DEPTH])
    hu = spec.hu
    source = np.array([-0.48 * half_width if spec.form == "blobs" else 0.0, 0.07 * depth, 0.0])
    if leak in ("disc_superior", "disc_inferior"):
        sign = 1.0 if leak == "disc_superior" else -1.0
        middle = _disc_point(spine, i, sign)
        gap = spine.spec.discs[max(i - 1, 0) if sign > 0 else i].height_mm
        pool = _ellipsoid(spine, i, middle, np.array([7.0, 6.0, 0.42 * gap]), hu, within=False)
        inner = middle - np.array([0.0, 0.0, sign * (0.5 * gap + 6.0)])
        return [pool, *_thread(spine, i, np.array([source, inner, middle]), hu)]
    if leak == "canal":
        z = float(spine.pedicles(i)[0, 2])
        wall = posterior_wall_mm(row, z)
        pool = _ellipsoid(
            spine, i, np.array([0.0, wall - 1.6, z]), np.array([4.0, 1.6, 8.0]), hu, within=False
        )
        points = np.array([source, [0.0, 0.5 * wall, 0.5 * z], [0.0, wall - 1.0, z]])
        return [pool, *_thread(spine, i, points, hu)]
    turn = math.radians(25.0)
    out = half_width + 4.0
    points = np.array(
        [
            [0.3 * half_width, 0.1 * depth, 0.0],
            [out, 0.18 * depth, -1.0],
            [out * math.cos(turn), 0.18 * depth + out * math.sin(turn), 3.0],
            [out * math.cos(turn) - 2.0, 0.18 * depth + out * math.sin(turn) + 2.0, 14.0],
        ]
    )
    return _thread(spine, i, points, hu)
