"""What the balloons of a treated level came to, in sentences and facts."""

from __future__ import annotations

from endplate.anatomy.model import Side
from endplate.balloon.model import HEIGHT_NAMES, HeightName, Stop
from endplate.balloon.model import Step as InflationStep
from endplate.devices.balloons import shipped_balloons
from endplate.outcome.model import BalloonOutcome, CementOutcome, HeightStage, StageName
from endplate.papers.words import DASH, interval, listed, number, percent, quantity
from endplate.planning.model import LevelPlan
from endplate.units import MPA_PER_PSI

RIGHT_FIRST: tuple[Side, ...] = ("right", "left")
"""The patient's right is on screen left."""

STOP_WORDS: dict[Stop, str] = {
    "operator": "the volume asked for was reached",
    "maximum volume": "its greatest volume was reached",
    "rated pressure": "more would exceed its rated pressure",
    "rupture": "it burst",
    "wall contact": "it touched a wall",
    "endplate contact": "it touched an endplate",
    "target height": "the height wanted was reached",
    "breach": "it broke through a wall",
}
"""Why an inflation ended, in words."""

STAGE_WORDS: dict[StageName, str] = {
    "scan": "On the scan",
    "posture": "By posture (input)",
    "inflated": "Balloons inflated",
    "deflated": "Balloons deflated",
    "final": "In the end",
}
"""Stages in words."""


def sides_of(found: BalloonOutcome) -> tuple[Side, ...]:
    """Sides with a balloon, right before left."""
    known = {*found.balloons, *found.volumes_ml, *found.stopped, *(step.side for step in found.steps)}
    return tuple(side for side in RIGHT_FIRST if side in known)


def stop_words(why: str | None) -> str:
    """Why an inflation ended; a code that is not known stands as it is."""
    if why is None:
        return "not known"
    return next((words for code, words in STOP_WORDS.items() if code == why), why)


def rated_mpa(name: str | None, planned: LevelPlan | None) -> float | None:
    """Rated pressure of a balloon by the plan, or by the shipped catalogue; ``None`` where neither knows it."""
    if planned is not None and planned.balloon is not None and planned.balloon.name == name:
        return planned.balloon.rated_pressure_mpa
    device = None if name is None else shipped_balloons().get(name)
    return None if device is None else device.rated_pressure_mpa


def inflating(found: BalloonOutcome, side: Side) -> tuple[InflationStep, ...]:
    """Steps in which one balloon was inflated, not let off."""
    return tuple(step for step in found.steps if step.side == side and step.volumes_ml.get(side, 0.0) > 0.0)


def peak_step(found: BalloonOutcome, side: Side) -> InflationStep | None:
    """The step of one balloon that asked for the most pressure; ``None`` without one."""
    return max(inflating(found, side), key=lambda step: step.pressure_mpa.foam, default=None)


def stage(found: BalloonOutcome, name: StageName) -> HeightStage | None:
    """One stage; ``None`` where it did not come."""
    return next((one for one in found.stages if one.name == name), None)


def height_of(one: HeightStage | InflationStep, part: HeightName) -> float | None:
    """One of the three heights, mm."""
    found: float | None = getattr(one.heights_mm, part)
    return found


def told_height(found: BalloonOutcome) -> HeightName:
    """The height of which gains are told: that which was lost most, the anterior where that is not known."""
    return found.gain_of or HEIGHT_NAMES[0]


def net_gain_mm(found: BalloonOutcome) -> float | None:
    """What is left of the gain in the end; while balloons are inflated, what they hold."""
    gain = found.height_gain_mm
    return next((one for one in (gain.final, gain.deflated, gain.inflated) if one is not None), None)


