"""How long two-phase Darcy flow takes, beside OPM Flow on the same grid with the same well and viscosities.

Each case is solved by the peer first (two processes, its own choice of steps) and then by Endplate in at least as many
steps, in a process of its own. Times are warm, without reading and writing. The peer is the program ``flow`` of the
Debian package ``libopm-simulators-bin``; without it the rows have no ratio. ``agreement`` is the sum of the differences
of saturation over what was injected; ``front_voxels`` and ``peer_front_voxels`` are radii of the ball with as many
voxels as hold more than 0.3. OPM keeps a volume to its tolerance only, which ``peer_mass_error`` tells.
``source_pressure`` is that of the source voxel times k·h/(μ·Q).

``fill`` rows are Endplate alone: 6 mL into spongy bone on a grid of 2, 1 and 0.5 mm. The last row is the 64³ cube with
a ratio of viscosities of 50.
"""

from __future__ import annotations

import json
import math
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks import cement_problems as problems
from benchmarks.cement_problems import Problem
from benchmarks.row import Options, Row
from endplate.cement.advance import advance
from endplate.cement.flow_options import Options as FlowOptions
from endplate.cement.model import ROUTES, Fill, Flow, Medium, Source, empty

PEER = "opm-flow"
RANKS = 2
REPEATS = 3
ALONE_STEPS = 60
"""Of Endplate where no peer says how many."""

FRONT = 0.3
FILL_ML, FILL_PAS, FILL_CUBE_MM = 6.0, 100.0, 40.0


@dataclass(frozen=True, eq=False)
class Solved:
    """What the process that solved tells."""

    jit_s: float
    warm_s: float
    cpu_s: float
    steps: int
    iterations: int
    mass_error: float
    saturation: np.ndarray
    source_pressure: float
    peak_mb: float


@dataclass(frozen=True, eq=False)
class Peer:
    """What the peer told."""

    version: str
    seconds: float
    steps: int
    newton: int
    peak_mb_of_a_rank: float
    ranks: int
    source_pressure: float
    saturation: np.ndarray


def cases(options: Options) -> Iterator[Row]:
    """A problem of one's own alone; else all, the 64³ cube with a ratio of 50 last."""
    if options.problem is not None:
        yield _beside(problems.from_file(options.problem))
        return
    seed = options.seed
    for edge_mm in (2.0, 1.0, 0.5):
        yield _filled(edge_mm)
    if options.all:
        yield _beside(problems.cube(40, 10.0, seed))
        yield _beside(problems.cube(40, 100.0, seed))
        yield _beside(problems.cube(40, 50.0, seed, anisotropic=True))
    yield _beside(problems.cube(40, 50.0, seed))
    yield _beside(problems.cube(64, 50.0, seed))


def _beside(problem: Problem) -> Row:
    """One problem by both."""
    peer = _opm(problem)
    ours = _apart(problem, ALONE_STEPS if peer is None else peer.steps)
    weight = np.where(problem.inner, problem.porosity, 0.0)
    injected = problem.fraction * float(weight.sum())
    details: dict[str, float | int | str | None] = {
        "cells": problem.porosity.size,
        "steps": ours.steps,
        "iterations": ours.iterations,
        "mass_error": ours.mass_error,
        "front_voxels": _front(ours.saturation),
        "source_pressure": round(ours.source_pressure, 4),
        "cpu_s": round(ours.cpu_s, 3),
    }
    if peer is not None:
        details |= {
            "peer_steps": peer.steps,
            "peer_newton_iterations": peer.newton,
            "peer_mass_error": abs(float((peer.saturation * weight).sum()) / injected - 1.0),
            "peer_front_voxels": _front(peer.saturation),
            "peer_source_pressure": round(peer.source_pressure, 4),
            "peer_ranks": peer.ranks,
            "peer_peak_mb": round(peer.ranks * peer.peak_mb_of_a_rank),
        }
    return Row(
        benchmark="cement",
        case=problem.name,
        ours_s=round(ours.warm_s, 3),
        jit_s=round(ours.jit_s, 2),
        peer=PEER,
        peer_version=peer.version if peer else None,
        peer_s=round(peer.seconds, 2) if peer else None,
        ratio=round(peer.seconds / ours.warm_s, 1) if peer else None,
        agreement=float((np.abs(ours.saturation - peer.saturation) * weight).sum()) / injected
        if peer
        else None,
        peak_mb=round(ours.peak_mb),
        details=details,
    )


def _front(saturation: np.ndarray) -> float:
    """Radius of a ball with as many voxels as the front has passed."""
    count = np.count_nonzero(saturation > FRONT)
    return round((3.0 * count / (4.0 * math.pi)) ** (1.0 / 3.0), 4)


