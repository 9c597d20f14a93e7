"""Where the CT itself has an endplate: the blurred cortex of one endplate fitted to its voxels.

A CT number is the mean of the density over a voxel and over the scanner's blur, so the voxels next to an endplate
tell where in them the bone ends. The model is bone of constant density, a thin cortex and disc, blurred by the voxel
(a box along the endplate's normal) and by the scanner (a Gaussian). It is compared with the voxels themselves and not
with interpolated values: interpolation puts a thin cortex at the centre of the voxel that holds it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.edge_voxels import (
    EdgeVoxels,
    ScanBox,
    along_z,
    near_voxels,
    surface_trust,
    voxel_extent_mm,
)
from endplate.anatomy.vertebra import LocalVertebra
from endplate.sources import value

STEPS = 8
"""Gauss-Newton steps at most."""

STEP_DONE_MM = 0.005
"""A step that moves no place further is the last."""

STEP_MAX_MM = 0.4
"""No step moves an edge further."""

SCALE_MIN_HU = 5.0
"""Residuals are not weighed more finely than this."""

TUKEY = 4.7
"""Residuals beyond so many scales do not count: vessels, osteophytes, gas."""

BLUR_RANGE_MM = (0.12, 2.0)
"""σ of the scanner's blur that is believed."""

START_VOXELS = 1_000
"""The start is looked for with so many voxels."""

DENSITIES = 9
"""Disc, bone over disc, and cortex: each a plane over the endplate."""


@dataclass(frozen=True, eq=False)
class Edge:
    """How far outside the label's surface the CT has the edge of one endplate.

    Parameters
    ----------
    offset_mm:
        Shape (X, Y): along z, positive away from the body; 0 where the surface is not known.
    trust:
        Shape (X, Y), 0–1: where the label's smooth surface is good enough to start from.
    mean_mm, sd_mm:
        Mean offset along the normal and its standard deviation from noise.
    contrast_hu:
        Height of the fitted cortex over the tissue outside, as the scan shows it.
    scale_hu:
        Robust standard deviation of the residuals.
    kept:
        Share of the voxels that the fit explains.
    """

    offset_mm: FloatArray
    trust: FloatArray
    mean_mm: float
    sd_mm: float
    contrast_hu: float
    scale_hu: float
    kept: float


def find_edge(vertebra: LocalVertebra, side: int, scan: ScanBox) -> Edge | None:
    """Fit the edge of one endplate.

    Parameters
    ----------
    vertebra:
        As found from its label.
    side:
        +1 for the superior, −1 for the inferior endplate.
    scan:
        The CT.

    Returns
    -------
    Edge | None
        ``None`` where too few voxels show the endplate, most of it is broken, or no cortex is seen.
    """
    surfaces, grid = vertebra.surfaces, vertebra.grid
    raw, smooth = (
        (surfaces.top_mm, surfaces.top_smooth_mm)
        if side > 0
        else (surfaces.bottom_mm, surfaces.bottom_smooth_mm)
    )
    extent = voxel_extent_mm(vertebra)
    trust = surface_trust(raw, smooth, extent, grid.step_mm)
    known = trust > 0.0
    if known.sum() <= float(value("refine.trusted_share_min")) * np.isfinite(smooth).sum():
        return None
    voxels = near_voxels(vertebra, side, np.where(known, smooth, np.nan), scan)
    if voxels is None:
        return None
    ix, iy = np.nonzero(known)
    columns = np.stack([grid.coordinate(0)[ix], grid.coordinate(1)[iy]], axis=1)
    centres = _centres(columns)
    fit = _solve(voxels, columns, centres, extent)
    if fit is None:
        return None
    over = _basis(columns, centres)
    mean = over.mean(axis=0)
    offset = np.zeros(known.shape)
    offset[known] = over @ fit.coefficients
    return Edge(
        offset * along_z(smooth, grid.step_mm),
        trust,
        float(mean @ fit.coefficients),
        float(np.sqrt(mean @ fit.covariance @ mean)),
        _contrast_hu(fit, voxels),
        fit.scale_hu,
        fit.kept,
    )


@dataclass(frozen=True, eq=False)
class _Fit:
    """Offset coefficients and their covariance, densities in HU, ln σ of the blur, and the residuals."""

    coefficients: FloatArray
    covariance: FloatArray
    densities: FloatArray
    log_blur: float
    scale_hu: float
    kept: float


