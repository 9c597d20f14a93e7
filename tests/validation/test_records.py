"""Records of validation are as new as the code they tested, and the page is what they give."""

from __future__ import annotations

from pathlib import Path

import pytest
import records
from records import FOLDER, PAGE, page, read_records, rooms_hash

NAMES = ("flags", "phantom-accuracy", "real-spines")


def test_every_study_has_its_record() -> None:
    assert {file.stem for file in FOLDER.glob("*.json")} >= set(NAMES)


@pytest.mark.parametrize("record", read_records(), ids=lambda record: record["name"])
def test_no_room_is_newer_than_its_record(record: dict) -> None:
    assert record["rooms_sha256"] == rooms_hash(record["rooms"]), "run `make validate`"


def test_the_page_is_built_from_the_records() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `make validate`"


def test_a_change_of_code_or_constants_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room, constants = tmp_path / "anatomy", tmp_path / "sources" / "data" / "constants"
    room.mkdir()
    constants.mkdir(parents=True)
    code, numbers = room / "a.py", constants / "anatomy.toml"
    monkeypatch.setattr(records, "PACKAGE", tmp_path)

    def state(source: str, value: float, meaning: str = "x") -> str:
        code.write_text(source, "utf-8")
        numbers.write_text(f'["k"]\nvalue = {value}\nmeaning = "{meaning}"\n', "utf-8")
        return rooms_hash(["anatomy: geometry"])

    first = state("x = 1\n", 2.0)
    assert state("# why\n\nx = 1\n", 2.0, "better said") == first
    assert state("x = 2\n", 2.0) != first
    assert state("x = 1\n", 2.5) != first
