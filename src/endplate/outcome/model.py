"""What a treatment comes to: the frozen document of ``endplate treat``.

Every key is always there; what is not known is ``None``. Fractions are 0–1, places RAS mm.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from endplate.anatomy.model import Document, HeightTriple, Side
from endplate.balloon.model import HeightName, Pressure
from endplate.balloon.model import Step as InflationStep
from endplate.cement.model import ROUTES
from endplate.procedure.model import Sample
from endplate.sources import Finding

StageName = Literal["scan", "posture", "inflated", "deflated", "final"]


class HeightGain(Document):
    """Gain of the height that was lost most at the stages of a kyphoplasty, mm above the scan."""

    posture: float | None = None
    """By positioning alone: an input, not a prediction."""
    inflated: float | None = None
    """The greatest, with balloons inflated."""
    deflated: float | None = None
    final: float | None = None
    """With cement: it holds what deflation left, and lifts nothing."""


class HeightStage(Document):
    """The body's heights at one stage of a kyphoplasty."""

    name: StageName
    heights_mm: HeightTriple
    wedge_angle_deg: float | None


class BalloonOutcome(Document):
    """What the balloons of one level did."""

    volume_ml: float | None
    """Most that all of them held together."""
    peak_pressure_mpa: float | None
    cavity_ml: float | None
    height_gain_mm: HeightGain

    balloons: dict[Side, str] = Field(default_factory=dict)
    """Names in the catalogue."""
    volumes_ml: dict[Side, float] = Field(default_factory=dict)
    """Most that each held."""
    stopped: dict[Side, str] = Field(default_factory=dict)
    """Why each inflation ended."""
    pressure_band_mpa: Pressure | None = None
    """The greatest pressure by the law and by its bounds."""
    pressure_band: str = ""
    """What the law and its bounds are, in words."""
    gain_of: HeightName | None = None
    """Which height ``height_gain_mm`` is told of: the one that was lost most."""
    stages: tuple[HeightStage, ...] = ()
    """From the scan on, in their order."""
    expected_heights_mm: HeightTriple | None = None
    uncertainty_mm: HeightTriple | None = None
    """How sure the expectation is."""
    steps: tuple[InflationStep, ...] = ()
    """Volume, pressure, heights and distances to the walls after each step."""
    bone_mineral_error: float | None = None
    """|bone mineral after − before| / before, over the body."""


class Leaks(Document):
    """Cement outside the body by the route it took, mL."""

    basivertebral: float = 0.0
    segmental: float = 0.0
    cortical_anterior: float = 0.0
    cortical_lateral: float = 0.0
    cortical_posterior: float = 0.0
    disc_superior: float = 0.0
    disc_inferior: float = 0.0
    foramen: float = 0.0
    tract: float = 0.0

    @classmethod
    def of(cls, leaked_ml: tuple[float, ...]) -> Leaks:
        """From volumes in the order of :data:`endplate.cement.model.ROUTES`."""
        return cls(**dict(zip(ROUTES, (float(one) for one in leaked_ml), strict=True)))

    def as_tuple(self) -> tuple[float, ...]:
        """Volumes in the order of :data:`endplate.cement.model.ROUTES`."""
        return tuple(float(getattr(self, route)) for route in ROUTES)

    @property
    def total_ml(self) -> float:
        """All of it."""
        return sum(self.as_tuple())


class Touches(Document):
    """Which endplates the cement reaches."""

    superior: bool | None
    inferior: bool | None


class HeatRegion(Document):
    """How warm one structure became."""

    name: str
    peak_c: float
    mean_peak_c: float
    """Mean over its voxels of each voxel's greatest temperature."""
    cem43_min: float
    """Greatest thermal dose: minutes at 43 °C that do as much."""
    above_s: tuple[float, ...]
    """Longest time that any of its voxels spent above each of the thresholds."""
    voxels: int


class HeatOutcome(Document):
    """Warmth of the curing cement."""

    minutes: float
    """Simulated after the last cement."""
    thresholds_c: tuple[float, ...]
    regions: tuple[HeatRegion, ...]

    def find(self, name: str) -> HeatRegion | None:
        """One region; ``None`` where it was not looked at."""
        return next((one for one in self.regions if one.name == name), None)


