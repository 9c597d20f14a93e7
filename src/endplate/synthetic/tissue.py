"""Soft tissue round the spine: a compiled picture of the trunk that follows the spine's curve.

The trunk is drawn section by section from a table over world z (:func:`endplate.synthetic.trunk.trunk_tables`):
where the bodies, the laminae and the skin lie at that height. Bones, discs and canal are written over it.
"""

from __future__ import annotations

import math
from typing import Any

from numba import njit

# Columns of the table over z.
(
    Z_CENTRE_X,
    Z_BODY_Y,
    Z_BODY_HALF_WIDTH,
    Z_BODY_HALF_DEPTH,
    Z_LAMINA_Y,
    Z_SKIN_Y,
    Z_LUMBAR,
    Z_PSOAS,
    TABLE_SIZE,
) = range(9)
TABLE_STEP_MM = 1.0

# Numbers of the trunk as a whole.
(
    T_MUSCLE,
    T_FAT,
    T_BLOOD,
    T_LUNG,
    T_HALF_WIDTH,
    T_DEPTH,
    T_BACK_FAT,
    T_ORGANS,
    T_DIAPHRAGM,
    T_KIDNEY,
    T_VISCERA_HU,
    T_KIDNEY_HU,
    NUMBERS_SIZE,
) = range(13)

SKIN_MM = 2.2
SKIN_HU = 30.0
AIR_HU = -1000.0
VISCERA_HU = 25.0
KIDNEY_HU = 32.0
WALL_MUSCLE_MM = 13.0


@njit(cache=True, error_model="numpy")
def _share(distance: Any, width: Any) -> Any:
    """Share inside a surface at this distance, over an edge of this width."""
    return min(max(0.5 - distance / width, 0.0), 1.0)


@njit(cache=True, error_model="numpy")
def _oval(u: Any, v: Any, width: Any) -> Any:
    """Share inside a unit ellipse from normalised coordinates; ``width`` is the edge's share of the radius."""
    return _share(math.sqrt(u * u + v * v) - 1.0, width)


@njit(cache=True, error_model="numpy")
def _mix(hu: Any, share: Any, other: Any) -> Any:
    return hu + share * (other - hu)


@njit(cache=True, error_model="numpy")
def _outside(ax: Any, y: Any, row: Any, N: Any) -> Any:
    """Distance outside the skin: an ellipse flattened at the back with a furrow in the midline."""
    half_depth = 0.5 * N[T_DEPTH]
    across = ax / N[T_HALF_WIDTH]
    along = (y - row[Z_SKIN_Y] - half_depth) / half_depth
    if along < 0.0:
        furrow = 5.0 * math.exp(-((ax / 14.0) ** 2)) / half_depth
        along = along * (1.0 + 0.22 * min(across * across, 1.0)) - furrow
    radius = (across**2.5 + abs(along) ** 2.5) ** 0.4
    return (radius - 1.0) * half_depth


@njit(cache=True, error_model="numpy")
def _wall_hu(ax: Any, y: Any, outside: Any, row: Any, N: Any, soft: Any) -> Any:
    """Subcutaneous fat, the muscles of the trunk's wall, and viscera in front of the spine."""
    wall = N[T_BACK_FAT] + 4.0 * row[Z_LUMBAR]
    ring = _share(outside + wall, soft) * _share(-(outside + wall + WALL_MUSCLE_MM), soft)
    hu = _mix(N[T_FAT], ring, N[T_MUSCLE])
    inner = _share(outside + wall + WALL_MUSCLE_MM, soft)
    inner *= _share(row[Z_BODY_Y] - 6.0 - y + 0.18 * ax * row[Z_LUMBAR], 6.0)
    amount = min(max((y - row[Z_BODY_Y]) / 30.0 + ax / 70.0, 0.0), 1.0)
    return _mix(hu, 0.75 * inner * amount, N[T_VISCERA_HU])


