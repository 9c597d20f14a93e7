"""C-arm views: the bull's-eye of a needle, the true AP and the true lateral of a level."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from endplate.anatomy.axes import FloatArray, unit
from endplate.anatomy.model import Endplate, Endplates, Frame
from endplate.anatomy.revisit import axes_of
from endplate.imaging.carm import (
    CArmPose,
    Reach,
    TablePosition,
    default_reach,
    pose_for_direction,
    pose_of_detector,
)
from endplate.planning.model import CArm, EdgeOn, LevelViews
from endplate.planning.room_geometry import LevelPoses

DIGITS = 6
"""Decimals of the angles kept in the document."""


def bulls_eye_pose(
    entry_ras_mm: ArrayLike, tip_ras_mm: ArrayLike, position: TablePosition = "prone"
) -> CArmPose:
    """The pose that looks straight down a needle: entry and tip fall on one point."""
    return pose_for_direction(np.subtract(tip_ras_mm, entry_ras_mm), position)


def bulls_eye(
    entry_ras_mm: ArrayLike,
    tip_ras_mm: ArrayLike,
    position: TablePosition = "prone",
    reach: Reach | None = None,
) -> CArm:
    """The bull's-eye view of one needle as a document.

    Parameters
    ----------
    entry_ras_mm, tip_ras_mm:
        Two points of the needle, RAS mm.
    position:
        How the patient will lie.
    reach:
        How far the C-arm turns; ``None``: as planned with by default.
    """
    return carm_document(bulls_eye_pose(entry_ras_mm, tip_ras_mm, position), reach)


def level_poses(frame: Frame, position: TablePosition = "prone") -> LevelPoses:
    """True AP and lateral of a level from its own frame.

    The frame's superior axis is the mean of both endplates' normals and its mid-plane runs through canal and body:
    a beam along its anterior axis sees both endplates as nearly edge-on as one view can and the spinous process
    midway between the pedicles; a beam along its right axis lays the pedicles upon each other. The lateral has its
    detector at the patient's right when prone (left when supine), so that from the AP view the C-arm turns the way
    in which left and right of the picture stay as in all our pictures.
    """
    axes = axes_of(frame)
    side = axes.right if position == "prone" else -axes.right
    return LevelPoses(
        ap=pose_for_direction(axes.anterior, position), lateral=pose_of_detector(side, position)
    )


def level_views(
    frame: Frame, endplates: Endplates, position: TablePosition = "prone", reach: Reach | None = None
) -> LevelViews:
    """The true views of one level as a document, with how far each endplate is from edge-on in them.

    Parameters
    ----------
    frame, endplates:
        As measured (``Vertebra.frame``, ``Vertebra.endplates``).
    position, reach:
        As in :func:`bulls_eye`.
    """
    poses = level_poses(frame, position)
    return LevelViews(
        ap=carm_document(poses.ap, reach),
        lateral=carm_document(poses.lateral, reach, lateral=True),
        ap_endplates=_edge_on(poses.ap, endplates),
        lateral_endplates=_edge_on(poses.lateral, endplates),
    )


def carm_document(pose: CArmPose, reach: Reach | None = None, *, lateral: bool = False) -> CArm:
    """A pose as a document: DICOM and console angles, words, and whether the C-arm gets there.

    ``lateral`` for a true lateral view, for which it turns further than for an oblique one.
    """
    return CArm(
        patient_position=pose.position,
        primary_deg=round(pose.primary_deg, DIGITS),
        secondary_deg=round(pose.secondary_deg, DIGITS),
        console_primary_deg=round(pose.console_primary_deg, DIGITS),
        console_secondary_deg=round(pose.console_secondary_deg, DIGITS),
        console_text=pose.console_text,
        reachable=(reach or default_reach()).holds(pose, lateral=lateral),
    )


def pose_of(carm: CArm) -> CArmPose | None:
    """The pose of a document, ``None`` where it has no angles or the position is not one on a table."""
    if carm.primary_deg is None or carm.secondary_deg is None:
        return None
    if carm.patient_position not in {"prone", "supine"}:
        return None
    position: TablePosition = "prone" if carm.patient_position == "prone" else "supine"
    return CArmPose(carm.primary_deg, carm.secondary_deg, position)


def off_edge_deg(pose: CArmPose, normal_ras: ArrayLike) -> float:
    """How far a plane is from being seen edge-on: angle between the beam and the plane, degrees."""
    normal: FloatArray = unit(normal_ras)
    return float(np.degrees(np.arcsin(np.clip(abs(float(normal @ pose.detector_ras)), 0.0, 1.0))))


def _edge_on(pose: CArmPose, endplates: Endplates) -> EdgeOn:
    return EdgeOn(superior_deg=_off(pose, endplates.superior), inferior_deg=_off(pose, endplates.inferior))


def _off(pose: CArmPose, endplate: Endplate | None) -> float | None:
    return None if endplate is None else round(off_edge_deg(pose, endplate.normal_ras), DIGITS)
