"""From a scan to its calibration: a given line or rods, else the scan's own tissues, else a usual slope."""

from __future__ import annotations

import math
from dataclasses import replace

from endplate.imaging.attenuation import effective_energy_kev, mineral_hu_per_mgcc
from endplate.imaging.calibration import Calibration, parse_calibration
from endplate.imaging.internal_calibration import InternalResult, calibrate_internally, slope_at
from endplate.imaging.organ_map import OrganMap
from endplate.imaging.phantom_rods import fit_rods, is_rods, parse_rods
from endplate.imaging.scan_look import ScanLook, look
from endplate.imaging.scan_records import CalibrationRecord, Phase
from endplate.imaging.volume import LabelMap, Volume
from endplate.sources import Finding, finding, value

PHASES: dict[Phase, str] = {
    "none": "no contrast",
    "portal_venous": "portal-venous phase",
    "arterial": "arterial phase",
    "unknown_phase": "unknown phase",
    "not_known": "not known",
}
"""The phases in words."""

TISSUES = {
    "air": "air",
    "adipose": "fat",
    "muscle": "muscle",
    "blood": "blood",
    "cortical_bone": "cortical bone",
}
"""The reference tissues in words."""


def calibrate(
    image: Volume, labels: LabelMap | None, organs: OrganMap | None = None, *, given: str | None = None
) -> tuple[Calibration, CalibrationRecord]:
    """Calibrate a CT.

    Parameters
    ----------
    image, labels, organs:
        CT in HU; vertebra labels and organs on its grid, where known.
    given:
        As typed with ``--calibration``: ``SLOPE,INTERCEPT``, ``rods:…``, ``cha:…``, ``mindways:…``. ``None``: by the
        scan's own tissues.

    Returns
    -------
    The calibration that later stages carry, and the record of how it came about.

    Raises
    ------
    UsageError
        Those of :func:`endplate.imaging.calibration.parse_calibration`.
    """
    return calibrate_seen(look(image, labels, organs), given)


def calibrate_seen(seen: ScanLook, given: str | None) -> tuple[Calibration, CalibrationRecord]:
    """As :func:`calibrate`, of a scan that was looked at."""
    inside = calibrate_internally(seen.references, seen.kvp, enhanced=seen.contrast.enhanced)
    told: list[Finding] = []
    corrections: list[str] = []
    r_squared = None
    if given is not None:
        calibration = parse_calibration(given)
        if is_rods(given):
            scale, rods = parse_rods(given)
            r_squared = fit_rods(rods, scale).r_squared
        corrections.append(
            "The line was given with the scan."
            if r_squared is None
            else f"A line was laid through {len(rods)} rods."
        )
    elif inside.calibration is not None:
        calibration = inside.calibration
        corrections += _internal_words(inside)
    else:
        calibration, words = _fallback(seen.kvp)
        corrections.append(words)
        told.append(finding("internal-not-possible", why=inside.why_not))
    calibration, for_contrast, contrast_findings = _for_contrast(calibration, seen)
    corrections += for_contrast
    if calibration.kind == "internal":
        told += _internal_findings(seen, inside, calibration)
    told += [*contrast_findings, *_voltage_findings(seen, inside, given)]
    if calibration.kind == "uncalibrated":
        told += calibration.findings()
    record = CalibrationRecord(
        method=calibration.kind,
        slope=calibration.slope,
        intercept=calibration.intercept,
        relative_interval=calibration.relative_interval,
        absolute_interval=calibration.absolute_interval,
        kvp=seen.kvp,
        kvp_stated=seen.kvp is not None,
        r_squared=_rounded_fit(inside) if r_squared is None and calibration.kind == "internal" else r_squared,
        effective_energy_kev=None if calibration.kind in ("line", "phantom") else round(inside.energy_kev, 2),
        hu_scale=inside.scale.scale if inside.scale and calibration.kind == "internal" else 1.0,
        hu_offset=inside.scale.offset if inside.scale and calibration.kind == "internal" else 0.0,
        contrast_phase=seen.contrast.phase,
        kernel=seen.kernel.verdict,
        references=inside.references,
        published_fit=inside.published,
        corrections=tuple(corrections),
        findings=tuple(told),
    )
    return calibration, record


def calibration_of(record: CalibrationRecord) -> Calibration:
    """The calibration that a record describes."""
    return Calibration(
        record.method,
        record.slope,
        record.intercept,
        record.relative_interval,
        record.absolute_interval,
        record.kvp,
    )


def voltage_factor(kvp: float) -> float:
    """HU of bone mineral at a tube voltage over those at 120 kVp."""
    usual = float(value("calibration.reference_kvp"))
    return mineral_hu_per_mgcc(effective_energy_kev(kvp)) / mineral_hu_per_mgcc(effective_energy_kev(usual))


