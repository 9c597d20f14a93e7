"""The shapes of a virtual fracture, and the amplitude that gives the loss asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.expectation import HEIGHTS
from endplate.anatomy.vertebra import LocalVertebra
from endplate.errors import UsageError
from endplate.sources import value
from endplate.synthetic.fracture_columns import Ground
from endplate.synthetic.fracture_field import Bulge, Columns, Crush, FractureField, smooth_step
from endplate.synthetic.fracture_heights import BodyPoints, Measured, measure_points
from endplate.synthetic.virtual_fracture_model import VirtualFracture

NAMED_BY: dict[str, tuple[str, ...]] = {
    "wedge": ("anterior",),
    "biconcave": ("middle",),
    "crush": HEIGHTS,
}
"""Heights whose mean loss is the loss of each shape."""

LEVEL_FROM = 0.92
"""The front of a wedge goes down with the front end of the anterior window, so that its rim is not crushed more."""

LOSS_TOLERANCE = 5e-4
"""A loss this near to the one asked for is it."""

LOSS_FAR = 0.01
"""A loss that cannot be brought nearer than this cannot be made; what was made stands in the truth."""

SOLVE_STEPS = 8

HINGE = 0.05
"""Where a wedge begins, as a share of the depth from the posterior wall."""

DISH_ALONG, DISH_ACROSS, DISH_FLOOR = 0.46, 0.9, 0.2
"""A biconcave dish: its half axes as shares of the body's depth and half width, and the share that is its floor."""

FRONT = 0.835
"""Middle of the window of the anterior height: the wedge's displacement is one there."""


@dataclass(frozen=True, eq=False)
class Solved:
    """The field that gives the loss asked for, and the body before and after."""

    field: FractureField
    amplitude: float
    before: Measured
    after: Measured
    points: BodyPoints

    @property
    def losses(self) -> FloatArray:
        """Loss of each height, in the order of ``HEIGHTS``."""
        losses: FloatArray = 1.0 - self.after.heights_mm / self.before.heights_mm
        return losses


def solve_field(
    vertebra: LocalVertebra, ground: Ground, wanted: VirtualFracture, heights_mm: FloatArray
) -> Solved:
    """Find the displacement that takes the asked share from the height that the shape names.

    Parameters
    ----------
    vertebra, ground:
        The intact body, and what of it may move.
    wanted:
        The fracture.
    heights_mm:
        Its heights as ``endplate assess`` measured them, in the order of ``HEIGHTS``; the fracture takes from them.

    Raises
    ------
    UsageError
        ``fracture-too-deep``: the body cannot lose so much without being crushed to nothing.
    """
    points = BodyPoints.of(vertebra)
    exact = measure_points(points)
    before = replace(exact, heights_mm=heights_mm)
    pattern = _pattern(ground, wanted)
    named = [HEIGHTS.index(name) for name in NAMED_BY[wanted.shape]]
    scale = float(before.heights_mm[named].mean())

    def at(amplitude: float) -> Solved:
        field = _field(ground, vertebra, wanted, pattern, amplitude)
        # Heights end at the wall as it was: what is pushed into the canal bears no load.
        upright = FractureField(field.columns, field.crush)
        after = measure_points(points.moved(upright))
        shrunk = replace(after, heights_mm=heights_mm + after.heights_mm - exact.heights_mm)
        return Solved(field, amplitude, before, shrunk, points)

    # Secant steps from no fracture at all: the loss is nearly proportional to the amplitude.
    least = float(value("virtual_fracture.jacobian_least"))
    last, last_loss = 0.0, 0.0
    amplitude = wanted.loss * scale
    solved, error = None, np.inf
    for _ in range(SOLVE_STEPS):
        found = at(amplitude)
        loss = float(found.losses[named].mean())
        if abs(loss - wanted.loss) < error:
            solved, error = found, abs(loss - wanted.loss)
        slope = (loss - last_loss) / (amplitude - last)
        if error < LOSS_TOLERANCE or slope <= 0.1 / scale:
            break
        last, last_loss = amplitude, loss
        amplitude += (wanted.loss - loss) / slope
    if solved is None or error > LOSS_FAR or solved.field.least_jacobian() < least:
        raise _too_deep(wanted)
    return solved


