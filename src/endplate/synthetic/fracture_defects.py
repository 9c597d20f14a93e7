"""A cleft and a crack under the superior endplate of a virtual fracture, as shares of each voxel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from endplate.anatomy.axes import FloatArray
from endplate.errors import UsageError
from endplate.sources import value
from endplate.synthetic.fracture_columns import Ground

CLEFT_AXES = (1.0, 0.75, 0.3)
"""Half axes of the cleft, right, forward and up, in proportion."""

CLEFT_PLACE = 0.6
"""Where the cleft's middle lies, as a share of the body's depth from the posterior wall."""

CLEFT_DEEPEST = 60
"""Halvings of the bracket of the cleft's size."""

WAVES = 3
"""Waves that make a crack uneven."""

EDGE_MM = 0.5
"""Half width over which a defect's edge passes from none to whole."""


def cleft_share(
    local_mm: FloatArray,
    inside_mm: FloatArray,
    endplate_mm: FloatArray,
    ground: Ground,
    volume_ml: float,
    voxel_ml: float,
) -> FloatArray:
    """Share of each voxel that the cleft takes, shape (n,); their sum is the volume asked for.

    Parameters
    ----------
    local_mm:
        Shape (n, 3): voxels of the broken body.
    inside_mm:
        Shape (n,): their depth in it.
    endplate_mm:
        The broken superior endplate in the midline at the cleft's place, local (x, y, z).
    ground:
        The body's extent.
    volume_ml, voxel_ml:
        Volume of the cleft and of one voxel.

    Raises
    ------
    UsageError
        ``cleft-too-large`` for the body.
    """
    longest = 0.8 * ground.half_width_mm
    bone = np.clip(inside_mm / EDGE_MM, 0.0, 1.0)

    def share(half_mm: float) -> FloatArray:
        axes = half_mm * np.array(CLEFT_AXES)
        centre = endplate_mm - np.array([0.0, 0.0, axes[2] + float(value("virtual_fracture.layer_mm"))])
        radius = np.sqrt((((local_mm - centre) / axes) ** 2).sum(axis=1))
        depth = (1.0 - radius) * axes[2]
        found: FloatArray = bone * np.clip(0.5 + 0.5 * depth / EDGE_MM, 0.0, 1.0)
        return found

    if float(share(longest).sum()) * voxel_ml < volume_ml:
        raise UsageError(
            "cleft-too-large",
            f"A cleft of {volume_ml:g} mL does not fit into the broken body.",
            do="Ask for a smaller --cleft-ml or a smaller --loss.",
        )
    return _sized(share, longest, volume_ml / voxel_ml)


def _sized(share: Callable[[float], FloatArray], longest: float, voxels: float) -> FloatArray:
    low, high = 0.0, longest
    for _ in range(CLEFT_DEEPEST):
        middle = 0.5 * (low + high)
        if middle > 0.0 and float(share(middle).sum()) < voxels:
            low = middle
        else:
            high = middle
    return share(high)


def crack_share(
    local_mm: FloatArray, inside_mm: FloatArray, top_mm: FloatArray, ground: Ground, seed: int
) -> FloatArray:
    """Share of each voxel that a crack takes, shape (n,): a wavy sheet under the endplate, open in front.

    Parameters
    ----------
    local_mm, inside_mm:
        Voxels of the broken body and their depth in it.
    top_mm:
        Shape (n,): height of the broken superior endplate over each.
    """
    form = value("virtual_fracture.crack")
    random = np.random.default_rng(seed)
    lengths = random.uniform(6.0, 14.0, WAVES)
    turns, phases = random.uniform(0.0, np.pi, WAVES), random.uniform(0.0, 2.0 * np.pi, WAVES)
    x, y = local_mm[:, 0], local_mm[:, 1]
    wave = sum(
        np.sin(2.0 * np.pi * (x * np.cos(a) + y * np.sin(a)) / length + phase)
        for length, a, phase in zip(lengths, turns, phases, strict=True)
    )
    depth = (
        float(value("virtual_fracture.layer_mm"))
        + float(form["depth_mm"])
        + float(form["wave_mm"]) * wave / WAVES
    )
    away = np.abs(top_mm - depth - local_mm[:, 2])
    sheet = np.clip(0.5 + (0.5 * float(form["thickness_mm"]) - away) / (2.0 * EDGE_MM), 0.0, 1.0)
    t = (y - ground.back_mm) / (ground.front_mm - ground.back_mm)
    open_in_front = np.clip((t - (1.0 - float(form["reach"]))) / 0.1, 0.0, 1.0)
    share: FloatArray = sheet * open_in_front * np.clip(inside_mm + 0.5, 0.0, 1.0)
    return share
