"""Every failure has a name, words and an exit code of its own kind."""

from __future__ import annotations

import ast
import pickle
import re
from pathlib import Path

import pytest

import endplate
from endplate import errors

ROOT = Path(endplate.__file__).parent

KINDS = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.EndplateError)
}

KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def test_exit_codes_are_the_documented_ones() -> None:
    codes = {name: kind.exit_code for name, kind in KINDS.items()}
    assert codes == {
        "EndplateError": 1,
        "InternalError": 1,
        "UsageError": 2,
        "InputError": 3,
        "QualityGateError": 4,
        "NoSafePlanError": 5,
        "ConvergenceError": 6,
        "Interrupted": 130,
    }


def test_error_document() -> None:
    error = errors.InputError("file-truncated", "The file ends early.", do="Copy it again.")
    assert error.to_json() == {
        "error": {
            "code": "file-truncated",
            "what": "The file ends early.",
            "intact": "Nothing was written; your input is unchanged.",
            "do": "Copy it again.",
        }
    }


def _sites() -> list[tuple[str, ast.Call]]:
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in KINDS:
                found.append((f"{path.relative_to(ROOT)}:{node.lineno}", node))
    return found


@pytest.mark.parametrize(("where", "call"), _sites(), ids=lambda item: item if isinstance(item, str) else "")
def test_every_error_site_is_whole(where: str, call: ast.Call) -> None:
    assert len(call.args) == 2, "code and what, then intact and do by name"
    code = call.args[0]
    if isinstance(code, ast.Constant):
        assert KEBAB.fullmatch(code.value), f"{where}: {code.value!r} is not kebab-case"
    assert "do" in {keyword.arg for keyword in call.keywords}


def test_an_error_reaches_another_process_whole() -> None:
    sent = errors.NoSafePlanError("no-safe-plan", "No path.", intact="All.", do="Look.", document={"a": 1})
    got = pickle.loads(pickle.dumps(sent))
    assert type(got) is errors.NoSafePlanError
    assert (got.code, got.what, got.intact, got.do, got.document, str(got)) == (
        sent.code,
        sent.what,
        sent.intact,
        sent.do,
        sent.document,
        str(sent),
    )
