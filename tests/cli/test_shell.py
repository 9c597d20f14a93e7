"""From words to exit codes: what is loaded, how failures are told, completion, signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import pytest

import endplate
from endplate.cli import shell
from endplate.cli.manner import Manner
from endplate.errors import ConvergenceError, NoSafePlanError

HEAVY = ("numpy", "scipy", "numba", "matplotlib", "pydantic", "nibabel", "pydicom", "rich", "jinja2")

TYPERS_OWN = "pydantic"
"""What newer versions of typer load by themselves to read a verb's options."""


Cli = Callable[..., Any]


def raising(error: BaseException) -> Callable[[Sequence[str]], int]:
    def parse_and_run(words: Sequence[str]) -> int:
        raise error

    return parse_and_run


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["run", "--help"], []])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    """The time to the first word on the screen is the time of these imports."""
    script = (
        "import sys; from endplate.cli import main; code = main(sys.argv[1:]);"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=True)
    assert done.stderr in {"[]\n", f"[{TYPERS_OWN!r}]\n" if words[:1] == ["run"] else "[]\n"}
    assert done.stdout


def test_version(cli: Cli) -> None:
    assert cli("--version") == (0, f"endplate {endplate.__version__}\n", "")


def test_the_kernel_cache_is_named_before_numba_loads() -> None:
    """Numba reads its settings once, when it loads."""
    script = (
        "import os, sys; from endplate.cli.runtime import prepare; prepare();"
        "print('numba' in sys.modules, os.environ['NUMBA_CACHE_DIR'])"
    )
    environment = {name: text for name, text in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("False ")
    assert "kernels" in done.stdout


def test_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "endplate", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"endplate {endplate.__version__}\n"


def test_no_words_show_the_help(cli: Cli) -> None:
    said = cli()
    assert said.code == 0
    assert "not a medical device" in said.out


@pytest.mark.parametrize(
    "words",
    [
        ["no-such-verb"],
        ["assess", "--no-such-option"],
        ["report"],
        ["run", "ct.nii", "--labels", "l.nii", "--level", "L1"],
        ["run", "--labels", "l.nii", "--level", "L1", "--out", "case"],
        ["run", "ct.nii", "--labels", "l.nii", "--out", "case"],
        ["run", "ct.nii", "--labels", "l.nii", "--level", "L9", "--out", "case"],
        ["run", "ct.nii", "--level", "L1", "--out", "case"],
        ["plan", "ct.nii", "--level", "L1"],
        ["assess"],
    ],
    ids=" ".join,
)
def test_usage_errors(cli: Cli, words: list[str]) -> None:
    human, machine = cli(*words), cli(*words, "--json")
    assert (human.code, human.out) == (2, "")
    assert machine.code == 2
    error = json.loads(machine.out)["error"]
    assert set(error) == {"code", "what", "intact", "do"}
    assert all(error.values())
    assert error["what"].split()[0] in human.err
    assert "do " in human.err


def test_run_without_out_says_so(cli: Cli) -> None:
    assert "--out" in cli("run", "ct.nii", "--level", "L1").err


def test_quiet_says_only_what_happened(cli: Cli) -> None:
    assert len(cli("assess", "-q").err.splitlines()) == 1
    assert len(cli("assess").err.splitlines()) == 4


def test_no_colour_without_a_terminal(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in cli("assess").err


def test_user_text_is_not_markup(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "_parse_and_run", raising(NoSafePlanError("x", "[red]L1[/red] [/]", do="[b]")))
    assert "[red]L1[/red] [/]" in cli("assess").err


def test_defect_is_short_and_traceback_only_when_asked(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "_parse_and_run", raising(RuntimeError("Doe^Jane")))
    short, long, machine = cli("assess"), cli("assess", "-v"), cli("assess", "--json")
    assert short.code == long.code == machine.code == 1
    assert "Traceback" not in short.err + machine.err
    assert "Doe" not in short.err + machine.out
    assert "Traceback" in long.err
    assert json.loads(machine.out)["error"]["code"] == "internal"


@pytest.mark.parametrize(("kind", "code"), [(NoSafePlanError, 5), (ConvergenceError, 6)])
def test_documents_of_failures_are_printed(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, kind: type[Any], code: int
) -> None:
    document = {"schema": "endplate/plan/1", "plans": [], "session": {"warnings": []}}
    monkeypatch.setattr(shell, "_parse_and_run", raising(kind("x-y", "No.", do="Do.", document=document)))
    said = cli("plan", "--json")
    assert said.code == code
    printed = json.loads(said.out)
    assert printed.pop("error")["code"] == "x-y"
    assert printed == document
    assert cli("plan").code == code


def test_ctrl_c(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "_parse_and_run", raising(KeyboardInterrupt()))
    said = cli("assess", "--json")
    assert said.code == 130
    assert json.loads(said.out)["error"]["code"] == "interrupted"


def test_termination_is_handled_like_ctrl_c(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def terminated(words: Sequence[str]) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("the signal was lost")

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(shell, "_parse_and_run", terminated)
    assert cli("assess").code == 130
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("words", "manner"),
    [
        (["run", "--json", "-q"], Manner(json=True, quiet=True)),
        (["-qv"], Manner(quiet=True, verbose=True)),
        (["--", "--json"], Manner()),
        (["--verbose", "--quiet"], Manner(quiet=True, verbose=True)),
        (["-o", "x", "-"], Manner()),
    ],
)
def test_manner_is_read_from_any_words(words: list[str], manner: Manner) -> None:
    assert Manner.of(words) == manner


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("endplate re", {"report"}),
        ("endplate run --level T1", {"T1", "T10", "T11", "T12", "T13"}),
        ("endplate run --level T12,l", {f"T12,l{n}" for n in range(1, 7)}),
        ("endplate assess --scheme ver", {"verse"}),
    ],
)
def test_completion(line: str, expected: set[str]) -> None:
    words = line.split(" ")
    environment = {
        **os.environ,
        "_ENDPLATE_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-m", "endplate"], env=environment, capture_output=True, text=True, check=False
    )
    assert set(done.stdout.split()) == expected
