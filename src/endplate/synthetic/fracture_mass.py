"""Bone mineral kept through a fracture: denser where bone is compacted, to a cap, and the total unchanged.

Mineral is what a voxel's density has above zero (K2HPO4 equivalent); what it has below zero is fat, which is not
compacted but pressed out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.axes import FloatArray
from endplate.imaging.calibration import Calibration
from endplate.sources import value

KNEE = 0.8
"""Share of the cap from which density rises more slowly."""

NATIVE_ROOM = 1.25
"""Bone that was denser than the cap may become denser by this factor."""

SPREAD_STEPS = 12
SPREAD_MM = 2.5
"""Reach (standard deviation) and most steps of what the cap sends to the surroundings."""

INT16 = np.iinfo(np.int16)


@dataclass(frozen=True, eq=False)
class Mineral:
    """Mineral and fat parts of a density field, mg/cm³; their sum is the density."""

    bone_mgcc: FloatArray
    fat_mgcc: FloatArray

    @staticmethod
    def of_hu(hu: NDArray[Any], calibration: Calibration) -> Mineral:
        """Divide CT numbers of any shape."""
        density = calibration.slope * np.asarray(hu, dtype=np.float64) + calibration.intercept
        return Mineral(np.maximum(density, 0.0), np.minimum(density, 0.0))

    def hu(self, calibration: Calibration) -> FloatArray:
        """The CT numbers that these parts give."""
        hu: FloatArray = (self.bone_mgcc + self.fat_mgcc - calibration.intercept) / calibration.slope
        return hu


def mineral_mg(hu: NDArray[Any], voxel_ml: float, calibration: Calibration) -> float:
    """Mineral of some voxels in mg."""
    return float(Mineral.of_hu(hu, calibration).bone_mgcc.sum() * voxel_ml)


def compacted(bone_mgcc: FloatArray, depth_mm: FloatArray, jacobian: FloatArray) -> FloatArray:
    """Density after compaction, mg/cm³: inside the bone by the Jacobian, outside as it was, smooth between."""
    inside = np.clip(0.5 + depth_mm, 0.0, 1.0)
    packed: FloatArray = bone_mgcc * (1.0 + inside * (1.0 / jacobian - 1.0))
    return packed


def capped(
    bone_mgcc: FloatArray, native_mgcc: FloatArray, box: NDArray[np.bool_], sigma: FloatArray
) -> tuple[FloatArray, float]:
    """Cap densities softly and give what is beyond to voxels near by, the sum unchanged.

    Parameters
    ----------
    bone_mgcc, native_mgcc:
        Shape (n,): density of the bone's moved voxels now and before compaction.
    box:
        Where they are: a mask with n voxels, in the order of ``np.nonzero``.
    sigma:
        Reach of the spread along the three axes, voxels.

    Returns
    -------
    tuple
        New densities, and the share of the sum that went elsewhere.
    """
    cap = np.maximum(float(value("virtual_fracture.density_cap_mgcc")), NATIVE_ROOM * native_mgcc)
    knee = KNEE * cap
    soft = knee + (cap - knee) * (1.0 - np.exp(-np.maximum(bone_mgcc - knee, 0.0) / (cap - knee)))
    kept = np.where(bone_mgcc > knee, soft, bone_mgcc)
    excess = bone_mgcc - kept
    total = float(bone_mgcc.sum())
    moved = float(excess.sum())
    return spread(kept, excess, np.maximum(cap - kept, 0.0), box, sigma), moved / total if total > 0 else 0.0


def spread(
    kept: FloatArray, excess: FloatArray, room: FloatArray, box: NDArray[np.bool_], sigma: FloatArray
) -> FloatArray:
    """Add the excess of each voxel to voxels near it that have room; what finds none goes to all alike."""
    density, room, left = kept.copy(), room.copy(), excess
    for _ in range(SPREAD_STEPS):
        if float(left.sum()) <= 1e-9 * max(float(kept.sum()), 1.0) or float(room.sum()) <= 0.0:
            break
        field = np.zeros(box.shape)
        field[box] = room > 0.0
        reach = ndimage.gaussian_filter(field, sigma, mode="constant")
        field[box] = np.where(reach[box] > 1e-6, left / np.maximum(reach[box], 1e-6), 0.0)
        arriving = ndimage.gaussian_filter(field, sigma, mode="constant")[box] * (room > 0.0)
        stranded = np.where(reach[box] > 1e-6, 0.0, left)
        taken = np.minimum(arriving, room)
        density += taken
        room -= taken
        left = stranded + arriving - taken
    rest = float(left.sum())
    if rest > 0.0 and float(density.sum()) > 0.0:
        density *= 1.0 + rest / float(density.sum())
    return density


def stored_exactly(
    hu: FloatArray, free: NDArray[np.bool_], wanted_mg: float, voxel_ml: float, calibration: Calibration
) -> NDArray[np.int16]:
    """Round CT numbers so that the mineral of all of them is what it should be, to half a unit of one voxel.

    Parameters
    ----------
    hu:
        Shape (n,): CT numbers of the whole vertebra.
    free:
        Voxels that may be rounded the other way: those of the crushed bone.
    wanted_mg:
        Mineral of all voxels.
    """
    rounded = np.clip(np.rint(hu), INT16.min, INT16.max)
    short = (wanted_mg - mineral_mg(rounded, voxel_ml, calibration)) / (calibration.slope * voxel_ml)
    unit = 1.0 if short > 0 else -1.0
    # One unit more or less changes the mineral by just that where there is mineral.
    bone = free & (calibration.slope * (rounded - 1.0) + calibration.intercept > 0.0)
    places = np.flatnonzero(bone)
    order = places[np.argsort(-unit * (hu - rounded)[places], kind="stable")]
    wholes, part = divmod(round(abs(short)), max(len(order), 1))
    if len(order):
        rounded[order] += unit * wholes
        rounded[order[:part]] += unit
    stored: NDArray[np.int16] = np.clip(rounded, INT16.min, INT16.max).astype(np.int16)
    return stored
