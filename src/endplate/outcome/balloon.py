"""What balloons come to: heights at each stage, pressure, cavity."""

from __future__ import annotations

import math

from endplate.anatomy.model import HeightTriple, Side
from endplate.balloon.model import HEIGHT_NAMES, Inflation
from endplate.outcome.model import BalloonOutcome, HeightGain, HeightStage, StageName

DIGITS = 6


def balloon_outcome(done: Inflation, *, filled: bool) -> BalloonOutcome:
    """The outcome of one level's balloons.

    Parameters
    ----------
    done:
        What they did.
    filled:
        Cement is in the cavity: it holds what deflation left. Without, nothing is said of the end.
    """
    gains = done.gains
    peak = done.peak_pressure_mpa
    stages: list[tuple[StageName, HeightTriple | None]] = [
        ("posture", gains.posture),
        ("inflated", gains.inflated),
        ("deflated", gains.deflated),
        ("final", gains.deflated if filled else None),
    ]
    found = [HeightStage(name="scan", heights_mm=done.heights_mm, wedge_angle_deg=done.wedge_angle_deg)]
    found += [_stage(done, name, gain) for name, gain in stages if gain is not None]
    told = {name: None if gain is None else getattr(gain, done.lost_most) for name, gain in stages}
    return BalloonOutcome(
        volume_ml=round(sum(_most_ml(done).values()), DIGITS),
        peak_pressure_mpa=None if peak is None else peak.foam,
        cavity_ml=done.cavity_ml,
        height_gain_mm=HeightGain(**told),
        balloons=done.balloons,
        volumes_ml=_most_ml(done),
        stopped=dict(done.stopped),
        pressure_band_mpa=peak,
        pressure_band=done.pressure_band,
        gain_of=done.lost_most,
        stages=tuple(found),
        expected_heights_mm=done.expected_heights_mm,
        uncertainty_mm=done.uncertainty_mm,
        steps=done.steps,
        bone_mineral_error=done.bone_mineral_error,
    )


def _stage(done: Inflation, name: StageName, gain: HeightTriple) -> HeightStage:
    """Heights with a gain, and the wedge that they leave: the endplates turn by what the front gains over the back."""
    ahead = (gain.anterior or 0.0) - (gain.posterior or 0.0)
    turned = math.degrees(math.atan2(ahead, done.line_distance_mm))
    angle = done.wedge_angle_deg
    return HeightStage(
        name=name,
        heights_mm=_raised(done.heights_mm, gain),
        wedge_angle_deg=None if angle is None else round(angle - turned, DIGITS),
    )


def _raised(heights_mm: HeightTriple, gain_mm: HeightTriple) -> HeightTriple:
    raised = {}
    for name in HEIGHT_NAMES:
        height, gain = getattr(heights_mm, name), getattr(gain_mm, name)
        raised[name] = None if height is None or gain is None else round(height + gain, DIGITS)
    return HeightTriple(**raised)


def _most_ml(done: Inflation) -> dict[Side, float]:
    """The most that each balloon held."""
    return {side: max((step.volumes_ml[side] for step in done.steps), default=0.0) for side in done.balloons}
