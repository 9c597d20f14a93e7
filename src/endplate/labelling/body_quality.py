"""How good a body's surface is: what the image shows at it, apart for shell, edges, size and place of the seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from endplate.anatomy.axes import FloatArray
from endplate.imaging.volume import Volume
from endplate.labelling.drum import BodySurface, lattice
from endplate.labelling.edge_fit import surface_normals
from endplate.labelling.local_field import LocalField
from endplate.labelling.pedicle_roots import root_nodes
from endplate.labelling.seeds import LevelSize
from endplate.labelling.surface_search import Found
from endplate.sources import value

ACROSS_MM = np.arange(-3.5, 4.6, 0.5)
"""Where profiles across the surface are read, outward."""


@dataclass(frozen=True)
class BodySigns:
    """What speaks for a surface being that of a vertebral body.

    Parameters
    ----------
    side_shell, plate_shell:
        Share of the side wall (without the pedicles' roots) and of the endplates where a bright shell is met and HU
        falls outside of it.
    height_ratio, width_ratio:
        Mean height and width against the level's usual ones at the patient's scale.
    outside_share:
        Share of the surface that lies beyond the scan.
    seed_inside:
        The seed lies within the surface.
    """

    side_shell: float
    plate_shell: float
    height_ratio: float
    width_ratio: float
    outside_share: float
    seed_inside: bool


def read_signs(
    found: Found, field: LocalField, image: Volume, seed_ras_mm: FloatArray, size: LevelSize, scale: float
) -> BodySigns:
    """Read the signs at a surface."""
    surface = found.surface
    nodes = lattice(surface.cells)
    local = surface.local_mm
    normals = surface_normals(surface, local)
    profile = field.raw(surface.axes, local[:, None, :] + normals[:, None, :] * ACROSS_MM[:, None])
    near = np.abs(ACROSS_MM) <= 1.6
    shell = profile[:, near].max(axis=1)
    outside = profile[:, ACROSS_MM >= 1.9].min(axis=1)
    least = float(value("labelling.shell_contrast_hu"))
    seen = (shell > found.inner_hu + least) & (shell > outside + least)
    plate = np.abs(nodes.directions[:, 2]) == 1.0
    side = ~plate & ~root_nodes(nodes)
    voxels = image.to_voxel(surface.vertices_ras_mm)
    beyond = ((voxels < -0.5) | (voxels > np.array(image.shape) - 0.5)).any(axis=1)
    drum = surface.drum
    return BodySigns(
        side_shell=float(seen[side].mean()),
        plate_shell=float(seen[plate].mean()),
        height_ratio=drum.height_mm / (size.height_mm * scale),
        width_ratio=_width(surface) / (size.width_mm * scale),
        outside_share=float(beyond.mean()),
        seed_inside=bool(surface.inside(np.asarray(seed_ras_mm)[None])[0]),
    )


def _width(surface: BodySurface) -> float:
    """Width between the side walls."""
    nodes = lattice(surface.cells)
    wall = np.abs(nodes.directions[:, 0]) == 1.0
    return 2.0 * float(np.median(np.abs(surface.local_mm[wall, 0])))
