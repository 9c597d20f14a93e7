"""What the study of the projector measures: agreement, angles, bull's-eyes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.assessment import assess
from endplate.fluoroscopy.exact import exact_trilinear
from endplate.fluoroscopy.plan_views import BullsEye, plan_shots
from endplate.fluoroscopy.projector import Projector
from endplate.fluoroscopy.view import View, mobile_view
from endplate.imaging.calibration import Calibration
from endplate.imaging.carm import CArmPose
from endplate.imaging.volume import LabelMap, Volume
from endplate.planning.options import PlanOptions
from endplate.planning.plan import plan_levels

DETECTOR_MM = 307.2
RAYS = 10_000
"""Drawn at random from each image for the exact projector."""

VIEWS = {
    "AP": (180.0, 0.0),
    "lateral": (-90.0, 0.0),
    "AP, 5° off": (175.0, 0.0),
    "bull's-eye": (168.0, -8.0),
    "oblique 25 + 10": (155.0, 10.0),
    "cranial 30": (180.0, 30.0),
    "oblique 40": (-140.0, 0.0),
    "oblique 45 + 20": (-135.0, 20.0),
}
"""DICOM primary and secondary angle of a prone patient."""

ALIGNED = ("AP", "lateral")


@dataclass(frozen=True)
class Agreement:
    """Of one view: greatest and root-mean-square difference as shares of the greatest line integral."""

    view: str
    pixels: int
    greatest: float
    rms: float


def agreements(image: Volume, isocentre: NDArray[np.float64]) -> list[Agreement]:
    """The fast projector against the exact one in all views."""
    mu = (0.02 * (1.0 + np.maximum(image.data, -1000) / 1000.0)).astype(np.float32)
    fast = Projector(mu, image.affine)
    found = []
    for pixels in (512, 256):
        at = np.random.default_rng(pixels).integers(0, pixels, (RAYS, 2))
        for name, angles in VIEWS.items():
            view = mobile_view(CArmPose(*angles), isocentre, pixels=pixels, detector_mm=DETECTOR_MM)
            exact = exact_trilinear(mu, image.affine, view, at)
            error = (fast.line_integrals(view)[at[:, 1], at[:, 0]] - exact) / exact.max()
            found.append(
                Agreement(name, pixels, float(np.abs(error).max()), float(np.sqrt((error**2).mean())))
            )
    return found


def detector_by_turns(primary_deg: float, secondary_deg: float) -> NDArray[np.float64]:
    """The detector's direction in RAS by the words of PS3.3 C.8.7.5, as turns of a detector in front of the patient.

    First about the patient's length toward the left (LAO), then toward the head (CRAN).
    """
    front, left, head = np.eye(3)[1], -np.eye(3)[0], np.eye(3)[2]
    p, s = np.radians(primary_deg), np.radians(secondary_deg)
    around = np.cos(p) * front + np.sin(p) * left
    return np.asarray(np.cos(s) * around + np.sin(s) * head)


def marker_error_px(primary_deg: float, secondary_deg: float, position: Any) -> float:
    """How far a rendered marker is from where turns of the detector put it, pixels.

    The marker lies left, in front and toward the head of the isocentre; up and right on the screen come from the
    detector's direction alone: the head upward, and the patient's right (in lateral views the front) on screen left.
    """
    centre = np.array([10.0, -50.0, 70.0])
    marker = np.array([-22.0, 31.0, 17.0])
    view = mobile_view(CArmPose(primary_deg, secondary_deg, position), centre, pixels=400)
    beam = detector_by_turns(primary_deg, secondary_deg)
    up = np.array([0.0, 0.0, 1.0]) - beam[2] * beam
    up /= np.linalg.norm(up)
    right = np.cross(beam, up)
    lateral = abs(np.sin(np.radians(primary_deg))) > np.sin(np.radians(60.0))
    if right @ (np.array([0.0, 1.0, 0.0]) if lateral else np.array([1.0, 0.0, 0.0])) > 0.0:
        right = -right
    scale = view.source_detector_mm / (view.source_isocentre_mm + marker @ beam) / view.pitch_mm
    wanted = np.array([199.5 + scale * (marker @ right), 199.5 - scale * (marker @ up)])
    return float(np.abs(_centroid(view, centre + marker) - wanted).max())


def _centroid(view: View, point: NDArray[np.float64]) -> NDArray[np.float64]:
    affine = np.eye(4)
    affine[:3, 3] = point - 2.0
    cube = np.zeros((5, 5, 5), dtype=np.float32)
    cube[1:4, 1:4, 1:4] = 1.0
    image = Projector(cube, affine).line_integrals(view).astype(np.float64)
    rows, columns = np.indices(image.shape)
    return np.array([(image * columns).sum(), (image * rows).sum()]) / image.sum()


def bulls_eyes(labels: LabelMap, levels: tuple[str, ...] | None = None) -> list[tuple[str, BullsEye]]:
    """The bull's-eye of every needle planned at some levels, by default all whole ones."""
    spine = assess(labels, None, Calibration.uncalibrated())
    names = levels or tuple(one.level for one in spine.levels if one.complete and one.frame is not None)
    plan = plan_levels(labels, None, spine, names, PlanOptions(reason="validation", access="bipedicular"))
    found = []
    for level in plan.plans:
        if level.paths and level.views is not None:
            shots = plan_shots(level, spine.find(level.level), pixels=512)
            found += [(level.level, eye) for eye in shots.bulls_eyes]
    return found
