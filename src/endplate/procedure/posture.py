"""What a user says of the height that positioning gives: published, none, or three gains."""

from __future__ import annotations

import math

from endplate.balloon.model import Posture
from endplate.errors import UsageError

PUBLISHED, NONE = "published", "none"

MOST_MM = 30.0
"""Greater gains are slips of the pen: that is a whole body's height."""


def posture_of(text: str | None) -> Posture:
    """The gain by posture of ``published``, ``none`` or ``A,M,P`` in mm (anterior, middle, posterior).

    Raises
    ------
    UsageError
        ``posture-unreadable``.
    """
    if text is None or text == PUBLISHED:
        return Posture.published()
    if text == NONE:
        return Posture.none()
    parts = text.split(",")
    try:
        gains = [float(part) for part in parts]
    except ValueError:
        gains = []
    if len(gains) != 3 or not all(math.isfinite(one) and 0.0 <= one <= MOST_MM for one in gains):
        raise UsageError(
            "posture-unreadable",
            f"{text!r} says no gain by posture.",
            do=f"Give published, none, or three gains of 0 to {MOST_MM:g} mm: --posture 5.5,4.4,0",
        )
    anterior, middle, posterior = gains
    return Posture(anterior, middle, posterior, "endplate")
