"""How near cavities come to the walls of the body."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from endplate.balloon.body import WALLS, Bone, Mask, Wall
from endplate.sources import value


def wall_distances_mm(bone: Bone, cavity: Mask) -> dict[str, float]:
    """Least distance of a cavity's surface to each wall; that of walls it lies nowhere nearest to is left out.

    Negative: so far outside.
    """
    found: dict[str, float] = {}
    depth, wall = bone.depth_mm[cavity], bone.wall[cavity]
    for index, name in enumerate(WALLS):
        here = depth[wall == index]
        if here.size:
            found[name] = round(float(here.min()) - 0.5 * bone.step_mm, 6)
    return found


def shell_mm(bone: Bone) -> float:
    """Thickness of cortex and endplate on the grid: never thinner than a voxel, so that nothing slips through."""
    return max(float(value("balloon.shell_mm")), bone.step_mm)


def shell_of(bone: Bone) -> Mask:
    """Voxels of cortex and endplates."""
    found: Mask = bone.body & (bone.depth_mm < shell_mm(bone))
    return found


def touched_walls(bone: Bone, cavity: Mask) -> tuple[Wall, ...]:
    """Walls whose cortex or endplate a cavity has reached, the one it touches most first."""
    reached = ndimage.binary_dilation(cavity) & shell_of(bone)
    counts = np.bincount(bone.wall[reached], minlength=len(WALLS))
    order = np.argsort(-counts, kind="stable")
    return tuple(WALLS[index] for index in order if counts[index] > 0)
