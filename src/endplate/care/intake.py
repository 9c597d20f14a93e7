"""The case before the procedure: person, referral, medicines, laboratory values, consent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from endplate.care.base import Document, Level, Moment

YesNo = Literal["yes", "no", "unknown"]
Aetiology = Literal["osteoporotic", "neoplastic", "traumatic", "unknown"]
ProcedureType = Literal["vertebroplasty", "kyphoplasty"]
Anaesthesia = Literal["local", "local-sedation", "sedation", "general"]
Modality = Literal["MRI", "CT", "X-ray", "bone-scan", "SPECT-CT"]
Nrs = Annotated[int, Field(ge=0, le=10)]
"""Pain on the numeric rating scale, whole numbers 0–10."""


class Person(Document):
    """Who is treated. The name and number are printed on papers only; they never reach logs or exports by default."""

    age_years: int | None = Field(default=None, ge=0, le=120)
    sex: Literal["female", "male", "other", "unknown"] = "unknown"
    pregnancy: Literal["yes", "no", "unknown", "not-possible"] | None = None
    weight_kg: float | None = Field(default=None, gt=0, lt=400)
    name: str | None = Field(default=None, max_length=400)
    hospital_number: str | None = Field(default=None, max_length=80)
    language: str = "en"
    large_print: bool = False
    job: Literal["none", "sedentary", "light", "heavy"] | None = None
    lives_alone: bool | None = None
    baseline_walking: Literal["unaided", "stick", "frame", "wheelchair", "bed"] | None = None


class Imaging(Document):
    """One imaging study before the procedure; ``oedema_levels`` is ``None`` where it was not looked for."""

    modality: Modality
    date: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    fracture_levels: tuple[Level, ...] = ()
    oedema_levels: tuple[Level, ...] | None = None


class Tried(Document):
    """One measure tried before, with its length in days."""

    measure: Literal["analgesics", "opioids", "bed-rest", "brace", "physiotherapy", "other"]
    days: int = Field(ge=0)


class Attestation(Document):
    """A named clinician judges that the benefit is greater than the harm for this patient."""

    by_role: str = Field(min_length=1, max_length=80)
    by_id: str = Field(min_length=1, max_length=80)
    at: Moment


class Referral(Document):
    """What the referrer and the clinic found. ``None`` means not answered, never no."""

    levels: tuple[Level, ...] = ()
    """Levels asked for."""
    tender_levels: tuple[Level, ...] | None = None
    level_method: str | None = Field(default=None, max_length=400)
    """How levels were counted."""
    level_confirmed_by: tuple[str, ...] = ()
    """Ids of those who counted."""
    aetiology: Aetiology | None = None
    onset_date: str | None = Field(default=None, pattern=r"^\d{4}-\d{2}-\d{2}$")
    pain_nrs: Nrs | None = None
    pain_worsening: bool | None = None
    rmdq: int | None = Field(default=None, ge=0, le=24)
    in_hospital: bool | None = None
    tried: tuple[Tried, ...] | None = None
    goals: tuple[Literal["pain", "stability", "height"], ...] = ()
    declines: tuple[Literal["breathing", "walking", "eating", "sleeping"], ...] = ()
    """Functions in noticeable decline."""
    leg_weakness: YesNo | None = None
    saddle_numbness: YesNo | None = None
    bladder_bowel_change: YesNo | None = None
    spinal_cord_injury: YesNo | None = None
    infection: YesNo | None = None
    temperature_c: float | None = None
    canal_compromise: YesNo | None = None
    other_pain_source: YesNo | None = None
    multidisciplinary: bool | None = None
    bone_density_referred: bool | None = None
    osteoporosis_education: bool | None = None
    attestation: Attestation | None = None


class Allergy(Document):
    """One allergy asked for; ``alternative`` records what is used instead."""

    to: Literal["pmma", "contrast", "antiseptic", "antibiotic", "latex", "anaesthetic", "other"]
    present: YesNo
    alternative: str | None = Field(default=None, max_length=400)


class History(Document):
    """Conditions that decide about medicines and fasting. ``None`` means not answered."""

    coronary_stent_date: str | None = Field(default=None, pattern=r"^\d{4}-\d{2}-\d{2}$")
    cardiac: YesNo | None = None
    mechanical_valve: YesNo | None = None
    stroke_or_vte_date: str | None = Field(default=None, pattern=r"^\d{4}-\d{2}-\d{2}$")
    chronic_liver_disease: YesNo | None = None
    hypercapnic_failure: YesNo | None = None
    insulin: YesNo | None = None
    glp1: YesNo | None = None
    gastroparesis: YesNo | None = None
    antithrombotics_asked: bool | None = None
    allergies: tuple[Allergy, ...] | None = None


class Medicine(Document):
    """One medicine as listed."""

    name: str = Field(min_length=1, max_length=200)
    dose_mg: float | None = Field(default=None, gt=0)
    times: tuple[Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")], ...] = ()
    """Times of day on the wall's clock."""
    intent: Literal["prophylactic", "therapeutic"] | None = None
    loading_dose: bool = False
    chosen_last_dose: Moment | None = None
    """Date a clinician chose where the rule leaves a range."""
    stopped_by_self: bool = False
    taken_on_procedure_day: bool | None = None
    human_class: Literal["antithrombotic", "not-antithrombotic"] | None = None
    """A human's class for a name the table does not hold."""


class Lab(Document):
    """One laboratory value as typed; text is read by the locale's rules, never scaled."""

    test: Literal["inr", "platelets", "creatinine", "creatinine-clearance", "haemoglobin", "fibrinogen"]
    value: float | str
    unit: str | None = None
    taken: Moment
    confirmed: bool = False
    """A human confirmed an implausible value."""


class TeachBack(Document):
    """One question that the patient answered in own words; what was said is kept, not judged by the program."""

    question: str = Field(max_length=400)
    understood: bool
    answer: str | None = Field(default=None, max_length=2000)


class Consent(Document):
    """Consent as recorded."""

    at: Moment | None = None
    teach_back: tuple[TeachBack, ...] = ()
    alternatives_discussed: bool | None = None
    risks_discussed: bool | None = None


class Printed(Document):
    """A paper that was handed out, with the hash of the instructions it carried."""

    kind: Literal["leaflet", "consent", "discharge"]
    at: Moment
    procedure_start: Moment | None = None
    """Start of the procedure for which it was printed."""
    instructions_hash: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    consent_hash: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")


class ProcedurePlan(Document):
    """When and how; nothing here has a silent default."""

    start: Moment | None = None
    type: ProcedureType | None = None
    anaesthesia: Anaesthesia | None = None
    operator_role: str | None = Field(default=None, max_length=80)
    closure: Literal["strips", "sutures"] | None = None
    discharge_destination: Literal["home", "referring-hospital"] | None = None
    escort_arranged: bool | None = None
    collection_arranged: bool | None = None
    help_at_home_arranged: bool | None = None
