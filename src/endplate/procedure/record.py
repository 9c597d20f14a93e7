"""A procedure written down, one JSON line an action, and played again to the same bytes.

The first line is a header with the schema and the digest of the plan it was made for; then each line holds one action
and what was perceived of it, or why an injection was ended. A script that a person writes needs the actions only: the
header is asked for, what was perceived is not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from endplate.anatomy.model import Document
from endplate.errors import EndplateError, InputError, UsageError
from endplate.procedure.actions import Action, parse_action
from endplate.procedure.engine import act, begin
from endplate.procedure.model import Observation, State
from endplate.procedure.world import World

SCHEMA = "endplate/actions/1"

DIGITS = 9
"""Significant digits of a number that is written."""

UNCHANGED = "Nothing was changed; the case stands as it was."

Tell = Callable[[str, float], None]
"""Told what is done and the fraction done."""


class Stop(Document):
    """Why the injection of a level was ended."""

    level: str
    code: str
    text: str


@dataclass(frozen=True)
class Line:
    """One line: an action with what was perceived of it (``None`` in a script not yet played), or a stop."""

    action: Action | None = None
    observation: Observation | None = None
    stop: Stop | None = None


@dataclass(frozen=True)
class Recording:
    """Lines in their order, and the digest of the plan they belong to (``None``: of any plan)."""

    lines: tuple[Line, ...]
    plan_sha256: str | None = None

    def stops(self) -> dict[str, Stop]:
        """The last stop of each level."""
        return {line.stop.level: line.stop for line in self.lines if line.stop is not None}


@dataclass(frozen=True, eq=False)
class Played:
    """A procedure that was played: how it ended, and its record."""

    state: State
    recording: Recording


def to_bytes(recording: Recording) -> bytes:
    """The file ``actions.jsonl``."""
    header = {"schema": SCHEMA, "plan_sha256": recording.plan_sha256}
    lines = [header, *(_plain(line) for line in recording.lines)]
    return "".join(
        json.dumps(line, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n" for line in lines
    ).encode()


def from_bytes(content: bytes, *, name: str = "the action script") -> Recording:
    """Read a record or a script.

    Parameters
    ----------
    content:
        Of the file.
    name:
        What it is called in errors.

    Raises
    ------
    InputError
        ``actions-unreadable``: no text, no JSON lines, no header, or another schema.
    UsageError
        ``action-unknown`` or ``action-broken``, with the line.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(f"{name} is no text in UTF-8") from error
    rows = [(number, row) for number, row in enumerate(text.splitlines(), 1) if row.strip()]
    if not rows:
        raise _unreadable(f"{name} is empty")
    values = [(number, _json(row, number, name)) for number, row in rows]
    header = values[0][1]
    schema = header.get("schema") if isinstance(header, dict) else None
    if schema != SCHEMA:
        other = "has no header" if schema is None else f"is of the kind {schema!r}"
        raise _unreadable(f"{name} {other}, not {SCHEMA}")
    plan = header.get("plan_sha256")
    return Recording(
        tuple(_line(given, number) for number, given in values[1:]), plan if isinstance(plan, str) else None
    )


def check_plan(recording: Recording, plan_sha256: str) -> None:
    """Refuse a script that was made for another plan.

    Raises
    ------
    UsageError
        ``actions-foreign``.
    """
    if recording.plan_sha256 not in (None, plan_sha256):
        raise UsageError(
            "actions-foreign",
            "The action script was recorded with another plan than this case has.",
            intact=UNCHANGED,
            do='To play it here all the same, set "plan_sha256" in its first line to null.',
        )


def play(
    world: World, recording: Recording, *, plan_sha256: str | None = None, tell: Tell | None = None
) -> Played:
    """Play a script, or play a record again.

    Raises
    ------
    EndplateError
        What ``act`` raises; it names the action's place in the script.
    """
    state = begin(world)
    lines: list[Line] = []
    for number, line in enumerate(recording.lines, 1):
        if line.action is None:
            lines.append(line)
            continue
        if tell is not None:
            tell(line.action.action, (number - 1) / len(recording.lines))
        try:
            state, seen = act(state, line.action, world)
        except EndplateError as error:
            raise type(error)(
                error.code,
                f"Action {number} ({line.action.action}): {error.what}",
                intact=UNCHANGED,
                do=error.do,
                document=error.document,
            ) from error
        lines.append(Line(line.action, seen))
    return Played(state, Recording(tuple(lines), plan_sha256 or recording.plan_sha256))


def script(actions: Iterable[Action], plan_sha256: str | None = None) -> Recording:
    """Actions as a script."""
    return Recording(tuple(Line(action) for action in actions), plan_sha256)


def _line(given: Any, number: int) -> Line:
    where = f"line {number}"
    if isinstance(given, dict) and "stop" in given:
        try:
            return Line(stop=Stop.model_validate(given["stop"]))
        except ValueError as error:
            raise _unreadable(
                f"line {number} of the action script holds a stop that cannot be read"
            ) from error
    inner = given.get("action") if isinstance(given, dict) else None
    return Line(parse_action(inner if isinstance(inner, dict) else given, where))


def _plain(line: Line) -> dict[str, Any]:
    if line.stop is not None:
        return {"stop": line.stop.model_dump(mode="json")}
    if line.action is None:
        return {}
    found: dict[str, Any] = {"action": line.action.model_dump(mode="json")}
    if line.observation is not None:
        found["seen"] = shortened(line.observation.model_dump(mode="json"))
    return found


def shortened(value: Any) -> Any:
    """The same JSON value with numbers of :data:`DIGITS` significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {key: shortened(part) for key, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [shortened(part) for part in value]
    return value


def _json(row: str, number: int, name: str) -> Any:
    try:
        return json.loads(row)
    except (ValueError, RecursionError) as error:
        raise _unreadable(f"line {number} of {name} is no JSON") from error


def _unreadable(what: str) -> InputError:
    return InputError(
        "actions-unreadable",
        f"{what[0].upper()}{what[1:]}.",
        intact=UNCHANGED,
        do=f'Give a file of JSON lines that begins with {{"schema": "{SCHEMA}"}}; a case keeps one as actions.jsonl.',
    )
