"""From the case and its evaluation to FHIR R4 resources."""

from __future__ import annotations

import datetime as dt
from typing import Any

from endplate.care.case import Case
from endplate.care.course import Observation
from endplate.care.fhir.ids import LOCAL, LOINC, UCUM, Maker, coded, local, vertebra
from endplate.care.model import Evaluation
from endplate.care.planview import PlanView
from endplate.care.times import iso, resolve, zone
from endplate.sources import value

SEVERITY = {"critical": "high", "warning": "moderate", "info": "low"}
SCORE_CODES = {"NEWS2": "news2", "Aldrete": "aldrete-modified", "PADSS": "padss", "RMDQ": "rmdq"}


class Mapping:
    """Maps one evaluated case; ``resources`` gives all of it in a fixed order."""

    def __init__(self, case: Case, plan: PlanView, found: Evaluation) -> None:
        self.case, self.plan, self.found = case, plan, found
        self.make = Maker(case.case_id)
        self.zone = zone(case.time_zone)

    def resources(self) -> list[dict[str, Any]]:
        """All resources."""
        self._patient()
        self._conditions()
        self._imaging()
        self._medicines()
        self._labs()
        self._request()
        self._consent()
        self._issues()
        self._risks()
        self._care_plan()
        self._procedure()
        self._observations()
        self._scores()
        self._follow_up()
        return self.make.resources

    def _at(self, text: str) -> str:
        """A moment with seconds and offset, as FHIR wants it."""
        moment = resolve(text, self.zone)
        return moment.isoformat(timespec="seconds")

    def _stamp(self, text: str) -> str:
        return dt.datetime.fromisoformat(text).isoformat(timespec="seconds")

    def _patient(self) -> None:
        sex = self.case.person.sex
        self.make.add(
            "Patient",
            "patient",
            identifier=[{"system": f"{LOCAL}:case", "value": self.case.case_id}],
            gender=sex,
        )

    def _conditions(self) -> None:
        referral = self.case.referral
        for level in referral.levels or self.plan.names:
            self.make.add(
                "Condition",
                f"fracture-{level}",
                clinicalStatus=coded(
                    "http://terminology.hl7.org/CodeSystem/condition-clinical", "active", "Active"
                ),
                code=local(
                    f"vertebral-fracture-{referral.aetiology or 'unknown'}",
                    f"Vertebral fracture, {referral.aetiology or 'cause unknown'}",
                ),
                bodySite=[vertebra(level)],
                subject=self.make.patient,
                onsetDateTime=referral.onset_date,
            )

    def _imaging(self) -> None:
        for index, study in enumerate(self.case.imaging):
            self.make.add(
                "Observation",
                f"imaging-{index}",
                status="final",
                code=local("fracture-on-imaging", f"Fracture seen on {study.modality}"),
                subject=self.make.patient,
                effectiveDateTime=study.date,
                valueString=", ".join(study.fracture_levels) or "none",
                component=[
                    {"code": local("oedema-levels"), "valueString": ", ".join(study.oedema_levels) or "none"}
                ]
                if study.oedema_levels is not None
                else None,
            )

    def _medicines(self) -> None:
        for index, medicine in enumerate(self.case.medicines or ()):
            timing = {
                "repeat": {
                    "timeOfDay": [f"{time}:00" for time in medicine.times],
                    "period": 1,
                    "periodUnit": "d",
                }
            }
            dosage: dict[str, Any] = {"timing": timing} if medicine.times else {}
            if medicine.times:
                timing["repeat"]["frequency"] = 1
            if medicine.dose_mg is not None:
                dosage["doseAndRate"] = [
                    {
                        "doseQuantity": {
                            "value": medicine.dose_mg,
                            "unit": "mg",
                            "system": UCUM,
                            "code": "mg",
                        }
                    }
                ]
            self.make.add(
                "MedicationStatement",
                f"medicine-{index}",
                status="active",
                medicationCodeableConcept={"text": medicine.name},
                subject=self.make.patient,
                dosage=[dosage] if dosage else None,
            )

    def _labs(self) -> None:
        codes = value("care.laboratory_codes")
        for index, lab in enumerate(self.case.labs):
            entry = codes.get(lab.test)
            number = _as_number(lab.value)
            if entry is None or number is None or not entry["low"] <= number <= entry["high"]:
                self.make.add(
                    "Observation",
                    f"lab-{index}",
                    status="preliminary",
                    code=local(lab.test) if entry is None else coded(LOINC, entry["code"], entry["words"]),
                    subject=self.make.patient,
                    effectiveDateTime=self._at(lab.taken),
                    dataAbsentReason=local("not-judged", "The value was not plausible or has no code here"),
                )
                continue
            self.make.add(
                "Observation",
                f"lab-{index}",
                status="final",
                category=[_category("laboratory")],
                code=coded(LOINC, entry["code"], entry["words"]),
                subject=self.make.patient,
                effectiveDateTime=self._at(lab.taken),
                valueQuantity=_quantity(number, entry["unit"]),
            )

    def _request(self) -> None:
        self.make.add(
            "ServiceRequest",
            "augmentation",
            status="active",
            intent="plan",
            code=local(self.case.procedure.type or "vertebral-augmentation"),
            subject=self.make.patient,
            occurrenceDateTime=None
            if self.case.procedure.start is None
            else self._at(self.case.procedure.start),
            bodySite=[vertebra(level) for level in self.plan.names],
            identifier=[{"system": f"{LOCAL}:plan", "value": self.found.plan_hash}],
        )
        if self.found.card("care-bone-task") is not None:
            self.make.add(
                "ServiceRequest",
                "bone-density",
                status="draft",
                intent="proposal",
                code=local("bone-density", "Bone density and osteoporosis education"),
                subject=self.make.patient,
            )

    def _consent(self) -> None:
        consent = self.case.consent
        if consent.at is None:
            return
        self.make.add(
            "Consent",
            "consent",
            status="active",
            scope=coded("http://terminology.hl7.org/CodeSystem/consentscope", "treatment", "Treatment"),
            category=[local("vertebral-augmentation")],
            patient=self.make.patient,
            dateTime=self._at(consent.at),
            policyRule=local(f"consent-{self.found.consent_hash[:16]}", f"Page {self.found.consent_hash}"),
        )

    def _issues(self) -> None:
        for card in self.found.cards:
            mitigation = None
            if card.override is not None and card.override_state == "accepted":
                mitigation = [
                    {
                        "action": local("overridden", "Overridden by a clinician"),
                        "date": self._at(card.override.at),
                    }
                ]
            self.make.add(
                "DetectedIssue",
                card.id,
                status="final",
                code=local(card.id.partition(":")[0]),
                severity=SEVERITY[card.indicator],
                patient=self.make.patient,
                detail=f"{card.summary} {card.detail}".strip(),
                mitigation=mitigation,
            )

    def _risks(self) -> None:
        for risk in self.found.risks:
            for index, number in enumerate(risk.numbers):
                self.make.add(
                    "RiskAssessment",
                    f"{risk.id}-{index}",
                    status="final",
                    subject=self.make.patient,
                    code=local(risk.id, risk.name),
                    prediction=[
                        {
                            "outcome": {"text": number.what},
                            "probabilityDecimal": number.per_1000 / 1000,
                            "rationale": f"{number.population}; {number.time_frame}; {number.source}",
                        }
                    ],
                )

    def _care_plan(self) -> None:
        activities = []
        for entry in self.found.timeline:
            key = "scheduledPeriod"
            start, until = self._stamp(entry.at), None if entry.until is None else self._stamp(entry.until)
            period = (
                {"end": start}
                if entry.bound == "not-after"
                else {"start": start, **({} if until is None else {"end": until})}
            )
            activities.append(
                {
                    "detail": {
                        "code": local(entry.what),
                        "status": "scheduled",
                        key: period,
                        "description": entry.text,
                    }
                }
            )
        if activities:
            self.make.add(
                "CarePlan",
                "care-plan",
                status="active",
                intent="plan",
                subject=self.make.patient,
                title=f"Pathway by pack {self.found.pack['id']} {self.found.pack['version']}",
                activity=activities,
            )

    def _procedure(self) -> None:
        record = self.case.record
        if record is None or record.start is None:
            return
        devices = []
        for index, used in enumerate(record.devices):
            device = self.make.add(
                "Device",
                f"device-{index}",
                udiCarrier=None if used.udi is None else [{"carrierHRF": used.udi}],
                manufacturer=used.maker,
                lotNumber=used.lot,
                expirationDate=used.expiry,
                modelNumber=used.model,
                deviceName=None if used.name is None else [{"name": used.name, "type": "user-friendly-name"}],
                type=local(used.kind),
            )
            devices.append(device)
            self.make.add(
                "DeviceUseStatement",
                f"device-use-{index}",
                status="completed",
                subject=self.make.patient,
                device=device,
                timingDateTime=self._at(record.start),
                bodySite=None if used.level is None else vertebra(used.level),
            )
        notes = [
            {"text": f"{one.level} {one.side}: cement {one.cement_ml:g} ml"}
            for one in record.delivered
            if one.cement_ml is not None
        ]
        self.make.add(
            "Procedure",
            "procedure",
            status="completed" if record.end is not None else "in-progress",
            code=local(self.case.procedure.type or "vertebral-augmentation"),
            subject=self.make.patient,
            performedPeriod={
                "start": self._at(record.start),
                **({} if record.end is None else {"end": self._at(record.end)}),
            },
            bodySite=[vertebra(level) for level in record.levels_treated],
            focalDevice=[{"manipulated": device} for device in devices],
            complication=[
                local(f"leak-{leak.route}", f"Cement at {leak.level}, {leak.route}")
                for leak in record.leaks or ()
            ],
            note=notes,
        )

    def _observations(self) -> None:
        recovery = self.case.recovery
        for index, seen in enumerate(() if recovery is None else recovery.observations):
            self._observation(index, seen)

    def _observation(self, index: int, seen: Observation) -> None:
        for name, entry in value("care.observation_codes").items():
            number = getattr(seen, name)
            if number is None:
                continue
            plausible = entry["low"] <= number <= entry["high"]
            self.make.add(
                "Observation",
                f"vital-{index}-{name}",
                status="final" if plausible else "preliminary",
                category=[_category("survey" if name == "pain_nrs" else "vital-signs")],
                code=coded(LOINC, entry["code"], entry["words"]),
                subject=self.make.patient,
                effectiveDateTime=self._at(seen.item_times.get(name, seen.at)),
                valueQuantity=_quantity(number, entry["unit"]) if plausible else None,
                dataAbsentReason=None
                if plausible
                else local("not-plausible", "Typed value is not plausible; see the case"),
            )
        for name in ("left_leg", "right_leg", "saddle_sensation"):
            state = getattr(seen, name)
            if state is not None:
                self.make.add(
                    "Observation",
                    f"neuro-{index}-{name}",
                    status="final",
                    category=[_category("exam")],
                    code=local(name.replace("_", "-")),
                    subject=self.make.patient,
                    effectiveDateTime=self._at(seen.item_times.get(name, seen.at)),
                    valueCodeableConcept=local(state),
                )

    def _scores(self) -> None:
        for index, score in enumerate(self.found.scores):
            self.make.add(
                "Observation",
                f"score-{index}",
                status="final" if score.total is not None else "preliminary",
                category=[_category("survey")],
                code=local(SCORE_CODES[score.name], f"{score.name} ({score.variant})"),
                subject=self.make.patient,
                effectiveDateTime=self._stamp(score.at),
                valueInteger=score.total,
                dataAbsentReason=None
                if score.total is not None
                else local("incomplete", "Items are missing"),
            )

    def _follow_up(self) -> None:
        reviews = () if self.case.follow_up is None else self.case.follow_up.reviews
        for index, review in enumerate(reviews):
            for fracture in review.new_fractures:
                key = f"{index}-{fracture.level}"
                condition = self.make.add(
                    "Condition",
                    f"new-fracture-{key}",
                    clinicalStatus=coded(
                        "http://terminology.hl7.org/CodeSystem/condition-clinical", "active", "Active"
                    ),
                    code=local(
                        f"vertebral-fracture-{fracture.shape}", f"New vertebral fracture, {fracture.shape}"
                    ),
                    bodySite=[vertebra(fracture.level)],
                    subject=self.make.patient,
                    recordedDate=fracture.seen_on,
                )
                self.make.add(
                    "AdverseEvent",
                    f"new-fracture-{key}",
                    actuality="actual",
                    event=local("new-vertebral-fracture", "New vertebral fracture"),
                    subject=self.make.patient,
                    date=fracture.seen_on,
                    resultingCondition=[condition],
                )
                self.make.add(
                    "ServiceRequest",
                    f"bone-treatment-{key}",
                    status="draft",
                    intent="proposal",
                    code=local("bone-treatment", "Review the treatment of osteoporosis"),
                    subject=self.make.patient,
                    reasonReference=[condition],
                )
        for index, entry in enumerate(self.found.timeline):
            if entry.what.startswith("followup."):
                self.make.add(
                    "Appointment",
                    f"{entry.what}-{index}",
                    status="proposed",
                    description=entry.text,
                    requestedPeriod=[
                        {
                            "start": self._stamp(entry.at),
                            **({} if entry.until is None else {"end": self._stamp(entry.until)}),
                        }
                    ],
                    participant=[{"actor": self.make.patient, "status": "needs-action"}],
                )


def _category(code: str) -> dict[str, Any]:
    return coded("http://terminology.hl7.org/CodeSystem/observation-category", code, code)


def _quantity(number: float, unit: str) -> dict[str, Any]:
    return {"value": number, "unit": unit, "system": UCUM, "code": unit}


def _as_number(raw: float | str) -> float | None:
    try:
        return float(raw)
    except ValueError:
        return None


def stamp(found: Evaluation, case: Case) -> str | None:
    """The bundle's time: the moment the case was judged for, never the clock of the machine."""
    if found.as_of is not None:
        return dt.datetime.fromisoformat(found.as_of).isoformat(timespec="seconds")
    return None if case.as_of is None else iso(resolve(case.as_of, zone(case.time_zone)))
