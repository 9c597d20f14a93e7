"""The compiler of the projector's and the image chain's loops."""

from __future__ import annotations

from pathlib import Path

from endplate.kernels import Compiler

COMPILER = Compiler(Path(__file__).with_name("lanes.py"))
"""The vector steps are compiled into the sweeps."""

kernel = COMPILER.kernel
