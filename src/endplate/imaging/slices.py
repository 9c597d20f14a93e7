"""Where slices stand: their order along the stack, duplicates, gaps and tilt. Arrays in, geometry out."""

from __future__ import annotations

from dataclasses import dataclass

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
    if whole and multiples.max() > 1:
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
