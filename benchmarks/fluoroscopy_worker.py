"""Time our projector in a process of its own and print JSON; so that it can run as on a processor with less.

``python -m benchmarks.fluoroscopy_worker sample|thin SEED``
"""

from __future__ import annotations

import json
import sys

from benchmarks.fluoroscopy_problems import Problem, sample, thin_slices
from benchmarks.fluoroscopy_timing import time_shots
from endplate.fluoroscopy.projector import Projector


def main(which: str, seed: int) -> None:
    problem: Problem | None = sample(seed, more=True) if which == "sample" else thin_slices()
    if problem is None:
        print(json.dumps(None))
        return
    taken = time_shots(Projector(problem.values, problem.affine), problem.shots)
    print(
        json.dumps(
            [(shot.name, one.first_s, one.warm_s) for shot, one in zip(problem.shots, taken, strict=True)]
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
