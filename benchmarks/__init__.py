"""Benchmarks: our time, beside a peer's where there is one, as one JSON line a case.

A benchmark is a module ``bench_NAME.py`` here with ``cases(options) -> Iterator[Row]``; its last row is its
default case. Run all with ``python -m benchmarks``, one with ``python -m benchmarks NAME``.
"""
