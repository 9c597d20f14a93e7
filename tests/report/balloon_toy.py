"""Balloons of the toy spine by hand: two capsules, their steps, and a plan with markers."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import toy_spine

from endplate.anatomy.model import HeightTriple, Side
from endplate.balloon.model import Motion, Pressure, Step
from endplate.imaging.volume import Volume
from endplate.outcome.fields import CementMaps
from endplate.outcome.model import BalloonOutcome, HeightGain, HeightStage
from endplate.planning.model import BalloonChoice, KyphoplastyPath, Plan

SCAN = np.array([16.2, 20.1, 24.0])
POSTURE = np.array([5.5, 4.3, 0.0])
INFLATED = np.array([7.7, 5.9, 0.6])
DEFLATED = np.array([6.6, 5.2, 0.3])
EXPECTED, SPREAD = (26.0, 26.0, 26.0), (1.2, 1.1, 1.0)
RATED_MPA = 2.76
MARKERS_MM = (10.0, 25.0)
"""Beyond the isthmus, along the needle."""

RADIUS_MM = 6.0
WEDGE_DEG, DEG_PER_MM = 21.0, 1.9


def triple(values: np.ndarray | tuple[float, ...]) -> HeightTriple:
    a, m, p = (float(one) for one in values)
    return HeightTriple(anterior=a, middle=m, posterior=p)


def pressure(foam: float) -> Pressure:
    return Pressure(foam=foam, yield_=0.8 * foam, j2=2.9 * foam)


def step(side: Side, volumes: dict[Side, float], foam: float, gain: np.ndarray) -> Step:
    return Step(
        side=side,
        volumes_ml=volumes,
        cavity_ml=sum(volumes.values()),
        pressure_mpa=pressure(foam),
        heights_mm=triple(SCAN + gain),
        gain_mm=triple(gain),
        motion=Motion(lift_mm=float(gain[1] - POSTURE[1]), sagittal_tilt_deg=1.0, coronal_tilt_deg=0.0),
        wedge_angle_deg=WEDGE_DEG - DEG_PER_MM * float(gain[0] - gain[2]),
        wall_mm={"superior": 3.0},
        least_wall_mm=3.0,
    )


def toy_steps() -> tuple[Step, ...]:
    """Both balloons in turn to 3 and 2.5 ml, then let off."""
    steps: list[Step] = []
    held: dict[Side, float] = {"right": 0.0, "left": 0.0}
    for count in range(11):
        side: Side = "right" if count % 2 == 0 else "left"
        held = {**held, side: held[side] + 0.5}
        part = (count + 1) / 11.0
        foam = 0.9 + 0.6 * part**2 if side == "right" else 0.8 + 0.4 * part
        steps.append(step(side, held, foam, POSTURE + part * (INFLATED - POSTURE)))
    for side in ("right", "left"):
        held = {**held, side: 0.0}
        gain = DEFLATED if side == "left" else 0.5 * (INFLATED + DEFLATED)
        steps.append(step(side, held, 0.0, gain).model_copy(update={"cavity_ml": 5.5}))
    return tuple(steps)


def stage(name: Literal["scan", "posture", "inflated", "deflated", "final"], gain: np.ndarray) -> HeightStage:
    return HeightStage(
        name=name,
        heights_mm=triple(SCAN + gain),
        wedge_angle_deg=WEDGE_DEG - DEG_PER_MM * float(gain[0] - gain[2]),
    )


def toy_balloons(**changed: object) -> BalloonOutcome:
    made = BalloonOutcome(
        volume_ml=5.5,
        peak_pressure_mpa=1.5,
        cavity_ml=5.5,
        height_gain_mm=HeightGain(posture=5.5, inflated=7.7, deflated=6.6, final=6.6),
        balloons={"right": "15/3", "left": "15/3"},
        volumes_ml={"right": 3.0, "left": 2.5},
        stopped={"right": "operator", "left": "endplate contact"},
        pressure_band_mpa=pressure(1.5),
        pressure_band="crushable foam; plain crushing stress below, Hill's cavity above",
        gain_of="anterior",
        stages=(
            stage("scan", np.zeros(3)),
            stage("posture", POSTURE),
            stage("inflated", INFLATED),
            stage("deflated", DEFLATED),
            stage("final", DEFLATED),
        ),
        expected_heights_mm=triple(EXPECTED),
        uncertainty_mm=triple(SPREAD),
        steps=toy_steps(),
        bone_mineral_error=0.0,
    )
    return made.model_copy(update=changed)


def markers(side: Side) -> np.ndarray:
    """Both markers of one balloon, RAS mm, shape (2, 3)."""
    path = toy_spine.toy_path(side)
    entry, tip = np.array(path.entry_ras_mm), np.array(path.tip_ras_mm)
    way = (tip - entry) / np.linalg.norm(tip - entry)
    return np.array([np.array(path.isthmus_ras_mm) + mm * way for mm in MARKERS_MM])


def balloon_plan() -> Plan:
    """The toy's plan with balloons on both needles."""
    level = toy_spine.toy_plan().plans[0]
    paths = []
    for path in level.paths:
        ends = markers(path.side)
        points = KyphoplastyPath(
            cannula_end_ras_mm=toy_spine.vec(ends[0] - 1.5 * (ends[1] - ends[0]) / 15.0),
            channel_end_ras_mm=toy_spine.vec(ends[1]),
            balloon_markers_ras_mm=(toy_spine.vec(ends[0]), toy_spine.vec(ends[1])),
            cannula_beyond_wall_mm=3.0,
            balloon_to_anterior_wall_mm=4.0,
            balloon_to_endplate_mm=5.0,
        )
        paths.append(path.model_copy(update={"kyphoplasty": points}))
    choice = BalloonChoice(
        name="15/3",
        length_mm=15.0,
        volume_ml=3.0,
        max_volume_ml=4.0,
        rated_pressure_mpa=RATED_MPA,
        inflated_diameter_mm=17.0,
        contrast_ml=20.0,
        recalled=True,
    )
    return Plan(
        plans=(
            level.model_copy(update={"technique": "kyphoplasty", "paths": tuple(paths), "balloon": choice}),
        )
    )


def with_cavity(maps: CementMaps, *sides: Side) -> CementMaps:
    """A capsule along each balloon's axis on the grid of the maps."""
    grid = maps.fraction
    world = grid.to_world(np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1))
    share = np.zeros(grid.shape, np.float32)
    for side in sides:
        ends = markers(side)
        way = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
        along = np.clip((world - ends[0]) @ way, 5.0, 10.0)
        away = np.linalg.norm(world - ends[0] - along[..., None] * way, axis=-1)
        share = np.maximum(share, np.clip(RADIUS_MM - away + 0.5, 0.0, 1.0).astype(np.float32))
    return replace(maps, cavity=Volume(share, grid.affine))
