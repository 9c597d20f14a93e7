"""Balloons in a procedure: the order of things, what is refused, and what is left for the cement."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from endplate.balloon.inflate import prepare
from endplate.balloon.model import Options, Posture
from endplate.balloon.model import State as BalloonState
from endplate.cement.cavity import Opening
from endplate.cement.model import Medium
from endplate.errors import EndplateError, UsageError
from endplate.outcome.balloon import balloon_outcome
from endplate.planning.model import BalloonChoice, KyphoplastyPath, Plan
from endplate.procedure.actions import (
    Action,
    AdvanceNeedle,
    Deflate,
    Inflate,
    Inject,
    MixCement,
    WithdrawNeedle,
)
from endplate.procedure.balloon_bone import opening_of
from endplate.procedure.document import procedure_document
from endplate.procedure.engine import act, begin
from endplate.procedure.model import Hollow, State
from endplate.procedure.posture import posture_of
from endplate.procedure.record import from_bytes, play, to_bytes
from endplate.procedure.saved import fills_from_bytes, fills_to_bytes
from endplate.procedure.script import play_plan
from endplate.procedure.world import Balloons, World

from .conftest import level_plan

sys.path.insert(0, str(Path(__file__).parents[1] / "balloon"))

from balloon_blocks import drum, tamp

LEFT, RIGHT = {"level": "L1", "side": "left"}, {"level": "L1", "side": "right"}
BEHIND_MM = 29.0
"""Depth of the working cannula's end; the proximal marker is at 31 mm."""


@pytest.fixture
def kyphoplasty(make_world: Callable[..., World]) -> Callable[..., World]:
    """The block of bone as a kyphoplasty of two balloons, in a broken drum that lies in it."""

    def make(volume_ml: float = 2.0, **settings: object) -> World:
        sides = ("left", "right")
        plan = level_plan()
        paths = []
        for path in plan.paths:
            x = path.tip_ras_mm[0]
            points = KyphoplastyPath(
                cannula_end_ras_mm=(x, 4.0, 0.0),
                channel_end_ras_mm=(x, 23.0, 0.0),
                balloon_markers_ras_mm=((x, 6.0, 0.0), (x, 21.0, 0.0)),
                cannula_beyond_wall_mm=4.0,
                balloon_to_anterior_wall_mm=5.0,
                balloon_to_endplate_mm=5.0,
            )
            paths.append(path.model_copy(update={"kyphoplasty": points}))
        choice = BalloonChoice(
            name="15/3",
            length_mm=15.0,
            volume_ml=volume_ml,
            max_volume_ml=4.0,
            rated_pressure_mpa=2.76,
            inflated_diameter_mm=13.0,
            contrast_ml=5.0,
            recalled=True,
        )
        plan = plan.model_copy(update={"technique": "kyphoplasty", "paths": tuple(paths), "balloon": choice})
        world = make_world(plan, **settings)
        level = world.levels["L1"]
        middles = {"left": (-8.0, 13.5, 0.0), "right": (8.0, 13.5, 0.0)}
        body = drum(2.0, 80.0, size_mm=(40.0, 30.0, 26.0), lost_mm=(6.0, 5.0, 2.0))
        moved = body.affine.copy()
        moved[1, 3] += 13.5
        body = replace(
            body, affine=moved, windows=body.windows + np.array([0.0, 13.5]), shape="wedge", loss=0.2
        )
        site = prepare(
            body,
            [tamp(side, middle_mm=middles[side], gap_mm=2.0) for side in sides],
            Options(posture=Posture(3.0, 2.0, 0.0, "endplate"), step_ml=0.5),
        )

        def hollowed(state: BalloonState) -> Hollow:
            return hollow_of(level.medium, opening_of(site, state))

        balloons = Balloons(site, hollowed)
        return replace(world, levels=MappingProxyType({"L1": replace(level, balloons=balloons)}))

    return make


def hollow_of(medium: Medium, opening: Opening) -> Hollow:
    """A cavity in the block: all room where it is open, none where a balloon holds it."""
    here = opening.onto(medium.affine, medium.shape)
    there = medium.porosity > 0.0
    cavity, held = np.where(there, here.cavity, 0.0), np.where(there, here.held, 0.0)
    porosity = (1.0 - cavity) * medium.porosity + cavity - held
    permeability = np.where(held > 0.99, 0.0, medium.permeability_m2)
    return Hollow(opening, replace(medium, porosity=porosity, permeability_m2=permeability), cavity - held)