@njit(cache=True, error_model="numpy")
def _muscle_hu(hu: Any, ax: Any, y: Any, row: Any, N: Any, soft: Any) -> Any:
    """Lay the muscles of the back, the psoas and the quadratus lumborum over the wall."""
    lumbar, lamina, body_y = row[Z_LUMBAR], row[Z_LAMINA_Y], row[Z_BODY_Y]
    cover = row[Z_SKIN_Y] + 0.75 * N[T_BACK_FAT]
    middle = 0.5 * (lamina + 2.0 + cover)
    thick = max(0.5 * (lamina + 6.0 - cover), 8.0) + 2.5 * lumbar
    reach = 27.0 + 6.0 * lumbar
    erector = _oval((ax - reach) / reach, (y - middle + 0.05 * ax) / thick, 2.0 * soft / thick)
    fascia = math.exp(-(((ax - 21.0 - 0.25 * (middle - y)) / 1.2) ** 2))
    hu = _mix(hu, erector, N[T_MUSCLE] - 45.0 * fascia)
    deep = _oval(ax / (24.0 + 8.0 * lumbar), (y - lamina - 4.0) / 15.0, 2.0 * soft / 15.0)
    hu = _mix(hu, deep, N[T_MUSCLE] - 4.0)
    if lumbar > 0.0:
        size = 6.0 + 2.6 * row[Z_PSOAS]
        u = (ax - row[Z_BODY_HALF_WIDTH] - 0.72 * size) / size
        v = (y - body_y + 5.0 - 0.8 * row[Z_PSOAS]) / (1.25 * size)
        hu = _mix(hu, lumbar * _oval(u, v, 2.0 * soft / size), N[T_MUSCLE] + 2.0)
        quadratus = _oval((ax - 56.0) / 20.0, (y - body_y + 23.0) / 8.5, 2.0 * soft / 8.5)
        hu = _mix(hu, lumbar * quadratus, N[T_MUSCLE])
    return hu


@njit(cache=True, error_model="numpy")
def _lung_share(ax: Any, y: Any, z: Any, outside: Any, row: Any, N: Any, soft: Any) -> Any:
    """Share of lung: above the diaphragm, within the ribs, beside spine and mediastinum."""
    forward = y - row[Z_BODY_Y]
    dome = N[T_DIAPHRAGM] + 0.35 * max(forward + 25.0, 0.0) + 0.0015 * (ax - 85.0) ** 2
    rise = min(max(forward / 55.0, 0.0), 1.0)
    middle = row[Z_BODY_HALF_WIDTH] + 5.0 + 26.0 * rise * rise * (3.0 - 2.0 * rise)
    chest = _share(outside + N[T_BACK_FAT] + 4.0 * row[Z_LUMBAR] + 20.0, soft)
    behind = _share(row[Z_LAMINA_Y] - 4.0 + 0.25 * ax - y, soft)
    return chest * behind * _share(middle - ax, soft) * _share(dome - z, soft)


@njit(cache=True, error_model="numpy")
def _organ_hu(hu: Any, x: Any, y: Any, z: Any, outside: Any, row: Any, N: Any, soft: Any) -> Any:
    """Lay lungs, kidneys, vena cava and aorta over the rest."""
    ax = abs(x)
    lumbar = row[Z_LUMBAR]
    lung = _lung_share(ax, y, z, outside, row, N, soft)
    if lung > 0.0:
        hu = _mix(hu, lung, N[T_LUNG] + 60.0 * math.sin(0.45 * x) * math.sin(0.4 * y) * math.sin(0.37 * z))
    u = (ax - 57.0) / 26.0
    v = (y - row[Z_BODY_Y] + 4.0) / 24.0
    w = (z - N[T_KIDNEY] - (5.0 if x < 0.0 else -5.0)) / 54.0
    kidney = math.sqrt(u * u + v * v + w * w)
    hu = _mix(hu, _share(kidney - 1.0, 2.0 * soft / 24.0), N[T_KIDNEY_HU])
    front = row[Z_BODY_Y] + row[Z_BODY_HALF_DEPTH]
    vena = _oval((x - 15.0) / 11.0, (y - front - 12.0) / 9.0, 2.0 * soft / 9.0)
    hu = _mix(hu, lumbar * vena, N[T_BLOOD])
    thoracic = 1.0 - lumbar
    u = (x + 13.0 + 4.0 * thoracic) / 11.5
    v = (y - front - 11.0 + 5.0 * thoracic) / 11.5
    return _mix(hu, _oval(u, v, 2.0 * soft / 11.5), N[T_BLOOD])


