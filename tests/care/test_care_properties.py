"""Properties that hold for any case: shifts, monotony, escalation, sources, determinism, few alarms."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endplate.care.case import parse_case
from endplate.care.context import Context
from endplate.care.course import Observation, RedFlagForm
from endplate.care.evaluate import evaluate
from endplate.care.model import Evaluation
from endplate.care.news2 import news2
from endplate.care.pack import Pack
from endplate.care.planview import parse_plan
from endplate.care.redflags import flags_of, questions
from endplate.care.times import Span, hours_between, not_after, not_before, parse_span, resolve
from endplate.errors import InputError
from endplate.sources import citations

LONDON, BANGKOK = ZoneInfo("Europe/London"), ZoneInfo("Asia/Bangkok")
MEDICINES = [
    {"name": "apixaban", "times": ["08:00", "20:00"]},
    {"name": "warfarin", "times": ["18:00"]},
    {"name": "clopidogrel", "times": ["08:00"]},
    {"name": "prasugrel", "times": ["08:00"]},
    {"name": "dalteparin", "times": ["20:00"]},
]
CLEARANCE = {"test": "creatinine-clearance", "value": 72, "unit": "ml/min", "taken": "2026-12-05T09:00"}


@given(days=st.integers(1, 400))
@settings(max_examples=20)
def test_a_shift_of_whole_days_without_a_clock_change_moves_every_date(
    typical, site_pack: Pack, days: int
) -> None:
    """Follow-ups counted in calendar months are left out: months differ in length."""

    def dates(shift: int) -> dict[str, dt.datetime]:
        start = dt.datetime(2026, 12, 7, 9, 0) + dt.timedelta(days=shift)
        found = typical.evaluate(
            pack=site_pack,
            time_zone="Asia/Bangkok",
            as_of=None,
            procedure={"start": start.isoformat()},
            medicines=MEDICINES[:1],
            labs=[CLEARANCE],
        )
        return {
            i.what: dt.datetime.fromisoformat(i.at) for i in found.timeline if not i.what.endswith("-months")
        }

    before, after = dates(0), dates(days)
    assert before.keys() == after.keys()
    assert "hold.apixaban" in before
    assert {what: after[what] - before[what] for what in before} == dict.fromkeys(
        before, dt.timedelta(days=days)
    )


MOMENTS = st.datetimes(dt.datetime(2026, 1, 1), dt.datetime(2028, 1, 1), timezones=st.just(dt.UTC))


@given(start=MOMENTS, days=st.integers(0, 60), minutes=st.integers(0, 3000))
@settings(max_examples=60)
def test_no_interval_is_ever_shorter_than_its_span(start: dt.datetime, days: int, minutes: int) -> None:
    span, local = Span(days=days, minutes=minutes), start.astimezone(LONDON)
    after, before = not_before(local, span), not_after(local, span)
    least = dt.timedelta(days=days, minutes=minutes)
    assert least <= after.astimezone(dt.UTC) - start <= least + dt.timedelta(hours=1)
    assert least <= start - before.astimezone(dt.UTC) <= least + dt.timedelta(hours=1)
    wall = after.replace(tzinfo=None) - local.replace(tzinfo=None)
    assert wall >= dt.timedelta(days=days) or minutes


@given(start=MOMENTS, later=st.integers(0, 3000), days=st.integers(0, 60))
def test_a_later_procedure_never_has_an_earlier_date(start: dt.datetime, later: int, days: int) -> None:
    one = start.astimezone(LONDON)
    two = (start + dt.timedelta(minutes=later)).astimezone(LONDON)
    for count in (not_before, not_after):
        assert hours_between(count(one, Span(days=days)), count(two, Span(days=days))) >= 0


SCALES = [
    ("respiration_per_min", st.integers(1, 60), 12, 20),
    ("systolic_mmhg", st.integers(40, 290), 111, 219),
    ("pulse_per_min", st.integers(20, 240), 51, 90),
    ("temperature_c", st.integers(300, 430).map(lambda tenths: tenths / 10), 36.1, 38.0),
    ("spo2_percent", st.integers(50, 100), 96, 100),
]


@pytest.mark.parametrize(("field", "values", "low", "high"), SCALES, ids=[scale[0] for scale in SCALES])
def test_a_vital_further_from_its_zero_band_never_lowers_news2(
    field: str, values: Any, low: float, high: float
) -> None:
    @given(one=values, two=values, others=st.integers(0, 3), oxygen=st.booleans())
    @settings(max_examples=60)
    def check(one: float, two: float, others: int, oxygen: bool) -> None:
        def away(number: float) -> float:
            return max(low - number, number - high, 0)

        def side(number: float) -> bool:
            return number < low

        near, far = sorted((one, two), key=away)
        if away(near) > 0 and side(near) != side(far):
            return
        assert (total(near, others, oxygen) or 0) <= (total(far, others, oxygen) or 0)

    def total(number: float, others: int, oxygen: bool) -> int | None:
        seen = {
            "at": "2026-12-07T10:00",
            "respiration_per_min": 16,
            "spo2_percent": 97,
            "systolic_mmhg": 120,
            "pulse_per_min": 70 + 20 * others,
            "temperature_c": 36.8,
            "consciousness": "A",
            "oxygen": oxygen,
        }
        return news2(Observation(**{**seen, field: number})).total

    check()


@given(
    answers=st.dictionaries(st.sampled_from(sorted(questions())), st.booleans()),
    flag=st.sampled_from(sorted(questions())),
)
@settings(max_examples=40)
def test_any_single_red_flag_escalates_whatever_the_other_answers(
    typical, site_pack: Pack, answers: dict[str, bool], flag: str
) -> None:
    form = {"submitted": "2026-12-09T10:00", "complete": True, "answered_by": "patient", "language": "en"}
    found = typical.evaluate(pack=site_pack, red_flags=[{**form, "answers": {**answers, flag: True}}])
    action = found.red_flags[0].action
    assert action != "none-reported"
    assert action == "emergency" or questions()[flag]["action"] != "emergency"


@given(chosen=st.permutations(MEDICINES), count=st.integers(1, 4))
@settings(max_examples=15)
def test_another_drug_never_moves_a_date_later(
    typical, site_pack: Pack, chosen: list[Any], count: int
) -> None:
    def dates(medicines: list[Any]) -> dict[str, str]:
        found = typical.evaluate(pack=site_pack, medicines=medicines, labs=[CLEARANCE])
        return {item.what: item.at for item in found.timeline if item.what.startswith("hold.")}

    few, more = dates(chosen[:count]), dates(chosen[: count + 1])
    assert len(few) == count
    assert all(more[what] <= at for what, at in few.items())


FULL: dict[str, Any] = {
    "as_of": "2027-01-18T12:00",
    "medicines": MEDICINES,
    "record": {
        "start": "2026-12-07T09:00",
        "end": "2026-12-07T09:45",
        "sedation_end": "2026-12-07T09:50",
        "leaks": [],
        "haematoma": "no",
    },
    "recovery": {"medicines_home": [{"name": "oxycodone", "opioid": True, "last_dose": "2026-12-08T08:00"}]},
    "follow_up": {
        "reviews": [
            {"at": "2027-01-18T10:00", "kind": "visit", "pain": 3, "pain_scale": "NRS"},
            {"at": "2027-01-18T10:30", "kind": "questionnaire", "rmdq_yes": 9, "rmdq_answered": 24},
        ]
    },
}


@pytest.mark.parametrize(
    "change", [{}, {"medicines": MEDICINES, "labs": [CLEARANCE]}, FULL], ids=["plain", "drugs", "full"]
)
def test_everything_that_is_printed_has_a_registered_source(
    typical, site_pack: Pack, change: dict[str, Any]
) -> None:
    found: Evaluation = typical.evaluate(pack=site_pack, **change)
    sources = [source for card in found.cards for source in card.source]
    sources += [source for entry in found.timeline for source in entry.source]
    sources += [source for risk in found.risks for source in risk.source]
    sources += [number.source for risk in found.risks for number in risk.numbers]
    sources += [source for text in found.texts.values() for source in text.source]
    sources += [source for score in found.scores for source in score.source]
    sources += list(found.trend.source) if found.trend is not None else []
    assert {
        source for source in sources if source not in citations() and not source.startswith("local:")
    } == set()


@pytest.mark.parametrize("change", [{}, FULL], ids=["plain", "full"])
def test_the_same_case_is_the_same_bytes_whatever_the_order_of_its_keys(
    typical, site_pack: Pack, change: Any
) -> None:
    case = typical.case_json(**change)
    turned = json.loads(json.dumps(dict(reversed(case.items()))))
    plan = parse_plan(typical.plan_json())
    one, two = (evaluate(parse_case(made), plan, site_pack).model_dump_json() for made in (case, turned))
    assert one == two
    assert Evaluation.model_validate_json(one).model_dump_json() == one


def test_a_typical_case_shows_at_most_three_critical_cards(typical, site_pack: Pack) -> None:
    weeks_before = {"as_of": "2026-11-27T09:00", "labs": [CLEARANCE], "medicines": MEDICINES[:1]}
    ward = {**FULL, "as_of": "2026-12-07T10:20", "follow_up": None}
    for change in ({}, weeks_before, ward):
        found = typical.evaluate(pack=site_pack, **change)
        assert sum(card.indicator == "critical" for card in found.cards) <= 3


def test_leaflet_dates_are_not_before_each_sources_minimum(typical, site_pack: Pack) -> None:
    found = typical.evaluate(pack=site_pack, **FULL)
    end = resolve("2026-12-07T09:45", LONDON)
    for entry in found.timeline:
        if entry.bound == "not-before" and entry.parameter is not None and "span" in entry.inputs:
            span = parse_span(entry.inputs["span"])
            assert hours_between(end, dt.datetime.fromisoformat(entry.at)) >= span.hours


@pytest.mark.parametrize(
    ("text", "hours", "words"),
    [
        ("P14D", 336, "2 weeks"),
        ("48 h", 48, "48 hours"),
        ("PT1H30M", 1.5, "1 hour 30 minutes"),
        ("P6W", 1008, "6 weeks"),
        ("3 months", 2160, "3 months"),
        ("PT0H", 0, "no time"),
        ("15 min", 0.25, "15 minutes"),
    ],
)
def test_spans_are_read_and_written(text: str, hours: float, words: str) -> None:
    span = parse_span(text)
    assert (span.hours, span.words) == (hours, words)
    assert parse_span(span.iso) == span


@pytest.mark.parametrize("text", ["P", "PT", "14", "-P1D", "P1.5D", "fortnight", "", "1 y", "P1Y"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_span(text)


def test_months_end_with_the_month() -> None:
    start = dt.datetime(2026, 11, 30, 9, 0, tzinfo=LONDON)
    assert not_before(start, Span(months=3)).date() == dt.date(2027, 2, 28)


def test_a_moment_needs_its_zone(typical, site_pack: Pack) -> None:
    with pytest.raises(InputError, match="no time zone"):
        typical.evaluate(pack=site_pack, now=dt.datetime(2026, 12, 5, 12, 0))


def test_without_a_moment_nothing_is_judged_by_the_clock(typical, site_pack: Pack) -> None:
    found = typical.evaluate(pack=site_pack, as_of=None)
    assert found.as_of is None
    assert found.card("care-time-not-given") is not None


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        {"schema": "endplate/plan/2", "plans": []},
        {"schema": "endplate/plan/1"},
        {"schema": "endplate/plan/1", "plans": [{}]},
        {"schema": "endplate/plan/1", "plans": 3},
    ],
)
def test_a_wrong_plan_is_told(content: Any) -> None:
    with pytest.raises(InputError, match="plan cannot be used"):
        parse_plan(content)


def test_flags_of_a_form_never_lose_a_yes(typical, site_pack: Pack) -> None:
    case = parse_case(typical.case_json())
    ctx = Context(case=case, plan=parse_plan(typical.plan_json()), pack=site_pack, zone=LONDON, now=None)
    answers = dict.fromkeys(questions(), True)
    form = RedFlagForm(
        submitted="2026-12-09T10:00", complete=True, answered_by="patient", language="en", answers=answers
    )
    assert set(flags_of(ctx, form)) == set(questions())


def test_times_are_local_also_elsewhere() -> None:
    assert resolve("2026-12-07T09:00", BANGKOK).isoformat() == "2026-12-07T09:00:00+07:00"
    assert resolve("2026-12-07T09:00Z", BANGKOK).isoformat() == "2026-12-07T16:00:00+07:00"
