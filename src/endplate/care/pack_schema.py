"""The JSON Schema of a pack file, and its faults with file and line."""

from __future__ import annotations

from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from endplate.care.parameters import parameters
from endplate.care.yamlfile import YamlFile
from endplate.sources.yaml_text import nearest

_ID = {"type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,63}$"}
_TEXT = {"type": "string", "minLength": 1}
_DATE = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}"}


def pack_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a pack file; one property for each parameter of the register."""
    source = {
        "type": "object",
        "required": ["kind", "ref"],
        "additionalProperties": False,
        "properties": {
            "kind": {"enum": ["leaflet", "guideline", "local"]},
            "ref": _TEXT,
            "says": {"type": ["string", "number", "boolean"]},
            "year": {"type": "integer"},
        },
    }
    leaf = {
        "type": "object",
        "required": ["value", "source"],
        "additionalProperties": False,
        "properties": {
            "value": {},
            "source": {"type": "array", "minItems": 1, "items": source},
            "why": _TEXT,
            "override_reason": _TEXT,
            "reviewed_by": _TEXT,
            "reviewed_on": _DATE,
            "expires_on": _DATE,
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Endplate protocol pack",
        "$defs": {"leaf": leaf},
        "type": "object",
        "required": ["pack"],
        "additionalProperties": False,
        "properties": {
            "pack": {
                "type": "object",
                "required": ["id", "version", "kind", "language", "jurisdiction", "review"],
                "additionalProperties": False,
                "properties": {
                    "id": _ID,
                    "version": _TEXT,
                    "kind": {"enum": ["site", "safest", "illustrative"]},
                    "title": _TEXT,
                    "extends": _ID,
                    "language": {"type": "string", "pattern": "^[a-z]{2,3}(-[A-Za-z0-9]+)*$"},
                    "jurisdiction": _TEXT,
                    "grace": _TEXT,
                    "review": {
                        "type": "object",
                        "required": ["by", "on", "expires"],
                        "additionalProperties": False,
                        "properties": {"by": _TEXT, "on": _DATE, "expires": _DATE},
                    },
                },
            },
            "verified": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "required": ["by", "on"],
                    "additionalProperties": False,
                    "properties": {"by": _TEXT, "on": _DATE, "against": _TEXT},
                },
            },
            "parameters": {
                "type": "object",
                "additionalProperties": False,
                "properties": {key: {"$ref": "#/$defs/leaf"} for key in parameters()},
            },
            "risk_numbers": {
                "type": "object",
                "propertyNames": {"pattern": r"^P-RSK-(0[1-9]|1[0-4])$"},
                "additionalProperties": {"type": "array", "minItems": 1, "items": {"type": "object"}},
            },
        },
    }


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(pack_schema())


def check_shape(file: YamlFile) -> None:
    """Check a file against the schema.

    Raises
    ------
    InputError
        The first fault, with its line.
    """
    faults = sorted(
        _validator().iter_errors(file.values), key=lambda fault: [str(p) for p in fault.absolute_path]
    )
    if not faults:
        return
    fault: Any = faults[0]
    place = tuple(str(part) for part in fault.absolute_path)
    if fault.validator == "additionalProperties" and isinstance(fault.instance, dict):
        known = fault.schema.get("properties", {})
        unknown = next(key for key in fault.instance if key not in known)
        raise file.fault(
            (*place, unknown),
            f"{unknown!r} does not belong here{nearest(unknown, known)}.",
            "Correct the name.",
        )
    if fault.validator == "required":
        wanted = next(key for key in fault.schema["required"] if key not in fault.instance)
        raise file.fault(place, f"{wanted!r} is missing{_of(place)}.", "Add it.")
    if fault.validator in ("enum", "type", "pattern", "minItems", "minLength"):
        raise file.fault(place, f"this value does not fit{_of(place)}.", f"Allowed: {_allowed(fault)}.")
    raise file.fault(place, f"this entry does not fit{_of(place)}.", "See docs/care/pack.schema.json.")


def _of(place: tuple[str, ...]) -> str:
    return f" in {'.'.join(place)}" if place else ""


def _allowed(fault: Any) -> str:
    if fault.validator == "enum":
        return ", ".join(map(str, fault.validator_value))
    return f"{fault.validator} {fault.validator_value}"
