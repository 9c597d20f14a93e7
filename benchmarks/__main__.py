"""Run benchmarks and print one JSON line a case; exit 3 where a peer is missing."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

from benchmarks.row import Options

PEER_MISSING = 3


def main() -> int:
    """Run what the command line names, all by default."""
    names = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="*", choices=[[], *names], help="benchmarks to run, all by default")
    parser.add_argument("--all", action="store_true", help="also the long cases")
    parser.add_argument("--seed", type=int, default=0, help="seed of unseen cases")
    parser.add_argument("--problem", type=Path, help="a problem file of your own")
    asked = parser.parse_args()
    options = Options(all=asked.all, seed=asked.seed, problem=asked.problem)
    missing = False
    for name in asked.name or names:
        for row in import_module(f"benchmarks.bench_{name}").cases(options):
            print(row.line(), flush=True)
            missing |= row.peer is not None and row.ratio is None
    return PEER_MISSING if missing else 0


if __name__ == "__main__":
    sys.exit(main())
