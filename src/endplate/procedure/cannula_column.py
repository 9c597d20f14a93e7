"""The cement in a cannula: what it holds and passes on, what it asks for, and how fast the injector can push it.

The pressure at the tip is taken as proportional to the rate, from what the bone answered the portion before.
"""

from __future__ import annotations

from endplate.procedure.model import NeedleKey, Slug, State
from endplate.procedure.world import Tube, World

SMALL_ML = 1e-9
"""Less cement than this is none."""

HALVINGS = 40
"""Steps in which the rate at the pressure limit is found."""


def rate_under_limit(
    state: State, key: NeedleKey, volume_ml: float, wanted_ml_min: float, world: World
) -> float:
    """The rate asked for, or the greatest one that the pressure limit lets through."""
    tube, needle = world.level(key[0]).tubes[key[1]], state.needles[key]
    column, _ = column_after(state, key, volume_ml, world)
    limit = world.settings.pressure_limit_pa

    def asks(rate: float) -> float:
        return cannula_pa(state, column, tube, rate, world) + needle.resistance_pa_min_ml * rate

    if asks(wanted_ml_min) <= limit:
        return wanted_ml_min
    low, high = 0.0, wanted_ml_min
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if asks(middle) <= limit else (low, middle)
    return low


def cannula_pa(state: State, column: tuple[Slug, ...], tube: Tube, rate_ml_min: float, world: World) -> float:
    """What the cement in a cannula asks for at a rate: each mix by its age and its share of the length."""
    total = 0.0
    for slug in column:
        cement = world.cement(state.mixes[slug.mix].cement)
        age = state.age_s(slug.mix) * cement.room_rate
        total += slug.volume_ml / tube.capacity_ml * tube.drop_pa(cement, age, rate_ml_min)
    return total


def column_after(
    state: State, key: NeedleKey, volume_ml: float, world: World
) -> tuple[tuple[Slug, ...], tuple[Slug, ...]]:
    """What a needle's cannula holds once some cement more has entered it, and what has left its tip."""
    needle = state.needles[key]
    tube = world.level(key[0]).tubes[key[1]]
    return passed_on(needle.column, Slug(needle.loaded or 0, volume_ml), tube.capacity_ml)


def passed_on(
    column: tuple[Slug, ...], entering: Slug, capacity_ml: float
) -> tuple[tuple[Slug, ...], tuple[Slug, ...]]:
    """What stays in a cannula and what leaves it, in order, when cement enters behind."""
    if column and column[-1].mix == entering.mix:
        slugs = [*column[:-1], Slug(entering.mix, column[-1].volume_ml + entering.volume_ml)]
    else:
        slugs = [*column, entering]
    over = sum(slug.volume_ml for slug in slugs) - capacity_ml
    leaving: list[Slug] = []
    while over > SMALL_ML:
        first = slugs[0]
        out = min(over, first.volume_ml)
        leaving.append(Slug(first.mix, out))
        over -= out
        slugs[0] = Slug(first.mix, first.volume_ml - out)
        if slugs[0].volume_ml <= SMALL_ML:
            del slugs[0]
    return tuple(slugs), tuple(leaving)
