"""What kind of scan it is: every item with what was found, which number it touches and what was done about it."""

from __future__ import annotations

from endplate.imaging.calibrate import PHASES, TISSUES, calibrate_seen, voltage_factor
from endplate.imaging.organ_map import OrganMap
from endplate.imaging.scan_look import ScanLook, look
from endplate.imaging.scan_records import CalibrationRecord, ScanCharacter, ScanItem
from endplate.imaging.surroundings import couch_ml, cut_share, skin_in_view
from endplate.imaging.volume import LabelMap, ScanInfo, Volume
from endplate.sources import Finding, finding, value

POSITIONS = {"S": "supine", "P": "prone", "DR": "on the right side", "DL": "on the left side"}
"""Second half of the DICOM patient position in words."""


def scan_character(
    image: Volume,
    labels: LabelMap | None = None,
    organs: OrganMap | None = None,
    *,
    given: str | None = None,
) -> ScanCharacter:
    """Say what kind of scan a CT is and calibrate its density.

    ``labels`` and ``organs`` lie on the grid of the CT; ``given`` is a calibration as typed (see
    :func:`endplate.imaging.calibrate.calibrate`). ``calibration_of(character.calibration)`` is the calibration.
    """
    seen = look(image, labels, organs)
    _, record = calibrate_seen(seen, given)
    scan, coarse = image.scan, seen.coarse
    couch, side = couch_ml(coarse)
    sizes, cut = coarse.fine_mm, cut_share(coarse)
    skin = skin_in_view(coarse)
    position, from_couch = _position(scan, side)
    items = (
        _contrast_item(seen, record),
        _voltage_item(seen, record),
        _calibration_item(record),
        _kernel_item(seen),
        _noise_item(seen),
        _slice_item(seen),
        _position_item(position, from_couch),
        _couch_item(couch),
        _view_item(cut, skin),
    )
    return ScanCharacter(
        contrast=seen.contrast,
        kvp=seen.kvp,
        kernel=seen.kernel,
        noise_hu=None if seen.noise_hu is None else round(seen.noise_hu, 2),
        slice_thickness_mm=scan.slice_thickness_mm,
        spacing_mm=(round(sizes[0], 4), round(sizes[1], 4), round(sizes[2], 4)),
        patient_position=position,
        couch_ml=None if couch is None else round(couch, 1),
        skin_in_view=skin,
        cut_share=round(cut, 4),
        calibration=record,
        items=items,
        findings=(*record.findings, *_findings(seen, cut, position)),
    )


def _position(scan: ScanInfo, couch_side: str) -> tuple[str | None, bool]:
    """How the patient lay, and whether the couch told it."""
    code = scan.patient_position
    if code is not None and code[2:] in POSITIONS:
        return POSITIONS[code[2:]], False
    if couch_side:
        return ("supine" if couch_side == "behind" else "prone"), True
    return None, False


def _contrast_item(seen: ScanLook, record: CalibrationRecord) -> ScanItem:
    contrast = seen.contrast
    blood = "no great vessel measured"
    if contrast.blood_hu is not None:
        blood = f"blood {contrast.blood_hu:.0f} HU ({contrast.blood_from})"
    tag = {True: "file: contrast given", False: "file: no contrast", None: "file: does not say"}[contrast.tag]
    if contrast.enhanced:
        effect = f"raises the HU of bone, by about {contrast.offset_hu:.0f} HU"
        taken = record.method != "line"
        done = (
            f"{contrast.offset_hu * record.slope:.0f} mg/cm³ taken off, interval widened; blood not used as reference"
            if taken
            else "the given line was kept, interval widened"
        )
    elif contrast.phase == "not_known":
        effect, done = "may raise the HU of bone by up to 20 HU", "nothing; say whether contrast was given"
    else:
        effect, done = "none", "nothing"
    return ScanItem(
        topic="Contrast medium",
        found=f"{PHASES[contrast.phase]}; {blood}; {tag}",
        effect=effect,
        done=done,
        severity="warning" if contrast.enhanced else "info",
        source="kaesmacher2017" if contrast.enhanced else "endplate",
    )


def _voltage_item(seen: ScanLook, record: CalibrationRecord) -> ScanItem:
    kvp = seen.kvp
    given = record.method in ("line", "phantom")
    if kvp is None:
        return ScanItem(
            topic="Tube voltage",
            found="not stated",
            effect="the slope from HU to density is known to ±25 % only",
            done="the given calibration was used" if given else "120 kVp assumed, interval widened",
            severity="info" if given else "warning",
            source="spekpy",
        )
    factor = voltage_factor(kvp)
    other = abs(kvp - float(value("calibration.reference_kvp"))) >= 1.0
    return ScanItem(
        topic="Tube voltage",
        found=f"{kvp:.0f} kVp",
        effect=f"bone mineral shows {factor:.2f} times its HU at 120 kVp" if other else "none",
        done="the given calibration was used"
        if given
        else "slope changed accordingly"
        if other
        else "nothing",
        source="spekpy",
    )


def _calibration_item(record: CalibrationRecord) -> ScanItem:
    line = f"{record.slope:.3f} mg/cm³ per HU, {record.intercept:+.1f} mg/cm³"
    how = {
        "line": "line given",
        "phantom": "rods of a phantom",
        "internal": "the scan's own tissues",
        "uncalibrated": "none: a usual slope",
    }[record.method]
    used = [TISSUES[r.tissue] + f" {r.mean_hu:.0f} HU" for r in record.references if r.used]
    left = [TISSUES[r.tissue] + f" ({r.why_not})" for r in record.references if not r.used]
    found = f"{how}: {line}"
    if record.method == "internal":
        found += "; found " + ", ".join(used)
        found += "; left out " + ", ".join(left) if left else ""
    return ScanItem(
        topic="Density calibration",
        found=found,
        effect=f"densities may be off by ±{100.0 * record.relative_interval:.0f} % "
        f"(at least ±{record.absolute_interval:.0f} mg/cm³), and all that is computed from them",
        done=" ".join(record.corrections) or "nothing",
        severity="warning" if record.method == "uncalibrated" else "info",
        source="michalski2020" if record.method == "internal" else "endplate",
    )


