"""Perfect plasticity of voxels: stress at each centre, what exceeds the yield stress becomes plastic strain.

The plastic strain of a voxel is that of its centre and acts as a force on its corners, so the elastic operator of
the grid, and with it the solver's grids, stay the same through a whole ramp.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from endplate.errors import UsageError
from endplate.mechanics.compiled import kernel
from endplate.mechanics.element import FloatArray
from endplate.mechanics.problem import VoxelModel

Criterion = Literal["tresca", "von-mises", "drucker-prager"]
"""Tresca is Mohr-Coulomb with equal yield in tension and compression, as the public benchmark has it."""

Flow = Literal["isochoric", "crushable", "capped"]
"""Isochoric: pressure stays elastic (metals, the benchmark). Crushable: all of the stress is cut back (foam).
Capped: isochoric, and bone between stiff neighbours is crushed too once its greatest compression exceeds the yield
stress."""

CRITERIA: dict[Criterion, int] = {"tresca": 0, "von-mises": 1, "drucker-prager": 2}
FLOWS: dict[Flow, int] = {"isochoric": 0, "crushable": 1, "capped": 2}

STRAINS = 6
"""Components: xx, yy, zz, xy, xz, yz (engineering)."""


@dataclass(frozen=True)
class Yielding:
    """How voxels yield.

    Parameters
    ----------
    criterion, flow:
        See :data:`Criterion` and :data:`Flow`.
    tension_ratio:
        Yield in tension over that in compression; read by ``"drucker-prager"`` only.

    Raises
    ------
    UsageError
        No such criterion or flow, or an impossible ratio.
    """

    criterion: Criterion = "tresca"
    flow: Flow = "isochoric"
    tension_ratio: float = 1.0

    def __post_init__(self) -> None:
        if self.criterion not in CRITERIA or self.flow not in FLOWS or not 0.0 < self.tension_ratio <= 1.0:
            raise UsageError(
                "yielding-unknown",
                f"There is no yielding by {self.criterion!r} with {self.flow!r} flow and a tension ratio of "
                f"{self.tension_ratio:g}.",
                do=f"Criteria: {', '.join(CRITERIA)}; flow: {', '.join(FLOWS)}; ratio above 0, at most 1.",
            )

    @property
    def text(self) -> str:
        """For reports."""
        return f"{self.criterion}, {self.flow}"


class Plasticity:
    """Plastic state of a model on the way up.

    Parameters
    ----------
    model:
        Its elastic part.
    yield_mpa:
        Compressive yield stress of each voxel, shape (nz, ny, nx).
    yielding:
        How they yield.
    """

    def __init__(self, model: VoxelModel, yield_mpa: FloatArray, yielding: Yielding) -> None:
        shape = model.modulus_mpa.shape
        matrix = model.elasticity.matrix()
        self._modulus = model.modulus_mpa
        self._yield = np.ascontiguousarray(yield_mpa, dtype=np.float64)
        self._stiffness = matrix
        self._compliance = np.linalg.inv(matrix)
        self._spacing = np.asarray(model.spacing_mm, dtype=np.float64)
        self._codes = CRITERIA[yielding.criterion], FLOWS[yielding.flow]
        self._ratio = yielding.tension_ratio
        self.before = np.zeros((STRAINS, *shape))
        """Plastic strain at the end of the last step."""
        self.now = np.zeros((STRAINS, *shape))
        """Plastic strain of the last update."""
        self.force_n = np.zeros(model.node_shape)
        """Forces of the plastic strain on the nodes."""

    def update(self, displacement_mm: FloatArray) -> int:
        """Plastic strain and its forces for some displacements; number of voxels that yield."""
        self.force_n[:] = 0.0
        return int(
            _update(
                np.ascontiguousarray(displacement_mm),
                self._modulus,
                self._yield,
                self._stiffness,
                self._compliance,
                self._spacing,
                self._codes[0],
                self._codes[1],
                self._ratio,
                self.before,
                self.now,
                self.force_n,
            )
        )

    def commit(self) -> None:
        """Take the last update as the state that the next step starts from."""
        self.before[:] = self.now

    def equivalent_strain(self) -> FloatArray:
        """Equivalent plastic strain √(2/3 ε:ε) of the last update, shape (nz, ny, nx)."""
        normal = (self.now[:3] ** 2).sum(axis=0)
        shear = (self.now[3:] ** 2).sum(axis=0) / 2.0
        strain: FloatArray = np.sqrt((normal + shear) * 2.0 / 3.0)
        return strain


@kernel()
def _update(  # noqa: PLR0912, PLR0915 - one loop nest over voxels
    u: Any,
    modulus: Any,
    limit: Any,
    stiffness: Any,
    compliance: Any,
    spacing: Any,
    criterion: int,
    flow: int,
    ratio: float,
    before: Any,
    now: Any,
    force: Any,
) -> int:
    nz, ny, nx = modulus.shape
    volume = spacing[0] * spacing[1] * spacing[2]
    e, s, d, p = np.zeros(6), np.zeros(6), np.zeros(6), np.zeros(6)
    g = np.zeros((3, 3))
    count = 0
    for k in range(nz):
        for j in range(ny):
            for i in range(nx):
                scale = modulus[k, j, i]
                if scale <= 0.0:
                    continue
                for c in range(3):
                    g[c, 0] = g[c, 1] = g[c, 2] = 0.0
                    for corner in range(8):
                        dk, dj, di = corner >> 2, (corner >> 1) & 1, corner & 1
                        moved = u[c, k + dk, j + dj, i + di] * 0.25
                        g[c, 0] += moved * (2 * di - 1)
                        g[c, 1] += moved * (2 * dj - 1)
                        g[c, 2] += moved * (2 * dk - 1)
                    for a in range(3):
                        g[c, a] /= spacing[a]
                e[0], e[1], e[2] = g[0, 0], g[1, 1], g[2, 2]
                e[3], e[4], e[5] = g[0, 1] + g[1, 0], g[0, 2] + g[2, 0], g[1, 2] + g[2, 1]
                for c in range(6):
                    e[c] -= before[c, k, j, i]
                for c in range(6):
                    total = 0.0
                    for a in range(6):
                        total += stiffness[c, a] * e[a]
                    s[c] = scale * total
                mean = (s[0] + s[1] + s[2]) / 3.0
                x, y, z = s[0] - mean, s[1] - mean, s[2] - mean
                j2 = 0.5 * (x * x + y * y + z * z) + s[3] * s[3] + s[4] * s[4] + s[5] * s[5]
                root = np.sqrt(j2) + 1e-30
                lowest = 0.0  # least principal value of the shear part
                if criterion == 0 or flow == 2:
                    j3 = (
                        x * (y * z - s[5] * s[5])
                        - s[3] * (s[3] * z - s[5] * s[4])
                        + s[4] * (s[3] * s[5] - y * s[4])
                    )
                    cosine = 1.5 * np.sqrt(3.0) * j3 / (root * root * root)
                    angle = np.arccos(min(1.0, max(-1.0, cosine))) / 3.0
                    highest = 2.0 / np.sqrt(3.0) * root * np.cos(angle)
                    lowest = 2.0 / np.sqrt(3.0) * root * np.cos(angle + 2.0 * np.pi / 3.0)
                shear, pressure = np.sqrt(3.0) * root, 0.0
                if criterion == 0:
                    shear = highest - lowest
                elif criterion == 2:
                    # Touches the uniaxial yield stress in compression and `ratio` times it in tension.
                    shear *= (1.0 + ratio) / (2.0 * ratio)
                    pressure = (1.0 - ratio) / (2.0 * ratio) * 3.0 * mean
                top = limit[k, j, i]
                part, whole = 1.0, 1.0  # what is left of the shear part, then of all of the stress
                if shear + pressure > top:
                    if flow == 1:
                        whole = top / (shear + pressure)
                    else:
                        part = max(top - pressure, 0.0) / shear
                if flow == 2:
                    crush = -(mean + part * lowest)
                    if crush > top:
                        whole = top / crush
                for c in range(6):
                    d[c] = 0.0
                if part < 1.0 or whole < 1.0:
                    count += 1
                    for c in range(3):
                        s[c] -= whole * (mean + part * (s[c] - mean))
                    for c in range(3, 6):
                        s[c] -= whole * part * s[c]
                    for c in range(6):
                        total = 0.0
                        for a in range(6):
                            total += compliance[c, a] * s[a]
                        d[c] = total / scale
                any_strain = 0.0
                for c in range(6):
                    d[c] += before[c, k, j, i]
                    now[c, k, j, i] = d[c]
                    any_strain += abs(d[c])
                if any_strain == 0.0:
                    continue
                for c in range(6):
                    total = 0.0
                    for a in range(6):
                        total += stiffness[c, a] * d[a]
                    p[c] = scale * volume * total
                for corner in range(8):
                    dk, dj, di = corner >> 2, (corner >> 1) & 1, corner & 1
                    hx = 0.25 * (2 * di - 1) / spacing[0]
                    hy = 0.25 * (2 * dj - 1) / spacing[1]
                    hz = 0.25 * (2 * dk - 1) / spacing[2]
                    force[0, k + dk, j + dj, i + di] += p[0] * hx + p[3] * hy + p[4] * hz
                    force[1, k + dk, j + dj, i + di] += p[3] * hx + p[1] * hy + p[5] * hz
                    force[2, k + dk, j + dj, i + di] += p[4] * hx + p[5] * hy + p[2] * hz
    return count
