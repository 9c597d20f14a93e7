"""How long labels from clicks take: five vertebrae of the sample CT, one click each, bodies, arches, canal and quality.

The click of each level is the middle of its body in the label map that comes with the scan. No open program labels a
spine from clicks, so there is no peer and no ratio. ``agreement`` is the mean Dice of whole vertebrae with that map.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.row import Options, Row, timed
from endplate.anatomy.locate import locate_vertebrae
from endplate.imaging.labels import read_labels
from endplate.imaging.levels import VERSE_IDS
from endplate.imaging.read import read_image
from endplate.imaging.sample import fetch_sample
from endplate.labelling.model import Seed
from endplate.labelling.spine_labels import Labelling, label_from_points

LEVELS = ("T10", "T11", "T12", "L1", "L2")


def cases(options: Options) -> Iterator[Row]:
    """One case; the seed changes nothing."""
    del options
    files = fetch_sample()
    image, given = read_image(files.ct), read_labels(files.labels)
    middles = {one.vertebra.level: one.vertebra.axes.origin_ras_mm for one in locate_vertebrae(given)}
    clicks = [Seed(level, middles[level]) for level in LEVELS]
    found: list[Labelling] = []
    jit_s, warm_s = timed(lambda: found.append(label_from_points(image, clicks)))
    overlaps = []
    for level in LEVELS:
        ours, theirs = (labels.data == VERSE_IDS[level] for labels in (found[-1].labels, given))
        overlaps.append(2.0 * np.count_nonzero(ours & theirs) / (ours.sum() + theirs.sum()))
    yield Row(
        benchmark="label",
        case="sample CT, T10-L2, one click each",
        ours_s=round(warm_s, 3),
        jit_s=round(jit_s, 3),
        agreement=round(float(np.mean(overlaps)), 3),
    )
