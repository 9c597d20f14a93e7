"""A body made ready for its balloons: what stays the same while they are inflated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from endplate.anatomy.axes import FloatArray
from endplate.balloon.body import Bone, Tamp
from endplate.balloon.compaction import capacity_mgcc
from endplate.balloon.crack import Crack, crack_of
from endplate.balloon.documents import HEIGHT_NAMES
from endplate.balloon.growth import Terrain, terrain
from endplate.balloon.heights import Room, room_above
from endplate.balloon.lift import Response, respond
from endplate.balloon.options import Options
from endplate.balloon.tamps import check_tamps
from endplate.mechanics.laws import DensityLaw, density_law
from endplate.planning.rules import Rules
from endplate.sources import Finding, finding


@dataclass(frozen=True, eq=False)
class Site:
    """All that stays the same while the balloons of one level are inflated.

    Parameters
    ----------
    bone, tamps, options:
        As given.
    law:
        Density → crushing stress and stiffness.
    ground:
        What the bone opposes.
    capacity_mgcc:
        How dense each voxel may become.
    crack:
        The broken zone.
    resting:
        The body under the preload alone; ``None`` where its endplates are whole: then they do not
        move.
    room:
        How far they may rise.
    findings:
        What preparing it found.
    """

    bone: Bone
    tamps: tuple[Tamp, ...]
    options: Options
    law: DensityLaw
    ground: Terrain
    capacity_mgcc: FloatArray
    crack: Crack
    resting: Response | None
    room: Room
    findings: tuple[Finding, ...]


def prepare(
    bone: Bone, tamps: Sequence[Tamp], options: Options | None = None, rules: Rules | None = None
) -> Site:
    """Check the balloons and work out what does not change.

    Raises
    ------
    UsageError
        A balloon that cannot be inflated where it lies (see :func:`endplate.balloon.tamps.check_tamps`), or a body
        whose heights were not measured (``balloon-no-heights``).
    ConvergenceError, QualityGateError
        The body cannot carry its preload.
    """
    own = options or Options()
    check_tamps(bone, tamps, rules)
    law = density_law(own.law)
    broken = own.crack if isinstance(own.crack, bool) else bone.shape is not None
    shape = (bone.shape or "crush") if broken else None
    middles = np.array([tamp.middle_ras_mm for tamp in tamps])
    crack = crack_of(bone, shape, float(bone.axes.to_local(middles)[:, 2].mean()))
    resting = None
    if shape is not None:
        resting = respond(bone, bone.density_mgcc, crack, law, (), own.preload_n)
    room = room_above(bone, own.posture)
    told = list(bone.findings)
    if shape is None:
        told.append(finding("balloon-no-crack", level=bone.level))
    if room.posture_mm.any():
        gain = dict(zip(HEIGHT_NAMES, room.posture_mm, strict=True))
        told.append(finding("balloon-posture-input", level=bone.level, **gain))
    for tamp in tamps:
        if tamp.device.recalled:
            told.append(finding("balloon-recalled-device", level=bone.level, name=tamp.device.name))
    return Site(
        bone,
        tuple(tamps),
        own,
        law,
        terrain(bone, law),
        capacity_mgcc(bone.density_mgcc, bone.body, bone.step_mm),
        crack,
        resting,
        room,
        tuple(dict.fromkeys(told)),
    )
