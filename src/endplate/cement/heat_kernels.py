"""Compiled loops of heat: a step of conduction with its tally, a step of curing.

Every voxel is written by one pass of one thread from values of the step before, so no result depends on how many
threads there are.
"""

from __future__ import annotations

from math import exp
from typing import Any

from numba import prange

from endplate.cement.compiled import kernel


@kernel(parallel=True)
def conduct(
    old: Any,
    new: Any,
    faces_x: Any,
    faces_y: Any,
    faces_z: Any,
    share: Any,
    lost: Any,
    peak: Any,
    dose: Any,
    above: Any,
    thresholds: Any,
    step: float,
    body_c: float,
    dosing: Any,
) -> None:
    """One explicit step of conduction and perfusion, and the tally of the temperatures before it.

    Parameters
    ----------
    old, new:
        Temperatures in °C with a rim one voxel wide that stays as it is, shape (I+2, J+2, K+2).
    faces_x, faces_y, faces_z:
        Conductances in W/K of the faces below each voxel along an axis, shapes (I+1, J, K), (I, J+1, K), (I, J, K+1).
    share:
        Step over heat capacity of each voxel in s·K/J, shape (I, J, K).
    lost:
        Perfusion of each voxel in W/K, same shape.
    peak, dose, above:
        Greatest temperatures in °C and thermal dose in min at 43 °C, same shape, and times above ``thresholds`` in s,
        shape (thresholds, I, J, K); in place.
    step:
        s.
    body_c:
        Temperature of the blood.
    dosing:
        Least and turning temperature of the dose, and the logarithms of its factors above and below the latter.
    """
    ni, nj, nk = share.shape
    least_c, turning_c, log_above, log_below = dosing
    for i in prange(ni):
        for j in range(nj):
            for k in range(nk):
                here = old[i + 1, j + 1, k + 1]
                gained = faces_x[i, j, k] * (old[i, j + 1, k + 1] - here)
                gained += faces_x[i + 1, j, k] * (old[i + 2, j + 1, k + 1] - here)
                gained += faces_y[i, j, k] * (old[i + 1, j, k + 1] - here)
                gained += faces_y[i, j + 1, k] * (old[i + 1, j + 2, k + 1] - here)
                gained += faces_z[i, j, k] * (old[i + 1, j + 1, k] - here)
                gained += faces_z[i, j, k + 1] * (old[i + 1, j + 1, k + 2] - here)
                gained -= lost[i, j, k] * (here - body_c)
                new[i + 1, j + 1, k + 1] = here + share[i, j, k] * gained
                peak[i, j, k] = max(peak[i, j, k], here)
                if here >= least_c:
                    slope = log_above if here >= turning_c else log_below
                    dose[i, j, k] += step / 60.0 * exp(slope * (turning_c - here))
                    for index in range(thresholds.size):
                        if here > thresholds[index]:
                            above[index, i, j, k] += step


@kernel()
def cure_step(
    temperature: Any,
    cells: Any,
    ages: Any,
    rise: Any,
    conversions: Any,
    table_step: float,
    step: float,
    activation_k: float,
    reference_k: float,
) -> None:
    """One step of curing, in place.

    Parameters
    ----------
    temperature:
        °C, with its rim, as a flat view.
    cells, ages, rise:
        Of each voxel with cement: its place in ``temperature``, its equivalent age in s, and the warming in K for a
        conversion of 1.
    conversions, table_step:
        Conversion at ages 0, 1, 2 … times ``table_step``.
    step:
        s.
    activation_k, reference_k:
        E/R and the reference temperature of the clock, K.
    """
    last = conversions.size - 1
    for index in range(cells.size):
        cell = cells[index]
        place = min(ages[index] / table_step, float(last))
        low = min(int(place), last - 1)
        before = conversions[low] + (place - low) * (conversions[low + 1] - conversions[low])
        kelvin = temperature[cell] + 273.15
        ages[index] += step * exp(activation_k * (1.0 / reference_k - 1.0 / kelvin))
        place = min(ages[index] / table_step, float(last))
        low = min(int(place), last - 1)
        after = conversions[low] + (place - low) * (conversions[low + 1] - conversions[low])
        temperature[cell] += rise[index] * (after - before)
