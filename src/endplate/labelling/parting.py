"""Where the body ends and the pedicles begin: at the posterior wall that is seen from the canal, carried on sideways.

It is the anatomy's own rule, so that a map made from clicks is measured as it was parted; only the canal need not be
found again. The vertebra's outline does not change, only the subregion.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.body import split_body
from endplate.anatomy.mask import label_field, resample
from endplate.anatomy.vertebra import grid_step_mm
from endplate.imaging.geometry import apply_affine
from endplate.labelling.canal_tube import LevelCanal
from endplate.labelling.model import LabelledBody
from endplate.sources import value


def body_voxels(
    ids: NDArray[np.uint8], number: int, affine: FloatArray, body: LabelledBody, canal: LevelCanal
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Divide one vertebra into body and arch.

    Parameters
    ----------
    ids:
        VerSe ids, shape (I, J, K).
    number:
        The vertebra's.
    affine:
        The map's, RAS mm.
    body:
        Its body as it was grown: what it holds in front of the wall is body, and the pedicles' roots there are too.
    canal:
        Its canal.

    Returns
    -------
    The vertebra's voxels, shape (N, 3), and which of them are its body.
    """
    box = ndimage.find_objects(ids, max_label=number)[number - 1]
    field = label_field(ids, affine, box, number)
    grid = resample(field, canal.axes, grid_step_mm(field))
    split = split_body(grid, canal.tube)
    voxels = np.argwhere(ids[box] == number) + [part.start for part in box]
    points = apply_affine(affine, voxels)
    local = canal.axes.to_local(points)
    i, _, k = np.clip(
        np.rint((local - grid.low_mm) / grid.step_mm).astype(int), 0, np.array(grid.values.shape) - 1
    ).T
    grown = np.zeros(ids.shape, dtype=bool)
    grown[body.box] = body.mask
    # Only roots are added: L5's thick transverse processes lie beside the body, ribs before it.
    across, along, _ = body.surface.drum.from_mm(body.axes.to_local(points)).T
    root = (np.abs(across) <= float(value("labelling.root_width_share"))) & (along < 0.0)
    within = (grown[tuple(voxels.T)] | root) & (local[:, 1] >= split.wall_y_mm[i, k])
    return voxels, within
