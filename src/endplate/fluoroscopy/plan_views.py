"""The views of a planned level: true AP and lateral, the bull's-eye of each needle, and the stops on its way.

A bull's-eye needs more than the needle's direction: the beam is a cone, so the needle must point at the source. The
isocentre therefore lies on the needle's axis, at the pedicle's isthmus. AP and lateral share one isocentre for all
stops of a level, so that from stop to stop only the needle moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from endplate.anatomy.model import Pedicle, Side, Vertebra
from endplate.errors import UsageError
from endplate.fluoroscopy.reach import CArmLimits, Reached, check_reach
from endplate.fluoroscopy.view import View, mobile_view
from endplate.imaging.carm import CArmPose
from endplate.imaging.geometry import FloatArray
from endplate.planning.checkpoints import pedicle_ring
from endplate.planning.model import CArm, CheckpointName, LevelPlan, NeedlePath
from endplate.planning.room_geometry import PathPoints
from endplate.planning.views import pose_of


@dataclass(frozen=True, eq=False)
class BullsEye:
    """The view down one needle.

    Parameters
    ----------
    side:
        Of the needle.
    view:
        With its isocentre on the needle's axis.
    apart_mm:
        Between entry and tip on the detector.
    ring_px:
        The pedicle's outline at its isthmus, columns and rows, shape (N, 2); ``None`` where no pedicle was measured.
    inside:
        Entry and tip are shown inside that outline; ``None`` without one.
    reached:
        Whether a C-arm gets there.
    """

    side: Side
    view: View
    apart_mm: float
    ring_px: FloatArray | None
    inside: bool | None
    reached: Reached


@dataclass(frozen=True, eq=False)
class Stop:
    """One stop of a needle, to be shown on AP and lateral: where the tip is, and what must be seen."""

    side: Side
    name: CheckpointName
    tip_ras_mm: FloatArray
    ap_text: str
    lateral_text: str


@dataclass(frozen=True, eq=False)
class PlanShots:
    """All views of one planned level.

    ``ap`` and ``lateral`` hold for every stop; ``stops`` are in the order of the paths and of the way in.
    """

    level: str
    ap: View
    lateral: View
    ap_reached: Reached
    lateral_reached: Reached
    bulls_eyes: tuple[BullsEye, ...]
    stops: tuple[Stop, ...]

    def bulls_eye(self, side: Side) -> BullsEye | None:
        """The view down the needle of one side, ``None`` without one."""
        return next((one for one in self.bulls_eyes if one.side == side), None)


def plan_shots(
    plan: LevelPlan,
    vertebra: Vertebra | None = None,
    *,
    pixels: int | None = None,
    skin_ras_mm: ArrayLike | None = None,
    limits: CArmLimits | None = None,
) -> PlanShots:
    """The views of a planned level.

    Parameters
    ----------
    plan:
        With its views and paths.
    vertebra:
        As measured; ``None``: no outline of the pedicles, and the isocentre is told from the needles.
    pixels:
        Along each side of the detector; ``None``: ``fluoroscopy.detector_pixels``.
    skin_ras_mm, limits:
        As in :func:`endplate.fluoroscopy.reach.check_reach`.

    Raises
    ------
    UsageError
        ``fluoroscopy-no-views``: the plan has no views, as where the level was refused or could not be measured.
    """
    if plan.views is None:
        raise _no_views(plan.level)
    centre = level_isocentre(plan, vertebra)
    views = [
        mobile_view(_pose(carm, plan.level), centre, pixels=pixels)
        for carm in (plan.views.ap, plan.views.lateral)
    ]
    told = [check_reach(view, skin_ras_mm=skin_ras_mm, limits=limits, level=plan.level) for view in views]
    eyes = []
    for path in plan.paths:
        pedicle = None if vertebra is None else getattr(vertebra.pedicles, path.side)
        eye = bulls_eye_view(path, plan.level, pixels=pixels)
        reached = check_reach(eye, skin_ras_mm=skin_ras_mm, limits=limits, level=plan.level)
        eyes.append(_bulls_eye(path, eye, pedicle, reached))
    stops = tuple(
        Stop(path.side, stop.name, np.array(stop.tip_ras_mm), stop.ap_text, stop.lateral_text)
        for path in plan.paths
        for stop in path.checkpoints
    )
    return PlanShots(plan.level, views[0], views[1], told[0], told[1], tuple(eyes), stops)


def bulls_eye_view(path: NeedlePath, level: str, *, pixels: int | None = None) -> View:
    """The view down one needle, its isocentre on the axis beside the isthmus.

    Raises
    ------
    UsageError
        ``fluoroscopy-no-views``: the path has no C-arm angles.
    """
    points = PathPoints.of(path)
    on_axis = points.entry_ras_mm + points.depth_mm(points.isthmus_ras_mm) * points.direction_ras
    return mobile_view(_pose(path.carm, level), on_axis, pixels=pixels)


def level_isocentre(plan: LevelPlan, vertebra: Vertebra | None) -> FloatArray:
    """The point that AP and lateral are centred on: the body's centre, else the middle of the needles.

    Raises
    ------
    UsageError
        ``fluoroscopy-no-views``: neither is known.
    """
    if vertebra is not None and vertebra.frame is not None:
        return np.array(vertebra.frame.origin_ras_mm)
    if not plan.paths:
        raise _no_views(plan.level)
    ends = [point for path in plan.paths for point in (path.entry_ras_mm, path.tip_ras_mm)]
    return np.asarray(np.mean(ends, axis=0))


def apart_on_detector_mm(view: View, first_ras_mm: ArrayLike, second_ras_mm: ArrayLike) -> float:
    """How far apart two points are shown, mm on the detector."""
    places = view.project(np.stack([np.asarray(first_ras_mm), np.asarray(second_ras_mm)]))[:, :2]
    return float(np.linalg.norm(places[1] - places[0])) * view.pitch_mm


def within_outline(point_px: ArrayLike, outline_px: FloatArray) -> bool:
    """Say whether a point (column, row) lies inside a closed outline, shape (N, 2)."""
    column, row = np.asarray(point_px, dtype=np.float64)[:2]
    a, b = outline_px, np.roll(outline_px, -1, axis=0)
    crosses = (a[:, 1] > row) != (b[:, 1] > row)
    rise = np.where(crosses, b[:, 1] - a[:, 1], 1.0)
    at = a[:, 0] + (row - a[:, 1]) / rise * (b[:, 0] - a[:, 0])
    return bool(np.count_nonzero(crosses & (at > column)) % 2)


def _bulls_eye(path: NeedlePath, view: View, pedicle: Pedicle | None, reached: Reached) -> BullsEye:
    ring = None if pedicle is None else view.project(pedicle_ring(pedicle))[:, :2]
    ends = view.project(np.array([path.entry_ras_mm, path.tip_ras_mm]))
    return BullsEye(
        side=path.side,
        view=view,
        apart_mm=apart_on_detector_mm(view, path.entry_ras_mm, path.tip_ras_mm),
        ring_px=ring,
        inside=None if ring is None else all(within_outline(end, ring) for end in ends),
        reached=reached,
    )


def _pose(carm: CArm, level: str) -> CArmPose:
    pose = pose_of(carm)
    if pose is None:
        raise _no_views(level)
    return pose


def _no_views(level: str) -> UsageError:
    return UsageError(
        "fluoroscopy-no-views",
        f"The plan of {level} has no C-arm angles for a patient on a table.",
        do="Plan the level with a prone or supine patient; a refused level has no views.",
    )
