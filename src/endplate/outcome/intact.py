"""What an unbroken level here would carry: what the neighbours say, or this level's own bone taken as whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from endplate.anatomy.model import Spine, Vertebra
from endplate.errors import ConvergenceError, QualityGateError, UsageError
from endplate.mechanics.strength_model import StrengthDocument
from endplate.papers.words import listed
from endplate.sources import value

PressLevel = Callable[[str], StrengthDocument]
"""Presses one level of the scan and returns its document."""


@dataclass(frozen=True)
class IntactExpectation:
    """Strength and stiffness expected of the level if it were whole.

    ``source`` says in words what they rest on; values are ``None`` where nothing could be said.
    """

    strength_n: float | None
    stiffness_n_per_mm: float | None
    source: str | None


def intact_expectation(
    spine: Spine, level: str, own: StrengthDocument | None, press_level: PressLevel
) -> IntactExpectation:
    """The expectation from the nearest whole neighbours, one toward the head and one toward the feet.

    Strength grows down the spine, so between two neighbours it is interpolated by their distance in levels; one
    neighbour alone is taken as it is. Without any, it is that of the level's own bone without damage.

    Parameters
    ----------
    spine, level:
        The measured spine and the treated level.
    own:
        Its own result; the values of that document are those of undamaged bone.
    press_level:
        How a neighbour is pressed; its errors are read as "no neighbour there".
    """
    found: list[tuple[int, StrengthDocument]] = []
    for way in (-1, 1):
        for steps, name in _whole_neighbours(spine, level, way):
            try:
                found.append((steps, press_level(name)))
            except (ConvergenceError, QualityGateError, UsageError):
                continue
            break
    if not found:
        if own is None:
            return IntactExpectation(None, None, None)
        return IntactExpectation(
            own.strength_n, own.stiffness_n_per_mm, f"the bone of {level} without damage"
        )
    names = listed([str(document.level) for _, document in found])
    return IntactExpectation(
        _between([(steps, document.strength_n) for steps, document in found]),
        _between([(steps, document.stiffness_n_per_mm) for steps, document in found]),
        f"the whole neighbour{'s' if len(found) > 1 else ''} {names}",
    )


def _whole_neighbours(spine: Spine, level: str, way: int) -> list[tuple[int, str]]:
    """Levels without a seen fracture on one side, nearest first, with their signed distance in levels."""
    names = [vertebra.level for vertebra in spine.levels]
    if level not in names:
        return []
    at = names.index(level)
    reach = int(value("outcome.neighbour_reach"))
    places = [at + way * steps for steps in range(1, reach + 1)]
    return [
        (place - at, names[place])
        for place in places
        if 0 <= place < len(names) and _whole(spine.levels[place])
    ]


def _whole(vertebra: Vertebra) -> bool:
    """No fracture, all of it in the scan, nothing foreign in it."""
    implants = vertebra.implants
    foreign = implants is not None and implants.cement_ml + implants.metal_in_bone_ml > 0.0
    return vertebra.complete and vertebra.fracture.flagged is False and not foreign


def _between(points: list[tuple[int, float | None]]) -> float | None:
    """The value at distance 0 on the line through one or two points; ``None`` where one is unknown."""
    known = [(steps, number) for steps, number in points if number is not None]
    if len(known) < len(points):
        return None
    if len(known) == 1:
        return known[0][1]
    (first, low), (second, high) = known
    return low + (high - low) * (0 - first) / (second - first)
