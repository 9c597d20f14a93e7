"""The balloon of one level: the same on every needle, the volume that fits them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from endplate.anatomy.model import Side
from endplate.devices.balloons import Balloon
from endplate.devices.cannulas import Cannula
from endplate.devices.catalogue import Catalogue
from endplate.planning.kyphoplasty import (
    BalloonFit,
    NeedleRoom,
    fit_balloon,
    kyphoplasty_points,
    smallest_volume_ml,
    why_none_fits,
)
from endplate.planning.model import BalloonChoice, Decision, KyphoplastyPath
from endplate.planning.options import PlanOptions
from endplate.planning.rules import Rules
from endplate.sources import Finding, finding

CORE_POINTS = 41
"""Points along a balloon's axis at which two balloons' distance is taken."""


@dataclass(frozen=True)
class LevelBalloons:
    """A level's balloons: the choice, the points of each needle, and the decision."""

    choice: BalloonChoice
    paths: dict[Side, KyphoplastyPath]
    middles_mm: dict[Side, float]
    """Depth of each balloon's middle from its needle's entry."""
    decision: Decision
    warnings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class NoBalloon:
    """Why no balloon fits."""

    code: str
    reasons: tuple[Finding, ...]


def choose_balloon(
    level: str,
    needles: Mapping[Side, NeedleRoom],
    working: Cannula,
    options: PlanOptions,
    rules: Rules,
    limit_ml: float | None = None,
) -> LevelBalloons | NoBalloon:
    """Choose the balloon of a level.

    The longest that takes its nominal volume on every needle; where none does, the one that takes most (of equal
    ones the longer). With two needles the inflated balloons do not overlap.

    Parameters
    ----------
    level:
        Its name.
    needles:
        The room on each needle's axis, by side.
    working:
        The working cannula that the balloon must pass (of two different ones the thinner).
    options:
        The user's balloon and the catalogue.
    rules:
        The rules.
    limit_ml:
        Greatest volume of each balloon, so that the cavities can be filled within the cement's bounds.
    """
    candidates = _candidates(options.catalogue, working, options)
    if not candidates:
        reason = finding(
            "refused-balloon-access", level=level, gauge=working.gauge, bore=working.inner_diameter_mm
        )
        return NoBalloon("balloon-access", (reason,))
    if limit_ml is not None and limit_ml < smallest_volume_ml(rules):
        reason = finding(
            "refused-balloon-cement", level=level, limit=limit_ml, least=smallest_volume_ml(rules)
        )
        return NoBalloon("balloon-cement", (reason,))
    best: dict[Side, BalloonFit] | None = None
    for balloon in candidates:
        fits = _on_all(needles, balloon, rules, limit_ml)
        if fits is None:
            continue
        if best is None or _volume(fits) > _volume(best):
            best = fits
        if _volume(fits) >= _aim_ml(balloon, rules, limit_ml):
            best = fits
            break
    if best is None:
        return NoBalloon("balloon-no-room", _reasons(level, needles, candidates, rules))
    return _document(level, needles, best, working, rules, limit_ml)


def _candidates(catalogue: Catalogue, working: Cannula, options: PlanOptions) -> tuple[Balloon, ...]:
    allowed = options.balloons
    return tuple(item for item in catalogue.balloons_through(working) if item in allowed)


def _aim_ml(balloon: Balloon, rules: Rules, limit_ml: float | None) -> float:
    """The volume a balloon is meant to take: nominal, or what the limit leaves, in whole steps."""
    step = rules.balloon.volume_step_ml
    most = balloon.nominal_volume_ml if limit_ml is None else min(balloon.nominal_volume_ml, limit_ml)
    return float(step * np.floor(round(most / step, 9)))


def _on_all(
    needles: Mapping[Side, NeedleRoom], balloon: Balloon, rules: Rules, limit_ml: float | None
) -> dict[Side, BalloonFit] | None:
    """The balloon on every needle at one volume, or ``None`` where it does not fit on all."""
    limit = limit_ml
    while True:
        fits: dict[Side, BalloonFit] = {}
        for side, needle in needles.items():
            fit = fit_balloon(needle, balloon, rules, limit)
            if fit is None:
                return None
            fits[side] = fit
        least = _volume(fits)
        if any(fit.volume_ml > least for fit in fits.values()):
            limit = least
            continue
        if not _overlap(needles, fits):
            return fits
        limit = least - rules.balloon.volume_step_ml
        if limit < smallest_volume_ml(rules) - 1e-9:
            return None


