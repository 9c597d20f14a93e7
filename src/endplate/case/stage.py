"""What a stage is: a pure function of declared case files and parameters to new case files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError

from endplate.anatomy.model import Spine
from endplate.case.request import Inputs, Parameters
from endplate.case.scan import Scan, ScanRecord, restore
from endplate.errors import InternalError, UsageError
from endplate.imaging.scan_records import ScanCharacter
from endplate.imaging.volume import Volume
from endplate.planning.model import Plan
from endplate.sources import Finding

if TYPE_CHECKING:
    from endplate.anatomy.implants import ImplantMap
    from endplate.fluoroscopy.album import Xrays
    from endplate.mechanics.levels import CaseStrength
    from endplate.outcome.fields import CementMaps
    from endplate.outcome.model import Treatment
    from endplate.procedure.document import ProcedureDocument
    from endplate.procedure.saved import SavedFill

SCAN = "scan.json"
IMAGE = "image.nii.gz"
LABELS = "labels.nii.gz"
ORGANS = "organs.nii.gz"
IMPLANTS = "implants.nii.gz"
QUALITY = "quality.json"
SPINE = "spine.json"
PLAN = "scenarios/planned/plan.json"
XRAYS = "scenarios/planned/xray.json"
STRENGTH = "strength.json"
FAILURE = "failure.nii.gz"
PROCEDURE = "scenarios/planned/procedure.json"
FILL = "scenarios/planned/fill.npz"
ACTIONS = "actions.jsonl"
OUTCOME = "scenarios/planned/outcome.json"
CEMENT = "cement.nii.gz"
ARRIVAL = "cement-time.nii.gz"
WARMTH = "cement-warmth.nii.gz"
REPORT = "report.html"
SHEETS = "sheets.html"

SIGNIFICANT = 9
"""Digits of a number in a document: more than anything measured has."""

SCAN_FILES = (SCAN, IMAGE, LABELS, ORGANS)
"""Files that hold the scan as the case keeps it."""

SCALES = {CEMENT: 1000.0, ARRIVAL: 1.0, WARMTH: 10.0}
"""Grey values a unit in the maps of cement: thousandths of a voxel, seconds, tenths of a degree."""

DocumentT = TypeVar("DocumentT", bound=BaseModel)
ReadT = TypeVar("ReadT")
Progress = Callable[[str, float], None]
"""Told what is being done and the fraction of the stage that is done (0–1)."""

Payload = bytes | BaseModel | Volume
"""What a stage returns for one file; the conductor writes it."""


@dataclass(frozen=True)
class Stage:
    """One stage of the way through a case.

    Parameters
    ----------
    name:
        Short verb-like name, as in ``run.json``.
    title:
        What the user reads while it runs.
    inputs:
        Case files it may read; a file that this case does not have counts as absent.
    parameters:
        Names of the parameters that shape its result.
    outputs:
        Case files it may write.
    rooms:
        Rooms of the package whose code it depends on.
    function:
        Returns the files' contents by name; does no writing itself.
    external:
        It reads the user's inputs, not only case files.
    provenance:
        It prints hashes of the inputs, versions and all parameters.
    """

    name: str
    title: str
    inputs: tuple[str, ...]
    parameters: tuple[str, ...]
    outputs: tuple[str, ...]
    rooms: tuple[str, ...]
    function: Callable[[StageView], Mapping[str, Payload]]
    external: bool = False
    provenance: bool = False


class Results(Protocol):
    """What stages have made so far, in a case folder or in memory."""

    @property
    def scan(self) -> Scan:
        """The checked and trimmed scan."""

    @property
    def spine(self) -> Spine | None:
        """The measured spine."""

    @property
    def quality(self) -> ScanCharacter | None:
        """What kind of scan it is; ``None`` without a CT."""

    @property
    def implants(self) -> ImplantMap | None:
        """Metal and old cement; ``None`` where there is none or no CT."""

    @property
    def plan(self) -> Plan | None:
        """The plan."""

    @property
    def xrays(self) -> Xrays | None:
        """Simulated X-ray pictures of the plan."""

    @property
    def strength(self) -> CaseStrength | None:
        """How strong the levels asked for are."""

    @property
    def failure(self) -> Volume | None:
        """Plastic strain where they give way, in thousandths."""

    @property
    def procedure(self) -> ProcedureDocument | None:
        """What was done in the virtual procedure."""

    @property
    def fills(self) -> Mapping[str, SavedFill]:
        """The cement that it left, by level."""

    @property
    def treatment(self) -> Treatment | None:
        """What that comes to."""

    @property
    def cement(self) -> CementMaps | None:
        """Its cement on the CT's grid."""


