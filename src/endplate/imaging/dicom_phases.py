"""Phases and acquisitions that share one series number, told apart by what their headers say."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from endplate.errors import InputError
from endplate.imaging.dicom_headers import MARKS, SliceHeader
from endplate.imaging.slices import order_slices, place_slices
from endplate.sources import value

INTERLEAVED = 0.5
"""Parts that share more than this fraction of the shorter one's extent run through each other."""

Part = list[SliceHeader]


def split_phases(images: Sequence[SliceHeader]) -> list[tuple[Part, str]]:
    """Return the parts of a stack with words for each; the whole with none where it is one scan.

    A stack is split only where that turns slices at the same or at unequal places into stacks that can be
    read, or where two acquisitions run through each other. A part is named by what differs, not by its value,
    which can be free text.
    """
    whole = list(images)
    if not all(image.placed for image in whole) or len(whole) < 2 * value("imaging.min_slices"):
        return [(whole, "")]
    for number, name in enumerate(MARKS):
        parts = _by_mark(whole, number)
        if len(parts) > 1 and _is_better(whole, parts):
            return [(part, _words(parts, n, name)) for n, part in enumerate(parts)]
    parts = _by_repeats(whole)
    if len(parts) > 1 and _is_better(whole, parts):
        return [(part, _words(parts, n, "phase")) for n, part in enumerate(parts)]
    return [(whole, "")]


def _by_mark(whole: Part, number: int) -> list[Part]:
    parts: dict[str, Part] = {}
    for image in whole:
        parts.setdefault(image.marks[number], []).append(image)
    return sorted(parts.values(), key=lambda part: (_start(part), part[0].marks[number]))


def _by_repeats(whole: Part) -> list[Part]:
    """Cut the images in the order of their numbers wherever a place comes again."""
    numbers = [image.instance for image in whole]
    if None in numbers or len(set(numbers)) < len(numbers):
        return [whole]
    places = _place_numbers(whole)
    parts: list[Part] = [[]]
    met: set[int] = set()
    for index in np.argsort(np.array(numbers, dtype=float), kind="stable"):
        if places[index] in met:
            parts.append([])
            met = set()
        met.add(places[index])
        parts[-1].append(whole[index])
    return parts


def _is_better(whole: Part, parts: list[Part]) -> bool:
    """Say whether parts are scans of their own where the whole is not one."""
    enough = value("imaging.min_slices")
    if any(_doubles(part) for part in parts) or all(len(part) < enough for part in parts):
        return False
    sound = [len(part) >= enough and _regular(part) for part in parts]
    if _doubles(whole):
        return any(sound) and sum(len(part) for part in parts if len(part) >= enough) > len(whole) / 2
    return all(sound) and (not _regular(whole) or _interleaved(parts))


def _doubles(part: Part) -> bool:
    """Say whether different images stand at one place; copies of one image do not count."""
    known = {(image.sop_uid, image.position): image for image in part}
    unique = list(known.values())
    return len(set(_place_numbers(unique))) < len(unique)


def _regular(part: Part) -> bool:
    positions, normal = _places(part)
    order = order_slices(positions, normal)
    if len(order.groups) < value("imaging.min_slices"):
        return False
    try:
        place_slices(positions[[group[0] for group in order.groups]], normal)
    except InputError:
        return False
    return True


def _interleaved(parts: list[Part]) -> bool:
    """Say whether neighbours of the stack share most of their extent."""
    extents = []
    for part in parts:
        positions, normal = _places(part)
        along = positions @ normal
        extents.append((float(along.min()), float(along.max())))
    extents.sort()
    return any(
        min(high, other_high) - max(low, other_low) > INTERLEAVED * min(high - low, other_high - other_low)
        for (low, high), (other_low, other_high) in pairwise(extents)
    )


def _places(part: Part) -> tuple[np.ndarray, np.ndarray]:
    """Positions (n, 3) and unit normal, LPS mm."""
    row, column = np.array(part[0].orientation, dtype=np.float64).reshape(2, 3)
    normal = np.cross(row, column)
    return np.array([image.position for image in part], dtype=np.float64), normal / np.linalg.norm(normal)


def _place_numbers(part: Part) -> list[int]:
    """Number the places along the normal; images at one place get one number."""
    numbers = [0] * len(part)
    for number, group in enumerate(order_slices(*_places(part)).groups):
        for index in group:
            numbers[index] = number
    return numbers


def _start(part: Part) -> tuple[float, float]:
    times = [image.time_s for image in part if image.time_s is not None]
    numbers = [image.instance for image in part if image.instance is not None]
    return min(times, default=np.inf), min(numbers, default=np.inf)


def _words(parts: list[Part], number: int, name: str) -> str:
    later = _start(parts[number])[0] - _start(parts[0])[0]
    after = f", {later:.0f} s after the first" if np.isfinite(later) and later >= 1 else ""
    return f"{name} {number + 1} of {len(parts)}{after}"
