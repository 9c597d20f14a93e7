"""A measured vertebra again as geometry, in exactly the frame of its document."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from endplate.anatomy.axes import Axes
from endplate.anatomy.mask import label_field
from endplate.anatomy.model import Frame, Vertebra
from endplate.anatomy.vertebra import LocalVertebra, vertebra_in_frame
from endplate.imaging.volume import LabelMap


def axes_of(frame: Frame) -> Axes:
    """The axes of a document's frame."""
    rotation = np.array([frame.right_ras, frame.anterior_ras, frame.superior_ras])
    return Axes(np.array(frame.origin_ras_mm), rotation)


def revisit(labels: LabelMap, vertebra: Vertebra) -> LocalVertebra | None:
    """Rebuild grid, canal, body and endplates of a measured level; ``None`` where it has no frame or label."""
    if vertebra.frame is None:
        return None
    boxes = ndimage.find_objects(labels.data)
    box = boxes[vertebra.label_id - 1] if vertebra.label_id <= len(boxes) else None
    if box is None:
        return None
    field = label_field(labels.data, labels.volume.affine, box, vertebra.label_id)
    borrowed = vertebra.canal.source == "borrowed" and vertebra.canal.centre_ras_mm is not None
    seed = np.array(vertebra.canal.centre_ras_mm) if borrowed else None
    return vertebra_in_frame(vertebra.level, field, axes_of(vertebra.frame), canal_seed_ras_mm=seed)
