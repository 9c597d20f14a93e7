"""Risks and benefit for this plan: what has a number with its population and time, and what has none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from endplate.care.base import LEVELS
from endplate.care.context import Context, Item, Note
from endplate.care.model import Risk, RiskNumber
from endplate.care.wording import forbidden_claims
from endplate.papers.words import listed
from endplate.sources import constant, finding, value

NO_NUMBER = "We do not have a reliable number for this."
"""Printed wherever a rate lacks its source, population or time-frame."""

DEFECT_SENTENCE = "care-text-defect"

KYPHOPLASTY = ("kypho", "balloon")
"""Words by which a technique is kyphoplasty; one leaflet calls it balloon vertebroplasty."""


def consent(ctx: Context) -> Iterator[Item]:
    """Risks P-RSK-01 to 14, benefit texts, and cards on consent."""
    for risk_id, entry in value("care.risks").items():
        yield _risk(ctx, risk_id, entry)
    for name, code in (
        ("benefit", "care-text-benefit"),
        ("choices", "care-text-choices"),
        ("later-fractures", "care-text-later-fractures"),
        ("height", "care-text-height"),
    ):
        text = finding(code, level=None)
        yield Note(name, text.text, (text.source,))
    yield from _plan_cards(ctx)
    yield from _record_cards(ctx)


def technique(ctx: Context) -> str:
    """``kyphoplasty`` or ``vertebroplasty``, by the case, else by the plan."""
    if ctx.case.procedure.type is not None:
        return ctx.case.procedure.type
    return (
        "kyphoplasty"
        if any(word in level.technique.lower() for level in ctx.plan.levels for word in KYPHOPLASTY)
        else "vertebroplasty"
    )


def _risk(ctx: Context, risk_id: str, entry: dict[str, Any]) -> Risk:
    own = technique(ctx)
    rates = [f"care.rate.{name}" for name in entry.get("rates", ())]
    keys = [key for key in rates if value(key)["technique"] in (own, "both")] or rates
    numbers = [_number(key) for key in keys]
    numbers += list(ctx.pack.risk_numbers.get(risk_id, ()))
    sentences, from_plan = [], False
    if risk_id == "P-RSK-03":
        number, sentence = _embolus_by_volume(ctx)
        numbers += [number] if number is not None else []
        sentences.append(sentence)
        from_plan = True
    if risk_id in ("P-RSK-01", "P-RSK-02") and ctx.plan.defect_levels:
        sentences.append(
            finding(DEFECT_SENTENCE, level=None, levels=listed(list(ctx.plan.defect_levels))).text
        )
        from_plan = True
    if risk_id == "P-RSK-01" and any(level.startswith("T") for level in ctx.plan.names):
        sentences.append(finding("care-text-thoracic", level=None).text)
        from_plan = True
    foreign = [number for number in numbers if number.technique not in (own, "both")]
    sentences += [f"The number of {number.what} comes from {number.technique}." for number in foreign]
    if not numbers:
        sentences.insert(0, NO_NUMBER)
    sources = dict.fromkeys(
        [*(number.source for number in numbers), *(f"leaflet-{n}" for n in entry["leaflets"])]
    )
    if from_plan and ctx.plan.defect_levels:
        sources["leak-meta2017"] = None
    return Risk(
        id=risk_id,
        name=entry["name"],
        numbers=tuple(numbers),
        text=" ".join(sentences),
        source=tuple(sources),
        leaflets=tuple(entry["leaflets"]),
        from_plan=from_plan,
    )


def _number(key: str) -> RiskNumber:
    return RiskNumber.model_validate({**value(key), "source": constant(key).source})


def _embolus_by_volume(ctx: Context) -> tuple[RiskNumber | None, str]:
    """The rate of a cement embolus with symptoms for this plan's total volume."""
    volume = ctx.plan.volume_ml
    if volume is None:
        return None, "The plan's cement volume is not known, so the rate by volume is not given."
    low, high = value("care.embolus_volume_ml")
    if volume < low:
        key = "care.rate.embolus-small"
    else:
        key = "care.rate.embolus-middle" if volume <= high else "care.rate.embolus-large"
    number = _number(key)
    return number, f"The plan uses {volume:g} ml of cement."


def _plan_cards(ctx: Context) -> Iterator[Item]:
    asked = ctx.case.procedure.type
    for target in ctx.plan.levels:
        planned = (
            "kyphoplasty"
            if any(word in target.technique.lower() for word in KYPHOPLASTY)
            else "vertebroplasty"
        )
        if asked is not None and target.technique and not target.refused and planned != asked:
            inputs = {"asked": asked, "planned": planned}
            yield ctx.card(
                "care-technique-differs",
                "F5.7",
                about=target.level,
                level=target.level,
                inputs=inputs,
                at=target.level,
                asked=asked,
                planned=planned,
            )
    volume, high = ctx.plan.volume_ml, value("care.embolus_volume_ml")[1]
    if volume is not None and volume > high:
        yield ctx.card(
            "care-large-volume",
            "F5.2",
            inputs={"cement_total_ml": volume},
            volume=f"{volume:g}",
            limit=f"{high:g}",
        )
    for level in ctx.plan.defect_levels:
        yield ctx.card(
            "care-defect-leak", "F5.3", about=level, level=level, inputs={"level": level}, at=level
        )
    thoracic = [level for level in ctx.plan.names if level in LEVELS and level.startswith("T")]
    if len(ctx.plan.names) >= value("care.embolus_levels"):
        yield ctx.card(
            "care-embolus-levels",
            "F5.2",
            inputs={"levels": list(ctx.plan.names), "thoracic": thoracic},
            count=len(ctx.plan.names),
        )


def _record_cards(ctx: Context) -> Iterator[Item]:
    consent_ = ctx.case.consent
    for index, answer in enumerate(consent_.teach_back):
        claims = forbidden_claims(answer.answer or "")
        if not answer.understood or claims:
            yield ctx.card(
                "care-teach-back",
                "F5.8",
                about=str(index + 1),
                inputs={"question": index + 1, "understood": answer.understood, "claim_heard": bool(claims)},
                number=index + 1,
            )
    gaps = [
        name
        for name, done in (
            ("the alternatives, not having it among them", consent_.alternatives_discussed),
            ("the risks", consent_.risks_discussed),
        )
        if done is not True
    ]
    if gaps and ctx.end is None:
        yield ctx.card("care-consent-incomplete", "P-RSK-15", inputs={"open": len(gaps)}, items=listed(gaps))
