"""Which of several series measures best: original, long enough, soft kernel, thin."""

from __future__ import annotations

from collections.abc import Mapping

from endplate.imaging.dicom_stack import SeriesStack
from endplate.imaging.kernel import sharpness_by_name
from endplate.sources import value


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
            sharpness_by_name(stack.first.scan.kernel) == "sharp",
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
