"""The warmth of curing cement at what must not be burnt: canal, endplates, posterior wall, bone at the cement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endplate.cement.bone_model import BoneModel
from endplate.cement.heat import Heat, HeatOptions, Warmed, bone_interface, tissue_of, warm
from endplate.cement.model import Fill
from endplate.cement.rheology import CementLaw
from endplate.outcome.model import HeatOutcome, HeatRegion

Mask = NDArray[np.bool_]

WALL_MM = 3.0
"""Shell of the body this near to its hindmost or foremost part counts as posterior wall or anterior cortex."""


@dataclass(frozen=True, eq=False)
class Warmth:
    """For the document, and the fields behind it on the grid of the bone."""

    outcome: HeatOutcome
    fields: Heat


def warmth(bone: BoneModel, fill: Fill, law: CementLaw, options: HeatOptions | None = None) -> Warmth | None:
    """Let the cement of a level cure and follow its heat; ``None`` without cement.

    Parameters
    ----------
    bone, fill:
        The bone and the cement in it at the end of the injection.
    law:
        Of the cement.
    options:
        How long and how; the usual 20 minutes if not given.
    """
    fraction = np.clip(fill.saturation * bone.medium.porosity, 0.0, 1.0)
    if not fraction.any():
        return None
    chosen = options or HeatOptions()
    tissue = tissue_of(bone.grid.bone & ~bone.cortex, bone.cortex)
    fields = warm(
        bone.medium.affine,
        fraction,
        fill.age_s,
        law.cure,
        tissue,
        masks=regions(bone, fraction),
        options=chosen,
    )
    return Warmth(heat_outcome(fields, chosen.minutes), fields)


def regions(bone: BoneModel, fraction: NDArray[np.float64]) -> dict[str, Mask]:
    """Masks of the structures that are watched, by name."""
    places = bone.places
    shell = places.surface & bone.body & ~places.endplate_superior & ~places.endplate_inferior
    return {
        "interface": bone_interface(fraction, bone.grid.bone),
        "canal": bone.canal,
        "posterior_wall": shell & (bone.forward_mm <= WALL_MM),
        "anterior_cortex": shell & (bone.forward_mm >= bone.grid.body_depth_mm - WALL_MM),
        "endplate_superior": places.endplate_superior,
        "endplate_inferior": places.endplate_inferior,
        "foramina": places.foramina,
        "disc_superior": places.disc_superior,
        "disc_inferior": places.disc_inferior,
    }


def heat_outcome(fields: Heat, minutes: float) -> HeatOutcome:
    """The document of a run of heat; regions without a voxel are left out."""
    return HeatOutcome(
        minutes=minutes,
        thresholds_c=fields.thresholds_c,
        regions=tuple(_region(one) for one in fields.regions if one.voxels > 0),
    )


def _region(one: Warmed) -> HeatRegion:
    return HeatRegion(
        name=one.name,
        peak_c=one.peak_c,
        mean_peak_c=one.mean_peak_c,
        cem43_min=one.cem43_min,
        above_s=one.above_s,
        voxels=one.voxels,
    )
