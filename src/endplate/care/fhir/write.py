"""Make, check and write the bundle."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

from endplate.care.case import Case
from endplate.care.fhir.check import check_bundle
from endplate.care.fhir.ids import LOCAL, RESEARCH_TAG, Maker
from endplate.care.fhir.resources import Mapping, stamp
from endplate.care.model import Evaluation
from endplate.care.planview import PlanView
from endplate.errors import InputError


def bundle_of(case: Case, plan: PlanView, found: Evaluation) -> dict[str, Any]:
    """The case as an R4 bundle of type ``collection``: pseudonym only, deterministic ids, tagged for research.

    Raises
    ------
    InputError
        It does not hold our own checks, or those of ``fhir.resources`` where that is installed.
    """
    resources = Mapping(case, plan, found).resources()
    bundle: dict[str, Any] = {
        "resourceType": "Bundle",
        "id": Maker(case.case_id).id_of("Bundle", "bundle"),
        "meta": {"tag": [RESEARCH_TAG]},
        "identifier": {"system": f"{LOCAL}:case", "value": case.case_id},
        "type": "collection",
    }
    at = stamp(found, case)
    if at is not None:
        bundle["timestamp"] = at
    bundle["entry"] = [{"fullUrl": f"urn:uuid:{one['id']}", "resource": one} for one in resources]
    check_bundle(bundle)
    check_with_models(bundle)
    return bundle


def check_with_models(bundle: dict[str, Any]) -> bool:
    """Validate with the R4B models of ``fhir.resources``; ``False`` where they are not installed.

    Raises
    ------
    InputError
        A model refuses it.
    """
    try:
        models: Any = import_module("fhir.resources.R4B.bundle")
    except ImportError:
        return False
    try:
        models.Bundle.model_validate(bundle)
    except ValueError as error:
        places = {".".join(str(part) for part in fault["loc"]) for fault in _errors(error)}
        raise InputError(
            "care-fhir-wrong",
            f"The bundle does not fit the R4B models at {', '.join(sorted(places)[:5])}.",
            do="Please report this with the version of fhir.resources.",
        ) from None
    return True


def _errors(error: ValueError) -> list[dict[str, Any]]:
    listed = getattr(error, "errors", None)
    return [] if listed is None else list(listed())


def bundle_bytes(bundle: dict[str, Any]) -> bytes:
    """The bundle as JSON; the same bundle gives the same bytes."""
    return (json.dumps(bundle, indent=1, ensure_ascii=False) + "\n").encode("utf-8")


def write_bundle(case: Case, plan: PlanView, found: Evaluation, place: Path) -> Path:
    """Write the bundle to a file, or as ``bundle.json`` into a folder.

    Raises
    ------
    InputError
        As ``bundle_of``, or the file cannot be written.
    """
    content = bundle_bytes(bundle_of(case, plan, found))
    path = place / "bundle.json" if place.is_dir() else place
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise InputError(
            "care-bundle-unwritable",
            f"The bundle cannot be written: {error.strerror or error}.",
            do="Name a file that can be written.",
        ) from error
    return path
