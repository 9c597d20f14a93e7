"""Ids, references and small parts of resources; the same input gives the same ids."""

from __future__ import annotations

import uuid
from typing import Any

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:endplate:care")
LOCAL = "urn:endplate:care"
"""Our own code system and identifier system: for what has no verified public code."""

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
RESEARCH_TAG = {
    "system": LOCAL,
    "code": "research-use",
    "display": "Research and planning aid, not a medical device",
}


class Maker:
    """Makes resources of one case and keeps them in order."""

    def __init__(self, case_id: str) -> None:
        self.case_id = case_id
        self.resources: list[dict[str, Any]] = []

    def id_of(self, kind: str, key: str) -> str:
        """Id of one resource of the case."""
        return str(uuid.uuid5(NAMESPACE, f"{self.case_id}/{kind}/{key}"))

    def reference(self, kind: str, key: str) -> dict[str, str]:
        """Reference within the bundle."""
        return {"reference": f"urn:uuid:{self.id_of(kind, key)}"}

    @property
    def patient(self) -> dict[str, str]:
        """The patient, by pseudonym."""
        return self.reference("Patient", "patient")

    def add(self, kind: str, key: str, **content: Any) -> dict[str, str]:
        """Add a resource and return the reference to it; ``None`` and empty lists are left out."""
        resource = {
            "resourceType": kind,
            "id": self.id_of(kind, key),
            "meta": {"tag": [RESEARCH_TAG]},
            **{name: value for name, value in content.items() if value is not None and value != []},
        }
        self.resources.append(resource)
        return self.reference(kind, key)


def local(code: str, words: str | None = None) -> dict[str, Any]:
    """A concept of our own code system."""
    return {"coding": [{"system": LOCAL, "code": code}], "text": words or code}


def coded(system: str, code: str, words: str) -> dict[str, Any]:
    """A concept of a public code system."""
    return {"coding": [{"system": system, "code": code, "display": words}], "text": words}


def vertebra(level: str) -> dict[str, Any]:
    """A vertebra as a body site."""
    return local(f"vertebra-{level}", f"Vertebra {level}")
