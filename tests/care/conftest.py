"""A typical case (a person made up for the tests), its plan, and a site's pack."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from endplate.care.case import parse_case
from endplate.care.evaluate import evaluate
from endplate.care.model import Evaluation
from endplate.care.pack import Pack, load_pack
from endplate.care.planview import parse_plan

TYPICAL: dict[str, Any] = {
    "case_id": "case-001",
    "time_zone": "Europe/London",
    "as_of": "2026-12-05T12:00",
    "person": {
        "age_years": 76,
        "sex": "female",
        "weight_kg": 58,
        "pregnancy": "not-possible",
        "job": "none",
        "lives_alone": True,
        "baseline_walking": "stick",
    },
    "referral": {
        "levels": ["L1"],
        "tender_levels": ["L1"],
        "level_method": "counted up from the sacrum",
        "aetiology": "osteoporotic",
        "onset_date": "2026-11-14",
        "pain_nrs": 8,
        "in_hospital": False,
        "tried": [{"measure": "analgesics", "days": 14}],
        "goals": ["pain", "stability"],
        "leg_weakness": "no",
        "saddle_numbness": "no",
        "bladder_bowel_change": "no",
        "infection": "no",
        "temperature_c": 36.8,
        "attestation": {"by_role": "radiologist", "by_id": "doc-7", "at": "2026-12-01T10:00"},
    },
    "imaging": [
        {"modality": "MRI", "date": "2026-11-30", "fracture_levels": ["L1"], "oedema_levels": ["L1"]},
        {"modality": "CT", "date": "2026-12-01", "fracture_levels": ["L1"]},
    ],
    "history": {
        "cardiac": "no",
        "mechanical_valve": "no",
        "chronic_liver_disease": "no",
        "hypercapnic_failure": "no",
        "insulin": "no",
        "glp1": "no",
        "gastroparesis": "no",
        "antithrombotics_asked": True,
        "allergies": [
            {"to": "pmma", "present": "no"},
            {"to": "contrast", "present": "no"},
            {"to": "antiseptic", "present": "no"},
        ],
    },
    "medicines": [],
    "labs": [
        {"test": "inr", "value": 1.1, "unit": "1", "taken": "2026-12-05T09:00"},
        {"test": "platelets", "value": 210, "unit": "10^9/L", "taken": "2026-12-05T09:00"},
        {"test": "haemoglobin", "value": 128, "unit": "g/L", "taken": "2026-12-05T09:00"},
    ],
    "procedure": {
        "start": "2026-12-07T09:00",
        "type": "kyphoplasty",
        "anaesthesia": "sedation",
        "operator_role": "radiologist",
        "closure": "strips",
        "discharge_destination": "home",
        "escort_arranged": True,
        "collection_arranged": True,
        "help_at_home_arranged": True,
    },
    "consent": {"alternatives_discussed": True, "risks_discussed": True},
}

PLAN: dict[str, Any] = {
    "schema": "endplate/plan/1",
    "plans": [
        {
            "level": "L1",
            "technique": "balloon kyphoplasty",
            "access": "bipedicular",
            "refused": None,
            "paths": [{"side": "left"}, {"side": "right"}],
            "cement": {"volume_ml": 4.8, "per_needle_ml": [2.4, 2.4], "cap_ml": 6.0},
            "balloon": {"rated_pressure_mpa": 2.76, "max_volume_ml": 4.0},
            "warnings": [
                {
                    "code": "plan-confirm-level",
                    "severity": "critical",
                    "level": "L1",
                    "text": "",
                    "source": "endplate",
                }
            ],
        }
    ],
    "session": {"cement_total_ml": 4.8, "warnings": []},
}

SITE_HEAD = """\
pack:
  id: example-hospital
  version: 1.2.0
  kind: site
  extends: {extends}
  jurisdiction: GB
  language: en
  grace: P30D
  review: {{by: role/lead-clinician, on: 2026-11-20, expires: 2027-11-20}}
