"""Coded terms for vertebrae, as DICOM and Slicer segmentations state them."""

from __future__ import annotations

from dataclasses import dataclass

from endplate.imaging.label_codes import NAME_OF_CODE


@dataclass(frozen=True)
class Term:
    """A SNOMED CT code and its words."""

    code: str
    meaning: str


ANATOMICAL_STRUCTURE = Term("123037004", "Anatomical Structure")
"""Category of a segment that shows anatomy. Source: DICOM PS3.16, context group 7150."""

VERTEBRA = Term("51282000", "Vertebra")
"""Type of a vertebra without a code of its own: a thirteenth thoracic or a sixth lumbar one."""


def term_of_level(level: str) -> Term:
    """The coded term of a level; supernumerary levels are a vertebra, and their label says which."""
    name = "sacrum" if level == "S1" else level
    code = next((c for c, known in NAME_OF_CODE.items() if known == name and c.isdecimal()), None)
    if code is None:
        return VERTEBRA
    return Term(code, "Sacrum" if level == "S1" else f"{level} vertebra")
