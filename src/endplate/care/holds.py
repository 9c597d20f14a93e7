"""When the last dose of each antithrombotic is, by the pack's guideline, with both ways of counting doses."""

from __future__ import annotations

from collections.abc import Iterator

from endplate.care.context import Context, Item
from endplate.care.dose_count import LastDose, last_dose
from endplate.care.drugs import HoldRule, Recognised, hold_rule, needs_intent, recognise, shown
from endplate.care.labs import clearance, clearance_taken
from endplate.care.times import Span, add_minutes, hours_between, not_after, not_before, resolve, short
from endplate.papers.words import listed
from endplate.sources import value

TABLE_FACT = "sir2019-table"


def holds(ctx: Context) -> Iterator[Item]:
    """Cards and dates for every medicine."""
    if ctx.case.medicines is None:
        yield ctx.card("care-medicines-not-asked", "P-PRE-01", inputs={"medicines": None})
        return
    found = [recognise(medicine) for medicine in ctx.case.medicines]
    yield from _unknown(ctx, found)
    yield from _duplicates(ctx, found)
    once: dict[str, Recognised] = {}
    for item in found:
        if item.drug is not None and item.antithrombotic:
            once.setdefault(item.drug, item)
        if item.medicine.stopped_by_self:
            yield ctx.card(
                "care-stopped-alone", "F3.21", about=item.drug or "unknown", drug=item.drug or "A medicine"
            )
    done = ctx.end is not None
    held = []
    for drug, item in once.items():
        items = list(_restart(ctx, drug, item) if done else _one(ctx, drug, item))
        rule = hold_rule(_guideline(ctx), drug, item.medicine.intent)
        if rule is None or rule.mode != "none":
            held.append(drug)
        yield from items
    classed = [item for item in found if item.drug is None and item.antithrombotic]
    if classed and not done:
        yield ctx.card(
            "care-hold-no-rule", "F3.15", about="classed", drug="A medicine a clinician classed", inputs={}
        )
    if len(held) > 1 and not done:
        yield ctx.card("care-hold-combined", "F3.14", inputs={"drugs": held}, drugs=listed(held))


def _guideline(ctx: Context) -> str:
    return str(ctx.pack.get("antithrombotic.guideline") or "none")


def _unknown(ctx: Context, found: list[Recognised]) -> Iterator[Item]:
    names = [shown(item.medicine.name) for item in found if item.drug is None and item.antithrombotic is None]
    if names:
        yield ctx.card(
            "care-drug-unknown",
            "F3.15",
            inputs={"count": len(names)},
            names=listed(names),
            verify=("drug-names",),
        )


def _duplicates(ctx: Context, found: list[Recognised]) -> Iterator[Item]:
    drugs = [item.drug for item in found if item.drug is not None and item.antithrombotic]
    for drug in dict.fromkeys(drugs):
        if drugs.count(drug) > 1:
            yield ctx.card(
                "care-drug-twice",
                "F3.13",
                about=drug,
                inputs={"drug": drug},
                drug=drug,
                verify=("drug-names",),
            )


def specialist_reasons(ctx: Context) -> tuple[str, ...]:
    """Why no date may be printed for this patient: a stent, a valve, a recent stroke or clot."""
    history, start = ctx.case.history, ctx.start
    reasons = []
    if history.mechanical_valve == "yes":
        reasons.append("a mechanical heart valve (bridging decision)")
    for date, key, words in (
        (
            history.coronary_stent_date,
            "antithrombotic.no_dates_after_stent",
            "a coronary stent (cardiology decision)",
        ),
        (
            history.stroke_or_vte_date,
            "antithrombotic.no_dates_after_stroke_or_vte",
            "a stroke or clot (specialist decision)",
        ),
    ):
        if date is None:
            continue
        span = ctx.pack.get(key)
        event = resolve(f"{date}T00:00", ctx.zone)
        if span is None or start is None or start < not_before(event, span):
            reasons.append(words)
    return tuple(reasons)


def _one(ctx: Context, drug: str, item: Recognised) -> Iterator[Item]:
    rule = hold_rule(_guideline(ctx), drug, item.medicine.intent)
    inputs = {"drug": drug, "guideline": _guideline(ctx)}
    if rule is not None and rule.mode == "none":
        yield ctx.card(
            "care-no-hold",
            "F3.16",
            about=drug,
            inputs=inputs,
            drug=drug,
            note=rule.note,
            source=(rule.source,),
            verify=(TABLE_FACT,),
        )
        return
    if item.medicine.taken_on_procedure_day:
        yield ctx.card("care-taken-today", "F3.18", about=drug, inputs=inputs, drug=drug)
    if rule is None:
        if needs_intent(drug, _guideline(ctx)):
            yield _cannot(ctx, "F3.19", drug, "whether it prevents or treats a clot is not recorded")
        else:
            yield ctx.card("care-hold-no-rule", "F3.15", about=drug, inputs=inputs, drug=drug)
        return
    reasons = specialist_reasons(ctx)
    if reasons:
        facts = ("never-auto-intervals",)
        code = "F3.12" if ctx.case.history.mechanical_valve == "yes" else "F3.10"
        yield ctx.card(
            "care-hold-specialist",
            code,
            about=drug,
            drug=drug,
            reasons=listed(list(reasons)),
            verify=facts,
            inputs={**inputs, "reasons": list(reasons)},
            source=(rule.source,),
        )
        return
    if rule.mode == "decide":
        yield ctx.card(
            "care-hold-decide",
            "F3.11",
            about=drug,
            inputs=inputs,
            drug=drug,
            note=rule.note,
            source=(rule.source,),
            verify=(TABLE_FACT,),
        )
        return
    if ctx.start is None:
        yield _cannot(ctx, "F3.3", drug, "the time of the procedure is not set")
        return
    if drug == "aspirin":
        yield from _aspirin(ctx, item, rule)
        return
    yield from _dated(ctx, drug, item, rule)


