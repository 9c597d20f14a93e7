"""The plan of one level: technique, sides, access, balloon, dose, each decided by a printed rule."""

from __future__ import annotations

from dataclasses import dataclass, replace

from endplate.anatomy.implants import ImplantMap
from endplate.anatomy.model import Side, Spine, Vertebra
from endplate.devices.cannulas import Cannula
from endplate.errors import InternalError
from endplate.imaging.organ_map import OrganMap
from endplate.imaging.volume import LabelMap, Volume
from endplate.planning.access import (
    SIDES,
    AccessChoice,
    Offer,
    approaches,
    decide_access,
    decide_approach,
)
from endplate.planning.balloon import LevelBalloons, NoBalloon, choose_balloon, thinner
from endplate.planning.cement_class import decide_cement
from endplate.planning.doses import balloon_limit_ml, cement_dose
from endplate.planning.kyphoplasty import channel_length_mm
from endplate.planning.label_trust import rules_for_labels
from endplate.planning.model import (
    Alternative,
    Decision,
    LevelPlan,
    LevelViews,
    NeedlePath,
    Refusal,
    RefusedSide,
)
from endplate.planning.needle_document import needle_document, reach_of
from endplate.planning.options import PlanOptions
from endplate.planning.rules import Rules
from endplate.planning.scene import LevelScene, level_scene
from endplate.planning.side_search import (
    Attempt,
    SideResult,
    offer_of,
    refuse,
    room_of,
    search_side,
)
from endplate.planning.technique import decide_technique, fall_back_to_vertebroplasty, tools_for
from endplate.planning.views import level_views
from endplate.planning.warnings import level_warnings
from endplate.sources import Finding, finding


@dataclass(frozen=True, eq=False)
class PlanInputs:
    """What all levels of a plan share.

    Parameters
    ----------
    labels, image:
        The label map the spine was measured on and the CT (``None``: no skin, no air).
    spine:
        The measured spine.
    options, rules:
        The user's choices and the rules.
    organs, implants:
        Organs, and metal or old cement, on the same grid; ``None`` where they are not known.
    position:
        How the patient lay in the scanner, in words; ``None`` where it is not known.
    """

    labels: LabelMap
    image: Volume | None
    spine: Spine
    options: PlanOptions
    rules: Rules
    organs: OrganMap | None = None
    implants: ImplantMap | None = None
    position: str | None = None

    def scene(self, vertebra: Vertebra) -> LevelScene:
        """The surroundings of one level."""
        return level_scene(self.labels, self.image, self.organs, self.implants, self.spine, vertebra)

    def for_level(self, vertebra: Vertebra) -> PlanInputs:
        """The same with margins derated by as much as the edges of this level's label may be wrong."""
        return replace(self, rules=rules_for_labels(self.rules, self.labels.origin, vertebra.level))


@dataclass(frozen=True, eq=False)
class Sides:
    """What a technique gave on both sides: two needles, one needle, and the balloons where there are any."""

    technique: str
    two: dict[Side, SideResult]
    one: dict[Side, SideResult]
    choice: AccessChoice
    tools: Decision
    balloons: LevelBalloons | None = None

    def chosen(self) -> list[SideResult]:
        """The sides that get a needle."""
        results = self.two if self.choice.kind == "bipedicular" else self.one
        return [results[side] for side in self.choice.sides]


def plan_level(inputs: PlanInputs, vertebra: Vertebra) -> LevelPlan:
    """Plan one level.

    Raises
    ------
    UsageError
        Two choices of the user contradict each other at this level.
    """
    inputs = inputs.for_level(vertebra)
    options, rules = inputs.options, inputs.rules
    technique = decide_technique(vertebra, options, rules)
    refused = refused_outright(inputs.labels, vertebra)
    if refused is not None:
        return _without_paths(inputs, vertebra, technique, refused)
    scene = inputs.scene(vertebra)
    decisions = [technique]
    sides = _sides(scene, technique.outcome, inputs)
    proposed = not options.wants_kyphoplasty and technique.outcome == "kyphoplasty"
    if proposed and not sides.choice.sides:
        fallback = fall_back_to_vertebroplasty({s: sides.two[s].code for s in SIDES}, rules)
        decisions.append(fallback)
        sides = _sides(scene, fallback.outcome, inputs)
    return _document(scene, sides, decisions, inputs)


def refused_outright(labels: LabelMap, vertebra: Vertebra) -> Refusal | None:
    """Reasons that leave no side to look at."""
    level = vertebra.level
    if labels.body_only:
        return Refusal(code="body-only", reasons=(finding("refused-body-only", level=level),))
    if not vertebra.complete or vertebra.frame is None or vertebra.canal.source == "none":
        return Refusal(code="level-cut", reasons=(finding("refused-level-cut", level=level),))
    return None


