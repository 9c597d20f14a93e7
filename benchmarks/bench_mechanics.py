"""How long linear elasticity of a voxel body takes, beside ParOSol on the same problem to the same residual.

Each case is solved by the peer first (two processes, tolerance 1e-6, which it overshoots) and then by Endplate to the
relative residual that the peer reached; both measure it alike. Times are set-up and solve, warm, without reading and
writing. The peer is the wheel ``parosol-py`` of the package index (extra ``peers``), which runs as programs of its own;
``ENDPLATE_PEERS_PYTHON`` names its interpreter where that is another. ``agreement`` is the relative difference of the
reaction forces; ``bytes_a_dof`` the greatest memory above that of the warm interpreter, inputs and answer included.

``scaling`` rows solve larger and larger blocks to 1e-6, ``contrast`` rows hard ones, and the ``roofline`` row puts one
smoothing step (the operator and its update) beside what the machine can do. The last row is the 64³ block.
"""

from __future__ import annotations

import json
import os
import resource
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

from benchmarks import mechanics_problems as problems
from benchmarks.machine_limits import gflop_s, stream_gb_s
from benchmarks.mechanics_problems import Problem
from benchmarks.row import Options, Row
from endplate.mechanics import sweeps
from endplate.mechanics.element import Elasticity
from endplate.mechanics.solve import Loading, Solution, Solver, VoxelModel, solve

PEER = "parosol-py"
RANKS = 2
TOLERANCE = 1e-6
REPEATS = 3

SCALES = (32, 48, 64, 96, 128, 160)
CONTRAST_N = 64
ROOFLINE_N = 128
ROOFLINE_STEPS = 20

FLOPS_AN_ELEMENT = 231 + 3 * 6
"""Of one element's forces (69 to the modes, 69 in them, 93 back) and of the update of its three freedoms."""
BYTES_A_DOF = 4 * 5 + 4 / 3
"""x, the one before, b and 1/diagonal read, the result written over the one before; one modulus an element."""


@dataclass(frozen=True)
class Solved:
    """What the process that solved tells."""

    jit_s: float
    warm_s: float
    cpu_s: float
    iterations: int
    relative_residual: float
    reaction_n: float
    freedoms: int
    peak_mb: float
    bytes_a_dof: float


@dataclass(frozen=True)
class Peer:
    """What the peer told."""

    version: str
    seconds: float
    iterations: int
    relative_residual: float
    reaction_n: float
    peak_mb_of_a_rank: float


def cases(options: Options) -> Iterator[Row]:
    """A problem of one's own alone; else all, the 64³ block last."""
    if options.problem is not None:
        yield _beside(problems.from_file(options.problem))
        return
    seed = options.seed
    yield _roofline()
    for n in SCALES:
        yield _alone("scaling", problems.block(n, seed))
    for hard in (
        problems.homogeneous(CONTRAST_N),
        problems.mask(CONTRAST_N, seed),
        problems.shell(CONTRAST_N, seed),
    ):
        yield _alone("contrast", hard)
    for real in (problems.verse004(), problems.sample_l1()):
        if real is not None:
            yield _beside(real)
    if options.all:
        for one in (problems.block(32, seed), problems.mask(96, seed), problems.shell(CONTRAST_N, seed)):
            yield _beside(one)
    yield _beside(problems.block(96, seed))
    yield _beside(problems.mask(64, seed))
    yield _beside(problems.block(64, seed))


def _beside(problem: Problem) -> Row:
    """One problem by both."""
    peer = _parosol(problem) if problem.is_cubic else None
    ours = _apart(problem, TOLERANCE if peer is None else peer.relative_residual)
    comparable = problem.is_cubic
    details = _details(ours)
    if peer is not None:
        details |= {
            "peer_iterations": peer.iterations,
            "peer_relative_residual": peer.relative_residual,
            "peer_reaction_n": round(peer.reaction_n, 4),
            "peer_peak_mb": round(RANKS * peer.peak_mb_of_a_rank),
        }
    return Row(
        benchmark="mechanics",
        case=problem.name,
        ours_s=round(ours.warm_s, 4),
        jit_s=round(ours.jit_s, 2),
        peer=PEER if comparable else None,
        peer_version=peer.version if peer else None,
        peer_s=round(peer.seconds, 3) if peer else None,
        ratio=round(peer.seconds / ours.warm_s, 2) if peer else None,
        agreement=abs(ours.reaction_n / peer.reaction_n - 1.0) if peer else None,
        peak_mb=round(ours.peak_mb),
        details=details,
    )


def _alone(kind: str, problem: Problem) -> Row:
    ours = _apart(problem, TOLERANCE)
    return Row(
        benchmark="mechanics",
        case=f"{kind}: {problem.name}",
        ours_s=round(ours.warm_s, 4),
        jit_s=round(ours.jit_s, 2),
        peak_mb=round(ours.peak_mb),
        details=_details(ours),
    )


def _details(ours: Solved) -> dict[str, float | int | str | None]:
    return {
        "dof": ours.freedoms,
        "iterations": ours.iterations,
        "relative_residual": ours.relative_residual,
        "reaction_n": round(ours.reaction_n, 4),
        "us_a_dof": round(1e6 * ours.warm_s / ours.freedoms, 4),
        "cpu_s": round(ours.cpu_s, 3),
        "bytes_a_dof": round(ours.bytes_a_dof),
    }


