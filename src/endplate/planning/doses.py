"""How much cement for one level, and what a balloon may take so that its cavity can be filled.

Notes
-----
With V the body's volume now, C its cancellous part and E the volume expected of it before the fracture,

    dose  = clamp(target · C, minimum, upper)
    upper = min(greatest share · V, max(E − V, 0) + regain share · V, cap of the level)

The upper bound wins where it is below the minimum: less cement is the safer error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from endplate.anatomy.model import HeightTriple, Vertebra
from endplate.planning.model import CementDose, Decision, LadderStep
from endplate.planning.rounding import rounded
from endplate.planning.rules import Rules

DOSE_STEP_ML = 0.1
"""Doses are given in tenths of a millilitre, rounded down."""


@dataclass(frozen=True)
class Bounds:
    """The upper bounds of a level's cement, ml; ``None`` where what they rest on is not known."""

    cap_ml: float
    fill_ml: float | None
    regain_ml: float | None

    @property
    def upper_ml(self) -> float:
        """The smallest of them."""
        return min(bound for bound in (self.cap_ml, self.fill_ml, self.regain_ml) if bound is not None)

    @property
    def limiting(self) -> str:
        """The name of the smallest."""
        named = {"cap": self.cap_ml, "fill": self.fill_ml, "regain": self.regain_ml}
        return min(
            (name for name, bound in named.items() if bound is not None), key=lambda name: named[name] or 0.0
        )


LIMIT_RULES = {
    "cap": "cement.cap_ml",
    "fill": "cement.max_fraction",
    "regain": "cement.regain_fraction",
    "minimum": "cement.min_ml",
    "target": "cement.target_fraction",
    "cleft": "cement.cleft_extra_ml",
    "cavity": "cement.cavity_extra_ml",
}
"""The rule behind each limit."""

LIMIT_WORDS = {
    "cap": "the cap of the level",
    "fill": "the greatest share of the body's volume",
    "regain": "the volume that the fracture took, and a share of what is left",
    "minimum": "the least dose",
    "target": "the share of the cancellous volume that is aimed at",
    "cleft": "the cleft and the bone about it",
    "cavity": "the balloons' cavities and the bone about them",
}
"""Each limit in words."""


def expected_volume_ml(vertebra: Vertebra) -> float | None:
    """Volume expected of the body before its fracture: today's, scaled by expected over measured mean height."""
    volume = vertebra.body_volume_ml
    now, expected = _mean_height(vertebra.heights_mm), _mean_height(vertebra.expected_heights_mm)
    if volume is None or now is None or expected is None or now <= 0.0:
        return None
    return volume * expected / now


def cancellous_volume_ml(vertebra: Vertebra, cortex_mm: float) -> float | None:
    """The body's volume inside its shell: each of its three dimensions less twice the shell's thickness."""
    volume, height = vertebra.body_volume_ml, _mean_height(vertebra.heights_mm)
    sides = (vertebra.body_width_mm, vertebra.body_depth_mm, height)
    if volume is None or any(side is None for side in sides):
        return None
    inner = [max(1.0 - 2.0 * cortex_mm / side, 0.0) for side in sides if side]
    return float(volume * np.prod(inner))


def cement_bounds(vertebra: Vertebra, rules: Rules) -> Bounds:
    """The upper bounds of one level."""
    volume, expected = vertebra.body_volume_ml, expected_volume_ml(vertebra)
    own = rules.cement
    fill = None if volume is None else own.max_fraction * volume
    regain = None
    if volume is not None and expected is not None:
        regain = max(expected - volume, 0.0) + own.regain_fraction * volume
    return Bounds(cap_ml=own.cap_ml.of(vertebra.level), fill_ml=fill, regain_ml=regain)


def balloon_limit_ml(vertebra: Vertebra, balloons: int, rules: Rules) -> float:
    """What each of a level's balloons may take so that cement can fill its cavity within the level's bounds.

    A balloon lifts the endplate, so what the fracture took counts as room and the bound on it is not used.
    """
    bounds = cement_bounds(vertebra, rules)
    upper = min(bound for bound in (bounds.cap_ml, bounds.fill_ml) if bound is not None)
    return max(upper / balloons - rules.cement.cavity_extra_ml, 0.0)


