"""From the recovery room to going home: neurology first, then pain, scores, and the gates of discharge."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from endplate.care.context import Context, Item, Paper
from endplate.care.course import Observation, Recovery
from endplate.care.discharge_scores import Points, aldrete, padss
from endplate.care.model import ScoreResult
from endplate.care.observations import due_times, score_of
from endplate.care.times import add_minutes, hours_between, iso
from endplate.papers.words import listed
from endplate.sources import value

LEGS = ("left_leg", "right_leg", "saddle_sensation")


def recovery(ctx: Context) -> Iterator[Item]:
    """Cards on the recovery room and on going home."""
    state = ctx.case.recovery
    if state is None:
        return
    yield from _deficit(ctx, state)
    yield from _pain(ctx, state)
    yield from _mobilised(ctx, state)
    yield from _scores(ctx, state)
    destination = ctx.case.procedure.discharge_destination
    yield Paper("handover" if destination == "referring-hospital" else "discharge-pack")
    if ctx.end is not None:
        yield from _gates(ctx, state)


def _last(ctx: Context, state: Recovery) -> Observation | None:
    return max(state.observations, key=lambda seen: ctx.at(seen.at).astimezone(dt.UTC), default=None)


def _deficit(ctx: Context, state: Recovery) -> Iterator[Item]:
    worse = sorted({name for seen in state.observations for name in LEGS if getattr(seen, name) == "worse"})
    if worse:
        words = {
            "left_leg": "left leg",
            "right_leg": "right leg",
            "saddle_sensation": "feeling between the legs",
        }
        yield ctx.card(
            "care-new-deficit", "F7.8", inputs={"worse": worse}, where=listed([words[name] for name in worse])
        )


def _pain(ctx: Context, state: Recovery) -> Iterator[Item]:
    before, last = pain_before(ctx, state), _last(ctx, state)
    if before is None or last is None or last.pain_nrs is None:
        return
    if last.pain_nrs > before:
        yield ctx.card(
            "care-pain-above",
            "F7.11",
            inputs={"pain_nrs": last.pain_nrs, "baseline": before},
            pain=last.pain_nrs,
            before=before,
        )


def pain_before(ctx: Context, state: Recovery) -> int | None:
    """Pain before the procedure: as asked on the day, else at the referral."""
    return state.baseline_pain_nrs if state.baseline_pain_nrs is not None else ctx.case.referral.pain_nrs


def _mobilised(ctx: Context, state: Recovery) -> Iterator[Item]:
    bed_rest, end = ctx.pack.get("recovery.bed_rest"), ctx.end
    if state.first_out_of_bed is None or bed_rest is None or end is None:
        return
    if ctx.at(state.first_out_of_bed) < add_minutes(end, 60 * bed_rest.hours):
        yield ctx.card("care-up-early", "P-REC-05", inputs={"at": state.first_out_of_bed})


def latest_scores(ctx: Context, state: Recovery) -> tuple[Points | None, Points | None]:
    """The newest Aldrete and discharge score, in the pack's variants; ``None`` where none was recorded or named."""
    home = wake = None
    variant = ctx.pack.get("aldrete.variant")
    if state.aldrete and variant is not None:
        seen = max(state.aldrete, key=lambda item: ctx.at(item.at).astimezone(dt.UTC))
        wake = aldrete(seen, state.baseline_systolic_mmhg, variant)
    variant = ctx.pack.get("padss.variant")
    if state.padss and variant is not None:
        last = max(state.padss, key=lambda item: ctx.at(item.at).astimezone(dt.UTC))
        home = padss(
            last,
            baseline_systolic_mmhg=state.baseline_systolic_mmhg,
            baseline_pulse_per_min=state.baseline_pulse_per_min,
            variant=variant,
        )
    return wake, home