def _too_deep(wanted: VirtualFracture) -> UsageError:
    return UsageError(
        "fracture-too-deep",
        f"{wanted.level} cannot lose {100.0 * wanted.loss:.0f} % as a {wanted.shape} fracture: bone would be crushed "
        "to nothing somewhere.",
        do="Ask for a smaller --loss or less retropulsion.",
    )


def _pattern(ground: Ground, wanted: VirtualFracture) -> FloatArray:
    """Closing of the endplates per unit of amplitude, shape (X, Y)."""
    t = ground.along
    if wanted.shape == "wedge":
        pattern = _ramp(t) * np.ones_like(ground.freedom)
    elif wanted.shape == "biconcave":
        across = (ground.coordinates()[0] - ground.x_mid_mm) / (DISH_ACROSS * ground.half_width_mm)
        radius = np.hypot((t - 0.5) / DISH_ALONG, across)
        pattern = 1.0 - smooth_step((radius - DISH_FLOOR) / (1.0 - DISH_FLOOR))
    else:
        height = ground.top_mm - ground.bottom_mm
        pattern = height / float(np.median(height[ground.footprint]))
    patterned: FloatArray = pattern * ground.freedom
    return patterned


def _ramp(t: FloatArray) -> FloatArray:
    """Nothing behind the hinge, then a straight slope (its start rounded), level at the anterior rim."""
    width = 0.08
    s = np.clip(t, 0.0, LEVEL_FROM) - HINGE
    rounded = np.where(s < width, np.clip(s + width, 0.0, None) ** 2 / (4.0 * width), s)
    ramp: FloatArray = np.where(s < -width, 0.0, rounded) / (FRONT - HINGE)
    return ramp


def _field(
    ground: Ground, vertebra: LocalVertebra, wanted: VirtualFracture, pattern: FloatArray, amplitude: float
) -> FractureField:
    share = 1.0 if wanted.broken == "superior" else 0.5
    columns = Columns(
        low_mm=ground.low_mm,
        step_mm=ground.step_mm,
        top_mm=ground.top_mm,
        bottom_mm=ground.bottom_mm,
        above_mm=ground.above_mm,
        below_mm=ground.below_mm,
        drop_mm=share * amplitude * pattern,
        lift_mm=(1.0 - share) * amplitude * pattern,
    )
    crush = Crush(
        strain=float(value("virtual_fracture.strain")),
        layer_mm=float(value("virtual_fracture.layer_mm")),
        margin_mm=float(value("virtual_fracture.margin_mm")),
    )
    plain = FractureField(columns, crush)
    if wanted.retropulsion_mm == 0.0:
        return plain
    return FractureField(columns, crush, _bulge(ground, vertebra, wanted))


def _bulge(ground: Ground, vertebra: LocalVertebra, wanted: VirtualFracture) -> Bulge:
    """The push of the posterior wall: widest in the midline, between the pedicles."""
    canal = vertebra.canal
    if canal is None:
        raise UsageError(
            "fracture-no-canal",
            f"The canal of {wanted.level} was not found, so its posterior wall cannot be pushed back.",
            do="Leave out --retropulsion-mm.",
        )
    ring = canal.typical_mm
    depth = float(ring[len(ring) // 4] + ring[3 * len(ring) // 4])
    width = float(ring[0] + ring[len(ring) // 2])
    mid = np.argmin(np.abs(ground.coordinates()[0][:, 0] - ground.x_mid_mm))
    body = ground.footprint[mid]
    top, bottom = (float(np.median(m[mid][body])) for m in (ground.top_mm, ground.bottom_mm))
    return Bulge(
        depth_mm=wanted.retropulsion_mm,
        x_mm=ground.x_mid_mm,
        z_mm=0.5 * (top + bottom),
        half_width_mm=0.5 * width,
        half_height_mm=0.5 * (top - bottom) + 2.0,
        front_mm=0.5 * (ground.front_mm + ground.back_mm),
        wall_mm=ground.back_mm,
        back_mm=ground.back_mm - 0.9 * depth,
    )
