"""Reading mutated files in a process of its own, so that even a crash of a decoder is seen."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "imaging"))


def read_batch(start: int, stop: int, out: Any) -> None:
    """Put number, answer, seconds and peak memory (kB) of each file into the queue ``out``."""
    from hostile import attempt, hostile, make_seeds

    warnings.simplefilter("ignore")  # pydicom's own, while the files are spoilt
    with tempfile.TemporaryDirectory() as folder:
        seeds = make_seeds(Path(folder) / "seeds")
        for number in range(start, stop):
            path = hostile(seeds, number, Path(folder) / "x")
            began = time.monotonic()
            try:
                said = attempt(path)
            except Exception as error:
                said = f"TRACEBACK {number} {type(error).__name__}"
            out.put(
                (number, said, time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
            )
