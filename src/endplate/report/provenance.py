"""Where the report comes from: sources it cites, versions, input hashes, parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from endplate.anatomy.model import Spine
from endplate.imaging.volume import LabelMap, Volume
from endplate.papers.words import DASH, long_date, number, quantity
from endplate.sources import Citation, citations

Rows = list[tuple[str, str]]

_PRIVATE_KEY = re.compile(
    r"path|file|folder|name|host|user|dir|uid|patient_id|birth|accession", re.IGNORECASE
)
_PLACE = re.compile(r"^(/|~|[A-Za-z]:[\\/]|\\\\|file:)")
TOLD_BY_PLAN = ("site", "paths")
"""Parameters whose text is long and whose meaning the plan tells: rules with their hash, and given paths."""

_ALLOWED_KEYS = frozenset({"files", "patient_label"})


class References:
    """Numbers the sources in the order in which the report cites them."""

    def __init__(self) -> None:
        self._keys: list[str] = []

    def number(self, key: str) -> int:
        """Number of a source, from 1; the same source keeps its number."""
        if key not in self._keys:
            self._keys.append(key)
        return self._keys.index(key) + 1

    @property
    def listed(self) -> list[Citation]:
        """The cited sources in the order of their numbers."""
        known = citations()
        return [known.get(key, Citation(key=key, text=key)) for key in self._keys]


def link_words(citation: Citation) -> str:
    """The address of a source as plain words: a DOI, or the address without its scheme."""
    bare = re.sub(r"^[a-z]+://", "", citation.url)
    return re.sub(r"^(dx\.)?doi\.org/", "doi:", bare)


def scan_rows(image: Volume | None) -> Rows:
    """What is known of the CT; unknown shows the dash."""
    if image is None:
        return []
    scan = image.scan
    spacing = " × ".join(number(float(size), 2) for size in image.spacing_mm)
    contrast = {None: DASH, True: "given", False: "none"}[scan.contrast_agent]
    return [
        ("Date of the CT", long_date(scan.study_date)),
        ("Modality", scan.modality or DASH),
        ("Voxels", " × ".join(str(count) for count in image.shape)),
        ("Voxel size", f"{spacing} mm"),
        ("Voxel axes run toward", " ".join(image.axis_codes)),
        ("Slice thickness", quantity(scan.slice_thickness_mm, "mm", 2)),
        ("Gantry tilt", quantity(scan.gantry_tilt_deg, "°")),
        ("Tube voltage", quantity(scan.kvp, "kV", 0)),
        ("Reconstruction kernel", scan.kernel or DASH),
        ("Contrast agent", contrast),
        ("Scanner maker", scan.manufacturer or DASH),
        ("Patient position", scan.patient_position or DASH),
        ("Read from", scan.source_format),
    ]


def provenance_rows(
    manifest: Mapping[str, Any], spine: Spine, labels: LabelMap | None, rules: str = ""
) -> Rows:
    """Versions, inputs and parameters of the run, the label scheme and the calibration."""
    versions = _facts(manifest.get("versions"))
    rows: Rows = [("Versions", ", ".join(f"{name} {text}" for name, text in versions) or DASH)]
    inputs = manifest.get("inputs")
    for name, record in inputs.items() if isinstance(inputs, Mapping) else ():
        facts = "; ".join(f"{key} {text}" for key, text in _facts(record))
        rows.append((f"Input: {name}", facts or DASH))
    parameters = [
        (name, text)
        for name, text in _facts(manifest.get("parameters"))
        if text not in ("", DASH) and name not in TOLD_BY_PLAN
    ]
    rows += [(f"Parameter: {name.replace('_', ' ')}", text) for name, text in parameters]
    rows.append(("Label scheme", spine.label_scheme or (labels.scheme if labels else DASH)))
    rows.append(("Reference of expected heights", spine.reference or DASH))
    if rules:
        rows.append(("Rules and devices of the plan", rules))
    kinds = dict.fromkeys(v.density.calibration for v in spine.levels if v.density.calibration)
    rows.append(("Density calibration", ", ".join(kinds) or DASH))
    return rows


def _facts(record: Any) -> Rows:
    """The plain facts of a record; what could lead to a person or a place is left out."""
    if not isinstance(record, Mapping):
        return []
    return [
        (str(key), _plain(value))
        for key, value in record.items()
        if str(key) in _ALLOWED_KEYS or not _PRIVATE_KEY.search(str(key))
    ]


def _plain(value: Any) -> str:
    if value is None:
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return "; ".join(f"{name} {text}" for name, text in _facts(value))
    if isinstance(value, list | tuple):
        return ", ".join(_plain(item) for item in value)
    text = str(value)
    return "(a place on this computer, not printed)" if _PLACE.match(text) else text
