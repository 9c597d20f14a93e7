"""What holds a specimen below and presses it from above."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from endplate.errors import QualityGateError
from endplate.mechanics.element import FloatArray
from endplate.mechanics.problem import Loading, VoxelModel

Hold = Literal["free", "clamped"]
"""Sideways, the loaded faces slide free, or are clamped."""


@dataclass(frozen=True, eq=False)
class Platens:
    """Two stiff plates on a model whose z axis they move along.

    Parameters
    ----------
    upper, lower:
        Nodes that they touch, shape (nz + 1, ny + 1, nx + 1).
    spacing_mm:
        Voxel size along x, y, z.
    hold:
        Sideways hold of both faces.
    tilting:
        The upper plate turns freely: the load passes through its middle and its moments vanish.

    Raises
    ------
    QualityGateError
        A plate touches nothing.
    """

    upper: NDArray[np.bool_]
    lower: NDArray[np.bool_]
    spacing_mm: tuple[float, float, float]
    hold: Hold = "free"
    tilting: bool = False

    def __post_init__(self) -> None:
        if not (self.upper.any() and self.lower.any()):
            raise QualityGateError(
                "load-touches-nothing",
                "The load has nothing to act on: the upper or the lower end of the model is empty.",
                do="Check the ids given with --body and --caps, and that the mask lies on the density.",
            )

    def fixed(self) -> NDArray[np.bool_]:
        """Freedoms that the plates prescribe, with the fewest pins that stop sliding and turning."""
        fixed = np.zeros((3, *self.upper.shape), dtype=np.bool_)
        ends = self.upper | self.lower
        fixed[2] = ends
        if self.hold == "clamped":
            fixed[0] = fixed[1] = ends
            return fixed
        nodes = np.argwhere(self.lower)
        middle = nodes[np.abs(nodes - nodes.mean(axis=0)).sum(axis=1).argmin()]
        # A second node, as far away as there is, may not move across the line to the first: no turning.
        away = nodes[:, 1:] - middle[1:]
        far = nodes[(away**2).sum(axis=1).argmax()]
        fixed[0][tuple(middle)] = fixed[1][tuple(middle)] = True
        along_x = abs(far[2] - middle[2]) >= abs(far[1] - middle[1])
        fixed[1 if along_x else 0][tuple(far)] = True
        return fixed

    def arms_mm(self) -> FloatArray:
        """Places of the upper nodes about their middle along x and y, shape (2, nodes)."""
        nodes = np.argwhere(self.upper)[:, [2, 1]] * np.asarray(self.spacing_mm)[:2]
        arms: FloatArray = (nodes - nodes.mean(axis=0)).T
        return arms

    def displacement(self, shortening_mm: float, tilt: FloatArray | None = None) -> FloatArray:
        """Prescribed displacements: down by the shortening, and turned by the slopes along x and y."""
        moved = np.zeros((3, *self.upper.shape))
        down = np.full(int(np.count_nonzero(self.upper)), -shortening_mm)
        if tilt is not None:
            down += tilt @ self.arms_mm()
        moved[2][self.upper] = down
        return moved

    def loading(self, shortening_mm: float) -> Loading:
        """The loading at a shortening, level."""
        return Loading(self.fixed(), self.displacement(shortening_mm))

    def force_n(self, reaction_n: FloatArray) -> float:
        """Compression that the upper plate applies."""
        return float(-reaction_n[2][self.upper].sum())

    def moments_nmm(self, reaction_n: FloatArray) -> FloatArray:
        """Moments of the upper plate's forces about its middle (force along z times arm x, arm y)."""
        moments: FloatArray = self.arms_mm() @ reaction_n[2][self.upper]
        return moments


def ends_of(
    model: VoxelModel, upper: NDArray[np.bool_], lower: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Nodes on the outer faces of the upper and lower end: in each column, of its uppermost (lowest) voxel.

    Parameters
    ----------
    model:
        For its shape.
    upper, lower:
        Voxels of the ends, shape (nz, ny, nx).
    """
    nz, ny, nx = model.modulus_mpa.shape
    top = np.zeros((nz + 1, ny + 1, nx + 1), dtype=np.bool_)
    bottom = np.zeros_like(top)
    above = np.maximum.accumulate(upper[::-1], axis=0)[::-1]
    first = upper.copy()
    first[:-1] &= ~above[1:]
    below = np.maximum.accumulate(lower, axis=0)
    last = lower.copy()
    last[1:] &= ~below[:-1]
    for dy in (0, 1):
        for dx in (0, 1):
            top[1:, dy : dy + ny, dx : dx + nx] |= first
            bottom[:-1, dy : dy + ny, dx : dx + nx] |= last
    return top, bottom
