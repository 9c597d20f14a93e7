"""Reading label maps: any scheme in, VerSe ids on the grid of the CT out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from endplate.errors import InputError
from endplate.imaging.arches import shows_canal
from endplate.imaging.geometry import FloatArray
from endplate.imaging.label_findings import label_findings
from endplate.imaging.label_grid import onto_grid
from endplate.imaging.label_names import level_in_name, mask_files, names_in_file
from endplate.imaging.label_stats import LabelStat, measure_labels
from endplate.imaging.levels import VERSE_IDS, order
from endplate.imaging.read import read_grid
from endplate.imaging.scheme_detection import Reading, detect, out_of_order, read_in
from endplate.imaging.schemes import SCHEMES, Scheme, scheme_named
from endplate.imaging.spine_chain import Chain
from endplate.imaging.volume import LabelMap, Volume
from endplate.sources import Finding, finding

WHOLE_NUMBER_TOLERANCE = 1e-3
"""Labels stored as floating-point numbers may miss whole numbers by this (scaled files do)."""

HIGHEST_ID = 65535
"""No scheme has greater numbers; an image has."""


def read_labels(path: Path, *, scheme: str = "auto", image: Volume | None = None) -> LabelMap:
    """Read vertebra labels of any known scheme.

    Parameters
    ----------
    path:
        A label map in one file, or a folder of TotalSegmentator masks (``vertebrae_L1.nii.gz``, ...).
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
        ``labels-no-levels``, and those of ``scheme_detection.detect`` and of reading the file.
    UsageError
        ``label-scheme-name-unknown``.
    """
    wanted = None if scheme == "auto" else scheme_named(scheme)
    if path.is_dir():
        volume, names = _merged_masks(path)
        wanted = None
    else:
        volume, names = read_grid(path, nearest=True), names_in_file(path)
    if image is not None:
        known = {found.code for found in image.findings}
        volume = replace(volume, findings=tuple(f for f in volume.findings if f.code not in known))
        volume = onto_grid(volume, image)
    ids = _whole_numbers(volume.data)
    stats = measure_labels(ids, volume.affine)
    if not stats:
        raise InputError(
            "labels-empty",
            "The label map is empty: every voxel is background.",
            do="Give the label map that names the vertebrae of this CT.",
        )
    reading, how, notes = _read(stats, wanted, names, ids, volume.affine)
    highest = max(stats)
    canonical = reading.scheme.canonical_ids(highest)[ids]
    has_canal = shows_canal(ids, volume.affine, reading.chain.levels)
    body_only = reading.scheme.body_only if has_canal is None else not has_canal
    notes = (*notes, *label_findings(reading, body_only=body_only))
    return LabelMap(
        volume=replace(volume, data=canonical, findings=(*volume.findings, *notes)),
        scheme="ts_pp"
        if body_only and reading.scheme.name == "verse" and how != GIVEN
        else reading.scheme.name,
        body_only=body_only,
        counted_how=_counted_how(reading, how),
    )


GIVEN = "scheme given by the user"
NAMED = "levels named in the file"
RECOGNISED = "scheme recognised from the numbers and their order"


def _read(
    stats: dict[int, LabelStat],
    wanted: Scheme | None,
    names: dict[int, str],
    ids: NDArray[np.unsignedinteger],
    affine: FloatArray,
) -> tuple[Reading, str, tuple[Finding, ...]]:
    """Return the reading, how it was found and what is to be told of that."""
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
    named = _named_scheme(stats, names)
    if named is not None:
        reading = read_in(named, stats)
        if reading.sound:
            return reading, NAMED, ()

    def has_canal(chain: Chain) -> bool | None:
        return shows_canal(ids, affine, chain.levels)

    reading = detect(stats, has_canal)
    stale = any(level_in_name(name) for name in names.values())
    notes = (finding("labels-names-stale", scheme=reading.scheme.title),) if stale else ()
    return reading, RECOGNISED, notes


def _named_scheme(stats: dict[int, LabelStat], names: dict[int, str]) -> Scheme | None:
    """Return the scheme that the names in the file state, a known one where they agree with it."""
    level_of_id = {i: level for i in stats if (level := level_in_name(names.get(i, "")))}
    if not level_of_id:
        return None
    for known in SCHEMES.values():
        if all(known.level_of_id.get(i) == level for i, level in level_of_id.items()):
            return known
    others = frozenset(i for i in stats if i in names) - frozenset(level_of_id)
    return Scheme("named", "names in the file,", level_of_id, "endplate", others=others)


def _whole_numbers(data: NDArray[Any]) -> NDArray[np.unsignedinteger]:
    """Return the labels as the smallest unsigned integers that hold them.

    Raises
    ------
    InputError
        ``labels-not-integers`` (probabilities, interpolated labels), ``labels-are-an-image``.
    """
    low, high = float(data.min()), float(data.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise _not_integers("NaN or infinite values")
    if low < 0 or high > HIGHEST_ID:
        raise InputError(
            "labels-are-an-image",
            f"The label file holds values from {low:.0f} to {high:.0f}: it is an image, not a label map.",
            do="Give the CT first and the label map with --labels.",
        )
    smallest = np.uint8 if high < 256 else np.uint16
    if data.dtype.kind != "f":
        return data.astype(smallest, copy=False)
    whole = np.empty(data.shape, dtype=smallest, order="F" if data.flags.f_contiguous else "C")
    for k in range(
        data.shape[2]
    ):  # slice by slice: a whole copy in floating point would be eight times larger
        rounded = np.rint(data[:, :, k])
        if np.abs(data[:, :, k] - rounded).max() > WHOLE_NUMBER_TOLERANCE:
            raise _not_integers("fractions")
        whole[:, :, k] = rounded
    return whole


def _not_integers(what: str) -> InputError:
    return InputError(
        "labels-not-integers",
        f"The label map holds {what}: probabilities, or labels resampled with interpolation.",
        do="Give a map of whole numbers, one per vertebra; resample it only by nearest neighbour.",
    )


def _merged_masks(folder: Path) -> tuple[Volume, dict[int, str]]:
    """Join a folder of one-vertebra masks into one map of VerSe ids, and the names of the ids."""
    files = mask_files(folder)
    if not files:
        raise InputError(
            "labels-no-masks",
            "The folder holds no vertebra masks (vertebrae_T12.nii.gz, vertebrae_L1.nii.gz, ...).",
            do="Give a label map as one file, or the output folder of TotalSegmentator.",
        )
    joined: NDArray[np.uint8] | None = None
    first: Volume | None = None
    for level in sorted(files, key=order):
        for path in files[level]:
            mask = read_grid(path, nearest=True)
            if first is None or joined is None:
                first, joined = mask, np.zeros(mask.shape, dtype=np.uint8)
            joined[(onto_grid(mask, first).data > 0) & (joined == 0)] = VERSE_IDS[level]
    assert first is not None and joined is not None  # noqa: PT018 - files is not empty
    names = {VERSE_IDS[level]: level for level in files}
    return replace(first, data=joined), names


def _counted_how(reading: Reading, how: str) -> str:
    """One sentence for the report: where the level names come from."""
    levels = list(reading.chain.levels)
    ids = [reading.chain.levels[level].number for level in (levels[0], levels[-1])]
    ends = [dict.fromkeys(map(str, pair)) for pair in (ids, (levels[0], levels[-1]))]
    if reading.rivals:
        how = "scheme told from others by the sizes of the vertebrae"
    return (
        f"Level names come from the label map ({reading.scheme.title} ids {'–'.join(ends[0])}: "
        f"{'–'.join(ends[1])}; {how}); Endplate did not count ribs."
    )
