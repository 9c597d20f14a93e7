"""What stages have made so far, read from a case folder once each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from endplate.anatomy.model import Spine
from endplate.case.documents import DocumentT, read_document
from endplate.case.names import (
    ARRIVAL,
    CAVITY,
    CEMENT,
    FAILURE,
    FILL,
    IMAGE,
    IMPLANTS,
    LABELS,
    ORGANS,
    OUTCOME,
    PLAN,
    PROCEDURE,
    QUALITY,
    SCAN,
    SCAN_FILES,
    SPINE,
    STRENGTH,
    WARMTH,
    XRAYS,
)
from endplate.case.scan import Scan, ScanRecord, restore
from endplate.errors import InternalError
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

SCALES = {CEMENT: 1000.0, ARRIVAL: 1.0, WARMTH: 10.0, CAVITY: 1000.0}
"""Grey values a unit in the maps of cement: thousandths of a voxel, seconds, tenths of a degree."""

ReadT = TypeVar("ReadT")


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

        fraction, arrival, warmth, cavity = (
            self._read_map(name) for name in (CEMENT, ARRIVAL, WARMTH, CAVITY)
        )
        if fraction is None:
            raise InternalError("case-cement-missing", "The case has no cement.", do="Please report this.")
        return CementMaps(fraction, arrival, warmth, cavity)

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
