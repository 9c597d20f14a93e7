"""Four stops on the needle's way with what must be seen on AP and lateral before going on.

Above all: on AP the tip must not pass the medial border of the pedicle ring before it has crossed the posterior
wall on lateral; a tip that does so may be in the canal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from endplate.anatomy.axes import FloatArray, unit
from endplate.anatomy.model import Frame, Pedicle
from endplate.anatomy.revisit import axes_of
from endplate.planning.model import Checkpoint, CheckpointName
from endplate.planning.room_geometry import PathPoints
from endplate.planning.rounding import DIGITS, rounded, rounded_point
from endplate.sources import Finding, finding

RING_POINTS = 48
"""Points of the circle that stands for a pedicle whose outline is not known."""

AT_MM = 0.5
"""Distances below this are told as "at"."""

STEP_MM = 0.1
"""Step along the needle at which the crossing of the wall is looked for."""

TOUCH_MM = 1e-6
"""A tip this near the wall has crossed it."""

ORDER: tuple[CheckpointName, ...] = ("docking", "mid-pedicle", "posterior-wall", "target")


@dataclass(frozen=True, eq=False)
class Sight:
    """What the true views show of one side: directions on the pictures and the structures to measure from.

    Parameters
    ----------
    lateral_ras:
        Toward the needle's side on the true AP picture.
    front_ras:
        Toward the front on the true lateral picture.
    up_ras:
        Toward the head on both.
    midline_ras_mm:
        A point of the level's midline.
    ring_ras_mm:
        The pedicle's ring at its isthmus, shape (N, 3); ``None`` where no pedicle was measured.
    wall_ras_mm:
        Points of the posterior wall, shape (N, 3).
    """

    lateral_ras: FloatArray
    front_ras: FloatArray
    up_ras: FloatArray
    midline_ras_mm: FloatArray
    ring_ras_mm: FloatArray | None
    wall_ras_mm: FloatArray

    def lateral_of_ring_mm(self, point_ras_mm: FloatArray) -> float | None:
        """How far a point is lateral of the ring's medial border on AP (negative: past it)."""
        if self.ring_ras_mm is None:
            return None
        return float(point_ras_mm @ self.lateral_ras - (self.ring_ras_mm @ self.lateral_ras).min())

    def ring_middle_mm(self, point_ras_mm: FloatArray) -> tuple[float, float] | None:
        """Place on AP from the middle of the ring: mm lateral, mm toward the head."""
        if self.ring_ras_mm is None:
            return None
        across, up = self.ring_ras_mm @ self.lateral_ras, self.ring_ras_mm @ self.up_ras
        middle = 0.5 * (across.min() + across.max()), 0.5 * (up.min() + up.max())
        return float(point_ras_mm @ self.lateral_ras - middle[0]), float(
            point_ras_mm @ self.up_ras - middle[1]
        )

    def beyond_wall_mm(self, point_ras_mm: FloatArray) -> float:
        """How far a point is in front of the posterior wall at its own height on lateral (negative: behind)."""
        height = self.wall_ras_mm @ self.up_ras
        order = np.argsort(height, kind="stable")
        depth = (self.wall_ras_mm @ self.front_ras)[order]
        wall = float(np.interp(float(point_ras_mm @ self.up_ras), height[order], depth))
        return float(point_ras_mm @ self.front_ras) - wall

    def from_midline_mm(self, point_ras_mm: FloatArray) -> float:
        """How far a point is from the midline on AP, toward the needle's side."""
        return float((point_ras_mm - self.midline_ras_mm) @ self.lateral_ras)


