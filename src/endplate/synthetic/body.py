"""The vertebral body: parameters solved so that its true heights, depth and width are those asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from endplate.imaging.geometry import FloatArray
from endplate.synthetic import rows as r
from endplate.synthetic import sampling
from endplate.synthetic.body_measure import BodyMeasures, footprint, measure_body, posterior_rim_mm
from endplate.synthetic.spec import FractureSpec, VertebraSpec, refuse

HEIGHT_TOLERANCE_MM = 2e-4
"""The solved heights, depth and width agree with the specification to this."""
TILT_TOLERANCE = 2e-5
"""A bowl turns its endplate's plane by no more than this slope."""
_TILT_GAIN = 0.08
PEDICLE_BELOW_RIM_MM = 1.6
"""Distance of the pedicle's upper edge below the posterior rim of the superior endplate."""
MIN_COLUMN_MM = 3.0
"""No column of a collapsed body is thinner than this."""


@dataclass(frozen=True)
class BodyModel:
    """A solved body: its packed row (:mod:`endplate.synthetic.rows`), and how it measures intact and as it is."""

    row: FloatArray
    intact: BodyMeasures
    measures: BodyMeasures


def _row(spec: VertebraSpec) -> FloatArray:
    shape = spec.shape
    row = np.zeros(r.ROW_SIZE)
    row[r.B_HALF_WIDTH] = 0.5 * spec.body_width_mm
    row[r.B_DEPTH] = spec.body_depth_mm
    row[r.B_EXPONENT] = shape.exponent
    row[r.B_CONCAVITY] = shape.posterior_concavity * spec.body_depth_mm
    row[r.B_NARROWING] = shape.anterior_narrowing
    row[r.B_WAIST_LATERAL] = shape.waist_lateral
    row[r.B_WAIST_ANTERIOR] = shape.waist_anterior * spec.body_depth_mm
    row[r.B_WAIST_POSTERIOR] = shape.waist_posterior * spec.body_depth_mm
    return row


def _set_plates(row: FloatArray, height: float, slope: float, dish: float, share: float) -> None:
    row[r.B_SUP_HEIGHT], row[r.B_INF_HEIGHT] = 0.5 * height, -0.5 * height
    row[r.B_SUP_SLOPE], row[r.B_INF_SLOPE] = 0.5 * slope, -0.5 * slope
    row[r.B_SUP_DISH], row[r.B_INF_DISH] = share * dish, (1.0 - share) * dish


def _solve_intact(spec: VertebraSpec) -> tuple[FloatArray, BodyMeasures]:
    """Find endplates, nominal depth and width whose measures are the specified ones."""
    row = _row(spec)
    wanted = np.array([spec.anterior_height_mm, spec.middle_height_mm, spec.posterior_height_mm])
    rim = 0.5 * (wanted[0] + wanted[2])
    height, slope, dish = rim, (wanted[0] - wanted[2]) / (0.67 * spec.body_depth_mm), rim - wanted[1]
    for _ in range(40):
        _set_plates(row, height, slope, dish, spec.shape.superior_share)
        row[r.B_BOUND] = _bound(row)
        found = measure_body(row)
        lack = wanted - found.heights
        narrow = spec.body_width_mm - found.width_mm
        short = spec.body_depth_mm - found.depth_mm
        if max(np.abs(lack).max(), abs(narrow), abs(short)) < HEIGHT_TOLERANCE_MM:
            return row, found
        both = 0.5 * (lack[0] + lack[2])
        dish -= (lack[1] - both) / 0.92
        height += both + 0.09 * (both - lack[1]) / 0.92
        slope += (lack[0] - lack[2]) / (0.67 * spec.body_depth_mm)
        row[r.B_HALF_WIDTH] += 0.5 * narrow
        row[r.B_DEPTH] += short
    raise refuse(
        f"No body of {spec.level} has these heights, depth and width together.",
        "Choose sizes nearer to the published ones.",
    )


_KNOTS = (-0.1, 0.0, 0.165, 0.5, 0.835, 1.0, 1.1)
_BOWL_KNOTS = (-0.1, 0.03, 0.165, 0.33, 0.5, 0.67, 0.835, 0.97, 1.1)
_BOWL_SIDE = 0.68
"""Depth of the biconcave bowl a third of the way across, of its depth in the middle."""


def _profiles(drop: FloatArray, shift: float, fracture: FractureSpec) -> FloatArray:
    """The four collapse profiles over the AP fraction, one after the other as they are packed.

    ``shift`` moves a bowl's middle forward.
    """
    anterior, middle, posterior = (float(d) for d in drop)
    fraction = np.linspace(r.TABLE_LOW, 1.0 - r.TABLE_LOW, r.TABLE_NODES)
    whole = np.zeros_like(fraction)
    centre = np.zeros_like(fraction)
    if fracture.shape == "biconcave":
        side = _BOWL_SIDE * middle
        values = [0.0, 0.0, posterior, side, middle, side, anterior, 0.0, 0.0]
        knots = np.array(_BOWL_KNOTS)
        knots[3:6] += shift
        centre = PchipInterpolator(knots, values)(fraction)
    else:
        front = anterior + (0.35 * (anterior - middle) if fracture.shape == "wedge" else 0.0)
        values = [posterior, posterior, posterior, middle, anterior, front, front]
        whole = PchipInterpolator(_KNOTS, values)(fraction)
    share = 0.5 if fracture.endplate == "both" else 1.0
    return np.concatenate([share * whole, share * centre, (1 - share) * whole, (1 - share) * centre])


