"""Level names against what can be seen: ribs, sacrum, and how large the vertebrae are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from endplate.anatomy.transitional import count_levels
from endplate.imaging.label_stats import measure_labels
from endplate.imaging.levels import LEVEL_OF_ID, order
from endplate.imaging.organ_map import OrganMap
from endplate.imaging.volume import LabelMap, Volume
from endplate.sources import Finding, finding, value

ODD_SHAPES = frozenset({"C1", "C2", "S1"})
"""Levels of which no size is expected."""

BODY_ALONE = "labelling-no-canal"
"""Finding of a level whose label has no arch."""


def with_counting(labels: LabelMap, image: Volume | None, organs: OrganMap | None = None) -> LabelMap:
    """Return the labels with what ribs and sacrum say of their names; nothing is renamed.

    Parameters
    ----------
    labels:
        VerSe ids.
    image:
        The CT on the same grid, in which ribs are seen.
    organs:
        Organs on the same grid.
    """
    counting = count_levels(labels, image, organs)
    return replace(
        labels,
        volume=labels.volume.with_findings(*counting.findings),
        counted_how=f"{labels.counted_how} {counting.counted_how}".strip(),
    )


def check_sizes(labels: LabelMap, doubted: Collection[str] = ()) -> tuple[Finding, ...]:
    """Return the levels whose volume does not fit their name at this patient's size.

    The patient's size is that of the other levels, within limits: names that are all wrong make a giant or a dwarf. A
    level that the volume cuts can be too large only. Maps of bodies without arches are passed over.

    Parameters
    ----------
    labels:
        VerSe ids.
    doubted:
        Levels whose size was remarked on already.
    """
    if labels.body_only:
        return ()
    bare = {each.level for each in labels.volume.findings if each.code == BODY_ALONE}
    stats = {
        LEVEL_OF_ID[n]: stat
        for n, stat in measure_labels(labels.data, labels.volume.affine).items()
        if n in LEVEL_OF_ID and LEVEL_OF_ID[n] not in ODD_SHAPES
    }
    ratios = {level: stat.volume_ml / _usual_ml(level) for level, stat in stats.items()}
    limit = float(value("labelling.name_volume_ratio"))
    found = []
    for level in sorted(set(stats) - set(doubted), key=order):
        others = [
            ratio
            for other, ratio in ratios.items()
            if other != level and not stats[other].cut and other not in bare
        ]
        scale = float(np.clip(np.median(others or [1.0]), *value("labelling.name_scale_limits")))
        ratio = ratios[level] / scale
        small = ratio < 1.0 / limit and not stats[level].cut and level not in bare
        if ratio > limit or small:
            words = {"name": level, "ml": stats[level].volume_ml, "usual": _usual_ml(level) * scale}
            found.append(finding("labels-size-not-of-name", level=level, **words))
    return tuple(found)


def _usual_ml(level: str) -> float:
    return float(value("labels.whole_volume_ml")["C" if level[0] == "C" else level])
