"""The balloons of a planned level, and what they do to the bone that cement is pressed into."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from endplate.balloon.bone import body_bone
from endplate.balloon.inflate import Site, prepare
from endplate.balloon.model import Options
from endplate.balloon.model import State as BalloonState
from endplate.balloon.result import cavity_of
from endplate.balloon.tamps import tamps_of_plan
from endplate.balloon.walls import shell_of
from endplate.cement.bone_model import BoneModel
from endplate.cement.cavity import Opening, with_cavity
from endplate.errors import EndplateError
from endplate.planning.model import LevelPlan
from endplate.planning.rules import Rules, load_rules
from endplate.procedure.model import Hollow
from endplate.procedure.scene import Scene
from endplate.procedure.world import Balloons


@dataclass(frozen=True)
class BalloonOptions:
    """How balloons are inflated in a procedure.

    Parameters
    ----------
    inflation:
        Steps, posture, preload and stops.
    rules:
        For the gap to the cannula and the loss of a vertebra plana.
    voxel_mm:
        Of the body they are inflated in; ``None``: as fine as that of the cement. A wall is a voxel thick to a balloon,
        so that coarse voxels stop it early.
    """

    inflation: Options = field(default_factory=Options)
    rules: Rules = field(default_factory=load_rules)
    voxel_mm: float | None = None


def balloons_of(
    scene: Scene, plan: LevelPlan, bone: BoneModel, options: BalloonOptions
) -> Balloons | str | None:
    """The balloons of a level, ready to be inflated.

    Returns
    -------
    ``None`` where the plan has none; why they cannot be inflated, in words, where that is so.
    """
    if plan.technique != "kyphoplasty" or plan.balloon is None:
        return None
    try:
        body = body_bone(
            scene.image,
            scene.labels,
            scene.spine,
            plan.level,
            scene.calibration,
            voxel_mm=options.voxel_mm or bone.grid.step_mm,
        )
        site = prepare(body, tamps_of_plan(plan, scene.catalogue.balloons), options.inflation, options.rules)
    except EndplateError as error:
        return error.what

    def hollowed(state: BalloonState) -> Hollow:
        opening = opening_of(site, state)
        made = with_cavity(bone, opening)
        return Hollow(opening, made.medium, made.cavity)

    return Balloons(site, hollowed, options.rules)


def opening_of(site: Site, state: BalloonState) -> Opening:
    """What balloons have done, on the grid of the body that they were inflated in."""
    made = cavity_of(site, state)
    return Opening(
        affine=made.affine,
        cavity=made.mask.astype(np.float64),
        held=made.held.astype(np.float64),
        solid_ratio=np.where(made.mask, 1.0, made.solid_ratio),
        breached=(made.mask & shell_of(site.bone)).astype(np.float64),
    )
