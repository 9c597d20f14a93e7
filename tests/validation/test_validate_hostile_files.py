"""Two thousand mutated DICOM, NIfTI and NRRD files: an image or an error with a remedy, nothing else."""

from __future__ import annotations

import collections
import math
import multiprocessing
import queue

import hostile_worker
import pytest
import records
from reading_modules import READING

FILES = 2000
BATCH = 200
HANG_S = 60.0
"""A file that takes longer hangs; the slowest takes seconds, on a busy machine."""

MEMORY_MB = 1024
"""Room for the libraries and compiled code, and for no image of a size that a header claims."""


def _read_all() -> tuple[list[str], float, float, list[str]]:
    said, slowest, peak, lost = [], 0.0, 0.0, []
    context = multiprocessing.get_context("spawn")
    for start in range(0, FILES, BATCH):
        out = context.Queue()
        worker = context.Process(target=hostile_worker.read_batch, args=(start, start + BATCH, out))
        worker.start()
        for number in range(start, start + BATCH):
            try:
                _, words, seconds, kilobytes = out.get(timeout=HANG_S + (60.0 if number == start else 0.0))
            except queue.Empty:  # the worker hangs or has died
                lost.append(f"{number}: {'hang' if worker.is_alive() else f'exit {worker.exitcode}'}")
                break
            said.append(words)
            slowest, peak = max(slowest, seconds), max(peak, kilobytes / 1024.0)
        worker.kill() if worker.is_alive() and lost else worker.join(30.0)
    return said, slowest, peak, lost


@pytest.mark.validate
@pytest.mark.timeout(3600)
def test_hostile_files() -> None:
    said, slowest, peak_mb, lost = _read_all()
    tracebacks = [words for words in said if words.startswith("TRACEBACK")]
    counts = collections.Counter(words for words in said if words not in tracebacks)
    print(f"slowest file {slowest:.2f} s, peak {peak_mb:.0f} MB")  # noqa: T201 - times are for the eye only
    rows = [
        records.row(
            "mutated files read to an end",
            f"{len(said)} of {FILES}",
            f"{FILES}",
            "all",
            f"a hang is more than {HANG_S:.0f} s for one file; a crash ends the process",
            reached=not lost and len(said) == FILES,
        ),
        records.row(
            "tracebacks",
            f"{len(tracebacks)}",
            "0",
            "0",
            "an image, or an error with what happened, what is intact and what to do",
            reached=not tracebacks,
        ),
        records.row(
            "peak memory",
            f"{64 * math.ceil(peak_mb / 64)} MB or less",
            f"{MEMORY_MB} MB",
            "bounded",
            "all libraries included; no header can ask for more than its file justifies",
            reached=peak_mb < MEMORY_MB,
        ),
    ]
    table = ["| answer | files |", "|---|---|", *(f"| {code} | {n} |" for code, n in sorted(counts.items()))]
    records.write_record(
        "hostile-files",
        title="Mutated files",
        order=41,
        method=f"{FILES} files from whole ones (DICOM explicit, implicit, deflated, RLE, JPEG, JPEG lossless, JPEG-LS, "
        "JPEG 2000, enhanced, a disc with DICOMDIR; NIfTI; NRRD) by bit flips, cuts, insertions, absurd values of "
        "named elements, towers of sequences and spoilt starts of code streams; the same files each time.",
        rooms=READING,
        rows=rows,
        details=["\n".join(table)],
    )
    assert lost == []
    assert tracebacks == []
    assert peak_mb < MEMORY_MB