@dataclass(frozen=True, eq=False)
class _Profile:
    """Step and cortex as the scanner blurs them, with their derivatives by position and by ln σ."""

    step: FloatArray
    cortex: FloatArray
    step_by_mm: FloatArray
    cortex_by_mm: FloatArray
    step_by_blur: FloatArray
    cortex_by_blur: FloatArray


def _profile(inside_mm: FloatArray, log_blur: float, voxels: EdgeVoxels) -> _Profile:
    cortex_mm = float(value("refine.cortex_mm"))
    square = float(np.exp(2.0 * log_blur))
    sigma = np.sqrt(square + voxels.variance_mm2)
    outer = _blurred_step(inside_mm, sigma, voxels.box_mm)
    inner = _blurred_step(inside_mm - cortex_mm, sigma, voxels.box_mm)
    by_blur = square / sigma
    return _Profile(
        outer[0],
        outer[0] - inner[0],
        outer[1],
        outer[1] - inner[1],
        outer[2] * by_blur,
        (outer[2] - inner[2]) * by_blur,
    )


def _blurred_step(
    inside_mm: FloatArray, sigma: FloatArray, box: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """A unit step blurred by a box and a Gaussian, and its derivatives by position and by σ.

    Notes
    -----
    With ψ(x) = xΦ(x) + φ(x), the step is σ/w · [ψ((d + w/2)/σ) − ψ((d − w/2)/σ)].
    """
    far, near = (inside_mm + 0.5 * box) / sigma, (inside_mm - 0.5 * box) / sigma
    cdf_far, cdf_near = ndtr(far), ndtr(near)
    pdf_far, pdf_near = _normal(far), _normal(near)
    step = sigma / box * (far * cdf_far + pdf_far - near * cdf_near - pdf_near)
    return step, (cdf_far - cdf_near) / box, (pdf_far - pdf_near) / box


def _normal(x: FloatArray) -> FloatArray:
    density: FloatArray = np.exp(-0.5 * x * x) / np.sqrt(2.0 * np.pi)
    return density


def _solve(voxels: EdgeVoxels, columns_mm: FloatArray, centres: FloatArray, extent: float) -> _Fit | None:
    """Maximum a posteriori of offset, densities and blur by Gauss-Newton with Tukey weights."""
    start = _start(voxels, extent)
    if start is None:
        return None
    basis = _basis(voxels.xy_mm, centres)
    middle = columns_mm.mean(axis=0)
    across = (voxels.xy_mm - middle) / np.abs(columns_mm - middle).max(axis=0)
    plane = np.column_stack([np.ones(len(across)), across])
    prior = _prior(basis, extent)
    expected = np.zeros(len(prior))
    expected[-1] = np.log(float(value("refine.blur_mm")))
    noise = float(value("refine.noise_inflation"))
    last = basis.shape[1] + DENSITIES
    state = np.zeros(len(prior))
    state[DENSITIES], state[-1] = start
    weight = np.ones(len(voxels.hu))
    for _ in range(STEPS):
        shape = _profile(basis @ state[DENSITIES:last] - voxels.outside_mm, float(state[-1]), voxels)
        design = np.column_stack([plane, plane * shape.step[:, None], plane * shape.cortex[:, None]])
        state[:DENSITIES] = _weighted(design, weight, voxels.hu)
        residual = voxels.hu - design @ state[:DENSITIES]
        scale = max(1.4826 * float(np.median(np.abs(residual))), SCALE_MIN_HU)
        weight = np.clip(1.0 - (residual / (TUKEY * scale)) ** 2, 0.0, None) ** 2
        bone, cortex = plane @ state[3:6], plane @ state[6:9]
        by_mm = bone * shape.step_by_mm + cortex * shape.cortex_by_mm
        by_blur = bone * shape.step_by_blur + cortex * shape.cortex_by_blur
        jacobian = np.column_stack([design, basis * by_mm[:, None], by_blur])
        leaning = (jacobian * weight[:, None]).T / (noise * scale**2)
        hessian = leaning @ jacobian + np.diag(prior)
        move = np.linalg.solve(hessian, leaning @ residual - prior * (state - expected))
        furthest = float(np.abs(basis @ move[DENSITIES:last]).max())
        damped = min(1.0, STEP_MAX_MM / max(furthest, 1e-9))
        state[DENSITIES:last] += damped * move[DENSITIES:last]
        state[-1] = np.clip(state[-1] + np.clip(damped * move[-1], -0.3, 0.3), *np.log(BLUR_RANGE_MM))
        if furthest < STEP_DONE_MM:
            break
    covariance = np.linalg.inv(hessian)[DENSITIES:last, DENSITIES:last]
    return _Fit(
        state[DENSITIES:last],
        covariance,
        state[:DENSITIES],
        float(state[-1]),
        scale,
        float(np.mean(weight > 0.0)),
    )


def _weighted(design: FloatArray, weight: FloatArray, data: FloatArray) -> FloatArray:
    """Weighted least squares with a trace of a ridge."""
    leaning = (design * weight[:, None]).T
    normal = leaning @ design
    ridge = 1e-6 * float(np.trace(normal)) * np.eye(len(normal))
    solution: FloatArray = np.asarray(np.linalg.solve(normal + ridge, leaning @ data), dtype=np.float64)
    return solution


def _contrast_hu(fit: _Fit, voxels: EdgeVoxels) -> float:
    """Peak of the fitted profile over the tissue outside; 0 where the fit found no cortex."""
    if fit.densities[6] <= 0.0:
        return 0.0
    inside = np.arange(-3.0, 6.0, 0.1)
    same = np.ones(len(inside))
    typical = EdgeVoxels(
        np.zeros((len(inside), 2)),
        -inside,
        0.0 * same,
        float(np.median(voxels.box_mm)) * same,
        float(np.median(voxels.variance_mm2)) * same,
    )
    seen = _profile(inside, fit.log_blur, typical)
    return float(np.max(fit.densities[3] * seen.step + fit.densities[6] * seen.cortex))


def _start(voxels: EdgeVoxels, extent: float) -> tuple[float, float] | None:
    """Best constant offset and blur on a coarse lattice; ``None`` where no cortex is seen at any."""
    few = EdgeVoxels(*(part[:START_VOXELS] for part in vars(voxels).values()))
    ones = np.ones(len(few.hu))
    best: tuple[float, float, float] | None = None
    for blur in value("refine.blur_trials_mm"):
        for offset in np.arange(-1.2, 1.21, 0.3) * max(extent, 1.0):
            shape = _profile(offset - few.outside_mm, float(np.log(blur)), few)
            design = np.column_stack([ones, shape.step, shape.cortex])
            densities = _weighted(design, ones, few.hu)
            misfit = float(np.median(np.abs(few.hu - design @ densities)))
            if densities[2] > 0.0 and (best is None or misfit < best[0]):
                best = (misfit, float(offset), float(np.log(blur)))
    return None if best is None else best[1:]


def _prior(basis: FloatArray, extent: float) -> FloatArray:
    """Inverse prior variances of nine densities (free), offsets and ln blur."""
    local = float(np.clip(float(value("refine.local_share")) * extent, 0.1, 0.6))
    spread = float(np.mean(np.sum(basis[:, 1:] ** 2, axis=1))) / local**2
    return np.concatenate(
        [
            np.full(DENSITIES, 1e-9),
            [1.0 / max(float(value("refine.mean_share")) * extent, 0.5) ** 2],
            np.full(basis.shape[1] - 1, spread),
            [1.0 / float(value("refine.blur_log_sd")) ** 2],
        ]
    )


def _centres(columns_mm: FloatArray) -> FloatArray:
    """Centres of the offset's bumps over the outline, shape (n, 2)."""
    length = float(value("refine.length_mm"))
    pitch = 1.2 * length
    low, high = columns_mm.min(axis=0), columns_mm.max(axis=0)
    lines = [
        a + 0.5 * ((b - a) % pitch) + pitch * np.arange(int((b - a) // pitch) + 1)
        for a, b in zip(low, high, strict=True)
    ]
    centres = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, 2)
    gap = np.sum((centres[:, None] - columns_mm[None, ::7]) ** 2, axis=2).min(axis=1)
    kept: FloatArray = centres[gap < length**2]
    return kept


def _basis(xy_mm: FloatArray, centres: FloatArray) -> FloatArray:
    """A constant and Gaussian bumps at points, shape (N, 1 + n)."""
    length = float(value("refine.length_mm"))
    square = np.sum((xy_mm[:, None] - centres[None]) ** 2, axis=2)
    return np.column_stack([np.ones(len(xy_mm)), np.exp(-0.5 * square / length**2)])
