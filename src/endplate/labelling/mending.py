"""Mending a label map: other names, joined and dropped levels, specks and pin holes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.errors import InputError, UsageError
from endplate.imaging.geometry import voxel_sizes_mm
from endplate.imaging.levels import CRANIOCAUDAL, LEVEL_OF_ID, VERSE_IDS, order, parse_level
from endplate.imaging.spine_chain import missing_between
from endplate.imaging.volume import Volume
from endplate.sources import value
from endplate.units import MM3_PER_ML

Ids = NDArray[np.uint8]
Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Merge:
    """Two levels that become one."""

    first: str
    second: str
    into: str

    @property
    def word(self) -> str:
        """As the command line has it: ``--merge T12+L1=L1``."""
        return f"--merge {self.first}+{self.second}={self.into}"


@dataclass(frozen=True)
class Mending:
    """What is to be mended, done in this order; names are those of the given map.

    Parameters
    ----------
    merges:
        Levels to join.
    drops:
        Levels to leave out.
    shift:
        +1 gives every vertebra the name of the next one toward the feet, -1 toward the head; the sacrum keeps its own.
    clean:
        Remove specks and fill pin holes.
    """

    merges: tuple[Merge, ...] = ()
    drops: tuple[str, ...] = ()
    shift: int = 0
    clean: bool = False

    def __post_init__(self) -> None:
        if self.shift not in (-1, 0, 1):
            raise UsageError(
                "shift-unknown",
                "Names are shifted by one level at a time.",
                do="Give --shift +1 or --shift -1.",
            )

    @property
    def asked(self) -> bool:
        """Something is to be done."""
        return bool(self.merges or self.drops or self.shift or self.clean)


@dataclass(frozen=True, eq=False)
class Mended:
    """A mended map and what was done to it, in words."""

    volume: Volume
    done: tuple[str, ...]


def parse_merge(text: str) -> Merge:
    """Return the joining that a word of the command line states (``"T12+L1=L1"``).

    Raises
    ------
    UsageError
        ``merge-broken``, ``level-unknown``.
    """
    pair, _, into = text.partition("=")
    names = pair.split("+")
    if len(names) != 2 or not into.strip():
        raise UsageError(
            "merge-broken", f"{text!r} does not say what to join.", do="Write --merge T12+L1=L1."
        )
    first, second = (parse_level(name) for name in names)
    return Merge(first, second, parse_level(into))


def mend(volume: Volume, mending: Mending) -> Mended:
    """Mend a map of VerSe ids.

    Raises
    ------
    InputError
        ``level-absent`` (a level to join or drop is not in the map), ``merge-apart`` (levels to join are no
        neighbours, or their new name is not near), ``level-taken`` (the name to join into is another level's),
        ``shift-off-the-spine`` (there is no name beyond the last), ``labels-empty``.
    """
    ids: Ids = np.array(volume.data, dtype=np.uint8)
    done: list[str] = []
    joined: set[str] = set()
    for joining in mending.merges:
        _merge(ids, joining, joined)
        done.append(f"{joining.first} and {joining.second} joined as {joining.into}.")
    for level in mending.drops:
        ids[ids == _present(ids, level)] = 0
        done.append(f"{level} left out.")
    if mending.shift:
        renamed = shifted_names(levels_in(ids), mending.shift)
        ids = _renamed(ids, renamed)
        pairs = ", ".join(f"{old} → {new}" for old, new in renamed.items() if old != new)
        done.append(f"Names shifted by {mending.shift:+d}: {pairs}.")
    if mending.clean:
        done += clean(ids, volume)
    if not ids.any():
        raise InputError("labels-empty", "Nothing of the label map is left.", do="Drop fewer levels.")
    return Mended(Volume(ids, volume.affine, volume.scan, volume.findings), tuple(done))


def levels_in(ids: Ids) -> tuple[str, ...]:
    """Levels of a map of VerSe ids, from the head down."""
    return tuple(sorted((LEVEL_OF_ID[n] for n in np.unique(ids).tolist() if n in LEVEL_OF_ID), key=order))


def shifted_names(levels: Sequence[str], shift: int) -> dict[str, str]:
    """New name of every level, shifted by one.

    A thirteenth thoracic vertebra is counted where the map has one. L5 becomes L6 where it moves toward the feet: the
    sacrum is known by its shape and stays the sacrum.

    Raises
    ------
    InputError
        ``shift-off-the-spine``.
    """
    row = [name for name in CRANIOCAUDAL if name != "S1" and (name != "T13" or "T13" in levels)]
    renamed = {}
    for level in levels:
        if level == "S1":
            renamed[level] = level
            continue
        place = row.index(level) + shift
        if not 0 <= place < len(row):
            raise InputError(
                "shift-off-the-spine",
                f"There is no name beyond {level} to shift it to.",
                do=f"Drop it first (--drop {level}), or shift the other way.",
            )
        renamed[level] = row[place]
    return renamed


def clean(ids: Ids, volume: Volume) -> list[str]:
    """Remove specks and stray pieces and fill pin holes, in place; say what was done."""
    voxel_ml = abs(float(np.linalg.det(volume.affine[:3, :3]))) / MM3_PER_ML
    spacing = voxel_sizes_mm(volume.affine)
    done = []
    boxes: dict[str, Box] = {
        LEVEL_OF_ID[n]: (box[0], box[1], box[2])
        for n, box in enumerate(ndimage.find_objects(ids), start=1)
        if box is not None and n in LEVEL_OF_ID
    }
    row = sorted(boxes, key=order)
    for level in row:
        removed = _remove_specks(ids[boxes[level]], VERSE_IDS[level], voxel_ml, spacing)
        if removed:
            done.append(f"{level}: specks of {removed * voxel_ml:.2f} ml removed.")
    for level in row:
        around = _wider(boxes[level], ids.shape)
        filled = _fill_pin_holes(ids[around], VERSE_IDS[level], voxel_ml)
        if filled:
            done.append(f"{level}: pin holes of {filled * voxel_ml:.2f} ml filled.")
    return done or ["Nothing to clean."]


def pieces(inside: NDArray[np.bool_]) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Pieces of a mask that touch at faces, edges or corners: their numbers from 1, and their voxels by number."""
    numbered = cc3d.connected_components(inside, connectivity=26)
    return numbered, np.bincount(numbered.ravel())


def _merge(ids: Ids, joining: Merge, joined: set[str]) -> None:
    """Join two levels in place; ``joined`` are the names that earlier joinings took away, and gets this one's."""
    first, second = _present(ids, joining.first), _present(ids, joining.second)
    into = VERSE_IDS[joining.into]
    upper, lower = sorted((joining.first, joining.second), key=order)
    present = levels_in(ids)
    named = CRANIOCAUDAL[order(upper) + 1 : order(lower)]
    between = [level for level in named if level in present]
    between += [level for level in missing_between(upper, lower) if level not in (*present, *joined)]
    if upper == lower or between:
        why = f"{', '.join(sorted(between, key=order))} between them" if between else "they are one level"
        raise InputError(
            "merge-apart",
            f"{joining.first} and {joining.second} are no neighbours ({why}): they cannot be one vertebra.",
            do=f"Leave out {joining.word}; join neighbours only. A level that is wrong can be dropped (--drop).",
        )
    if into not in (first, second) and (ids == into).any():
        raise InputError(
            "level-taken",
            f"The map already has another {joining.into}.",
            do=f"Join into {joining.first} or {joining.second}, or drop {joining.into} first.",
        )
    if order(joining.into) < order(upper) - 1 or order(joining.into) > order(lower) + 1:
        raise InputError(
            "merge-apart",
            f"{joining.first} and {joining.second} are not near {joining.into}.",
            do=f"Join into {joining.first} or {joining.second}; --shift gives other names to the whole map.",
        )
    ids[(ids == first) | (ids == second)] = into
    joined |= {joining.first, joining.second} - {joining.into}


def _present(ids: Ids, level: str) -> int:
    number = VERSE_IDS[level]
    if not (ids == number).any():
        raise InputError(
            "level-absent",
            f"The label map has no {level}. It has: {', '.join(levels_in(ids)) or 'none'}.",
            do="Name a level that the map has.",
        )
    return number


def _renamed(ids: Ids, names: dict[str, str]) -> Ids:
    table = np.arange(256, dtype=np.uint8)
    for old, new in names.items():
        table[VERSE_IDS[old]] = VERSE_IDS[new]
    changed: Ids = table[ids]
    return changed


def _remove_specks(part: Ids, number: int, voxel_ml: float, spacing: NDArray[np.float64]) -> int:
    """Remove pieces of a level in its box, in place; return how many voxels."""
    numbered, sizes = pieces(part == number)
    if len(sizes) <= 2:
        return 0
    main = int(np.argmax(sizes[1:])) + 1
    away = ndimage.distance_transform_edt(numbered != main, sampling=spacing)
    removed = 0
    for piece in range(1, len(sizes)):
        if piece == main:
            continue
        inside = numbered == piece
        gap_mm = float(away[inside].min())
        speck = sizes[piece] * voxel_ml < value("labelling.speck_ml") and gap_mm > value(
            "labelling.speck_gap_mm"
        )
        stray = (
            gap_mm > value("labelling.stray_gap_mm")
            and sizes[piece] < value("labelling.stray_share") * sizes[main]
        )
        if speck or stray:
            part[inside] = 0
            removed += int(sizes[piece])
    return removed


def _fill_pin_holes(part: Ids, number: int, voxel_ml: float) -> int:
    """Fill small enclosed holes of a level in its box, in place; return how many voxels."""
    inside = part == number
    holes, sizes = pieces(ndimage.binary_fill_holes(inside) & ~inside & (part == 0))
    filled = 0
    for hole in range(1, len(sizes)):
        if sizes[hole] * voxel_ml < value("labelling.pin_hole_ml"):
            part[holes == hole] = number
            filled += int(sizes[hole])
    return filled


def _wider(box: Box, shape: tuple[int, ...]) -> Box:
    """A box with a voxel more on each side."""
    i, j, k = (
        slice(max(part.start - 1, 0), min(part.stop + 1, size)) for part, size in zip(box, shape, strict=True)
    )
    return i, j, k
