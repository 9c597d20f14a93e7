"""From what was found of one level to its document: rounding, findings and nothing personal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy import canal
from endplate.anatomy.axes import Axes, FloatArray
from endplate.anatomy.density import cleft_gas_ml, disc_gas_ml, trabecular_sample
from endplate.anatomy.endplates import Height, PlaneFit, depth_mm, sagittal_wedge_deg, width_mm
from endplate.anatomy.expectation import HEIGHTS
from endplate.anatomy.grading import HeightEvidence, grade
from endplate.anatomy.lesions import LesionSigns, lesion_findings
from endplate.anatomy.locate import Located
from endplate.anatomy.model import (
    Canal,
    Density,
    Endplate,
    Endplates,
    Fracture,
    Frame,
    HeightLine,
    HeightLines,
    HeightTriple,
    Pedicle,
    Pedicles,
    Trust,
    Vec3,
    Vertebra,
)
from endplate.anatomy.pedicles import PedicleFit, find_pedicle
from endplate.anatomy.vertebra import LocalVertebra
from endplate.imaging.calibration import Calibration
from endplate.imaging.levels import VERSE_IDS
from endplate.imaging.volume import LabelMap, Volume
from endplate.sources import Finding, finding, value
from endplate.units import MM3_PER_ML

DIGITS = 6
"""Decimals kept in the document: far below any real precision, so that the last bits of arithmetic never show."""


@dataclass(frozen=True, eq=False)
class LevelFacts:
    """Everything measured of one level, before it is put in words."""

    located: Located
    label_map: LabelMap
    heights: dict[str, Height]
    evidence: HeightEvidence
    local_kyphosis_deg: float | None
    retropulsion_mm: float | None
    canal_compromise: float | None
    signs: LesionSigns | None = None
    """Lesions and destroyed bone; ``None`` without a CT."""


def describe(facts: LevelFacts, image: Volume | None, calibration: Calibration) -> Vertebra:
    """The document of one level."""
    item, vertebra = facts.located, facts.located.vertebra
    level = vertebra.level
    findings: list[Finding] = []
    if item.cut:
        findings.append(finding("level-cut", level=level))
    voxel_ml = abs(float(np.linalg.det(vertebra.field.affine[:3, :3]))) / MM3_PER_ML
    if vertebra.field.dropped_voxels:
        dropped = vertebra.field.dropped_voxels * voxel_ml
        findings.append(finding("label-specks", level=level, volume=dropped))
    if item.body_cut:
        findings.append(finding("body-cut", level=level))
        return _bare(level, findings)
    if vertebra.canal is None and not facts.label_map.body_only:
        findings.append(finding("canal-not-found", level=level))
        return _bare(level, findings, complete=not item.cut)
    if item.canal_source == "borrowed":
        findings.append(finding("canal-borrowed", level=level))
    if vertebra.frame_borrowed:
        findings.append(finding("frame-borrowed", level=level))
    fracture = grade(level, facts.evidence)
    losses = _triple(facts.evidence.losses)
    known = [loss for loss in (losses.anterior, losses.middle, losses.posterior) if loss is not None]
    pedicles = {side: find_pedicle(vertebra, side) for side in ("left", "right")}
    if vertebra.canal is not None:
        findings += [
            finding("pedicle-not-found", level=level, side=side)
            for side, fit in pedicles.items()
            if fit is None
        ]
    findings += _fit_findings(vertebra)
    findings += _canal_findings(facts)
    signs = facts.signs
    density = _density(vertebra, image, calibration, None if signs is None else signs.mask)
    if signs is not None:
        findings += lesion_findings(level, signs)
    cleft = None if image is None else cleft_gas_ml(vertebra, image)
    vacuum = None if image is None else disc_gas_ml(vertebra, image, facts.label_map)
    least = float(value("gas.report_min_ml"))
    if cleft is not None and cleft >= least:
        findings.append(finding("cleft-gas", level=level, volume=cleft))
    if vacuum is not None and vacuum >= least:
        findings.append(finding("vacuum-disc", level=level, volume=vacuum))
    return Vertebra(
        level=level,
        label_id=VERSE_IDS[level],
        complete=not item.cut,
        frame=_frame(vertebra.axes, borrowed=vertebra.frame_borrowed),
        heights_mm=_triple(facts.evidence.measured_mm),
        heights_uncertainty_mm=_triple(
            np.where(np.isfinite(facts.evidence.measured_mm), facts.evidence.uncertainty_mm, np.nan)
        ),
        height_lines=_lines(facts.heights, vertebra.axes),
        expected_heights_mm=_triple(facts.evidence.expected_mm),
        expected_uncertainty_mm=_triple(facts.evidence.expected_sd_mm),
        height_losses=losses,
        height_loss=_round(float(np.clip(max(known), 0.0, 1.0))) if known else None,
        within_vertebra_loss=_within(facts.evidence.measured_mm),
        wedge_angle_deg=_wedge(vertebra),
        local_kyphosis_deg=_round(facts.local_kyphosis_deg),
        body_volume_ml=_round(float(vertebra.body.mask.sum()) * vertebra.grid.step_mm**3 / MM3_PER_ML),
        body_depth_mm=_round(depth_mm(vertebra.surfaces, vertebra.grid, vertebra.x_mid_mm)),
        body_width_mm=_round(width_mm(vertebra.surfaces, vertebra.grid)),
        endplates=Endplates(
            superior=_endplate(vertebra.superior, vertebra.axes),
            inferior=_endplate(vertebra.inferior, vertebra.axes),
        ),
        fracture=fracture,
        pedicles=Pedicles(
            left=_pedicle(pedicles["left"], vertebra), right=_pedicle(pedicles["right"], vertebra)
        ),
        canal=_canal(facts),
        density=density,
        retropulsion_mm=_round(facts.retropulsion_mm),
        cleft_ml=_round(cleft),
        vacuum_disc_below_ml=_round(vacuum),
        lesions=() if signs is None else signs.lesions,
        arch_breaks=() if signs is None else signs.arch_breaks,
        posterior_bulge_mm=None if signs is None else _round(signs.posterior_bulge_mm),
        findings=tuple(findings),
    )


def _bare(level: str, findings: list[Finding], *, complete: bool = False) -> Vertebra:
    """A level of which nothing can be measured."""
    return Vertebra(
        level=level,
        label_id=VERSE_IDS[level],
        complete=complete,
        fracture=Fracture(reasons=(finding("heights-unknown", level=level),)),
        findings=tuple(findings),
    )


def _fit_findings(vertebra: LocalVertebra) -> list[Finding]:
    limit = float(value("endplate.rmse_warn_mm"))
    planes = (("superior", vertebra.superior), ("inferior", vertebra.inferior))
    return [
        finding("endplate-fit", level=vertebra.level, which=name, rmse=plane.rmse_mm)
        for name, plane in planes
        if plane is not None and plane.rmse_mm > limit
    ]


def _canal_findings(facts: LevelFacts) -> list[Finding]:
    level = facts.located.vertebra.level
    found = []
    if facts.retropulsion_mm is not None and facts.retropulsion_mm >= float(value("retropulsion.report_mm")):
        found.append(finding("retropulsion", level=level, retropulsion=facts.retropulsion_mm))
    if facts.canal_compromise is not None and facts.canal_compromise >= float(
        value("canal.compromise_report")
    ):
        found.append(finding("canal-compromise", level=level, compromise=100.0 * facts.canal_compromise))
    return found


def _canal(facts: LevelFacts) -> Canal:
    vertebra = facts.located.vertebra
    tube = vertebra.canal
    if tube is None:
        return Canal()
    centre = vertebra.axes.to_world(np.append(tube.centre_at(0.0), 0.0))
    return Canal(
        ap_mm=_round(float(np.median(canal.sagittal_diameters_mm(tube)[tube.closed]))),
        width_mm=_round(canal.width_mm(tube)),
        area_mm2=_round(canal.area_mm2(tube.typical_mm)),
        compromise=_round(facts.canal_compromise),
        centre_ras_mm=_vec(centre),
        source="borrowed" if facts.located.canal_source == "borrowed" else "measured",
    )


def _density(
    vertebra: LocalVertebra,
    image: Volume | None,
    calibration: Calibration,
    lesions: NDArray[np.bool_] | None = None,
) -> Density:
    sample = None if image is None else trabecular_sample(vertebra, image, lesions)
    if sample is None:
        return Density()
    estimate = calibration.density(sample.mean_hu)
    return Density(
        mean_hu=_round(sample.mean_hu),
        sd_hu=_round(sample.sd_hu),
        voi_ml=_round(sample.volume_ml),
        vbmd_mgcc=_round(estimate.value),
        vbmd_interval_mgcc=(round(estimate.low, DIGITS), round(estimate.high, DIGITS)),
        calibration=calibration.kind,
    )


def _pedicle(fit: PedicleFit | None, vertebra: LocalVertebra) -> Pedicle | None:
    if fit is None:
        return None
    directions = vertebra.field.affine[:3, :3]
    half_voxel = 0.5 * float(np.linalg.norm(vertebra.axes.right @ directions))
    return Pedicle(
        inscribed_diameter_mm=round(fit.inscribed_diameter_mm, DIGITS),
        width_mm=round(fit.width_mm, DIGITS),
        height_mm=round(fit.height_mm, DIGITS),
        transverse_deg=round(fit.transverse_deg, DIGITS),
        sagittal_deg=round(fit.sagittal_deg, DIGITS),
        isthmus_ras_mm=_vec(fit.isthmus_ras_mm),
        axis_ras=_vec(fit.axis_ras),
        uncertainty_mm=round(half_voxel, DIGITS),
        outline_ras_mm=tuple(_vec(point) for point in fit.outline_ras_mm[::2]),
    )


def _endplate(plane: PlaneFit | None, axes: Axes) -> Endplate | None:
    if plane is None:
        return None
    trust: Trust = "trusted"
    if plane.rmse_mm > float(value("endplate.rmse_borrow_mm")):
        trust = "borrowed"
    elif plane.rmse_mm > float(value("endplate.rmse_warn_mm")):
        trust = "warn"
    return Endplate(
        centre_ras_mm=_vec(axes.to_world(plane.centre_mm)),
        normal_ras=_vec(axes.direction_to_world(plane.normal)),
        rmse_mm=round(plane.rmse_mm, DIGITS),
        trust=trust,
    )


def _wedge(vertebra: LocalVertebra) -> float | None:
    if vertebra.superior is None or vertebra.inferior is None:
        return None
    return _round(sagittal_wedge_deg(vertebra.superior, vertebra.inferior))


def _within(heights_mm: FloatArray) -> float | None:
    if not np.isfinite(heights_mm).all() or heights_mm.max() <= 0.0:
        return None
    return _round(float(1.0 - heights_mm.min() / heights_mm.max()))


def _lines(heights: dict[str, Height], axes: Axes) -> HeightLines:
    lines = {
        name: HeightLine(
            superior_ras_mm=_vec(axes.to_world(height.upper_mm)),
            inferior_ras_mm=_vec(axes.to_world(height.lower_mm)),
        )
        for name, height in heights.items()
    }
    return HeightLines(**lines)


def _frame(axes: Axes, *, borrowed: bool) -> Frame:
    return Frame(
        origin_ras_mm=_vec(axes.origin_ras_mm),
        right_ras=_vec(axes.right),
        anterior_ras=_vec(axes.anterior),
        superior_ras=_vec(axes.superior),
        borrowed=borrowed,
    )


def _triple(values: FloatArray) -> HeightTriple:
    return HeightTriple(
        **{
            name: _round(float(v)) if np.isfinite(v) else None
            for name, v in zip(HEIGHTS, values, strict=True)
        }
    )


def _vec(point: FloatArray) -> Vec3:
    x, y, z = (round(float(component), DIGITS) for component in point)
    return x, y, z


def _round(number: float | None) -> float | None:
    return None if number is None else round(number, DIGITS)
