"""Times, rates, pressures and stop rules of a procedure: editable, with the registry's values as defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from endplate.planning.rules import load_rules
from endplate.sources import value


def _of(key: str) -> Any:
    return field(default_factory=lambda: value(f"procedure.{key}"))


@dataclass(frozen=True)
class Settings:
    """How long things take, what an operator's hand can do, and when the plan's script stops.

    Every default is a constant with its unit, meaning and source: ``procedure.NAME`` unless another is named here.

    Parameters
    ----------
    injector:
        ``"screw"`` or ``"syringe"``: which of ``injector.limit_mpa`` holds.
    stop_posterior_share:
        Of the body's depth; the plan's rule ``cement.stop_at_posterior`` where a plan is played.
    balloon_ml:
        Each balloon is inflated to this, or to what stops it first; ``None``: to the planned volume.
    cavity_extra_ml:
        Cement beyond the cavity, for each needle; the plan's rule of that name where a plan is played.
    """

    dock_s: float = _of("dock_s")
    advance_s: float = _of("advance_s")
    past_target_mm: float = _of("past_target_mm")
    shot_s: float = _of("shot_s")
    balloon_place_s: float = _of("balloon_place_s")
    inflate_step_s: float = _of("inflate_step_s")
    deflate_s: float = _of("deflate_s")
    filler_share: float = _of("filler_share")
    balloon_ml: float | None = None
    cavity_extra_ml: float = field(default_factory=lambda: load_rules().cement.cavity_extra_ml)
    mix_s: float = _of("mix_s")
    mix_ml: float = _of("mix_ml")
    load_s: float = _of("load_s")
    turn_s: float = _of("turn_s")
    withdraw_s: float = _of("withdraw_s")
    close_s: float = _of("close_s")
    set_wait_s: float = _of("set_wait_s")
    rate_ml_min: float = _of("rate_ml_min")
    injector: str = _of("injector")
    portion_ml: float = _of("portion_ml")
    turn_ml: float = _of("turn_ml")
    ap_every: int = _of("ap_every")
    stop_wall_mm: float = _of("stop_wall_mm")
    stop_posterior_share: float = field(default_factory=lambda: value("fill.posterior_share"))
    leak_wait_s: float = _of("leak_wait_s")
    leak_waits: int = _of("leak_waits")
    leak_grown_ml: float = _of("leak_grown_ml")
    visible_ml: Mapping[str, float] = field(default_factory=lambda: value("procedure.visible_ml"))
    substep_ml: float = _of("substep_ml")
    room_c: float = field(default_factory=lambda: value("cement_law.room_c"))
    body_c: float = field(default_factory=lambda: value("cement_law.body_c"))
    stall_ml_min: float = field(default_factory=lambda: value("injector.stall_ml_min"))

    @property
    def pressure_limit_pa(self) -> float:
        """What the injector reaches."""
        return 1e6 * float(value("injector.limit_mpa")[self.injector])
