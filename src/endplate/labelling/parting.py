"""Where the body ends and the pedicles begin: at the posterior wall, carried on sideways.

The body's surface bridges the roots of the pedicles. What lies there in front of the wall belongs to the body, as
readers, networks and the anatomy's own rule part them; only the subregion changes, not the vertebra.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.axes import FloatArray
from endplate.imaging.geometry import apply_affine
from endplate.labelling.drum import lattice
from endplate.labelling.model import LabelledBody
from endplate.sources import value


def in_front_of_wall(body: LabelledBody, ras_mm: FloatArray) -> NDArray[np.bool_]:
    """Say which points, shape (N, 3) RAS mm, lie beside the body's outline and in front of its posterior wall.

    Between the pedicles the wall is the surface's own; lateral of them it goes on as it ends there.
    """
    surface = body.surface
    nodes = lattice(surface.cells)
    local = surface.axes.to_local(ras_mm)
    across, along, up = surface.drum.from_mm(local).T
    seen = float(value("labelling.wall_seen_share"))
    wall_mm = surface.local_mm[:, 1][nodes.node_of[:, 0, :]]
    half = 0.5 * nodes.count
    at = np.stack([(np.clip(across, -seen, seen) + 1.0) * half, (np.clip(up, -1.0, 1.0) + 1.0) * half])
    wall = ndimage.map_coordinates(wall_mm, at, order=1, mode="nearest")
    beside = np.abs(across) <= float(value("labelling.root_width_share"))
    found: NDArray[np.bool_] = beside & (along < 0.0) & (local[:, 1] >= wall) & (np.abs(up) <= 1.0)
    return found


def roots_of(body: LabelledBody, arch: NDArray[np.bool_], affine: FloatArray) -> NDArray[np.intp]:
    """Voxels of an arch, shape (N, 3), that belong to the body: the pedicles' roots in front of the wall."""
    index = np.argwhere(arch)
    return index[in_front_of_wall(body, apply_affine(affine, index))]
