"""The HU of one vertebra in its own frame, and what its marrow is expected to have at every place.

The expectation is a smooth robust surface: a polynomial of the place in the body, bone packed under a broken
endplate, and the blur of the cortex. Lesions are what departs from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import edt
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.kernels import resample_linear
from endplate.anatomy.mask import LocalGrid
from endplate.anatomy.vertebra import LocalVertebra
from endplate.imaging.volume import Volume
from endplate.sources import value

FIT_ROUNDS = 12
"""Rounds of reweighting."""
LEVEL_ROUNDS = 4
"""Rounds that move the level only."""
RIDGE = 0.01
"""Pull of all terms but the constant to zero, a voxel."""
TUKEY = 4.685
"""Tukey's constant: 95 % efficient on normal noise."""
MAD_TO_SD = 1.4826


@dataclass(frozen=True, eq=False)
class BoneField:
    """HU of a vertebra on its grid.

    Parameters
    ----------
    vertebra:
        Whose grid it is.
    hu:
        Shape of the grid; linear interpolation of the image.
    known:
        Voxels inside the scan that are neither gas nor excluded (cement, metal), with a margin round both.
    depth_mm:
        Depth below the label's surface, 0 outside.
    marrow:
        Voxels of the body clear of cortex and of all that is not ``known``.
    """

    vertebra: LocalVertebra
    hu: NDArray[np.float32]
    known: NDArray[np.bool_]
    depth_mm: NDArray[np.float32]
    marrow: NDArray[np.bool_]

    @property
    def grid(self) -> LocalGrid:
        """The vertebra's grid."""
        return self.vertebra.grid

    @property
    def marrow_hu(self) -> float | None:
        """Median HU of the marrow; ``None`` where there is none."""
        return float(np.median(self.hu[self.marrow])) if self.marrow.any() else None


def bone_field(vertebra: LocalVertebra, image: Volume, exclude: NDArray[np.bool_] | None = None) -> BoneField:
    """Sample the CT on the vertebra's grid.

    Parameters
    ----------
    vertebra:
        The vertebra.
    image:
        The CT in HU.
    exclude:
        Voxels of the image that must not be judged (cement, metal, their streaks), shape of the image.
    """
    grid = vertebra.grid
    hu, inside = _on_grid(grid, image)
    bad = ~inside | (hu < float(value("lesion.gas_hu")))
    if exclude is not None and exclude.any():
        masked, _ = _on_grid(grid, image, exclude)
        bad |= masked > 0.2
    margin = float(value("lesion.exclude_margin_mm"))
    body_bad = bad & (vertebra.body.mask | ~inside)
    if exclude is not None:
        body_bad |= bad & grid.inside
    known = np.ones_like(bad)
    if body_bad.any():
        known = distance_mm(~body_bad, grid.step_mm) > margin
    depth = np.zeros(hu.shape, dtype=np.float32)
    if grid.inside.any():
        box = box_of(grid.inside)
        depth[box] = distance_mm(grid.inside[box], grid.step_mm, edge=True)
    clear = max(float(value("lesion.cortex_clear_mm")), 1.4 * float(np.max(vertebra.field.spacing_mm)))
    # From the arch side the body has no cortex: depth below the whole vertebra's surface counts.
    marrow = vertebra.body.mask & (depth >= clear) & known
    return BoneField(vertebra, hu, known, depth, marrow)


def distance_mm(mask: NDArray[np.bool_], step_mm: float, *, edge: bool = False) -> NDArray[np.float32]:
    """Distance of every voxel of a mask to the nearest voxel outside it, 0 outside; ``edge``: the border is outside."""
    away: NDArray[np.float32] = edt.edt(
        np.ascontiguousarray(mask), (step_mm,) * 3, black_border=edge, parallel=1
    )
    return away


