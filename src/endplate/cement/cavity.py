"""Balloons in the bone that cement is pressed into: their cavity, what of it they still hold, the bone round it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.cement.bone_grid import HALF
from endplate.cement.bone_model import BoneModel
from endplate.cement.medium import with_broken_shell
from endplate.cement.permeability import kozeny_carman_m2
from endplate.errors import UsageError
from endplate.imaging.geometry import FloatArray, apply_affine
from endplate.sources import value


@dataclass(frozen=True, eq=False)
class Opening:
    """What balloons did to a bone, on any grid along its axes; every array of one shape.

    Parameters
    ----------
    affine:
        4×4, voxel index → RAS mm.
    cavity:
        Share of each voxel that balloons have swept, 0–1.
    held:
        Of it, what balloons still fill: no cement can go there.
    solid_ratio:
        By what factor the solid of the rest of each voxel grew: 1 in bone that was not reached.
    breached:
        Of the cavity, what lies in the shell that a balloon broke: cement can leave there.
    """

    affine: FloatArray
    cavity: FloatArray
    held: FloatArray
    solid_ratio: FloatArray
    breached: FloatArray

    def onto(self, affine: FloatArray, shape: tuple[int, int, int]) -> Opening:
        """The same at the voxels of another grid, linear between its own; untouched bone beyond it."""
        ijk = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
        inverse = np.linalg.inv(self.affine)
        places = apply_affine(affine, ijk) @ inverse[:3, :3].T + inverse[:3, 3]
        # Rounded, so that points that fall on one another do so to the digit.
        at = np.round(places, 6).reshape(-1, 3).T

        def sampled(values: FloatArray, outside: float) -> FloatArray:
            found = ndimage.map_coordinates(values, at, order=1, mode="constant", cval=outside)
            return np.asarray(found.reshape(shape), dtype=np.float64)

        return Opening(
            affine=affine,
            cavity=sampled(self.cavity, 0.0),
            held=sampled(self.held, 0.0),
            solid_ratio=sampled(self.solid_ratio, 1.0),
            breached=sampled(self.breached, 0.0),
        )


def with_cavity(bone: BoneModel, opening: Opening) -> BoneModel:
    """The same bone with a cavity.

    Parameters
    ----------
    bone:
        Before.
    opening:
        What balloons did to it.

    Returns
    -------
    Porosity 1 and the greatest permeability in the open part of the cavity, nothing in the part that balloons hold. In
    bone that they pressed together the permeability falls with the porosity. A shell that they broke is open.

    Raises
    ------
    UsageError
        ``cavity-outside-bone``.
    """
    here = opening.onto(bone.medium.affine, bone.medium.shape)
    broken = here.breached >= HALF
    if broken.any():
        bone = with_broken_shell(bone, broken)
    medium = bone.medium
    open_ = medium.porosity > 0.0
    cavity = np.where(open_, np.clip(here.cavity, 0.0, 1.0), 0.0)
    if not (cavity > 0.0).any():
        raise UsageError(
            "cavity-outside-bone",
            "No part of the cavity lies in this bone.",
            do="Give its place in the bone.",
        )
    pressed = _pressed(medium.porosity, here.solid_ratio)
    denser = open_ & (pressed < medium.porosity)
    permeability = medium.permeability_m2.copy()
    permeability[:, denser] *= kozeny_carman_m2(pressed[denser]) / kozeny_carman_m2(medium.porosity[denser])
    held = np.minimum(np.clip(here.held, 0.0, 1.0), cavity)
    free = cavity - held
    made = replace(
        medium,
        porosity=(1.0 - cavity) * np.where(denser, pressed, medium.porosity) + free,
        permeability_m2=(1.0 - cavity) * permeability + free * float(value("porous.channel_cap_m2")),
    )
    return replace(bone, medium=made, cavity=free)


def share_in_cavity(porosity: FloatArray, cavity: FloatArray) -> FloatArray:
    """Share of each voxel's room for cement that is cavity, 0–1."""
    room = np.maximum(porosity, np.finfo(np.float64).tiny)
    found: NDArray[np.float64] = np.where(cavity > 0.0, np.clip(cavity / room, 0.0, 1.0), 0.0)
    return found


def _pressed(porosity: FloatArray, solid_ratio: FloatArray) -> FloatArray:
    """Porosity of bone whose solid grew by a factor; a voxel never closes quite."""
    least = float(value("porous.porosity_limits")[0])
    found: FloatArray = np.maximum(1.0 - (1.0 - porosity) * np.maximum(solid_ratio, 1.0), least)
    return found