def _fallback(kvp: float | None) -> tuple[Calibration, str]:
    """The usual slope, changed for the tube voltage."""
    plain = Calibration.uncalibrated(kvp)
    usual = float(value("calibration.reference_kvp"))
    if kvp is None or abs(kvp - usual) < 1.0:
        return plain, f"A usual slope of {plain.slope:.2f} mg/cm³ per HU was assumed."
    factor = voltage_factor(kvp)
    relative = math.hypot(float(value("calibration.uncalibrated_relative_interval")), 0.2 * abs(factor - 1.0))
    changed = replace(plain, slope=plain.slope / factor, relative_interval=relative)
    return changed, (
        f"A usual slope of {plain.slope:.2f} mg/cm³ per HU at {usual:.0f} kVp was divided by {factor:.2f} for "
        f"{kvp:.0f} kVp."
    )


def _internal_words(inside: InternalResult) -> list[str]:
    scale = inside.scale
    if scale is None:
        return []
    return [
        f"Slope {slope_at(inside.energy_kev):.3f} mg/cm³ per HU at {inside.energy_kev:.1f} keV (effective).",
        f"By the references the scanner shows {scale.scale:.3f} times the true HU {scale.offset:+.1f}: corrected.",
    ]


def _internal_findings(seen: ScanLook, inside: InternalResult, calibration: Calibration) -> list[Finding]:
    scale = inside.scale
    if scale is None:
        return []
    told = [
        finding(
            "density-internal",
            tissues=", ".join(TISSUES[tissue] for tissue in scale.used),
            slope=calibration.slope,
            intercept=calibration.intercept,
            percent=100.0 * calibration.relative_interval,
        )
    ]
    for tissue in scale.rejected:
        hu = seen.references[tissue].mean_hu
        told.append(finding("reference-rejected", tissue=TISSUES[tissue].capitalize(), hu=hu))
    return told


def _for_contrast(calibration: Calibration, seen: ScanLook) -> tuple[Calibration, list[str], list[Finding]]:
    """Take off what contrast adds (a given line is only marked), widen the interval, and say so."""
    contrast = seen.contrast
    if not contrast.enhanced:
        told = []
        if contrast.tag and contrast.blood_hu is not None:
            told.append(finding("contrast-not-seen", hu=contrast.blood_hu))
        if contrast.phase == "not_known":
            most = float(value("contrast.bone_offset_hu")["arterial"]) * calibration.slope
            told.append(finding("contrast-unknown", mgcc=most))
        return calibration, [], told
    offset = contrast.offset_hu * calibration.slope
    taken = 0.0 if calibration.kind == "line" else offset
    changed = replace(
        calibration,
        intercept=calibration.intercept - taken,
        relative_interval=math.hypot(
            calibration.relative_interval, float(value("contrast.density_interval_relative"))
        ),
        # What one person's bone gains lies between nothing and about twice the mean that is taken off.
        absolute_interval=math.hypot(
            calibration.absolute_interval, float(value("contrast.density_interval_mgcc")) + offset
        ),
    )
    if taken:
        done = f"{taken:.0f} mg/cm³ ({contrast.offset_hu:.0f} HU) were taken off all densities, the interval widened."
    else:
        done = (
            "The line was given with the scan, so nothing was taken off; the interval of density was widened."
        )
    if contrast.blood_hu is None:
        told = [finding("contrast-tag-only", done=done)]
    else:
        told = [
            finding(
                "contrast-in-scan", phase=PHASES[contrast.phase], hu=f"{contrast.blood_hu:.0f} HU", done=done
            )
        ]
    return changed, [done], told


def _voltage_findings(seen: ScanLook, inside: InternalResult, given: str | None) -> list[Finding]:
    kvp = seen.kvp
    if kvp is not None:
        if abs(kvp - float(value("calibration.reference_kvp"))) < 1.0 or given is not None:
            return []
        return [finding("kvp-not-120", kvp=kvp, factor=voltage_factor(kvp))]
    told = [finding("kvp-not-stated")] if given is None else []
    fit, bone = inside.published, seen.references.get("cortical_bone")
    low = float(value("internal.low_energy_kev"))
    if given is None and fit is not None and bone is not None and fit.accepted and fit.energy_kev < low:
        told.append(finding("kvp-low-suspected", hu=bone.mean_hu, energy=fit.energy_kev))
    return told


def _rounded_fit(inside: InternalResult) -> float | None:
    return None if inside.published is None else round(inside.published.r_squared, 6)
