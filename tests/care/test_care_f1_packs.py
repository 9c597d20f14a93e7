"""F1: site protocol packs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

import endplate.care
from endplate.care.model import Evaluation
from endplate.care.pack import SHIPPED, Pack, load_pack
from endplate.care.pack_differences import differences
from endplate.care.parameters import parameters
from endplate.errors import InputError
from endplate.sources import value

Judge = Callable[..., Evaluation]


def entry(found: Evaluation, what: str):
    return next(item for item in found.timeline if item.what == what)


def test_f1_1_the_sites_48_hours_count_from_the_end_of_sedation_and_name_their_leaflet(judge: Judge) -> None:
    drive = entry(judge(), "driving.no_drive")
    assert drive.at.startswith("2026-12-09")
    assert drive.inputs["from"] == "sedation"
    assert "leaflet-004" in drive.source


def test_f1_2_the_other_leaflets_choice_is_two_weeks(bench, judge: Judge) -> None:
    pack = bench.pack(driving__no_drive="{value: P14D, source: [{kind: leaflet, ref: leaflet-000}]}")
    drive = entry(judge(pack=pack), "driving.no_drive")
    assert drive.at.startswith("2026-12-21")
    assert dt.datetime.fromisoformat(drive.at).strftime("%a") == "Mon"


def test_f1_3_an_unset_choice_stops_the_leaflet_and_lists_the_published_ones(bench, judge: Judge) -> None:
    found = judge(pack=bench.pack(driving__no_drive=None))
    card = found.card("care-site-choice-missing")
    assert card is not None
    assert card.indicator == "critical"
    assert not card.overridable
    assert card.summary == "Site choice missing: driving.no_drive."
    listed = {(choice["value"], choice["source"]) for choice in card.inputs["choices"]["driving.no_drive"]}
    assert {("48 hours", "leaflet-004"), ("2 weeks", "leaflet-000")} <= listed
    assert not found.gate("leaflet").open


def test_f1_4_a_child_that_shortens_its_parent_needs_a_reason(bench) -> None:
    parent = bench.pack_text(driving__no_drive="{value: P14D, source: [{kind: leaflet, ref: leaflet-000}]}")
    (bench.folder / "parent.yaml").write_text(parent, "utf-8")
    with pytest.raises(InputError) as error:
        bench.load(bench.pack_text(extends="parent"), "child")
    assert "driving.no_drive" in error.value.what
    assert "2 weeks" in error.value.what
    assert "48 hours" in error.value.what
    assert ", line " in error.value.what
    reasoned = bench.pack_text(
        extends="parent",
        driving__no_drive="{value: 48 h, override_reason: short sedation, source: [{kind: leaflet, ref: leaflet-004}]}",
    )
    assert bench.load(reasoned, "child").values["driving.no_drive"].override_reason == "short sedation"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"drivng__no_drive": "{value: 48 h, source: [{kind: leaflet, ref: leaflet-004}]}"},
            "did you mean 'driving",
        ),
        ({"driving__no_drive": "{value: 48, source: [{kind: leaflet, ref: leaflet-004}]}"}, "unit"),
        ({"driving__no_drive": "{value: -PT48H, source: [{kind: leaflet, ref: leaflet-004}]}"}, "negative"),
        ({"lifting__limit": "{value: 5, source: [{kind: leaflet, ref: leaflet-000}]}"}, "unit"),
        ({"lifting__limit": "{value: 5 stone, source: [{kind: leaflet, ref: leaflet-000}]}"}, "5 kg"),
        ({"driving__no_drive": "{value: 48 h}"}, "'source' is missing"),
        (
            {"driving__no_drive": "{value: 3 days, source: [{kind: leaflet, ref: leaflet-004}]}"},
            "none of the",
        ),
        ({"driving__no_drive": "{value: 1 h, source: [{kind: local, ref: us}]}"}, "not between"),
        ({"driving__no_drive": "{value: 48 h, source: [{kind: leaflet, ref: leaflet-999}]}"}, "no source"),
        ({"fever__threshold": "{value: 38.0, source: [{kind: local, ref: us}]}"}, "unit"),
        (
            {"fever__alone_is_enough": "{value: false, source: [{kind: leaflet, ref: leaflet-000}]}"},
            "must not be used",
        ),
        (
            {"goal__text": "{value: restores-height, source: [{kind: leaflet, ref: leaflet-002}]}"},
            "must not be used",
        ),
    ],
)
def test_f1_5_faults_of_a_pack_are_named_with_their_line(bench, change: dict[str, str], words: str) -> None:
    with pytest.raises(InputError) as error:
        bench.pack(**change)
    assert words in error.value.what + error.value.do
    line = int(error.value.what.split(", line ")[1].split(":")[0])
    key = next(iter(change)).replace("__", ".")
    assert key in (bench.folder / "pack.yaml").read_text("utf-8").splitlines()[line - 1]


def test_f1_6_an_expired_review_warns_and_after_its_grace_refuses(judge: Judge) -> None:
    def at(text: str) -> Evaluation:
        return judge(now=dt.datetime.fromisoformat(text))

    assert at("2027-11-20T12:00:00+00:00").card("care-pack-review-due") is None
    due = at("2027-11-21T12:00:00+00:00")
    card = due.card("care-pack-review-due")
    assert card is not None
    assert card.indicator == "warning"
    late = at("2027-12-22T12:00:00+00:00")
    assert late.card("care-pack-expired") is not None
    assert not late.gate("leaflet").open


def test_f1_7_two_packs_are_shown_side_by_side_and_not_merged() -> None:
    one, two = load_pack("leaflet-000"), load_pack("leaflet-004")
    rows = {row.key: row.values for row in differences((one, two))}
    assert rows["driving.no_drive"] == ("2 weeks", "48 hours")
    assert rows["transport.public"] == ("not set", "48 hours")
    assert one.get("transport.public") is None


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_packs_say_what_they_are(name: str, judge: Judge) -> None:
    pack = load_pack(name)
    assert pack.kind == ("safest" if name == "safest" else "illustrative")
    found = judge(pack=pack)
    assert not found.gate("leaflet").open
    assert found.card("care-pack-safest" if name == "safest" else "care-pack-illustrative") is not None


def test_f1_6_a_single_value_has_its_own_review(bench, judge: Judge) -> None:
    text = "{value: 48 h, expires_on: 2026-12-01, source: [{kind: leaflet, ref: leaflet-004}]}"
    card = judge(pack=bench.pack(driving__no_drive=text)).card("care-values-review-due")
    assert card is not None
    assert card.inputs["parameters"] == ["driving.no_drive"]


def test_values_that_come_from_leaflets_only_are_counted(judge: Judge) -> None:
    card = judge().card("care-pack-provenance")
    assert card is not None
    assert "driving.no_drive" in card.inputs["parameters"]
    assert "fasting.light_meal" not in card.inputs["parameters"]


def test_the_safest_pack_leaves_to_the_site_what_only_the_site_can_say() -> None:
    pack = load_pack("safest")
    asked = {"driving.no_drive", "stay.nights", "anaesthesia.offered", "antithrombotic.aspirin", "closure"}
    asked |= {"work.sedentary", "operator.role", "emergency.number", "after_hours.phone"}
    assert asked <= pack.silent


def test_a_site_pack_does_not_extend_a_published_leaflet(bench) -> None:
    with pytest.raises(InputError, match="records, not protocols"):
        bench.load(bench.pack_text(extends="leaflet-000"))


def test_every_conflict_of_the_leaflets_is_a_parameter_with_choices_and_sources() -> None:
    rows = {
        row: [p for p in parameters().values() if p.row == row] for row in (f"C{n}" for n in range(1, 28))
    }
    assert all(rows.values()), [row for row, found in rows.items() if not found]
    assert all(any(p.choices for p in found) for found in rows.values())


@pytest.mark.parametrize(
    ("key", "parent", "child", "against"),
    [
        ("driving.no_drive", "P14D", "PT48H", True),
        ("driving.no_drive", "PT48H", "P14D", False),
        ("lifting.limit", "5 kg", "10 lb", False),
        ("lifting.limit", "5 lb", "5 kg", True),
        ("recovery.bed_rest", "PT1H", "PT2H", False),
        ("recovery.bed_rest", "PT1H", "PT4H", True),
        ("recovery.bed_rest", "PT1H", "PT30M", True),
        ("fasting.clear_fluids", "PT2H", "PT1H", True),
        ("fasting.clear_fluids", "PT2H", "PT12H", True),
        ("fever.threshold", "38.0 °C", "38.3 °C", True),
        ("fever.threshold", "38.0 °C", "100.0 °F", False),
        ("escort.required", True, False, True),
        ("mobilisation.conditions", ["awake", "bed-rest-over"], ["awake"], True),
        (
            "recovery.observations",
            [{"every": "PT15M", "for": "PT1H"}],
            [{"every": "PT30M", "for": "PT2H"}],
            True,
        ),
        (
            "recovery.observations",
            [{"every": "PT30M", "for": "PT1H"}],
            [{"every": "PT15M", "for": "PT1H"}],
            False,
        ),
    ],
)
def test_each_direction_knows_what_leaves_the_safe_side(key: str, parent, child, against: bool) -> None:
    from endplate.care.quantities import read_value

    parameter = parameters()[key]
    typed = [read_value(parameter.kind, raw) for raw in (parent, child)]
    assert parameter.against(*typed) is against


def test_a_circle_of_packs_is_refused(bench) -> None:
    (bench.folder / "a.yaml").write_text(bench.pack_text(extends="b"), "utf-8")
    (bench.folder / "b.yaml").write_text(bench.pack_text(extends="a"), "utf-8")
    with pytest.raises(InputError, match="circle"):
        load_pack(bench.folder / "a.yaml")


def test_a_parent_is_named_not_reached_through_folders(bench) -> None:
    with pytest.raises(InputError, match=r"does not fit|plain name"):
        bench.load(bench.pack_text(extends="../secret"))


@pytest.mark.parametrize("text", ["", "[]", "pack: [", "pack: &a {id: *a}", "\x00", "pack: {id: 7}"])
def test_broken_packs_are_told_without_a_traceback(bench, text: str) -> None:
    with pytest.raises(InputError):
        bench.load(text)


def test_a_missing_pack_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_pack(tmp_path / "none.yaml")


def test_an_unverified_fact_stands_on_its_card_until_the_site_clears_it(bench, judge: Judge) -> None:
    medicines = [{"name": "warfarin", "times": ["18:00"]}]
    hold = entry(judge(medicines=medicines), "hold.warfarin")
    assert hold.verify == ("sir2019-table",)
    assert "VERIFY" in hold.text
    cleared = bench.pack(extra="verified:\n  sir2019-table: {by: pharmacy, on: 2026-11-01}\n")
    assert cleared.verified == {"sir2019-table"}
    hold = entry(judge(medicines=medicines, pack=cleared), "hold.warfarin")
    assert "VERIFY" not in hold.text
    with pytest.raises(InputError, match="no fact"):
        bench.pack(extra="verified:\n  my-fact: {by: us, on: 2026-11-01}\n")


def test_every_unverified_fact_is_marked_somewhere() -> None:
    rules = "".join(path.read_text("utf-8") for path in Path(endplate.care.__file__).parent.glob("*.*"))
    assert [fact for fact in value("care.facts") if rules.count(f"{fact}") == 0] == []


def test_a_packs_hash_changes_with_its_parent(bench) -> None:
    def child(days: str) -> Pack:
        parent = bench.pack_text(driving__no_drive=f"{{value: {days}, source: [{{kind: local, ref: us}}]}}")
        (bench.folder / "parent.yaml").write_text(parent, "utf-8")
        return bench.load(bench.pack_text(extends="parent", driving__no_drive=None), "child")

    assert child("P3D").sha256 != child("P4D").sha256