def sight(
    points: PathPoints, frame: Frame, pedicle: Pedicle | None, wall_ras_mm: FloatArray | None = None
) -> Sight:
    """What the true views show for one needle.

    The true AP view looks along the frame's anterior axis and the true lateral along its right axis
    (:func:`endplate.planning.views.level_poses`), so the frame's other axes lie in the pictures at their full length.

    Parameters
    ----------
    points:
        The needle.
    frame, pedicle:
        Of the level and of the needle's side, as measured.
    wall_ras_mm:
        Points of the posterior wall, shape (N, 3), in any order; ``None``: where the needle crosses it.
    """
    axes = axes_of(frame)
    return Sight(
        lateral_ras=axes.right if points.side == "right" else -axes.right,
        front_ras=axes.anterior,
        up_ras=axes.superior,
        midline_ras_mm=axes.origin_ras_mm,
        ring_ras_mm=None if pedicle is None else pedicle_ring(pedicle),
        wall_ras_mm=points.wall_ras_mm[None] if wall_ras_mm is None else np.atleast_2d(wall_ras_mm),
    )


def checkpoints(
    points: PathPoints, seen: Sight, body_depth_mm: float | None = None
) -> tuple[Checkpoint, ...]:
    """The four stops of one needle, in the order in which the tip comes to them.

    The stop at the posterior wall is where the tip has crossed it both in space and on the lateral picture, whichever
    is later: a wall that is hollow toward the canal shows there in front of where a needle beside it crosses.
    An extrapedicular needle passes the middle of the pedicle before it meets bone; that depth is negative.

    Parameters
    ----------
    points:
        The needle.
    seen:
        What the true views show (:func:`sight`).
    body_depth_mm:
        Depth of the body, to tell the target's depth as a share; ``None`` leaves that out.
    """
    places = (points.entry_ras_mm, _middle(points), _crossed(points, seen), points.tip_ras_mm)
    skin = None if points.skin_ras_mm is None else -points.depth_mm(points.skin_ras_mm)
    stops = []
    for name, place in zip(ORDER, places, strict=True):
        depth = points.depth_mm(place)
        stops.append(
            Checkpoint(
                name=name,
                tip_ras_mm=rounded_point(place),
                depth_mm=round(depth, DIGITS),
                skin_depth_mm=None if skin is None else round(skin + depth, DIGITS),
                lateral_of_medial_ring_mm=rounded(seen.lateral_of_ring_mm(place)),
                beyond_posterior_wall_mm=round(seen.beyond_wall_mm(place), DIGITS),
                ap_text=_ap_text(name, points, seen, place),
                lateral_text=_lateral_text(name, seen, place, body_depth_mm),
            )
        )
    return tuple(sorted(stops, key=lambda stop: stop.depth_mm))


def ring_findings(level: str, points: PathPoints, stops: tuple[Checkpoint, ...]) -> tuple[Finding, ...]:
    """A warning where the planned path itself passes the medial ring before the posterior wall."""
    wall = next(stop for stop in stops if stop.name == "posterior-wall")
    past = wall.lateral_of_medial_ring_mm
    if past is None or past >= 0.0:
        return ()
    return (finding("needle-ring-before-wall", level=level, side=points.side.capitalize(), past=-past),)


def pedicle_ring(pedicle: Pedicle) -> FloatArray:
    """The pedicle's outline at its isthmus, shape (N, 3), RAS mm; its inscribed circle where no outline is known."""
    if len(pedicle.outline_ras_mm) >= 3:
        return np.array(pedicle.outline_ras_mm)
    axis = unit(pedicle.axis_ras)
    first = unit(np.cross(axis, np.eye(3)[int(np.argmin(np.abs(axis)))]))
    turn = 2.0 * np.pi * np.arange(RING_POINTS)[:, None] / RING_POINTS
    circle = np.cos(turn) * first + np.sin(turn) * np.cross(axis, first)
    return np.asarray(np.array(pedicle.isthmus_ras_mm) + 0.5 * pedicle.inscribed_diameter_mm * circle)