def _on_grid(
    grid: LocalGrid, image: Volume, data: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Image (or a mask on its voxels) on a grid, and which of the grid lies inside the image."""
    shape = grid.values.shape
    step = np.eye(4)
    step[:3, :3] = grid.axes.rotation.T * grid.step_mm
    step[:3, 3] = grid.axes.to_world(grid.low_mm)
    chain = np.linalg.inv(image.affine) @ step
    corners = np.array([[i, j, k] for i in (0, shape[0]) for j in (0, shape[1]) for k in (0, shape[2])])
    voxels = corners @ chain[:3, :3].T + chain[:3, 3]
    low = np.clip(np.floor(voxels.min(axis=0)).astype(int) - 1, 0, np.array(image.shape) - 2)
    high = np.clip(np.ceil(voxels.max(axis=0)).astype(int) + 2, low + 2, image.shape)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    source = image.data if data is None else data
    chain[:3, 3] -= low
    crop = np.ascontiguousarray(source[box], dtype=np.float32)
    size = (int(shape[0]), int(shape[1]), int(shape[2]))
    values = resample_linear(crop, np.ascontiguousarray(chain[:3]), size)
    if (voxels >= 0.0).all() and (voxels <= np.array(image.shape) - 1.0).all():
        return values, np.ones(size, dtype=bool)
    inside = resample_linear(np.ones_like(crop), np.ascontiguousarray(chain[:3]), size) > 0.999
    return values, inside


@dataclass(frozen=True, eq=False)
class Expectation:
    """Expected HU in the marrow, and HU minus expectation (0 outside the marrow)."""

    expected_hu: FloatArray
    residual_hu: FloatArray


def expect(field: BoneField, usual_hu: float | None) -> Expectation | None:
    """Fit the expectation; ``None`` where there is too little marrow.

    ``usual_hu`` is the neighbours' marrow: where it lies within this body's own range the fit begins there, so that
    a lesion that fills much of a small body is not taken for its bone.
    """
    index = np.argwhere(field.marrow)
    volume_ml = len(index) * field.grid.step_mm**3 / 1000.0
    if volume_ml < float(value("lesion.marrow_min_ml")):
        return None
    design = _design(field, index)
    smooth = masked_smooth(field.hu, field.marrow, 1.0 / field.grid.step_mm)
    target = smooth[field.marrow].astype(np.float64)
    keep = slice(None, None, max(len(index) // 12000, 1))
    coefficients = _robust_fit(design[keep], target[keep], usual_hu)
    fitted = np.clip(design @ coefficients, target.min(), target.max())
    expected = np.zeros(field.hu.shape)
    residual = np.zeros(field.hu.shape)
    expected[field.marrow] = fitted
    residual[field.marrow] = field.hu[field.marrow] - fitted
    return Expectation(expected, residual)


def _design(field: BoneField, index: NDArray[np.intp]) -> FloatArray:
    """Terms of the expectation at marrow voxels, shape (N, terms); the first is the constant."""
    vertebra, grid = field.vertebra, field.grid
    local = grid.low_mm + grid.step_mm * index
    span = local.max(axis=0) - local.min(axis=0)
    x = 2.0 * (local[:, 0] - vertebra.x_mid_mm) / max(span[0], 1.0)
    y = 2.0 * (local[:, 1] - local[:, 1].mean()) / max(span[1], 1.0)
    mask = vertebra.body.mask
    thick = mask.sum(axis=2) * grid.step_mm
    low = np.where(mask.any(axis=2), mask.argmax(axis=2), 0)
    smooth_low = ndimage.gaussian_filter(low.astype(float), 1.0)
    columns = (index[:, 0], index[:, 1])
    height = np.maximum(thick[columns], 3.0)
    zeta = np.clip((index[:, 2] - smooth_low[columns]) * grid.step_mm / height, 0.0, 1.0)
    tall = float(np.percentile(thick[mask.any(axis=2)], 90.0))
    # Bone of a collapsed column stays in it: its density rises as its height falls.
    packed = np.clip(tall / height - 1.0, 0.0, 2.5)
    z = 2.0 * zeta - 1.0
    shell = np.exp(-(field.depth_mm[field.marrow] - 2.0) / 0.8)
    terms = [np.ones_like(x), x, y, z, x * x, y * y, z * z, x * z, y * z]
    terms += [packed * zeta, packed * z * z, shell]
    return np.stack(terms, axis=1)


def _robust_fit(design: FloatArray, target: FloatArray, usual_hu: float | None) -> FloatArray:
    """Tukey's biweight by reweighting, with a slight pull of all terms but the constant to zero."""
    low, high = np.percentile(target, [5.0, 95.0])
    start = float(np.median(target))
    if usual_hu is not None and low <= usual_hu <= high:
        start = usual_hu
    coefficients: FloatArray = np.zeros(design.shape[1])
    coefficients[0] = start
    ridge = np.full(design.shape[1], RIDGE * len(target))
    ridge[0] = 0.0
    used = np.ones(len(target), dtype=bool)
    scale = np.inf
    for round_ in range(FIT_ROUNDS):
        away = target - design @ coefficients
        spread = MAD_TO_SD * float(np.median(np.abs(away[used])))
        scale = max(min(scale, spread), float(value("lesion.noise_floor_hu")))
        # The first rounds move the level alone and look at the nearest bone only: the start decides what is usual.
        first = round_ < LEVEL_ROUNDS
        weight = np.clip(1.0 - (away / ((1.5 if first else 0.75 * TUKEY) * scale)) ** 2, 0.0, None) ** 2
        used = weight > 0.0
        if used.sum() < 0.05 * len(target):
            break
        if first:
            coefficients[0] += float((weight * away).sum() / weight.sum())
            continue
        moment = (design * weight[:, None]).T @ design + np.diag(ridge)
        coefficients = np.asarray(np.linalg.solve(moment, design.T @ (weight * target)), dtype=np.float64)
    return coefficients


def masked_smooth(
    values: NDArray[np.floating], mask: NDArray[np.bool_], sigma_voxels: float
) -> NDArray[np.float64]:
    """Gaussian mean over the mask alone, 0 outside it."""
    smooth = np.zeros(mask.shape)
    if not mask.any():
        return smooth
    box = box_of(mask)
    part = mask[box]
    weight = ndimage.gaussian_filter(part.astype(np.float32), sigma_voxels, mode="constant", truncate=3.0)
    total = np.where(part, values[box], 0.0).astype(np.float32)
    total = ndimage.gaussian_filter(total, sigma_voxels, mode="constant", truncate=3.0)
    smooth[box] = np.where(part, total / np.maximum(weight, 1e-6), 0.0)
    return smooth


def box_of(mask: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    """The smallest box that holds a mask that is not empty."""
    slices = []
    for axis in range(3):
        rows = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        slices.append(slice(int(rows[0]), int(rows[-1]) + 1))
    return slices[0], slices[1], slices[2]