def balloon_facts(
    found: BalloonOutcome, cement: CementOutcome | None, planned: LevelPlan | None
) -> list[tuple[str, str]]:
    """Facts of the first page: height, cavity, pressure."""
    return [
        (f"Simulated gain of the {told_height(found)} height", _gain_words(found)),
        ("Simulated cavity", _cavity_words(found, cement)),
        ("Simulated peak pressure in a balloon", _pressure_words(found, planned)),
    ]


def balloon_verdict(
    found: BalloonOutcome, cement: CementOutcome | None, planned: LevelPlan | None
) -> tuple[str, ...]:
    """What the balloons did: height first, then the cavity, the pressure and why each was stopped."""
    words = [f"Gain of the {told_height(found)} height: {_gain_words(found)}.{_angle_words(found)}"]
    words.append(f"Cavity: {_cavity_words(found, cement)}.")
    pressure = f"Peak pressure in a balloon: {_pressure_words(found, planned)}"
    band = found.pressure_band_mpa
    if band is not None and band.foam > 0.0:
        pressure += f"; {interval(band.yield_, band.j2, 'MPa', 2)} between the bounds of the law"
    words.append(pressure + ".")
    told = [
        f"the {side} one ({found.balloons.get(side, 'name not known')}) took "
        f"{quantity(found.volumes_ml.get(side), 'ml')}: {stop_words(found.stopped.get(side))}"
        for side in sides_of(found)
    ]
    if told:
        words.append(f"Balloons: {'; '.join(told)}.")
    return tuple(words)


def _gain_words(found: BalloonOutcome) -> str:
    """Net gain and what it is made of."""
    gain = found.height_gain_mm
    net = net_gain_mm(found)
    if net is None:
        return "not known"
    parts = []
    posture = gain.posture or 0.0
    if gain.posture is not None:
        parts.append(f"{quantity(gain.posture, 'mm')} by posture (an input)")
    if gain.inflated is not None:
        parts.append(f"{quantity(gain.inflated - posture, 'mm')} by the balloons")
        if gain.deflated is not None:
            parts.append(f"less {quantity(gain.inflated - gain.deflated, 'mm')} lost on deflation")
    made = f": {listed(parts, 'and') if len(parts) < 3 else ', '.join(parts)}" if parts else ""
    held = "" if gain.deflated is not None or gain.final is not None else " with the balloons inflated"
    return f"{quantity(net, 'mm')}{held}{made}"


def _angle_words(found: BalloonOutcome) -> str:
    """How the wedge angle changed; empty where it is not known."""
    if len(found.stages) < 2:
        return ""
    first, last = found.stages[0].wedge_angle_deg, found.stages[-1].wedge_angle_deg
    if first is None or last is None:
        return ""
    return f" Wedge angle: {quantity(first, '°')} on the scan, {quantity(last, '°')} in the end."


def _cavity_words(found: BalloonOutcome, cement: CementOutcome | None) -> str:
    words = quantity(found.cavity_ml, "ml")
    if cement is None:
        return f"{words}, no cement was given"
    share = percent(cement.in_cavity_ml / found.cavity_ml) if found.cavity_ml else DASH
    return f"{words}, {quantity(cement.in_cavity_ml, 'ml')} of cement in it ({share})"


def _pressure_words(found: BalloonOutcome, planned: LevelPlan | None) -> str:
    """The greatest pressure against the rating of the balloon that had it."""
    peak = found.peak_pressure_mpa
    if peak is None:
        return "not known"
    words = f"{quantity(peak, 'MPa', 2)} ({number(peak / MPA_PER_PSI, 0)} psi)"
    peaks = [(step.pressure_mpa.foam, side) for side in sides_of(found) if (step := peak_step(found, side))]
    sides = [max(peaks)[1]] if peaks else list(sides_of(found))
    ratings = [one for side in sides if (one := rated_mpa(found.balloons.get(side), planned)) is not None]
    if not ratings:
        return f"{words}; the rated pressure is not known"
    return f"{words}, {percent(peak / min(ratings))} of the rated {quantity(min(ratings), 'MPa', 2)}"