def cement_dose(
    vertebra: Vertebra, needles: int, rules: Rules, balloons_ml: Sequence[float] = ()
) -> tuple[CementDose, Decision]:
    """The cement of one level and the rule that set it.

    Parameters
    ----------
    vertebra:
        The measured level.
    needles:
        Needles that share it, at least 1.
    rules:
        The rules.
    balloons_ml:
        Planned volume of each balloon; empty for vertebroplasty.
    """
    own = rules.cement
    bounds = cement_bounds(vertebra, rules)
    cancellous = cancellous_volume_ml(vertebra, own.cortex_mm)
    cleft = vertebra.cleft_ml if (vertebra.cleft_ml or 0.0) >= rules.cautions.cleft_min_ml else None
    wanted, limited = _wanted(cancellous, cleft, balloons_ml, rules)
    upper, limiting = (bounds.upper_ml, bounds.limiting)
    if balloons_ml:
        upper = min(bound for bound in (bounds.cap_ml, bounds.fill_ml) if bound is not None)
        limiting = "cap" if upper == bounds.cap_ml else "fill"
    if wanted is not None and wanted > upper:
        wanted, limited = upper, limiting
    volume = None if wanted is None else _tenths(wanted)
    split = () if volume is None else _split(volume, needles, balloons_ml)
    inputs: dict[str, str | float | bool | None] = {
        "body volume, ml": rounded(vertebra.body_volume_ml),
        "cancellous volume, ml": rounded(cancellous),
        "expected volume, ml": rounded(expected_volume_ml(vertebra)),
        "aim, fraction": own.target_fraction,
        "least, ml": own.min_ml,
        "cap of the level, ml": bounds.cap_ml,
        "bound by filling, ml": rounded(bounds.fill_ml),
        "bound by lost volume, ml": rounded(bounds.regain_ml),
        "cleft, ml": cleft,
        "balloons, ml": rounded(sum(balloons_ml)) if balloons_ml else None,
        "needles": float(needles),
    }
    text = _text(volume, limited, split, cleft, bounds, rules)
    dose = CementDose(
        volume_ml=volume,
        per_needle_ml=split,
        cap_ml=bounds.cap_ml,
        ladder=_ladder(vertebra, bounds.cap_ml, rules),
        limited_by=None if volume is None else limited,
        text=text,
    )
    outcome = "unknown" if volume is None else f"{volume:.1f} ml"
    rule = LIMIT_RULES[limited]
    return dose, Decision(rule_id=rule, outcome=outcome, text=text, inputs=inputs, source=rules.source(rule))


def _wanted(
    cancellous: float | None, cleft: float | None, balloons_ml: Sequence[float], rules: Rules
) -> tuple[float | None, str]:
    """The dose before its upper bound, and what asks for it."""
    own = rules.cement
    if balloons_ml:
        return sum(balloons_ml) + len(balloons_ml) * own.cavity_extra_ml, "cavity"
    if cleft is not None:
        extra = own.cleft_extra_ml
        return cleft + 0.5 * (extra.low + extra.high), "cleft"
    if cancellous is None:
        return None, "target"
    target = own.target_fraction * cancellous
    return (own.min_ml, "minimum") if target < own.min_ml else (target, "target")


def _ladder(vertebra: Vertebra, cap_ml: float, rules: Rules) -> tuple[LadderStep, ...] | None:
    """Cement at each share of the body's volume, not more than the cap."""
    volume = vertebra.body_volume_ml
    if volume is None:
        return None
    return tuple(
        LadderStep(
            fraction=share, volume_ml=round(min(share * volume, cap_ml), 6), capped=share * volume > cap_ml
        )
        for share in rules.cement.ladder
    )


def _split(volume: float, needles: int, balloons_ml: Sequence[float]) -> tuple[float, ...]:
    """Each needle's part in tenths: equal, or in the balloons' proportion; what is left goes to the first ones."""
    shares = list(balloons_ml) if len(balloons_ml) == needles else [1.0] * needles
    tenths = round(volume / DOSE_STEP_ML)
    exact = np.array(shares) / sum(shares) * tenths
    parts = np.floor(exact + 1e-9).astype(int)
    order = np.argsort(-(exact - parts), kind="stable")
    parts[order[: tenths - int(parts.sum())]] += 1
    return tuple(round(float(part) * DOSE_STEP_ML, 6) for part in parts)


def _text(
    volume: float | None,
    limited: str,
    split: tuple[float, ...],
    cleft: float | None,
    bounds: Bounds,
    rules: Rules,
) -> str:
    """The dose in words."""
    own = rules.cement
    if volume is None:
        return f"The body's volume is not known: no dose is given. The cap of this level is {bounds.cap_ml:g} ml."
    parts = "" if len(split) < 2 else f" ({' + '.join(f'{part:.1f}' for part in split)} ml)"
    words = f"{volume:.1f} ml{parts}, set by {LIMIT_WORDS[limited]}."
    if cleft is not None:
        extra = own.cleft_extra_ml
        words += (
            f" A cleft of {cleft:.1f} ml: fill it and let {extra.low:g} to {extra.high:g} ml go into the bone about "
            "it; put the needle to its border."
        )
    if bounds.regain_ml is None:
        words += " The volume before the fracture is not known, so it sets no bound."
    return f"{words} Stop when cement comes to the posterior {_share(own.stop_at_posterior)} of the body."


def _share(fraction: float) -> str:
    return {0.25: "quarter", 0.2: "fifth"}.get(fraction, f"{100.0 * fraction:.0f} %")


def _mean_height(heights: HeightTriple) -> float | None:
    """Mean of anterior, middle and posterior height; ``None`` where one is missing."""
    found = [item for item in (heights.anterior, heights.middle, heights.posterior) if item is not None]
    return sum(found) / 3.0 if len(found) == 3 else None


def _tenths(volume: float) -> float:
    return round(float(np.floor(volume / DOSE_STEP_ML + 1e-6)) * DOSE_STEP_ML, 6)
