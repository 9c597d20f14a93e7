"""A balloon's cavity in the bone: open room, and round it the bone that it pressed together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from endplate.cement.bone_grid import HALF
from endplate.cement.medium import BoneModel
from endplate.cement.permeability import kozeny_carman_m2
from endplate.errors import UsageError
from endplate.imaging.geometry import FloatArray
from endplate.sources import value


def with_cavity(bone: BoneModel, share: FloatArray) -> BoneModel:
    """The same bone with a cavity.

    Parameters
    ----------
    bone:
        Before.
    share:
        Share of each voxel of the medium's grid that is cavity, 0–1, shape (I, J, K).

    Returns
    -------
    Porosity 1 and the greatest permeability in the cavity. The bone that was there lies, pressed together, in a shell
    of ``cavity.shell_mm`` round it, so that bone is neither lost nor made; its permeability falls with its porosity.

    Raises
    ------
    UsageError
        ``cavity-other-grid``, ``cavity-outside-bone``.
    """
    medium = bone.medium
    if share.shape != medium.shape:
        raise UsageError(
            "cavity-other-grid",
            "The cavity does not lie on the grid of the bone.",
            do="Give its share of each voxel of the medium's grid.",
        )
    open_ = medium.porosity > 0.0
    cavity = np.where(open_, np.clip(share, 0.0, 1.0), 0.0)
    if not (cavity > 0.0).any():
        raise UsageError(
            "cavity-outside-bone",
            "No part of the cavity lies in this bone.",
            do="Give its place in the bone.",
        )
    core = cavity >= HALF if (cavity >= HALF).any() else cavity > 0.0
    away = ndimage.distance_transform_edt(~core) * bone.grid.step_mm
    shell = open_ & (cavity == 0.0) & (away <= float(value("cavity.shell_mm"))) & (medium.exits == 0)
    solid = 1.0 - medium.porosity
    moved = float((cavity * solid)[open_].sum())
    held = float(solid[shell].sum())
    porosity = medium.porosity.copy()
    permeability = medium.permeability_m2.copy()
    if held > 0.0:
        least = float(value("porous.porosity_limits")[0])
        porosity[shell] = np.clip(1.0 - solid[shell] * (1.0 + moved / held), least, None)
        before = kozeny_carman_m2(medium.porosity[shell])
        permeability[:, shell] *= kozeny_carman_m2(porosity[shell]) / before
    porosity = (1.0 - cavity) * porosity + cavity
    permeability = (1.0 - cavity) * permeability + cavity * float(value("porous.channel_cap_m2"))
    made = replace(medium, porosity=porosity, permeability_m2=permeability)
    return replace(bone, medium=made, cavity=np.maximum(bone.cavity, cavity))
