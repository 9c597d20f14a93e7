"""The displacement of a virtual fracture: every column of the body is shortened along the vertebra's own axis.

A point moves along the superior axis alone (and, with retropulsion, then backward), so that the map is triangular:
its Jacobian determinant is the product of two derivatives known in closed form, and its inverse is one monotone
equation a direction.

Notes
-----
Over each point (x, y) of the axial plane, T and B are the endplates, d_T how far the superior one goes down and d_B
how far the inferior one goes up. From the neighbour above to the neighbour below

* the disc is stretched by a C2 step (nothing moves beyond it),
* a layer under each endplate moves with it, unstrained,
* a band below that layer is crushed; its strain is a trapezoid of given plateau (the densification of a foam),
* what lies between the bands stays where it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.axes import FloatArray
from endplate.errors import InternalError

RAMP = 0.2
"""Share of a crushed band over which its strain rises, and again falls."""

BAND_LEAST_MM = 3.0
"""A crushed band is no thinner: small collapses stay smooth."""

STILL_MM = 1e-4
"""A column that moves by less stays as it is."""

SOLVE_STEPS = 100
"""Upper bound of the inverse's steps: each halves the bracket or the error."""

SOLVED_MM = 1e-9


@dataclass(frozen=True, eq=False)
class Columns:
    """Maps over the axial plane of the vertebra's frame, all of one shape (X, Y), in mm.

    Parameters
    ----------
    low_mm:
        (x, y) of the first point.
    step_mm:
        Grid step.
    top_mm, bottom_mm:
        The endplates, continued beyond the body.
    above_mm, below_mm:
        Room over and under the endplates within which the displacement fades.
    drop_mm, lift_mm:
        How far the superior endplate goes down and the inferior one up, both ≥ 0.
    """

    low_mm: FloatArray
    step_mm: float
    top_mm: FloatArray
    bottom_mm: FloatArray
    above_mm: FloatArray
    below_mm: FloatArray
    drop_mm: FloatArray
    lift_mm: FloatArray


@dataclass(frozen=True)
class Crush:
    """How the body gives way: plateau strain, the layer that goes with an endplate, the margin beyond it (mm)."""

    strain: float
    layer_mm: float
    margin_mm: float


@dataclass(frozen=True)
class Bulge:
    """A posterior wall pushed back: by ``depth_mm`` at (``x_mm``, ``z_mm``), fading over the half widths.

    ``wall_mm`` is the wall's y; the push begins at ``front_mm`` in the body and ends at ``back_mm`` in the canal.
    """

    depth_mm: float
    x_mm: float
    z_mm: float
    half_width_mm: float
    half_height_mm: float
    front_mm: float
    wall_mm: float
    back_mm: float


@dataclass(frozen=True, eq=False)
class _AtPoints:
    """The maps at some points, shape (n,) each, and the thickness of the crushed bands."""

    top: FloatArray
    bottom: FloatArray
    above: FloatArray
    below: FloatArray
    drop: FloatArray
    lift: FloatArray
    upper_band: FloatArray
    lower_band: FloatArray


