"""The body of a real osteoporotic L3 from one click."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from endplate.imaging.read import read_image
from endplate.labelling.bodies import segment_bodies
from endplate.labelling.model import Seed


@pytest.mark.real_data
def test_a_real_body_from_one_click(data_dir: Path) -> None:
    image = read_image(data_dir / "tptbox_L3_ct.nii.gz")
    parts = np.asarray(nibabel.load(data_dir / "tptbox_L3_subreg_labels.nii.gz").dataobj)
    levels = np.asarray(nibabel.load(data_dir / "tptbox_L3_vert_labels.nii.gz").dataobj)
    true = np.isin(parts, (49, 50)) & (levels == 22)
    middle = image.to_world(np.argwhere(true).mean(axis=0))
    for off, least in (((0.0, 0.0, 0.0), 0.95), ((1.0, -1.0, 1.4), 0.94), ((-2.0, 1.0, -2.0), 0.92)):
        (body,) = segment_bodies(image, [Seed("L3", middle + np.array(off))])
        mask = np.zeros_like(true)
        mask[body.box] = body.mask
        assert 2.0 * (mask & true).sum() / (mask.sum() + true.sum()) >= least
