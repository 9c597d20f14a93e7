"""Documents that say what kind of scan it is and how its density was calibrated."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from endplate.sources import Finding, Severity

Method = Literal["line", "phantom", "internal", "uncalibrated"]
Phase = Literal["none", "portal_venous", "arterial", "unknown_phase", "not_known"]
Sharpness = Literal["soft", "standard", "sharp", "not_known"]


class ScanDocument(BaseModel):
    """Base of the documents of a scan: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class ReferenceRecord(ScanDocument):
    """One reference tissue as found in the scan."""

    tissue: str
    """``air``, ``adipose``, ``muscle``, ``blood`` or ``cortical_bone``."""
    mean_hu: float
    """Robust mean: the median."""
    sd_hu: float
    voxels: int
    volume_ml: float
    where: str
    used: bool = True
    expected_hu: float | None = None
    """At this tube voltage on a true scanner; ``None`` where it is not used for the HU scale."""
    why_not: str = ""


class PublishedFit(ScanDocument):
    """The internal calibration as published: mass attenuation against HU at the energy that fits best."""

    energy_kev: float
    r_squared: float
    attenuation_slope: float
    """cm²/g per HU."""
    attenuation_intercept: float
    mass_density_slope: float
    """g/cm³ per HU."""
    mass_density_intercept: float
    mass_attenuation_cm2_g: dict[str, float]
    """Tissues, K2HPO4, CHA, triglyceride and water at that energy."""
    line_slope: float
    """The per-voxel density (K2HPO4 in fat) written as a line, mg/cm³ per HU."""
    line_intercept: float
    accepted: bool
    """The fit is good enough and its energy one that a CT can have."""


class ContrastRecord(ScanDocument):
    """Contrast medium in the scan."""

    phase: Phase
    blood_hu: float | None = None
    blood_from: str = ""
    tag: bool | None = None
    """What the file says; ``None`` where it does not."""
    offset_hu: float = 0.0
    """HU taken off bone."""

    @property
    def enhanced(self) -> bool:
        """Contrast was given."""
        return self.phase in ("portal_venous", "arterial", "unknown_phase")


class KernelRecord(ScanDocument):
    """Sharpness of the reconstruction."""

    verdict: Sharpness
    name: str | None = None
    by_name: Sharpness = "not_known"
    by_texture: Sharpness = "not_known"
    noise_frequency_lp_cm: float | None = None
    patches: int = 0


class CalibrationRecord(ScanDocument):
    """How HU became density: vBMD = slope · HU + intercept, mg/cm³ (K2HPO4 equivalent)."""

    method: Method
    slope: float
    intercept: float
    relative_interval: float
    absolute_interval: float
    kvp: float | None = None
    kvp_stated: bool = False
    r_squared: float | None = None
    """Of the rods' line, or of the published internal fit."""
    effective_energy_kev: float | None = None
    """Energy that the slope was computed for."""
    hu_scale: float = 1.0
    hu_offset: float = 0.0
    """The scanner shows scale · true HU + offset, by the references."""
    contrast_phase: Phase = "not_known"
    kernel: Sharpness = "not_known"
    references: tuple[ReferenceRecord, ...] = ()
    published_fit: PublishedFit | None = None
    corrections: tuple[str, ...] = ()
    """What was done to slope, intercept and interval, one sentence each."""
    findings: tuple[Finding, ...] = ()


class ScanItem(ScanDocument):
    """One row of the quality page."""

    topic: str
    found: str
    effect: str
    """What it does to which number."""
    done: str
    severity: Severity = "info"
    source: str = "endplate"


class ScanCharacter(ScanDocument):
    """What kind of scan it is; the quality page prints its items."""

    schema_: Literal["endplate/scan-quality/1"] = Field(default="endplate/scan-quality/1", alias="schema")
    contrast: ContrastRecord
    kvp: float | None = None
    kernel: KernelRecord
    noise_hu: float | None = None
    """Standard deviation in muscle (fat where there is none), single voxels."""
    slice_thickness_mm: float | None = None
    spacing_mm: tuple[float, float, float]
    """Voxel sizes along right–left, front–back, head–foot."""
    patient_position: str | None = None
    couch_ml: float | None = None
    """Volume of solid things outside the patient; ``None`` where no air round the patient is in view."""
    skin_in_view: bool = False
    """The skin of the back is in view behind the labels."""
    cut_share: float = 0.0
    """Share of the side faces of the field of view that the patient touches."""
    calibration: CalibrationRecord
    items: tuple[ScanItem, ...]
    findings: tuple[Finding, ...] = ()
