"""``endplate care`` from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).parents[2] / "docs/care/example"
Cli = Callable[..., Any]


def care(
    cli: Cli, action: str, *more: object, stage: str = "1-clinic", pack: object = EXAMPLE / "site.yaml"
) -> Any:
    return cli(
        "care", action, EXAMPLE / f"{stage}.json", "--plan", EXAMPLE / "plan.json", "--pack", pack, *more
    )


def test_check_prints_one_document_with_cards_timeline_and_risks(cli: Cli) -> None:
    said = care(cli, "check", "--json")
    found = json.loads(said.out)
    assert said.code == 0
    assert found["schema"] == "endplate/care/1"
    assert {"id", "indicator", "overridable", "rule_id", "source", "inputs"} <= set(found["cards"][0])
    assert {"what", "at", "rule_id"} <= set(found["timeline"][0])
    assert len(found["risks"]) == 14
    assert said.err == ""


def test_check_in_words_names_status_cards_and_gates(cli: Cli) -> None:
    said = care(cli, "check")
    assert said.code == 0
    assert "example-1: complete" in said.out
    assert "leaflet     open" in said.out
    assert "Sample" not in said.out


def test_timeline_recovery_and_follow_up_give_their_part(cli: Cli) -> None:
    assert set(json.loads(care(cli, "timeline", "--json").out)) >= {"timeline", "case_id", "disclaimer"}
    found = json.loads(care(cli, "recovery", "--json", stage="2-going-home").out)
    assert next(due["at"][11:16] for due in found["due"]) == "10:00"
    assert {score["name"] for score in found["scores"]} == {"NEWS2", "Aldrete", "PADSS"}
    later = json.loads(care(cli, "follow-up", "--json", stage="3-six-weeks").out)
    assert later["trend"]["points"][-1]["nrs"] == 3
    assert care(cli, "recovery", stage="2-going-home").code == 0


def test_f1_3_a_leaflet_that_is_held_back_ends_with_4_and_writes_nothing(cli: Cli, tmp_path: Path) -> None:
    said = care(cli, "leaflet", "--out", tmp_path / "out", "--json", pack="safest")
    assert said.code == 4
    assert "driving.no_drive" in json.loads(said.out)["error"]["what"]
    assert not (tmp_path / "out").exists()


def test_leaflet_and_papers_are_written_under_plain_names(cli: Cli, tmp_path: Path) -> None:
    said = care(cli, "leaflet", "--out", tmp_path, "--json")
    assert said.code == 0
    assert [entry["file"] for entry in json.loads(said.out)["files"]] == ["leaflet.html"]
    said = care(cli, "papers", "--out", tmp_path / "all", "--large-print", stage="2-going-home")
    assert said.code == 0
    assert (tmp_path / "all/discharge-pack.html").exists()
    assert "18.0pt" in (tmp_path / "all/discharge-pack.html").read_text("utf-8")


def test_the_bundle_goes_to_stdout_or_a_file(cli: Cli, tmp_path: Path) -> None:
    assert json.loads(care(cli, "bundle").out)["resourceType"] == "Bundle"
    assert care(cli, "bundle", "--out", tmp_path / "b.json").code == 0
    assert json.loads((tmp_path / "b.json").read_text("utf-8"))["type"] == "collection"


def test_packs_are_compared_not_merged(cli: Cli) -> None:
    found = json.loads(cli("care", "packs", "--json", "--pack", "leaflet-000", "--pack", "leaflet-004").out)
    assert [entry["id"] for entry in found["packs"]] == ["leaflet-000", "leaflet-004"]
    driving = next(row for row in found["differences"] if row["parameter"] == "driving.no_drive")
    assert driving["values"] == ["2 weeks", "48 hours"]
    assert care(cli, "check", "--pack", "safest").code == 2


def test_now_moves_the_moment_of_judgement(cli: Cli) -> None:
    early = json.loads(care(cli, "recovery", "--json", "--now", "2026-12-07T10:31", stage="2-going-home").out)
    assert early["as_of"].startswith("2026-12-07T10:31")
    assert care(cli, "check", "--now", "yesterday").code == 2


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("care", "dance"), 2),
        (("care", "check"), 2),
        (("care", "check", "nowhere.json", "--plan", "x", "--pack", "safest"), 3),
        (
            (
                "care",
                "leaflet",
                EXAMPLE / "1-clinic.json",
                "--plan",
                EXAMPLE / "plan.json",
                "--pack",
                "safest",
            ),
            2,
        ),
        (
            ("care", "check", EXAMPLE / "1-clinic.json", "--plan", EXAMPLE / "site.yaml", "--pack", "safest"),
            3,
        ),
    ],
)
def test_wrong_use_is_told_with_its_exit_code(cli: Cli, words: tuple[object, ...], code: int) -> None:
    said = cli(*words)
    assert said.code == code
    assert "Traceback" not in said.err
