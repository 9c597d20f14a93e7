"""After going home: when to call and see the patient, and the course of pain, disability and shape."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from endplate.care.context import Context, Item
from endplate.care.course import FollowUp, Kyphosis, Review
from endplate.care.model import CallItem, Delta, ScoreResult, Trend, TrendPoint
from endplate.care.times import Span, hours_between, iso, not_before
from endplate.papers.words import listed
from endplate.sources import constants, finding, value

HOURS_A_DAY = 24


def follow_up(ctx: Context) -> Iterator[Item]:
    """Dates, trend, planned against achieved, new fractures, silence, death or withdrawal."""
    state = ctx.case.follow_up or FollowUp()
    if state.ended is not None:
        code = "care-ended-died" if state.ended == "died" else "care-ended-withdrew"
        yield ctx.card(code, "F10.8", inputs={"ended": state.ended})
        return
    yield from _dates(ctx)
    yield from _silence(ctx, state)
    points = []
    for review in sorted(state.reviews, key=lambda item: ctx.at(item.at).astimezone(dt.UTC)):
        read = _Read(ctx, review)
        yield from read.cards()
        points.append(read.point())
        yield from _shape(review)
        yield from _fractures(ctx, review)
    if points:
        yield _trend(ctx, tuple(points))


def _dates(ctx: Context) -> Iterator[Item]:
    base = ctx.end or ctx.start
    if base is None:
        return
    first, last, visit = (ctx.pack.get(f"followup.{name}") for name in ("call", "call_until", "visit"))
    if first is not None and last is not None:
        yield ctx.entry(
            "followup.call",
            not_before(base, first),
            "window",
            "Telephone call.",
            "F10.1",
            (*ctx.pack.source("followup.call"), *ctx.pack.source("followup.call_until")),
            parameter="followup.call",
            until=not_before(base, last),
        )
    if visit is not None:
        yield ctx.entry(
            "followup.visit",
            not_before(base, visit),
            "at",
            "Follow-up visit.",
            "F10.1",
            ctx.pack.source("followup.visit"),
            parameter="followup.visit",
        )
    for months in value("care.followup_months"):
        yield ctx.entry(
            f"followup.{months}-months",
            not_before(base, Span(months=months)),
            "at",
            f"Follow-up at {months} months.",
            "F10.1",
            ("vertos4",),
        )


def _silence(ctx: Context, state: FollowUp) -> Iterator[Item]:
    answered = [ctx.at(review.at) for review in state.reviews]
    tries = [ctx.at(text) for text in state.unanswered]
    since = [at for at in tries if not any(reply > at for reply in answered)]
    if len(since) >= value("care.unanswered_max"):
        yield ctx.card("care-no-reply", "F10.7", inputs={"unanswered": len(since)}, count=len(since))
        yield CallItem(
            who="coordinator", why="No reply to repeated contacts: reach the patient.", rule_id="F10.7"
        )


@dataclass(frozen=True)
class _Read:
    """One follow-up contact with its values judged."""

    ctx: Context
    review: Review

    @property
    def nrs(self) -> int | None:
        """Pain as a whole number 0–10, or ``None`` where it is on another scale."""
        pain = self.review.pain
        if (
            pain is None
            or self.review.pain_scale != "NRS"
            or not (0 <= pain <= 10 and float(pain).is_integer())
        ):
            return None
        return int(pain)

    @property
    def rmdq(self) -> int | None:
        """Disability score, only where enough items were answered."""
        yes, answered = self.review.rmdq_yes, self.review.rmdq_answered
        least = self.ctx.pack.get("rmdq.min_answered") or value("care.rmdq_items")
        return (
            yes
            if yes is not None and answered is not None and answered >= least and yes <= answered
            else None
        )

    def cards(self) -> Iterator[Item]:
        """Cards on what cannot be used."""
        review, ctx = self.review, self.ctx
        if review.pain is not None and self.nrs is None:
            yield ctx.card("care-pain-scale", "F10.4", about=review.at, inputs={"scale": review.pain_scale})
        if review.rmdq_answered is not None:
            total = value("care.rmdq_items")
            score = self.rmdq
            if score is None:
                yield ctx.card(
                    "care-rmdq-incomplete",
                    "F10.3",
                    about=review.at,
                    inputs={"answered": review.rmdq_answered},
                    answered=review.rmdq_answered,
                    total=total,
                )
            yield ScoreResult.model_validate(
                {
                    "name": "RMDQ",
                    "variant": f"{total} items",
                    "at": iso(ctx.at(review.at)),
                    "total": score,
                    "band": None,
                    "items": {"yes": review.rmdq_yes, "answered": review.rmdq_answered},
                    "missing": () if score is not None else (f"{total - review.rmdq_answered} items",),
                    "source": ("rmdq",),
                }
            )

    def point(self) -> TrendPoint:
        """The point of the course."""
        at, base = self.ctx.at(self.review.at), self.ctx.end or self.ctx.start
        score, answered = self.rmdq, self.review.rmdq_answered
        text = (
            ""
            if score is not None or answered is None
            else f"{answered}/{value('care.rmdq_items')}, not scored"
        )
        days = None if base is None else round(hours_between(base, at) / HOURS_A_DAY, 1)
        return TrendPoint(at=iso(at), days=days, nrs=self.nrs, rmdq=score, text=text)


def _trend(ctx: Context, points: tuple[TrendPoint, ...]) -> Trend:
    """The course beside the published differences between groups; the single patient's change is no success."""
    referral, base = ctx.case.referral, ctx.end or ctx.start
    first = TrendPoint(
        at=points[0].at if base is None else iso(base),
        days=0.0,
        nrs=referral.pain_nrs,
        rmdq=referral.rmdq,
        text="before",
    )
    text = finding("care-text-trend", level=None)
    band = constants()["care.vertos4_difference"]
    trial = tuple({**step, "source": band.source} for step in band.value)
    return Trend(points=(first, *points), trial=trial, text=text.text, source=(text.source, "rmdq"))


def _shape(review: Review) -> Iterator[Item]:
    for angle in review.angles:
        if angle.planned_deg is not None or angle.achieved_deg is not None:
            yield _delta("kyphosis", angle, angle.planned_deg, angle.achieved_deg, "°", angle.error_deg)
        if angle.planned_height_mm is not None or angle.achieved_height_mm is not None:
            yield _delta(
                "height", angle, angle.planned_height_mm, angle.achieved_height_mm, "mm", angle.error_mm
            )


def _delta(
    what: str, angle: Kyphosis, planned: float | None, actual: float | None, unit: str, error: float | None
) -> Delta:
    difference = None if planned is None or actual is None else round(actual - planned, 3)
    text = ""
    if difference is not None:
        within = error is not None and abs(difference) <= error
        text = "within the error of the measurement" if within else "differs"
        if error is None:
            text = "the error of the measurement is not known"
    return Delta(
        what=what,
        level=angle.level,
        planned=planned,
        actual=actual,
        difference=difference,
        unit=unit,
        error=error,
        text=text,
    )


def _fractures(ctx: Context, review: Review) -> Iterator[Item]:
    if not review.new_fractures:
        return
    levels = [fracture.level for fracture in review.new_fractures]
    yield ctx.card(
        "care-new-fracture",
        "F10.5",
        about=review.at,
        inputs={"levels": levels, "seen_on": review.new_fractures[0].seen_on},
        levels=listed(levels),
    )
    yield CallItem(
        who="clinician",
        why="New fracture: record it as an adverse event and treat the bone disease.",
        rule_id="F10.5",
    )
