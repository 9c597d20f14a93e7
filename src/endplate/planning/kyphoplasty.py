"""Where cannula, channel and balloon lie on one needle's axis, and which balloon fits.

Along the axis, counted from the posterior wall: the working cannula ends just inside it; the drilled channel goes on;
the balloon lies between its two markers, wholly beyond the cannula; the channel ends a little past the balloon.
An inflated balloon is the capsule of ``devices.balloons``: every point within its radius of a stretch of the axis. Its
distance to a wall is the least distance of that stretch to the wall less the radius, exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from endplate.anatomy.axes import FloatArray
from endplate.devices.balloons import Balloon
from endplate.planning.axis_room import WALLS, AxisRoom
from endplate.planning.model import KyphoplastyPath
from endplate.planning.rounding import DIGITS, rounded_point
from endplate.planning.rules import Rules

SHIFT_MM = 0.5
"""Step by which a balloon's place along the axis is tried."""


@dataclass(frozen=True, eq=False)
class NeedleRoom:
    """One needle's axis in the body.

    Parameters
    ----------
    entry_ras_mm, direction_ras:
        Where depths count from, and the unit direction.
    wall_depth_mm:
        Depth at which the axis passes the posterior wall.
    room:
        Distances to the walls along the axis.
    """

    entry_ras_mm: FloatArray
    direction_ras: FloatArray
    wall_depth_mm: float
    room: AxisRoom

    def point(self, depth_mm: float) -> FloatArray:
        """The axis at a depth, RAS mm."""
        where: FloatArray = np.asarray(self.entry_ras_mm) + depth_mm * np.asarray(self.direction_ras)
        return where


@dataclass(frozen=True)
class BalloonFit:
    """A balloon that fits on one axis: depth of its middle and the volume it may take there."""

    balloon: Balloon
    volume_ml: float
    middle_mm: float

    @property
    def diameter_mm(self) -> float:
        """Its inflated diameter."""
        return self.balloon.inflated_diameter_mm(self.volume_ml)

    @property
    def core_mm(self) -> tuple[float, float]:
        """Depths between which the inflated capsule's axis runs."""
        half = 0.5 * (self.balloon.inflated_length_mm(self.volume_ml) - self.diameter_mm)
        return self.middle_mm - half, self.middle_mm + half


@dataclass(frozen=True)
class NoFit:
    """Why not even the smallest volume of the balloon that comes nearest fits: the wall it would come too near."""

    balloon: Balloon
    volume_ml: float
    wall: str
    distance_mm: float
    limit_mm: float


def channel_length_mm(balloon: Balloon, rules: Rules) -> float:
    """Length of channel and cannula that a balloon needs beyond the posterior wall along the axis."""
    own = rules.balloon
    return (
        own.cannula_beyond_wall_mm
        + own.cannula_to_balloon_mm
        + balloon.length_mm
        + own.channel_past_balloon_mm
    )


def wall_limits_mm(rules: Rules) -> dict[str, float]:
    """Least distance of the inflated balloon from each wall."""
    own = rules.balloon
    return {
        "posterior": own.posterior_wall_mm,
        "anterior": own.anterior_wall_mm,
        "endplate": own.endplate_mm,
        "side": own.side_wall_mm,
    }


def fit_balloon(
    needle: NeedleRoom, balloon: Balloon, rules: Rules, limit_ml: float | None = None
) -> BalloonFit | None:
    """The greatest volume of one balloon that fits on an axis, at the place nearest to the one that is wanted.

    The volume is a multiple of the inflation step, at most the balloon's nominal volume and ``limit_ml``.
    """
    for volume in _volumes(balloon, rules, limit_ml):
        fits = [
            middle
            for middle in _places(needle, balloon, volume, rules)
            if _worst(needle, BalloonFit(balloon, volume, middle), rules)[1] >= 0.0
        ]
        if fits:
            wanted = rules.balloon.centre_depth
            best = min(
                fits, key=lambda middle: (round(abs(_depth_fraction(needle, middle) - wanted), 6), middle)
            )
            return BalloonFit(balloon, volume, best)
    return None