class CementOutcome(Document):
    """Where the cement of one level went."""

    delivered_ml: float
    """Out of the syringe."""
    in_cannula_ml: float
    in_bone_ml: float
    in_cavity_ml: float
    marrow_displaced_ml: float
    mass_error: float
    """|delivered − cannula − bone − cavity − leaks| / delivered."""
    peak_pressure_mpa: float | None
    """Greatest pressure at the syringe."""
    fill_fraction: float | None
    """(Bone + cavity) over the volume of the body."""
    touches_endplates: bool | None
    """Cement reaches both endplates."""
    leaks_ml: Leaks
    in_canal_ml: float
    toward_lung_ml: float
    """Both are totals within the leaks."""
    peak_temperature_c: float | None
    stopped_because: str | None
    """Code of what ended the injection."""

    product: str | None = None
    """Name of the cement."""
    touches: Touches = Touches(superior=None, inferior=None)
    peak_nozzle_kpa: float | None = None
    posterior_wall_mm: float | None = None
    """Least distance of the cement in the body from the posterior wall."""
    stopped_text: str | None = None
    """What ended the injection, in plain words."""
    curve: tuple[Sample, ...] = ()
    """Pressure and volumes over time, portion by portion."""
    heat: HeatOutcome | None = None


class BandOutcome(Document):
    """5th, 50th and 95th percentile of one number over the runs of an ensemble that had it."""

    name: str
    """As in the cement's outcome; leaks by route as ``leaks_ml.ROUTE``."""
    unit: str
    low: float
    median: float
    high: float
    members: int


class BandSet(Document):
    """What an ensemble of treatments of one level comes to; bands of a model, never one patient's probability."""

    members: int
    failed: int
    """Runs that could not be done, left out of the bands."""
    seed: int
    voxel_mm: float
    varied: tuple[str, ...]
    """What was varied and how, in words."""
    bands: tuple[BandOutcome, ...]

    def find(self, name: str) -> BandOutcome | None:
        """One band; ``None`` where no run had the number."""
        return next((one for one in self.bands if one.name == name), None)


class StrengthOutcome(Document):
    """Stiffness and strength before and after."""

    before_n: float | None
    after_bonded_n: float | None
    after_derated_n: float | None
    intact_expectation_n: float | None
    stiffness_before_n_per_mm: float | None
    stiffness_after_n_per_mm: float | None
    """With the cement bonded."""

    stiffness_after_derated_n_per_mm: float | None = None
    intact_stiffness_n_per_mm: float | None = None
    intact_from: str | None = None
    """What the intact expectation rests on: neighbouring levels, or this level's own bone taken as whole."""
    broken_band_mm: float | None = None
    """Thickness of the band of broken bone that was assumed; ``None`` where the bone was taken as whole."""
    augmented_ml: float | None = None
    """Bone of the mechanical model whose pores are full of cement, struts and all."""
    quick: bool | None = None
    """Pressed to failure on coarse voxels in few steps."""


class LevelOutcome(Document):
    """One treated level."""

    level: str
    balloon: BalloonOutcome | None
    cement: CementOutcome | None
    """``None`` where no cement was given."""
    strength: StrengthOutcome
    bands: BandSet | None = None
    """Where an ensemble was asked for."""
    findings: tuple[Finding, ...] = ()


class TimelineEntry(Document):
    """A stretch of the procedure, or something that happened at one moment of it."""

    time_s: float
    """Since the skin was punctured."""
    until_s: float | None
    """End of a stretch; ``None`` of a moment."""
    what: str
    """Name of the stretch, or what happened in words."""
    level: str | None = None


class DoseOutcome(Document):
    """X-ray given: time, frames, air kerma at the reference point, area product."""

    seconds: float
    frames: int
    air_kerma_mgy: float
    area_product_gycm2: float


class SessionOutcome(Document):
    """The whole procedure."""

    timeline: tuple[TimelineEntry, ...]
    time_s: float | None
    dose: DoseOutcome | None


class Treatment(Document):
    """The document of ``endplate treat``."""

    schema_: Literal["endplate/outcome/1"] = Field(default="endplate/outcome/1", alias="schema")
    levels: tuple[LevelOutcome, ...]
    session: SessionOutcome
    findings: tuple[Finding, ...] = ()

    def find(self, level: str) -> LevelOutcome | None:
        """One level; ``None`` where it was not treated."""
        return next((one for one in self.levels if one.level == level), None)


def no_strength() -> StrengthOutcome:
    """Nothing is known of the strength."""
    return StrengthOutcome(
        before_n=None,
        after_bonded_n=None,
        after_derated_n=None,
        intact_expectation_n=None,
        stiffness_before_n_per_mm=None,
        stiffness_after_n_per_mm=None,
    )
