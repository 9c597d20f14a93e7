"""What the user must know of a vertebra as a medium."""

from __future__ import annotations

from typing import TYPE_CHECKING

from endplate.sources import Finding, finding, value
from endplate.units import MM3_PER_ML

if TYPE_CHECKING:
    from endplate.cement.bone_model import BoneModel


def medium_findings(bone: BoneModel) -> tuple[Finding, ...]:
    """Tell of vents, lost shell, clefts, implants and what was assumed."""
    grid, medium, level = bone.grid, bone.medium, bone.level
    found = []
    voxel_ml = grid.step_mm**3 / MM3_PER_ML
    if not (medium.exits > 0).any():
        found.append(finding("cement-no-vent", level=level))
    if not grid.vertebra.complete:
        found.append(finding("cement-bone-cut", level=level))
    area = float(bone.places.area_mm2[bone.lost.mask].sum())
    if area > 0.0:
        found.append(finding("cement-shell-open", level=level, area=area))
    elif grid.vertebra.fracture.flagged and bone.options.find_defects:
        found.append(finding("cement-no-gap-seen", level=level))
    if bone.cleft.any():
        found.append(finding("cement-cleft-open", level=level, ml=float(bone.cleft.sum()) * voxel_ml))
        if bone.options.cleft_cracks:
            found.append(finding("cement-cleft-cracks", level=level, mm=float(value("cleft.shell_mm"))))
    if bone.blocked.any():
        found.append(finding("cement-implants-closed", level=level, ml=float(bone.blocked.sum()) * voxel_ml))
    if bone.veins.any():
        found.append(finding("cement-veins-assumed", level=level))
    found.append(finding("cement-permeability-unsure", level=level))
    return tuple(found)
