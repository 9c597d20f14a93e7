"""How long a frame of the whole CT takes, beside RTK's Joseph projector and ``plastimatch drr -i exact``.

All cast the same volume in the same geometry in one run. ``agreement`` is the greatest difference of the images as a
share of the greatest value; plastimatch holds voxels constant where we interpolate, so 2–4 % are between the models.
``jit_s`` holds compiling and laying out the volume. Default: AP, lateral and bull's-eye at 512² and 256², frames in
which only tools move, a thin-slice CT where ENDPLATE_DATA names it, and the same without AVX-512. ``--all`` adds
obliques. The last line is the slowest of the three views at 512² against RTK.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.fluoroscopy_peers import Cast, plastimatch, rtk
from benchmarks.fluoroscopy_problems import Problem, Shot, from_file, sample, thin_slices
from benchmarks.fluoroscopy_timing import Taken, frames_s, time_shots
from benchmarks.row import Options, Row
from endplate.fluoroscopy.projector import Projector
from endplate.fluoroscopy.tools import Tool, ToolLayer, balloon, needle

RTK, PLASTIMATCH = "itk-rtk Joseph", "plastimatch drr exact"

NO_AVX512 = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+bmi,+bmi2,+f16c,+sse4.2,+popcnt",
}
"""A laptop of 2013: vectors of 256 bits."""

DEFAULT_VIEWS = 3
"""AP, lateral, bull's-eye: the first shots of a problem."""


def cases(options: Options) -> Iterator[Row]:
    """All cases; the last row is the slowest of the default views at 512²."""
    if options.problem is not None:
        yield from _in_order(from_file(options.problem))
        return
    problem = sample(options.seed, more=options.all)
    yield from _tools_only(problem)
    thin = thin_slices()
    if thin is None:
        print("ENDPLATE_DATA names no thin-slice CT: skipped", file=sys.stderr)
    else:
        yield from _rows(thin, thin.shots, peers=False)
    yield from _without_avx512(options.seed)
    yield from _in_order(problem)


def _in_order(problem: Problem) -> Iterator[Row]:
    """Against both peers; small detectors first, the slowest of the first views at 512² last."""
    large = [one for one in problem.shots if one.view.rows == problem.shots[0].view.rows]
    small = [one for one in problem.shots if one not in large]
    yield from _rows(problem, small, peers=True)
    rows = list(_rows(problem, large, peers=True))
    names = {f"{problem.name}, {one.name}" for one in large[:DEFAULT_VIEWS]}
    main = max((row for row in rows if row.case in names and row.peer == RTK), key=lambda row: row.ours_s)
    yield from (row for row in rows if row is not main)
    yield main


def _rows(problem: Problem, shots: list[Shot] | tuple[Shot, ...], *, peers: bool) -> Iterator[Row]:
    ours = time_shots(Projector(problem.values, problem.affine), shots)
    if not peers:
        yield from (_row(problem, shot, one) for shot, one in zip(shots, ours, strict=True))
        return
    for peer, cast in ((PLASTIMATCH, plastimatch(problem, shots)), (RTK, rtk(problem, shots))):
        for n, shot in enumerate(shots):
            yield _row(problem, shot, ours[n], peer, None if cast is None else cast[n])


def _row(problem: Problem, shot: Shot, ours: Taken, peer: str | None = None, cast: Cast | None = None) -> Row:
    return Row(
        benchmark="fluoroscopy",
        case=f"{problem.name}, {shot.name}",
        ours_s=round(ours.warm_s, 5),
        jit_s=round(ours.first_s, 3),
        peer=peer,
        peer_version=None if cast is None else cast.version,
        peer_s=None if cast is None else round(cast.seconds, 4),
        ratio=None if cast is None else round(cast.seconds / ours.warm_s, 1),
        agreement=None if cast is None else _apart(ours, cast),
    )


def _apart(ours: Taken, cast: Cast) -> float:
    """Greatest difference as a share of the greatest value."""
    most = float(np.abs(cast.image).max())
    return float(f"{float(np.abs(ours.image - cast.image).max()) / most:.2e}") if most else 0.0


def _tools_only(problem: Problem) -> Iterator[Row]:
    """Two needles that advance and a balloon, in the first view; the patient's line integrals stand."""
    view = problem.shots[0].view
    centre = view.isocentre_ras_mm
    layer = ToolLayer(view, ("steel", "contrast", "platinum"))
    far = centre + np.array([0.0, 18.0, 4.0])
    depth = iter(np.linspace(-20.0, 0.0, 10_000))

    def frame() -> None:
        tip = centre + np.array([0.0, next(depth), 0.0])
        layer.draw([*_needles(tip), balloon(centre, far, 14.0)])

    first, warm = frames_s(frame)
    yield Row("fluoroscopy", "tools alone, 512²: two needles, one balloon", round(warm, 5), round(first, 3))


def _needles(tip: np.ndarray) -> list[Tool]:
    ends = [(tip + np.array([x, 0.0, 0.0]), tip + np.array([3.75 * x, -110.0, 20.0])) for x in (-12.0, 12.0)]
    return [needle(end, back, outer_mm=3.2, inner_mm=2.6) for end, back in ends]


def _without_avx512(seed: int) -> Iterator[Row]:
    """The same in a process that is told of a processor with vectors of 256 bits."""
    for which, name in (("sample", "sample CT"), ("thin", "thin-slice CT")):
        run = subprocess.run(
            [sys.executable, "-m", "benchmarks.fluoroscopy_worker", which, str(seed)],
            env={**os.environ, **NO_AVX512},
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode != 0:
            print(f"the run without AVX-512 failed: {run.stderr[-2000:]}", file=sys.stderr)
            continue
        for shot, first, warm in json.loads(run.stdout.splitlines()[-1]) or []:
            yield Row("fluoroscopy", f"{name}, {shot}, without AVX-512", round(warm, 5), round(first, 3))
