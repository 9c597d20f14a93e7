"""One needle or two, from which side, through which corridor: pure functions that print their inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from endplate.anatomy.model import Side
from endplate.planning.model import Access, Approach, Decision
from endplate.planning.options import PlanOptions
from endplate.planning.rules import Rules

SIDES: tuple[Side, Side] = ("left", "right")
"""Sides in the order of a plan."""

Kind = Literal["bipedicular", "unipedicular"]

ACCESS_OF_COUNT: tuple[Access, ...] = ("none", "unipedicular", "bipedicular")
"""Access by the number of needles."""


@dataclass(frozen=True)
class Offer:
    """One path that keeps every hard limit, as the choice of access sees it.

    Parameters
    ----------
    side, gauge:
        Where and with what.
    clearance_mm, medial_mm:
        Its smallest margin, and the medial one.
    offset_mm:
        Distance of its tip (with a balloon: of the balloon's middle) from the midline.
    half_width_mm:
        Half the body's width.
    depth_fraction:
        Depth of the tip as a fraction of the body's depth from the posterior wall.
    """

    side: Side
    gauge: str
    clearance_mm: float
    medial_mm: float
    offset_mm: float
    half_width_mm: float
    depth_fraction: float

    @property
    def reach(self) -> float:
        """Distance from the midline as a fraction of half the width."""
        return abs(self.offset_mm) / self.half_width_mm


@dataclass(frozen=True)
class AccessChoice:
    """Which paths are planned.

    Parameters
    ----------
    decision:
        The choice with its inputs.
    access:
        ``"none"`` only where no side has any path.
    sides:
        Sides with a needle.
    kind:
        From which of the two searches each side's path is taken.
    off_centre:
        One needle that does not reach the middle of the body: the other side may stay unfilled.
    """

    decision: Decision
    access: Access
    sides: tuple[Side, ...]
    kind: Kind
    off_centre: bool = False


def suffices(offer: Offer, technique: str, rules: Rules) -> bool:
    """One needle is enough: it reaches the middle in the anterior third (a balloon: its middle nears the midline)."""
    if technique == "kyphoplasty":
        return abs(offer.offset_mm) <= rules.balloon.one_side_midline_mm
    central = offer.reach <= rules.access.unipedicular_reach
    return central and offer.depth_fraction >= rules.access.unipedicular_depth


def decide_access(
    two: Mapping[Side, Offer | None],
    one: Mapping[Side, Offer | None],
    technique: str,
    options: PlanOptions,
    rules: Rules,
) -> AccessChoice:
    """Choose one needle or two.

    Parameters
    ----------
    two:
        By side, the best path that stays on its side of the body (``None``: refused).
    one:
        By side, the best path to the midline (``None``: refused); empty where none was searched.
    technique:
        The technique decided.
    options:
        The user's access.
    rules:
        The rules.
    """
    own = [offer for side in SIDES if (offer := two.get(side)) is not None]
    middle = [offer for side in SIDES if (offer := one.get(side)) is not None]
    central = sorted((offer for offer in middle if suffices(offer, technique, rules)), key=_rank)
    prefers_one = options.access is None and rules.access.when_one_suffices == "unipedicular"
    inputs = _inputs(two, one, technique, options, rules)
    enough = "balloon.one_side_midline_mm" if technique == "kyphoplasty" else "access.unipedicular_reach"

    def choice(
        rule: str, text: str, taken: Sequence[Offer], kind: Kind, *, off: bool = False
    ) -> AccessChoice:
        access = ACCESS_OF_COUNT[len(taken)]
        decision = Decision(rule_id=rule, outcome=access, text=text, inputs=inputs, source=rules.source(rule))
        return AccessChoice(decision, access, tuple(offer.side for offer in taken), kind, off)

    if not own and not middle:
        return choice("search.margin_hard_mm", "No side has a path.", (), "bipedicular")
    if len(own) == 2 and options.access != "unipedicular" and not (central and prefers_one):
        rule, text = enough, "Two needles: no single one reaches the middle."
        if options.access == "bipedicular":
            text = "Two needles, as asked for."
        elif central:
            sides = " or the ".join(offer.side for offer in central)
            rule = "access.when_one_suffices"
            text = f"Two needles. One from the {sides} would reach the middle; the rule prefers two."
        elif not one:
            rule = "access.when_one_suffices"
            text = "Two needles, as the rule prefers; whether one would reach the middle was not searched."
        return choice(rule, text, own, "bipedicular")
    if options.access == "unipedicular":
        begin = "One needle was asked for: it"
    elif len(own) < 2:
        begin = (
            "Only one side has a path that stays on its side: one needle, which"
            if own
            else "One needle, which"
        )
    else:
        begin = "One needle suffices: it"
    if central:
        best = central[0]
        text = f"{begin} comes from the {best.side} to {abs(best.offset_mm):.1f} mm from the midline."
        return choice(enough, text, (best,), "unipedicular")
    kind: Kind = "unipedicular" if middle else "bipedicular"
    best = (
        min(middle, key=lambda offer: (round(abs(offer.offset_mm), 3), _rank(offer)))
        if middle
        else min(own, key=_rank)
    )
    text = (
        f"{begin} comes from the {best.side} and ends {abs(best.offset_mm):.1f} mm from the midline, short of the "
        "middle: cement may stay on that side. Check the spread under X-ray."
    )
    return choice(enough, text, (best,), kind, off=True)


def approaches(options: PlanOptions, rules: Rules) -> tuple[Approach, ...]:
    """The corridors to try on each side, in their order; the one asked for alone."""
    known: tuple[Approach, ...] = ("transpedicular", "parapedicular", "extrapedicular")
    return tuple(item for item in known if item == options.approach) or rules.access.approaches


@dataclass(frozen=True)
class Tried:
    """One attempt on a side: ``code`` is ``None`` where it gave a path."""

    approach: Approach
    gauge: str
    code: str | None


def decide_approach(side: Side, tried: Sequence[Tried], options: PlanOptions, rules: Rules) -> Decision:
    """Say which corridor a side takes and why the ones before it were not."""
    taken = next((item for item in tried if item.code is None), None)
    before = [item for item in tried if item.code is not None]
    inputs: dict[str, str | float | bool | None] = {
        f"{item.approach}, {item.gauge}": item.code or "path found" for item in tried
    }
    inputs["asked for"] = options.approach
    if taken is None:
        text = f"No corridor on the {side} side has a safe path: it is refused."
        outcome = "refused"
    else:
        outcome = taken.approach
        failed = "; ".join(f"{item.approach} with {item.gauge}: {item.code}" for item in before)
        text = f"{side.capitalize()} side: {taken.approach} with {taken.gauge}." + (
            f" Before it failed {failed}." if failed else ""
        )
    return Decision(
        rule_id="access.approaches",
        outcome=outcome,
        text=text,
        inputs=inputs,
        source=rules.source("access.approaches"),
    )


def _rank(offer: Offer) -> tuple[float, float, str]:
    """Best first: the widest clearance, then the widest medial margin, then the left side."""
    return (-round(offer.clearance_mm, 3), -round(offer.medial_mm, 3), offer.side)


def _inputs(
    two: Mapping[Side, Offer | None],
    one: Mapping[Side, Offer | None],
    technique: str,
    options: PlanOptions,
    rules: Rules,
) -> dict[str, str | float | bool | None]:
    """What the choice of access saw, for printing."""
    inputs: dict[str, str | float | bool | None] = {
        "asked for": options.access,
        "technique": technique,
        "reach that suffices, fraction of half width": rules.access.unipedicular_reach,
        "depth that suffices, fraction": rules.access.unipedicular_depth,
        "where one suffices": rules.access.when_one_suffices,
    }
    if technique == "kyphoplasty":
        inputs["balloon from the midline that suffices, mm"] = rules.balloon.one_side_midline_mm
    for side in SIDES:
        own, central = two.get(side), one.get(side)
        if not one:
            inputs[f"{side}, to the middle"] = "not searched"
        inputs[f"{side}, own side: clearance, mm"] = None if own is None else round(own.clearance_mm, 3)
        inputs[f"{side}, to the middle: clearance, mm"] = (
            None if central is None else round(central.clearance_mm, 3)
        )
        inputs[f"{side}, to the middle: from midline, mm"] = (
            None if central is None else round(central.offset_mm, 3)
        )
        inputs[f"{side}, to the middle: reach"] = None if central is None else round(central.reach, 3)
        inputs[f"{side}, to the middle: depth"] = (
            None if central is None else round(central.depth_fraction, 3)
        )
    return inputs
