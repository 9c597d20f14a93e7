"""Reading label maps: any scheme in, VerSe ids on the grid of the CT out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from endplate.errors import InputError
from endplate.imaging.arches import shows_canal
from endplate.imaging.label_findings import label_findings
from endplate.imaging.label_lost import origin_or_worst
from endplate.imaging.label_names import level_in_name
from endplate.imaging.label_paint import LabelSource, level_id
from endplate.imaging.label_source import not_named, open_labels
from endplate.imaging.label_stats import LabelStat, measure_labels
from endplate.imaging.label_values import whole_numbers
from endplate.imaging.levels import LEVEL_OF_ID
from endplate.imaging.scheme_detection import Reading, detect, out_of_order, read_in
from endplate.imaging.schemes import SCHEMES, Scheme, scheme_named
from endplate.imaging.spine_chain import Chain
from endplate.imaging.volume import LabelMap, Volume
from endplate.sources import Finding, finding

GIVEN = "scheme given by the user"
NAMED = "levels named in the file"
RECOGNISED = "scheme recognised from the numbers and their order"


def read_labels(path: Path, *, scheme: str = "auto", image: Volume | None = None) -> LabelMap:
    """Read vertebra labels of any known scheme.

    Parameters
    ----------
    path:
        A label map in one file (NIfTI, NRRD, MetaImage), a segmentation of Slicer (``.seg.nrrd``) or DICOM (SEG: a
        file, or a folder with one), or a folder of masks (``vertebrae_L1.nii.gz``, ``L1.nrrd``, ...).
    scheme:
        Name in ``schemes.SCHEMES``, or ``"auto"``: names in the file, else numbers, order and sizes.
    image:
        The CT: the labels are brought onto its voxels, without resampling.

    Returns
    -------
    LabelMap
        VerSe ids (uint8); all that is no vertebra or sacrum is left out. Findings are in ``volume.findings``.

    Raises
    ------
    InputError
        ``label-grid-differs``, ``labels-empty``, ``labels-not-integers``, ``labels-are-an-image``,
        ``labels-no-levels``, and those of ``scheme_detection.detect`` and of reading the form.
    UsageError
        ``label-scheme-name-unknown``.
    """
    wanted = None if scheme == "auto" else scheme_named(scheme)
    source = open_labels(path, level_id, image)
    if source.painted:
        wanted = None
        if not source.names:
            raise not_named(source, "vertebra")
    volume = source.volume
    ids = whole_numbers(volume.data)
    stats = measure_labels(ids, volume.affine)
    if not stats:
        raise InputError(
            "labels-empty",
            "The label map is empty: every voxel is background.",
            do="Give the label map that names the vertebrae of this CT.",
        )
    reading, how, notes = recognise(stats, wanted, source, ids)
    highest = max(stats)
    canonical = reading.scheme.canonical_ids(highest)[ids]
    has_canal = shows_canal(ids, volume.affine, reading.chain.levels)
    body_only = reading.scheme.body_only if has_canal is None else not has_canal
    origin, lost = origin_or_worst(path, reading.chain.levels)
    notes = (*notes, *lost, *_overlaps(source), *label_findings(reading, body_only=body_only))
    return LabelMap(
        volume=replace(volume, data=canonical, findings=(*volume.findings, *notes)),
        scheme="ts_pp"
        if body_only and reading.scheme.name == "verse" and how != GIVEN
        else reading.scheme.name,
        body_only=body_only,
        counted_how=_counted_how(reading, how),
        origin=origin,
    )


def recognise(
    stats: Mapping[int, LabelStat],
    wanted: Scheme | None,
    source: LabelSource,
    ids: NDArray[np.unsignedinteger],
) -> tuple[Reading, str, tuple[Finding, ...]]:
    """Return the reading of a map, how it was found and what is to be told of that.

    Parameters
    ----------
    stats:
        Measurements by id.
    wanted:
        The scheme that the user gave.
    source:
        The labels as opened: their names, and whether they were painted by name.
    ids:
        Their voxels in whole numbers.

    Raises
    ------
    InputError
        ``labels-no-levels``, ``labels-out-of-order``, and those of ``scheme_detection.detect``.
    """
    if wanted is not None:
        reading = read_in(wanted, stats)
        if not reading.level_ids:
            raise InputError(
                "labels-no-levels",
                f"Read as {wanted.title}, the label map names no vertebra.",
                do="Leave out --scheme, or give the right one.",
            )
        if not reading.sound:
            raise out_of_order(reading)
        return reading, GIVEN, ()
    named = _named_scheme(stats, source.names)
    if named is not None:
        reading = read_in(named, stats)
        if reading.sound:
            return reading, NAMED, ()
        if source.painted:  # the ids are the names: there are no numbers to read in another way
            raise out_of_order(reading)

    def has_canal(chain: Chain) -> bool | None:
        return shows_canal(ids, source.volume.affine, chain.levels)

    reading = detect(stats, has_canal)
    stale = any(level_in_name(name) for name in source.names.values())
    notes = (finding("labels-names-stale", scheme=reading.scheme.title),) if stale else ()
    return reading, RECOGNISED, notes


def _named_scheme(stats: Mapping[int, LabelStat], names: Mapping[int, str]) -> Scheme | None:
    """Return the scheme that the names in the file state, a known one where they agree with it."""
    level_of_id = {i: level for i in stats if (level := level_in_name(names.get(i, "")))}
    if not level_of_id:
        return None
    for known in SCHEMES.values():
        if all(known.level_of_id.get(i) == level for i, level in level_of_id.items()):
            return known
    others = frozenset(i for i in stats if i in names) - frozenset(level_of_id)
    return Scheme("named", "names in the file,", level_of_id, "endplate", others=others)


def _overlaps(source: LabelSource) -> tuple[Finding, ...]:
    """Tell of voxels that two masks or segments claim, and of segments whose label and code disagree."""
    found = []
    for (kept, other), voxels in sorted(source.overlaps.items()):
        level = LEVEL_OF_ID[kept]
        words = {"kept": level, "other": LEVEL_OF_ID[other], "voxels": voxels}
        found.append(finding("labels-overlap", level=level, **words))
    found += [
        finding("labels-code-differs", level=LEVEL_OF_ID[number], name=LEVEL_OF_ID[number])
        for number in source.conflicts
    ]
    return tuple(found)


def _counted_how(reading: Reading, how: str) -> str:
    """One sentence for the report: where the level names come from."""
    levels = list(reading.chain.levels)
    ids = [reading.chain.levels[level].number for level in (levels[0], levels[-1])]
    ends = [dict.fromkeys(map(str, pair)) for pair in (ids, (levels[0], levels[-1]))]
    if reading.rivals:
        how = "scheme told from others by the sizes of the vertebrae"
    return (
        f"Level names come from the label map ({reading.scheme.title} ids {'–'.join(ends[0])}: "
        f"{'–'.join(ends[1])}; {how}): the map's word."
    )
