"""Soft tissue round the spine: a compiled picture of the trunk that follows the spine's curve.

The trunk is drawn section by section from tables over world z (:func:`trunk_tables`): where the bodies, the canal
and the skin lie at that height. Cheap and smooth; bones, discs and canal are written over it.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from endplate.imaging.geometry import FloatArray
from endplate.imaging.levels import order
from endplate.synthetic import field as f
from endplate.synthetic.anatomy import SolvedSpine

# Columns of the trunk tables.
(
    Z_CENTRE_X,
    Z_BODY_Y,
    Z_BODY_HALF_WIDTH,
    Z_BODY_HALF_DEPTH,
    Z_LAMINA_Y,
    Z_SKIN_Y,
    Z_LUMBAR,
    Z_PSOAS,
) = range(8)
TABLE_STEP_MM = 1.0
TABLE_SIZE = 8

(T_MUSCLE, T_FAT, T_BLOOD, T_LUNG, T_HALF_WIDTH, T_DEPTH, T_BACK_FAT, T_ORGANS, T_DIAPHRAGM, T_KIDNEY) = (
    range(10)
)
SKIN_MM = 2.2
SKIN_HU = 30.0
AIR_HU = -1000.0
VISCERA_HU = 25.0
KIDNEY_HU = 32.0


def skin_line(spine: SolvedSpine) -> tuple[FloatArray, FloatArray]:
    """World z and y of the midline skin of the back, one point a level: behind the spinous tips by the fat."""
    z, y = [], []
    _, _, _, _, _, parts, counts = spine.packed
    for i in range(len(spine.models)):
        tips = []
        for k in range(int(counts[i][2])):
            q = parts[i][2, k]
            end = q[0:3] + q[f.Q_LENGTH] * q[3:6]
            tips.append(spine.placement.to_world(i, end + np.array([0.0, -float(q[f.Q_RU1]), 0.0])))
        tip = tips[int(np.argmin([t[1] for t in tips]))]
        z.append(float(tip[2]))
        y.append(float(tip[1]) - 0.55 * spine.spec.soft_tissue.back_fat_mm - SKIN_MM)
    height, depth = np.array(z), np.array(y)
    rank = np.argsort(height)
    height, depth = height[rank], depth[rank]
    # Skin bridges hollows: no point lies more than 3 mm in front of the chord of its neighbours.
    for k in range(1, len(depth) - 1):
        chord = np.interp(height[k], height[[k - 1, k + 1]], depth[[k - 1, k + 1]])
        depth[k] = min(depth[k], chord + 3.0)
    return height, depth


def trunk_tables(spine: SolvedSpine, low: float, high: float) -> FloatArray:
    """Table rows over world z from ``low`` in steps of 1 mm."""
    z = np.arange(low, high + TABLE_STEP_MM, TABLE_STEP_MM)
    place = spine.placement
    rows = []
    for i, vertebra in enumerate(spine.spec.vertebrae):
        row = spine.models[i].row
        centre = place.poses[i, 3]
        lamina = place.to_world(
            i, np.array([0.0, float(row[f.C_Y] - row[f.C_HALF_AP] - row[f.L_THICKNESS]), -6.0])
        )
        lumbar = np.clip((order(vertebra.level) - order("T11")) / 3.0, 0.0, 1.0)
        psoas = np.clip(order(vertebra.level) - order("T12"), 0, 5)
        rows.append(
            [
                centre[2],
                centre[0],
                centre[1],
                row[f.B_HALF_WIDTH],
                0.5 * row[f.B_DEPTH],
                lamina[1],
                lumbar,
                psoas,
            ]
        )
    nodes = np.array(rows)
    nodes = nodes[np.argsort(nodes[:, 0])]
    skin_z, skin_y = skin_line(spine)
    table = np.zeros((len(z), TABLE_SIZE))
    columns = (Z_CENTRE_X, Z_BODY_Y, Z_BODY_HALF_WIDTH, Z_BODY_HALF_DEPTH, Z_LAMINA_Y, Z_LUMBAR, Z_PSOAS)
    for column, source in zip(columns, (1, 2, 3, 4, 5, 6, 7), strict=True):
        table[:, column] = _smooth(np.interp(z, nodes[:, 0], nodes[:, source]))
    table[:, Z_SKIN_Y] = _smooth(np.interp(z, skin_z, skin_y))
    return table


def _smooth(values: FloatArray) -> FloatArray:
    """Moving average over 15 mm; the ends are held."""
    padded = np.pad(values, 7, mode="edge")
    smooth: FloatArray = np.convolve(padded, np.full(15, 1.0 / 15.0), mode="valid")
    return smooth


def tissue_numbers(spine: SolvedSpine) -> FloatArray:
    """Packed numbers of the soft tissue for :func:`paint_trunk`."""
    soft = spine.spec.soft_tissue
    heights = {level: float(spine.placement.poses[i, 3, 2]) for i, level in enumerate(spine.spec.levels)}
    ranks = np.array([order(level) for level in heights])
    z = np.array(list(heights.values()))
    pitch = abs(float(np.polyfit(ranks, z, 1)[0])) if len(z) > 1 else 30.0

    def height_of(level: str) -> float:
        nearest = min(heights, key=lambda name: abs(order(name) - order(level)))
        return heights[nearest] - (order(level) - order(nearest)) * pitch

    return np.array(
        [
            soft.muscle_hu,
            soft.fat_hu,
            soft.blood_hu,
            soft.lung_hu,
            0.5 * soft.trunk_width_mm,
            soft.trunk_depth_mm,
            soft.back_fat_mm,
            1.0 if soft.organs else 0.0,
            height_of("T12") + 4.0,
            height_of("L1") - 10.0,
        ]
    )


@njit(cache=True, error_model="numpy")
def _inside(u, v, width):
    """Share inside a unit ellipse from normalised coordinates; ``width`` is the edge's softness of the radius."""
    return min(max(0.5 - (math.sqrt(u * u + v * v) - 1.0) / width, 0.0), 1.0)