@dataclass(frozen=True)
class CaseFiles:
    """The documents and volumes of a case, read once each.

    ``present`` maps the files that it has to their SHA-256; ``memory`` keeps what was read, by those hashes.
    """

    folder: Path
    present: Mapping[str, str]
    memory: dict[object, Any] = field(default_factory=dict)

    @property
    def has_labels(self) -> bool:
        """The case has a label map."""
        return LABELS in self.present

    def document(self, name: str, kind: type[DocumentT]) -> DocumentT | None:
        """Read one document, or ``None`` where the case has none.

        Raises
        ------
        UsageError
            The file is not such a document.
        """
        if name not in self.present:
            return None
        return self._once((name, self.present[name]), lambda: read_document(self.folder / name, kind))

    @property
    def scan(self) -> Scan:
        """The scan as the case keeps it."""
        return self._once(tuple(self.present.get(name) for name in SCAN_FILES), self._read_scan)

    @property
    def spine(self) -> Spine | None:
        """The measured spine."""
        return self.document(SPINE, Spine)

    @property
    def quality(self) -> ScanCharacter | None:
        """What kind of scan it is; ``None`` without a CT."""
        return self.document(QUALITY, ScanCharacter)

    @property
    def implants(self) -> ImplantMap | None:
        """Metal and old cement; ``None`` where there is none or no CT."""
        if IMPLANTS not in self.present:
            return None
        return self._once((IMPLANTS, self.present[IMPLANTS]), self._read_implants)

    @property
    def plan(self) -> Plan | None:
        """The plan."""
        return self.document(PLAN, Plan)

    @property
    def xrays(self) -> Xrays | None:
        """Simulated X-ray pictures of the plan."""
        from endplate.fluoroscopy.album import Xrays

        return self.document(XRAYS, Xrays)

    @property
    def strength(self) -> CaseStrength | None:
        """How strong the levels asked for are."""
        from endplate.mechanics.levels import CaseStrength

        return self.document(STRENGTH, CaseStrength)

    @property
    def failure(self) -> Volume | None:
        """Plastic strain where they give way, in thousandths."""
        if FAILURE not in self.present:
            return None
        return self._once((FAILURE, self.present[FAILURE]), self._read_failure)

    @property
    def procedure(self) -> ProcedureDocument | None:
        """What was done in the virtual procedure."""
        from endplate.procedure.document import ProcedureDocument

        return self.document(PROCEDURE, ProcedureDocument)

    @property
    def fills(self) -> Mapping[str, SavedFill]:
        """The cement that it left, by level; empty where there is none."""
        if FILL not in self.present:
            return {}
        return self._once((FILL, self.present[FILL]), self._read_fills)

    @property
    def treatment(self) -> Treatment | None:
        """What that comes to."""
        from endplate.outcome.model import Treatment

        return self.document(OUTCOME, Treatment)

    @property
    def cement(self) -> CementMaps | None:
        """Its cement on the CT's grid."""
        if CEMENT not in self.present:
            return None
        return self._once((CEMENT, self.present[CEMENT]), self._read_cement)

    def findings(self) -> tuple[Finding, ...]:
        """Everything found of this case so far, each once."""
        found: list[Finding] = []
        record = self.document(SCAN, ScanRecord)
        if record is not None:
            found += record.findings()
        if self.spine is not None:
            found += self.spine.findings
            found += (one for vertebra in self.spine.levels for one in vertebra.findings)
        if self.plan is not None:
            found += self.plan.session.warnings
            found += (one for level in self.plan.plans for one in level.warnings)
        if self.strength is not None:
            found += self.strength.findings()
        if self.treatment is not None:
            found += self.treatment.findings
            found += (one for level in self.treatment.levels for one in level.findings)
        return tuple(dict.fromkeys(found))

    def _once(self, key: object, read: Callable[[], ReadT]) -> ReadT:
        if key not in self.memory:
            self.memory[key] = read()
        kept: ReadT = self.memory[key]
        return kept

    def _read_implants(self) -> ImplantMap:
        from endplate.anatomy.implants import ImplantMap
        from endplate.imaging.read import read_grid

        return ImplantMap(read_grid(self.folder / IMPLANTS, nearest=True))

    def _read_failure(self) -> Volume:
        from endplate.imaging.read import read_grid

        return read_grid(self.folder / FAILURE, nearest=True)

    def _read_fills(self) -> Mapping[str, SavedFill]:
        from endplate.procedure.saved import fills_from_bytes

        return fills_from_bytes((self.folder / FILL).read_bytes())

    def _read_cement(self) -> CementMaps:
        from endplate.outcome.fields import CementMaps

        fraction, arrival, warmth = (self._read_map(name) for name in (CEMENT, ARRIVAL, WARMTH))
        if fraction is None:
            raise InternalError("case-cement-missing", "The case has no cement.", do="Please report this.")
        return CementMaps(fraction, arrival, warmth)

    def _read_map(self, name: str) -> Volume | None:
        from endplate.imaging.read import read_grid

        if name not in self.present:
            return None
        kept = read_grid(self.folder / name, nearest=True)
        return Volume((kept.data / SCALES[name]).astype(np.float32), kept.affine)

    def _read_scan(self) -> Scan:
        from endplate.imaging.read import read_grid

        record = self.document(SCAN, ScanRecord)
        if record is None:
            raise InternalError("case-scan-missing", "The case has no scan.", do="Please report this.")
        image = read_grid(self.folder / IMAGE) if IMAGE in self.present else None
        labels = read_grid(self.folder / LABELS, nearest=True) if LABELS in self.present else None
        organs = read_grid(self.folder / ORGANS, nearest=True) if ORGANS in self.present else None
        return restore(record, image, labels, organs)


