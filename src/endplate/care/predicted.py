"""What a virtual procedure foretells, where its outcome is given: leaks by route, marked as simulated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from endplate.care.context import Context, Item
from endplate.errors import InputError
from endplate.papers.words import listed

SHOWN_FROM_ML = 0.01
"""Less cement outside the bone than this is not told."""


def predicted(ctx: Context) -> Iterator[Item]:
    """Cards on simulated leaks, before the procedure only.

    Raises
    ------
    InputError
        The outcome's fields are missing or of another kind.
    """
    if ctx.outcome is None or ctx.end is not None:
        return
    try:
        found = [_leaks(level) for level in ctx.outcome["levels"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            "care-outcome-wrong",
            "The outcome cannot be used: a field is missing or of another kind.",
            do="Name the outcome.json that `endplate treat` wrote, or leave it out.",
        ) from error
    for level, canal_ml, routes in found:
        total_ml = sum(routes.values())
        if canal_ml >= SHOWN_FROM_ML:
            yield ctx.card(
                "care-predicted-canal",
                "F5.3",
                about=level,
                level=level,
                inputs={"in_canal_ml": canal_ml},
                at=level,
                volume=f"{canal_ml:.2f}",
            )
        elif total_ml >= SHOWN_FROM_ML:
            yield ctx.card(
                "care-predicted-leak",
                "F5.3",
                about=level,
                level=level,
                inputs={"leaks_ml": routes},
                at=level,
                volume=f"{total_ml:.2f}",
                routes=listed([route.replace("_", " ") for route in routes]),
            )


def _leaks(level: Mapping[str, Any]) -> tuple[str, float, dict[str, float]]:
    cement = level["cement"]
    routes = {str(route): float(ml) for route, ml in cement["leaks_ml"].items() if float(ml) > 0.0}
    return str(level["level"]), float(cement["in_canal_ml"]), routes
