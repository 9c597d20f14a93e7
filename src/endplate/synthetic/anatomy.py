"""A solved phantom: all bodies, arches and poses packed for the fields, before any voxel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from endplate.imaging.geometry import FloatArray
from endplate.synthetic import arch as ar
from endplate.synthetic import field as f
from endplate.synthetic.body import BodyModel, pedicle_height_mm, solve_body
from endplate.synthetic.placement import Placement, stack
from endplate.synthetic.spec import PhantomSpec


ARCH_CORTEX_SHARE = 2.75
"""Cortex of pedicles and arch against that of the body (1.1 mm at 0.4 mm)."""


@dataclass(frozen=True, eq=False)
class SolvedSpine:
    """All vertebrae of a phantom in the world.

    ``packed`` are the arguments of the fields after the level's index: poses, planes, bodies, tables, pedicles,
    parts, counts.
    """

    spec: PhantomSpec
    models: tuple[BodyModel, ...]
    placement: Placement
    pedicles: tuple[FloatArray, ...]
    packed: tuple[Any, ...]

    def index(self, level: str) -> int:
        """Row of a level; refuses one that is not built."""
        self.spec.vertebra(level)
        return self.spec.levels.index(level)

    def fields(self, i: int, points_ras_mm: FloatArray) -> FloatArray:
        """Vertebra, body and free-canal field of level i at world points, shape (n, 3) → (n, 3)."""
        values: FloatArray = f.fields_at(
            np.ascontiguousarray(points_ras_mm, dtype=np.float64), i, *self.packed
        )
        return values

    def bounds(self, i: int, margin_mm: float = 0.0) -> FloatArray:
        """Corners of the local box that holds vertebra i, as world points, shape (8, 3)."""
        row = self.models[i].row
        reach = float(row[f.B_BOUND]) + margin_mm
        half_width = 1.15 * float(row[f.B_HALF_WIDTH]) + margin_mm
        low = np.array([-half_width, -reach, -reach])
        high = np.array([half_width, 0.5 * float(row[f.B_DEPTH]) + 2.0 + margin_mm, reach])
        _, _, _, _, pedicles, parts, counts = self.packed
        for group in range(3):
            for k in range(int(counts[i][group])):
                q = parts[i][group, k]
                ends = np.array([q[0:3], q[0:3] + q[f.Q_LENGTH] * q[3:6]])
                radius = float(max(q[f.Q_RU0 : f.Q_RV1 + 1])) + margin_mm + f.BLEND_MM
                low = np.minimum(low, ends.min(axis=0) - radius)
                high = np.maximum(high, ends.max(axis=0) + radius)
        back = float(row[f.C_Y] - row[f.C_HALF_AP] - row[f.L_THICKNESS]) - 2.0 - margin_mm
        low[1] = min(low[1], back)
        low[2] = min(low[2], float(row[f.L_BOTTOM]) - margin_mm)
        corners = np.array(
            [[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])]
        )
        return self.placement.to_world(i, corners)


def solve(spec: PhantomSpec) -> SolvedSpine:
    """Solve all bodies, stack them and build the arches between their neighbours."""
    models = [solve_body(v) for v in spec.vertebrae]
    placement = stack(models, spec.discs)
    pedicles = []
    for vertebra, model in zip(spec.vertebrae, models, strict=True):
        z = pedicle_height_mm(vertebra, model.row, model.tables)
        ar.set_canal(vertebra, model, z)
        pedicles.append(ar.build_pedicles(vertebra, model, z))
    arches = [
        ar.build_arch(vertebra, models[i], pedicles[i], _room(spec, placement, pedicles, i))
        for i, vertebra in enumerate(spec.vertebrae)
    ]
    for vertebra, model in zip(spec.vertebrae, models, strict=True):
        model.row[f.X_CORTEX] = vertebra.cortex_mm
        model.row[f.X_TRABECULAR] = vertebra.trabecular_mgcc
        model.row[f.X_ARCH_CORTEX] = ARCH_CORTEX_SHARE * vertebra.cortex_mm
    packed = (
        placement.poses,
        placement.planes,
        np.array([m.row for m in models]),
        np.array([m.tables for m in models]),
        np.array([a.pedicles for a in arches]),
        np.array([a.parts for a in arches]),
        np.array([a.counts for a in arches]),
    )
    return SolvedSpine(spec, tuple(models), placement, tuple(pedicles), packed)


def _room(spec: PhantomSpec, placement: Placement, pedicles: list[FloatArray], i: int) -> ar.Room:
    """Distance of the isthmuses above and below along this vertebra's z; at the ends the other side's."""
    own = pedicles[i][:, :3].mean(axis=0)
    half = [0.5 * max(v.pedicle_left.height_mm, v.pedicle_right.height_mm) for v in spec.vertebrae]

    def distance(j: int) -> float:
        other = placement.to_world(j, pedicles[j][:, :3].mean(axis=0))
        return abs(float(placement.to_local(i, other)[2] - own[2]))

    plain = spec.vertebrae[i].posterior_height_mm + spec.discs[i].height_mm
    last = len(spec.vertebrae) - 1
    up = distance(i - 1) if i > 0 else plain
    down = distance(i + 1) if i < last else plain
    return ar.Room(up, down, half[max(i - 1, 0)], half[min(i + 1, last)])
