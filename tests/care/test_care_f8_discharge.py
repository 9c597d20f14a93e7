"""F8: what is computed for the discharge pack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from endplate.care.model import Evaluation

Judge = Callable[..., Evaluation]
RECORD: dict[str, Any] = {
    "start": "2026-12-07T09:00",
    "end": "2026-12-07T09:45",
    "sedation_end": "2026-12-07T10:05",
}


def home(judge: Judge, person: dict[str, Any] | None = None, pack: Any = None, **recovery: Any) -> Evaluation:
    extra = {} if pack is None else {"pack": pack}
    return judge(as_of="2026-12-07T12:00", record=RECORD, recovery=recovery, person=person or {}, **extra)


def at(found: Evaluation, what: str) -> str:
    return next(item.at for item in found.timeline if item.what == what)


def test_f8_1_a_dated_table_from_end_of_procedure_and_sedation(judge: Judge) -> None:
    found = home(judge)
    assert at(found, "wound.dry") == "2026-12-08T09:45+00:00"
    assert at(found, "driving.no_drive") == "2026-12-09T10:05+00:00"
    lifting = next(item for item in found.timeline if item.what == "lifting.duration")
    assert "5 kg" in lifting.text
    assert "follow-up" in lifting.text
    assert lifting.at[:10] == at(found, "followup.visit")[:10]
    assert "30 minutes" in found.texts["sitting"].text
    assert "turn your whole body" in found.texts["log-roll"].text


def test_f8_1_before_the_procedure_dates_say_that_they_are_provisional(judge: Judge) -> None:
    early = next(item for item in judge().timeline if item.what == "driving.no_drive")
    late = next(item for item in home(judge).timeline if item.what == "driving.no_drive")
    assert early.inputs["provisional"]
    assert not late.inputs["provisional"]


@pytest.mark.parametrize(
    ("last_dose", "drive"),
    [("2026-12-07T20:00", "2026-12-09T10:05+00:00"), ("2026-12-10T08:00", "2026-12-11T08:00+00:00")],
)
def test_f8_2_an_opioid_moves_driving_and_adds_its_advice(judge: Judge, last_dose: str, drive: str) -> None:
    medicine = {"name": "oxycodone", "opioid": True, "last_dose": last_dose, "stop_date": "2026-12-10"}
    found = home(judge, medicines_home=[medicine])
    assert at(found, "driving.no_drive") == drive
    advice = found.texts["opioid"].text
    assert all(word in advice for word in ("drive", "laxative", "fibre", "Drink"))
    assert "10 December 2026" in found.texts["opioid-stop-1"].text


def test_f8_2_an_opioid_without_a_last_dose_has_no_date_for_driving(judge: Judge) -> None:
    found = home(judge, medicines_home=[{"name": "oxycodone", "opioid": True}])
    assert not [item for item in found.timeline if item.what == "driving.no_drive"]
    assert found.card("care-opioid-driving") is not None
    assert found.card("care-opioid-stop") is not None


def test_f8_2_a_day_after_sedation_is_the_least_whatever_the_site_says(bench, judge: Judge) -> None:
    pack = bench.pack(driving__no_drive="{value: PT24H, source: [{kind: local, ref: us}]}")
    assert at(home(judge, pack=pack), "driving.no_drive") == "2026-12-08T10:05+00:00"


def test_f8_3_a_sick_note_for_three_days_at_a_desk(judge: Judge) -> None:
    note = {"sick_note": {"requested": True, "days": 3}}
    found = home(judge, person={"job": "sedentary"}, **note)
    assert found.texts["sick-note"].text == "Not fit for work from 7 December 2026 to 9 December 2026."
    assert "sick-note" in found.papers
    lacking = home(judge, person={"job": None}, **note)
    assert lacking.card("care-sick-note-job") is not None
    assert "sick-note" not in lacking.papers
    heavy = home(judge, person={"job": "heavy"}, sick_note={"requested": True})
    assert heavy.card("care-sick-note-days") is not None
    assert "sick-note" not in heavy.papers


def test_f8_4_without_an_after_hours_telephone_nothing_is_printed(bench, judge: Judge) -> None:
    found = judge(pack=bench.pack(after_hours__phone=None))
    card = found.card("care-site-choice-missing")
    assert card is not None
    assert "after_hours.phone" in card.inputs["parameters"]
    assert not found.gate("leaflet").open


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "\u202eعلي\u202c", "x" * 200, "{placeholder} %s"]
)
def test_f8_5_a_hostile_name_never_reaches_the_evaluation(judge: Judge, name: str) -> None:
    found = judge(person={"name": name, "hospital_number": name[:80]})
    assert name[:80] not in found.model_dump_json()
    assert found.model_dump_json() == judge().model_dump_json()


def test_a_brace_only_where_prescribed(judge: Judge) -> None:
    assert "brace" not in home(judge).texts
    assert "brace" in home(judge, brace_prescribed=True).texts


@pytest.mark.parametrize("field", ["start", "type", "discharge_destination", "anaesthesia"])
def test_a_missing_required_field_yields_no_leaflet(judge: Judge, field: str) -> None:
    found = judge(procedure={field: None})
    assert not found.gate("leaflet").open
    assert (found.card("care-field-missing") is not None) is (field != "anaesthesia")


def test_p_pre_05_what_is_not_arranged_is_told(judge: Judge) -> None:
    assert judge(procedure={"collection_arranged": None}).card("care-arrangements") is not None