def _cannot(ctx: Context, code: str, drug: str, why: str) -> Item:
    return ctx.card(
        "care-hold-cannot-compute", code, about=drug, inputs={"drug": drug, "why": why}, drug=drug, why=why
    )


def _dated(ctx: Context, drug: str, item: Recognised, rule: HoldRule) -> Iterator[Item]:
    span = rule.span
    kidney = clearance(ctx)
    if rule.renal_limit is not None:
        if kidney is None:
            yield _cannot(ctx, "F3.3", drug, "the creatinine clearance is not known")
            return
        if rule.renal_floor is not None and kidney < rule.renal_floor:
            yield _cannot(ctx, "F3.3", drug, "the creatinine clearance is below the table")
            return
        if kidney < rule.renal_limit and rule.span_renal is not None:
            span = rule.span_renal
    last = last_dose(ctx, item, rule.mode, span[1])
    if last is None:
        yield _cannot(ctx, "F3.3", drug, "the times of its doses are not recorded")
        return
    counted = bool(ctx.pack.get("antithrombotic.count_procedure_morning_dose"))
    yield ctx.entry(
        f"hold.{drug}",
        last.at,
        "not-after",
        _sentence(drug, rule, span, last, counted=counted),
        "F3.1",
        (rule.source, *ctx.pack.source("antithrombotic.guideline")),
        parameter="antithrombotic.guideline",
        verify=(TABLE_FACT,),
        inputs={
            "drug": drug,
            "guideline": rule.guideline,
            "withheld": span[1],
            "unit": rule.mode,
            "clearance_ml_per_min": kidney,
            "clearance_taken": None if kidney is None else clearance_taken(ctx),
            "hours": round(last.hours, 1),
            "other_at": None if last.other_at is None else last.other_at.isoformat(timespec="minutes"),
            "other_hours": None if last.other_hours is None else round(last.other_hours, 1),
            "counts_procedure_morning_dose": counted if rule.mode == "doses" else None,
        },
    )


def _sentence(drug: str, rule: HoldRule, span: tuple[float, float], last: LastDose, *, counted: bool) -> str:
    amount = f"{span[1]:g}" if span[0] == span[1] else f"{span[0]:g} to {span[1]:g} (the longer is used)"
    text = f"Last dose of {drug}: {amount} {rule.mode} withheld, {last.hours:.0f} hours before the procedure."
    if last.other_at is not None and last.other_hours is not None:
        mine, other = ("counted", "not counted") if counted else ("not counted", "counted")
        text += (
            f" The dose of the procedure's morning is {mine} as one of them; {other}, the last dose would be "
            f"{short(last.other_at)} ({last.other_hours:.0f} hours)."
        )
    return f"{text} {rule.note}".strip()


def _aspirin(ctx: Context, item: Recognised, rule: HoldRule) -> Iterator[Item]:
    start, site = ctx.start, ctx.pack.get("antithrombotic.aspirin")
    if start is None:
        return
    chosen = item.medicine.chosen_last_dose
    sources = ("sir2019-transcription", "asra-imaging-network", "sir-older")
    few, many = (not_after(start, Span(days=round(days))) for days in rule.span)
    if chosen is None:
        yield ctx.card(
            "care-aspirin-choice",
            "F3.11",
            source=sources,
            inputs={"site": site, "three_days": few.isoformat(), "five_days": many.isoformat()},
            verify=(TABLE_FACT,),
            low=short(few),
            high=short(many),
            site=site or "not set",
        )
        return
    at = ctx.at(chosen)
    hours = hours_between(at, start)
    yield ctx.entry(
        "hold.aspirin",
        at,
        "not-after",
        f"Last dose of aspirin, as the clinician chose: {hours:.0f} hours before the procedure.",
        "F3.11",
        sources,
        parameter="antithrombotic.aspirin",
        inputs={"drug": "aspirin", "hours": round(hours, 1)},
    )


def _restart(ctx: Context, drug: str, item: Recognised) -> Iterator[Item]:
    rule, record = hold_rule(_guideline(ctx), drug, item.medicine.intent), ctx.case.record
    if rule is None or rule.mode == "none" or record is None or ctx.end is None:
        return
    inputs = {"drug": drug}
    leak = any(found.route in value("care.canal_routes") for found in record.leaks or ())
    unknown = record.leaks is None or record.haematoma in (None, "unknown")
    if leak or unknown or record.haematoma == "yes" or rule.restart_hours is None or specialist_reasons(ctx):
        yield ctx.card("care-restart-clinician", "F3.20", about=drug, inputs=inputs, drug=drug)
        return
    hours = rule.restart_hours
    if item.medicine.loading_dose:
        hours = max(hours, value("care.restart_loading_hours"))
    yield ctx.entry(
        f"restart.{drug}",
        add_minutes(ctx.end, 60 * hours),
        "not-before",
        f"{drug.capitalize()} may start again {hours:g} hours after the procedure, when the clinician agrees.",
        "F3.1",
        (rule.source,),
        verify=(TABLE_FACT,),
        inputs={**inputs, "hours": hours},
    )
