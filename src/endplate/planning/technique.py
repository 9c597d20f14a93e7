"""Vertebroplasty or kyphoplasty, and the tools that are tried for it: pure functions that print their inputs."""

from __future__ import annotations

from endplate.anatomy.model import Vertebra
from endplate.devices.cannulas import Cannula
from endplate.devices.catalogue import Catalogue
from endplate.errors import UsageError
from endplate.planning.model import Decision
from endplate.planning.options import PlanOptions
from endplate.planning.rounding import rounded
from endplate.planning.rules import Rules

AGE_UNKNOWN = "The CT does not tell the fracture's age"


def decide_technique(vertebra: Vertebra, options: PlanOptions, rules: Rules) -> Decision:
    """Propose the technique of one level.

    In this order: what the user asked for; a vertebra plana, a fracture that has set, a sclerotic body and a level
    without a fracture leave nothing to lift (vertebroplasty); a wish to regain angle or height, in a pedicle that a
    working cannula fits, speaks for balloons; else vertebroplasty.

    Returns
    -------
    Decision
        ``outcome`` is ``"vertebroplasty"`` or ``"kyphoplasty"``.
    """
    limits = rules.technique
    wedge, grade = vertebra.wedge_angle_deg, vertebra.fracture.genant_grade
    widest, thinnest_access = _widest_pedicle(vertebra), _thinnest_access(options.catalogue)
    needed = needed_diameter_mm(thinnest_access, rules)
    inputs: dict[str, str | float | bool | None] = {
        "asked for": options.technique or (f"balloon {options.balloon}" if options.balloon else None),
        "gauge asked for": options.gauge_named,
        "fracture seen": vertebra.fracture.flagged,
        "Genant grade": grade,
        "Genant grade for a balloon": limits.genant_min,
        "wedge angle, degrees": rounded(wedge),
        "wedge angle for a balloon, degrees": limits.wedge_deg,
        "height loss": rounded(vertebra.height_loss),
        "height loss of a vertebra plana": limits.plana_loss,
        "trabecular HU": rounded(vertebra.density.mean_hu),
        "HU of a sclerotic body": limits.sclerotic_hu,
        "weeks since fracture": options.fracture_weeks,
        "weeks after which it has set": limits.recent_weeks,
        "widest pedicle, mm": rounded(widest),
        f"needed for {thinnest_access.gauge}, mm": rounded(needed),
    }
    rule, outcome, text = _technique(vertebra, options, rules, widest >= needed, thinnest_access)
    proposed = text
    if options.technique is not None or options.balloon is not None:
        asked = "kyphoplasty" if options.wants_kyphoplasty else "vertebroplasty"
        agree = "The rules agree" if asked == outcome else f"The rules would propose {outcome}"
        text = f"{asked.capitalize()} was asked for. {agree}: {proposed[0].lower()}{proposed[1:]}"
        return Decision(rule_id="asked-for", outcome=asked, text=text, inputs=inputs, source="user")
    return Decision(rule_id=rule, outcome=outcome, text=text, inputs=inputs, source=rules.source(rule))


def _technique(
    vertebra: Vertebra, options: PlanOptions, rules: Rules, admits: bool, access: Cannula
) -> tuple[str, str, str]:
    """Rule, outcome and words of the proposal."""
    settled = _nothing_to_lift(vertebra, options, rules)
    if settled is not None:
        return settled[0], "vertebroplasty", settled[1]
    wishes = _wishes(vertebra, rules)
    if not wishes:
        return (
            "technique.genant_min",
            "vertebroplasty",
            "Neither height nor angle to regain speaks for balloons.",
        )
    words = " and ".join(item[1] for item in wishes)
    named = options.gauge_named
    if named is not None and named not in options.catalogue.access_systems:
        text = f"There is {words}, but no balloon passes the {named} cannula that was asked for."
        return "search.gauges", "vertebroplasty", text
    if not admits:
        text = f"There is {words}, but no pedicle admits even the {access.gauge} working cannula with its margins."
        return "search.margin_hard_mm", "vertebroplasty", text
    weeks = options.fracture_weeks
    age = (
        f"{AGE_UNKNOWN}: one that has set is better cemented without."
        if weeks is None
        else f"Age: {weeks:g} weeks."
    )
    return wishes[0][0], "kyphoplasty", f"There is {words}: balloons. {age}"


