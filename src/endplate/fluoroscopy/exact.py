"""Exact line integrals in float64, ray by ray: the reference that the fast projector is measured by.

Two models of a volume: trilinear between voxel centres, falling to zero within one voxel outside of them, and constant
in each voxel. Both are integrated without a step size. Along a ray through one cell between voxel centres the trilinear
volume is a cubic, which two Gauss points integrate exactly; through one voxel the constant one is its value.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from endplate.fluoroscopy.compiled import kernel
from endplate.fluoroscopy.geometry import Beam
from endplate.fluoroscopy.view import View
from endplate.fluoroscopy.volume_layouts import content_of
from endplate.imaging.geometry import FloatArray

GAUSS = 0.5 / np.sqrt(3.0)
"""Distance of the two Gauss points from the middle of an interval of length 1."""


def exact_trilinear(
    values: NDArray[Any], affine: FloatArray, view: View, pixels: ArrayLike | None = None
) -> FloatArray:
    """Line integrals of the trilinear volume from the source to pixels.

    Parameters
    ----------
    values, affine:
        Volume of shape (I, J, K) and 4×4 voxel index → RAS mm.
    view:
        What the C-arm is set to.
    pixels:
        Columns and rows, shape (N, 2), whole or not; ``None``: all of the detector.

    Returns
    -------
    FloatArray
        Shape (N,), or (rows, columns) without ``pixels``; the volume's unit times mm.

    Raises
    ------
    InputError
        As :func:`endplate.fluoroscopy.volume_layouts.content_of`.
    """
    return _integrals(values, affine, view, pixels, linear=True)


def exact_constant(
    values: NDArray[Any], affine: FloatArray, view: View, pixels: ArrayLike | None = None
) -> FloatArray:
    """As :func:`exact_trilinear`, of the volume that is constant in each voxel (Siddon)."""
    return _integrals(values, affine, view, pixels, linear=False)


def _integrals(
    values: NDArray[Any], affine: FloatArray, view: View, pixels: ArrayLike | None, *, linear: bool
) -> FloatArray:
    content = content_of(values, affine)
    rows, columns = view.shape
    if pixels is None:
        pixels = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1)
        return _integrals(values, affine, view, pixels, linear=linear).reshape(rows, columns)
    at = np.asarray(pixels, dtype=np.float64).reshape(-1, 2)
    out = np.zeros(len(at))
    if not content.empty:
        beam = Beam.of(view, content.affine)
        ways = np.ascontiguousarray(beam.rays(at[:, 0], at[:, 1]))
        lengths = np.linalg.norm(ways @ content.affine[:3, :3].T, axis=1)
        source = np.ascontiguousarray(beam.source)
        # Single voxels are read as they are; all arithmetic is in float64.
        kind = np.float32 if content.values.dtype == np.float32 else np.float64
        dense = np.ascontiguousarray(content.values, dtype=kind)
        _integrate(dense, source, ways, lengths, linear, out)
    return out


@kernel()
def _at(values: Any, i: Any, j: Any, k: Any) -> Any:
    if 0 <= i < values.shape[0] and 0 <= j < values.shape[1] and 0 <= k < values.shape[2]:
        return np.float64(values[i, j, k])
    return 0.0


@kernel()
def _linear(values: Any, x: Any, y: Any, z: Any, i: Any, j: Any, k: Any) -> Any:
    """Trilinear value in the cell from voxel centre (i, j, k) on."""
    u, v, w = x - i, y - j, z - k
    near = (1.0 - v) * ((1.0 - w) * _at(values, i, j, k) + w * _at(values, i, j, k + 1)) + v * (
        (1.0 - w) * _at(values, i, j + 1, k) + w * _at(values, i, j + 1, k + 1)
    )
    far = (1.0 - v) * ((1.0 - w) * _at(values, i + 1, j, k) + w * _at(values, i + 1, j, k + 1)) + v * (
        (1.0 - w) * _at(values, i + 1, j + 1, k) + w * _at(values, i + 1, j + 1, k + 1)
    )
    return (1.0 - u) * near + u * far


@kernel()
def _within(shape: Any, source: Any, way: Any, shift: Any) -> Any:
    """Begin and end of the part of a ray that lies among the cells; end before begin where none does."""
    begin, end = 0.0, 1.0
    for axis in range(3):
        low, high = -1.0 + shift, shape[axis] - shift
        if way[axis] == 0.0:
            if not low < source[axis] < high:
                return 0.0, -1.0
            continue
        a, b = (low - source[axis]) / way[axis], (high - source[axis]) / way[axis]
        begin, end = max(begin, min(a, b)), min(end, max(a, b))
    return begin, end


@kernel()
def _over_cell(values: Any, source: Any, way: Any, now: Any, ahead: Any, linear: Any) -> Any:
    """Integral over [now, ahead] of a ray, which lies in one cell."""
    middle, span = 0.5 * (now + ahead), ahead - now
    shift = 0.0 if linear else 0.5
    i = int(np.floor(source[0] + middle * way[0] + shift))
    j = int(np.floor(source[1] + middle * way[1] + shift))
    k = int(np.floor(source[2] + middle * way[2] + shift))
    if not linear:
        return span * _at(values, i, j, k)
    total = 0.0
    for side in range(2):
        t = middle + (2.0 * side - 1.0) * GAUSS * span
        x, y, z = source[0] + t * way[0], source[1] + t * way[1], source[2] + t * way[2]
        total += 0.5 * span * _linear(values, x, y, z, i, j, k)
    return total


@kernel(parallel=True)
def _integrate(values: Any, source: Any, ways: Any, lengths: Any, linear: Any, out: Any) -> None:
    """Rays from the source along ``ways``, shape (N, 3) in voxels, each to its end; ``lengths`` in mm."""
    # Planes that bound cells: through voxel centres for the trilinear volume, half way between for the constant one.
    shift = 0.0 if linear else 0.5
    for n in numba.prange(ways.shape[0]):
        way = ways[n]
        now, end = _within(values.shape, source, way, shift)
        plane = np.empty(3, np.int64)
        for axis in range(3):
            place = source[axis] + now * way[axis] - shift
            plane[axis] = int(np.floor(place)) + 1 if way[axis] > 0.0 else int(np.ceil(place)) - 1
        total = 0.0
        while now < end:
            ahead, first = end, -1
            for axis in range(3):
                if way[axis] != 0.0:
                    crossing = (plane[axis] + shift - source[axis]) / way[axis]
                    if crossing < ahead:
                        ahead, first = crossing, axis
            if ahead > now:
                total += _over_cell(values, source, way, now, ahead, linear)
                now = ahead
            if first < 0:
                break
            plane[first] += 1 if way[first] > 0.0 else -1
        out[n] = total * lengths[n]