def _scores(ctx: Context, state: Recovery) -> Iterator[Item]:
    wake, home = latest_scores(ctx, state)
    for name, points, items, key in (
        ("Aldrete", wake, state.aldrete, "aldrete"),
        ("PADSS", home, state.padss, "padss"),
    ):
        if points is None:
            continue
        at = max((ctx.at(item.at) for item in items), key=lambda moment: moment.astimezone(dt.UTC))
        yield ScoreResult.model_validate(
            {
                "name": name,
                "variant": ctx.pack.get(f"{key}.variant"),
                "at": iso(at),
                "total": points.total,
                "band": None,
                "items": points.items,
                "missing": points.missing,
                "age_min": None if ctx.now is None else round(hours_between(at, ctx.now) * 60, 1),
                "source": ctx.pack.source(f"{key}.variant"),
            }
        )


def _gates(ctx: Context, state: Recovery) -> Iterator[Item]:
    watch = ctx.pack.get("monitoring.duration")
    if watch is None or ctx.end is None:
        return
    review = add_minutes(ctx.end, 60 * watch.hours)
    if ctx.now is not None and ctx.now < review:
        yield ctx.card("care-discharge-not-yet", "F7.1", inputs={"review": iso(review)}, at=f"{review:%H:%M}")
        return
    cards = [*_voided(ctx, state), *_escort(ctx, state), *_open(ctx, state)]
    yield from cards
    if not cards:
        yield ctx.card("care-discharge-gates-met", "F7.8", inputs={"review": iso(review)})


def _voided(ctx: Context, state: Recovery) -> Iterator[Item]:
    if not _has_voided(state):
        yield ctx.card("care-not-voided", "F7.9", inputs={"voided": state.voided})


def _has_voided(state: Recovery) -> bool:
    return bool(state.voided) or any(item.voided for item in state.padss)


def _escort(ctx: Context, state: Recovery) -> Iterator[Item]:
    if ctx.case.procedure.discharge_destination == "referring-hospital" or not ctx.pack.get(
        "escort.required"
    ):
        return
    escort = state.escort
    if (
        escort is None
        or escort.kind != "responsible-adult"
        or not (escort.stays_overnight or escort.carer_at_home)
    ):
        yield ctx.card(
            "care-escort",
            "F7.10",
            inputs={
                "kind": None if escort is None else escort.kind,
                "lives_alone": ctx.case.person.lives_alone,
            },
        )


def _observed(ctx: Context, state: Recovery, last: Observation | None) -> list[str]:
    """What the last observation lacks for going home."""
    if last is None:
        return []
    reasons, due = [], due_times(ctx)
    if due and ctx.at(last.at) < add_minutes(due[-1], -value("care.observation_early_min")):
        reasons.append("the last observations due were not made")
    score = score_of(ctx, last)
    if score.total is None:
        reasons.append("the last NEWS2 is not complete")
    elif score.band != "low":
        reasons.append(f"the last NEWS2 is {score.total}, {score.band}")
    if last.pain_nrs is None or pain_before(ctx, state) is None:
        reasons.append("pain now or before is not recorded")
    return reasons


def _open(ctx: Context, state: Recovery) -> Iterator[Item]:
    """Everything else that is not met, on one card."""
    last, reasons = _last(ctx, state), []
    if last is None or any(getattr(last, name) in (None, "not-tested") for name in ("left_leg", "right_leg")):
        reasons.append("the legs were not tested at the last observation")
    reasons += _observed(ctx, state, last)
    wake, home = latest_scores(ctx, state)
    for name, points, key in (("Aldrete", wake, "aldrete"), ("PADSS", home, "padss")):
        least = ctx.pack.get(f"{key}.min")
        if points is None or points.total is None:
            reasons.append(f"the {name} score is not complete")
        elif least is not None and points.total < least:
            reasons.append(f"the {name} score is {points.total}, below {least:g}")
    for words, answer in (
        ("no specialist has checked the vital signs", state.specialist_checked),
        ("the patient does not yet agree", state.patient_agrees),
        ("the nurse does not yet agree", state.nurse_agrees),
    ):
        if answer is not True:
            reasons.append(words)
    if reasons:
        yield ctx.card("care-not-dischargeable", "F7.8", inputs={"open": reasons}, reasons=listed(reasons))
