"""A solved phantom: all bodies, arches and poses packed for the fields, before any voxel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from endplate.imaging.geometry import FloatArray
from endplate.synthetic import field
from endplate.synthetic import rows as r
from endplate.synthetic.arch import Room, build_arch
from endplate.synthetic.body import BodyModel, pedicle_height_mm, solve_body
from endplate.synthetic.pedicle import build_pedicles, set_canal
from endplate.synthetic.placement import Placement, stack
from endplate.synthetic.spec import PhantomSpec

ARCH_CORTEX_SHARE = 2.75
"""Cortex of pedicles and arch against that of the body (1.1 mm at 0.4 mm)."""


@dataclass(frozen=True, eq=False)
class SolvedSpine:
    """All vertebrae of a phantom in the world; ``packed`` is one row a vertebra for the fields."""

    spec: PhantomSpec
    models: tuple[BodyModel, ...]
    placement: Placement
    packed: FloatArray

    def index(self, level: str) -> int:
        """Row of a level; refuses one that is not built."""
        self.spec.vertebra(level)
        return self.spec.levels.index(level)

    def fields(self, i: int, points_ras_mm: FloatArray) -> FloatArray:
        """Vertebra, body and free-canal field of level i at world points, shape (n, 3) → (n, 3)."""
        points = np.ascontiguousarray(points_ras_mm, dtype=np.float64)
        values: FloatArray = field.fields_at(points, i, self.packed)
        return values

    def pedicles(self, i: int) -> FloatArray:
        """Packed pedicles (left, right) of level i, local coordinates."""
        return pedicles_of(self.models[i])

    def parts(self, i: int, group: int) -> FloatArray:
        """Packed parts of the arch of level i in a group (0 left, 1 right, 2 middle), local coordinates."""
        row = self.packed[i]
        start = r.Q_FIRST + group * r.GROUP_SIZE
        count = int(row[r.Q_COUNTS + group])
        parts: FloatArray = row[start : start + count * r.PART_SIZE].reshape(count, r.PART_SIZE)
        return parts

    def bounds(self, i: int, margin_mm: float = 0.0) -> FloatArray:
        """Corners of the local box that holds vertebra i, as world points, shape (8, 3)."""
        row = self.models[i].row
        reach = float(row[r.B_BOUND]) + margin_mm
        half_width = 1.15 * float(row[r.B_HALF_WIDTH]) + margin_mm
        low = np.array([-half_width, -reach, -reach])
        high = np.array([half_width, 0.5 * float(row[r.B_DEPTH]) + 2.0 + margin_mm, reach])
        for q in np.concatenate([self.parts(i, group) for group in range(3)]):
            ends = np.array([q[0:3], q[0:3] + q[r.Q_LENGTH] * q[3:6]])
            radius = float(max(q[r.Q_RU0 : r.Q_RV1 + 1])) + margin_mm + r.BLEND_MM
            low = np.minimum(low, ends.min(axis=0) - radius)
            high = np.maximum(high, ends.max(axis=0) + radius)
        back = float(row[r.C_Y] - row[r.C_HALF_AP] - row[r.L_THICKNESS]) - 2.0 - margin_mm
        low[1] = min(low[1], back)
        low[2] = min(low[2], float(row[r.L_BOTTOM]) - margin_mm)
        corners = np.array(
            [[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])]
        )
        return self.placement.to_world(i, corners)


def pedicles_of(model: BodyModel) -> FloatArray:
    """Packed pedicles (left, right) of a model."""
    return model.row[r.P_FIRST : r.Q_COUNTS].reshape(2, r.PEDICLE_SIZE)


def solve(spec: PhantomSpec) -> SolvedSpine:
    """Solve all bodies, stack them and build the arches between their neighbours."""
    models = [solve_body(v) for v in spec.vertebrae]
    placement = stack(models, spec.discs)
    for i, (vertebra, model) in enumerate(zip(spec.vertebrae, models, strict=True)):
        row = model.row
        row[r.X_CORTEX] = vertebra.cortex_mm
        row[r.X_TRABECULAR] = vertebra.trabecular_mgcc
        row[r.X_ARCH_CORTEX] = ARCH_CORTEX_SHARE * vertebra.cortex_mm
        row[r.O_AXES : r.N_ABOVE] = placement.poses[i].ravel()
        row[r.N_ABOVE : r.P_FIRST] = placement.planes[i : i + 2].ravel()
        z = pedicle_height_mm(vertebra, row)
        set_canal(vertebra, model, z)
        build_pedicles(vertebra, model, z)
    for i, vertebra in enumerate(spec.vertebrae):
        build_arch(vertebra, models[i].row, _room(spec, placement, models, i))
    return SolvedSpine(spec, tuple(models), placement, np.array([m.row for m in models]))


def _room(spec: PhantomSpec, placement: Placement, models: list[BodyModel], i: int) -> Room:
    """Distance of the isthmuses above and below along this vertebra's z; at the ends the other side's."""
    isthmuses = [pedicles_of(model)[:, :3].mean(axis=0) for model in models]
    half = [0.5 * max(v.pedicle_left.height_mm, v.pedicle_right.height_mm) for v in spec.vertebrae]

    def distance(j: int) -> float:
        other = placement.to_world(j, isthmuses[j])
        return abs(float(placement.to_local(i, other)[2] - isthmuses[i][2]))

    plain = spec.vertebrae[i].posterior_height_mm + spec.discs[i].height_mm
    last = len(spec.vertebrae) - 1
    up = distance(i - 1) if i > 0 else plain
    down = distance(i + 1) if i < last else plain
    return Room(up, down, half[max(i - 1, 0)], half[min(i + 1, last)])
