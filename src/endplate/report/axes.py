"""The axes of a vertebra, and those of the whole spine, as arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from endplate.anatomy.model import Frame, Spine
from endplate.imaging.geometry import FloatArray
from endplate.report.slicing import square_to, unit


class Axes(NamedTuple):
    """Origin (RAS mm) and unit directions (RAS) toward right, front and head."""

    origin: FloatArray
    right: FloatArray
    anterior: FloatArray
    superior: FloatArray


PATIENT = Axes(np.zeros(3), np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0]))
"""The patient's own axes, where no vertebra tells better."""


def frame_axes(frame: Frame) -> Axes:
    """The axes of one vertebra, made exactly square again: a document holds rounded numbers."""
    superior = unit(frame.superior_ras)
    anterior = square_to(frame.anterior_ras, superior)
    return Axes(
        np.array(frame.origin_ras_mm, dtype=np.float64), np.cross(anterior, superior), anterior, superior
    )


def spine_axes(spine: Spine) -> Axes:
    """Axes for the views of the whole spine.

    The right axis is the mean of the vertebrae, so that a patient who lies rotated is not cut obliquely; the
    upright axis is the patient's, so that a stoop stays visible. Without a measured vertebra all are the
    patient's.
    """
    frames = [frame_axes(vertebra.frame) for vertebra in spine.levels if vertebra.frame is not None]
    if not frames:
        return PATIENT
    right = unit(np.sum([axes.right for axes in frames], axis=0))
    superior = square_to(PATIENT.superior, right)
    origin = np.mean([axes.origin for axes in frames], axis=0)
    return Axes(origin, right, np.cross(superior, right), superior)
