"""What a stage is: a pure function of declared case files and parameters to new case files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from endplate.anatomy.model import Spine
from endplate.case.case_files import Results
from endplate.case.names import (
    ARRIVAL,
    CAVITY,
    CEMENT,
    FAILURE,
    FILL,
    IMPLANTS,
    OUTCOME,
    PLAN,
    PROCEDURE,
    QUALITY,
    SCAN_FILES,
    SPINE,
    STRENGTH,
    WARMTH,
    XRAYS,
)
from endplate.case.request import Inputs, Parameters
from endplate.case.scan import Scan
from endplate.errors import InternalError
from endplate.imaging.scan_records import ScanCharacter
from endplate.imaging.volume import Volume
from endplate.planning.model import Plan

if TYPE_CHECKING:
    from endplate.anatomy.implants import ImplantMap
    from endplate.fluoroscopy.album import Xrays
    from endplate.mechanics.levels import CaseStrength
    from endplate.outcome.fields import CementMaps
    from endplate.outcome.model import Treatment
    from endplate.procedure.document import ProcedureDocument
    from endplate.procedure.saved import SavedFill

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
        self._declared(CEMENT, ARRIVAL, WARMTH, CAVITY)
        return self.files.cement

    def _declared(self, *names: str) -> None:
        if not set(names) <= set(self.stage.inputs):
            raise InternalError(
                "stage-undeclared",
                f"The stage {self.stage.name} reads {', '.join(names)} without declaring it.",
                do="Please report this.",
            )
