"""How a plan's numbers are rounded on their way into its document."""

from __future__ import annotations

from endplate.anatomy.model import Vec3
from endplate.imaging.geometry import FloatArray

DIGITS = 6
"""Decimals of a document: far below any voxel, and the same on every machine."""


def rounded(number: float | None) -> float | None:
    """A number of the document, or ``None``."""
    return None if number is None else round(number, DIGITS)


def rounded_point(point: FloatArray) -> Vec3:
    """A point or direction of the document."""
    x, y, z = (round(float(component), DIGITS) for component in point)
    return x, y, z