@njit(cache=True, error_model="numpy")
def trunk_hu(x: Any, y: Any, z: Any, row: Any, N: Any, soft: Any) -> Any:
    """HU of the trunk without bones at a world point; ``soft`` is the edges' softness in mm."""
    x -= row[Z_CENTRE_X]
    ax = abs(x)
    outside = _outside(ax, y, row, N)
    if outside > 0.5 * soft:
        return AIR_HU
    hu = _muscle_hu(_wall_hu(ax, y, outside, row, N, soft), ax, y, row, N, soft)
    if N[T_ORGANS] > 0.5:
        hu = _organ_hu(hu, x, y, z, outside, row, N, soft)
    hu = _mix(hu, _share(-(outside + SKIN_MM), soft), SKIN_HU)
    return _mix(AIR_HU, _share(outside, soft), hu)


@njit(cache=True, error_model="numpy")
def paint_trunk(image: Any, affine: Any, soft: Any, low: Any, table: Any, N: Any) -> None:
    """Write the trunk into the whole CT; ``low`` is the world z of the table's first row."""
    last = len(table) - 1
    for a in range(image.shape[0]):
        for b in range(image.shape[1]):
            for c in range(image.shape[2]):
                x = affine[0, 0] * a + affine[0, 1] * b + affine[0, 2] * c + affine[0, 3]
                y = affine[1, 0] * a + affine[1, 1] * b + affine[1, 2] * c + affine[1, 3]
                z = affine[2, 0] * a + affine[2, 1] * b + affine[2, 2] * c + affine[2, 3]
                k = min(max(round((z - low) / TABLE_STEP_MM), 0), last)
                image[a, b, c] = trunk_hu(x, y, z, table[k], N, soft)


@njit(cache=True, error_model="numpy")
def _tube_distance(x: Any, y: Any, z: Any, points: Any, radii: Any) -> Any:
    """Distance outside a curved tube of changing radius, higher than thick."""
    best = 1.0e9
    for k in range(len(points) - 1):
        ex = points[k + 1, 0] - points[k, 0]
        ey = points[k + 1, 1] - points[k, 1]
        ez = points[k + 1, 2] - points[k, 2]
        dx = x - points[k, 0]
        dy = y - points[k, 1]
        dz = z - points[k, 2]
        t = min(max((dx * ex + dy * ey + dz * ez) / (ex * ex + ey * ey + ez * ez), 0.0), 1.0)
        dx -= t * ex
        dy -= t * ey
        dz -= t * ez
        radius = radii[k] + t * (radii[k + 1] - radii[k])
        best = min(best, math.sqrt(dx * dx + dy * dy + 0.5 * dz * dz) - radius)
    return best


@njit(cache=True, error_model="numpy")
def paint_tube(
    image: Any, start: Any, stop: Any, affine: Any, width: Any, points: Any, radii: Any, wall: Any
) -> None:
    """Write a rib along points, shape (n, 3), within a voxel box; the denser value stays.

    ``wall`` is (cortex in mm, its HU, the marrow's HU).
    """
    for a in range(start[0], stop[0]):
        for b in range(start[1], stop[1]):
            for c in range(start[2], stop[2]):
                x = affine[0, 0] * a + affine[0, 1] * b + affine[0, 2] * c + affine[0, 3]
                y = affine[1, 0] * a + affine[1, 1] * b + affine[1, 2] * c + affine[1, 3]
                z = affine[2, 0] * a + affine[2, 1] * b + affine[2, 2] * c + affine[2, 3]
                away = _tube_distance(x, y, z, points, radii)
                solid = _share(away, width)
                if solid > 0.0:
                    marrow = _share(away + wall[0], width)
                    hu = image[a, b, c]
                    bone = (solid - marrow) * wall[1] + marrow * wall[2] + (1.0 - solid) * hu
                    image[a, b, c] = max(hu, bone)
