"""The case from the procedure on: the record, observations, discharge, warning signs, follow-up, overrides."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from endplate.care.base import Document, Level, Moment
from endplate.care.intake import YesNo

LegState = Literal["as-before", "worse", "not-tested"]
Items = Literal["news2", "leg_neuro", "pain", "blood_pressure", "pulse", "vitals"]


class DeviceUse(Document):
    """One implant or tool as used; ``udi`` is the carrier text as scanned or typed."""

    kind: Literal["cement", "balloon", "needle", "stent", "other"]
    name: str | None = Field(default=None, max_length=200)
    model: str | None = Field(default=None, max_length=200)
    maker: str | None = Field(default=None, max_length=200)
    udi: str | None = Field(default=None, max_length=300)
    lot: str | None = Field(default=None, max_length=80)
    expiry: str | None = Field(default=None, pattern=r"^\d{4}-\d{2}-\d{2}$")
    level: Level | None = None


class Delivered(Document):
    """Cement and balloon through one needle."""

    level: Level
    side: Literal["left", "right"]
    cement_ml: float | None = Field(default=None, ge=0, le=30)
    balloon_ml: float | None = Field(default=None, ge=0, le=30)
    balloon_pressure_mpa: float | None = Field(default=None, ge=0, le=10)
    balloon_limit_mpa: float | None = Field(default=None, gt=0, le=10)
    """From the instructions of the device in hand; the plan's value where not given."""


class Leak(Document):
    """Where cement was seen outside the body."""

    level: Level
    route: Literal[
        "canal",
        "cortical-posterior",
        "cortical-anterior",
        "cortical-lateral",
        "basivertebral",
        "segmental-vein",
        "disc",
        "foramen",
        "tract",
        "distant",
    ]


class ProcedureRecord(Document):
    """What was done."""

    start: Moment | None = None
    end: Moment | None = None
    sedation_end: Moment | None = None
    """End of sedation or anaesthesia; the end of the procedure where not given and none was used."""
    levels_treated: tuple[Level, ...] = ()
    devices: tuple[DeviceUse, ...] = ()
    delivered: tuple[Delivered, ...] = ()
    leaks: tuple[Leak, ...] | None = None
    haematoma: YesNo | None = None
    antibiotic_given: YesNo | None = None
    antibiotic: str | None = Field(default=None, max_length=120)
    dose_report: bool | None = None
    complications: tuple[str, ...] = ()


class Observation(Document):
    """One set of observations; a missing item stays missing. ``item_times`` where an item was taken at another time."""

    at: Moment
    respiration_per_min: float | None = None
    spo2_percent: float | None = None
    spo2_scale: Literal[1, 2] = 1
    scale2_prescriber: str | None = Field(default=None, max_length=80)
    oxygen: bool | None = None
    systolic_mmhg: float | None = None
    diastolic_mmhg: float | None = None
    pulse_per_min: float | None = None
    consciousness: Literal["A", "C", "V", "P", "U"] | None = None
    temperature_c: float | None = None
    left_leg: LegState | None = None
    right_leg: LegState | None = None
    saddle_sensation: LegState | None = None
    pain_nrs: int | None = Field(default=None, ge=0, le=10)
    confirmed: tuple[str, ...] = ()
    """Items whose implausible value a human confirmed."""
    item_times: dict[str, Moment] = Field(default_factory=dict)


class Aldrete(Document):
    """Items of the modified Aldrete score; ``None`` is not scored."""

    at: Moment
    limbs_moved: Literal[0, 2, 4] | None = None
    breathing: Literal["deep-and-cough", "shallow", "apnoea"] | None = None
    systolic_mmhg: float | None = Field(default=None, gt=0, lt=350)
    consciousness: Literal["awake", "rousable", "none"] | None = None
    spo2_percent: float | None = Field(default=None, ge=0, le=100)
    oxygen: bool | None = None


