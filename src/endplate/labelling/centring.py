"""The middle of a body along its axis, from the two endplates that a click lies between.

Averaged over the middle of the body, HU along the axis show endplates as peaks, however noisy or thick the slices. The
two that belong together have a height that a body may have, and nothing as bright between them: a pair that takes in a
disc has an endplate inside.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from endplate.anatomy.axes import Axes, FloatArray
from endplate.labelling.local_field import LocalField
from endplate.sources import value

STEP_MM = 0.5
"""Step along the axis, and of the places and heights tried."""

SIGMA_MM = 0.8
"""σ of the smoothing along the axis."""

COLUMNS = 7
"""Columns along each side of the middle part that is averaged over."""


def middle_mm(
    field: LocalField, axes: Axes, half_width_mm: float, half_depth_mm: float, height_mm: float
) -> float:
    """How far above a frame's origin the middle of the body lies.

    Parameters
    ----------
    field, axes:
        The CT round the seed and the frame there.
    half_width_mm, half_depth_mm, height_mm:
        Sizes that the body may have.
    """
    rules = value("labelling.middle")
    reach = float(rules["reach"]) * height_mm
    heights = np.arange(float(rules["lowest"]) * height_mm, float(rules["highest"]) * height_mm, STEP_MM)
    shifts = np.arange(-reach, reach + STEP_MM, STEP_MM)
    z = np.arange(-reach - heights[-1], reach + heights[-1], STEP_MM)
    mean = _along(field, axes, half_width_mm, half_depth_mm, z)
    height, shift = np.meshgrid(heights, shifts, indexing="ij")
    ends = np.minimum(np.interp(shift + 0.5 * height, z, mean), np.interp(shift - 0.5 * height, z, mean))
    part = np.linspace(-1.0, 1.0, 25) * (0.5 * height - float(rules["shell_mm"]))[..., None]
    between = np.interp(shift[..., None] + part, z, mean)
    inner = np.median(between, axis=-1)
    contrast = ends - inner
    bright = between.max(axis=-1) - inner - float(rules["between"]) * contrast
    score = contrast - float(rules["bright"]) * np.maximum(bright, 0.0)
    score -= 0.5 * float(rules["hu"]) * (shift / (float(rules["shift_sd"]) * height_mm)) ** 2
    score -= 0.5 * float(rules["hu"]) * (np.log(height / height_mm) / float(rules["height_sd"])) ** 2
    return float(shift.flat[np.argmax(score)])


def _along(
    field: LocalField, axes: Axes, half_width_mm: float, half_depth_mm: float, z: FloatArray
) -> FloatArray:
    """Median HU over the middle of the body at heights along its axis."""
    lines = np.linspace(-1.0, 1.0, COLUMNS) * float(value("labelling.middle")["columns"])
    x, y = np.meshgrid(lines * half_width_mm, lines * half_depth_mm, indexing="ij")
    points = np.stack(np.broadcast_arrays(x[..., None], y[..., None], z), axis=-1)
    median = np.median(field.raw(axes, points), axis=(0, 1)).astype(np.float64)
    smooth: FloatArray = ndimage.gaussian_filter1d(median, SIGMA_MM / STEP_MM, mode="nearest")
    return smooth
