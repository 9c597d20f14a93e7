"""Inject for a while: two-phase Darcy flow of cement and marrow through bone.

Each step solves for the pressure with the mobilities that stand, then moves saturation and age along the flow
(:mod:`endplate.cement.flow_sweep`). The skeleton is rigid and both fluids are incompressible; capillarity and weight
are left out (the weight of a bolus is some 50 Pa, its flow some 10 kPa). Marrow leaves where cement pushes it out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from endplate.cement.flow_grid import Grid, grid_of
from endplate.cement.flow_options import Options
from endplate.cement.flow_state import FlowState
from endplate.cement.model import Fill, Flow, Medium, PowerLaw, Source
from endplate.cement.nozzle import Nozzle, nozzle
from endplate.errors import InputError, UsageError
from endplate.imaging.geometry import FloatArray

M3_PER_ML = 1e-6
MOST_STEPS = 100_000


def advance(
    medium: Medium,
    fill: Fill,
    sources: Sequence[Source],
    power_law: PowerLaw,
    duration_s: float,
    *,
    age_rate: float | FloatArray = 1.0,
    options: Options | None = None,
) -> tuple[Fill, Flow]:
    """Let cement flow for ``duration_s`` and return what came of it; nothing given is changed.

    Parameters
    ----------
    medium, fill:
        The bone, and what is in it (:func:`endplate.cement.model.empty` at first).
    sources:
        Needles' openings; those with a rate of zero bring nothing, and without any other cement only ages.
    power_law:
        Equivalent age → consistency and index.
    age_rate:
        Equivalent seconds that pass in a second of cement in the bone, one number or one a voxel.

    Raises
    ------
    UsageError
        Arguments that contradict each other or lie outside their range.
    InputError
        ``cement-no-vent``, ``cement-nothing-flows``, ``cement-tip-outside``, ``cement-medium``, ``cement-law``.
    ConvergenceError
        ``cement-pressure``.
    """
    asked = options if options is not None else Options()
    _check(medium, fill, duration_s, age_rate)
    pushing = [source for source in sources if source.rate_ml_min != 0.0]
    aged = replace(fill, age_s=np.where(fill.saturation > 0.0, fill.age_s + duration_s * age_rate, 0.0))
    if not pushing or duration_s == 0.0:
        return aged, Flow((medium.outer_pressure_pa,) * len(sources), 0, 0)
    grid = grid_of(medium)
    nozzles = [nozzle(medium, grid, source) for source in pushing]
    state = FlowState(medium, grid, fill, nozzles, power_law, asked)
    rate = grid.flat(np.asarray(age_rate)) if np.ndim(age_rate) else float(age_rate)
    iterations = 0
    steps = _steps(state.cement_m3, state.flow_m3_s, duration_s, asked)
    for step_s in steps:
        iterations += state.step(step_s, rate)
    met = iter(state.nozzle_pa())
    outside = medium.outer_pressure_pa
    pressures = tuple(
        outside + next(met) if source.rate_ml_min != 0.0 else _pressure_at(medium, grid, state, source)
        for source in sources
    )
    return state.fill(aged, duration_s), Flow(pressures, iterations, len(steps))


def _steps(cement_m3: float, flow_m3_s: float, duration_s: float, options: Options) -> list[float]:
    """Durations of steps: equal volumes, smaller ones as long as there is little cement."""
    whole = options.step_ml * M3_PER_ML
    first = options.first_step_share * whole
    total = flow_m3_s * duration_s
    if total / whole > MOST_STEPS:
        raise UsageError(
            "cement-flow-steps",
            f"{total / M3_PER_ML:.3g} mL in steps of {options.step_ml:.3g} mL are too many steps.",
            do="Inject less, or take larger steps.",
        )
    ramp: list[float] = []
    done = 0.0
    while done < total:
        volume = max(first, 0.25 * (cement_m3 + done))
        if volume >= whole:
            break
        ramp.append(min(volume, total - done))
        done += ramp[-1]
    rest = total - done
    count = math.ceil(rest / whole - 1e-9) if rest > 0.0 else 0
    volumes = ramp + [rest / max(count, 1)] * count
    return [duration_s * volume / total for volume in volumes]


def _check(medium: Medium, fill: Fill, duration_s: float, age_rate: float | FloatArray) -> None:
    if not (math.isfinite(duration_s) and duration_s >= 0.0):
        raise _usage("The duration of an injection must be a number of seconds from zero on.")
    if not np.isfinite(age_rate).all() or (np.asarray(age_rate) < 0.0).any():
        raise _usage("The rate at which cement ages must be a number from zero on.")
    shapes = {fill.saturation.shape, fill.age_s.shape, fill.pressure_pa.shape}
    if shapes != {medium.shape} or np.shape(age_rate) not in ((), medium.shape):
        raise _usage("The fill, or the rate of ageing, does not lie on the grid of the bone.")
    if not (np.isfinite(fill.saturation).all() and np.isfinite(fill.age_s).all()):
        raise InputError(
            "cement-fill",
            "The fill holds what is no number.",
            do="Start from an empty fill, or from one that an injection returned.",
        )


def _usage(what: str) -> UsageError:
    return UsageError("cement-flow-arguments", what, do="Correct the call.")


def _pressure_at(medium: Medium, grid: Grid, state: FlowState, source: Source) -> float:
    """Pressure at the opening of a needle through which nothing flows."""
    try:
        still: Nozzle = nozzle(medium, grid, source)
    except InputError:
        return medium.outer_pressure_pa
    cells: NDArray[np.int64] = still.cells
    return medium.outer_pressure_pa + float(state.pressure[cells].mean())