class Padss(Document):
    """Items of the post-anaesthetic discharge score; ``None`` is not scored."""

    at: Moment
    systolic_mmhg: float | None = Field(default=None, gt=0, lt=350)
    pulse_per_min: float | None = Field(default=None, gt=0, lt=300)
    oriented: bool | None = None
    walking: Literal["steady", "with-help", "unable", "as-before"] | None = None
    nausea: Literal["minimal", "moderate", "severe"] | None = None
    pain_nrs: int | None = Field(default=None, ge=0, le=10)
    bleeding: Literal["minimal", "moderate", "severe"] | None = None
    drank: bool | None = None
    voided: bool | None = None


class Escort(Document):
    """Who takes the patient home and stays."""

    kind: Literal["responsible-adult", "taxi-driver", "none"]
    stays_overnight: bool | None = None
    carer_at_home: bool | None = None


class Prescribed(Document):
    """One medicine to take home."""

    name: str = Field(min_length=1, max_length=200)
    opioid: bool = False
    last_dose: Moment | None = None
    stop_date: str | None = Field(default=None, pattern=r"^\d{4}-\d{2}-\d{2}$")


class SickNote(Document):
    """A sick note asked for."""

    requested: bool = False
    days: int | None = Field(default=None, ge=1, le=365)


class Recovery(Document):
    """The recovery room and ward."""

    baseline_pain_nrs: int | None = Field(default=None, ge=0, le=10)
    baseline_systolic_mmhg: float | None = Field(default=None, gt=0, lt=350)
    baseline_pulse_per_min: float | None = Field(default=None, gt=0, lt=300)
    observations: tuple[Observation, ...] = ()
    aldrete: tuple[Aldrete, ...] = ()
    padss: tuple[Padss, ...] = ()
    escort: Escort | None = None
    voided: bool | None = None
    specialist_checked: bool | None = None
    patient_agrees: bool | None = None
    nurse_agrees: bool | None = None
    medicines_home: tuple[Prescribed, ...] | None = None
    sick_note: SickNote = SickNote()
    brace_prescribed: bool = False
    first_out_of_bed: Moment | None = None


class RedFlagForm(Document):
    """Answers to the fixed questions; a question without an answer is absent. Free text is never read by a rule."""

    submitted: Moment
    complete: bool
    answered_by: Literal["patient", "carer", "staff"]
    language: str
    answers: dict[str, bool] = Field(default_factory=dict)
    temperature_c: float | None = None
    pain_nrs: int | None = Field(default=None, ge=0, le=10)


class Kyphosis(Document):
    """One angle measured after the procedure, beside what was planned."""

    level: Level
    planned_deg: float | None = None
    achieved_deg: float | None = None
    planned_height_mm: float | None = None
    achieved_height_mm: float | None = None
    error_deg: float | None = Field(default=None, gt=0)
    """Error of the measurement, half width."""
    error_mm: float | None = Field(default=None, gt=0)


class NewFracture(Document):
    """A fracture not there before."""

    level: Level
    shape: Literal["wedge", "biconcave", "crush", "unknown"] = "unknown"
    seen_on: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")


class Review(Document):
    """One follow-up contact."""

    at: Moment
    kind: Literal["call", "visit", "questionnaire"]
    pain: float | None = None
    pain_scale: Literal["NRS", "VAS-100"] | None = None
    pain_movement_nrs: int | None = Field(default=None, ge=0, le=10)
    rmdq_yes: int | None = Field(default=None, ge=0, le=24)
    rmdq_answered: int | None = Field(default=None, ge=0, le=24)
    analgesic_step: Literal[0, 1, 2, 3] | None = None
    walking_m: float | None = Field(default=None, ge=0)
    same_decision_again: YesNo | None = None
    angles: tuple[Kyphosis, ...] = ()
    new_fractures: tuple[NewFracture, ...] = ()
    implant_card_given: bool | None = None


class FollowUp(Document):
    """After going home."""

    reviews: tuple[Review, ...] = ()
    unanswered: tuple[Moment, ...] = ()
    """Attempts to reach the patient without a reply."""
    ended: Literal["died", "withdrew"] | None = None


class Override(Document):
    """A clinician goes on against a card, with role and reason."""

    card_id: str = Field(min_length=1, max_length=200)
    by_role: str = Field(min_length=1, max_length=80)
    by_id: str = Field(min_length=1, max_length=80)
    reason: str = Field(min_length=1, max_length=2000)
    at: Moment
    alternative: str | None = Field(default=None, max_length=400)
