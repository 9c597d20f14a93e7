"""Which of several series measures best: original, long enough, soft kernel, thin."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from endplate.sources import value

if TYPE_CHECKING:
    from endplate.imaging.dicom_stack import SeriesStack

SHARP_WORDS = re.compile(r"BONE|LUNG|EDGE|SHARP|DETAIL|HIGH|ULTRA|HRES|BONEPLUS")
"""Names of edge-enhancing kernels, as most makers write them."""

SHARP_LETTERS = {"C", "D", "E", "YC", "YD", "YE"}
"""Philips kernels for bone and lung."""

SHARPEST_SOFT_NUMBER = 49
"""Siemens numbers kernels by sharpness (B30f, Br40, I70h); up to here they are soft or standard."""

SOFT_CANON = range(1, 20)
"""Canon's FC01–FC19 are for soft tissue of the trunk and head; higher numbers enhance edges."""


def is_sharp(kernel: str | None) -> bool:
    """Say whether the name of a kernel is one that enhances edges, and with them noise and Hounsfield values."""
    name = (kernel or "").split("/")[0].strip().upper()
    canon = re.fullmatch(r"FC(\d{2})\w*", name)
    if canon is not None:
        return int(canon[1]) not in SOFT_CANON
    siemens = re.match(r"[A-Z]{1,2}(\d{2})(?!\d)", name)
    if siemens is not None:
        return int(siemens[1]) > SHARPEST_SOFT_NUMBER
    return name in SHARP_LETTERS or SHARP_WORDS.search(name) is not None


def best_of(usable: Mapping[str, SeriesStack]) -> str | None:
    """Return the key of the series to recommend, ``None`` where there is none."""
    if not usable:
        return None
    longest = max(stack.length_mm for stack in usable.values())

    def order(key: str) -> tuple[object, ...]:
        stack = usable[key]
        thick = effective_mm(stack)
        return (
            any(header.reformatted for header in stack.headers),
            stack.length_mm < value("imaging.best_coverage") * longest,
            thick > value("imaging.warn_slice_mm"),
            is_sharp(stack.first.scan.kernel),
            round(max(thick, value("imaging.thin_slice_mm")), 1),
            -round(stack.length_mm),
            thick,
        )

    return min(usable, key=order)


def effective_mm(stack: SeriesStack) -> float:
    """Slice distance or thickness, whichever is larger."""
    places = stack.order.along_mm
    distance = (places[-1] - places[0]) / max(1, len(places) - 1)
    return max(distance, stack.first.scan.slice_thickness_mm or 0.0)
