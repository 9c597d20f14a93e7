"""The house plan: an import may only point left, and rooms side by side do not know each other."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import endplate
from endplate.case.stage import Stage
from endplate.case.stages import STAGES

ROOT = Path(endplate.__file__).parent

HOUSE_PLAN: tuple[tuple[str, ...], ...] = (
    ("units",),
    ("errors",),
    ("sources",),
    ("kernels",),
    ("ensemble",),
    ("papers",),
    ("devices",),
    ("imaging",),
    ("anatomy",),
    ("synthetic", "labelling"),
    ("planning",),
    ("fluoroscopy", "mechanics"),
    ("balloon", "cement"),
    ("procedure",),
    ("outcome",),
    ("report",),
    ("case",),
    ("app", "study"),
    ("cli",),
)
"""From left to right; rooms in one tuple stand side by side."""

PLACE = {room: place for place, rooms in enumerate(HOUSE_PLAN) for room in rooms}

CARE_MAY_USE = {"units", "errors", "sources", "papers"}
"""``care`` stands beside the house: it reads results as JSON."""

MAY_USE_CARE = {"app", "study", "cli"}

STARTERS = {"__main__"}
"""Modules outside the rooms that start the command line."""


def test_every_room_has_a_place() -> None:
    rooms = {path.stem for path in ROOT.glob("*.py")} | {
        path.parent.name for path in ROOT.glob("*/__init__.py")
    }
    assert rooms - {"__init__"} - STARTERS - {"care"} <= set(PLACE)


@pytest.mark.parametrize("module", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_left(module: Path) -> None:
    relative = module.relative_to(ROOT)
    room = relative.parts[0].removesuffix(".py")
    found = imported_rooms(module.read_text("utf-8"), package=("endplate", *relative.parent.parts))
    assert forbidden(room, found) == []


@pytest.mark.parametrize(
    ("room", "code", "allowed"),
    [
        ("anatomy", "from endplate.imaging.volume import Volume", True),
        ("anatomy", "def f():\n    from endplate import planning", False),
        ("anatomy", "def f():\n    import endplate.planning.model as m", False),
        ("balloon", "from endplate.cement import model", False),
        ("synthetic", "import endplate.labelling", False),
        ("anatomy", "from ..planning import model", False),
        ("anatomy", "import importlib\nimportlib.import_module('endplate.report')", False),
        ("errors", "from endplate.sources import finding", False),
        ("sources", "from endplate.errors import InternalError", True),
        ("care", "from endplate.planning.model import Plan", False),
        ("care", "from endplate.papers import page", True),
        ("report", "from endplate.care import consent", False),
        ("cli", "from endplate.care import consent", True),
        ("__init__", "from endplate.errors import EndplateError", False),
        ("imaging", "from endplate import __version__", True),
        ("imaging", "from endplate.report import *", False),
    ],
)
def test_the_rule_itself(room: str, code: str, allowed: bool) -> None:
    found = imported_rooms(code, package=("endplate", room))
    assert (forbidden(room, found) == []) is allowed


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_stage_declares_every_room_whose_code_it_runs(stage: Stage) -> None:
    """Its saved result would otherwise survive a change of that code."""
    below = {"units", "errors", "sources", "kernels"}
    used = {
        other
        for room in set(stage.rooms) - {"case"}
        for module in (ROOT / room).rglob("*.py")
        for other in imported_rooms(module.read_text("utf-8"), package=("endplate", room))
    }
    assert used - below <= set(stage.rooms)


def forbidden(room: str, imported: set[str]) -> list[str]:
    """Rooms among ``imported`` that ``room`` must not use."""
    return sorted(other for other in imported - {room} if not _may_use(room, other))


def _may_use(room: str, other: str) -> bool:
    if room in STARTERS:
        return other == "cli"
    if room == "__init__":
        return False
    if room == "care":
        return other in CARE_MAY_USE
    if other == "care":
        return room in MAY_USE_CARE
    return PLACE.get(other, len(HOUSE_PLAN)) < PLACE[room]


def imported_rooms(code: str, *, package: tuple[str, ...]) -> set[str]:
    """Rooms that a module names in imports of any kind, at the top or inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names.update(f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) == "import_module":
            names.update(
                item.value
                for item in node.args
                if isinstance(item, ast.Constant) and isinstance(item.value, str)
            )
    parts = [name.split(".") for name in names]
    return {
        part[1] for part in parts if part[0] == "endplate" and len(part) > 1 and not part[1].startswith("__")
    }


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
