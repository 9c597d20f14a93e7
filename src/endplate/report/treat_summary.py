"""What a simulated treatment came to, in a few sentences and facts."""

from __future__ import annotations

from endplate.outcome.model import CementOutcome, LevelOutcome, Treatment
from endplate.papers.words import listed, number, percent, quantity
from endplate.planning.model import LevelPlan
from endplate.report.balloon_words import balloon_facts, balloon_verdict
from endplate.report.treat_tables import ROUTE_WORDS, SHOWN_FROM_ML
from endplate.sources import Finding


def treat_findings(treatment: Treatment | None) -> list[Finding]:
    """Every finding of a treatment."""
    if treatment is None:
        return []
    return [*treatment.findings, *(one for level in treatment.levels for one in level.findings)]


def treat_facts(level: LevelOutcome | None, planned: LevelPlan | None = None) -> list[tuple[str, str]]:
    """Facts of the first page about a treated level; none where neither balloon nor cement was given.

    Parameters
    ----------
    level, planned:
        What was simulated of the level, and its plan.
    """
    if level is None:
        return []
    facts = []
    if level.balloon is not None:
        facts += balloon_facts(level.balloon, level.cement, planned)
    if level.cement is None:
        return facts
    cement, strength = level.cement, level.strength
    where = f"{quantity(cement.in_bone_ml, 'ml')} in the bone"
    if level.balloon is not None:
        where += f" and {quantity(cement.in_cavity_ml, 'ml')} in the cavity"
    facts += [
        ("Simulated cement", f"{where}, {percent(cement.fill_fraction)} of the body"),
        ("Simulated leaks", _leak_words(cement)),
    ]
    low, high = strength.after_derated_n, strength.after_bonded_n
    if strength.before_n and low is not None and high is not None:
        shares = f"{number(low / strength.before_n, 1)} to {number(high / strength.before_n, 1)}"
        facts.append(("Simulated strength after over before", shares))
    return facts


def verdict(level: LevelOutcome, planned: LevelPlan | None = None) -> tuple[str, ...]:
    """What happened, in plain sentences; what balloons did stands first."""
    lifted = () if level.balloon is None else balloon_verdict(level.balloon, level.cement, planned)
    return (*lifted, *_cement_verdict(level))


def _cement_verdict(level: LevelOutcome) -> tuple[str, ...]:
    cement = level.cement
    if cement is None:
        return (f"No cement was given at {level.level}.",)
    body_ml = cement.in_bone_ml + cement.in_cavity_ml
    held = f"{quantity(body_ml, 'ml')} are in the bone"
    if level.balloon is not None:
        held = f"{quantity(body_ml, 'ml')} are in the body, {quantity(cement.in_cavity_ml, 'ml')} of it in the cavity"
    fill = (
        f"{quantity(cement.delivered_ml, 'ml')} left the syringes; {held}, "
        f"{percent(cement.fill_fraction)} of the body."
    )
    why = cement.stopped_text
    if why is None:
        code = cement.stopped_because
        why = "Why the injection ended is not known." if code is None else f"The injection ended: {code}."
    touches = {
        True: "It reaches both endplates.",
        False: "It does not reach both endplates.",
        None: "Whether it reaches both endplates is not known.",
    }[cement.touches_endplates]
    return fill, why, f"Leaks: {_leak_words(cement)}.", touches


def _leak_words(cement: CementOutcome) -> str:
    """All leaks and their ways, the largest first."""
    routes = {name: getattr(cement.leaks_ml, name) for name in ROUTE_WORDS}
    told = sorted((name for name in routes if routes[name] >= SHOWN_FROM_ML), key=lambda name: -routes[name])
    if not told:
        return "none"
    ways = listed([f"{ROUTE_WORDS[name].lower()} {quantity(routes[name], 'ml', 2)}" for name in told])
    return f"{quantity(cement.leaks_ml.total_ml, 'ml', 2)} ({ways})"
