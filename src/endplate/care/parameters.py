"""The register of what a site chooses: kind, safe direction, limits, published choices with their sources."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from endplate.care.quantities import measure, read_value
from endplate.care.yamlfile import YamlFile
from endplate.errors import InternalError

Safe = Literal["longer", "shorter", "true", "false", "union", "two-sided", "free"]


@dataclass(frozen=True)
class Choice:
    """One published value; ``forbidden`` ones may be kept as a record but never printed as a rule."""

    value: Any
    raw: Any
    source: str
    forbidden: bool = False


@dataclass(frozen=True)
class Parameter:
    """One choice of a site."""

    key: str
    row: str
    kind: str
    safe: Safe
    meaning: str
    choices: tuple[Choice, ...]
    limits: tuple[float, float] | None = None
    within: tuple[float, float] | None = None
    needed: tuple[str, ...] = ()
    verify: str | None = None
    reason_when: Any = None

    def against(self, parent: Any, child: Any) -> bool:
        """Whether going from ``parent`` (``None``: nothing set) to ``child`` leaves the safe side."""
        if self.reason_when is not None and child == self.reason_when:
            return True
        if self.within is not None:
            low, high = self.within
            return not low <= measure(self.kind, child) <= high
        return parent is not None and self.safe != "free" and self._leaves(parent, child)

    def _leaves(self, parent: Any, child: Any) -> bool:
        if self.safe == "union":
            return not set(parent) <= set(child)
        if self.safe in ("true", "false"):
            return bool(child) is not (self.safe == "true") and child != parent
        if self.kind == "schedule":
            return measure(self.kind, child) < measure(self.kind, parent) or _sparser(parent, child)
        step = measure(self.kind, child) - measure(self.kind, parent)
        return step < 0 if self.safe == "longer" else step > 0

    def listed(self, child: Any) -> bool:
        """Whether a value is one of the published choices (for a set: made of their items)."""
        if self.kind == "set":
            return set(child) <= {item for choice in self.choices for item in choice.value}
        return any(choice.value == child for choice in self.choices)

    def forbids(self, child: Any) -> bool:
        """Whether a value was published but must not be used."""
        return any(choice.forbidden and choice.value == child for choice in self.choices)


def _sparser(parent: Any, child: Any) -> bool:
    """Whether at any of the parent's due minutes fewer observations have come due than in the parent."""
    theirs, ours = due_minutes(parent), due_minutes(child)
    return any(sum(m <= at for m in ours) < sum(m <= at for m in theirs) for at in theirs)


def due_minutes(schedule: tuple[Any, ...]) -> tuple[int, ...]:
    """Minutes after the start at which a schedule has observations due."""
    due, base = [], 0
    for every, total in schedule:
        step, length = round(every.hours * 60), round(total.hours * 60)
        due += [base + minute for minute in range(step, length + 1, step)]
        base += length
    return tuple(due)


@cache
def parameters() -> dict[str, Parameter]:
    """The register by key."""
    content = (resources.files("endplate.care") / "parameters.yaml").read_bytes()
    return {key: _parameter(key, entry) for key, entry in YamlFile("parameters.yaml", content).values.items()}


def _parameter(key: str, entry: dict[str, Any]) -> Parameter:
    kind = entry["kind"]
    try:
        choices = tuple(
            Choice(
                value=read_value(kind, choice["value"]),
                raw=choice["value"],
                source=choice["source"],
                forbidden=bool(choice.get("forbidden", False)),
            )
            for choice in entry["choices"]
        )
        return Parameter(
            key=key,
            row=entry["row"],
            kind=kind,
            safe=entry["safe"],
            meaning=entry["meaning"],
            choices=choices,
            limits=_range(kind, entry.get("limits")),
            within=_range(kind, entry.get("within")),
            needed=tuple(entry.get("needed", ())),
            verify=entry.get("verify"),
            reason_when=entry.get("reason_when"),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise InternalError(
            "care-parameters-broken",
            f"The register's entry {key!r} is not whole: {error}.",
            do="Correct care/parameters.yaml.",
        ) from error


def _range(kind: str, ends: Any) -> tuple[float, float] | None:
    if ends is None:
        return None
    low, high = (measure(kind, read_value(kind, end) if kind == "duration" else end) for end in ends)
    return low, high