def _without_paths(
    inputs: PlanInputs, vertebra: Vertebra, technique: Decision, refused: Refusal
) -> LevelPlan:
    return LevelPlan(
        level=vertebra.level,
        technique=technique.outcome,
        access="none",
        fracture_seen=vertebra.fracture.flagged,
        reason=inputs.options.reason,
        refused=refused,
        decisions=(technique,),
        warnings=level_warnings(inputs, vertebra, (), technique.outcome),
    )


def _sides(scene: LevelScene, technique: str, inputs: PlanInputs) -> Sides:
    """Search both sides for a technique, and choose one needle or two."""
    options, rules = inputs.options, inputs.rules
    tools_decision, tools = tools_for(technique, options, rules)
    attempt = Attempt(tools, approaches(options, rules), _channels(technique, tools, options, rules))
    two = {side: search_side(scene, side, "bipedicular", attempt, rules) for side in SIDES}
    lonely = sum(result.path is not None for result in two.values()) < 2
    wants_one = options.access == "unipedicular" or rules.access.when_one_suffices == "unipedicular"
    one: dict[Side, SideResult] = {}
    if options.access != "bipedicular" and (lonely or wants_one):
        one = {side: search_side(scene, side, "unipedicular", attempt, rules) for side in SIDES}
    if technique != "kyphoplasty":
        choice = decide_access(
            {side: offer_of(scene, result) for side, result in two.items()},
            {side: offer_of(scene, result) for side, result in one.items()},
            technique,
            options,
            rules,
        )
        return Sides(technique, two, one, choice, tools_decision)
    return _with_balloons(scene, tools_decision, two, one, inputs)


def _channels(
    technique: str, tools: tuple[Cannula, ...], options: PlanOptions, rules: Rules
) -> dict[str, float]:
    """Depth beyond the posterior wall that the shortest balloon through each working cannula needs."""
    if technique != "kyphoplasty":
        return {}
    wanted = set(options.balloons)
    return {
        tool.gauge: min(
            channel_length_mm(balloon, rules)
            for balloon in options.catalogue.balloons_through(tool)
            if balloon in wanted
        )
        for tool in tools
    }


def _with_balloons(
    scene: LevelScene,
    tools: Decision,
    two: dict[Side, SideResult],
    one: dict[Side, SideResult],
    inputs: PlanInputs,
) -> Sides:
    """Drop sides that hold no balloon, choose the access, and place the balloons of the sides chosen."""
    options, rules = inputs.options, inputs.rules
    own, own_offers = _holding(scene, two, 2, inputs)
    central, central_offers = _holding(scene, one, 1, inputs)
    choice = decide_access(own_offers, central_offers, "kyphoplasty", options, rules)
    sides = Sides("kyphoplasty", own, central, choice, tools)
    if not choice.sides:
        return sides
    balloons = _balloons(scene, sides.chosen(), len(choice.sides), inputs)
    if isinstance(balloons, NoBalloon) and len(choice.sides) == 2:
        # Each side holds one, the two together do not: the side that keeps farther from everything is taken.
        loser = min(sides.chosen(), key=lambda side: side.path.clearance_mm if side.path else 0.0).side
        own = {**own, loser: refuse(own[loser], balloons.code, balloons.reasons)}
        choice = decide_access({**own_offers, loser: None}, central_offers, "kyphoplasty", options, rules)
        sides = Sides("kyphoplasty", own, central, choice, tools)
        balloons = _balloons(scene, sides.chosen(), len(choice.sides), inputs)
    if isinstance(balloons, NoBalloon):
        own = {side: refuse(result, balloons.code, balloons.reasons) for side, result in own.items()}
        choice = decide_access({}, {}, "kyphoplasty", options, rules)
        return Sides("kyphoplasty", own, central, choice, tools)
    return Sides("kyphoplasty", own, central, choice, tools, balloons)


def _holding(
    scene: LevelScene, results: dict[Side, SideResult], needles: int, inputs: PlanInputs
) -> tuple[dict[Side, SideResult], dict[Side, Offer | None]]:
    """Each side with the balloon that it would hold alone; refused where there is none."""
    kept: dict[Side, SideResult] = {}
    offers: dict[Side, Offer | None] = {}
    for side, result in results.items():
        kept[side], offers[side] = result, None
        if result.path is None:
            continue
        balloon = _balloons(scene, [result], needles, inputs)
        if isinstance(balloon, NoBalloon):
            kept[side] = refuse(result, balloon.code, balloon.reasons)
            continue
        path = result.path
        middle = scene.axes.to_local(path.entry_ras_mm + balloon.middles_mm[side] * path.direction_ras)
        offers[side] = offer_of(scene, result, abs(float(middle[0]) - scene.geometry.x_mid_mm))
    return kept, offers


