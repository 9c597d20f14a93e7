"""The case: one patient's way as the user writes it in one JSON, read with the place of every fault."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from endplate.care.base import Document, Moment, moments
from endplate.care.course import FollowUp, Override, ProcedureRecord, Recovery, RedFlagForm
from endplate.care.intake import (
    Consent,
    History,
    Imaging,
    Lab,
    Medicine,
    Person,
    Printed,
    ProcedurePlan,
    Referral,
)
from endplate.care.times import resolve, zone
from endplate.errors import EndplateError, InputError

BYTES_MAX = 5_000_000
"""A case is a few pages; anything larger is another kind of file."""


class Case(Document):
    """One patient from referral to follow-up. A part that is absent has not happened or was not asked."""

    schema_: Literal["endplate/care-case/1"] = Field(default="endplate/care-case/1", alias="schema")
    case_id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    """Pseudonym; the only name that audit and exports use."""
    time_zone: str
    as_of: Moment | None = None
    """The moment for which the case is judged, where the caller names none."""
    decimal_comma: bool = False
    """Numbers typed as text use a decimal comma (locale)."""
    person: Person = Person()
    referral: Referral = Referral()
    imaging: tuple[Imaging, ...] = ()
    history: History = History()
    medicines: tuple[Medicine, ...] | None = None
    """``None``: not asked. An empty list says that none is taken."""
    labs: tuple[Lab, ...] = ()
    procedure: ProcedurePlan = ProcedurePlan()
    consent: Consent = Consent()
    printed: tuple[Printed, ...] = ()
    record: ProcedureRecord | None = None
    recovery: Recovery | None = None
    red_flags: tuple[RedFlagForm, ...] = ()
    follow_up: FollowUp | None = None
    overrides: tuple[Override, ...] = ()

    @model_validator(mode="after")
    def _times_exist(self) -> Case:
        try:
            where = zone(self.time_zone)
        except InputError as error:
            raise ValueError(error.what) from error
        for place, text in moments(self):
            try:
                resolve(text, where)
            except ValueError as error:
                raise ValueError(f"{'.'.join(place)}: {error}") from None
        return self


def read_case(path: Path) -> Case:
    """Read a case file.

    Raises
    ------
    InputError
        Not readable, not JSON, or a field that does not fit (named by its place, its content not repeated).
    """
    try:
        if path.stat().st_size > BYTES_MAX:
            raise _wrong("it is larger than any case", "Name the case's JSON file.")
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(
            "care-case-unreadable",
            f"The case file cannot be read: {error.strerror or error}.",
            do="Name a readable JSON file.",
        ) from error
    except UnicodeDecodeError as error:
        raise _wrong("it is not UTF-8 text", "Save it as UTF-8.") from error
    except json.JSONDecodeError as error:
        raise _wrong(f"line {error.lineno}: {error.msg}", "Correct the JSON there.") from error
    except RecursionError as error:
        raise _wrong("it is nested too deeply", "Name the case's JSON file.") from error
    return parse_case(content)


def parse_case(content: object) -> Case:
    """Read a case from JSON values.

    Raises
    ------
    InputError
        As in ``read_case``.
    """
    if not isinstance(content, Mapping):
        raise _wrong("it is not a JSON object", "Begin it with { and the case's fields.")
    if "resourceType" in content:
        raise _wrong("it is a FHIR resource", "Give the case in Endplate's own form; see docs/care.")
    try:
        return Case.model_validate(dict(content))
    except ValidationError as error:
        raise _wrong(*_first_fault(error)) from None


def _first_fault(error: ValidationError) -> tuple[str, str]:
    faults: list[Any] = error.errors(include_input=False, include_url=False, include_context=False)
    words = [f"{'.'.join(map(str, fault['loc'])) or 'case'}: {fault['msg']}" for fault in faults[:5]]
    more = f" (and {len(faults) - 5} more)" if len(faults) > 5 else ""
    return "; ".join(words) + more, "Correct these fields; unknown ones are refused, not ignored."


def _wrong(what: str, do: str) -> EndplateError:
    return InputError("care-case-wrong", f"The case file does not fit: {what}.", do=do)