def target_losses(fracture: FractureSpec) -> FloatArray:
    """Loss at the anterior, middle and posterior place.

    A wedge takes about half its loss from the middle; the bowl of a biconcave fracture reaches a little into the
    anterior and posterior places; a crush takes all alike.
    """
    shares = {"wedge": (1.0, 0.48, 0.0), "biconcave": (0.16, 1.0, 0.12), "crush": (1.0, 1.0, 1.0)}
    return fracture.loss * np.array(shares[fracture.shape])


def solve_body(spec: VertebraSpec) -> BodyModel:
    """Build the body of one vertebra, intact and as fractured.

    Raises
    ------
    UsageError
        No body has the specified sizes together, or the fracture closes a column of it.
    """
    row, intact = _solve_intact(spec)
    fracture = spec.fracture
    if fracture is None and spec.border_bulge_mm == 0.0:
        return BodyModel(row, intact, intact)
    row = row.copy()
    if fracture is None:
        row[r.B_RETROPULSION] = spec.border_bulge_mm
        row[r.B_RETROPULSION_Z] = pedicle_height_mm(spec, row)
        row[r.B_BOUND] = _bound(row)
        return BodyModel(row, intact, measure_body(row))
    row[r.B_RETROPULSION] = max(fracture.retropulsion_mm, spec.border_bulge_mm)
    found = _solve_fracture(spec, row, intact, fracture)
    plates = sampling.endplates_at(footprint(row, 1.0), row)
    if (plates[:, 0] - plates[:, 1]).min() < MIN_COLUMN_MM:
        raise refuse(
            f"The fracture of {spec.level} leaves less than {MIN_COLUMN_MM:g} mm of bone between the endplates.",
            "Choose a smaller loss.",
        )
    row[r.B_BOUND] = _bound(row)
    return BodyModel(row, intact, found)


def _solve_fracture(
    spec: VertebraSpec, row: FloatArray, intact: BodyMeasures, fracture: FractureSpec
) -> BodyMeasures:
    """Find the collapse profiles that take the wanted losses, and write them into the row.

    A bowl is shifted until it no longer tilts its endplate's plane: the frame of a biconcave body is that of its
    rims.
    """
    wanted = intact.heights * (1.0 - target_losses(fracture))
    drop = intact.heights - wanted
    shift = 0.0
    bowl = fracture.shape == "biconcave"
    depth = max(float(drop[1]), 1.0)
    for _ in range(120):
        row[r.T_SUP : r.ROW_SIZE] = _profiles(drop, shift, fracture)
        row[r.B_RETROPULSION_Z] = pedicle_height_mm(spec, row)
        found = measure_body(row)
        lack = wanted - found.heights
        tilt = _lean(found) - _lean(intact) if bowl else 0.0
        if np.abs(lack).max() < HEIGHT_TOLERANCE_MM and abs(tilt) < TILT_TOLERANCE:
            return found
        drop = drop - (0.6 if bowl else 0.9) * lack
        shift = min(max(shift - _TILT_GAIN * tilt * spec.body_depth_mm / depth, -0.08), 0.08)
    raise refuse(
        f"The fracture of {spec.level} cannot be built on a body of these sizes.",
        "Choose a smaller loss or another shape.",
    )


def _lean(measures: BodyMeasures) -> float:
    """Slope of the superior endplate's normal against the intact body's z."""
    return float(measures.superior.normal[1] / measures.superior.normal[2])


def pedicle_height_mm(spec: VertebraSpec, row: FloatArray) -> float:
    """Local z of the isthmus: under the posterior rim, but never below a collapsed body."""
    high = max(spec.pedicle_left.height_mm, spec.pedicle_right.height_mm)
    upper, lower = posterior_rim_mm(row)
    return float(max(upper - PEDICLE_BELOW_RIM_MM - 0.5 * high, lower + 1.0 + 0.5 * high))


def _bound(row: FloatArray) -> float:
    """Radius of a sphere round the local origin that holds the body."""
    half = np.array(
        [1.15 * row[r.B_HALF_WIDTH], 0.5 * row[r.B_DEPTH] + row[r.B_CONCAVITY] + row[r.B_RETROPULSION]]
    )
    rise = abs(row[r.B_SUP_HEIGHT]) + abs(row[r.B_SUP_SLOPE]) * half[1] + 2.0
    rise += max(0.0, -float(row[r.T_SUP : r.ROW_SIZE].min()))
    return float(np.sqrt(half[0] ** 2 + half[1] ** 2 + rise**2))
