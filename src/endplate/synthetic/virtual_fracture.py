"""A virtual fracture: a real CT and its labels taken to a broken vertebra of known heights and the same bone mass.

The method and its limits are in docs/science/virtual-fracture.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.expectation import HEIGHTS
from endplate.anatomy.locate import locate_vertebrae
from endplate.anatomy.model import Frame, HeightTriple, Spine, Vec3, Vertebra
from endplate.anatomy.refine import refine_endplates
from endplate.anatomy.vertebra import LocalVertebra
from endplate.errors import QualityGateError, UsageError
from endplate.imaging.calibration import Calibration
from endplate.imaging.levels import VERSE_IDS, parse_level
from endplate.imaging.volume import LabelMap, Volume
from endplate.sources import Finding, finding
from endplate.synthetic.fracture_columns import lay_ground
from endplate.synthetic.fracture_fill import Filled, fill_bone
from endplate.synthetic.fracture_shape import NAMED_BY, Solved, solve_field
from endplate.synthetic.fracture_warp import carry_labels, find_moved
from endplate.synthetic.virtual_fracture_model import (
    BoneMass,
    FieldParameters,
    FractureTruth,
    VirtualFracture,
)

__all__ = ["FractureTruth", "FracturedScan", "VirtualFracture", "fracture_scan"]

Progress = Callable[[str, float], None]


@dataclass(frozen=True, eq=False)
class FracturedScan:
    """A scan with a virtual fracture, on the grid of the scan it was made from, and its truth."""

    image: Volume
    labels: LabelMap
    truth: FractureTruth
    solved: Solved


def fracture_scan(
    image: Volume | None,
    labels: LabelMap | None,
    spine: Spine,
    wanted: VirtualFracture,
    calibration: Calibration,
    *,
    progress: Progress = lambda _what, _fraction: None,
) -> FracturedScan:
    """Break one vertebra of a scan.

    Parameters
    ----------
    image, labels:
        The CT (HU) and its labels on one grid.
    spine:
        What ``endplate assess`` measured of them.
    wanted:
        The fracture.
    calibration:
        HU to density: what mineral is conserved.
    progress:
        Told what is being done and the fraction done.

    Raises
    ------
    UsageError
        The level is not in the labels, or its body cannot lose so much.
    QualityGateError
        No CT, no labels or bodies only, or the level is cut by the edge of the scan.
    """
    image, labels = _both(image, labels)
    wanted = replace(wanted, level=parse_level(wanted.level))
    measured = _level(spine, labels, wanted.level)
    progress("the body", 0.0)
    vertebra = _located(labels, image, wanted.level)
    ground = lay_ground(vertebra, labels)
    progress("the field", 0.5)
    heights = np.array([getattr(measured.heights_mm, name) for name in HEIGHTS], dtype=np.float64)
    solved = solve_field(vertebra, ground, wanted, heights)
    progress("the voxels", 0.7)
    number = VERSE_IDS[wanted.level]
    moved = find_moved(image, ground.axes, solved.field)
    ids, warped = carry_labels(labels.volume, number, moved, ground.axes, solved.field)
    filled = fill_bone(
        image,
        (labels.data == number, ids == number),
        moved,
        warped,
        calibration,
        wanted=wanted,
        ground=ground,
        field=solved.field,
    )
    truth = _truth(wanted, measured, vertebra, solved, filled, calibration)
    progress("", 1.0)
    return FracturedScan(
        replace(image, data=filled.data).with_findings(*truth.findings),
        replace(labels, volume=replace(labels.volume, data=ids)),
        truth,
        solved,
    )


def _both(image: Volume | None, labels: LabelMap | None) -> tuple[Volume, LabelMap]:
    if image is None:
        raise QualityGateError(
            "fracture-needs-ct",
            "A virtual fracture moves bone in a CT; there are labels only.",
            do="Make the case from a CT with --labels.",
        )
    if labels is None:
        raise QualityGateError(
            "fracture-needs-labels",
            "A virtual fracture needs the vertebrae labelled, and there are no labels.",
            do="Make the case with --labels; `endplate label CT --pick --out P.html` makes them from clicks.",
        )
    if labels.body_only:
        raise QualityGateError(
            "fracture-body-only",
            "The label map holds bodies without arches: what must stay rigid cannot be told from what may give way.",
            do="Use a map of whole vertebrae.",
        )
    return image, labels


def _level(spine: Spine, labels: LabelMap, level: str) -> Vertebra:
    """The measurements of a level that can be broken."""
    measured = spine.find(level)
    if measured is None or not (labels.data == VERSE_IDS[level]).any():
        there = ", ".join(one.level for one in spine.levels) or "none"
        raise UsageError(
            "level-not-labelled",
            f"{level} is not in the labels.",
            do=f"Choose one of those that are: {there}.",
        )
    if not measured.complete:
        raise QualityGateError(
            "fracture-level-cut",
            f"{level} is cut by the edge of the scan.",
            do="Choose a level that lies wholly inside.",
        )
    heights = measured.heights_mm
    if None in (heights.anterior, heights.middle, heights.posterior) or not heights.middle:
        raise QualityGateError(
            "fracture-heights-unknown",
            f"The heights of {level} could not be measured, so none can be taken from them.",
            do="Choose another level, or mend its label.",
        )
    return measured


def _located(labels: LabelMap, image: Volume, level: str) -> LocalVertebra:
    """The vertebra as ``endplate assess`` sees it, endplates refined by the CT."""
    refined = refine_endplates(locate_vertebrae(labels), labels, image)
    return next(one.vertebra for one in refined.located if one.vertebra.level == level)


def _truth(
    wanted: VirtualFracture,
    measured: Vertebra,
    vertebra: LocalVertebra,
    solved: Solved,
    filled: Filled,
    calibration: Calibration,
) -> FractureTruth:
    field = solved.field
    grid = vertebra.grid
    points = grid.low_mm + grid.step_mm * np.argwhere(vertebra.body.mask)
    voxel_ml = grid.step_mm**3 / 1000.0
    named = [HEIGHTS.index(name) for name in NAMED_BY[wanted.shape]]
    already = bool(measured.fracture.flagged)
    axes = vertebra.axes
    return FractureTruth(
        level=wanted.level,
        shape=wanted.shape,
        loss_asked=wanted.loss,
        heights_before_mm=_triple(solved.before.heights_mm),
        heights_after_mm=_triple(solved.after.heights_mm),
        losses=_triple(solved.losses),
        loss=float(solved.losses[named].mean()),
        wedge_angle_before_deg=solved.before.wedge_deg,
        wedge_angle_after_deg=solved.after.wedge_deg,
        body_volume_before_ml=len(points) * voxel_ml,
        body_volume_after_ml=float(field.jacobian(points).sum()) * voxel_ml,
        frame_before=Frame(
            origin_ras_mm=_vec3(axes.origin_ras_mm),
            right_ras=_vec3(axes.right),
            anterior_ras=_vec3(axes.anterior),
            superior_ras=_vec3(axes.superior),
            borrowed=vertebra.frame_borrowed,
        ),
        field=FieldParameters(
            endplates=wanted.broken,
            amplitude_mm=solved.amplitude,
            greatest_drop_mm=float(field.columns.drop_mm.max()),
            greatest_lift_mm=float(field.columns.lift_mm.max()),
            crush_strain=field.crush.strain,
            least_jacobian=field.least_jacobian(),
            greatest_compaction=filled.greatest_compaction,
            retropulsion_mm=wanted.retropulsion_mm,
        ),
        mass=BoneMass(
            before_mg=filled.before_mg,
            after_mg=filled.after_mg,
            relative_error=abs(filled.after_mg - filled.before_mg) / filled.before_mg,
            remap_factor=filled.remap_factor,
            capped_share=filled.capped_share,
            calibration=calibration.kind,
        ),
        cleft_ml=wanted.cleft_ml,
        cleft_filling=wanted.cleft_filling if wanted.cleft_ml > 0.0 else None,
        crack=wanted.crack,
        seed=wanted.seed,
        already_fractured=already,
        findings=_findings(wanted, already=already),
    )


def _findings(wanted: VirtualFracture, *, already: bool) -> tuple[Finding, ...]:
    percent = 100.0 * wanted.loss
    told = [finding("virtual-fracture", level=wanted.level, shape=wanted.shape, loss=percent)]
    if already:
        told.append(finding("virtual-fracture-again", level=wanted.level))
    return tuple(told)


def _triple(heights: FloatArray) -> HeightTriple:
    return HeightTriple(**{name: float(h) for name, h in zip(HEIGHTS, heights, strict=True)})


def _vec3(v: FloatArray) -> Vec3:
    return (float(v[0]), float(v[1]), float(v[2]))
