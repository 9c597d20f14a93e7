"""Solve one problem with OPM Flow and print what came out as JSON.

``python opm_worker.py PROBLEM.npz SATURATION.npy RANKS``: the first file as
:func:`benchmarks.cement_problems.from_file` reads it; the second is written (z, y, x). OPM gets dead oil and water that
hardly compress, lengths in metres for our millimetres, permeability and viscosity scaled to a reservoir's (the answer
depends on their ratios alone), pores a million times larger in the outer layer to hold its pressure, and its own
choice of steps. The time is OPM's own, without reading and writing.
"""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

HELD = 1e7
"""Pore volume of the outer layer over its own."""

DAYS, REPORTS = 100.0, 40
FIRST_SHARE = 0.005
"""Share of the source voxel that the first step fills; a longer one OPM cuts down in vain attempts."""
MEDIAN_MD = 2000.0
OIL_CP = 1.0
OIL_PER_BAR, SPAN_BAR = 1e-7, 1000.0
"""Compressibility: small enough to change no volume that counts, large enough to hold the outer layer's pressure."""

SOURCE_UNITS = 9.869233e-16 * MEDIAN_MD * 1e5 / (1e-3 * OIL_CP)
"""Permeability times a bar over the thin fluid's viscosity, m²/s."""
ROWS = 201
"""Of the table of relative permeabilities; OPM goes along straight lines between them."""


def numbers(values: np.ndarray) -> str:
    """Values of a keyword in lines of eight."""
    texts = [f"{x:.9g}" for x in values.ravel()]
    return "\n".join(" ".join(texts[i : i + 8]) for i in range(0, len(texts), 8)) + "\n/\n"


def injected(held: dict[str, np.ndarray]) -> float:
    """Pores to fill, in voxels' units of volume."""
    inner = held["phi"][1:-1, 1:-1, 1:-1]
    return float(held["fraction"]) * float(inner.sum()) * float(np.prod(np.broadcast_to(held["spacing"], 3)))


def first_days(held: dict[str, np.ndarray]) -> float:
    """First step that OPM is told to try."""
    pore = float(held["phi"][tuple(int(i) for i in held["source"])]) * float(np.prod(held["spacing"]))
    return FIRST_SHARE * DAYS * pore / injected(held)


def deck(held: dict[str, np.ndarray]) -> str:
    """The problem in OPM's words."""
    phi = held["phi"]
    nz, ny, nx = phi.shape
    dz, dy, dx = held["spacing"]
    ratio = float(held["mu_c"] / held["mu_m"])
    k = held["k_m2"] * (MEDIAN_MD / np.median(held["k_m2"]))
    inner = np.zeros(phi.shape, dtype=bool)
    inner[1:-1, 1:-1, 1:-1] = True
    z, y, x = (int(i) + 1 for i in held["source"])
    s = np.linspace(0.0, 1.0, ROWS)
    table = "\n".join(f"{a:.6f} {a * a:.9f} {(1 - a) ** 2:.9f} 0" for a in s)
    count = nx * ny * nz
    return f"""RUNSPEC
DIMENS
 {nx} {ny} {nz} /
OIL
WATER
METRIC
START
 1 'JAN' 2020 /
WELLDIMS
 1 1 1 1 /
TABDIMS
 1 1 {ROWS} /
UNIFOUT
GRID
DX
 {count}*{dx:.9g} /
DY
 {count}*{dy:.9g} /
DZ
 {count}*{dz:.9g} /
TOPS
 {nx * ny}*1000 /
PERMX
{numbers(k[2])}PERMY
{numbers(k[1])}PERMZ
{numbers(k[0])}PORO
{numbers(phi)}MULTPV
{numbers(np.where(inner, 1.0, HELD))}PROPS
SWOF
{table} /
PVTW
 100 1.0 0 {OIL_CP * ratio:.9g} 0 /
PVDO
 1 1.0 {OIL_CP:.9g}
 {1.0 + SPAN_BAR} {1.0 - SPAN_BAR * OIL_PER_BAR:.9g} {OIL_CP:.9g} /
ROCK
 100 0 /
DENSITY
 1000 1000 1 /
SOLUTION
PRESSURE
 {count}*100 /
SWAT
 {count}*0 /
SCHEDULE
RPTRST
 BASIC=1 /
WELSPECS
 'I' 'G' {x} {y} 1* WATER /
/
COMPDAT
 'I' {x} {y} {z} {z} OPEN 1* 1* 0.2 /
/
WCONINJE
 'I' WATER OPEN RATE {injected(held) / DAYS:.9g} 1* 1000000 /
/
TSTEP
 {REPORTS}*{DAYS / REPORTS:.9g} /
END
"""


