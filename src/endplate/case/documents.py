"""Documents of a case as the bytes of their files, and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from endplate.errors import InternalError, UsageError

DocumentT = TypeVar("DocumentT", bound=BaseModel)

SIGNIFICANT = 9
"""Digits of a number in a document: more than anything measured has."""


def _rounded(value: Any) -> Any:
    """The same JSON value with shorter numbers."""
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT}g}")
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    return [_rounded(part) for part in value] if isinstance(value, list) else value


def read_document(path: Path, kind: type[DocumentT]) -> DocumentT:
    """Read one JSON document of a case.

    Raises
    ------
    UsageError
        The file is missing, damaged or another kind of document.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise UsageError(
            "case-file-damaged",
            f"{path.name} in the case folder cannot be read as it was written.",
            intact="The other files of the case are unchanged.",
            do="Run again with --force, or with the CT and another --out.",
        ) from error


def document_bytes(document: BaseModel) -> bytes:
    """A document as the bytes of its file: UTF-8 JSON, one space of indent, keys in model order.

    Numbers are written with :data:`SIGNIFICANT` digits, so that a file does not depend on the order in which a library
    added up a long sum on another number of threads.
    """
    plain = _rounded(document.model_dump(mode="json", by_alias=True))
    try:
        text = json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise InternalError(
            "value-not-json",
            "A result is not a finite number.",
            do="Please report this with the case's run.json.",
        ) from error
    return (text + "\n").encode("utf-8")
