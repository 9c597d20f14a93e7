"""A label map from one click a vertebra: bodies, arches, canal, and how far each level can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.errors import UsageError
from endplate.imaging.fingerprint import ct_fingerprint
from endplate.imaging.label_origin import Click, LabelOrigin, LevelOrigin
from endplate.imaging.levels import VERSE_IDS, order
from endplate.imaging.volume import LabelMap, ScanInfo, Volume
from endplate.labelling.arch import Arches, find_arches
from endplate.labelling.bodies import segment_bodies
from endplate.labelling.guards import find_guards
from endplate.labelling.model import LabelledBody, Seed
from endplate.labelling.parting import body_voxels
from endplate.labelling.quality import LevelQuality, judge
from endplate.sources import Finding, value

BODY, ARCH, CANAL = 49, 41, 61
"""TPTBox subregion ids."""

COUNTED_HOW = "Levels are named as the user named them, one point a vertebra; nothing was counted."


@dataclass(frozen=True, eq=False)
class Labelling:
    """Labels made from clicks.

    Parameters
    ----------
    labels:
        VerSe ids on the CT's grid, with how they were made in ``labels.origin``.
    subregions:
        uint8 on the same grid: TPTBox ids 49 body, 41 arch, 61 canal.
    levels:
        One judgement a level, from the head down.
    """

    labels: LabelMap
    subregions: Volume
    levels: tuple[LevelQuality, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that the user must know, from the head down."""
        return tuple(found for level in self.levels for found in level.findings)

    def level(self, name: str) -> LevelQuality:
        """The judgement of one level.

        Raises
        ------
        KeyError
            The level has no label.
        """
        for one in self.levels:
            if one.level == name:
                return one
        raise KeyError(name)


def label_from_points(
    image: Volume, seeds: Sequence[Seed], *, progress: Callable[[str, float], None] | None = None
) -> Labelling:
    """Label vertebrae from one point in each body.

    Parameters
    ----------
    image:
        The CT in HU.
    seeds:
        One point in each vertebral body, RAS mm, any order; the names are the user's word.
    progress:
        Called with what is being done and the fraction done.

    Raises
    ------
    UsageError
        ``seeds-none``, ``seed-level-twice``.
    """
    if not seeds:
        raise UsageError("seeds-none", "No point was given.", do="Give one point in each vertebral body.")
    named = [seed.level for seed in seeds]
    twice = sorted({level for level in named if named.count(level) > 1}, key=order)
    if twice:
        raise UsageError(
            "seed-level-twice",
            f"Two points are named {twice[0]}.",
            do="Give each vertebra one point and one name.",
        )
    tell = progress or (lambda _what, _fraction: None)
    bodies = segment_bodies(image, seeds, progress=lambda level, part: tell(f"body of {level}", 0.6 * part))
    tell("arches and canal", 0.6)
    labelling = labels_of(image, bodies, find_guards(image, bodies))
    tell("labels ready", 1.0)
    return labelling


def labels_of(
    image: Volume, bodies: Sequence[LabelledBody], guards: Sequence[LabelledBody] = ()
) -> Labelling:
    """Arches, canal and the label map for bodies that are already known; nothing of ``guards`` is labelled."""
    rows = sorted(bodies, key=lambda body: order(body.level))
    arches = find_arches(image, rows, guards)
    ids, subregions = _painted(image, rows, arches)
    cut = _cut(ids)
    levels = []
    for body in rows:
        number = VERSE_IDS[body.level]
        judged = judge(body, arches, image.spacing_mm, cut=cut[number], metal=_metal_near(image, ids, number))
        levels.append(judged)
        if not judged.has_arch:
            gone = (ids == number) & (subregions == ARCH)
            ids[gone] = 0
            subregions[gone] = 0
    origin = LabelOrigin(
        made_by="clicks",
        ct_fingerprint=ct_fingerprint(image),
        clicks=tuple(Click(level=body.level, ras_mm=_point(body.seed)) for body in rows),
        levels=tuple(
            LevelOrigin(
                level=one.level,
                quality=round(one.quality, 3),
                label_error_mm=one.label_error_mm,
                assumed=one.assumed,
            )
            for one in levels
        ),
    )
    scan = ScanInfo(source_format="clicks")
    found = tuple(item for one in levels for item in one.findings)
    return Labelling(
        LabelMap(
            Volume(ids, image.affine, scan, found),
            "verse",
            not any(one.has_arch for one in levels),
            COUNTED_HOW,
            origin,
        ),
        Volume(subregions, image.affine, scan),
        tuple(levels),
    )


def _point(seed: Seed) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in seed.ras_mm)
    return x, y, z


def _painted(
    image: Volume, bodies: Sequence[LabelledBody], arches: Arches
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """VerSe ids and subregions: bodies over arches over the canal, parted at the posterior wall."""
    ids = np.zeros(image.shape, dtype=np.uint8)
    subregions = np.zeros(image.shape, dtype=np.uint8)
    ids[arches.box] = arches.labels
    known = {body.level: body for body in bodies}
    subregions[arches.box] = np.where(arches.labels > 0, ARCH, np.where(arches.canal, CANAL, 0))
    for body in bodies:
        box = body.box
        ids[box] = np.where(body.mask, np.uint8(VERSE_IDS[body.level]), ids[box])
        subregions[box] = np.where(body.mask, np.uint8(BODY), subregions[box])
    for row, canal in enumerate(arches.canals):
        own = known.get(arches.found[row].level)
        if own is None or canal is None:
            continue
        voxels, within = body_voxels(ids, VERSE_IDS[own.level], image.affine, own, canal)
        subregions[tuple(voxels.T)] = np.where(within, BODY, ARCH)
    return ids, subregions


def _cut(ids: NDArray[np.uint8]) -> dict[int, bool]:
    """Which labels reach the border of the volume."""
    border = np.zeros(256, dtype=bool)
    for axis in range(3):
        for end in (0, -1):
            border[np.unique(np.take(ids, end, axis=axis))] = True
    return {number: bool(border[number]) for number in range(1, 256)}


def _metal_near(image: Volume, ids: NDArray[np.uint8], number: int) -> bool:
    """Whether metal lies in or close to one label."""
    box = ndimage.find_objects(ids, max_label=number)[number - 1]
    if box is None:
        return False
    pad = np.ceil(float(value("labelling.metal_near_mm")) / image.spacing_mm).astype(int)
    wide = tuple(
        slice(max(s.start - p, 0), min(s.stop + p, n)) for s, p, n in zip(box, pad, ids.shape, strict=True)
    )
    volume = abs(float(np.linalg.det(image.affine[:3, :3])))
    bright = int(np.count_nonzero(image.data[wide] > float(value("labelling.metal_hu"))))
    return bright * volume >= float(value("labelling.metal_least_mm3"))
