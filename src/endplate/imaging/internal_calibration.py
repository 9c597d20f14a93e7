"""Density from the scan's own tissues: how far the HU scale is off, and what a HU of mineral is worth at this beam."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from endplate.imaging.attenuation import (
    FloatArray,
    effective_energy_kev,
    mineral_hu_per_mgcc,
    published_fit,
    tissue_hu,
)
from endplate.imaging.calibration import Calibration
from endplate.imaging.scan_records import PublishedFit, ReferenceRecord
from endplate.sources import value

SCALE_TISSUES = ("air", "adipose", "muscle", "blood")
"""References whose HU is known well enough to check the scanner; cortex varies too much with age and voxel size."""


@dataclass(frozen=True)
class HuScale:
    """What the scanner shows: ``scale`` · true HU + ``offset``; standard deviations of both in ``sd``."""

    scale: float
    offset: float
    sd: tuple[float, float]
    used: tuple[str, ...]
    rejected: tuple[str, ...]


@dataclass(frozen=True)
class InternalResult:
    """Calibration by the scan's own tissues, or why there is none."""

    calibration: Calibration | None
    scale: HuScale | None
    references: tuple[ReferenceRecord, ...]
    published: PublishedFit | None
    energy_kev: float
    why_not: str = ""


def expected_hu(tissue: str, energy_kev: float) -> float:
    """What a reference tissue should show at an energy: its usual HU at 120 kVp, moved as its composition asks."""
    usual = float(value("internal.reference_hu_120kvp")[tissue])
    at_120 = effective_energy_kev(float(value("calibration.reference_kvp")))
    return usual + tissue_hu(tissue, energy_kev) - tissue_hu(tissue, at_120)


def slope_at(energy_kev: float) -> float:
    """Density per true HU at an energy, mg/cm³ per HU."""
    at_120 = mineral_hu_per_mgcc(effective_energy_kev(float(value("calibration.reference_kvp"))))
    return float(value("internal.slope_120kvp")) * at_120 / mineral_hu_per_mgcc(energy_kev)


def hu_scale(measured: Mapping[str, float], energy_kev: float) -> HuScale:
    """How far the HU scale is off, by the references and the limits that a maintained scanner keeps.

    References that lie far from where the others and those limits put them are left out one by one, worst first.

    Notes
    -----
    measured = (1 + s) · true + o with true ~ N(expected, sd of the tissue), s and o ~ N(0, limits of the scanner);
    the posterior of s and o is that of weighted least squares with the limits as two more observations.
    """
    spread = value("internal.reference_sd_hu")
    used = [tissue for tissue in SCALE_TISSUES if tissue in measured]
    rejected: list[str] = []
    while True:
        s, o, covariance = _posterior(measured, used, energy_kev)
        if len(used) < 2:
            break
        off = {}
        for tissue in used:
            others = [name for name in used if name != tissue]
            s_, o_, cov = _posterior(measured, others, energy_kev)
            true = expected_hu(tissue, energy_kev)
            row = np.array([true, 1.0])
            width = math.sqrt(float(spread[tissue]) ** 2 + float(row @ cov @ row))
            off[tissue] = abs(measured[tissue] - (1.0 + s_) * true - o_) / width
        worst = max(off, key=lambda name: off[name])
        if off[worst] <= float(value("internal.outlier_sd")):
            break
        used.remove(worst)
        rejected.append(worst)
    sd = (math.sqrt(covariance[0, 0]), math.sqrt(covariance[1, 1]))
    return HuScale(1.0 + s, o, sd, tuple(used), tuple(rejected))


def calibrate_internally(
    references: Mapping[str, ReferenceRecord], kvp: float | None, *, enhanced: bool
) -> InternalResult:
    """Calibrate by references; enhanced blood is never one of them.

    ``kvp`` ``None``: 120 kVp is assumed and the interval widened.
    """
    energy = effective_energy_kev(float(value("calibration.reference_kvp")) if kvp is None else kvp)
    records = dict(references)
    if enhanced and "blood" in records:
        records["blood"] = records["blood"].model_copy(update={"used": False, "why_not": "contrast medium"})
    published = _published(records)
    measured = {t: r.mean_hu for t, r in records.items() if r.used and t in SCALE_TISSUES}
    for tissue in measured:
        expected = round(expected_hu(tissue, energy), 1)
        records[tissue] = records[tissue].model_copy(update={"expected_hu": expected})
    least = int(value("internal.least_references"))
    if len(measured) < least:
        names = ", ".join(measured) or "none"
        return InternalResult(
            None, None, tuple(records.values()), published, energy, f"too few tissues were found ({names})"
        )
    scale = hu_scale(measured, energy)
    for tissue in scale.rejected:
        change = {"used": False, "why_not": "does not fit the other references"}
        records[tissue] = records[tissue].model_copy(update=change)
    if len(scale.used) < least:
        return InternalResult(
            None, scale, tuple(records.values()), published, energy, "the tissues contradict each other"
        )
    slope = slope_at(energy) / scale.scale
    relative = float(value("internal.relative_interval"))
    if len(scale.used) == least:
        relative = math.hypot(relative, float(value("internal.few_references_interval")))
    if kvp is None:
        relative = math.hypot(relative, float(value("internal.unknown_kvp_interval")))
    absolute = max(float(value("calibration.line_absolute_interval")), slope * scale.sd[1])
    calibration = Calibration("internal", slope, -slope * scale.offset, relative, absolute, kvp)
    return InternalResult(calibration, scale, tuple(records.values()), published, energy)


def _posterior(
    measured: Mapping[str, float], used: list[str], energy_kev: float
) -> tuple[float, float, FloatArray]:
    """Scale error, offset and their covariance."""
    limits, spread = value("internal.scanner_sd"), value("internal.reference_sd_hu")
    precision = np.diag([float(limits["scale"]) ** -2, float(limits["offset_hu"]) ** -2])
    right = np.zeros(2)
    for tissue in used:
        true = expected_hu(tissue, energy_kev)
        row = np.array([true, 1.0]) / float(spread[tissue])
        precision = precision + np.outer(row, row)
        right = right + row * (measured[tissue] - true) / float(spread[tissue])
    covariance = np.linalg.inv(precision)
    s, o = covariance @ right
    return float(s), float(o), covariance


def _published(records: Mapping[str, ReferenceRecord]) -> PublishedFit | None:
    usable = {tissue: record.mean_hu for tissue, record in records.items() if record.used}
    try:
        return published_fit(usable)
    except ValueError:
        return None
