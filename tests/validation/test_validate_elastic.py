"""Linear elasticity of voxel bodies against closed forms, bounds and known cells; how iterations and memory grow."""

from __future__ import annotations

import math
import resource
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from elastic_study import (
    cantilever_ratio,
    cavity_displacement,
    crushed,
    cubic_array_mpa,
    patch_error,
    pressed,
    random_spheres_mpa,
    rough,
    thin_cortex,
)
from records import row, write_record

MODULES = [
    f"mechanics/{name}.py"
    for name in (
        "compiled",
        "element",
        "lanes",
        "layer",
        "layout",
        "multigrid",
        "pieces",
        "problem",
        "solve",
        "solver",
        "sweeps",
        "transfer",
    )
]

BEAM = {(0.0, 2): 1.126, (0.0, 4): 1.032, (0.0, 8): 1.008, (0.3, 2): 1.151, (0.3, 4): 1.045, (0.3, 8): 1.017}
"""Stiffness of full integration over Timoshenko's beam, by Poisson ratio and elements through the depth."""

CUBIC = {(0.1, False): 241.6, (0.1, True): 243.2, (0.2, False): 296.8, (0.2, True): 300.7}
"""MPa of a cubic array of spheres by their share and whether boundary voxels are weighted; another program's."""

BOUNDS = {0.05: (218, 264), 0.10: (238, 331), 0.15: (259, 401), 0.20: (283, 474), 0.30: (339, 633)}
"""Hashin–Shtrikman bounds in MPa by the share of spheres."""

SIZES = (32, 64, 96, 128, 160)
HARD_SIZES = (32, 64, 96)
GIGABYTE = 1024.0**3

METHOD = """Trilinear hexahedra on the voxel grid, double-precision conjugate gradients with a multigrid preconditioner.
Bodies of known answer (affine fields, columns, layers, beams, inclusions, a cavity), then how the number of iterations
to a relative residual of 1e-6 and the memory grow with the grid and with contrast. Rough blocks are blurred white
noise mapped to 100–18 000 MPa, clamped between plates."""


def _solved(n: int) -> tuple[int, float]:
    """Iterations on a rough block, and the greatest memory in bytes of a process that did nothing else."""
    iterations = crushed(rough(n)).iterations
    unit = 1024.0 if sys.platform != "darwin" else 1.0
    return iterations, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@pytest.mark.validate
@pytest.mark.timeout(1500)
def test_elasticity_record() -> None:
    rows = [*_exact(), *_beams(), *_inclusions(), _cavity(), *_growth(), *_contrast(), _same_bytes()]
    for one in rows:
        one["reached"] = bool(one["reached"])
    write_record("elastic", title="Linear elasticity", order=70, method=METHOD, rooms=MODULES, rows=rows)
    missed = [one["what"] for one in rows if one["reached"] is False and "iterations" not in one["what"]]
    assert not missed


def _exact() -> list[dict]:
    patch = max(patch_error(seed) for seed in range(3))
    modulus = np.full((12, 7, 5), 800.0)
    free, confined = pressed(modulus), pressed(modulus, confined=True)
    column = abs(free / (800.0 * 35 / 12) - 1.0)
    factor = confined / free
    wanted = 0.7 / (1.3 * 0.4)
    layers = np.random.default_rng(0).uniform(10.0, 18000.0, 9)
    series = pressed(np.broadcast_to(layers[:, None, None], (9, 4, 6)).copy(), poisson=0.0)
    reuss = abs(series * np.sum(1.0 / layers) / 24 - 1.0)
    pillars = np.random.default_rng(1).uniform(10.0, 18000.0, (5, 7))
    parallel = pressed(np.broadcast_to(pillars, (9, 5, 7)).copy(), poisson=0.0)
    voigt = abs(parallel * 9 / pillars.sum() - 1.0)
    exact = "closed form; only the solver's tolerance is left"
    return [
        row(
            "V1 patch test on random bodies, greatest relative error",
            f"{patch:.1e}",
            "0",
            "1e-8",
            exact,
            reached=patch < 1e-8,
        ),
        row(
            "V2 column free at its sides, K against EA/L",
            f"{column:.1e}",
            "0",
            "1e-6",
            exact,
            reached=column < 1e-6,
        ),
        row(
            "V2 confined over free column, ν 0.3",
            f"{factor:.7f}",
            f"{wanted:.7f}",
            "1e-6",
            exact,
            reached=abs(factor / wanted - 1) < 1e-6,
        ),
        row(
            "V3 layers in series (Reuss), relative error",
            f"{reuss:.1e}",
            "0",
            "1e-6",
            exact,
            reached=reuss < 1e-6,
        ),
        row(
            "V3 pillars side by side (Voigt), relative error",
            f"{voigt:.1e}",
            "0",
            "1e-6",
            exact,
            reached=voigt < 1e-6,
        ),
    ]


