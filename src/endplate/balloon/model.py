"""The data of the room, gathered: what a balloon is put into, what it does step by step, and what it leaves."""

from __future__ import annotations

from endplate.balloon.body import WALLS, Bone, Mask, Tamp, Wall
from endplate.balloon.documents import HEIGHT_NAMES, Gains, HeightName, Inflation, Motion, Pressure, Step
from endplate.balloon.options import Options, Posture, Stop
from endplate.balloon.state import Cavity, Lifted, State

__all__ = [
    "HEIGHT_NAMES",
    "WALLS",
    "Bone",
    "Cavity",
    "Gains",
    "HeightName",
    "Inflation",
    "Lifted",
    "Mask",
    "Motion",
    "Options",
    "Posture",
    "Pressure",
    "State",
    "Step",
    "Stop",
    "Tamp",
    "Wall",
]
