"""Running stages in a case: what is current is reused, the rest is made anew, one whole file at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from endplate.case.case_files import CaseFiles
from endplate.case.documents import document_bytes
from endplate.case.files import write_whole
from endplate.case.folder import CaseFolder, now
from endplate.case.hashing import canonical_json, code_hash, sha256_bytes, sha256_file
from endplate.case.manifest import MANIFEST_NAME, StageRecord, StageTiming
from endplate.case.request import Inputs, Parameters
from endplate.case.stage import Payload, Stage, StageView
from endplate.case.stages import STAGES
from endplate.errors import InternalError, UsageError
from endplate.imaging.volume import Volume


class Conductor:
    """Brings the stages of one open case up to date.

    Parameters
    ----------
    case:
        The open case.
    inputs:
        The user's inputs, or ``None`` to work from what the case keeps.
    parameters:
        What shapes the results.
    force:
        Make every wanted stage anew, once.
    tell:
        Told when a stage starts: stage title, what is being done, fraction done.
    stages:
        The stages there are, in order.
    before:
        An earlier one of the same case: what it brought up to date is not made anew.
    """

    def __init__(
        self,
        case: CaseFolder,
        inputs: Inputs | None,
        parameters: Parameters,
        *,
        force: bool = False,
        tell: Callable[[str, str, float], None] = lambda _stage, _what, _fraction: None,
        stages: Sequence[Stage] = STAGES,
        before: Conductor | None = None,
    ) -> None:
        self.case = case
        self.inputs = inputs
        self.parameters = parameters
        self._force = force
        self._tell = tell
        self._stages = tuple(stages)
        self._available: dict[str, str] = {}
        self._memory: dict[object, Any] = {}
        self._settled: set[str] = set() if before is None else set(before._settled)
        self.made: list[str] = [] if before is None else list(before.made)
        """Names of the stages that were run, in order."""

    @property
    def files(self) -> CaseFiles:
        """The case's current documents and volumes."""
        return CaseFiles(self.case.path, dict(self._available), self._memory)

    def advance(self, wanted: Collection[str], *, later: Collection[str] = ()) -> CaseFiles:
        """Bring the wanted stages up to date; drop others that no longer fit, unless a ``later`` call does.

        Raises
        ------
        EndplateError
            Whatever a stage finds. Stages finished before it are saved.
        """
        self._available = {}
        for stage in self._stages:
            if stage.name in wanted:
                self._bring_up(stage)
            elif stage.name not in later:
                self._keep_or_drop(stage)
        return self.files

    def _bring_up(self, stage: Stage) -> None:
        record = self.case.manifest.stages.get(stage.name)
        if stage.external and self.inputs is None:
            self._use_as_kept(record)
            return
        wished = self._record(stage, self.parameters.select(stage.parameters))
        anew = self._force and stage.name not in self._settled
        if record is not None and record.key == wished.key and not anew:
            damaged = self.case.damaged(record)
            if not damaged:
                self._available.update(record.outputs)
                self._settled.add(stage.name)
                return
            self.case.notes.append(f"{', '.join(damaged)}: not as it was written; made anew.")
        self._run(stage, wished)

    def _keep_or_drop(self, stage: Stage) -> None:
        record = self.case.manifest.stages.get(stage.name)
        if record is None:
            return
        if record.key == self._record(stage, record.parameters).key and not self.case.damaged(record):
            self._available.update(record.outputs)
        elif self.made:
            self.case.drop(stage.name)
            self.case.notes.append(f"The earlier {stage.name} no longer fits this case and was removed.")

    def _use_as_kept(self, record: StageRecord | None) -> None:
        if record is None or self.case.damaged(record):
            raise UsageError(
                "case-scan-damaged",
                "The scan that the case keeps is missing or not as it was written.",
                intact="Nothing in the case was changed.",
                do="Run `endplate run` again with the CT and this case as --out: the scan is read anew.",
            )
        self._available.update(record.outputs)

    def _record(self, stage: Stage, parameters: Mapping[str, object]) -> StageRecord:
        """What the stage would be made from now, with its key; no outputs yet."""
        manifest = self.case.manifest
        made_from: dict[str, str | None] = {name: self._available.get(name) for name in stage.inputs}
        if stage.external:
            made_from.update({f"input:{name}": entry.sha256 for name, entry in manifest.inputs.items()})
        if stage.provenance:
            made_from["provenance"] = sha256_bytes(canonical_json(self._provenance()))
        code = code_hash(stage.rooms)
        parts = {"stage": stage.name, "inputs": made_from, "parameters": dict(parameters), "code": code}
        return StageRecord(
            key=sha256_bytes(canonical_json(parts)),
            code=code,
            inputs=made_from,
            parameters=dict(parameters),
            outputs={},
        )

    def _provenance(self) -> dict[str, object]:
        return {**self.case.manifest.provenance(), "parameters": self.parameters.to_json()}

    def _run(self, stage: Stage, wished: StageRecord) -> None:
        def progress(what: str, fraction: float) -> None:
            self._tell(stage.title, what, fraction)

        progress("", 0.0)
        started = time.monotonic()
        view = StageView(
            stage=stage,
            files=self.files,
            parameters=self.parameters,
            inputs=self.inputs,
            provenance=self._provenance(),
            progress=progress,
        )
        payloads = stage.function(view)
        undeclared = set(payloads) - set(stage.outputs)
        if undeclared:
            raise InternalError(
                "stage-undeclared",
                f"The stage {stage.name} wrote {', '.join(sorted(undeclared))} without declaring it.",
                do="Please report this.",
            )
        if not (self.case.path / MANIFEST_NAME).is_file():
            self.case.save()
        outputs = {name: self._write(name, payload) for name, payload in payloads.items()}
        self._finish(stage, wished.model_copy(update={"outputs": outputs}), time.monotonic() - started)
        progress("", 1.0)

    def _write(self, name: str, payload: Payload) -> str:
        path = self.case.path / name
        write_whole(path, lambda part: _fill(part, payload))
        return sha256_file(path)

    def _finish(self, stage: Stage, record: StageRecord, seconds: float) -> None:
        manifest = self.case.manifest
        before = manifest.stages.get(stage.name)
        stages = {**manifest.stages, stage.name: record}
        timing = manifest.timing.model_copy(
            update={
                "stages": {
                    **manifest.timing.stages,
                    stage.name: StageTiming(finished=now(), seconds=round(seconds, 3)),
                }
            }
        )
        self._available.update(record.outputs)
        self.case.save(
            stages={known.name: stages[known.name] for known in self._stages if known.name in stages},
            parameters=self.parameters.to_json(),
            findings=self.files.findings(),
            timing=timing,
        )
        for name in set(before.outputs if before else ()) - set(record.outputs):
            (self.case.path / name).unlink(missing_ok=True)
        self._settled.add(stage.name)
        self.made.append(stage.name)


def _fill(path: Path, payload: Payload) -> None:
    if isinstance(payload, Volume):
        from endplate.imaging.write import write_nifti

        write_nifti(payload, path)
    else:
        path.write_bytes(payload if isinstance(payload, bytes) else document_bytes(payload))