def _apart(problem: Problem, tolerance: float) -> Solved:
    """Solve in a process of its own, so that the memory is that of this problem."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_solve, problem, tolerance).result()


def _peak_bytes() -> float:
    """The greatest memory so far; where the system tells it, without what the process that began this one had."""
    try:
        lines = Path("/proc/self/status").read_text("utf-8").splitlines()
        return next(1024.0 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        pass
    unit = 1024.0 if sys.platform != "darwin" else 1.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _present_bytes() -> float:
    """Memory in use now; where the system does not say, the greatest so far."""
    try:
        pages = int(Path("/proc/self/statm").read_text("utf-8").split()[1])
    except OSError:
        return _peak_bytes()
    return float(pages * resource.getpagesize())


def _solve(problem: Problem, tolerance: float) -> Solved:
    """Solve small ones to compile, then the problem itself several times."""
    start = time.perf_counter()
    for n in (4, 40):  # the code for one thread, and that for all
        model, loading = _model(problems.homogeneous(n))
        solve(model, loading)
    jit_s = time.perf_counter() - start
    before = _present_bytes()
    model, loading = _model(problem)
    solution: Solution | None = None
    seconds, busy = [], []
    for _ in range(REPEATS):
        solution = None
        wall, cpu = time.perf_counter(), time.process_time()
        solution = solve(model, loading, tolerance=tolerance)
        seconds.append(time.perf_counter() - wall)
        busy.append(time.process_time() - cpu)
    assert solution is not None
    peak = _peak_bytes()
    return Solved(
        jit_s=jit_s,
        warm_s=median(seconds),
        cpu_s=median(busy),
        iterations=solution.iterations,
        relative_residual=solution.relative_residual,
        reaction_n=float(solution.reaction_n[2, -1].sum()),
        freedoms=solution.freedoms,
        peak_mb=peak / 1024.0**2,
        bytes_a_dof=(peak - before) / solution.freedoms,
    )


def _model(problem: Problem) -> tuple[VoxelModel, Loading]:
    """Lowest nodes held in all directions, uppermost ones moved."""
    model = VoxelModel(problem.e_mpa, problem.spacing_mm, Elasticity.isotropic(problem.poisson))
    fixed = np.zeros(model.node_shape, dtype=bool)
    moved = np.zeros(model.node_shape)
    fixed[:, [0, -1]] = True
    for direction, distance in enumerate(problem.top_mm):
        moved[direction, -1] = distance
    return model, Loading(fixed, moved)


def _parosol(problem: Problem) -> Peer | None:
    """The peer's answer; ``None`` where it is not installed."""
    python = os.environ.get("ENDPLATE_PEERS_PYTHON", sys.executable)
    found = subprocess.run([python, "-c", "import parosol_py"], capture_output=True, check=False)
    if found.returncode != 0:
        print(f"{PEER} is not installed for {python}: no comparison", file=sys.stderr)
        return None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "problem.npz"
        np.savez(
            file,
            e_mpa=problem.e_mpa,
            spacing_mm=problem.spacing_mm[0],
            poisson=problem.poisson,
            top_mm=problem.top_mm,
            tolerance=TOLERANCE,
        )
        worker = Path(__file__).with_name("parosol_worker.py")
        run = subprocess.run([python, worker, file, str(RANKS)], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        print(f"{PEER} failed on {problem.name}: {run.stderr[-2000:]}", file=sys.stderr)
        return None
    return Peer(**json.loads(run.stdout.splitlines()[-1]))


def _roofline() -> Row:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        seconds, freedoms, stream_gb_s, gflop_s = pool.submit(_smoothing_step).result()
    rate = freedoms / seconds
    flops = FLOPS_AN_ELEMENT / 3.0
    return Row(
        benchmark="mechanics",
        case=f"roofline: one smoothing step, {ROOFLINE_N} block",
        ours_s=round(seconds, 5),
        details={
            "mdof_s": round(rate / 1e6),
            "bytes_a_dof": round(BYTES_A_DOF, 1),
            "flops_a_dof": round(flops, 1),
            "gb_s": round(rate * BYTES_A_DOF / 1e9, 1),
            "stream_gb_s": round(stream_gb_s, 1),
            "gflop_s": round(rate * flops / 1e9, 1),
            "fma_peak_gflop_s": round(gflop_s, 1),
        },
    )


def _smoothing_step() -> tuple[float, int, float, float]:
    """Seconds of one step on the finest grid, freedoms, stream bandwidth, peak of multiply-adds."""
    solver = Solver(*_model(problems.homogeneous(ROOFLINE_N)))
    top = solver.cycles.levels[0]
    step = np.full((1, 2), 0.1, np.float32)
    seconds = []
    for _ in range(ROOFLINE_STEPS):
        start = time.perf_counter()
        sweeps.smooth[top.twin](top.x, top.spare, top.grid, top.b, top.inverse, step, top.work)
        seconds.append(time.perf_counter() - start)
    return median(seconds), solver.layout.freedoms, stream_gb_s(), gflop_s()