def _kernel_item(seen: ScanLook) -> ScanItem:
    kernel = seen.kernel
    name = "no name" if kernel.name is None else kernel.name
    texture = "noise not measured"
    if kernel.noise_frequency_lp_cm is not None:
        texture = f"noise at {kernel.noise_frequency_lp_cm:.1f} line pairs/cm"
    effects = value("kernel.sharp_effect")
    effect = {
        "sharp": f"stiffness {100 * effects['stiffness']:.0f} % and strength {100 * effects['strength']:.0f} % "
        "against a soft kernel; mean HU over a body hardly changes",
        "soft": "thin cortex is blurred",
        "standard": "none",
        "not_known": "not known",
    }[kernel.verdict]
    return ScanItem(
        topic="Kernel",
        found=f"{kernel.verdict.replace('_', ' ')} ({name}; {texture})",
        effect=effect,
        done="marked; a soft-tissue reconstruction is better" if kernel.verdict == "sharp" else "nothing",
        severity="warning" if kernel.verdict == "sharp" else "info",
        source="kernel-fe-2023" if kernel.verdict == "sharp" else "endplate",
    )


def _noise_item(seen: ScanLook) -> ScanItem:
    noise = seen.noise_hu
    if noise is None:
        return ScanItem(topic="Noise", found="not measured", effect="not known", done="nothing")
    high = noise > float(value("character.noise_hu"))
    return ScanItem(
        topic="Noise",
        found=f"{noise:.0f} HU in single voxels of soft tissue",
        effect="single voxels and thin walls are unsure" if high else "none on means over a body",
        done="marked" if high else "nothing",
        severity="warning" if high else "info",
    )


def _slice_item(seen: ScanLook) -> ScanItem:
    spacing, stated = seen.coarse.fine_mm, seen.image.scan.slice_thickness_mm
    thick = "thickness not stated" if stated is None else f"{stated:.2f} mm thick"
    effective = max(spacing[2], stated or 0.0)
    warn = effective > float(value("imaging.warn_slice_mm"))
    return ScanItem(
        topic="Slices",
        found=f"{spacing[2]:.2f} mm apart, {thick}; voxels {spacing[0]:.2f} × {spacing[1]:.2f} mm in the slice",
        effect=f"heights and walls are less certain by up to {0.5 * effective:.1f} mm" if warn else "none",
        done="marked" if warn else "nothing",
        severity="warning" if warn else "info",
    )


def _position_item(position: str | None, from_couch: bool) -> ScanItem:
    if position is None:
        return ScanItem(
            topic="Patient position",
            found="not stated, no couch in view",
            effect="the spine's curve depends on it",
            done="nothing",
        )
    return ScanItem(
        topic="Patient position",
        found=position + (" (by the couch; the file does not say)" if from_couch else ""),
        effect="none"
        if position == "supine"
        else "curve and height of mobile fractures differ from lying supine",
        done="nothing" if position == "supine" else "marked",
    )


def _couch_item(couch: float | None) -> ScanItem:
    if couch is None:
        found = "no air round the patient in view"
    elif couch >= float(value("character.couch_ml")):
        found = f"in view ({couch:.0f} ml)"
    else:
        found = "not in view"
    return ScanItem(topic="Couch", found=found, effect="none", done="kept apart from the patient")


def _view_item(cut: float, skin: bool) -> ScanItem:
    is_cut = cut > float(value("character.cut_share"))
    found = (
        f"the patient touches {100.0 * cut:.0f} % of the side faces" if is_cut else "the patient lies within"
    )
    found += "; skin of the back in view" if skin else "; skin of the back not in view"
    return ScanItem(
        topic="Field of view",
        found=found,
        effect="none" if skin else "needle depths from the skin cannot be given",
        done="nothing" if skin else "skin points are left empty",
    )


def _findings(seen: ScanLook, cut: float, position: str | None) -> list[Finding]:
    """Findings of kernel, noise, position and view; those of density stand in the calibration's record."""
    told, kernel = [], seen.kernel
    basis = f"named {kernel.name}" if kernel.by_name != "not_known" else "by the texture of its noise"
    if kernel.verdict == "sharp":
        effects = value("kernel.sharp_effect")
        told.append(
            finding(
                "kernel-sharp",
                basis=basis,
                stiffness=-100.0 * effects["stiffness"],
                strength=-100.0 * effects["strength"],
            )
        )
    elif kernel.verdict == "soft":
        told.append(finding("kernel-soft", basis=basis))
    if {kernel.by_name, kernel.by_texture} == {"soft", "sharp"}:
        told.append(
            finding("kernel-texture-differs", name=kernel.name, tag=kernel.by_name, texture=kernel.by_texture)
        )
    if seen.noise_hu is not None and seen.noise_hu > float(value("character.noise_hu")):
        told.append(finding("noisy-scan", noise=seen.noise_hu))
    if cut > float(value("character.cut_share")):
        told.append(finding("patient-cut", percent=100.0 * cut))
    if position is not None and position != "supine":
        told.append(finding("position-not-supine", position=position))
    return told