def _filled(edge_mm: float) -> Row:
    """6 mL into a cube of homogeneous spongy bone, with the default options."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        ours = pool.submit(_fill, edge_mm).result()
    return Row(
        benchmark="cement",
        case=f"fill: {FILL_ML:g} mL at {edge_mm:g} mm",
        ours_s=round(ours.warm_s, 3),
        jit_s=round(ours.jit_s, 2),
        peak_mb=round(ours.peak_mb),
        details={
            "cells": ours.saturation.size,
            "steps": ours.steps,
            "iterations": ours.iterations,
            "mass_error": ours.mass_error,
            "cpu_s": round(ours.cpu_s, 3),
        },
    )


def _apart(problem: Problem, steps: int) -> Solved:
    """Solve in a process of its own, so that the memory is that of this problem."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_solve, problem, steps).result()


def _fill(edge_mm: float) -> Solved:
    n = int(FILL_CUBE_MM / edge_mm) | 1
    rough = problems.cube(n, 1000.0, 0)
    even = Problem(
        name="homogeneous",
        k_m2=np.full_like(rough.k_m2, 4e-8),
        porosity=np.full_like(rough.porosity, 0.85),
        cement_pas=FILL_PAS,
        marrow_pas=problems.MARROW_PAS,
        source=rough.source,
        fraction=FILL_ML * 1000.0 / (0.85 * ((n - 2) * edge_mm) ** 3),
        spacing_mm=(edge_mm,) * 3,
    )
    return _timed(even, FlowOptions())


def _solve(problem: Problem, steps: int) -> Solved:
    return _timed(
        problem,
        FlowOptions(
            flux="corey",
            faces="upstream",
            step_ml=problem.volume_ml / steps,
            viscosity_range_pas=(problem.cement_pas, problem.cement_pas),
        ),
    )


def _timed(problem: Problem, flow: FlowOptions) -> Solved:
    """Solve a small one to compile, then the problem itself several times."""
    start = time.perf_counter()
    _injected(problems.cube(9, 50.0, 0), flow)
    jit_s = time.perf_counter() - start
    seconds, busy = [], []
    for _ in range(REPEATS):
        wall, cpu = time.perf_counter(), time.process_time()
        medium, fill, met = _injected(problem, flow)
        seconds.append(time.perf_counter() - wall)
        busy.append(time.process_time() - cpu)
    unit = 1024.0 if sys.platform != "darwin" else 1.0
    return Solved(
        jit_s=jit_s,
        warm_s=median(seconds),
        cpu_s=median(busy),
        steps=met.steps,
        iterations=met.iterations,
        mass_error=fill.mass_error(medium),
        saturation=fill.saturation,
        source_pressure=_scaled(problem, float(fill.pressure_pa[problem.source])),
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1024.0**2,
    )


def _scaled(problem: Problem, pressure_pa: float) -> float:
    """Pressure times k·h/(μ·Q) with the median k, the thin fluid's μ and the edge h of a voxel."""
    edge_m = 1e-3 * float(np.prod(problem.spacing_mm)) ** (1.0 / 3.0)
    flow_m3_s = problems.RATE_ML_MIN * 1e-6 / 60.0
    return pressure_pa * float(np.median(problem.k_m2)) * edge_m / (problem.marrow_pas * flow_m3_s)


def _injected(problem: Problem, flow: FlowOptions) -> tuple[Medium, Fill, Flow]:
    """Set-up and run; the grid of the arrays stands for millimetres along z, y and x."""
    outer = ~problem.inner
    spacing = np.array(problem.spacing_mm)
    medium = Medium(
        affine=np.diag([*spacing, 1.0]),
        porosity=problem.porosity,
        permeability_m2=problem.k_m2,
        exits=np.where(outer, ROUTES.index("cortical_lateral") + 1, 0).astype(np.int8),
        exit_conductance=np.where(outer, np.inf, 0.0),
        outer_pressure_pa=0.0,
        marrow_pas=problem.marrow_pas,
    )
    tip = np.array(problem.source) * spacing
    needle = Source(tip, np.array([1.0, 0.0, 0.0]), 0.1 * float(spacing.min()), problems.RATE_ML_MIN, 0.0)

    def law(age_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.full(np.shape(age_s), problem.cement_pas), np.ones(np.shape(age_s))

    seconds = 60.0 * problem.volume_ml / problems.RATE_ML_MIN
    fill, met = advance(medium, empty(medium), [needle], law, seconds, options=flow)
    return medium, fill, met


def _opm(problem: Problem) -> Peer | None:
    """The peer's answer; ``None`` where it is not installed or fails."""
    if shutil.which("flow") is None:
        print("flow (Debian: libopm-simulators-bin) is not installed: no comparison", file=sys.stderr)
        return None
    ranks = RANKS if shutil.which("mpirun") else 1
    with tempfile.TemporaryDirectory() as folder:
        file, answer = Path(folder) / "problem.npz", Path(folder) / "saturation.npy"
        problems.save(problem, file)
        worker = Path(__file__).with_name("opm_worker.py")
        run = subprocess.run(
            [sys.executable, worker, file, answer, str(ranks)], capture_output=True, text=True, check=False
        )
        if run.returncode != 0:
            print(f"{PEER} failed on {problem.name}: {run.stderr[-2000:]}", file=sys.stderr)
            return None
        return Peer(**json.loads(run.stdout.splitlines()[-1]), saturation=np.load(answer))
