"""How long a kyphoplasty of one level takes: a fractured phantom L1, two balloons to 3 ml or what stops them, cement.

On voxels of 2 mm (the preview of every run) and of 1 mm: bone and balloons made ready, inflated by steps of half a
millilitre, deflated, and the cavity filled in small portions between looks. No open program simulates an inflation, so
there is no peer and no ratio. ``shares`` are the parts of our time; ``--seed`` draws another loss of height.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from benchmarks.row import Options, Row
from endplate.anatomy import assess
from endplate.balloon.model import State as BalloonState
from endplate.cement.bone_options import BoneOptions
from endplate.devices.catalogue import load_catalogue
from endplate.imaging.calibration import Calibration
from endplate.planning import PlanOptions, plan_levels
from endplate.procedure.actions import Deflate, Inflate, Inject
from endplate.procedure.build import WorldOptions, build_world
from endplate.procedure.engine import act, begin
from endplate.procedure.record import Played
from endplate.procedure.scene import Scene
from endplate.procedure.script import play_plan
from endplate.procedure.times import Settings
from endplate.synthetic import FractureSpec, GridSpec, build_phantom, default_spec

LEVEL = "L1"
LINE = Calibration.line(0.45, 0.0)
"""Turns the phantom's bone into bone of some 75 mg/cm³."""

BALLOON_ML = 3.0
LOSSES = (0.25, 0.40)


def cases(options: Options) -> Iterator[Row]:
    """The preview, then the default case at 1 mm."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yield from pool.submit(_measure, options.seed).result()


def _measure(seed: int) -> list[Row]:
    """Both cases in a process of its own, so that the memory is theirs."""
    scene = _scene(float(np.random.default_rng(seed).uniform(*LOSSES)))
    return [_row(scene, voxel_mm) for voxel_mm in (2.0, 1.0)]


def _scene(loss: float) -> Scene:
    spec = default_spec(("T12", LEVEL, "L2"), fracture={LEVEL: FractureSpec("wedge", loss)})
    made = build_phantom(spec, GridSpec(spacing=(1.0, 1.0, 1.0), margin_mm=8.0))
    assert made.volume is not None
    spine, catalogue = assess(made.labels, made.volume, LINE), load_catalogue()
    wanted = PlanOptions(technique="kyphoplasty", reason="benchmark", catalogue=catalogue)
    plan = plan_levels(made.labels, made.volume, spine, (LEVEL,), wanted)
    return Scene(made.volume, made.labels, spine, plan, LINE, catalogue)


def _row(scene: Scene, voxel_mm: float) -> Row:
    first, _, _ = _once(scene, voxel_mm)
    warm, parts, played = _once(scene, voxel_mm)
    state: BalloonState = played.state.balloons[LEVEL]
    unit = 1024.0 if sys.platform != "darwin" else 1024.0**2
    return Row(
        benchmark="kyphoplasty",
        case=f"inflate, deflate, fill, {voxel_mm:g} mm",
        ours_s=round(warm, 3),
        jit_s=round(max(first - warm, 0.0), 2),
        peak_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit),
        shares={name: round(part / warm, 3) for name, part in parts.items()},
        details={
            "balloons_ml": round(sum(state.reached_ml), 2),
            "steps": len(state.steps),
            "cement_ml": round(played.state.fills[LEVEL].injected_ml, 2),
        },
    )


def _once(scene: Scene, voxel_mm: float) -> tuple[float, dict[str, float], Played]:
    """Seconds of the whole and of its parts, and what was played."""
    how = WorldOptions(
        bone=BoneOptions(voxel_mm=voxel_mm), settings=Settings(balloon_ml=BALLOON_ML), exposure_pixels=0
    )
    began = time.perf_counter()
    made = build_world(scene, how)
    ready = time.perf_counter()
    parts = {"ready": ready - began, "balloons": 0.0, "cement": 0.0}
    played = play_plan(made.world)
    whole = time.perf_counter() - began
    # What each part took is told by playing the record again, action by action.

    state = begin(made.world)
    for line in played.recording.lines:
        if line.action is None:
            continue
        start = time.perf_counter()
        state, _ = act(state, line.action, made.world)
        kind = {Inflate: "balloons", Deflate: "balloons", Inject: "cement"}.get(type(line.action))
        if kind is not None:
            parts[kind] += time.perf_counter() - start
    return whole, parts, played
