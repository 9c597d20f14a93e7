"""Solve one problem with ParOSol and print what came out as JSON; run by the interpreter that has ``parosol-py``.

``python parosol_worker.py PROBLEM.npz RANKS`` where the file holds ``e_mpa`` (z, y, x), ``spacing_mm`` (of a cube),
``poisson``, ``top_mm`` (x, y, z) and ``tolerance``. The time is ParOSol's own, without reading and writing files.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile

import numpy as np
from parosol_py import BoundaryConditionSet, __version__, solve

NOTHING = 1e-16
"""Stands for 0, as ParOSol's own loads have it."""


def faces(e_mpa: np.ndarray, top_mm: np.ndarray) -> BoundaryConditionSet:
    """Nodes of the lowest slice held in all directions, those of the uppermost one moved."""
    coordinates, values = [], []
    for layer, plane, moved in ((0, 0, (0.0, 0.0, 0.0)), (-1, e_mpa.shape[0], top_mm)):
        solid = np.pad(e_mpa[layer] > 0.0, 1)
        touched = solid[1:, 1:] | solid[1:, :-1] | solid[:-1, 1:] | solid[:-1, :-1]
        for y, x in np.argwhere(touched):
            for direction in range(3):
                coordinates.append((x, y, plane, direction))
                values.append(moved[direction] or NOTHING)
    return BoundaryConditionSet(np.array(coordinates, np.uint16), np.array(values, np.float32))


def main(problem: str, ranks: int) -> None:
    with np.load(problem) as held:
        e_mpa, top_mm = held["e_mpa"], held["top_mm"]
        size, poisson, tolerance = float(held["spacing_mm"]), float(held["poisson"]), float(held["tolerance"])
    with tempfile.TemporaryDirectory() as folder:
        result = solve(
            material=e_mpa,
            spacing=(size,) * 3,
            poisson_ratio=poisson,
            boundary_conditions=faces(e_mpa, top_mm),
            outputs=(),
            tolerance=tolerance,
            mpi_processes=ranks,
            work_dir=folder,
        )
    run = result.summary.run
    told = {
        "version": __version__,
        "seconds": run.overall_time_seconds,
        "iterations": run.iterations,
        "relative_residual": run.relative_residual,
        "reaction_n": result.diagnostics["mechanics"]["reaction_force"]["z"],
        "peak_mb_of_a_rank": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024.0,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
