"""The case's own record, ``run.json``: which inputs, versions and parameters made which files."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from endplate.anatomy.model import Document
from endplate.sources import Finding

MANIFEST_NAME = "run.json"
"""File name of the record inside a case folder; a folder with it is a case."""


class InputRecord(Document):
    """One input as it was given, without its name or place: those may name the patient."""

    kind: str
    """What was given (``"nifti"``, ``"folder"``, ``"zip"``, ...)."""
    sha256: str
    files: int = 1


class StageRecord(Document):
    """What one finished stage was made from and what it wrote (file name → SHA-256)."""

    key: str
    code: str
    """Hash of the source code and the library versions that the stage depends on."""
    inputs: dict[str, str | None]
    parameters: dict[str, Any]
    outputs: dict[str, str]


class StageTiming(Document):
    """When a stage ran and for how long."""

    finished: str
    seconds: float


class Timing(Document):
    """Everything that differs between two equal runs; outside every hash."""

    created: str
    updated: str
    host: str
    platform: str
    stages: dict[str, StageTiming] = Field(default_factory=dict)


class Manifest(Document):
    """The document ``run.json``."""

    schema_: Literal["endplate/manifest/1"] = Field(default="endplate/manifest/1", alias="schema")
    inputs: dict[str, InputRecord]
    versions: dict[str, str]
    parameters: dict[str, Any] = Field(default_factory=dict)
    stages: dict[str, StageRecord] = Field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    timing: Timing

    def provenance(self) -> dict[str, Any]:
        """The part that is the same whenever the same run is repeated, as plain JSON values."""
        return self.model_dump(mode="json", by_alias=True, exclude={"timing", "stages", "findings"})