@njit(cache=True, error_model="numpy")
def _mix(hu, share, other):
    return hu + share * (other - hu)


@njit(cache=True, error_model="numpy")
def trunk_hu(x, y, z, row, N, soft):
    """HU of the trunk without bones at a world point; ``soft`` is the edges' softness in mm."""
    x -= row[Z_CENTRE_X]
    ax = abs(x)
    half_width = N[T_HALF_WIDTH]
    half_depth = 0.5 * N[T_DEPTH]
    lumbar = row[Z_LUMBAR]
    # Skin: an ellipse flattened at the back with a midline furrow.
    across = ax / half_width
    along = (y - row[Z_SKIN_Y] - half_depth) / half_depth
    furrow = 5.0 * math.exp(-((ax / 14.0) ** 2)) / half_depth
    flat = 1.0 + 0.22 * min(across * across, 1.0) if along < 0.0 else 1.0
    radius = (across**2.5 + abs(along * flat - furrow * (1.0 if along < 0.0 else 0.0)) ** 2.5) ** 0.4
    outside = (radius - 1.0) * half_depth
    if outside > 0.5 * soft:
        return AIR_HU
    fat = N[T_FAT]
    hu = fat
    # Muscle ring of the trunk wall and viscera within.
    wall = N[T_BACK_FAT] + 4.0 * lumbar
    ring = _share(outside + wall, soft) * _share(-(outside + wall + 13.0), soft)
    inner = _share(outside + wall + 13.0, soft)
    front = row[Z_BODY_Y] + row[Z_BODY_HALF_DEPTH]
    hu = _mix(hu, ring, N[T_MUSCLE])
    inner *= _share(row[Z_BODY_Y] - 6.0 - y + 0.18 * ax * lumbar, 6.0)
    hu = _mix(hu, 0.75 * inner * min(max((y - row[Z_BODY_Y]) / 30.0 + ax / 70.0, 0.0), 1.0), VISCERA_HU)
    # Paraspinal muscles: erector spinae beside the spinous processes, with the fascia's fat between.
    lamina = row[Z_LAMINA_Y]
    middle = 0.5 * (lamina + 2.0 + row[Z_SKIN_Y] + 0.75 * N[T_BACK_FAT])
    thick = max(0.5 * (lamina + 6.0 - row[Z_SKIN_Y] - 0.75 * N[T_BACK_FAT]), 8.0) + 2.5 * lumbar
    reach = 27.0 + 6.0 * lumbar
    erector = _inside((ax - reach) / reach, (y - middle + 0.05 * ax) / thick, 2.0 * soft / thick)
    cleft = math.exp(-(((ax - 21.0 - 0.25 * (middle - y)) / 1.2) ** 2))
    hu = _mix(hu, erector, N[T_MUSCLE] - 45.0 * cleft)
    # Fill beside the vertebra: the deep muscles close to the laminae and between the transverse processes.
    deep = _inside(ax / (24.0 + 8.0 * lumbar), (y - lamina - 4.0) / 15.0, 2.0 * soft / 15.0)
    hu = _mix(hu, deep, N[T_MUSCLE] - 4.0)
    if lumbar > 0.0:
        size = 6.0 + 2.6 * row[Z_PSOAS]
        u = (ax - row[Z_BODY_HALF_WIDTH] - 0.72 * size) / size
        v = (y - row[Z_BODY_Y] + 5.0 - 0.8 * row[Z_PSOAS]) / (1.25 * size)
        hu = _mix(hu, lumbar * _inside(u, v, 2.0 * soft / size), N[T_MUSCLE] + 2.0)
        quadratus = _inside((ax - 56.0) / 20.0, (y - row[Z_BODY_Y] + 23.0) / 8.5, 2.0 * soft / 8.5)
        hu = _mix(hu, lumbar * quadratus, N[T_MUSCLE])
    if N[T_ORGANS] > 0.5:
        dome = N[T_DIAPHRAGM] + 0.35 * max(y - row[Z_BODY_Y] + 25.0, 0.0) + 0.0015 * (ax - 85.0) ** 2
        chest = _share(outside + wall + 20.0, soft)
        rise = min(max((y - row[Z_BODY_Y]) / 55.0, 0.0), 1.0)
        sulcus = row[Z_BODY_HALF_WIDTH] + 5.0 + 26.0 * rise * rise * (3.0 - 2.0 * rise)
        hilum = _share(sulcus - ax, soft)
        lung = chest * hilum * _share(dome - z, soft) * _share(lamina + 2.0 + 0.25 * ax - 6.0 - y, soft)
        if lung > 0.0:
            hu = _mix(
                hu, lung, N[T_LUNG] + 60.0 * math.sin(0.45 * x) * math.sin(0.4 * y) * math.sin(0.37 * z)
            )
        kidney = ((ax - 57.0) / 26.0) ** 2 + ((y - row[Z_BODY_Y] + 4.0) / 24.0) ** 2
        kidney = math.sqrt(kidney + ((z - N[T_KIDNEY] - (5.0 if x < 0.0 else -5.0)) / 54.0) ** 2)
        hu = _mix(hu, min(max(0.5 - (kidney - 1.0) * 24.0 / (2.0 * soft), 0.0), 1.0), KIDNEY_HU)
        vena = _inside((x - 15.0) / 11.0, (y - front - 12.0) / 9.0, 2.0 * soft / 9.0)
        hu = _mix(hu, lumbar * vena, N[T_BLOOD])
        aorta = _inside(
            (x + 13.0 + 4.0 * (1.0 - lumbar)) / 11.5,
            (y - front - 11.0 + 5.0 * (1.0 - lumbar)) / 11.5,
            0.17 * soft,
        )
        hu = _mix(hu, aorta, N[T_BLOOD])
    hu = _mix(hu, _share(-(outside + SKIN_MM), soft), SKIN_HU)
    return _mix(AIR_HU, _share(outside, soft), hu)


