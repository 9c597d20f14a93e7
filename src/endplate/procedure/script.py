"""The plan played as a script: needles in, balloons, cement in small portions between looks, an end by the rules.

All needles of all levels are placed first, with AP and lateral at every checkpoint of the plan. Balloons are inflated
in turn, a step each between looks, until the planned volume or something that stops them, then deflated and taken out.
Then cement is mixed, and the levels are filled one after another. Each cannula is filled first; then portions go
through the needles in turn, each followed by a lateral and every few by an AP. A needle through which nothing moves any
more is left, and the other takes the rest of the dose. At the end one waits until the cement's injection window has
closed, takes the needles out and closes the skin.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from endplate.errors import ConvergenceError, InputError, UsageError
from endplate.planning.model import LevelPlan, NeedlePath
from endplate.planning.room_geometry import PathPoints
from endplate.procedure.actions import (
    Action,
    AdvanceNeedle,
    ChangeCement,
    Close,
    Deflate,
    Inflate,
    Inject,
    MixCement,
    Pause,
    Shoot,
    ViewName,
    WithdrawNeedle,
)
from endplate.procedure.engine import act, begin
from endplate.procedure.model import NeedleKey, Observation
from endplate.procedure.record import Line, Played, Recording, Stop, Tell
from endplate.procedure.stopping import Watch, judge, stop
from endplate.procedure.world import LevelWorld, World
from endplate.units import S_PER_MIN

FILLER_TRIES = (1.0, 0.67, 0.33)
"""Parts of the way to the place from which a cavity is filled, tried until one is open."""

DONE_ML = 1e-6
"""A dose that is short by less than this is given."""


def play_plan(
    world: World, cement: str | None = None, *, plan_sha256: str | None = None, tell: Tell | None = None
) -> Played:
    """Play the plan.

    Parameters
    ----------
    world:
        With the planned levels.
    cement:
        Of the catalogue; ``None``: that of each level's plan.
    plan_sha256:
        Digest of the plan, for the record.
    tell:
        Told what is done and the fraction done.
    """
    driver = _Driver(world, tell or (lambda _what, _part: None))
    for name, level in world.levels.items():
        for path in level.plan.paths:
            driver.place(name, path)
    for name, level in world.levels.items():
        driver.inflate(name, level)
    for place, (name, level) in enumerate(world.levels.items()):
        driver.told = (place, len(world.levels))
        driver.fill(name, level, cement or planned_cement(level.plan))
    driver.end()
    return Played(driver.state, Recording(tuple(driver.lines), plan_sha256))


def planned_cement(plan: LevelPlan) -> str:
    """The cement that the plan chose; the medium class where it says none."""
    chosen = next((one for one in plan.decisions if one.rule_id == "cement.thick_cement_bore_mm"), None)
    return "medium-viscosity" if chosen is None else chosen.outcome


class _Driver:
    """Holds the state and the record while a plan is played."""

    def __init__(self, world: World, tell: Tell) -> None:
        self.world = world
        self.state = begin(world)
        self.lines: list[Line] = []
        self.told = (0, 1)
        self._tell = tell

    def do(self, action: Action) -> Observation:
        """Do one action and write it down."""
        self.state, seen = act(self.state, action, self.world)
        self.lines.append(Line(action, seen))
        return seen

    def place(self, level: str, path: NeedlePath) -> None:
        """Bring a needle to its target by its checkpoints."""
        end = path.depths_mm.bone_to_tip
        if path.kyphoplasty is not None:
            end = PathPoints.of(path).depth_mm(np.array(path.kyphoplasty.cannula_end_ras_mm))
        depths = [stop.depth_mm for stop in path.checkpoints if stop.depth_mm <= end] or [0.0]
        if depths[-1] < end:
            depths.append(end)
        for depth in depths:
            self.do(AdvanceNeedle(level=level, side=path.side, depth_mm=depth))
            self.do(Shoot(level=level, view="ap"))
            self.do(Shoot(level=level, view="lateral"))

    def inflate(self, level: str, bone: LevelWorld) -> None:
        """Inflate the balloons of a level in turn, deflate them, and bring the cement's tubes into the cavity."""
        if bone.balloons is not None and bone.plan.balloon is not None:
            site = bone.balloons.site
            aim = self.world.settings.balloon_ml or bone.plan.balloon.volume_ml
            going = {tamp.side: 0.0 for tamp in site.tamps}
            while going:
                for side in tuple(going):
                    self._tell(f"{level}, balloons", 0.0)
                    going[side] = min(aim, going[side] + site.options.step_ml)
                    seen = self.do(Inflate(level=level, side=side, volume_ml=going[side]))
                    self.do(Shoot(level=level, view="lateral"))
                    if seen.stopped != "operator" or going[side] >= aim:
                        del going[side]
            for tamp in site.tamps:
                self.do(Deflate(level=level, side=tamp.side))
            self.do(Shoot(level=level, view="lateral"))
        for path in bone.plan.paths:
            depth = self._filler_depth_mm(level, path)
            if depth is not None:
                self.do(AdvanceNeedle(level=level, side=path.side, depth_mm=depth))

    def _filler_depth_mm(self, level: str, path: NeedlePath) -> float | None:
        """Where in the cavity cement leaves its tube; ``None`` where there is no cavity, or none that is open there."""
        if path.kyphoplasty is None or level not in self.state.hollows:
            return None
        bone, points = self.world.level_in(self.state, level), PathPoints.of(path)
        near, far = (np.array(one) for one in path.kyphoplasty.balloon_markers_ras_mm)
        for part in FILLER_TRIES:
            place = near + part * self.world.settings.filler_share * (far - near)
            if bone.lets_cement_in(place):
                return points.depth_mm(place)
        return None

    def fill(self, level: str, bone: LevelWorld, cement: str) -> None:
        """Inject one level, until a rule ends it."""
        if bone.no_balloons is not None:
            self._end_level(stop(level, "no-balloon"))
            return
        dose = self._dose_ml(level, bone)
        if not dose:
            self._end_level(stop(level, "no-dose"))
            return
        keys = [(level, path.side) for path in bone.plan.paths]
        self._ready(level, keys, bone, dose, cement)
        self._end_level(self._filled(level, keys, bone, dose))

    def _dose_ml(self, level: str, bone: LevelWorld) -> float | None:
        """The planned dose; after balloons what their cavity holds and some more a needle, up to the level's cap."""
        planned, hollow = bone.plan.cement, self.state.hollows.get(level)
        if hollow is None or planned.volume_ml is None:
            return planned.volume_ml
        extra = self.world.settings.cavity_extra_ml * len(bone.plan.paths)
        wanted = float(hollow.cavity.sum()) * hollow.medium.voxel_ml + extra
        return wanted if planned.cap_ml is None else min(wanted, planned.cap_ml)

    def end(self) -> None:
        """Wait until no cement can follow, take the needles out, close."""
        waits = [
            self.world.cement(mix.cement).end_s + self.world.settings.set_wait_s - self.state.age_s(number)
            for number, mix in enumerate(self.state.mixes)
        ]
        if max(waits, default=0.0) > 0.0:
            self.do(Pause(seconds=max(waits)))
        for level, side in self.state.needles:
            self.do(WithdrawNeedle(level=level, side=side))
        for level in self.world.levels:
            self.do(Shoot(level=level, view="ap"))
            self.do(Shoot(level=level, view="lateral"))
        self.do(Close())

    def _end_level(self, why: Stop) -> None:
        self.lines.append(Line(stop=why))

    def _ready(
        self, level: str, keys: Sequence[NeedleKey], bone: LevelWorld, dose_ml: float, cement: str
    ) -> None:
        """Cement in the syringes that is ready, and will stay so and last for this level where the newest mix can."""
        settings, state = self.world.settings, self.state
        wanted = dose_ml + sum(bone.tubes[side].capacity_ml for _, side in keys)
        looks = 1.0 + wanted / settings.portion_ml
        needed = S_PER_MIN * wanted / settings.rate_ml_min + looks * (settings.shot_s + settings.turn_s)
        newest = len(state.mixes) - 1
        fits = (
            newest >= 0
            and state.mixes[newest].cement == cement
            and state.mixes[newest].volume_ml - state.mixes[newest].taken_ml >= wanted
            and state.age_s(newest) + needed <= self.world.cement(cement).end_s
        )
        if not fits:
            self.do(MixCement(cement=cement, volume_ml=max(settings.mix_ml, wanted)))
            newest += 1
        wait = self.world.cement(cement).ready_s - self.state.age_s(newest)
        if wait > 0.0:
            self.do(Pause(seconds=wait))
        for _, side in keys:
            self.do(ChangeCement(level=level, side=side, mix=newest))

    def _push(self, key: NeedleKey, volume_ml: float) -> Observation | None:
        """One portion; ``None`` where the working time is over."""
        needle = self.state.needles[key]
        mix = needle.loaded or 0
        if self.state.age_s(mix) >= self.world.cement(self.state.mixes[mix].cement).end_s:
            return None
        rate = self.world.settings.rate_ml_min
        return self.do(Inject(level=key[0], side=key[1], rate_ml_min=rate, volume_ml=volume_ml))

    def _filled(self, level: str, keys: Sequence[NeedleKey], bone: LevelWorld, dose_ml: float) -> Stop:
        """The cannulas, then the bone; what the model cannot follow ends this level and no other."""
        try:
            for key in keys:
                tube = bone.tubes[key[1]]
                self._push(key, tube.capacity_ml - self.state.needles[key].column_ml)
            return self._portions(level, keys, bone, dose_ml)
        except (ConvergenceError, InputError, UsageError) as error:
            return stop(level, "failed", why=error.what)

    def _portions(self, level: str, keys: Sequence[NeedleKey], bone: LevelWorld, dose_ml: float) -> Stop:
        """Portion by portion, needle by needle, until something ends it."""
        settings = self.world.settings
        moving, watch, portions = list(keys), Watch(), 0
        key, since_turn = moving[0], 0.0
        while True:
            left = dose_ml - self._given_ml(keys, bone)
            if left <= DONE_ML:
                return stop(level, "volume", volume=self._given_ml(keys, bone))
            self._tell(f"{level}, {dose_ml - left:.1f} of {dose_ml:.1f} ml", self._part(1.0 - left / dose_ml))
            if since_turn >= settings.turn_ml and len(moving) > 1:
                key, since_turn = moving[(moving.index(key) + 1) % len(moving)], 0.0
                self.do(Pause(seconds=settings.turn_s, reason="turn"))
            seen = self._push(key, min(settings.portion_ml, left))
            if seen is None:
                return stop(level, "working-time", age=self._age_min(key))
            since_turn += seen.pushed_ml or 0.0
            portions += 1
            if seen.stalled:
                age = self._age_min(key)
                moving.remove(key)
                if not moving:
                    return stop(level, "pressure", limit=settings.pressure_limit_pa / 1e6, age=age)
                key, since_turn = moving[0], 0.0
            views: tuple[ViewName, ...] = (
                ("lateral", "ap") if portions % settings.ap_every == 0 else ("lateral",)
            )
            for view in views:
                look = self.do(Shoot(level=level, view=view)).seen
                if look is None:
                    continue
                verdict, watch = judge(level, look, watch, settings)
                if verdict.stop is not None:
                    return verdict.stop
                if verdict.wait:
                    self.do(Pause(seconds=settings.leak_wait_s, reason="leak"))
                    since_turn = settings.turn_ml

    def _given_ml(self, keys: Sequence[NeedleKey], bone: LevelWorld) -> float:
        """What the operator knows to have gone into the bone: pushed, less what the cannulas hold."""
        return sum(
            max(self.state.needles[key].pushed_ml - bone.tubes[key[1]].capacity_ml, 0.0) for key in keys
        )

    def _age_min(self, key: NeedleKey) -> float:
        return self.state.age_s(self.state.needles[key].loaded or 0) / S_PER_MIN

    def _part(self, share: float) -> float:
        at, of = self.told
        return (at + min(max(share, 0.0), 1.0)) / of
