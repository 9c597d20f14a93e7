"""Codes that DICOM and Slicer segmentations give anatomy: SNOMED CT, and SNOMED RT in older files.

Source: DICOM PS3.16, context groups 7603 (vertebrae) and 4031 (anatomic regions); RT codes from its mapping annex.
"""

from __future__ import annotations

_CT = {
    "C1": "14806007",
    "C2": "39976000",
    "C3": "113205007",
    "C4": "5329002",
    "C5": "36978003",
    "C6": "36054005",
    "C7": "87391001",
    "T1": "64864005",
    "T2": "53733008",
    "T3": "1626008",
    "T4": "73071006",
    "T5": "56401006",
    "T6": "45296009",
    "T7": "62487009",
    "T8": "11068009",
    "T9": "82687006",
    "T10": "7610001",
    "T11": "12989004",
    "T12": "23215003",
    "L1": "66794005",
    "L2": "14293000",
    "L3": "36470004",
    "L4": "11994002",
    "L5": "49668003",
    "sacrum": "54735007",
    "aorta": "15825003",
    "inferior vena cava": "64131007",
    "lung": "39607008",
    "kidney": "64033007",
    "oesophagus": "32849002",
    "spinal cord": "2748008",
    "spinal canal": "61853006",
    "rib": "113197003",
}

_ROWS = {"C": "6", "T": "7", "L": "9"}
_RT_LEVELS = {
    f"T-11{_ROWS[name[0]]}{int(name[1:]):X}0": name
    for name in _CT
    if name[0] in _ROWS and name[1:].isdecimal()
}

NAME_OF_CODE: dict[str, str] = {
    **{code: name for name, code in _CT.items()},
    **_RT_LEVELS,
    "T-11AD0": "sacrum",
    "T-42000": "aorta",
    "T-48710": "inferior vena cava",
    "T-28000": "lung",
    "T-71000": "kidney",
    "T-56000": "oesophagus",
    "T-A7010": "spinal cord",
    "T-1151F": "spinal canal",
    "T-11300": "rib",
    "45653009": "lung",  # upper lobe
    "90572001": "lung",  # lower lobe
    "72481006": "lung",  # middle lobe
    "44714003": "lung",  # left upper lobe
}
"""Level or organ by code value."""

GENERAL_CODES = frozenset(
    {"51282000", "272673000", "91723000", "85756007", "T-11510", "T-D016E", "T-D0005", "T-D0050"}
)
"""Codes that say no more than vertebra, bone, structure or tissue: the anatomic region beside them says which."""
