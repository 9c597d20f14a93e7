"""Our own checks of a bundle: libraries let through wrong codes, impossible values and expiry dates that differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from endplate.care.fhir.ids import LOINC, RESEARCH_TAG
from endplate.care.udi import parse_udi
from endplate.errors import InputError
from endplate.sources import value

R5_ONLY = frozenset(("DeviceUsage", "RequestOrchestration", "GenomicStudy", "Permission", "Transport"))
"""Resource types that R4 does not have; a bundle with one of them is of R5."""

R5_FIELDS = {
    "MedicationStatement": ("medication", "adherence"),
    "CarePlan": ("addresses.concept",),
    "Procedure": ("occurrencePeriod", "occurrenceDateTime"),
    "Device": ("name",),
}
"""Fields by which a resource of a known type is of R5."""

OBSERVATION_STATUS = {
    "registered",
    "preliminary",
    "final",
    "amended",
    "corrected",
    "cancelled",
    "entered-in-error",
    "unknown",
}
"""One value set of FHIR that observations and what follows from them share."""

STATUS = {
    "Observation": OBSERVATION_STATUS,
    "MedicationStatement": {
        "active",
        "completed",
        "entered-in-error",
        "intended",
        "stopped",
        "on-hold",
        "unknown",
        "not-taken",
    },
    "ServiceRequest": {"draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"},
    "DetectedIssue": OBSERVATION_STATUS,
    "RiskAssessment": OBSERVATION_STATUS,
    "CarePlan": {"draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"},
    "Consent": {"draft", "proposed", "active", "rejected", "inactive", "entered-in-error"},
    "Procedure": {
        "preparation",
        "in-progress",
        "not-done",
        "on-hold",
        "stopped",
        "completed",
        "entered-in-error",
        "unknown",
    },
    "DeviceUseStatement": {"active", "completed", "entered-in-error", "intended", "stopped", "on-hold"},
    "Appointment": {
        "proposed",
        "pending",
        "booked",
        "arrived",
        "fulfilled",
        "cancelled",
        "noshow",
        "entered-in-error",
        "checked-in",
        "waitlist",
    },
}
"""Allowed status of each resource type used here."""

OTHER_ENUMS = {
    ("Patient", "gender"): {"male", "female", "other", "unknown"},
    ("DetectedIssue", "severity"): {"high", "moderate", "low"},
    ("AdverseEvent", "actuality"): {"actual", "potential"},
    ("ServiceRequest", "intent"): {"proposal", "plan", "directive", "order"},
    ("CarePlan", "intent"): {"proposal", "plan", "order", "option"},
}
"""Other bound values."""


def check_bundle(bundle: Mapping[str, Any]) -> None:
    """Check a bundle as this package writes it.

    Raises
    ------
    InputError
        Of another FHIR version (named), or the first faults found.
    """
    version = _version(bundle)
    if version is not None:
        raise InputError(
            "care-fhir-version",
            f"The bundle is of FHIR {version}; this reads and writes R4 (4.0.1).",
            do="Convert it to R4 first.",
        )
    if bundle.get("resourceType") != "Bundle":
        raise InputError("care-fhir-wrong", "It is not a FHIR bundle.", do="Give a Bundle of R4.")
    faults = list(_faults(bundle))
    if faults:
        more = f" (and {len(faults) - 5} more)" if len(faults) > 5 else ""
        raise InputError(
            "care-fhir-wrong",
            f"The bundle does not hold: {'; '.join(faults[:5])}{more}.",
            do="Correct the case; nothing is exported that does not hold.",
        )


def _version(bundle: Mapping[str, Any]) -> str | None:
    """The version it is of where that is not R4."""
    stated = str(bundle.get("fhirVersion", "4.0.1"))
    if not stated.startswith("4.0"):
        return stated
    profiles = [str(one) for one in (bundle.get("meta") or {}).get("profile") or ()]
    if any("|5." in one or "/5.0" in one for one in profiles):
        return "R5 (5.0)"
    for resource in _resources(bundle):
        kind = resource.get("resourceType")
        if kind in R5_ONLY or any(name in resource for name in R5_FIELDS.get(str(kind), ())):
            return f"R5 ({kind})"
    return None


def _resources(bundle: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for entry in bundle.get("entry") or ():
        if isinstance(entry, Mapping) and isinstance(entry.get("resource"), Mapping):
            yield entry["resource"]


def _faults(bundle: Mapping[str, Any]) -> Iterator[str]:
    urls = [entry.get("fullUrl") for entry in bundle.get("entry") or ()]
    if len(set(urls)) != len(urls):
        yield "an id stands in it twice"
    ranges = {
        entry["code"]: entry
        for key in ("care.observation_codes", "care.laboratory_codes")
        for entry in value(key).values()
    }
    for resource in _resources(bundle):
        kind = str(resource.get("resourceType"))
        if RESEARCH_TAG not in (resource.get("meta") or {}).get("tag", ()):
            yield f"{kind} lacks the tag research-use"
        if kind in STATUS and resource.get("status") not in STATUS[kind]:
            yield f"{kind}.status has a value that R4 does not know"
        for (of, field), allowed in OTHER_ENUMS.items():
            if kind == of and resource.get(field) not in allowed:
                yield f"{kind}.{field} has a value that R4 does not know"
        if kind == "Observation":
            yield from _range_faults(resource, ranges)
        if kind == "Device":
            yield from _device_faults(resource)
        for used in _references(resource):
            if used not in urls:
                yield f"{kind} refers to something that is not in the bundle"


def _range_faults(resource: Mapping[str, Any], ranges: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    codes = [one["code"] for one in resource["code"].get("coding", ()) if one.get("system") == LOINC]
    entry = next((ranges[code] for code in codes if code in ranges), None)
    quantity = resource.get("valueQuantity")
    if entry is None or quantity is None:
        return
    if quantity.get("code") != entry["unit"]:
        yield f"{entry['words']} has another unit than {entry['unit']}"
    elif not entry["low"] <= quantity["value"] <= entry["high"]:
        yield f"{entry['words']} is outside {entry['low']} to {entry['high']} {entry['unit']}"


def _device_faults(resource: Mapping[str, Any]) -> Iterator[str]:
    for carrier in resource.get("udiCarrier") or ():
        read = parse_udi(str(carrier.get("carrierHRF", "")))
        if read.problem is not None:
            yield f"the device identifier cannot be used: {read.problem}"
        stated = resource.get("expirationDate")
        if read.expiry is not None and stated is not None and stated[:10] != read.expiry.isoformat():
            yield f"the device identifier expires {read.expiry.isoformat()}, the device says {stated[:10]}"
        if read.lot is not None and resource.get("lotNumber") not in (None, read.lot):
            yield "the lot of the device identifier is not the device's"


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if isinstance(node.get("reference"), str):
            yield node["reference"]
        for part in node.values():
            yield from _references(part)
    elif isinstance(node, list):
        for part in node:
            yield from _references(part)