def _nothing_to_lift(vertebra: Vertebra, options: PlanOptions, rules: Rules) -> tuple[str, str] | None:
    """Rule and words where a balloon would find no room or lift nothing."""
    limits = rules.technique
    loss, hu, weeks = vertebra.height_loss, vertebra.density.mean_hu, options.fracture_weeks
    if loss is not None and loss >= limits.plana_loss:
        text = (
            f"Vertebra plana ({100.0 * loss:.0f} % of the height lost): no room for a balloon. The needles go into "
            "the lateral thirds of what is left of the body."
        )
        return "technique.plana_loss", text
    if weeks is not None and weeks > limits.recent_weeks:
        text = f"The fracture is {weeks:g} weeks old and has mostly set: a balloon would lift little."
        return "technique.recent_weeks", text
    if hu is not None and hu >= limits.sclerotic_hu:
        text = f"The body is dense ({hu:.0f} HU), as after healing or with sclerosis: a balloon would lift little."
        return "technique.sclerotic_hu", text
    return None


def _wishes(vertebra: Vertebra, rules: Rules) -> list[tuple[str, str]]:
    """Rule and words of each thing that a balloon might regain."""
    if vertebra.fracture.flagged is not True:
        return []
    wishes = []
    wedge, grade = vertebra.wedge_angle_deg, vertebra.fracture.genant_grade
    if wedge is not None and wedge > rules.technique.wedge_deg:
        wishes.append(("technique.wedge_deg", f"a wedge angle of {wedge:.0f}° to correct"))
    if grade is not None and grade >= rules.technique.genant_min:
        wishes.append(("technique.genant_min", f"height to regain (Genant grade {grade})"))
    return wishes


def tools_for(technique: str, options: PlanOptions, rules: Rules) -> tuple[Decision, tuple[Cannula, ...]]:
    """The cannulas to try for a technique, in their order.

    Raises
    ------
    UsageError
        A gauge of the rules is not in the catalogue, or no tool is left for the balloon that was named.
    """
    catalogue = options.catalogue
    named = options.gauge_named
    order = (named,) if named is not None else rules.search.gauges.of(technique)
    tools = tuple(catalogue.tool(gauge, technique) for gauge in order)
    if technique == "kyphoplasty":
        wanted = set(options.balloons)
        tools = tuple(tool for tool in tools if wanted & set(catalogue.balloons_through(tool)))
        if not tools:
            raise UsageError(
                "gauge-too-thin",
                f"None of the working cannulas {', '.join(order)} lets the balloon {options.balloon} through.",
                do="Name a gauge or another balloon, or correct the rule search.gauges.",
            )
    words = ", then ".join(f"{tool.gauge} ({tool.outer_diameter_mm:.2f} mm)" for tool in tools)
    text = (
        f"As asked for: {words}."
        if named is not None
        else f"{technique.capitalize()}: {words}; the first that fits."
    )
    inputs: dict[str, str | float | bool | None] = {
        "technique": technique,
        "gauge asked for": named,
        "balloon asked for": options.balloon,
    }
    for tool in tools:
        inputs[f"circle needed for {tool.gauge}, mm"] = rounded(needed_diameter_mm(tool, rules))
    source = "user" if named is not None else rules.source("search.gauges")
    decision = Decision(
        rule_id="search.gauges",
        outcome=", ".join(tool.gauge for tool in tools),
        text=text,
        inputs=inputs,
        source=source,
    )
    return decision, tools


def fall_back_to_vertebroplasty(refusals: dict[str, str], rules: Rules) -> Decision:
    """The decision taken where kyphoplasty was proposed, not asked for, and no side lets its cannula or balloon in.

    Parameters
    ----------
    refusals:
        Code of the refusal by side.
    """
    return Decision(
        rule_id="search.gauges",
        outcome="vertebroplasty",
        text="Balloons were proposed, but no side has room for a working cannula with a balloon: vertebroplasty with "
        "a thinner cannula instead.",
        inputs={f"kyphoplasty, {side}": code for side, code in sorted(refusals.items())},
        source=rules.source("search.gauges"),
    )


def needed_diameter_mm(tool: Cannula, rules: Rules) -> float:
    """Circle that the isthmus must hold: the cannula and the smallest hard margin on both sides."""
    hard = rules.search.margin_hard_mm
    return tool.outer_diameter_mm + 2.0 * min(hard.medial, hard.lateral, hard.superior, hard.inferior)


def _widest_pedicle(vertebra: Vertebra) -> float:
    both = (vertebra.pedicles.left, vertebra.pedicles.right)
    return max((item.inscribed_diameter_mm for item in both if item is not None), default=0.0)


def _thinnest_access(catalogue: Catalogue) -> Cannula:
    return min(catalogue.access_systems.values(), key=lambda tool: tool.outer_diameter_mm)