def why_none_fits(needle: NeedleRoom, balloons: Sequence[Balloon], rules: Rules) -> NoFit | None:
    """The nearest miss at the smallest useful volume; ``None`` where a balloon has no place between cannula and tip."""
    volume = smallest_volume_ml(rules)
    misses = []
    for balloon in balloons:
        if volume > balloon.max_volume_ml:
            continue
        for middle in _places(needle, balloon, volume, rules):
            wall, slack = _worst(needle, BalloonFit(balloon, volume, middle), rules)
            misses.append((slack, -middle, balloon, wall))
    if not misses:
        return None
    slack, _, balloon, wall = max(misses, key=lambda item: item[:2])
    limit = wall_limits_mm(rules)[wall]
    return NoFit(balloon, volume, wall, round(limit + slack, 3), limit)


def smallest_volume_ml(rules: Rules) -> float:
    """The least volume worth a balloon, as a multiple of the inflation step."""
    step = rules.balloon.volume_step_ml
    return float(step * np.ceil(round(rules.balloon.volume_min_ml / step, 9)))


def kyphoplasty_points(needle: NeedleRoom, fit: BalloonFit, rules: Rules) -> KyphoplastyPath:
    """The points of one needle with its balloon."""
    own = rules.balloon
    cannula = needle.wall_depth_mm + own.cannula_beyond_wall_mm
    half = 0.5 * fit.balloon.marker_spacing_mm
    return KyphoplastyPath(
        cannula_end_ras_mm=rounded_point(needle.point(cannula)),
        channel_end_ras_mm=rounded_point(needle.point(fit.middle_mm + half + own.channel_past_balloon_mm)),
        balloon_markers_ras_mm=(
            rounded_point(needle.point(fit.middle_mm - half)),
            rounded_point(needle.point(fit.middle_mm + half)),
        ),
        cannula_beyond_wall_mm=round(own.cannula_beyond_wall_mm, DIGITS),
        balloon_to_anterior_wall_mm=round(balloon_distance_mm(needle, fit, "anterior"), DIGITS),
        balloon_to_endplate_mm=round(balloon_distance_mm(needle, fit, "endplate"), DIGITS),
    )


def balloon_distance_mm(needle: NeedleRoom, fit: BalloonFit, wall: str) -> float:
    """Distance of the inflated balloon's surface to a wall of the body."""
    return needle.room.least(wall, *fit.core_mm) - 0.5 * fit.diameter_mm


def _volumes(balloon: Balloon, rules: Rules, limit_ml: float | None) -> Iterator[float]:
    """Volumes to try, the greatest first."""
    step = rules.balloon.volume_step_ml
    most = balloon.nominal_volume_ml if limit_ml is None else min(balloon.nominal_volume_ml, limit_ml)
    first = int(np.floor(round(most / step, 9)))
    last = round(smallest_volume_ml(rules) / step)
    yield from (round(step * count, 9) for count in range(first, last - 1, -1))


def _places(needle: NeedleRoom, balloon: Balloon, volume_ml: float, rules: Rules) -> Iterator[float]:
    """Depths at which the balloon's middle may stand: wholly beyond the cannula, its channel's end well in the body."""
    own, tip = rules.balloon, rules.search.tip_clearance_mm
    half = 0.5 * balloon.inflated_length_mm(volume_ml)
    first = needle.wall_depth_mm + own.cannula_beyond_wall_mm + own.cannula_to_balloon_mm + half
    for middle in np.arange(first, needle.room.depth_mm[-1], SHIFT_MM):
        end = float(middle) + 0.5 * balloon.length_mm + own.channel_past_balloon_mm
        if (
            needle.room.at("anterior", end) >= tip.anterior
            and needle.room.at("endplate", end) >= tip.endplate
        ):
            yield float(middle)


def _worst(needle: NeedleRoom, fit: BalloonFit, rules: Rules) -> tuple[str, float]:
    """The wall that the inflated balloon keeps least clear of, and by how much more than its limit (mm)."""
    limits = wall_limits_mm(rules)
    slack = {wall: balloon_distance_mm(needle, fit, wall) - limits[wall] for wall in WALLS}
    worst = min(WALLS, key=lambda wall: slack[wall])
    return worst, slack[worst]


def _depth_fraction(needle: NeedleRoom, depth_mm: float) -> float:
    """Share of the way from the posterior to the anterior wall at a depth."""
    behind, ahead = needle.room.at("posterior", depth_mm), needle.room.at("anterior", depth_mm)
    return behind / max(behind + ahead, 1e-9)
