"""Distances inside a mask to the nearest voxel outside it, with and without the array's border counting as outside."""

from __future__ import annotations

from collections.abc import Sequence

import edt
import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.axes import FloatArray


def depth_mm(mask: NDArray[np.bool_], step_mm: float | Sequence[float] | FloatArray) -> FloatArray:
    """Distance of every inside voxel to the nearest outside one, 0 outside; what lies beyond the array is outside.

    Parameters
    ----------
    mask:
        Two or three axes.
    step_mm:
        Grid step, one for all axes or one for each.
    """
    return _distance(mask, step_mm, border=True)


def distance_mm(mask: NDArray[np.bool_], step_mm: float | Sequence[float] | FloatArray) -> FloatArray:
    """The same where nothing is known beyond the array; infinite where no voxel is outside."""
    return _distance(mask, step_mm, border=False)


def _distance(
    mask: NDArray[np.bool_], step_mm: float | Sequence[float] | FloatArray, *, border: bool
) -> FloatArray:
    # With one step for all axes the squares are whole numbers, which single precision holds exactly.
    alike = np.ndim(step_mm) == 0
    spacing = (1.0,) * mask.ndim if alike else tuple(float(mm) for mm in np.asarray(step_mm))
    squares = edt.edtsq(np.ascontiguousarray(mask), spacing, black_border=border, parallel=1)
    distance: FloatArray = np.sqrt(squares, dtype=np.float64)
    if alike:
        distance *= float(np.asarray(step_mm))
    return distance
