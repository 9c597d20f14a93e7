"""Every constant, citation and finding resolves, and none is unused."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from string import Formatter

import pytest

import endplate
from endplate.errors import InternalError
from endplate.sources import citations, constant, constants, finding, finding_codes
from endplate.sources.constants import Status
from endplate.sources.registry import load_tables

ROOT = Path(endplate.__file__).parent
PROJECT = Path(__file__).parents[1]

STATUSES = set(Status.__args__)

FIRST_ARGUMENT_IS = {
    "value": "constant",
    "constant": "constant",
    "citation": "citation",
    "finding": "finding",
}


@pytest.mark.parametrize("key", sorted(constants()))
def test_constant_is_whole(key: str) -> None:
    entry = constants()[key]
    assert entry.source in citations(), f"{key} has no citation {entry.source!r}"
    assert entry.status in STATUSES
    assert entry.unit.strip()
    assert entry.meaning.strip()


@pytest.mark.parametrize("code", sorted(finding_codes()))
def test_finding_is_whole(code: str) -> None:
    entry = load_tables("findings")[code]
    assert set(entry) == {"severity", "text", "source"}
    assert entry["source"] in citations(), f"{code} has no citation {entry['source']!r}"
    names = {name for _, name, _, _ in Formatter().parse(entry["text"]) if name}
    assert all(name.isidentifier() for name in names)
    assert code == code.lower()
    assert " " not in code


def test_citations_have_words() -> None:
    assert all(entry.text.strip() for entry in citations().values())


def test_every_name_used_in_code_is_registered() -> None:
    known = {"constant": set(constants()), "citation": set(citations()), "finding": set(finding_codes())}
    unknown = [
        f"{where}: {kind} {name!r}" for where, kind, name in _registry_calls() if name not in known[kind]
    ]
    assert unknown == []


def test_every_registered_finding_is_used() -> None:
    assert [code for code in finding_codes() if not _mentioned(code)] == []


def test_every_registered_constant_is_used() -> None:
    assert [key for key in constants() if not _mentioned(key)] == []


def test_every_citation_is_used() -> None:
    """By a constant or finding, in its notes, in code, or in a document."""
    data = [path for path in (ROOT / "sources/data").rglob("*.toml") if path.parent.name != "citations"]
    written = "\n".join(path.read_text("utf-8") for path in [*data, *(PROJECT / "docs").rglob("*.md")])
    assert [key for key in citations() if key not in written and not _mentioned(key)] == []


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InternalError, match="no constant"):
        constant("no.such-constant")
    with pytest.raises(InternalError, match="no finding"):
        finding("no-such-finding")


def _registry_calls() -> Iterator[tuple[str, str, str]]:
    """Where a constant, citation or finding is asked for by a literal name."""
    for path, tree in _trees().items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            first = node.args[0]
            if name in FIRST_ARGUMENT_IS and isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield f"{path}:{node.lineno}", FIRST_ARGUMENT_IS[name], first.value


def _mentioned(name: str) -> bool:
    """The name stands in code as a string, or begins with a string that is completed there."""
    exact, beginnings = _strings()
    return name in exact or any(name.startswith(begin) for begin in beginnings)


@cache
def _strings() -> tuple[frozenset[str], frozenset[str]]:
    exact, beginnings = set(), set()
    for tree in _trees().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                exact.add(node.value)
            elif isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
                begin = str(node.values[0].value)
                if begin.endswith((".", "-", "_")) and " " not in begin:
                    beginnings.add(begin)
    return frozenset(exact), frozenset(beginnings)


@cache
def _trees() -> dict[str, ast.Module]:
    return {
        str(path.relative_to(ROOT)): ast.parse(path.read_text("utf-8")) for path in sorted(ROOT.rglob("*.py"))
    }
