"""The coarsest grid's operator inverted and applied: a small dense matrix, but for motions that nothing holds.

Not by the linear algebra that comes with NumPy: the threads it wakes for matrices of this size go on spinning for
longer than a solve takes, on the cores that the sweeps need.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from endplate.mechanics.compiled import kernel
from endplate.mechanics.element import FloatArray

SINGULAR = 1e-6
"""Eigenvalues of the operator below this share of the greatest are rigid motions."""


def pseudo_inverse(matrix: FloatArray) -> NDArray[np.float32]:
    """Inverse of a symmetric matrix without negative eigenvalues, shape (n, n); rigid motions are left out."""
    inverse = np.ascontiguousarray(matrix, dtype=np.float64).copy()
    if not len(inverse) or eliminate(inverse) > SINGULAR:
        return (0.5 * (inverse + inverse.T)).astype(np.float32)
    values, vectors = np.linalg.eigh(matrix)
    kept = values > SINGULAR * values[-1]
    return np.asarray((vectors[:, kept] / values[kept]) @ vectors[:, kept].T, dtype=np.float32)


@kernel()
def eliminate(matrix: Any) -> float:
    """Invert in place by elimination on the diagonal.

    Returns the least pivot over the greatest, 0 where one is not positive: then nothing useful was left.
    """
    size = matrix.shape[0]
    least, greatest = np.inf, 0.0
    for k in range(size):
        pivot = matrix[k, k]
        if not pivot > 0.0:
            return 0.0
        least, greatest = min(least, pivot), max(greatest, pivot)
        matrix[k, k] = 1.0
        for j in range(size):
            matrix[k, j] /= pivot
        for i in range(size):
            if i != k:
                factor = matrix[i, k]
                matrix[i, k] = 0.0
                for j in range(size):
                    matrix[i, j] -= factor * matrix[k, j]
    return least / greatest


@kernel()
def multiply(matrix: Any, vector: Any, out: Any) -> None:
    """Add a symmetric matrix times a vector to ``out``, row by row."""
    for k in range(matrix.shape[0]):
        factor = vector[k]
        for j in range(matrix.shape[1]):
            out[j] += matrix[k, j] * factor
