"""A block of bone, and a flow that fills the nearest voxels: what the engine does is told apart from the physics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from types import MappingProxyType

import numpy as np
import pytest

from endplate.cement.model import ROUTES, Fill, Flow, Medium, PowerLaw, Source
from endplate.fluoroscopy.dose import Exposure
from endplate.planning.model import (
    CArm,
    CementDose,
    Checkpoint,
    Depths,
    LadderStep,
    LevelPlan,
    Margins,
    NeedlePath,
)
from endplate.procedure.sight import look
from endplate.procedure.times import Settings
from endplate.procedure.world import Cement, LevelWorld, Tube, World

EDGE = 20
"""Voxels of 2 mm along two sides; the posterior wall is at y = 0, the anterior at y = 30."""

TIPS = {"left": (-8.0, 16.0, 0.0), "right": (8.0, 16.0, 0.0)}
ENTRY_Y = -25.0
STOPS = {"docking": 0.0, "mid-pedicle": 15.0, "posterior-wall": 25.0, "target": 41.0}


def needle_path(side: str) -> NeedlePath:
    x, y, z = TIPS[side]
    margins = Margins(medial=2.0, lateral=2.0, superior=2.0, inferior=2.0)
    return NeedlePath(
        side=side,
        approach="transpedicular",
        gauge="11G",
        outer_diameter_mm=3.05,
        entry_ras_mm=(x, ENTRY_Y, z),
        isthmus_ras_mm=(x, -10.0, z),
        posterior_wall_ras_mm=(x, 0.0, z),
        tip_ras_mm=(x, y, z),
        margins_mm=margins,
        margins_derated_mm=margins,
        clearance_mm=2.0,
        uncertainty_mm=0.5,
        convergence_deg=0.0,
        craniocaudal_deg=0.0,
        depths_mm=Depths(bone_to_posterior_wall=25.0, bone_to_tip=y - ENTRY_Y),
        carm=CArm(patient_position="prone"),
        checkpoints=tuple(
            Checkpoint(
                name=name,
                tip_ras_mm=(x, ENTRY_Y + depth, z),
                depth_mm=depth,
                lateral_of_medial_ring_mm=3.0,
                beyond_posterior_wall_mm=depth - 25.0,
                ap_text="",
                lateral_text="",
            )
            for name, depth in STOPS.items()
        ),
    )


def level_plan(
    level: str = "L1", sides: tuple[str, ...] = ("left", "right"), volume_ml: float = 3.0
) -> LevelPlan:
    return LevelPlan(
        level=level,
        technique="vertebroplasty",
        access="bipedicular" if len(sides) == 2 else "unipedicular",
        fracture_seen=True,
        paths=tuple(needle_path(side) for side in sides),
        cement=CementDose(
            volume_ml=volume_ml,
            per_needle_ml=tuple(volume_ml / len(sides) for _ in sides),
            ladder=(LadderStep(fraction=0.15, volume_ml=2.0), LadderStep(fraction=0.2, volume_ml=2.8)),
        ),
    )


@cache
def block() -> Medium:
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = (-20.0, -3.0, -15.0)
    porosity = np.full((EDGE, EDGE, 15), 0.85)
    porosity[:, :2] = 0.0  # behind the posterior wall
    porosity[:, 17:] = 0.0
    return Medium(
        affine=affine,
        porosity=porosity,
        permeability_m2=np.broadcast_to(np.where(porosity > 0.0, 3e-8, 0.0), (3, *porosity.shape)),
        exits=np.zeros(porosity.shape, np.int8),
        exit_conductance=np.zeros(porosity.shape),
        outer_pressure_pa=1000.0,
        marrow_pas=0.1,
    )


def places(medium: Medium) -> np.ndarray:
    ijk = np.stack(np.indices(medium.shape), axis=-1)
    return ijk @ medium.affine[:3, :3].T + medium.affine[:3, 3]


@cache
def nearest_first(medium: Medium, tip_ras_mm: tuple[float, ...]) -> np.ndarray:
    apart = np.linalg.norm(places(medium) - np.array(tip_ras_mm), axis=-1)
    return np.argsort(apart, axis=None, kind="stable")


def nearest_flow(leak: Callable[[float], dict[str, float]] = lambda _ml: {}):
    """A flow that fills the voxels nearest to the tip, and leaks what ``leak`` says of all that was injected."""

    def flow(
        medium: Medium, fill: Fill, sources: tuple[Source, ...], _law: PowerLaw, seconds: float, rate: float
    ) -> tuple[Fill, Flow]:
        [source] = sources
        volume = source.rate_ml_min * seconds / 60.0
        injected = fill.injected_ml + volume
        wanted = leak(injected)
        leaked = tuple(wanted.get(route, 0.0) for route in ROUTES)
        keep = volume - (sum(leaked) - sum(fill.leaked_ml))
        room = (1.0 - fill.saturation) * medium.porosity * medium.voxel_ml
        order = np.argsort(
            np.linalg.norm(places(medium) - source.tip_ras_mm, axis=-1), axis=None, kind="stable"
        )
        room_there = room.ravel()[order]
        before = np.cumsum(room_there) - room_there
        added = np.zeros(room.size)
        added[order] = np.clip(keep - before, 0.0, room_there)
        pores = medium.porosity.ravel() * medium.voxel_ml
        more = np.divide(added, pores, out=np.zeros_like(added), where=pores > 0.0).reshape(medium.shape)
        age = np.where(
            fill.saturation > 0.0, fill.age_s + rate * seconds, np.where(more > 0.0, source.age_s, 0.0)
        )
        return (
            replace(
                fill,
                saturation=fill.saturation + more,
                age_s=age,
                injected_ml=injected,
                marrow_displaced_ml=fill.marrow_displaced_ml + keep,
                leaked_ml=leaked,
            ),
            Flow((2000.0 * source.rate_ml_min,), 10, 1),
        )

    return flow


def drop_pa(cement: Cement, age_s: float, rate_ml_min: float) -> float:
    """1 MPa at 3 ml/min when fresh, ten times as much at 15 min of equivalent age."""
    assert cement.name
    return 1e6 * rate_ml_min / 3.0 * 10.0 ** (age_s / 900.0)


@pytest.fixture
def make_world() -> Callable[..., World]:
    """A world of one or more block-shaped levels."""

    def make(
        *plans: LevelPlan,
        leak: Callable[[float], dict[str, float]] = lambda _ml: {},
        end_s: float = 900.0,
        **settings: object,
    ) -> World:
        medium = block()
        y = places(medium)[..., 1]
        exposure = Exposure(80.0, 10.0, 50.0, 1e5, 100.0, 15.0)
        tube = Tube(2.39, 0.5, drop_pa)
        cement = Cement(
            name="medium-viscosity",
            power_law=lambda age: (np.full_like(age, 100.0), np.ones_like(age)),
            room_rate=1.0,
            body_rate=2.0,
            ready_s=180.0,
            end_s=end_s,
        )
        thick = replace(cement, name="high-viscosity")
        levels = {
            plan.level: LevelWorld(
                plan=plan,
                medium=medium,
                body=medium.porosity > 0.0,
                front_of_wall_mm=y,
                depth_mm=30.0,
                body_ml=30.0,
                tubes=MappingProxyType({path.side: tube for path in plan.paths}),
                exposures=MappingProxyType({"ap": exposure, "lateral": exposure}),
            )
            for plan in plans or (level_plan(),)
        }
        return World(
            levels=MappingProxyType(levels),
            cements=MappingProxyType({cement.name: cement, thick.name: thick}),
            flow=nearest_flow(leak),
            look=look,
            settings=Settings(**settings),
        )

    return make
