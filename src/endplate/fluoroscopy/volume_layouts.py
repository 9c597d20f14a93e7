"""How a volume lies in memory for the projector: cut to what is not zero, a border of zeros, one axis contiguous.

The border makes the trilinear volume fall to zero within one voxel of its outermost voxels, so that no ray needs a
test at the edge. Cutting changes no line integral.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from endplate.errors import InputError
from endplate.fluoroscopy.lanes import WIDTH
from endplate.fluoroscopy.view import View
from endplate.imaging.geometry import FloatArray, as_affine


@dataclass(frozen=True, eq=False)
class Content:
    """The voxels of a volume that are not all zero, and their place.

    Parameters
    ----------
    values:
        Shape (I, J, K), any of them may be 0 if all voxels are zero.
    affine:
        4×4, index in ``values`` → RAS mm.
    """

    values: NDArray[Any]
    affine: FloatArray

    @property
    def empty(self) -> bool:
        """Nothing to project."""
        return self.values.size == 0

    def holds(self, points_ras_mm: FloatArray) -> NDArray[np.bool_]:
        """Say which points, shape (N, 3), lie where the trilinear volume is not zero."""
        index = (points_ras_mm - self.affine[:3, 3]) @ np.linalg.inv(self.affine[:3, :3]).T
        inside = (index > -1.0) & (index < np.array(self.values.shape))
        return np.asarray(inside.all(axis=1), dtype=np.bool_)

    def nearest_mm(self, view: View) -> float:
        """Least depth along the central ray of a view; negative behind the source."""
        return float(((self.corners_ras_mm() - view.source_ras_mm) @ view.pose.detector_ras).min())

    def corners_ras_mm(self) -> FloatArray:
        """Corners of the box within which the trilinear volume is not zero, shape (8, 3)."""
        ends = [(-1.0, float(n)) for n in self.values.shape]
        corners = np.array([[i, j, k] for i in ends[0] for j in ends[1] for k in ends[2]])
        return np.asarray(corners @ self.affine[:3, :3].T + self.affine[:3, 3])


def content_of(values: NDArray[Any], affine: Any) -> Content:
    """Check a scalar volume and cut it to its box of voxels that are not zero.

    Parameters
    ----------
    values:
        Shape (I, J, K); any real number a voxel.
    affine:
        4×4, voxel index → RAS mm of the voxel centre.

    Raises
    ------
    InputError
        ``fluoroscopy-volume``: not 3-D, not real numbers, or the affine has no place in space;
        ``fluoroscopy-not-finite``: NaN or infinite voxels.
    """
    array = np.asarray(values)
    if array.ndim != 3 or array.dtype.kind not in "fiub":
        raise InputError(
            "fluoroscopy-volume",
            f"An array of shape {array.shape} and type {array.dtype} is no volume of numbers.",
            do="Give a 3-D array of real numbers.",
        )
    try:
        place = as_affine(affine)
    except ValueError as error:
        raise InputError(
            "fluoroscopy-volume", f"The volume has no place in space: {error}.", do="Give its affine, 4×4."
        ) from error
    if array.dtype.kind == "f":
        broken = int(array.size - np.count_nonzero(np.isfinite(array)))
        if broken:
            raise InputError(
                "fluoroscopy-not-finite",
                f"{broken} of {array.size} voxels are not finite numbers; no X-ray passes them in a known way.",
                do="Read the scan again or fill the voxels by what they should be.",
            )
    box = _box(array)
    cut = np.array(place)
    cut[:3, 3] += place[:3, :3] @ [float(side.start) for side in box]
    return Content(array[box], cut)


def _box(array: NDArray[Any]) -> tuple[slice, slice, slice]:
    """Smallest box that holds all voxels that are not zero."""
    sides = []
    # The axis that is contiguous is folded last, over an array that is small by then.
    plane: NDArray[np.bool_] = np.any(array, axis=2)
    for seen in (plane.any(axis=1), plane.any(axis=0), np.any(array, axis=(0, 1))):
        at = np.flatnonzero(seen)
        sides.append(slice(int(at[0]), int(at[-1]) + 1) if at.size else slice(0, 0))
    return sides[0], sides[1], sides[2]


@dataclass(frozen=True, eq=False)
class Layout:
    """A volume in memory with two slow axes and a contiguous one.

    Parameters
    ----------
    data:
        Flat float32; voxel (p, q, r) of the bordered volume stands at ``p·strides[0] + q·strides[1] + r``, and a full
        vector can be read from any voxel on.
    strides:
        Of both slow axes.
    counts:
        Voxels along (slow, slow, contiguous) without the border: real ones have the indices 1 … count.
    affine:
        4×4, bordered index (p, q, r) → RAS mm.
    """

    data: NDArray[np.float32]
    strides: tuple[int, int]
    counts: tuple[int, int, int]
    affine: FloatArray


def fast_axes(affine: FloatArray) -> tuple[int, int]:
    """Which voxel axis is contiguous in the usual layout, and which in that for steep views.

    The usual one runs nearest to the patient's length: no clinical beam goes along it.
    """
    size = np.linalg.norm(affine[:3, :3], axis=0)
    along = np.abs(affine[:3, :3] / size)
    usual = int(np.argmax(along[2]))
    rest = [axis for axis in range(3) if axis != usual]
    return usual, max(rest, key=lambda axis: float(along[0, axis]))


def lay_out(content: Content, fast: int) -> Layout:
    """Lay a volume out with voxel axis ``fast`` contiguous."""
    order = (*(axis for axis in range(3) if axis != fast), fast)
    values = content.values.transpose(order)
    n0, n1, n2 = values.shape
    # Whole vectors a row, an odd number of them: rows then do not fall on the same few lines of a cache.
    vectors = -(-(n2 + 2) // WIDTH) | 1
    row = vectors * WIDTH
    data = np.zeros((n0 + 2) * (n1 + 2) * row + 4 * WIDTH, dtype=np.float32)
    box = data[: (n0 + 2) * (n1 + 2) * row].reshape(n0 + 2, n1 + 2, row)
    box[1:-1, 1:-1, 1 : n2 + 1] = values
    affine = np.eye(4)
    affine[:3, :3] = content.affine[:3, order]
    affine[:3, 3] = content.affine[:3, 3] - affine[:3, :3].sum(axis=1)
    return Layout(data, ((n1 + 2) * row, row), (n0, n1, n2), affine)
