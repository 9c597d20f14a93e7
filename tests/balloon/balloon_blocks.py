"""Blocks of bone and balloons in them, for tests of the room ``balloon``."""

from __future__ import annotations

from typing import Any

import numpy as np

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.model import Side
from endplate.balloon.bone import block_bone
from endplate.balloon.model import Bone, Options, Posture, Tamp
from endplate.devices.balloons import shipped_balloons

EDGE = 3
"""Empty voxels round a block."""


def drum(
    step_mm: float = 2.0,
    density_mgcc: float | FloatArray = 80.0,
    *,
    size_mm: tuple[float, float, float] = (44.0, 34.0, 26.0),
    cortex_mgcc: float = 400.0,
    lost_mm: tuple[float, float, float] | None = None,
) -> Bone:
    """An elliptic drum with a cortex of one voxel, right × front × up; its middle is the origin of the frame."""
    count = [round(mm / step_mm) for mm in size_mm]
    shape = tuple(n + 2 * EDGE for n in count)
    places = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1) - 0.5 * (
        np.array(shape) - 1
    )
    across = places / (0.5 * np.array(count))
    body = (np.hypot(across[..., 0], across[..., 1]) <= 1.0) & (np.abs(across[..., 2]) < 1.0)
    affine = np.diag([step_mm, step_mm, step_mm, 1.0])
    affine[:3, 3] = -0.5 * step_mm * (np.array(shape) - 1)
    density = np.broadcast_to(np.asarray(density_mgcc, dtype=np.float64), shape).copy()
    made = block_bone(density, body, step_mm, affine=affine)
    rim = body & (made.depth_mm < step_mm)
    density[rim] = np.maximum(density[rim], cortex_mgcc)
    own = (count[2] * step_mm,) * 3
    wanted = None if lost_mm is None else tuple(h + lost for h, lost in zip(own, lost_mm, strict=True))
    return block_bone(density, body, step_mm, affine=affine, heights_mm=own, expected_mm=wanted)  # type: ignore[arg-type]


def tamp(
    side: Side = "left",
    *,
    middle_mm: tuple[float, float, float] = (0.0, 1.0, 0.0),
    name: str = "15/3",
    gap_mm: float = 1.5,
) -> Tamp:
    """A balloon that points forward in a drum."""
    device = shipped_balloons()[name]
    way = np.array([0.0, 1.0, 0.0])
    half = 0.5 * device.length_mm * way
    middle = np.array(middle_mm)
    markers = np.stack([middle - half, middle + half])
    return Tamp(side, device, markers, markers[0] - gap_mm * way)


def pair(**given: Any) -> tuple[Tamp, Tamp]:
    """One balloon from each side (the patient's left is at negative x)."""
    return tamp("left", middle_mm=(-9.0, 1.0, 0.0), **given), tamp(
        "right", middle_mm=(9.0, 1.0, 0.0), **given
    )


def plain(**given: Any) -> Options:
    """Options without any gain by posture."""
    return Options(posture=Posture.none(), **given)
