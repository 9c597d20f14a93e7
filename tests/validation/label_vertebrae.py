"""Whole vertebrae from clicks, arch and all, against the label maps of real scans."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import nibabel
import numpy as np
from label_plan_study import dice
from label_study import SAMPLE_LEVELS, given_bodies
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.locate import locate_vertebrae
from endplate.imaging.labels import read_labels
from endplate.imaging.levels import VERSE_IDS
from endplate.imaging.read import read_image
from endplate.imaging.sample import fetch_sample
from endplate.labelling.model import Seed
from endplate.labelling.spine_labels import BODY, Labelling, label_from_points

PEDICLE_REACH_MM = 15.0
"""The region of the pedicles: bone of the arch this close to the body."""


@dataclass(frozen=True)
class WholeRow:
    """Dice of one vertebra, of its bone between body and laminae, and of its body.

    ``body`` compares the two whole vertebrae where one rule parts body and arch in both; ``None`` where the true map
    parts them itself.
    """

    level: str
    whole: float
    pedicles: float
    quality: float
    body: float | None = None


def _compared(
    found: Labelling, level: str, true: NDArray[np.bool_], spacing_mm: NDArray[np.float64]
) -> WholeRow:
    ours = found.labels.data == VERSE_IDS[level]
    body = ours & (found.subregions.data == BODY)
    near = ndimage.distance_transform_edt(~body, sampling=spacing_mm) <= PEDICLE_REACH_MM
    region = near & ~body
    return WholeRow(level, dice(ours, true), dice(ours & region, true & region), found.level(level).quality)


def real_vertebra(folder: Path) -> WholeRow:
    """The TPTBox L3 from one click at its body's centre."""
    image = read_image(folder / "tptbox_L3_ct.nii.gz")
    parts = np.asarray(nibabel.load(folder / "tptbox_L3_subreg_labels.nii.gz").dataobj)
    levels = np.asarray(nibabel.load(folder / "tptbox_L3_vert_labels.nii.gz").dataobj)
    true = levels == VERSE_IDS["L3"]
    middle = image.to_world(np.argwhere(np.isin(parts, (49, 50)) & true).mean(axis=0))
    return _compared(label_from_points(image, [Seed("L3", middle)]), "L3", true, image.spacing_mm)


def sample_vertebrae() -> list[WholeRow]:
    """The sample CT from clicks at the centres of T10–L2."""
    files = fetch_sample()
    image, labels = read_image(files.ct), read_labels(files.labels)
    places = {item.vertebra.level: item.vertebra.axes.origin_ras_mm for item in locate_vertebrae(labels)}
    found = label_from_points(image, [Seed(level, places[level]) for level in SAMPLE_LEVELS])
    ours, theirs = given_bodies(found.labels), given_bodies(labels)
    return [
        replace(
            _compared(found, level, labels.data == VERSE_IDS[level], image.spacing_mm),
            body=dice(ours[level], theirs[level]),
        )
        for level in SAMPLE_LEVELS
    ]
