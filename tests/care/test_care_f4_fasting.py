"""F4: the fasting clock."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from endplate.care.model import Evaluation

Judge = Callable[..., Evaluation]
STEPS = ("fasting.fatty_meal", "fasting.light_meal", "fasting.clear_fluids")


def times(found: Evaluation) -> list[str]:
    return [item.at for step in STEPS for item in found.timeline if item.what == step]


def test_f4_1_exact_clock_times(judge: Judge) -> None:
    assert [at[11:16] for at in times(judge())] == ["01:00", "03:00", "07:00"]


def test_f4_2_nothing_all_day_needs_a_reason_and_shows_what_it_costs(bench, judge: Judge) -> None:
    from endplate.errors import InputError

    text = "{{value: true, source: [{{kind: leaflet, ref: leaflet-003}}]{reason}}}"
    with pytest.raises(InputError, match=r"fasting\.nil_all_day"):
        bench.pack(fasting__nil_all_day=text.format(reason=""))
    found = judge(
        pack=bench.pack(fasting__nil_all_day=text.format(reason=", override_reason: one list for all"))
    )
    card = found.card("care-fasting-nil")
    assert card is not None
    assert "median of up to 12 hours" in card.detail
    assert not times(found)


@pytest.mark.parametrize("condition", ["insulin", "glp1", "gastroparesis"])
@pytest.mark.parametrize("answer", ["yes", "unknown", None])
def test_f4_3_special_stomachs_are_for_the_anaesthetist(judge: Judge, condition: str, answer: Any) -> None:
    found = judge(history={condition: answer})
    assert found.card("care-fasting-ask") is not None
    assert not times(found)


def test_f4_4_a_later_start_gives_new_times_and_says_that_fluids_are_allowed_again(judge: Judge) -> None:
    printed = [{"kind": "leaflet", "at": "2026-12-01T10:00", "procedure_start": "2026-12-07T09:00"}]
    assert judge(printed=printed, as_of="2026-12-07T06:00").card("care-fluids-again") is None
    found = judge(procedure={"start": "2026-12-07T13:00"}, printed=printed, as_of="2026-12-07T08:00")
    assert [at[11:16] for at in times(found)] == ["05:00", "07:00", "11:00"]
    card = found.card("care-fluids-again")
    assert card is not None
    assert "11:00" in card.summary


@pytest.mark.parametrize(
    ("start", "fatty", "clear"),
    [
        ("2026-10-25T09:00", "2026-10-25T01:00+00:00", "2026-10-25T07:00+00:00"),
        ("2026-10-25T06:00", "2026-10-24T23:00+01:00", "2026-10-25T04:00+00:00"),
        ("2026-03-29T06:00", "2026-03-28T21:00+00:00", "2026-03-29T04:00+01:00"),
    ],
)
def test_f4_5_on_a_night_when_the_clocks_change_elapsed_hours_count(
    judge: Judge, start: str, fatty: str, clear: str
) -> None:
    found = judge(procedure={"start": start}, as_of=None, labs=[], referral={"onset_date": None})
    assert (times(found)[0], times(found)[-1]) == (fatty, clear)
    begin = dt.datetime.fromisoformat(start).replace(tzinfo=ZoneInfo("Europe/London")).astimezone(dt.UTC)
    elapsed = [begin - dt.datetime.fromisoformat(at).astimezone(dt.UTC) for at in times(found)]
    assert [gap.total_seconds() / 3600 for gap in elapsed] == [8, 6, 2]


def test_f4_6_local_anaesthetic_only_is_asked_or_ruled_never_assumed(bench, judge: Judge) -> None:
    local = {"anaesthesia": "local"}
    asked = judge(procedure=local)
    assert asked.card("care-fasting-local") is not None
    assert not times(asked)
    ruled = judge(
        procedure=local,
        pack=bench.pack(
            fasting__local_only="{value: as-sedation, source: [{kind: local, ref: anaesthesia}]}"
        ),
    )
    assert len(times(ruled)) == 3
    none = judge(
        procedure=local,
        pack=bench.pack(fasting__local_only="{value: none, source: [{kind: local, ref: us}]}"),
    )
    assert none.card("care-fasting-none") is not None


def test_p_ind_06_the_kind_of_anaesthesia_has_no_default(judge: Judge) -> None:
    found = judge(procedure={"anaesthesia": None})
    assert found.card("care-anaesthesia-not-set") is not None
    assert not times(found)