@dataclass(frozen=True)
class StageView:
    """What one stage sees: the files it declared, its parameters, and a way to tell how far it is."""

    stage: Stage
    files: Results
    parameters: Parameters
    inputs: Inputs | None
    provenance: Mapping[str, Any]
    progress: Progress = field(default=lambda _what, _fraction: None)

    @property
    def scan(self) -> Scan:
        """The scan as the case keeps it."""
        self._declared(*SCAN_FILES)
        return self.files.scan

    @property
    def spine(self) -> Spine:
        """The measured spine."""
        self._declared(SPINE)
        if self.files.spine is None:
            raise InternalError("case-spine-missing", "The case has no spine.json.", do="Please report this.")
        return self.files.spine

    @property
    def quality(self) -> ScanCharacter | None:
        """What kind of scan it is; ``None`` without a CT."""
        self._declared(QUALITY)
        return self.files.quality

    @property
    def implants(self) -> ImplantMap | None:
        """Metal and old cement; ``None`` where there is none or no CT."""
        self._declared(IMPLANTS)
        return self.files.implants

    @property
    def plan(self) -> Plan | None:
        """The plan, or ``None`` where the case has none."""
        self._declared(PLAN)
        return self.files.plan

    @property
    def xrays(self) -> Xrays | None:
        """Simulated X-ray pictures of the plan, or ``None`` where none were taken."""
        self._declared(XRAYS)
        return self.files.xrays

    @property
    def strength(self) -> CaseStrength | None:
        """How strong the levels asked for are, or ``None`` where that was not computed."""
        self._declared(STRENGTH)
        return self.files.strength

    @property
    def failure(self) -> Volume | None:
        """Plastic strain where they give way, in thousandths."""
        self._declared(FAILURE)
        return self.files.failure

    @property
    def procedure(self) -> ProcedureDocument | None:
        """What was done in the virtual procedure, or ``None`` where there was none."""
        self._declared(PROCEDURE)
        return self.files.procedure

    @property
    def fills(self) -> Mapping[str, SavedFill]:
        """The cement that it left, by level."""
        self._declared(FILL)
        return self.files.fills

    @property
    def treatment(self) -> Treatment | None:
        """What that comes to, or ``None`` where that was not computed."""
        self._declared(OUTCOME)
        return self.files.treatment

    @property
    def cement(self) -> CementMaps | None:
        """Its cement on the CT's grid."""
        self._declared(CEMENT, ARRIVAL, WARMTH)
        return self.files.cement

    def _declared(self, *names: str) -> None:
        if not set(names) <= set(self.stage.inputs):
            raise InternalError(
                "stage-undeclared",
                f"The stage {self.stage.name} reads {', '.join(names)} without declaring it.",
                do="Please report this.",
            )


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
