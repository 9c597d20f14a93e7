"""Where slices stand: their order along the stack, duplicates, gaps and tilt. Arrays in, geometry out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from endplate.errors import InputError
from endplate.imaging.geometry import AXIS_LETTERS, FloatArray
from endplate.sources import value

GAP_ROUNDING = 0.2
"""A gap is a whole number of slice distances when it is within this fraction of one."""

END_WORDS = {
    "L": "left end",
    "R": "right end",
    "P": "back end",
    "A": "front end",
    "I": "foot end",
    "S": "head end",
}
"""How to call the end of a stack that lies toward a RAS letter."""

DO_SEND_AGAIN = (
    "Send the whole series again from the scanner or the archive; a transfer was probably cut short."
)
DO_REGULAR = "Export a reconstruction with equal slice distance, best 1 mm or thinner."


@dataclass(frozen=True)
class Stack:
    """Slices in order along the normal of their planes.

    ``groups`` holds, place by place, the numbers of the input slices that stand there (more than one:
    duplicates).
    """

    groups: tuple[tuple[int, ...], ...]
    along_mm: tuple[float, ...]


def order_slices(positions_mm: FloatArray, normal: FloatArray) -> Stack:
    """Sort slices by their place along ``normal`` and join those at the same place.

    ``positions_mm`` has the shape (n, 3): the centre of the first voxel of each slice.
    """
    along = positions_mm @ normal
    apart = value("imaging.duplicate_distance_mm")
    groups: list[list[int]] = []
    places: list[float] = []
    for index in np.argsort(along, kind="stable"):
        if groups and along[index] - places[-1] < apart:
            groups[-1].append(int(index))
        else:
            groups.append([int(index)])
            places.append(float(along[index]))
    return Stack(tuple(tuple(group) for group in groups), tuple(places))


def regular_step(positions_mm: FloatArray, normal: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return origin and step, both (3,) mm, of slices that stand in order at one regular distance.

    A straight line through all positions averages the rounding of positions in the file.

    Raises
    ------
    InputError
        ``missing-slice`` where the gaps are whole multiples of one distance, ``irregular-slices`` otherwise.
    """
    tolerance = value("imaging.slice_position_tolerance_mm")
    along = positions_mm @ normal
    gaps = np.diff(along)
    distance = float(np.median(gaps))
    multiples = np.rint(gaps / distance).astype(int)
    whole = np.abs(gaps / distance - multiples).max() <= GAP_ROUNDING and multiples.min() >= 1
    if whole and multiples.max() > 1 and not _steady(multiples):
        counts = np.concatenate([[0], np.cumsum(multiples)])
        origin, step = _line(along[:, None], counts)
        if np.abs(along - (origin + np.outer(counts, step)).ravel()).max() <= tolerance:
            raise _missing(multiples, normal, distance)
    origin, step = _line(positions_mm, np.arange(len(positions_mm)))
    off = positions_mm - (origin + np.outer(np.arange(len(positions_mm)), step))
    if np.linalg.norm(off, axis=1).max() > tolerance:
        raise InputError(
            "irregular-slices",
            f"The slices stand at unequal distances ({gaps.min():.2f} to {gaps.max():.2f} mm) or are shifted "
            "sideways.",
            do=DO_REGULAR,
        )
    return origin, step


@dataclass(frozen=True, eq=False)
class Placement:
    """Where the slices of a volume stand, and from which of the given slices they come.

    Parameters
    ----------
    origin_mm, step_mm:
        First slice and step to the next, shape (3,).
    sources:
        Fractional number of the given slice at each slice of the volume; ``None``: one to one.
    gaps_mm:
        Smallest and largest distance of the given slices.
    """

    origin_mm: FloatArray
    step_mm: FloatArray
    sources: FloatArray | None
    gaps_mm: tuple[float, float]


def place_slices(positions_mm: FloatArray, normal: FloatArray) -> Placement:
    """Return the regular grid of slices that stand in order; unequal distances are interpolated if honest.

    They are where no slice can have been lost between two others (``imaging.resample_gap_ratio``), none are
    further apart than slices may be thick (``imaging.refuse_slice_mm``), and all stand on one straight line.

    Raises
    ------
    InputError
        ``missing-slice``, ``irregular-slices``.
    """
    along = positions_mm @ normal
    gaps = np.diff(along)
    extent = float(gaps.min()), float(gaps.max())
    try:
        origin, step = regular_step(positions_mm, normal)
    except InputError:
        distance = float(np.median(gaps))
        slope = _through(along, positions_mm)
        off = positions_mm - positions_mm.mean(axis=0) - np.outer(along - along.mean(), slope)
        if (
            extent[1] >= value("imaging.resample_gap_ratio") * distance
            or extent[1] > value("imaging.refuse_slice_mm")
            or np.linalg.norm(off, axis=1).max() > value("imaging.slice_position_tolerance_mm")
        ):
            raise
        count = max(2, round(float(along[-1] - along[0]) / distance)) + 1
        targets = np.linspace(along[0], along[-1], count)
        first = positions_mm.mean(axis=0) + (along[0] - along.mean()) * slope
        sources: FloatArray = np.interp(targets, along, np.arange(len(along)))
        return Placement(first, slope * (targets[1] - targets[0]), sources, extent)
    return Placement(origin, step, None, extent)


