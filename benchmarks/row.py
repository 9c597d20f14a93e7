"""One line of a benchmark, and what every benchmark is told."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """What the command line asks of a benchmark."""

    all: bool = False
    seed: int = 0
    problem: Path | None = None


def machine() -> str:
    """The machine in words: processor, cores, Python."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        model = next(
            (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model
        )
    except OSError:
        pass
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


@dataclass(frozen=True)
class Row:
    """One case: ``ratio`` is the peer's time over our warm time, ``None`` without a peer.

    ``peak_mb`` is the greatest memory of a process that did nothing else, ``shares`` the stages' parts of our time,
    ``details`` what else a benchmark tells of a case.
    """

    benchmark: str
    case: str
    ours_s: float
    jit_s: float | None = None
    peer: str | None = None
    peer_version: str | None = None
    peer_s: float | None = None
    ratio: float | None = None
    agreement: float | None = None
    peak_mb: float | None = None
    shares: dict[str, float] | None = None
    details: dict[str, float | int | str | None] | None = None
    machine: str = field(default_factory=machine)

    def line(self) -> str:
        """The row as one line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the first call beyond the second (compiling, loading), and of the second, warm call."""
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return max(seconds[0] - seconds[1], 0.0), seconds[1]
