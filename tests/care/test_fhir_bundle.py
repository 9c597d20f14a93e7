"""F11: the FHIR R4 bundle."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from endplate.care.case import parse_case
from endplate.care.evaluate import evaluate
from endplate.care.fhir.check import check_bundle
from endplate.care.fhir.write import bundle_bytes, bundle_of, check_with_models, write_bundle
from endplate.care.pack import load_pack
from endplate.care.planview import parse_plan
from endplate.errors import InputError

EXAMPLE = Path(__file__).parents[2] / "docs/care/example"
STAGES = ("1-clinic", "2-going-home", "3-six-weeks")


def bundle(stage: str = "2-going-home", **change: Any) -> dict[str, Any]:
    content = json.loads((EXAMPLE / f"{stage}.json").read_text("utf-8"))
    case = parse_case({**content, **change})
    plan = parse_plan(json.loads((EXAMPLE / "plan.json").read_text("utf-8")))
    return bundle_of(case, plan, evaluate(case, plan, load_pack(EXAMPLE / "site.yaml")))


def of_kind(made: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in made["entry"] if entry["resource"]["resourceType"] == kind]


@pytest.mark.parametrize("stage", STAGES)
def test_f11_1_every_resource_is_tagged_and_holds_our_own_checks(stage: str) -> None:
    made = bundle(stage)
    check_bundle(made)
    assert all(entry["resource"]["meta"]["tag"][0]["code"] == "research-use" for entry in made["entry"])
    kinds = {entry["resource"]["resourceType"] for entry in made["entry"]}
    assert {"Patient", "Condition", "CarePlan", "DetectedIssue", "RiskAssessment", "ServiceRequest"} <= kinds
    if stage != "1-clinic":
        assert {"Procedure", "Device", "DeviceUseStatement", "Appointment", "Observation"} <= kinds


@pytest.mark.parametrize("stage", STAGES)
def test_f11_1_the_r4b_models_take_it(stage: str) -> None:
    pytest.importorskip("fhir.resources", reason="the extra fhir is not installed")
    assert check_with_models(bundle(stage))


def test_f11_1_values_codes_and_units_out_of_range_are_refused() -> None:
    made = bundle()
    rate = next(one for one in of_kind(made, "Observation") if one["code"]["coding"][0]["code"] == "8867-4")
    rate["valueQuantity"]["value"] = 500000
    with pytest.raises(InputError, match="Heart rate is outside"):
        check_bundle(made)
    rate["valueQuantity"].update(value=70, code="Hz")
    with pytest.raises(InputError, match="another unit"):
        check_bundle(made)
    rate["valueQuantity"]["code"] = "/min"
    rate["status"] = "finl"
    with pytest.raises(InputError, match=r"Observation\.status"):
        check_bundle(made)


def test_f11_1_an_identifier_that_expires_on_another_day_is_refused() -> None:
    made = bundle()
    device = of_kind(made, "Device")[0]
    device["expirationDate"] = "2027-01-01"
    with pytest.raises(InputError, match="expires 2028-01-31"):
        check_bundle(made)


def test_an_implausible_value_is_exported_as_absent_not_as_a_number() -> None:
    state = json.loads((EXAMPLE / "2-going-home.json").read_text("utf-8"))["recovery"]
    state["observations"][-1]["pulse_per_min"] = 0
    made = bundle(recovery=state)
    odd = [
        one
        for one in of_kind(made, "Observation")
        if "dataAbsentReason" in one and one["status"] == "preliminary"
    ]
    assert any(one["code"]["coding"][0]["code"] == "8867-4" and "valueQuantity" not in one for one in odd)


def test_f11_2_the_same_case_gives_the_same_bytes(tmp_path: Path) -> None:
    assert bundle_bytes(bundle()) == bundle_bytes(bundle())
    ids = [entry["fullUrl"] for entry in bundle()["entry"]]
    assert len(set(ids)) == len(ids)


def test_f11_3_r5_is_refused_by_its_version() -> None:
    for change in (
        {"fhirVersion": "5.0.0"},
        {"entry": [{"resource": {"resourceType": "DeviceUsage"}}]},
        {"entry": [{"resource": {"resourceType": "MedicationStatement", "medication": {}}}]},
    ):
        with pytest.raises(InputError, match=r"FHIR (5\.0\.0|R5)") as refused:
            check_bundle({**copy.deepcopy(bundle()), **change})
        assert refused.value.code == "care-fhir-version"
        assert refused.value.exit_code == 3


def test_f12_5_no_name_and_no_hospital_number_is_in_the_bundle(tmp_path: Path) -> None:
    content = json.loads((EXAMPLE / "3-six-weeks.json").read_text("utf-8"))
    person = {**content["person"], "name": "Zebedee Quux", "hospital_number": "H-778899"}
    text = bundle_bytes(bundle("3-six-weeks", person=person)).decode()
    assert "Zebedee" not in text
    assert "778899" not in text


def test_references_stay_inside_the_bundle() -> None:
    made = bundle()
    of_kind(made, "Procedure")[0]["subject"] = {"reference": "urn:uuid:elsewhere"}
    with pytest.raises(InputError, match="not in the bundle"):
        check_bundle(made)


def test_f10_5_a_new_fracture_is_a_condition_an_adverse_event_and_a_task() -> None:
    content = json.loads((EXAMPLE / "3-six-weeks.json").read_text("utf-8"))
    review = {**content["follow_up"]["reviews"][0]}
    review["new_fractures"] = [{"level": "L2", "shape": "wedge", "seen_on": "2027-01-18"}]
    made = bundle("3-six-weeks", follow_up={"reviews": [review]})
    event = of_kind(made, "AdverseEvent")[0]
    ids = {entry["fullUrl"]: entry["resource"] for entry in made["entry"]}
    assert ids[event["resultingCondition"][0]["reference"]]["bodySite"][0]["text"] == "Vertebra L2"
    assert any(
        one["code"]["text"].startswith("Review the treatment") for one in of_kind(made, "ServiceRequest")
    )


def test_it_is_written_into_a_folder_or_file(tmp_path: Path) -> None:
    content = json.loads((EXAMPLE / "1-clinic.json").read_text("utf-8"))
    case = parse_case(content)
    plan = parse_plan(json.loads((EXAMPLE / "plan.json").read_text("utf-8")))
    found = evaluate(case, plan, load_pack(EXAMPLE / "site.yaml"))
    assert write_bundle(case, plan, found, tmp_path).name == "bundle.json"
    assert write_bundle(case, plan, found, tmp_path / "x/y.json").exists()
