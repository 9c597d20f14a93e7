"""The working grid of the arch: an even grid along the CT's own axes round the spine behind the bodies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.kernels import resample_linear
from endplate.imaging.geometry import apply_affine
from endplate.imaging.volume import Volume
from endplate.sources import value


@dataclass(frozen=True, eq=False)
class WorkGrid:
    """An even grid that runs along the voxel axes of a CT.

    Parameters
    ----------
    affine:
        4×4, grid index → RAS mm.
    chain:
        4×4, grid index → fractional voxel index of the CT.
    shape:
        Points along the three axes, in the order of the CT's axes.
    step_mm:
        Distance of the points.
    start, stop:
        Box [start, stop) of CT voxels that the grid covers.
    """

    affine: FloatArray
    chain: FloatArray
    shape: tuple[int, int, int]
    step_mm: float
    start: NDArray[np.intp]
    stop: NDArray[np.intp]

    def sample(
        self, data: NDArray[np.float32], *, offset: NDArray[np.intp] | None = None
    ) -> NDArray[np.float32]:
        """Resample an array of the CT's box (or of the whole CT with ``offset`` zero) onto the grid, linear."""
        chain = self.chain[:3].copy()
        chain[:, 3] -= self.start if offset is None else offset
        values: NDArray[np.float32] = resample_linear(np.ascontiguousarray(data), chain, self.shape)
        return values

    def to_image(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Resample an array of the grid onto the CT voxels of the box, linear."""
        back = np.linalg.inv(self.chain)
        back[:3, 3] += back[:3, :3] @ self.start
        count = self.stop - self.start
        found: NDArray[np.float32] = resample_linear(
            np.ascontiguousarray(values, dtype=np.float32),
            back[:3],
            (int(count[0]), int(count[1]), int(count[2])),
        )
        return found

    @property
    def box(self) -> tuple[slice, slice, slice]:
        """The CT voxels covered."""
        i, j, k = (slice(int(a), int(b)) for a, b in zip(self.start, self.stop, strict=True))
        return i, j, k

    def world(self, index: NDArray[np.intp]) -> FloatArray:
        """Grid indices, shape (N, 3) → RAS mm."""
        return apply_affine(self.affine, index)

    def index(self, ras_mm: FloatArray) -> FloatArray:
        """RAS mm → fractional grid indices."""
        inverse: FloatArray = np.asarray(np.linalg.inv(self.affine), dtype=np.float64)
        return apply_affine(inverse, ras_mm)


def work_grid(image: Volume, low_ras_mm: FloatArray, high_ras_mm: FloatArray) -> WorkGrid:
    """Lay the grid over a box of the world, cut at the CT's border.

    The step is the middle voxel size within limits: thick slices are interpolated, very fine voxels are not kept.
    """
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=np.float64)
    voxels = image.to_voxel(low_ras_mm + corners * (high_ras_mm - low_ras_mm))
    start = np.clip(np.floor(voxels.min(axis=0)).astype(int), 0, np.array(image.shape) - 2)
    stop = np.clip(np.ceil(voxels.max(axis=0)).astype(int) + 1, start + 2, image.shape)
    spacing = image.spacing_mm
    low, high = value("labelling.arch_step_range_mm")
    step = float(np.clip(np.sort(spacing)[1], low, high))
    count = np.floor((stop - 1 - start) * spacing / step).astype(int) + 1
    chain = np.eye(4)
    chain[:3, :3] = np.diag(step / spacing)
    chain[:3, 3] = start
    return WorkGrid(
        np.asarray(image.affine @ chain),
        chain,
        (int(count[0]), int(count[1]), int(count[2])),
        step,
        start,
        stop,
    )