parameters:
"""

SITE: dict[str, str] = {
    "driving.no_drive": "{value: 48 h, source: [{kind: leaflet, ref: leaflet-004}]}",
    "driving.opioid_gap": "{value: P1D, source: [{kind: local, ref: drugs committee}]}",
    "stay.nights": "{value: few-hours, source: [{kind: leaflet, ref: leaflet-004}]}",
    "anaesthesia.offered": "{value: [sedation, general], source: [{kind: leaflet, ref: leaflet-001}]}",
    "closure": "{value: strips, source: [{kind: leaflet, ref: leaflet-002}]}",
    "operator.role": "{value: radiologist, source: [{kind: leaflet, ref: leaflet-001}]}",
    "antithrombotic.aspirin": "{value: withhold-3-5-days, source: [{kind: guideline, ref: sir2019-transcription}]}",
    "work.sedentary": "{value: P3D, source: [{kind: leaflet, ref: leaflet-004}]}",
    "emergency.number": "{value: '999', source: [{kind: local, ref: switchboard}]}",
    "after_hours.phone": "{value: '020 7946 0123', source: [{kind: local, ref: switchboard}]}",
    "office.phone": "{value: '020 7946 0100', source: [{kind: local, ref: switchboard}]}",
    "office.hours": "{value: 08:00-17:00, source: [{kind: local, ref: switchboard}]}",
}


def merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """A copy with a change put in: tables entry by entry, everything else as a whole."""
    made = copy.deepcopy(base)
    for key, value in change.items():
        if isinstance(value, dict) and isinstance(made.get(key), dict):
            made[key] = merged(made[key], value)
        else:
            made[key] = copy.deepcopy(value)
    return made


class Workbench:
    """Makes cases, plans and packs that differ from the typical ones in what a test names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def case_json(self, **change: Any) -> dict[str, Any]:
        return merged(TYPICAL, change)

    def plan_json(self, **change: Any) -> dict[str, Any]:
        return merged(PLAN, change)

    def plan_for(self, *levels: str, **level_change: Any) -> dict[str, Any]:
        plans = [merged(PLAN["plans"][0], {"level": level, **level_change}) for level in levels]
        total = sum(plan["cement"]["volume_ml"] for plan in plans)
        return {**copy.deepcopy(PLAN), "plans": plans, "session": {"cement_total_ml": total, "warnings": []}}

    def pack_text(self, *, extends: str = "safest", extra: str = "", **change: str | None) -> str:
        """``a__b`` stands for the parameter ``a.b``; ``None`` leaves it out."""
        values = {**SITE, **{key.replace("__", "."): text for key, text in change.items()}}
        lines = [f"  {key}: {text}\n" for key, text in values.items() if text is not None]
        return SITE_HEAD.format(extends=extends) + "".join(lines) + extra

    def pack(self, **change: Any) -> Pack:
        path = self.folder / "pack.yaml"
        path.write_text(self.pack_text(**change), "utf-8")
        return load_pack(path)

    def load(self, text: str, name: str = "pack") -> Pack:
        path = self.folder / f"{name}.yaml"
        path.write_text(text, "utf-8")
        return load_pack(path)

    def evaluate(
        self,
        *,
        plan: dict[str, Any] | None = None,
        pack: Pack | None = None,
        now: dt.datetime | None = None,
        **change: Any,
    ) -> Evaluation:
        return evaluate(
            parse_case(self.case_json(**change)),
            parse_plan(PLAN if plan is None else plan),
            self.pack() if pack is None else pack,
            now=now,
        )


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return Workbench(tmp_path)


@pytest.fixture(scope="session")
def typical(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    """One workbench for all examples of a property."""
    return Workbench(tmp_path_factory.mktemp("properties"))


@pytest.fixture(scope="session")
def site_pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return Workbench(tmp_path_factory.mktemp("pack")).pack()


@pytest.fixture
def judge(bench: Workbench, site_pack: Pack) -> Callable[..., Evaluation]:
    """Evaluate the typical case with a change, with the site's pack."""

    def run(**change: Any) -> Evaluation:
        change.setdefault("pack", site_pack)
        return bench.evaluate(**change)

    return run