def records(file: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Keywords and values of an output file in Eclipse's binary format."""
    kinds = {b"REAL": ">f4", b"DOUB": ">f8", b"INTE": ">i4", b"LOGI": ">i4"}
    data = file.read_bytes()
    at = 0
    while at < len(data):
        name = data[at + 4 : at + 12].decode().strip()
        count = int.from_bytes(data[at + 12 : at + 16], "big")
        kind = data[at + 16 : at + 20]
        at += 24
        size = {b"CHAR": 8, b"DOUB": 8, b"MESS": 0}.get(kind, 4)
        if kind.startswith(b"C0"):
            size = int(kind[1:])
        parts, left = [], count * size
        while left > 0:
            length = int.from_bytes(data[at : at + 4], "big")
            parts.append(data[at + 4 : at + 4 + length])
            at += length + 8
            left -= length
        yield name, np.frombuffer(b"".join(parts), kinds.get(kind, "S8" if size == 8 else "u1"))


def source_pressure(held: dict[str, np.ndarray], bar: np.ndarray) -> float:
    """Pressure of the source voxel above the outer layer's, times k·h/(μ·Q) with the median k, thin μ and edge h."""
    inner = np.zeros(bar.shape, dtype=bool)
    inner[1:-1, 1:-1, 1:-1] = True
    above = float(bar[tuple(int(i) for i in held["source"])] - bar[~inner].mean())
    edge = float(np.prod(np.broadcast_to(held["spacing"], 3)) ** (1.0 / 3.0))
    return above * SOURCE_UNITS * edge / (injected(held) / (DAYS * 86400.0))


def told(text: str, ranks: int) -> dict[str, float | int | str]:
    """What OPM's log says of the run."""

    def last(pattern: str) -> str:
        return str(re.findall(pattern, text)[-1])

    return {
        "version": last(r"flow (\d+\.\d+)"),
        "seconds": float(last(r"Total time \(seconds\):\s*([0-9.]+)")),
        "steps": len(re.findall(r"^Starting time step", text, re.MULTILINE)),
        "newton": int(last(r"Overall Newton Iterations:\s*(\d+)")),
        "peak_mb_of_a_rank": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024.0,
        "ranks": ranks,
    }


def main(problem: str, saturation: str, ranks: int) -> None:
    """Run OPM Flow on a problem."""
    with np.load(problem) as file:
        held = {name: np.asarray(file[name]) for name in file.files}
    version = subprocess.run(["flow", "--version"], capture_output=True, text=True, check=False)
    many = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-np", str(ranks)] if ranks > 1 else []
    settings = (
        "--output-dir=out",
        "--enable-gravity=false",
        "--threads-per-process=1",
        f"--initial-time-step-in-days={first_days(held):.6g}",
    )
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "CASE.DATA").write_text(deck(held), "ascii")
        run = subprocess.run(
            [*many, "flow", "CASE.DATA", *settings], cwd=place, capture_output=True, text=True, check=False
        )
        if run.returncode != 0:
            sys.exit(run.stdout[-3000:] + run.stderr[-1000:])
        last = dict(records(place / "out" / "CASE.UNRST"))
    np.save(saturation, last["SWAT"].reshape(held["phi"].shape).astype(float))
    bar = last["PRESSURE"].reshape(held["phi"].shape).astype(float)
    found = told(version.stdout + version.stderr + run.stdout, ranks)
    print(json.dumps(found | {"source_pressure": source_pressure(held, bar)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