def interpolated(data: NDArray[Any], sources: FloatArray) -> NDArray[Any]:
    """Return slices at fractional numbers ``sources`` of the last axis, linearly interpolated.

    Whole numbers stay whole. The result has the memory order of the input: one slice after the other.
    """
    planes = np.moveaxis(data, -1, 0)
    result = np.empty((len(sources), *planes.shape[1:][::-1]), dtype=data.dtype)
    for target, at in zip(result, sources, strict=True):
        below = min(int(at), len(planes) - 2)
        part = np.float32(at - below)
        mixed = (1 - part) * planes[below].astype(np.float32) + part * planes[below + 1].astype(np.float32)
        target[...] = (mixed if data.dtype.kind == "f" else np.rint(mixed)).T
    return result.transpose()


def longest_run(positions_mm: FloatArray, normal: FloatArray) -> tuple[int, int] | None:
    """Return the longest stretch [start, stop) of slices in order that stand at one regular distance.

    ``None`` where fewer than ``imaging.min_slices`` do.
    """
    tolerance = value("imaging.slice_position_tolerance_mm")
    steps = np.diff(positions_mm, axis=0)
    best, start = None, 0
    for stop in range(1, len(positions_mm) + 1):
        ends = stop == len(positions_mm) or (
            stop > start + 1 and np.linalg.norm(steps[stop - 1] - steps[start]) > tolerance
        )
        if not ends:
            continue
        if stop - start >= value("imaging.min_slices") and _regular(positions_mm[start:stop], normal):
            length = float((positions_mm[stop - 1] - positions_mm[start]) @ normal)
            if best is None or length > best[0]:
                best = length, start, stop
        start = stop - 1
    return None if best is None else best[1:]


def _regular(positions_mm: FloatArray, normal: FloatArray) -> bool:
    try:
        regular_step(positions_mm, normal)
    except InputError:
        return False
    return True


def _through(along: FloatArray, positions_mm: FloatArray) -> FloatArray:
    """Direction (3,) of the straight line on which slices stand, per mm along their normal."""
    spread = along - along.mean()
    slope: FloatArray = (spread @ (positions_mm - positions_mm.mean(axis=0))) / float(spread @ spread)
    return slope


def _steady(multiples: NDArray[np.int_]) -> bool:
    """Say whether three gaps in a row are equally too large: then the distance changed, and nothing was lost."""
    wide = multiples[2:] > 1
    return bool((wide & (multiples[2:] == multiples[1:-1]) & (multiples[1:-1] == multiples[:-2])).any())


def _line(values: FloatArray, index: NDArray[np.int_]) -> tuple[FloatArray, FloatArray]:
    """Least-squares line ``values ≈ origin + index · step``."""
    mean_index = index.mean()
    spread = index - mean_index
    step: FloatArray = (spread @ (values - values.mean(axis=0))) / float(spread @ spread)
    origin: FloatArray = values.mean(axis=0) - mean_index * step
    return origin, step


def _missing(multiples: NDArray[np.int_], normal_lps: FloatArray, distance_mm: float) -> InputError:
    start = start_of_stack(normal_lps)
    breaks = [f"after slice {n + 1}" for n in np.flatnonzero(multiples > 1)]
    where = ", ".join(breaks[:5]) + (" and elsewhere" if len(breaks) > 5 else "")
    lost = int((multiples - 1).sum())
    return InputError(
        "missing-slice",
        f"{lost} of {int(multiples.sum()) + 1} slices are missing: {where}, counted from the {start} "
        f"({distance_mm:.2f} mm apart).",
        do=DO_SEND_AGAIN,
    )


def start_of_stack(normal_lps: FloatArray) -> str:
    """Words for the end of the stack from which its slices are counted."""
    ras = normal_lps * np.array([-1.0, -1.0, 1.0])
    axis = int(np.argmax(np.abs(ras)))
    return END_WORDS[AXIS_LETTERS[axis][int(ras[axis] < 0)]]
