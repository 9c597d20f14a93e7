"""Why an inflation ends, and how that is told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from endplate.balloon.body import WALLS, Bone
from endplate.balloon.options import Options, Stop
from endplate.balloon.state import State
from endplate.balloon.walls import shell_of, touched_walls
from endplate.sources import Finding, finding

SAME = 1e-9
"""Volumes and heights nearer than this are the same."""

ENDPLATES = ("superior", "inferior")

ALWAYS: tuple[Stop, ...] = ("rupture", "breach", "rated pressure", "operator")
"""Stops that no operator can go on after; the limit of pressure is then that of bursting."""

CODES: dict[Stop, str] = {
    "maximum volume": "balloon-stop-maximum-volume",
    "rated pressure": "balloon-stop-rated-pressure",
    "rupture": "balloon-rupture",
    "breach": "balloon-breach",
    "target height": "balloon-stop-target-height",
    "endplate contact": "balloon-stop-endplate-contact",
    "wall contact": "balloon-stop-wall-contact",
}
"""Findings by stop; that the operator's volume is reached is told by none."""


@dataclass(frozen=True)
class Reached:
    """What one step came to.

    Parameters
    ----------
    volume_ml:
        That was asked for.
    limited, breached, burst:
        The limit of pressure was met; the shell was taken; the balloon burst.
    gain_mm:
        Of the height that was lost most.
    """

    volume_ml: float
    limited: bool
    breached: bool
    burst: bool
    gain_mm: float


def stop_of(bone: Bone, state: State, place: int, options: Options, reached: Reached) -> Stop | None:
    """Why the inflation of one balloon ends here; ``None``: it goes on."""
    device, held = state.tamps[place].device, state.volumes_ml[place]
    touched = touched_walls(bone, state.cavities[place])
    wanted = options.target_gain_mm
    by_rank: tuple[tuple[Stop, bool], ...] = (
        ("rupture", reached.burst),
        ("breach", reached.breached),
        ("rated pressure", reached.limited),
        ("endplate contact", any(wall in ENDPLATES for wall in touched)),
        ("wall contact", any(wall not in ENDPLATES for wall in touched)),
        ("target height", wanted is not None and reached.gain_mm >= wanted - SAME),
        ("operator", held >= reached.volume_ml - SAME),
        ("maximum volume", held >= device.max_volume_ml - SAME),
    )
    return next((stop for stop, met in by_rank if met and (stop in ALWAYS or stop in options.heed)), None)


def told_stop(bone: Bone, state: State, place: int, why: Stop, asked_ml: float) -> tuple[Finding, ...]:
    """The finding that belongs to a stop; none where the operator's volume is reached."""
    tamp = state.tamps[place]
    limit = tamp.device.rated_pressure_mpa
    where = {"level": bone.level, "side": tamp.side, "volume": state.reached_ml[place]}
    peak = max((step.pressure_mpa.foam for step in state.steps if step.side == tamp.side), default=0.0)
    more: dict[Stop, dict[str, object]] = {
        "operator": {},
        "maximum volume": {"asked": asked_ml},
        "rated pressure": {"limit": limit},
        "rupture": {"pressure": max(peak, limit)},
        "breach": {"wall": _broken(bone, state, place)},
        "target height": {},
        "endplate contact": {"wall": _touched(bone, state, place, endplate=True)},
        "wall contact": {"wall": _touched(bone, state, place, endplate=False)},
    }
    code = CODES.get(why)
    return () if code is None else (_found(code, {**where, **more[why]}),)


def _found(code: str, values: dict[str, object]) -> Finding:
    level = str(values.pop("level"))
    return finding(code, level=level, **values)


def _touched(bone: Bone, state: State, place: int, *, endplate: bool) -> str:
    """The endplate, or other wall, that a balloon has reached; empty where there is none."""
    touched = touched_walls(bone, state.cavities[place])
    return next((wall for wall in touched if (wall in ENDPLATES) == endplate), "")


def _broken(bone: Bone, state: State, place: int) -> str:
    """Which wall a balloon went through."""
    through = state.cavities[place] & shell_of(bone)
    if not through.any():
        return ""
    wall = WALLS[int(np.bincount(bone.wall[through]).argmax())]
    return f"{wall} endplate" if wall in ENDPLATES else f"{wall} wall"