def _overlap(needles: Mapping[Side, NeedleRoom], fits: Mapping[Side, BalloonFit]) -> bool:
    """Two inflated balloons reach into each other."""
    if len(fits) < 2:
        return False
    cores = []
    for side, fit in fits.items():
        depths = np.linspace(*fit.core_mm, CORE_POINTS)
        needle = needles[side]
        cores.append(np.asarray(needle.entry_ras_mm) + depths[:, None] * np.asarray(needle.direction_ras))
    apart = np.linalg.norm(cores[0][:, None] - cores[1][None], axis=2).min()
    return bool(apart < 0.5 * sum(fit.diameter_mm for fit in fits.values()))


def _volume(fits: Mapping[Side, BalloonFit]) -> float:
    return min(fit.volume_ml for fit in fits.values())


def _reasons(
    level: str, needles: Mapping[Side, NeedleRoom], candidates: Sequence[Balloon], rules: Rules
) -> tuple[Finding, ...]:
    """Why no balloon fits, by needle."""
    reasons = []
    for side, needle in needles.items():
        if any(fit_balloon(needle, balloon, rules) for balloon in candidates):
            continue
        miss = why_none_fits(needle, candidates, rules)
        if miss is None:
            shortest = min(item.length_mm for item in candidates)
            reasons.append(finding("refused-balloon-short", level=level, side=side, length=shortest))
        else:
            reasons.append(
                finding(
                    "refused-balloon-wall",
                    level=level,
                    side=side,
                    balloon=miss.balloon.name,
                    volume=miss.volume_ml,
                    wall=WALL_WORDS[miss.wall],
                    lies=_lies(miss.distance_mm),
                    limit=miss.limit_mm,
                )
            )
    return tuple(reasons) or (finding("refused-balloon-overlap", level=level),)


def _lies(distance_mm: float) -> str:
    """Where a balloon's surface would lie, in words that a wall's name follows."""
    return f"come to {distance_mm:.1f} mm from" if distance_mm >= 0.0 else f"press {-distance_mm:.1f} mm into"


WALL_WORDS = {
    "posterior": "posterior wall",
    "anterior": "anterior wall",
    "endplate": "endplate",
    "side": "side wall",
}
"""Walls in words."""


def _document(
    level: str,
    needles: Mapping[Side, NeedleRoom],
    fits: Mapping[Side, BalloonFit],
    working: Cannula,
    rules: Rules,
    limit_ml: float | None,
) -> LevelBalloons:
    """The chosen balloon as documents."""
    fit = next(iter(fits.values()))
    balloon, volume = fit.balloon, fit.volume_ml
    paths = {side: kyphoplasty_points(needles[side], one, rules) for side, one in fits.items()}
    line = rules.balloon.contrast_line_ml
    choice = BalloonChoice(
        name=balloon.name,
        length_mm=balloon.length_mm,
        volume_ml=volume,
        max_volume_ml=balloon.max_volume_ml,
        rated_pressure_mpa=balloon.rated_pressure_mpa,
        inflated_diameter_mm=round(fit.diameter_mm, 6),
        contrast_ml=round(len(fits) * (volume + line), 6),
        recalled=balloon.recalled,
    )
    inputs: dict[str, str | float | bool | None] = {
        "working cannula": working.gauge,
        "bore, mm": working.inner_diameter_mm,
        "nominal volume, ml": balloon.nominal_volume_ml,
        "greatest volume that cement may fill, ml": limit_ml,
    }
    for side, path in paths.items():
        inputs[f"{side}: to the anterior wall, mm"] = round(path.balloon_to_anterior_wall_mm, 3)
        inputs[f"{side}: to the endplates, mm"] = round(path.balloon_to_endplate_mm, 3)
    number = {1: "One balloon", 2: "Two balloons"}[len(fits)]
    decision = Decision(
        rule_id="balloon.endplate_mm",
        outcome=balloon.name,
        text=f"{number} {balloon.name} ({balloon.length_mm:g} mm), {volume:g} ml each: {fit.diameter_mm:.1f} mm thick. "
        f"Never more than {balloon.max_volume_ml:g} ml or {balloon.rated_pressure_mpa:.2f} MPa; stop at the endplate.",
        inputs=inputs,
        source=rules.source("balloon.endplate_mm"),
    )
    middles = {side: one.middle_mm for side, one in fits.items()}
    warnings = (finding("balloon-recalled", level=level, name=balloon.name),) if balloon.recalled else ()
    return LevelBalloons(choice, paths, middles, decision, warnings)


def thinner(tools: Sequence[Cannula]) -> Cannula:
    """The working cannula with the narrowest bore, which the balloon of all needles must pass."""
    return min(tools, key=lambda tool: tool.inner_diameter_mm)
