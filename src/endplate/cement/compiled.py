"""The compiler of the loops of flow and heat."""

from __future__ import annotations

from pathlib import Path

from endplate.kernels import Compiler
from endplate.mechanics import lanes

COMPILER = Compiler(Path(lanes.__file__))
"""Lanes are compiled into the loops of the flow."""

kernel, twins = COMPILER.kernel, COMPILER.twins
"""How compiled loops are made, and by what name their machine code is kept between runs."""
