"""A case folder: opening it safely, and keeping its record."""

from __future__ import annotations

import platform
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from endplate.case.documents import document_bytes
from endplate.case.files import clear_write_errors, remove_leftovers, write_whole
from endplate.case.hashing import sha256_file, versions
from endplate.case.lock import LOCK_NAME, case_lock
from endplate.case.manifest import MANIFEST_NAME, InputRecord, Manifest, StageRecord, Timing
from endplate.errors import InputError, UsageError


@dataclass
class CaseFolder:
    """An open case: its place and its record. Held by one run at a time.

    ``notes`` collects what the user should know of the case itself (a damaged file that is made anew, ...).
    """

    path: Path
    manifest: Manifest
    notes: list[str] = field(default_factory=list)

    def save(self, **changes: object) -> None:
        """Write the record with some fields changed."""
        changed = self.manifest.model_copy(update=changes)
        timing = changed.timing.model_copy(update={"updated": now()})
        self.manifest = changed.model_copy(update={"timing": timing})
        content = document_bytes(self.manifest)
        write_whole(self.path / MANIFEST_NAME, lambda part: _write_bytes(part, content))

    def damaged(self, record: StageRecord) -> tuple[str, ...]:
        """Names of a stage's files that are missing or not as they were written."""
        return tuple(
            name
            for name, digest in record.outputs.items()
            if not (self.path / name).is_file() or sha256_file(self.path / name) != digest
        )

    def files(self) -> tuple[str, ...]:
        """Names of all files of the case, relative to its folder."""
        return (MANIFEST_NAME, *(name for record in self.manifest.stages.values() for name in record.outputs))

    def drop(self, stage: str) -> None:
        """Forget a stage whose result no longer matches the rest, and remove its files."""
        stages = dict(self.manifest.stages)
        record = stages.pop(stage)
        self.save(stages=stages)
        with clear_write_errors(self.path):
            for name in record.outputs:
                (self.path / name).unlink(missing_ok=True)


@contextmanager
def open_case(path: Path) -> Iterator[CaseFolder]:
    """Open an existing case for one run.

    Raises
    ------
    InputError
        There is no case at that place, or its record is damaged.
    UsageError
        Another run is at work in it, or it cannot be written.
    """
    read_manifest(path)  # before the lock: a folder that is no case gets no lock file
    with _held(path) as stale:
        manifest = read_manifest(path).model_copy(update={"versions": versions()})
        yield _opened(path, manifest, stale=stale)


@contextmanager
def create_case(path: Path, inputs: Mapping[str, InputRecord], *, force: bool) -> Iterator[CaseFolder]:
    """Open the case of these inputs at ``path``, or start one in a new or empty folder.

    Raises
    ------
    UsageError
        The folder holds something else or the case of another scan, the case has labels and none are given,
        another run is at work in it, or it cannot be written.
    InputError
        The record of the case is damaged.
    """
    _refuse_foreign_folder(path)
    with _made_folder(path), _held(path) as stale:
        if not (path / MANIFEST_NAME).is_file():
            yield _opened(path, _new_manifest(inputs), stale=stale)
            return
        try:
            manifest = read_manifest(path)
        except InputError:
            if not force:
                raise
            manifest = _new_manifest(inputs)
        if _scan_hash(manifest.inputs) != _scan_hash(inputs):
            if not force:
                raise UsageError(
                    "case-of-another-scan",
                    f"{path} holds the case of another scan.",
                    intact="That case is unchanged; nothing was overwritten.",
                    do="Name another --out; or give --force to replace that case for good.",
                )
            manifest = _new_manifest(inputs).model_copy(update={"stages": manifest.stages})
        elif "labels" in manifest.inputs and "labels" not in inputs and not force:
            raise UsageError(
                "case-has-labels",
                f"{path} was made with a label map, and none was given now.",
                intact="That case is unchanged.",
                do="Give --labels again, or name another --out.",
            )
        manifest = manifest.model_copy(update={"inputs": dict(inputs), "versions": versions()})
        yield _opened(path, manifest, stale=stale)


def read_manifest(path: Path) -> Manifest:
    """Read the record of the case in a folder.

    Raises
    ------
    InputError
        There is none, or it is damaged or of a kind that this version does not know.
    """
    if not (path / MANIFEST_NAME).is_file():
        raise InputError(
            "case-missing",
            f"{path} is not a case folder (it has no {MANIFEST_NAME}).",
            do="Make one with `endplate run CT --labels L --level L1 --out CASE`.",
        )
    try:
        return Manifest.model_validate_json((path / MANIFEST_NAME).read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(
            "case-manifest-damaged",
            f"{MANIFEST_NAME} in {path} cannot be read: it is damaged or from another version.",
            intact="Nothing in the case was changed.",
            do="Run again with the CT and --force to make every stage anew, or name another --out.",
        ) from error


@contextmanager
def _made_folder(path: Path) -> Iterator[None]:
    """Make the folder, and take it away again where nothing came to stand in it."""
    is_new = not path.exists()
    with clear_write_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        if is_new and not any(path.iterdir()):
            path.rmdir()


@contextmanager
def _held(path: Path) -> Iterator[bool]:
    with case_lock(path) as stale:
        with clear_write_errors(path):
            remove_leftovers(path)
        yield stale


def _opened(path: Path, manifest: Manifest, *, stale: bool) -> CaseFolder:
    notes = ["An earlier run of this case was stopped; its finished stages are used."] if stale else []
    return CaseFolder(path=path, manifest=manifest, notes=notes)


def _refuse_foreign_folder(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise UsageError("out-not-a-folder", f"{path} is a file.", do="Name a folder with --out.")
    if not path.is_dir() or (path / MANIFEST_NAME).is_file():
        return
    with clear_write_errors(path):
        others = [item for item in path.iterdir() if item.name != LOCK_NAME]
    if others:
        raise UsageError(
            "out-not-empty",
            f"{path} is not empty and is not a case folder.",
            intact="Nothing in it was changed.",
            do="Name a new or empty folder with --out.",
        )


def _scan_hash(inputs: Mapping[str, InputRecord]) -> tuple[str, str]:
    """What makes two cases the same: their CT; without one, their label map."""
    name = "ct" if "ct" in inputs else "labels"
    return name, inputs[name].sha256


def _new_manifest(inputs: Mapping[str, InputRecord]) -> Manifest:
    started = now()
    timing = Timing(created=started, updated=started, host=socket.gethostname(), platform=platform.platform())
    return Manifest(inputs=dict(inputs), versions=versions(), timing=timing)


def now() -> str:
    """The time as ``run.json`` writes it: UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _write_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)