def _beams() -> list[dict]:
    found = {key: cantilever_ratio(key[1], key[0]) for key in BEAM}
    rows = [
        row(
            f"V4 cantilever 10 : 1 : 1, ν {poisson:g}, {depth} elements deep, stiffness over Timoshenko's",
            f"{found[poisson, depth]:.4f}",
            f"{wanted:.3f}",
            "±0.002",
            "known ratio of the fully integrated trilinear element",
            reached=abs(found[poisson, depth] - wanted) <= 0.002,
        )
        for (poisson, depth), wanted in BEAM.items()
    ]
    order = math.log2((found[0.0, 2] - 1.0) / (found[0.0, 8] - 1.0)) / 2.0
    rows.append(
        row(
            "V4 order of convergence, ν 0",
            f"{order:.2f}",
            "2",
            "±0.1",
            "O(h²)",
            reached=abs(order - 2.0) <= 0.1,
        )
    )
    return rows


def _inclusions() -> list[dict]:
    rows = []
    for (share, weighted), wanted in CUBIC.items():
        found = cubic_array_mpa(share, weighted=weighted)
        how = "voxels weighted by their share" if weighted else "voxels at least half inside"
        rows.append(
            row(
                f"V5 cubic array of spheres, share {share:g}, {how}, MPa",
                f"{found:.1f}",
                f"{wanted:.1f}",
                "1 %",
                "same grid by an independent program; the edge of the mask is a matter of rounding",
                reached=abs(found / wanted - 1.0) <= 0.01,
            )
        )
    for share, (low, high) in BOUNDS.items():
        found, true = random_spheres_mpa(share, seed=1)
        rows.append(
            row(
                f"V5 random spheres, share {true:.3f}, MPa",
                f"{found:.0f}",
                f"{low}–{high}",
                "inside",
                "Hashin–Shtrikman bounds, E 200 and 2500 MPa",
                reached=low <= found <= high,
            )
        )
    return rows


def _cavity() -> dict:
    found, wanted = cavity_displacement()
    return row(
        "V6 pressurised cavity of radius 7.5 mm, radial displacement of its wall, mm",
        f"{found:.4f}",
        f"{wanted:.4f}",
        "5 %",
        "closed form for the radius of equal volume; the wall is a staircase of 1 mm voxels",
        reached=abs(found / wanted - 1.0) <= 0.05,
    )


def _growth() -> list[dict]:
    counts, peak = {}, 0.0
    for n in SIZES:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            counts[n], peak = pool.submit(_solved, n).result()
    freedoms = 3 * (SIZES[-1] + 1) ** 3
    growth = counts[SIZES[-1]] / counts[SIZES[0]]
    listed = ", ".join(f"{n}³: {count}" for n, count in counts.items())
    return [
        row(
            "growth of iterations from 32³ to 160³, rough block",
            f"{growth:.2f} ({listed})",
            "1",
            "≤ 1.5",
            "a multigrid method should not slow down with the grid",
            reached=growth <= 1.5,
        ),
        row(
            f"peak memory with {freedoms / 1e6:.1f} million freedoms, whole process, GB",
            f"{peak / GIGABYTE:.2f}",
            "–",
            "≤ 4",
            "asked for 10 million",
            reached=peak <= 4.0 * GIGABYTE,
        ),
    ]


def _contrast() -> list[dict]:
    hard = {n: crushed(thin_cortex(n)).iterations for n in HARD_SIZES}
    plain = {n: crushed(rough(n)).iterations for n in HARD_SIZES}
    even = {n: crushed(np.full((n, n, n), 1000.0)).iterations for n in HARD_SIZES}
    rows = []
    for name, easier, why in (
        (
            "the rough block of contrast 180",
            plain,
            "thin cortex of 18 000 MPa on bone from 1.8 MPa, canal and voids",
        ),
        ("a homogeneous block", even, "the same; a homogeneous block is the easiest problem there is"),
    ):
        worst = max(hard[n] / easier[n] for n in HARD_SIZES)
        listed = ", ".join(f"{n}³: {hard[n]} to {easier[n]}" for n in HARD_SIZES)
        what = f"iterations at contrast 10 000 with a thin cortex and voids over those of {name}"
        rows.append(row(what, f"{worst:.2f} ({listed})", "1", "≤ 2", why, reached=worst <= 2.0))
    return rows


def _same_bytes() -> dict:
    modulus = thin_cortex(40)
    same = len({crushed(modulus).displacement_mm.tobytes() for _ in range(3)}) == 1
    return row(
        "same bytes on every call",
        "yes" if same else "no",
        "yes",
        "all",
        "for a fixed number of threads",
        reached=same,
    )
