"""A case whose scan is that of another with one vertebra broken virtually."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from endplate.case.case_files import CaseFiles
from endplate.case.conductor import Conductor
from endplate.case.documents import document_bytes
from endplate.case.folder import create_case, open_case
from endplate.case.hashing import sha256_bytes
from endplate.case.manifest import InputRecord
from endplate.case.names import IMAGE, LABELS, ORGANS, SCAN, SCAN_FILES, TRUTH
from endplate.case.request import Parameters
from endplate.case.run import MEASURED, Tell
from endplate.case.scan import Scan
from endplate.case.stage import Payload, StageView
from endplate.case.stages import STAGES, stage_named
from endplate.errors import QualityGateError
from endplate.imaging.calibrate import calibration_of
from endplate.synthetic.virtual_fracture import FracturedScan, FractureTruth, VirtualFracture, fracture_scan

STAGE = "Breaking the vertebra"


def fracture_case(folder: Path, wanted: VirtualFracture, out: Path, *, tell: Tell) -> FractureTruth:
    """Break a vertebra of a case and write the new case, measured.

    Raises
    ------
    InputError
        There is no case in ``folder``.
    UsageError
        The level, the loss or the new folder cannot be used; another run is at work in the case.
    QualityGateError
        The case has no CT or no labels, or the level is cut by the edge of the scan.
    """
    tell(STAGE, "", 0.0)
    with open_case(folder) as case:
        record = {key: sha for stage in case.manifest.stages.values() for key, sha in stage.outputs.items()}
        files = CaseFiles(folder, record)
        scan, spine, quality = files.scan, files.spine, files.quality
        parameters = Parameters.from_json(case.manifest.parameters)
    if scan.image is None or spine is None or quality is None:
        raise QualityGateError(
            "fracture-needs-ct",
            "A virtual fracture moves bone in a CT; this case has none, or was not measured.",
            do="Make the case from a CT with --labels: `endplate assess CT --labels L --out CASE`.",
        )
    made = fracture_scan(
        scan.image,
        scan.labels,
        spine,
        wanted,
        calibration_of(quality.calibration),
        progress=lambda what, part: tell(STAGE, what, part),
    )
    tell(STAGE, "", 1.0)
    _write_case(out, made, scan, parameters.calibration, tell)
    return made.truth


def _write_case(out: Path, made: FracturedScan, scan: Scan, calibration: str | None, tell: Tell) -> None:
    """The new case: the scan stage hands over what was made, the other stages are the usual ones."""
    new = replace(scan, image=made.image, labels=made.labels)

    def scan_stage(_view: StageView) -> Mapping[str, Payload]:
        files: dict[str, Payload] = {
            SCAN: new.record(),
            IMAGE: made.image,
            LABELS: made.labels.volume,
            TRUTH: document_bytes(made.truth),
        }
        if new.organs is not None:
            files[ORGANS] = new.organs.volume
        return files

    voxels = sha256_bytes(made.image.data.tobytes() + made.labels.data.tobytes())
    inputs = {"ct": InputRecord(kind="virtual fracture", sha256=voxels)}
    handing_over = replace(
        stage_named("scan"), outputs=(*SCAN_FILES, TRUTH), function=scan_stage, external=False
    )
    truth = made.truth
    title = f"SIMULATED: virtual {truth.shape} fracture of {truth.level}, {100.0 * truth.loss_asked:.0f} %"
    parameters = Parameters(calibration=calibration, title=title)
    with create_case(out, inputs, force=False) as case:
        Conductor(case, None, parameters, tell=tell, stages=(handing_over, *STAGES[1:])).advance(
            (*MEASURED, "report")
        )
