"""Does a label map show a row of vertebrae, one name each? Sizes, distances and pieces against what a spine has."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from endplate.errors import InputError
from endplate.imaging.geometry import FloatArray
from endplate.imaging.label_stats import LabelStat, measure_labels
from endplate.imaging.levels import LEVEL_OF_ID, VERSE_IDS
from endplate.imaging.spine_chain import Chain, Step, chain_of
from endplate.imaging.volume import Volume
from endplate.labelling.mending import Merge, pieces
from endplate.sources import Finding, finding, value

_UNUSUAL = frozenset({"C1", "C2", "S1"})
"""Levels whose shape is their own: no sizes are expected of them."""


def check_map(volume: Volume) -> tuple[Finding, ...]:
    """Return what is wrong with a map of VerSe ids; it must not be used where one finding is critical.

    What is seen of a level that the volume cuts is no less than the whole: it can be too large or too long, never too
    small, and a piece of it can stand too far away.
    """
    stats = measure_labels(volume.data, volume.affine)
    levels = {LEVEL_OF_ID[n]: stat for n, stat in stats.items() if n in LEVEL_OF_ID}
    chain = chain_of(levels)
    found: list[Finding] = []
    split: set[str] = set()
    for step in chain.steps:
        if _is_split(step, chain):
            split |= {step.upper, step.lower}
            found.append(
                finding(
                    "labels-split-vertebra",
                    level=step.lower,
                    upper=step.upper,
                    lower=step.lower,
                    mm=step.distance_mm,
                )
            )
    for step in dict.fromkeys((*chain.inversions, *chain.impossible)):
        if step.lower not in split:
            words = {"upper": step.upper, "lower": step.lower, "mm": step.distance_mm}
            found.append(finding("labels-row-broken", level=step.lower, **words))
    for level, stat in chain.levels.items():
        found += _pieces(level, stat, chain, volume)
        if level not in split:
            found += _size(level, stat, chain, volume)
    return tuple(found)


def check_merge(volume: Volume, joining: Merge) -> None:
    """Refuse to join two vertebrae; the two names must stand for the parts of one.

    Parameters
    ----------
    volume:
        The map before, which has both levels.

    Raises
    ------
    InputError
        ``merge-of-two``.
    """
    stats = measure_labels(volume.data, volume.affine)
    levels = {LEVEL_OF_ID[n]: stat for n, stat in stats.items() if n in LEVEL_OF_ID}
    pair = {joining.first, joining.second}
    if pair & _UNUSUAL:
        return
    chain = chain_of(levels)
    volume_ml = sum(levels[level].volume_ml for level in pair)
    usual_ml = _usual_ml(joining.into) * _size_of_others(chain, pair)
    both = np.isin(volume.data, [VERSE_IDS[level] for level in pair])
    length_mm = float(np.ptp(np.argwhere(both) @ (volume.affine[:3, :3].T @ _between(joining, levels))))
    usual_mm = _usual_pitch_mm(joining.into, chain, pair)
    if (
        volume_ml > value("labelling.joined_volume") * usual_ml
        and length_mm > value("labelling.joined_length") * usual_mm
    ):
        raise InputError(
            "merge-of-two",
            f"{joining.first} and {joining.second} joined as {joining.into} would be {volume_ml:.0f} ml large and "
            f"{length_mm:.0f} mm long; one vertebra here has about {usual_ml:.0f} ml: they are two.",
            do=f"Leave out {joining.word}. Where names are one off, use --shift; a level that is wrong can be dropped.",
        )


def is_refused(found: tuple[Finding, ...]) -> bool:
    """Say whether a map with these findings must not be used."""
    return any(each.severity == "critical" for each in found)


def _volume_ratio(level: str, stat: LabelStat, chain: Chain) -> float | None:
    """Volume over that which the other levels let expect; ``None`` for unusual levels."""
    if level in _UNUSUAL:
        return None
    return stat.volume_ml / (_usual_ml(level) * _size_of_others(chain, {level}))


def _size_of_others(chain: Chain, without: set[str]) -> float:
    """Volume over the usual one of whole levels, median, without some; 1 where there is no other."""
    ratios = [
        stat.volume_ml / _usual_ml(level)
        for level, stat in chain.levels.items()
        if not stat.cut and level not in _UNUSUAL | without
    ]
    return float(np.median(ratios)) if ratios else 1.0


def _spacing_of_others(chain: Chain, without: set[str]) -> float:
    """Distance over the usual one between whole neighbours, median, without some; 1 where there are no others."""
    ratios = [
        step.distance_mm / step.usual_mm
        for step in chain.steps
        if step.whole and step.lower != "S1" and not {step.upper, step.lower} & without
    ]
    return float(np.median(ratios)) if ratios else 1.0


def _usual_ml(level: str) -> float:
    return float(value("labels.whole_volume_ml")["C" if level[0] == "C" else level])


def _is_split(step: Step, chain: Chain) -> bool:
    pair = {step.upper, step.lower}
    if not step.whole or pair & _UNUSUAL:
        return False
    spacing = step.usual_mm * _spacing_of_others(chain, pair)
    both_ml = chain.levels[step.upper].volume_ml + chain.levels[step.lower].volume_ml
    one_ml = _usual_ml(step.lower) * _size_of_others(chain, pair)
    return bool(
        step.distance_mm < value("labelling.split_spacing") * spacing
        and both_ml < value("labelling.split_volume") * one_ml
    )


def _size(level: str, stat: LabelStat, chain: Chain, volume: Volume) -> list[Finding]:
    ratio = _volume_ratio(level, stat, chain)
    if ratio is None or len(chain.levels) < 2:
        return []
    low, high = value("labelling.volume_ratio_limits")
    length_mm = _length_mm(level, stat, chain, volume)
    usual_mm = usual_pitch_mm(level, chain)
    if ratio > value("labelling.joined_volume") and length_mm > value("labelling.joined_length") * usual_mm:
        return [finding("labels-joined-vertebrae", level=level, name=level, mm=length_mm, ratio=ratio)]
    if ratio > high or (ratio < low and not stat.cut):
        return [finding("labels-volume-jump", level=level, name=level, percent=100.0 * ratio)]
    return []


def _length_mm(level: str, stat: LabelStat, chain: Chain, volume: Volume) -> float:
    """Length of a level along the spine."""
    voxels = np.argwhere(volume.data[stat.box] == stat.number)
    heights = voxels @ (volume.affine[:3, :3].T @ _along(level, chain))
    return float(np.ptp(heights))


def _along(level: str, chain: Chain) -> FloatArray:
    """Unit vector along the line between the neighbours of a level."""
    names = list(chain.levels)
    place = names.index(level)
    ends = names[max(place - 1, 0)], names[min(place + 1, len(names) - 1)]
    along = chain.levels[ends[0]].centre_ras_mm - chain.levels[ends[1]].centre_ras_mm
    unit: FloatArray = along / max(float(np.linalg.norm(along)), 1e-9)
    return unit


def _pieces(level: str, stat: LabelStat, chain: Chain, volume: Volume) -> list[Finding]:
    """Pieces of a level that stand where another level is; a process broken off, or a lost pedicle, is none."""
    if level in _UNUSUAL:
        return []
    box = tuple(slice(max(part.start - 1, 0), part.stop + 1) for part in stat.box)
    ids = volume.data[box]
    numbered, sizes = pieces(ids == stat.number)
    if len(sizes) <= 2:
        return []
    main = int(np.argmax(sizes[1:])) + 1
    to_height = volume.affine[:3, :3].T @ _along(level, chain)
    middle = float((np.argwhere(numbered == main) @ to_height).mean())
    misplaced = 0
    for piece in range(1, len(sizes)):
        inside = numbered == piece
        shell = ndimage.binary_dilation(inside, iterations=1) & ~inside
        touching = float(np.count_nonzero(ids[shell])) / max(int(np.count_nonzero(shell)), 1)
        away_mm = abs(float((np.argwhere(inside) @ to_height).mean()) - middle)
        far = away_mm > usual_pitch_mm(level, chain)
        # A cut vertebra may show its joints alone, which stand between those of its neighbour.
        mixed = not stat.cut and touching > value("labelling.mixed_contact")
        if piece != main and (far or mixed):
            misplaced += int(sizes[piece])
    share = misplaced / float(sizes[1:].sum())
    if share <= value("labelling.mixed_share"):
        return []
    return [finding("labels-mixed-neighbours", level=level, name=level, percent=100.0 * share)]


def usual_pitch_mm(level: str, chain: Chain) -> float:
    """Distance from a level to the next one that this patient's map lets expect."""
    return _usual_pitch_mm(level, chain, {level})


def _usual_pitch_mm(level: str, chain: Chain, without: set[str]) -> float:
    return float(value("labels.pitch_mm")["C" if level[0] == "C" else level]) * _spacing_of_others(
        chain, without
    )


def _between(joining: Merge, levels: Mapping[str, LabelStat]) -> FloatArray:
    """Unit vector from one level to the other."""
    along = levels[joining.first].centre_ras_mm - levels[joining.second].centre_ras_mm
    unit: FloatArray = along / max(float(np.linalg.norm(along)), 1e-9)
    return unit
