"""Contrast medium: the phase from blood and from what the file says, and what it adds to bone."""

from __future__ import annotations

from collections.abc import Mapping

from endplate.imaging.attenuation import by_kvp
from endplate.imaging.scan_records import ContrastRecord, Phase, ReferenceRecord
from endplate.sources import value


def contrast_phase(
    references: Mapping[str, ReferenceRecord], tag: bool | None, kvp: float | None
) -> ContrastRecord:
    """Judge the contrast phase; blood that was measured outweighs the tag.

    Notes
    -----
    The thresholds hold at 120 kVp. What iodine adds to blood grows at lower tube voltages; blood itself hardly does.
    """
    seen = references.get("blood")
    if seen is None:
        phase: Phase = "not_known" if tag is None else "unknown_phase" if tag else "none"
        offset = _offset(phase, kvp)
        return ContrastRecord(phase=phase, tag=tag, offset_hu=offset)
    plain = float(value("internal.reference_hu_120kvp")["blood"])
    added = (seen.mean_hu - plain) / iodine_factor(kvp) + plain
    limits = value("contrast.aorta_hu_120kvp")
    if added >= float(limits["arterial"]):
        phase = "arterial"
    elif added >= float(limits["enhanced"]):
        phase = "portal_venous"
    else:
        phase = "none"
    return ContrastRecord(
        phase=phase, blood_hu=seen.mean_hu, blood_from=seen.where, tag=tag, offset_hu=_offset(phase, kvp)
    )


def iodine_factor(kvp: float | None) -> float:
    """HU that iodine adds at a tube voltage over what it adds at 120 kVp; 1 where the voltage is not known."""
    if kvp is None:
        return 1.0
    key = "contrast.iodine_hu_per_mg_ml"
    return by_kvp(key, kvp) / by_kvp(key, 120.0)


def _offset(phase: Phase, kvp: float | None) -> float:
    """HU that contrast adds to trabecular bone; for an unknown phase the smaller of the two."""
    table = value("contrast.bone_offset_hu")
    known = {"portal_venous": table["portal_venous"], "arterial": table["arterial"]}
    if phase == "unknown_phase":
        return float(min(known.values())) * iodine_factor(kvp)
    return float(known.get(phase, 0.0)) * iodine_factor(kvp)