def _middle(points: PathPoints) -> FloatArray:
    """The isthmus; half way from entry to wall where it lies outside that stretch, as in a collapsed vertebra."""
    wall = points.depth_mm(points.wall_ras_mm)
    beside = points.approach != "transpedicular"
    if beside or 0.0 < points.depth_mm(points.isthmus_ras_mm) < wall:
        return points.isthmus_ras_mm
    return np.asarray(points.entry_ras_mm + 0.5 * wall * points.direction_ras)


def _crossed(points: PathPoints, seen: Sight) -> FloatArray:
    """Where the tip is in front of the posterior wall in space and on lateral; the tip where it never is."""
    begin, end = points.depth_mm(points.wall_ras_mm), points.depth_mm(points.tip_ras_mm)
    for depth in np.append(np.arange(begin, end, STEP_MM), end):
        place = points.entry_ras_mm + depth * points.direction_ras
        if seen.beyond_wall_mm(place) >= -TOUCH_MM:
            return np.asarray(place)
    return points.tip_ras_mm


def _ap_text(name: CheckpointName, points: PathPoints, seen: Sight, place: FloatArray) -> str:
    """What AP must show."""
    if name == "target":
        aside = seen.from_midline_mm(place)
        where = (
            "at the midline"
            if abs(aside) < AT_MM
            else f"{abs(aside):.1f} mm {_side(aside, points.side)} of the midline"
        )
        return f"Tip {where}."
    if points.approach == "extrapedicular":
        return f"Tip beside the ring{_ring_words(seen, place)}."
    if name == "docking":
        return f"Tip on the bone, {_docking_words(seen, place)}."
    if name == "mid-pedicle":
        return f"Tip inside the ring{_ring_words(seen, place)}."
    past = seen.lateral_of_ring_mm(place)
    if past is not None and past < 0.0:
        return f"The plan has the tip {-past:.1f} mm past the ring's medial border: stop and check."
    return f"Tip not past the ring's medial border{_border_words(seen, place)}."


def _lateral_text(name: CheckpointName, seen: Sight, place: FloatArray, body_depth_mm: float | None) -> str:
    """What lateral must show."""
    beyond = seen.beyond_wall_mm(place)
    if abs(beyond) < AT_MM:
        where = "at the posterior wall"
    else:
        where = f"{abs(beyond):.1f} mm {'in front of' if beyond > 0.0 else 'behind'} the posterior wall"
    if name == "docking":
        return f"Tip on the bone, {where}."
    if name == "mid-pedicle":
        return f"Tip {where}."
    if name == "posterior-wall":
        return f"Tip {where}; only now past the ring on AP."
    share = "" if not body_depth_mm else f", {100.0 * beyond / body_depth_mm:.0f} % of depth"
    return f"Tip {where}{share}."


def _docking_words(seen: Sight, place: FloatArray) -> str:
    """Where the tip docks, told from the middle of the ring."""
    middle = seen.ring_middle_mm(place)
    if middle is None:
        return "at the planned entry"
    parts = [
        f"{abs(amount):.1f} mm {plus if amount > 0.0 else minus}"
        for amount, plus, minus in ((middle[0], "lateral", "medial"), (middle[1], "above", "below"))
        if abs(amount) >= AT_MM
    ]
    if not parts:
        return "at the ring's middle"
    of = "of " if len(parts) == 1 and abs(middle[0]) >= AT_MM else ""
    return f"{' and '.join(parts)} {of}the ring's middle"


def _ring_words(seen: Sight, place: FloatArray) -> str:
    past = seen.lateral_of_ring_mm(place)
    if past is None:
        return ""
    return f", {abs(past):.1f} mm {'lateral of' if past >= 0.0 else 'past'} its medial border"


def _border_words(seen: Sight, place: FloatArray) -> str:
    past = seen.lateral_of_ring_mm(place)
    return "" if past is None else f": {past:.1f} mm lateral of it"


def _side(aside: float, side: str) -> str:
    other = "left" if side == "right" else "right"
    return side if aside > 0.0 else other
