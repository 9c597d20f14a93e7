"""Where the trunk lies at each height: the tables and numbers that :mod:`endplate.synthetic.tissue` draws from."""

from __future__ import annotations

import numpy as np

from endplate.imaging.geometry import FloatArray
from endplate.imaging.levels import order
from endplate.synthetic import rows as r
from endplate.synthetic import tissue as t
from endplate.synthetic.anatomy import SolvedSpine
from endplate.synthetic.scanner import contrast_hu, shift_hu


def skin_line(spine: SolvedSpine) -> tuple[FloatArray, FloatArray]:
    """World z and y of the midline skin of the back, one point a level: behind the spinous tips by the fat."""
    z, y = [], []
    for i in range(len(spine.models)):
        tips = []
        for q in spine.parts(i, 2):
            end = q[0:3] + q[r.Q_LENGTH] * q[3:6]
            tips.append(spine.placement.to_world(i, end + np.array([0.0, -float(q[r.Q_RU1]), 0.0])))
        last = tips[int(np.argmin([tip[1] for tip in tips]))]
        z.append(float(last[2]))
        y.append(float(last[1]) - 0.55 * spine.spec.soft_tissue.back_fat_mm - t.SKIN_MM)
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
    z = np.arange(low, high + t.TABLE_STEP_MM, t.TABLE_STEP_MM)
    place = spine.placement
    rows = []
    for i, vertebra in enumerate(spine.spec.vertebrae):
        row = spine.models[i].row
        centre = place.poses[i, 3]
        lamina = place.to_world(
            i, np.array([0.0, float(row[r.C_Y] - row[r.C_HALF_AP] - row[r.L_THICKNESS]), -6.0])
        )
        lumbar = np.clip((order(vertebra.level) - order("T11")) / 3.0, 0.0, 1.0)
        psoas = np.clip(order(vertebra.level) - order("T12"), 0, 5)
        rows.append(
            [
                centre[2],
                centre[0],
                centre[1],
                row[r.B_HALF_WIDTH],
                0.5 * row[r.B_DEPTH],
                lamina[1],
                lumbar,
                psoas,
            ]
        )
    nodes = np.array(rows)
    nodes = nodes[np.argsort(nodes[:, 0])]
    skin_z, skin_y = skin_line(spine)
    table = np.zeros((len(z), t.TABLE_SIZE))
    columns = (
        t.Z_CENTRE_X,
        t.Z_BODY_Y,
        t.Z_BODY_HALF_WIDTH,
        t.Z_BODY_HALF_DEPTH,
        t.Z_LAMINA_Y,
        t.Z_LUMBAR,
        t.Z_PSOAS,
    )
    for column, source in zip(columns, (1, 2, 3, 4, 5, 6, 7), strict=True):
        table[:, column] = _smooth(np.interp(z, nodes[:, 0], nodes[:, source]))
    table[:, t.Z_SKIN_Y] = _smooth(np.interp(z, skin_z, skin_y))
    return table


def _smooth(values: FloatArray) -> FloatArray:
    """Moving average over 15 mm; the ends are held."""
    padded = np.pad(values, 7, mode="edge")
    smooth: FloatArray = np.convolve(padded, np.full(15, 1.0 / 15.0), mode="valid")
    return smooth


def tissue_numbers(spine: SolvedSpine) -> FloatArray:
    """Packed numbers of the soft tissue for :func:`paint_trunk`."""
    soft, scanner = spine.spec.soft_tissue, spine.spec.scanner
    heights = {level: float(spine.placement.poses[i, 3, 2]) for i, level in enumerate(spine.spec.levels)}
    ranks = np.array([order(level) for level in heights])
    z = np.array(list(heights.values()))
    pitch = abs(float(np.polyfit(ranks, z, 1)[0])) if len(z) > 1 else 30.0

    def height_of(level: str) -> float:
        nearest = min(heights, key=lambda name: abs(order(name) - order(level)))
        return heights[nearest] - (order(level) - order(nearest)) * pitch

    return np.array(
        [
            soft.muscle_hu + shift_hu(scanner, "muscle"),
            soft.fat_hu + shift_hu(scanner, "adipose"),
            soft.blood_hu + shift_hu(scanner, "blood"),
            soft.lung_hu,
            0.5 * soft.trunk_width_mm,
            soft.trunk_depth_mm,
            soft.back_fat_mm,
            1.0 if soft.organs else 0.0,
            height_of("T12") + 4.0,
            height_of("L1") - 10.0,
            t.VISCERA_HU + contrast_hu(scanner, "viscera"),
            t.KIDNEY_HU + contrast_hu(scanner, "kidney"),
        ]
    )