def done(world: World, *actions: Action) -> State:
    state = begin(world)
    for action in actions:
        state, _ = act(state, action, world)
    return state


def refused(world: World, *actions: Action) -> str:
    state = done(world, *actions[:-1])
    with pytest.raises(EndplateError) as raised:
        act(state, actions[-1], world)
    assert raised.value.intact
    assert raised.value.do
    return raised.value.code


BOTH_IN = (AdvanceNeedle(**LEFT, depth_mm=BEHIND_MM), AdvanceNeedle(**RIGHT, depth_mm=BEHIND_MM))


def test_the_plan_is_inflated_in_turn_deflated_and_filled(kyphoplasty: Callable[..., World]) -> None:
    world = kyphoplasty()
    played = play_plan(world, "medium-viscosity", plan_sha256="a" * 64)
    actions = [line.action for line in played.recording.lines if line.action is not None]
    inflated = [(one.side, one.volume_ml) for one in actions if isinstance(one, Inflate)]
    assert inflated == [(side, volume) for volume in (0.5, 1.0, 1.5, 2.0) for side in ("left", "right")]
    kinds = [type(one) for one in actions]
    last_down = len(kinds) - 1 - kinds[::-1].index(Deflate)
    assert kinds.index(MixCement) > last_down > max(i for i, kind in enumerate(kinds) if kind is Inflate)
    document = procedure_document(played, world, Plan(plans=(world.levels["L1"].plan,)), voxel_mm=2.0)
    [level] = document.levels
    assert level.balloon is not None
    full = max(step.cavity_ml for step in level.balloon.steps)
    assert full == pytest.approx(4.0, abs=0.02)
    assert level.balloon.opened_ml > 0.0
    assert level.balloon.cavity_ml < full
    assert level.in_cavity_ml > 0.0
    assert level.mass_error < 1e-10
    # The cavity of both balloons, and half a millilitre more for each.
    assert level.in_bone_ml + level.in_cavity_ml == pytest.approx(level.balloon.cavity_ml + 1.0, abs=0.02)
    told = balloon_outcome(level.balloon, filled=True)
    gain = told.height_gain_mm
    assert gain.posture == 3.0
    assert gain.inflated is not None
    assert gain.deflated is not None
    assert gain.posture < gain.deflated < gain.inflated
    assert gain.final == gain.deflated
    assert [stage.name for stage in told.stages] == ["scan", "posture", "inflated", "deflated", "final"]
    assert balloon_outcome(level.balloon, filled=False).height_gain_mm.final is None
    # The record is played again to the same bytes, and the saved cavity is read back as it was.
    content = to_bytes(played.recording)
    again = play(world, from_bytes(content))
    assert to_bytes(again.recording) == content
    kept = fills_from_bytes(fills_to_bytes(played.state))["L1"]
    assert kept.opening is not None
    assert (kept.opening.cavity == played.state.hollows["L1"].opening.cavity).all()


def test_balloons_may_go_on_to_what_stops_them_and_the_caps_hold(kyphoplasty: Callable[..., World]) -> None:
    world = kyphoplasty(0.5, balloon_ml=9.0)
    plan = world.levels["L1"].plan
    capped = plan.model_copy(update={"cement": plan.cement.model_copy(update={"cap_ml": 2.0})})
    world = replace(world, levels=MappingProxyType({"L1": replace(world.levels["L1"], plan=capped)}))
    played = play_plan(world, "medium-viscosity")
    seen = [
        line.observation
        for line in played.recording.lines
        if isinstance(line.action, Inflate) and line.observation is not None
    ]
    assert max(one.balloon_ml or 0.0 for one in seen) > 0.5
    assert {one.stopped for one in seen} - {"operator"}
    assert played.state.fills["L1"].injected_ml == pytest.approx(2.0)


def test_one_side_is_filled_while_the_other_balloon_holds(kyphoplasty: Callable[..., World]) -> None:
    world = kyphoplasty()
    inflated = (Inflate(**LEFT, volume_ml=2.0), Inflate(**RIGHT, volume_ml=2.0), Deflate(**LEFT))
    state = done(
        world,
        *BOTH_IN,
        *inflated,
        MixCement(cement="medium-viscosity"),
        AdvanceNeedle(**LEFT, depth_mm=42.0),
        Inject(**LEFT, rate_ml_min=3.0, volume_ml=2.0),
    )
    hollow = state.hollows["L1"]
    held = hollow.medium.porosity < 0.01
    right = hollow.opening.onto(hollow.medium.affine, hollow.medium.shape).held > 0.99
    assert right.any()
    assert not state.fills["L1"].saturation[right & held].any()
    down, _ = act(state, Deflate(**RIGHT), world)
    assert (down.hollows["L1"].medium.porosity[right] > 0.99).all()
    # Cement that lies beside is where it was.
    medium, before = down.hollows["L1"].medium, hollow.medium
    assert down.fills["L1"].volume_ml(medium).sum() == pytest.approx(
        state.fills["L1"].volume_ml(before).sum()
    )


