"""Balloons placed along planned needles, and what must hold before one is inflated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import ndimage

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.model import Side
from endplate.balloon.body import Bone, Tamp
from endplate.devices.balloons import Balloon
from endplate.errors import UsageError
from endplate.planning.model import LevelPlan
from endplate.planning.rules import Rules, load_rules
from endplate.sources import value

LINE_STEP_MM = 0.25
"""Step at which a balloon's axis is followed through the body."""

INTACT = "Nothing was inflated."


def tamps_of_plan(
    plan: LevelPlan, balloons: Mapping[str, Balloon], names: Mapping[Side, str] | None = None
) -> tuple[Tamp, ...]:
    """The balloons of one level's plan, in the order of its paths.

    Parameters
    ----------
    plan:
        With a balloon and its markers on each path.
    balloons:
        The catalogue, by name.
    names:
        Other balloons than the plan's, by side; a marker pair of another length keeps the planned middle.

    Raises
    ------
    UsageError
        ``balloon-not-planned``, ``balloon-unknown``.
    """
    found = []
    for path in plan.paths:
        points = path.kyphoplasty
        if points is None or plan.balloon is None:
            continue
        name = (names or {}).get(path.side, plan.balloon.name)
        if name not in balloons:
            raise UsageError(
                "balloon-unknown",
                f"There is no balloon named {name!r}.",
                intact=INTACT,
                do=f"Choose one of {', '.join(balloons)}.",
            )
        device = balloons[name]
        markers = np.array(points.balloon_markers_ras_mm)
        middle, way = markers.mean(axis=0), markers[1] - markers[0]
        half = 0.5 * device.marker_spacing_mm * way / np.linalg.norm(way)
        found.append(
            Tamp(
                path.side,
                device,
                np.stack([middle - half, middle + half]),
                np.array(points.cannula_end_ras_mm),
            )
        )
    if not found:
        raise UsageError(
            "balloon-not-planned",
            f"The plan of {plan.level} has no balloon.",
            intact=INTACT,
            do="Plan the level with --technique kyphoplasty.",
        )
    return tuple(found)


def check_tamps(bone: Bone, tamps: Sequence[Tamp], rules: Rules | None = None) -> None:
    """Refuse balloons that cannot be inflated where they lie.

    Parameters
    ----------
    bone, tamps:
        The body and the balloons in it.
    rules:
        For the gap to the cannula and the loss of a vertebra plana; the shipped ones where not given.

    Raises
    ------
    UsageError
        ``balloons-none``, ``balloon-vertebra-plana``, ``balloon-outside-bone``, ``balloon-longer-than-body``,
        ``balloon-in-cannula``, ``balloons-cross``.
    """
    own = rules or load_rules()
    if not 1 <= len(tamps) <= 2 or len({tamp.side for tamp in tamps}) != len(tamps):
        raise UsageError(
            "balloons-none",
            f"{len(tamps)} balloons were given for {bone.level}.",
            intact=INTACT,
            do="Give one balloon, or one from each side.",
        )
    if bone.loss is not None and bone.loss >= own.technique.plana_loss:
        raise UsageError(
            "balloon-vertebra-plana",
            f"{bone.level} has lost {100 * bone.loss:.0f} % of its height: a vertebra plana has no room for a balloon.",
            intact=INTACT,
            do="Plan it without a balloon.",
        )
    for tamp in tamps:
        _check_place(bone, tamp)
        gap = float((tamp.markers_ras_mm[0] - tamp.cannula_end_ras_mm) @ tamp.direction_ras)
        wanted = own.balloon.cannula_to_balloon_mm
        if gap < wanted - float(value("balloon.place_tolerance_mm")):
            raise UsageError(
                "balloon-in-cannula",
                f"The proximal marker of the {tamp.side} balloon stands {gap:.1f} mm beyond the working cannula; "
                f"{wanted:g} mm are needed, or it is inflated inside the cannula.",
                intact=INTACT,
                do="Draw the cannula back or advance the balloon until both markers are clear of it.",
            )
    if len(tamps) == 2:
        _check_apart(bone, tamps[0], tamps[1])


def _check_place(bone: Bone, tamp: Tamp) -> None:
    """Both markers inside the body, and room for the balloon's length on its axis."""
    room = _chord_mm(bone, tamp)
    if room is None:
        raise UsageError(
            "balloon-outside-bone",
            f"The {tamp.side} balloon does not lie in the body of {bone.level}.",
            intact=INTACT,
            do="Place both markers inside the vertebral body.",
        )
    if tamp.device.length_mm > room:
        raise UsageError(
            "balloon-longer-than-body",
            f"The {tamp.side} balloon is {tamp.device.length_mm:g} mm long; its axis has {room:.0f} mm in the body of "
            f"{bone.level}.",
            intact=INTACT,
            do="Choose a shorter balloon.",
        )
    depths = _depth_at(bone, tamp.markers_ras_mm)
    if depths.min() < 0.0:
        which = ("proximal", "distal")[int(depths.argmin())]
        raise UsageError(
            "balloon-outside-bone",
            f"The {which} marker of the {tamp.side} balloon lies {-depths.min():.1f} mm outside the body of "
            f"{bone.level}.",
            intact=INTACT,
            do="Place both markers inside the vertebral body.",
        )


def _check_apart(bone: Bone, one: Tamp, other: Tamp) -> None:
    """Two folded balloons do not reach into each other."""
    apart = np.linalg.norm(_axis(one)[:, None] - _axis(other)[None], axis=2).min()
    folded = 0.5 * (one.device.uninflated_diameter_mm + other.device.uninflated_diameter_mm)
    if apart < folded:
        raise UsageError(
            "balloons-cross",
            f"The two balloons of {bone.level} touch before they are inflated: their axes pass {apart:.1f} mm from "
            "each other.",
            intact=INTACT,
            do="Place them further apart, or use one.",
        )


def _axis(tamp: Tamp) -> FloatArray:
    share = np.linspace(0.0, 1.0, 41)[:, None]
    found: FloatArray = (1.0 - share) * tamp.markers_ras_mm[0] + share * tamp.markers_ras_mm[1]
    return found


def _chord_mm(bone: Bone, tamp: Tamp) -> float | None:
    """Length of the axis inside the body through the balloon's middle; ``None`` where the middle is outside."""
    reach = np.arange(0.0, 80.0, LINE_STEP_MM)
    total = 0.0
    for sign in (-1.0, 1.0):
        depth = _depth_at(bone, tamp.middle_ras_mm + sign * reach[:, None] * tamp.direction_ras)
        inside = depth > 0.0
        if not inside[0]:
            return None
        total += float(reach[int(inside.argmin())]) if not inside.all() else float(reach[-1])
    return total


def _depth_at(bone: Bone, ras_mm: FloatArray) -> FloatArray:
    """Depth below the body's surface at points, shape (n, 3); far outside beyond the grid."""
    found: FloatArray = ndimage.map_coordinates(
        bone.depth_mm, bone.index(ras_mm).T, order=1, mode="constant", cval=-20.0
    )
    return found
