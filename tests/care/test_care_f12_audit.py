"""F12: the audit and who may override."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from endplate.care.audit import FIRST, Event, append, events_of, verify, verify_file
from endplate.care.case import parse_case, read_case
from endplate.care.model import Evaluation
from endplate.errors import InputError

Judge = Callable[..., Evaluation]
NOW = dt.datetime(2026, 12, 7, 12, 0, tzinfo=dt.UTC)


def written(path: Path, count: int = 8) -> list[str]:
    for number in range(count):
        append(path, [Event("read", "case-001", "nurse", f"n-{number}")], NOW)
    return path.read_text("utf-8").splitlines()


def test_f12_1_a_changed_line_is_named(tmp_path: Path) -> None:
    lines = written(tmp_path / "audit.jsonl")
    assert verify(lines).first_bad is None
    for number in (0, 3, 7):
        entry = json.loads(lines[number])
        entry["actor"] = "n-99"
        changed = [*lines[:number], json.dumps(entry, separators=(",", ":")), *lines[number + 1 :]]
        report = verify(changed)
        assert report.first_bad == number + 1
        assert str(number + 1) in report.words
    assert verify([*lines[:2], *lines[3:]]).first_bad == 3
    assert verify([lines[1], lines[0], *lines[2:]]).first_bad == 1
    assert verify([*lines, "{"]).first_bad == 9


def test_f12_2_cut_off_lines_are_seen_only_with_a_head_from_elsewhere(tmp_path: Path) -> None:
    lines = written(tmp_path / "audit.jsonl")
    head = verify(lines).head
    cut = lines[:-5]
    without = verify(cut)
    assert without.first_bad is None
    assert without.checkpoint == "none"
    assert "No checkpoint" in without.words
    assert verify(cut, head=head).checkpoint == "missing"
    assert verify(lines, head=head).checkpoint == "held"
    assert verify(lines, head=FIRST).checkpoint == "held"


def test_f12_3_a_nurse_cannot_override_and_the_try_is_logged(bench, judge: Judge, tmp_path: Path) -> None:
    override = {"by_role": "nurse", "by_id": "n-3", "reason": "Mrs Example asked", "at": "2026-12-05T10:00"}
    found = judge(plan=bench.plan_for("T12"), overrides=[{"card_id": "care-level-mismatch:T12", **override}])
    append(tmp_path / "audit.jsonl", events_of(found, "clinician", "doc-1"), NOW)
    entries = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text("utf-8").splitlines()]
    denied = next(entry for entry in entries if entry["event"] == "override-denied")
    assert (denied["role"], denied["details"][0]) == ("nurse", "care-level-mismatch")
    assert not found.gate("leaflet").open


@pytest.mark.parametrize(
    ("role", "reason", "state"),
    [("nurse", "because", "denied"), ("radiologist", "  ", "denied"), ("radiologist", "because", "accepted")],
)
def test_an_override_needs_a_clinicians_role_and_a_reason(
    judge: Judge, role: str, reason: str, state: str
) -> None:
    override = {
        "card_id": "care-inr-high",
        "by_role": role,
        "by_id": "x",
        "reason": reason,
        "at": "2026-12-05T10:00",
    }
    labs = [{"test": "inr", "value": 2.6, "unit": "1", "taken": "2026-12-05T09:00"}]
    card = judge(labs=labs, overrides=[override]).card("care-inr-high")
    assert card is not None
    assert card.override_state == state
    assert card.open is (state == "denied")


def test_f12_5_no_name_number_or_free_text_reaches_audit_or_log(
    judge: Judge, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "Zebedee Quux 1931-04-05"
    override = {"card_id": "care-inr-high", "by_role": f"nurse {secret}", "by_id": secret, "reason": secret}
    caplog.set_level(logging.DEBUG)
    found = judge(
        person={"name": secret, "hospital_number": secret},
        overrides=[{**override, "at": "2026-12-05T10:00"}],
        labs=[{"test": "inr", "value": 2.6, "unit": "1", "taken": "2026-12-05T09:00"}],
        consent={"teach_back": [{"question": secret, "understood": False, "answer": secret}]},
    )
    append(tmp_path / "audit.jsonl", events_of(found, "clinician", "doc-1"), NOW)
    everything = (tmp_path / "audit.jsonl").read_text("utf-8") + caplog.text + "".join(capsys.readouterr())
    assert "Zebedee" not in everything
    assert "override-denied" in everything


@pytest.mark.parametrize("word", ["Zebedee Quux", "", "a\nb", "é", "x" * 300])
def test_f12_5_prose_is_refused_in_an_audit_entry(word: str) -> None:
    with pytest.raises(InputError, match="codes and pseudonyms"):
        Event("read", "case-001", "nurse", word)


def test_a_broken_audit_is_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    lines = written(path, 3)
    path.write_text("\n".join([lines[0], lines[2]]) + "\n", "utf-8")
    before = path.read_bytes()
    with pytest.raises(InputError, match="line 2"):
        append(path, [Event("read", "case-001", "nurse", "n-1")], NOW)
    assert path.read_bytes() == before
    assert verify_file(tmp_path / "none.jsonl").lines == 0


def test_the_same_events_are_the_same_bytes(tmp_path: Path) -> None:
    assert written(tmp_path / "a.jsonl") == written(tmp_path / "b.jsonl")


@pytest.mark.parametrize(
    "change",
    [
        {"person": {"name": ["Zebedee"]}},
        {"person": {"nickname": "Zebedee"}},
        {"referral": {"levels": ["Zebedee"]}},
        {"procedure": {"start": "Zebedee"}},
        {"procedure": {"start": "2026-03-29T01:30"}},
        {"procedure": {"start": "2026-10-25T01:30"}},
        {"case_id": "Zebedee Quux"},
        {"time_zone": "Europe/Zebedee"},
        {"time_zone": "../Zebedee"},
        {"labs": [{"test": "inr", "value": 1.1, "taken": "2026-12-05"}]},
    ],
)
def test_a_wrong_case_is_told_by_place_without_repeating_it(bench, change: dict[str, Any]) -> None:
    with pytest.raises(InputError) as error:
        parse_case(bench.case_json(**change))
    assert "Zebedee" not in error.value.what
    assert error.value.__cause__ is None


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"resourceType": "Bundle"}', "\udcff"])
def test_a_hostile_case_file_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "case.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError):
        read_case(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_case(tmp_path / "none.json")