def test_what_stands_in_the_way_is_refused_in_words(kyphoplasty: Callable[..., World]) -> None:
    world = kyphoplasty()
    up = (*BOTH_IN, Inflate(**LEFT, volume_ml=1.0))
    mixed = MixCement(cement="medium-viscosity")
    inject = Inject(**LEFT, rate_ml_min=3.0, volume_ml=1.0)
    deep = AdvanceNeedle(**LEFT, depth_mm=41.0)
    assert refused(world, Inflate(**LEFT, volume_ml=1.0)) == "needle-not-in"
    assert refused(world, AdvanceNeedle(**LEFT, depth_mm=35.0), Inflate(**LEFT, volume_ml=1.0)) == (
        "balloon-in-cannula"
    )
    assert refused(world, *BOTH_IN, Deflate(**LEFT)) == "balloon-not-in"
    assert refused(world, *up, AdvanceNeedle(**LEFT, depth_mm=41.0)) == "balloon-in"
    assert refused(world, *up, WithdrawNeedle(**LEFT)) == "balloon-in"
    assert refused(world, *up, mixed, inject) == "balloon-in"
    assert refused(world, *up, Inflate(**LEFT, volume_ml=0.5)) == "balloon-volume"
    assert refused(world, deep, mixed, inject, Inflate(**RIGHT, volume_ml=1.0)) == "balloon-after-cement"


def test_too_much_ends_at_the_balloons_limit_and_is_told(kyphoplasty: Callable[..., World]) -> None:
    world = kyphoplasty()
    state, seen = act(done(world, *BOTH_IN), Inflate(**LEFT, volume_ml=9.0), world)
    assert seen.stopped in {"maximum volume", "wall contact", "endplate contact"}
    assert any(one.code == f"balloon-stop-{seen.stopped.replace(' ', '-')}" for one in seen.findings)
    assert seen.balloon_ml is not None
    assert seen.balloon_ml <= 4.0
    # What preparing found is told with the first inflation alone.
    assert "balloon-posture-input" in {one.code for one in seen.findings}
    _, second = act(state, Inflate(**RIGHT, volume_ml=0.5), world)
    assert "balloon-posture-input" not in {one.code for one in second.findings}


def test_who_heeds_nothing_bursts_the_balloon_or_breaks_the_wall(kyphoplasty: Callable[..., World]) -> None:
    world = kyphoplasty()
    state, seen = act(done(world, *BOTH_IN), Inflate(**LEFT, volume_ml=12.0, heedless=True), world)
    assert seen.stopped in {"rupture", "breach"}
    assert {"balloon-rupture", "balloon-breach"} & {one.code for one in seen.findings}
    if seen.stopped == "breach":
        assert state.hollows["L1"].opening.breached.any()
    after, _ = act(state, Deflate(**LEFT), world)
    assert not after.hollows["L1"].opening.held.any()


def test_balloons_that_cannot_be_inflated_end_the_level_without_cement(
    kyphoplasty: Callable[..., World],
) -> None:
    world = kyphoplasty()
    level = replace(world.levels["L1"], balloons=None, no_balloons="The left balloon is too long.")
    world = replace(world, levels=MappingProxyType({"L1": level}))
    assert refused(world, *BOTH_IN, Inflate(**LEFT, volume_ml=1.0)) == "no-balloon"
    played = play_plan(world, "medium-viscosity")
    assert played.recording.stops()["L1"].code == "no-balloon"
    assert played.state.delivered_ml("L1") == 0.0
    assert played.state.closed


@pytest.mark.parametrize("text", ["", "5", "1,2", "a,b,c", "1,2,nan", "1,2,-1", "1,2,99"])
def test_a_posture_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="posture"):
        posture_of(text)


def test_a_posture_is_published_none_or_given() -> None:
    assert posture_of(None) == posture_of("published") == Posture.published()
    assert not posture_of("none").gain_mm.any()
    assert posture_of("4,3,0.5").gain_mm == pytest.approx([4.0, 3.0, 0.5])
