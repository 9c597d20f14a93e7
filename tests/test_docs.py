"""The documents agree with the code, and the project is tidy."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

import endplate
from endplate.cli.app import command
from endplate.cli.reference import EXIT_CODES, pages
from endplate.errors import EndplateError

ROOT = Path(__file__).parents[1]
SOURCE = Path(endplate.__file__).parent

PROSE = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

TEXT_SUFFIXES = {".py", ".md", ".toml", ".html", ".css", ".yaml", ".json", ".js", ".txt"}

PLACES_OF_A_MACHINE = re.compile(r"(?<![\w.])/(?:work|root|farm)[/\w.-]*")


@pytest.mark.parametrize("name", sorted(pages()))
def test_generated_pages_are_current(name: str) -> None:
    assert (ROOT / "docs" / name).read_text("utf-8") == pages()[name], "run `make docs`"


def test_no_generated_page_is_left_over() -> None:
    schemas = {f"schema/{path.name}" for path in (ROOT / "docs/schema").iterdir()}
    assert schemas == {name for name in pages() if name.startswith("schema/")}


def test_exit_codes_cover_every_error() -> None:
    kinds = [EndplateError, *EndplateError.__subclasses__()]
    assert {kind.exit_code for kind in kinds} | {0} == set(EXIT_CODES)


def _commands() -> list[str]:
    """Every ``endplate ...`` line of a shell block in the documents."""
    found = []
    for page in PROSE:
        for block in re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            found += [line for line in block.splitlines() if line.startswith("endplate ")]
    return found


def test_documents_show_commands() -> None:
    assert len(_commands()) >= 5


@pytest.mark.parametrize("line", _commands())
def test_commands_in_documents_parse(line: str) -> None:
    verb, *words = shlex.split(line, comments=True)[1:]
    parsed: Any = command().commands[verb].make_context(verb, words)
    assert parsed.params


def test_a_wrong_command_does_not_parse() -> None:
    with pytest.raises(Exception, match="No such option"):
        command().commands["run"].make_context("run", ["--no-such-option"])


@pytest.mark.parametrize("page", PROSE, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_changelog_and_licence() -> None:
    assert f"## {endplate.__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")
    licence = (ROOT / "LICENSE").read_text("utf-8")
    assert "Apache License" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
    assert f'version = "{endplate.__version__}"' in (ROOT / "pyproject.toml").read_text("utf-8")


def test_readme_says_what_it_is_not() -> None:
    assert "not a medical device" in (ROOT / "README.md").read_text("utf-8")


def _project_files() -> list[Path]:
    places = [*ROOT.glob("*.*"), ROOT / "Makefile", ROOT / ".ci/run"]
    for folder in ("src", "tests", "docs", "benchmarks"):
        places += (ROOT / folder).rglob("*")
    return [path for path in places if path.is_file() and (path.suffix in TEXT_SUFFIXES or not path.suffix)]


def test_no_place_of_a_machine() -> None:
    hits = [
        f"{path.relative_to(ROOT)}: {hit.group()}"
        for path in _project_files()
        if path != Path(__file__) and ".egg-info" not in str(path)
        for hit in PLACES_OF_A_MACHINE.finditer(path.read_text("utf-8"))
    ]
    assert hits == []


def test_nothing_is_left_to_do_in_the_source() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK|raise NotImplementedError)\b")
    hits = [
        f"{path.relative_to(SOURCE)}: {mark.group()}"
        for path in SOURCE.rglob("*.py")
        for mark in marks.finditer(path.read_text("utf-8"))
    ]
    assert hits == []
