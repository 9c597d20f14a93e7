"""Heights gained: by posture, by lift, and what recoil takes back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.model import HeightTriple
from endplate.balloon.body import Bone
from endplate.balloon.documents import Motion, Step
from endplate.balloon.lift import Plates, Response
from endplate.balloon.options import Posture
from endplate.balloon.pressure import band
from endplate.balloon.state import Lifted, State
from endplate.balloon.walls import wall_distances_mm
from endplate.errors import UsageError
from endplate.mechanics.laws import DensityLaw
from endplate.sources import value

LEAST_MM = 1e-9


@dataclass(frozen=True, eq=False)
class Room:
    """How far the heights of a body may rise.

    Parameters
    ----------
    heights_mm:
        On the scan: anterior, middle, posterior.
    posture_mm:
        Gained by posture, held to what was lost.
    left_mm:
        What lift may add; infinite where no expected height is known.
    main:
        Which of the three was lost most.
    """

    heights_mm: FloatArray
    posture_mm: FloatArray
    left_mm: FloatArray
    main: int

    def main_gain(self, lines_mm: FloatArray) -> float:
        """Gain of the height that was lost most, by posture and lift."""
        return float(self.posture_mm[self.main] + lines_mm[self.main])

    def share(self, lines_mm: FloatArray) -> float:
        """What share of a lift there is room for: where one height reaches its bound, all is held back alike."""
        over = lines_mm > self.left_mm
        return float((self.left_mm[over] / lines_mm[over]).min()) if over.any() else 1.0


def room_above(bone: Bone, posture: Posture) -> Room:
    """Room for each height; raises ``UsageError`` (``balloon-no-heights``) where they were not measured."""
    heights, expected = _three(bone.heights_mm), _three(bone.expected_heights_mm)
    if not np.isfinite(heights).all():
        raise UsageError(
            "balloon-no-heights",
            f"The heights of {bone.level} were not measured.",
            intact="Nothing was inflated.",
            do="Choose a level that is whole in the scan.",
        )
    lost = expected - heights
    known = np.isfinite(lost)
    gained = np.where(known, np.clip(posture.gain_mm, 0.0, np.maximum(lost, 0.0)), posture.gain_mm)
    slack = float(value("balloon.height_slack_mm"))
    left = np.where(known, np.maximum(lost - gained, 0.0) + slack, np.inf)
    main = int(np.argmax(np.where(known, lost / heights, -np.inf))) if known.any() else 0
    return Room(heights, gained, left, main)


def no_lift(count: int) -> Lifted:
    """Nothing moved by so many balloons."""
    flat, none = np.zeros(3), np.zeros(count)
    return Lifted(flat, np.zeros(2), flat, np.zeros(2), none, none)


def lifted_by(before: Lifted, plates: Plates, opened_ml: FloatArray, room: Room) -> Lifted:
    """Lift under the present pressures: never less than what was held before.

    Parameters
    ----------
    before, room:
        What is held, and which height counts.
    plates, opened_ml:
        Where the endplates would stand, held to their greatest height, and by how much each cavity is wider.
    """
    wanted = plates.lines_mm[room.main]
    most_ml = np.maximum(before.most_opened_ml, opened_ml)
    after = replace(before, opened_ml=opened_ml, most_opened_ml=most_ml)
    if wanted <= before.lines_mm[room.main]:
        return after
    after = replace(after, lines_mm=plates.lines_mm, slope=plates.slope)
    if wanted <= before.most_mm[room.main]:
        return after
    return replace(after, most_mm=plates.lines_mm, most_slope=plates.slope)


def recoiled(before: Lifted, plates: Plates) -> Lifted:
    """What is left of a lift when pressure is let off.

    Of the way from the furthest place back to where the body would spring to, a calibrated share is lost; in which
    order balloons are deflated does not matter.
    """
    held = np.minimum(_left(before.most_mm, plates.lines_mm), before.lines_mm)
    whole = float(np.abs(before.most_mm).max())
    kept = float(np.abs(held).max()) / whole if whole > LEAST_MM else 1.0
    return replace(before, lines_mm=held, slope=kept * before.most_slope)


def left_open_ml(lifted: Lifted, response: Response | None) -> FloatArray:
    """By how much each cavity will be wider than the bone that it swept once all balloons are let off, shape (n,).

    Walls go back by the same share of their way as the endplates. What is known of it before the first balloon is let
    off does not change after: cement may be in one cavity while a balloon still holds the other.
    """
    spring = np.zeros_like(lifted.opened_ml)
    if response is not None:
        spring = response.opened(np.zeros(len(spring)))
    return np.maximum(_left(lifted.most_opened_ml, spring), 0.0)


def _left(most: FloatArray, spring: FloatArray) -> FloatArray:
    """What the calibrated share of recoil leaves of the way from where the body springs to up to the furthest place."""
    share = float(value("balloon.recoil_share"))
    low = np.minimum(spring, most)
    found: FloatArray = low + (1.0 - share) * (most - low)
    return found


def told_step(bone: Bone, room: Room, state: State, place: int, law: DensityLaw) -> Step:
    """The document of the present state."""
    gain = room.posture_mm + state.lifted.lines_mm
    way = bone.windows[0, 1] - bone.windows[2, 1]
    turned = float(np.degrees(np.arctan2(gain[0] - gain[2], way)))
    walls = wall_distances_mm(bone, state.cavity)
    return Step(
        side=state.tamps[place].side,
        volumes_ml={tamp.side: round(ml, 6) for tamp, ml in zip(state.tamps, state.volumes_ml, strict=True)},
        cavity_ml=round(float(np.sum(state.room_ml(bone.voxel_ml))), 6),
        opened_ml=round(float(state.lifted.opened_ml.sum()), 6),
        pressure_mpa=band(state.pressures_mpa[place], law),
        heights_mm=triple(room.heights_mm + gain),
        gain_mm=triple(gain),
        motion=Motion(
            lift_mm=round(float(state.lifted.lines_mm[1]), 6),
            sagittal_tilt_deg=round(float(np.degrees(np.arctan(state.lifted.slope[1]))), 6),
            coronal_tilt_deg=round(float(np.degrees(np.arctan(state.lifted.slope[0]))), 6),
        ),
        wedge_angle_deg=None if bone.wedge_deg is None else round(bone.wedge_deg - turned, 6),
        wall_mm=walls,
        least_wall_mm=min(walls.values(), default=float("inf")),
    )


def triple(values: FloatArray) -> HeightTriple:
    """Anterior, middle, posterior as a document."""
    a, m, p = (round(float(one), 6) for one in values)
    return HeightTriple(anterior=a, middle=m, posterior=p)


def _three(heights: HeightTriple) -> FloatArray:
    parts = (heights.anterior, heights.middle, heights.posterior)
    return np.array([np.nan if one is None else one for one in parts])
