"""The compiler of the solver's loops."""

from __future__ import annotations

from pathlib import Path

from endplate.kernels import Compiler

_HERE = Path(__file__)

COMPILER = Compiler(_HERE.with_name("lanes.py"), _HERE.with_name("layer.py"))
"""Lanes and the layer of elements are compiled into the sweeps."""

kernel, twins = COMPILER.kernel, COMPILER.twins
