"""The CT numbers of a virtually broken vertebra: bone compacted, cracked and hollowed, its mineral all still there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.axes import FloatArray
from endplate.imaging.calibration import Calibration
from endplate.imaging.volume import Volume
from endplate.sources import value
from endplate.synthetic import fracture_mass as mass
from endplate.synthetic.fracture_columns import Ground
from endplate.synthetic.fracture_defects import CLEFT_PLACE, cleft_share, crack_share
from endplate.synthetic.fracture_field import FractureField
from endplate.synthetic.fracture_warp import Moved, WarpedLabels, sample_image
from endplate.synthetic.virtual_fracture_model import VirtualFracture

DEFECT_LEAST = 0.02
"""Voxels with less of a cleft or crack in them can take up mineral that it displaced."""


@dataclass(frozen=True, eq=False)
class Filled:
    """The new CT numbers and what became of the mineral.

    Parameters
    ----------
    data:
        Shape of the scan, int16.
    before_mg, after_mg:
        Mineral of the whole vertebra in the old and in the stored new scan.
    remap_factor:
        What the moved bone's mineral was multiplied by to make good what resampling lost or gained.
    capped_share:
        Share of the moved bone's mineral that went elsewhere because of the cap.
    greatest_compaction:
        Greatest density ratio by the Jacobian inside the bone.
    """

    data: NDArray[np.int16]
    before_mg: float
    after_mg: float
    remap_factor: float
    capped_share: float
    greatest_compaction: float


def fill_bone(
    image: Volume,
    masks: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    moved: Moved,
    warped: WarpedLabels,
    calibration: Calibration,
    *,
    wanted: VirtualFracture,
    ground: Ground,
    field: FractureField,
) -> Filled:
    """Make the CT of the broken vertebra.

    Parameters
    ----------
    image:
        The intact scan.
    masks:
        The vertebra in the old and the new label map, shape of the scan.
    moved, warped:
        What the field moves, and its new labels.
    calibration:
        HU to density.
    wanted, ground, field:
        The fracture, the body it is given to and the displacement.
    """
    was, now = masks
    voxel_ml = float(np.prod(image.spacing_mm)) / 1000.0
    before = mass.mineral_mg(image.data[was], voxel_ml, calibration)
    own = moved.take(now[moved.box])
    hu = sample_image(image.data, moved)
    native = mass.Mineral.of_hu(hu, calibration)
    bone = mass.compacted(native.bone_mgcc, warped.depth_mm, moved.jacobian)
    fat = native.fat_mgcc.copy()

    still = now.copy()
    still[moved.box][tuple(moved.index.T)] = False
    wanted_mgcc = (before - mass.mineral_mg(image.data[still], voxel_ml, calibration)) / voxel_ml
    factor = wanted_mgcc / float(bone[own].sum())
    bone[own] *= factor

    box = np.zeros(now[moved.box].shape, dtype=bool)
    box[tuple(moved.index[own].T)] = True
    sigma = mass.SPREAD_MM / image.spacing_mm
    rank = np.lexsort(moved.index[own].T[::-1])  # the order in which a mask's voxels are met
    chosen = np.flatnonzero(own)[rank]
    gone, filling = _defects(wanted, ground, field, moved, warped, chosen, voxel_ml)
    if gone.any():
        kept = bone[chosen] * (1.0 - gone)
        # No cap here: that comes after and sees all.
        room = np.where(gone < DEFECT_LEAST, np.inf, 0.0)
        bone[chosen] = mass.spread(kept, bone[chosen] - kept, room, box, sigma)
        fill = calibration.slope * filling + calibration.intercept
        fat[chosen] = fat[chosen] * (1.0 - gone) + fill * gone
    bone[chosen], share = mass.capped(bone[chosen], native.bone_mgcc[chosen], box, sigma)

    new = np.array(image.data, dtype=np.float64)
    new[moved.box][tuple(moved.index.T)] = mass.Mineral(bone, fat).hu(calibration)
    free = np.zeros_like(now)
    free[moved.box] = box
    data = np.clip(np.rint(new), mass.INT16.min, mass.INT16.max).astype(np.int16)
    data[now] = mass.stored_exactly(new[now], free[now], before, voxel_ml, calibration)
    inside = own & (warped.depth_mm > 0.0)
    return Filled(
        data=data,
        before_mg=before,
        after_mg=mass.mineral_mg(data[now], voxel_ml, calibration),
        remap_factor=factor,
        capped_share=share,
        greatest_compaction=float((1.0 / moved.jacobian[inside]).max()),
    )


def _defects(
    wanted: VirtualFracture,
    ground: Ground,
    field: FractureField,
    moved: Moved,
    warped: WarpedLabels,
    chosen: NDArray[np.intp],
    voxel_ml: float,
) -> tuple[FloatArray, float]:
    """Share of each chosen voxel that a cleft or crack takes, and the HU of what fills it."""
    local, depth = moved.local_mm[chosen], warped.depth_mm[chosen]
    gone = np.zeros(len(chosen))
    filling = -1.0
    if wanted.crack:
        crack = crack_share(local, depth, field.top_after(local[:, :2]), ground, wanted.seed)
        gone = (1.0 - float(value("virtual_fracture.crack")["mineral_left"])) * crack
        filling = float(value("virtual_fracture.cleft_hu")["fluid"])
    if wanted.cleft_ml > 0.0:
        y = ground.back_mm + CLEFT_PLACE * (ground.front_mm - ground.back_mm)
        place = np.array([[ground.x_mid_mm, y, 0.0]])
        place[0, 2] = field.top_after(place[:, :2])[0]
        cleft = cleft_share(local, depth, place[0], ground, wanted.cleft_ml, voxel_ml)
        filling = float(value("virtual_fracture.cleft_hu")[wanted.cleft_filling])
        gone = np.where(cleft > 0.0, cleft, gone)
    return gone, filling
