"""What a report is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from endplate.anatomy.model import Spine
from endplate.fluoroscopy.album import Xrays
from endplate.imaging.levels import parse_level
from endplate.imaging.scan_records import ScanCharacter
from endplate.imaging.volume import LabelMap, Volume
from endplate.mechanics.levels import CaseStrength
from endplate.outcome.fields import CementMaps
from endplate.outcome.model import Treatment
from endplate.planning.model import Plan


@dataclass(frozen=True, eq=False)
class ReportInputs:
    """Everything the report shows.

    Parameters
    ----------
    spine:
        The measured spine; without levels when no labels were given.
    plan:
        The needle plan, or ``None`` for an assessment alone.
    image:
        The CT in HU, or ``None`` (geometry only: pictures are drawn from the labels).
    labels:
        The vertebra labels, or ``None`` (scan quality and plain views only).
    manifest:
        ``versions`` (name → version), ``inputs`` (name → facts such as ``sha256``), ``parameters`` and
        ``findings`` (as in JSON). Other entries, times and places among them, are never printed.
    title:
        The report's title; a run on the phantom says so here. Blank: it says plan or assessment.
    requested_levels:
        Levels the user named, in the user's order.
    quality:
        What kind of scan it is, or ``None`` without a CT.
    xrays:
        Simulated X-ray pictures of the plan, or ``None``.
    strength, failure:
        How strong the levels are, and on the CT's grid the plastic strain where they give way, in thousandths;
        ``None`` where that was not computed.
    treatment, cement:
        What was simulated of the treatment, and its volumes on the CT's grid; ``None`` where nothing was.
    show_patient_label:
        Print the empty box for the patient's label. The report itself never holds anything personal.

    Raises
    ------
    UsageError
        A requested level is not the name of a vertebra.
    """

    spine: Spine
    plan: Plan | None
    image: Volume | None
    labels: LabelMap | None
    manifest: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""
    requested_levels: tuple[str, ...] = ()
    quality: ScanCharacter | None = None
    xrays: Xrays | None = None
    strength: CaseStrength | None = None
    failure: Volume | None = None
    treatment: Treatment | None = None
    cement: CementMaps | None = None
    show_patient_label: bool = True

    def __post_init__(self) -> None:
        named = tuple(dict.fromkeys(parse_level(level) for level in self.requested_levels))
        object.__setattr__(self, "requested_levels", named)