def _balloons(
    scene: LevelScene, results: list[SideResult], needles: int, inputs: PlanInputs
) -> LevelBalloons | NoBalloon:
    rooms = {result.side: room_of(scene, result.path) for result in results if result.path is not None}
    working = thinner([result.tool for result in results if result.tool is not None])
    limit = balloon_limit_ml(scene.vertebra, needles, inputs.rules)
    return choose_balloon(scene.level, rooms, working, inputs.options, inputs.rules, limit)


def _document(scene: LevelScene, sides: Sides, decisions: list[Decision], inputs: PlanInputs) -> LevelPlan:
    """The document of one searched level."""
    vertebra, options, rules = scene.vertebra, inputs.options, inputs.rules
    chosen = sides.chosen()
    balloons = sides.balloons
    paths: list[NeedlePath] = []
    noted: list[Finding] = []
    for result in chosen:
        if result.path is None or result.tool is None:
            raise InternalError(
                "access-without-path", "A side without a path was chosen.", do="Please report this."
            )
        document, found = needle_document(
            scene,
            result.path,
            result.tool.outer_diameter_mm,
            rules,
            candidates=result.candidates,
            kyphoplasty=None if balloons is None else balloons.paths[result.side],
        )
        paths.append(document)
        noted += found
    searched = sides.two if sides.choice.kind == "bipedicular" else sides.one
    refused_sides = [
        RefusedSide(side=side, code=result.code, reasons=result.reasons)
        for side, result in searched.items()
        if result.path is None
    ]
    decisions = [*decisions, sides.tools]
    decisions += [decide_approach(side, searched[side].tried, options, rules) for side in searched]
    decisions.append(sides.choice.decision)
    if balloons is not None:
        decisions.append(balloons.decision)
    if chosen:
        tools = [result.tool for result in chosen if result.tool is not None]
        decisions.append(decide_cement(tools, options.catalogue, rules))
    plan = LevelPlan(
        level=vertebra.level,
        technique=sides.technique,
        access=sides.choice.access,
        fracture_seen=vertebra.fracture.flagged,
        reason=options.reason,
        refused=None if paths else _no_path(refused_sides),
        refused_sides=tuple(refused_sides),
        alternatives=_alternatives(scene, refused_sides, inputs),
        paths=tuple(paths),
        views=_views(vertebra, rules),
        decisions=tuple(decisions),
        balloon=None if balloons is None else balloons.choice,
        warnings=(
            *level_warnings(inputs, vertebra, tuple(paths), sides.technique),
            *noted,
            *(() if balloons is None else balloons.warnings),
            *_unchecked(scene, paths),
        ),
    )
    return _with_dose(plan, vertebra, rules)


def _with_dose(plan: LevelPlan, vertebra: Vertebra, rules: Rules) -> LevelPlan:
    if not plan.paths:
        return plan
    volumes = () if plan.balloon is None else (plan.balloon.volume_ml,) * len(plan.paths)
    dose, decision = cement_dose(vertebra, len(plan.paths), rules, volumes)
    return plan.model_copy(update={"cement": dose, "decisions": (*plan.decisions, decision)})


def _views(vertebra: Vertebra, rules: Rules) -> LevelViews | None:
    if vertebra.frame is None:
        return None
    return level_views(vertebra.frame, vertebra.endplates, reach=reach_of(rules))


def _no_path(refused: list[RefusedSide]) -> Refusal:
    return Refusal(code="no-safe-path", reasons=tuple(reason for side in refused for reason in side.reasons))


def _unchecked(scene: LevelScene, paths: list[NeedlePath]) -> tuple[Finding, ...]:
    if not paths or not scene.unchecked:
        return ()
    return (finding("plan-unchecked", level=scene.level, names=", ".join(scene.unchecked)),)


def _alternatives(
    scene: LevelScene, refused: list[RefusedSide], inputs: PlanInputs
) -> tuple[Alternative, ...]:
    """For each refused side the first thing that would go, in the order of the rules: a thinner needle, another way.

    Only what the user's own choices had left out is tried: without choices everything was tried already.
    """
    options, rules = inputs.options, inputs.rules
    if options.gauge is None and options.approach is None and not options.wants_kyphoplasty:
        return ()
    catalogue = options.catalogue
    thinner_first = tuple(sorted(catalogue.cannulas.values(), key=lambda tool: -tool.outer_diameter_mm))
    found = []
    for side in refused:
        for approach in rules.access.approaches:
            attempt = Attempt(thinner_first, (approach,))
            result = search_side(scene, side.side, "bipedicular", attempt, rules)
            if result.path is not None:
                found.append(
                    Alternative(
                        side=side.side,
                        approach=approach,
                        gauge=result.path.gauge,
                        clearance_mm=result.path.clearance_mm,
                        medial_mm=result.path.margins_mm.medial,
                    )
                )
    return tuple(found)
