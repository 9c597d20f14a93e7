"""Laterals of a kyphoplasty for the page: from the scan, the cavity and the cement to one figure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.model import Spine, Vertebra
from endplate.balloon.model import HEIGHT_NAMES
from endplate.errors import EndplateError
from endplate.outcome.fields import CementMaps
from endplate.outcome.model import BalloonOutcome, StageName
from endplate.outcome.stage_scans import Contents, Stage, stage_scans
from endplate.planning.model import LevelPlan
from endplate.report.balloon_words import height_of, stage
from endplate.report.balloon_xrays import balloon_xrays
from endplate.report.picture import Figure
from endplate.report.scene import Scene
from endplate.sources import Finding

HEIGHTS_OF: tuple[tuple[Stage, tuple[StageName, ...]], ...] = (
    ("inflated", ("inflated",)),
    ("deflated", ("deflated", "inflated")),
    ("filled", ("final", "deflated", "inflated")),
)
"""Whose heights a picture has: those of the first of these stages that there is."""

BESIDE_MM = 3.0
"""A cavity this far beyond the box of its level's label is still its own."""


@dataclass(frozen=True)
class StageXrays:
    """The figure, none or one; why there is none; what there is to say of it."""

    figures: list[Figure]
    why_not: str = ""
    findings: tuple[Finding, ...] = ()


def stage_xrays(
    scene: Scene,
    spine: Spine,
    vertebra: Vertebra | None,
    planned: LevelPlan | None,
    found: BalloonOutcome,
    maps: CementMaps | None,
) -> StageXrays:
    """True laterals before, inflated, deflated and filled; nothing without CT, labels, plan and cavity.

    Parameters
    ----------
    scene, spine:
        CT, labels and the measured spine.
    vertebra, planned, found:
        The level, its plan and what its balloons did.
    maps:
        Volumes on the CT's grid.
    """
    image, labels = scene.image, scene.labels
    if image is None or labels is None or vertebra is None or planned is None:
        return StageXrays([])
    if maps is None or maps.cavity is None:
        return StageXrays([])
    hollow = _own_cavity(scene, vertebra, maps)
    if not hollow.any():
        return StageXrays([])
    cement = maps.fraction.data if maps.fraction.data.any() else None
    contents = Contents(maps.cavity.affine, inflated=hollow, cement=cement)
    try:
        made = stage_scans(image, labels, spine, vertebra.level, contents, _gains(found))
        figure = balloon_xrays(planned, vertebra, made.volumes)
    except EndplateError as error:
        return StageXrays([], f"There are no simulated X-rays of the stages: {error.what}")
    if figure is None:
        return StageXrays([])
    return StageXrays([Figure(figure.svg, figure.caption)], findings=made.findings)


def _own_cavity(scene: Scene, vertebra: Vertebra, maps: CementMaps) -> NDArray[np.float32]:
    """The cavity of one level on the CT's grid: balloons of other levels are left out."""
    assert maps.cavity is not None
    whole = np.asarray(maps.cavity.data, dtype=np.float32)
    corners = scene.corners_ras_mm((vertebra.label_id,))
    if not len(corners):
        return np.zeros_like(whole)
    voxel, margin = maps.cavity.to_voxel(corners), BESIDE_MM / maps.cavity.spacing_mm
    low = np.clip(np.floor(voxel.min(axis=0) - margin).astype(int), 0, None)
    high = np.clip(np.ceil(voxel.max(axis=0) + margin).astype(int), 0, None)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    own = np.zeros_like(whole)
    own[box] = whole[box]
    return own


def _gains(found: BalloonOutcome) -> dict[Stage, tuple[float, ...]]:
    """Gains against the scan, none below zero; a height that is not known gains nothing."""
    start = stage(found, "scan")
    gains: dict[Stage, tuple[float, ...]] = {}
    for picture, names in HEIGHTS_OF:
        one = next((found_stage for name in names if (found_stage := stage(found, name)) is not None), None)
        if one is None or start is None:
            continue
        pairs = [(height_of(one, part), height_of(start, part)) for part in HEIGHT_NAMES]
        gains[picture] = tuple(
            0.0 if now is None or before is None else max(now - before, 0.0) for now, before in pairs
        )
    return gains
