"""What every test shares: the folder of real data, and the count of what ran on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("steady", derandomize=True, database=None, deadline=None)
settings.load_profile("steady")  # the same examples each time, on however slow a machine

REAL_DATA_VARIABLE = "ENDPLATE_DATA"


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real scans and label maps; tests that need it are skipped, saying so, where it is not set."""
    named = os.environ.get(REAL_DATA_VARIABLE, "")
    if not named:
        pytest.skip(f"no real data: {REAL_DATA_VARIABLE} is not set")
    folder = Path(named).resolve()
    if not folder.is_dir():
        pytest.fail(f"{REAL_DATA_VARIABLE} names {named}, which is not a folder")
    return folder


class RealDataCount:
    """Counts the tests that ran on real data, from the reports of all workers."""

    def __init__(self) -> None:
        self.run: set[str] = set()
        self.skipped: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a real-data test as run or skipped."""
        if "real_data" not in report.keywords:
            return
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped.add(report.nodeid)
        elif report.when == "call":
            self.run.add(report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A skipped real-data test is a failure where real data were promised."""
        promised = os.environ.get(REAL_DATA_VARIABLE)
        if promised and self.skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say how many tests ran on real data."""
        terminalreporter.write_line(f"real data: {len(self.run)} run, {len(self.skipped)} skipped")
        if os.environ.get(REAL_DATA_VARIABLE) and self.skipped:
            terminalreporter.write_line(
                f"FAILED: {REAL_DATA_VARIABLE} is set, so these must not be skipped:", red=True
            )
            for node in sorted(self.skipped):
                terminalreporter.write_line(f"  {node}")


def pytest_configure(config: pytest.Config) -> None:
    """Open the count of real-data tests; a worker's reports are counted where they come together."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(RealDataCount())


@dataclass(frozen=True)
class ScanFiles:
    """A CT and its labels on disk."""

    ct: Path
    labels: Path


@pytest.fixture(scope="session")
def phantom_files(tmp_path_factory: pytest.TempPathFactory) -> ScanFiles:
    """A small phantom, T12–L2 whole with a wedge fracture of L1; T11 is cut by the field of view."""
    from endplate.imaging.write import write_nifti
    from endplate.synthetic import FractureSpec, GridSpec, build_phantom, default_spec

    spec = default_spec(("T11", "T12", "L1", "L2"), fracture={"L1": FractureSpec("wedge", 0.4)})
    made = build_phantom(spec, GridSpec(spacing=(1.2, 1.2, 1.5), to_skin=True))
    assert made.volume is not None
    cut = round(35.0 / 1.5)
    folder = tmp_path_factory.mktemp("phantom")
    files = ScanFiles(folder / "ct.nii.gz", folder / "labels.nii.gz")
    keep = (*made.volume.shape[:2], made.volume.shape[2] - cut)
    write_nifti(made.volume.crop((0, 0, 0), keep), files.ct)
    write_nifti(made.labels.volume.crop((0, 0, 0), keep), files.labels)
    return files


@pytest.fixture(scope="session")
def assessed_case(phantom_files: ScanFiles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The phantom's case with its measurements and their report, no plan yet. Copy it before changing it."""
    from endplate.case import Inputs, Parameters, assess_to_case

    folder = tmp_path_factory.mktemp("assessed") / "case"
    assess_to_case(folder, Inputs(ct=phantom_files.ct, labels=phantom_files.labels), Parameters())
    return folder


@pytest.fixture(scope="module")
def coarse_bones() -> Iterator[None]:
    """For tests of the way through a case, not of the physics: a run presses bones elastically on coarse voxels."""
    from endplate.mechanics.pressing import StrengthOptions

    def coarse(options: StrengthOptions) -> StrengthOptions:
        return replace(options, linear_only=True, voxel_mm=3.0)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(StrengthOptions, "quick", coarse)
        yield


@pytest.fixture(scope="module")
def coarse_cement() -> Iterator[None]:
    """For the same tests: large portions on coarse voxels, heat for two minutes, and no strength after cement."""
    from endplate.outcome import heat, treatment
    from endplate.outcome.before_after import BeforeAfter
    from endplate.outcome.model import no_strength
    from endplate.procedure.build import WorldOptions

    def coarse(options: WorldOptions) -> WorldOptions:
        return replace(
            options,
            bone=replace(options.bone, voxel_mm=3.0),
            settings=replace(options.settings, portion_ml=1.0, turn_ml=1.0, substep_ml=1.0),
            exposure_pixels=32,
        )

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(WorldOptions, "quick", coarse)
        patched.setattr(heat, "HeatOptions", partial(heat.HeatOptions, minutes=2.0))
        patched.setattr(treatment, "before_and_after", lambda *_, **__: BeforeAfter(no_strength(), ()))
        yield