class FractureField:
    """An invertible map of local points (right, anterior, superior; mm) to where the fracture takes them.

    Parameters
    ----------
    columns:
        The maps.
    crush:
        How the body gives way.
    bulge:
        Retropulsion, or ``None``.
    """

    def __init__(self, columns: Columns, crush: Crush, bulge: Bulge | None = None) -> None:
        self.columns, self.crush, self.bulge = columns, crush, bulge
        self._splines = {
            name: ndimage.spline_filter(getattr(columns, f"{name}_mm"), order=3, mode="nearest")
            for name in ("top", "bottom", "above", "below", "drop", "lift")
        }

    def forward(self, local_mm: FloatArray) -> FloatArray:
        """Where points go, shape (n, 3)."""
        moved = np.array(local_mm, dtype=np.float64)
        maps = self._at(moved[:, :2])
        moved[:, 2] += self._shift(moved[:, 2], maps)
        if self.bulge is not None:
            moved[:, 1] += _push(moved[:, 1], _strength(moved[:, [0, 2]], self.bulge), self.bulge)
        return moved

    def inverse(self, local_mm: FloatArray) -> FloatArray:
        """Where points came from, shape (n, 3)."""
        source = np.array(local_mm, dtype=np.float64)
        bulge = self.bulge
        if bulge is not None:
            strength = _strength(source[:, [0, 2]], bulge)
            source[:, 1] = _solve(
                source[:, 1],
                source[:, 1],
                source[:, 1] + strength,
                lambda y: (_push(y, strength, bulge), _push_slope(y, strength, bulge)),
            )
        maps = self._at(source[:, :2])
        target = source[:, 2].copy()
        source[:, 2] = _solve(
            target,
            target - maps.lift,
            target + maps.drop,
            lambda z: (self._shift(z, maps), self._slope(z, maps)),
        )
        return source

    def jacobian(self, local_mm: FloatArray) -> FloatArray:
        """Determinant of the map at points before the fracture, shape (n, 3) → (n,); volume after over before."""
        points = np.asarray(local_mm, dtype=np.float64)
        maps = self._at(points[:, :2])
        determinant: FloatArray = 1.0 + self._slope(points[:, 2], maps)
        if self.bulge is not None:
            height = points[:, 2] + self._shift(points[:, 2], maps)
            strength = _strength(np.column_stack([points[:, 0], height]), self.bulge)
            determinant = determinant * (1.0 + _push_slope(points[:, 1], strength, self.bulge))
        return determinant

    def least_jacobian(self) -> float:
        """A lower bound of the determinant over all points, from the maps alone."""
        maps = self._banded({name: getattr(self.columns, f"{name}_mm") for name in self._splines})
        upper, lower = maps.drop / maps.upper_band, maps.lift / maps.lower_band
        room = maps.top - maps.bottom - 2.0 * self.crush.layer_mm
        meet = maps.upper_band + maps.lower_band > room * (1.0 + 1e-9)
        share = np.where(meet, upper + lower, np.maximum(upper, lower)) / (1.0 - RAMP)
        least = 1.0 - float(share.max())
        if self.bulge is not None:
            least *= 1.0 - 1.875 * self.bulge.depth_mm / (self.bulge.wall_mm - self.bulge.back_mm)
        return least

    def top_after(self, xy_mm: FloatArray) -> FloatArray:
        """Height of the superior endplate after the fracture over points of the plane, shape (n, 2) → (n,) mm."""
        maps = self._at(np.asarray(xy_mm, dtype=np.float64))
        height: FloatArray = maps.top - maps.drop
        return height

    def amount(self, xy_mm: FloatArray) -> FloatArray:
        """Drop and lift together at points of the axial plane, shape (n, 2) → (n,) mm."""
        index = ((np.asarray(xy_mm) - self.columns.low_mm) / self.columns.step_mm).T
        return sum_of(
            ndimage.map_coordinates(self._splines[name], index, **_CUBIC) for name in ("drop", "lift")
        )

    def _at(self, xy_mm: FloatArray) -> _AtPoints:
        index = ((xy_mm - self.columns.low_mm) / self.columns.step_mm).T
        found = {
            name: ndimage.map_coordinates(spline, index, **_CUBIC) for name, spline in self._splines.items()
        }
        return self._banded(found)

    def _banded(self, found: dict[str, FloatArray]) -> _AtPoints:
        drop, lift = (np.where(found[n] > STILL_MM, found[n], 0.0) for n in ("drop", "lift"))
        crush = self.crush
        room = np.maximum(found["top"] - found["bottom"] - 2.0 * crush.layer_mm, BAND_LEAST_MM)
        strain = np.maximum(crush.strain, (drop + lift) / ((1.0 - RAMP) * room))
        bands = [np.maximum(part / (strain * (1.0 - RAMP)), BAND_LEAST_MM) for part in (drop, lift)]
        least = crush.margin_mm + 1.0
        return _AtPoints(
            found["top"],
            found["bottom"],
            np.maximum(found["above"], least),
            np.maximum(found["below"], least),
            drop,
            lift,
            bands[0],
            bands[1],
        )

    def _shift(self, z: FloatArray, maps: _AtPoints) -> FloatArray:
        up, down = self._places(z, maps)
        falling = maps.drop * _crushed(up[0]) * (1.0 - smooth_step(up[1]))
        rising = maps.lift * _crushed(down[0]) * (1.0 - smooth_step(down[1]))
        shift: FloatArray = rising - falling
        return shift

    def _slope(self, z: FloatArray, maps: _AtPoints) -> FloatArray:
        up, down = self._places(z, maps)
        margin = self.crush.margin_mm
        slope: FloatArray = maps.drop * (
            _step_slope(up[1]) / (maps.above - margin) - _strain(up[0]) / maps.upper_band
        ) + maps.lift * (_step_slope(down[1]) / (maps.below - margin) - _strain(down[0]) / maps.lower_band)
        return slope

    def _places(
        self, z: FloatArray, maps: _AtPoints
    ) -> tuple[tuple[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]:
        """Place in the crushed band (0 deep, 1 at the endplate) and in the disc (0 at the endplate), up and down."""
        layer, margin = self.crush.layer_mm, self.crush.margin_mm
        upper = (z - maps.top + layer + maps.upper_band) / maps.upper_band
        lower = (maps.bottom + layer + maps.lower_band - z) / maps.lower_band
        return (
            (upper, (z - maps.top - margin) / (maps.above - margin)),
            (lower, (maps.bottom - margin - z) / (maps.below - margin)),
        )


_CUBIC: dict[str, Any] = {"order": 3, "mode": "nearest", "prefilter": False}


def sum_of(parts: Any) -> FloatArray:
    """Sum of some arrays."""
    total: FloatArray = np.sum(list(parts), axis=0)
    return total


def smooth_step(t: FloatArray) -> FloatArray:
    """C2 step from 0 to 1 on [0, 1]."""
    s = np.clip(t, 0.0, 1.0)
    step: FloatArray = s * s * s * (s * (6.0 * s - 15.0) + 10.0)
    return step


def _step_slope(t: FloatArray) -> FloatArray:
    s = np.clip(t, 0.0, 1.0)
    slope: FloatArray = 30.0 * (s * (1.0 - s)) ** 2
    return slope


def _crushed(t: FloatArray) -> FloatArray:
    """Integral of the trapezoid of strain from 0 to t, 1 over the whole band."""
    s = np.clip(t, 0.0, 1.0)
    edge = 2.0 * RAMP * (1.0 - RAMP)
    inner = (s - 0.5 * RAMP) / (1.0 - RAMP)
    found: FloatArray = np.where(
        s < RAMP, s**2 / edge, np.where(s > 1.0 - RAMP, 1.0 - (1.0 - s) ** 2 / edge, inner)
    )
    return found


def _strain(t: FloatArray) -> FloatArray:
    """The trapezoid itself; its integral is 1."""
    strain: FloatArray = np.clip(np.minimum(t, 1.0 - t) / RAMP, 0.0, 1.0) / (1.0 - RAMP)
    return strain


def _strength(xz_mm: FloatArray, bulge: Bulge) -> FloatArray:
    """How far the wall is pushed back at places (x, z), mm."""
    across = np.clip((xz_mm[:, 0] - bulge.x_mm) / bulge.half_width_mm, -1.0, 1.0)
    along = np.clip((xz_mm[:, 1] - bulge.z_mm) / bulge.half_height_mm, -1.0, 1.0)
    strength: FloatArray = bulge.depth_mm * ((1.0 - across**2) * (1.0 - along**2)) ** 2
    return strength


def _push(y: FloatArray, strength: FloatArray, bulge: Bulge) -> FloatArray:
    within = smooth_step((bulge.front_mm - y) / (bulge.front_mm - bulge.wall_mm))
    behind = 1.0 - smooth_step((bulge.wall_mm - y) / (bulge.wall_mm - bulge.back_mm))
    push: FloatArray = -strength * within * behind
    return push


def _push_slope(y: FloatArray, strength: FloatArray, bulge: Bulge) -> FloatArray:
    # Where one of the two steps changes, the other is constant at one.
    body, canal = bulge.front_mm - bulge.wall_mm, bulge.wall_mm - bulge.back_mm
    slope: FloatArray = strength * (
        _step_slope((bulge.front_mm - y) / body) / body - _step_slope((bulge.wall_mm - y) / canal) / canal
    )
    return slope


def _solve(
    target: FloatArray,
    low: FloatArray,
    high: FloatArray,
    shift: Callable[[FloatArray], tuple[FloatArray, FloatArray]],
) -> FloatArray:
    """Solve s + shift(s) = target on brackets [low, high].

    Newton's step is taken where it stays between the ends and the error has halved, else the bracket is halved: beside
    a disc that is stretched much, Newton's steps lead from one flat end of the bracket to the other and back for ever.
    """
    low, high = low.copy(), high.copy()
    guess = 0.5 * (low + high)
    last = np.full(len(guess), np.inf)
    for _ in range(SOLVE_STEPS):
        moved, slope = shift(guess)
        excess = guess + moved - target
        error = np.abs(excess)
        if not len(error) or float(error.max()) < SOLVED_MM:
            return guess
        above: NDArray[np.bool_] = excess > 0.0
        low, high = np.where(above, low, guess), np.where(above, guess, high)
        step = guess - excess / (1.0 + slope)
        good = (step > low) & (step < high) & (error <= 0.5 * last)
        guess, last = np.where(good, step, 0.5 * (low + high)), error
    raise InternalError(
        "fracture-not-inverted",
        f"Where some points of the fracture came from was not found; {float(error.max()):.2g} mm are left.",
        do="Report this with the command that was given.",
    )