@njit(cache=True, error_model="numpy")
def _share(distance, width):
    """Share inside a surface at this distance, over an edge of this width."""
    return min(max(0.5 - distance / width, 0.0), 1.0)


@njit(cache=True, error_model="numpy")
def paint_trunk(image, affine, soft, low, table, N):
    """Write the trunk into the whole CT."""
    last = len(table) - 1
    for a in range(image.shape[0]):
        for b in range(image.shape[1]):
            for c in range(image.shape[2]):
                x = affine[0, 0] * a + affine[0, 1] * b + affine[0, 2] * c + affine[0, 3]
                y = affine[1, 0] * a + affine[1, 1] * b + affine[1, 2] * c + affine[1, 3]
                z = affine[2, 0] * a + affine[2, 1] * b + affine[2, 2] * c + affine[2, 3]
                k = min(max(int(round((z - low) / TABLE_STEP_MM)), 0), last)
                image[a, b, c] = trunk_hu(x, y, z, table[k], N, soft)


@njit(cache=True, error_model="numpy")
def paint_tube(image, start, stop, affine, width, points, radii, cortex, cortex_hu, marrow_hu):
    """Write a curved tube (a rib) along points, shape (n, 3), within a voxel box; the denser value stays."""
    for a in range(start[0], stop[0]):
        for b in range(start[1], stop[1]):
            for c in range(start[2], stop[2]):
                x = affine[0, 0] * a + affine[0, 1] * b + affine[0, 2] * c + affine[0, 3]
                y = affine[1, 0] * a + affine[1, 1] * b + affine[1, 2] * c + affine[1, 3]
                z = affine[2, 0] * a + affine[2, 1] * b + affine[2, 2] * c + affine[2, 3]
                best = 1.0e9
                for k in range(len(points) - 1):
                    ex = points[k + 1, 0] - points[k, 0]
                    ey = points[k + 1, 1] - points[k, 1]
                    ez = points[k + 1, 2] - points[k, 2]
                    dx = x - points[k, 0]
                    dy = y - points[k, 1]
                    dz = z - points[k, 2]
                    t = (dx * ex + dy * ey + dz * ez) / (ex * ex + ey * ey + ez * ez)
                    t = min(max(t, 0.0), 1.0)
                    dx -= t * ex
                    dy -= t * ey
                    dz -= t * ez
                    radius = radii[k] + t * (radii[k + 1] - radii[k])
                    # Ribs are higher than thick: heights count less.
                    best = min(best, math.sqrt(dx * dx + dy * dy + 0.5 * dz * dz) - radius)
                solid = _share(best, width)
                if solid > 0.0:
                    marrow = _share(best + cortex, width)
                    hu = image[a, b, c]
                    bone = (solid - marrow) * cortex_hu + marrow * marrow_hu + (1.0 - solid) * hu
                    image[a, b, c] = max(hu, bone)
