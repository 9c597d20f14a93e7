"""The map that raises a vertebral body: the inverse of a fracture that takes the restored body to the present one."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.interpolate import PchipInterpolator

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.expectation import HEIGHTS
from endplate.sources import value
from endplate.synthetic.fracture_columns import Ground
from endplate.synthetic.fracture_field import Columns, Crush, FractureField, smooth_step

MARGIN_MM = 0.8
"""Layer outside an endplate that moves with it."""

DISC_LEFT_MM = 0.3
"""Of the room beside an endplate at least this much, and the layer above, is left to the disc."""

SHARED_MM = 2.0
"""Over this distance the other endplate takes over what one has no room for."""

SHARED = 0.4
"""Share that the inferior endplate takes where the superior one cannot take all of it."""

PINCH = 4.0
"""How sharply a rise bends off where the discs have no more room."""

STILL_MM = 1e-3
"""Gains up to this much change nothing."""


class RestoringField(FractureField):
    """An invertible map of local points (right, anterior, superior; mm) that raises a body: a fracture undone.

    Parameters
    ----------
    columns:
        Of the fracture that takes the restored body to the present one: its maps are those of the restored body.
    crush:
        How the body gave way.
    """

    def __init__(self, columns: Columns, crush: Crush) -> None:
        super().__init__(columns, crush)
        self._fracture = FractureField(columns, crush)

    def forward(self, local_mm: FloatArray) -> FloatArray:
        """Where points of the present body go, shape (n, 3)."""
        return self._fracture.inverse(local_mm)

    def inverse(self, local_mm: FloatArray) -> FloatArray:
        """Where points of the restored body came from, shape (n, 3)."""
        return self._fracture.forward(local_mm)

    def jacobian(self, local_mm: FloatArray) -> FloatArray:
        """Determinant at points of the present body, shape (n, 3) → (n,); volume after over before, positive."""
        determinant: FloatArray = 1.0 / self._fracture.jacobian(self._fracture.inverse(local_mm))
        return determinant

    def least_jacobian(self) -> float:
        """A lower bound of the determinant over all points, from the maps alone: it is in a disc."""
        maps, margin, steepest = self.columns, self.crush.margin_mm, 15.0 / 8.0
        rooms = [np.maximum(room - margin, 1.0) for room in (maps.above_mm, maps.below_mm)]
        opened = maps.drop_mm / rooms[0] + maps.lift_mm / rooms[1]
        return 1.0 / (1.0 + steepest * float(opened.max()))

    def even_inverse(self, local_mm: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Where points of the restored body came from if all between the endplates were stretched alike.

        For shapes that lie in the bone: they are not drawn out where a band of bone opens.

        Returns
        -------
        tuple
            Points of the present body, shape (n, 3), and the local stretch, shape (n,).
        """
        points = np.array(local_mm, dtype=np.float64)
        maps = self.columns
        index = ((points[:, :2] - maps.low_mm) / maps.step_mm).T
        top, bottom, above, below, up, down = (
            ndimage.map_coordinates(one, index, order=1, mode="nearest", prefilter=False)
            for one in (maps.top_mm, maps.bottom_mm, maps.above_mm, maps.below_mm, maps.drop_mm, maps.lift_mm)
        )
        z, height = points[:, 2], np.maximum(top - bottom, 1.0)
        place = (z - bottom) / height
        fades_up = 1.0 - smooth_step((z - top) / np.maximum(above, 1.0))
        fades_down = 1.0 - smooth_step((bottom - z) / np.maximum(below, 1.0))
        between = np.clip(place, 0.0, 1.0)
        points[:, 2] = z - up * between * fades_up + down * (1.0 - between) * fades_down
        inside = (place >= 0.0) & (place <= 1.0)
        stretch: FloatArray = np.where(inside, height / np.maximum(height - up - down, 0.1 * height), 1.0)
        return points, stretch

    def greatest_jacobian(self) -> float:
        """An upper bound of the determinant: how far bone is opened."""
        least = self._fracture.least_jacobian()
        return 1.0 / least if least > 0.0 else float("inf")


def raising_field(ground: Ground, rises_mm: FloatArray, *, shared: bool = False) -> RestoringField:
    """The field that raises a body by about as much over the three windows.

    Parameters
    ----------
    ground:
        What of it may move.
    rises_mm:
        Opening of the endplates over the anterior, middle and posterior window, shape (3,); less where the discs have
        no room for it.
    shared:
        Both endplates move everywhere where the superior one cannot take all of it somewhere, not only there.
    """
    opening = np.maximum(_along(ground.along, rises_mm), 0.0) * ground.freedom
    above, below = _rooms(ground)
    width = SHARED_MM / ground.step_mm
    least = ndimage.minimum_filter(above + below, size=2 * int(2.0 * width) + 1)
    most = np.maximum(ndimage.gaussian_filter(least, width), STILL_MM)
    # Where the discs are pinched the endplates rise less; the heights are those of the rest.
    opening = opening / (1.0 + (opening / most) ** PINCH) ** (1.0 / PINCH)
    share = _lower_share(ground, opening, shared=shared)
    up, down = (1.0 - share) * opening, share * opening
    columns = Columns(
        low_mm=ground.low_mm,
        step_mm=ground.step_mm,
        top_mm=ground.top_mm + up,
        bottom_mm=ground.bottom_mm - down,
        above_mm=ground.above_mm - up,
        below_mm=ground.below_mm - down,
        drop_mm=up,
        lift_mm=down,
    )
    return RestoringField(
        columns,
        Crush(
            strain=float(value("virtual_fracture.strain")),
            layer_mm=float(value("virtual_fracture.layer_mm")),
            margin_mm=MARGIN_MM,
        ),
    )


def _rooms(ground: Ground) -> tuple[FloatArray, FloatArray]:
    """How far the endplates can rise into the discs above and below, (X, Y) mm."""
    kept = MARGIN_MM + DISC_LEFT_MM
    return np.maximum(ground.above_mm - kept, 0.0), np.maximum(ground.below_mm - kept, 0.0)


def _lower_share(ground: Ground, opening_mm: FloatArray, *, shared: bool) -> FloatArray:
    """Share of the opening that the inferior endplate takes, (X, Y): none while the disc above has room for all."""
    amount = np.maximum(opening_mm, STILL_MM)
    above, below = _rooms(ground)
    least = np.where(opening_mm > STILL_MM, np.clip(1.0 - above / amount, 0.0, 1.0), 0.0)
    if not least.any():
        return least
    width = SHARED_MM / ground.step_mm
    wide = ndimage.maximum_filter(least, size=2 * int(width) + 1)
    if shared:
        wide = np.maximum(wide, SHARED)
    share: FloatArray = np.clip(
        ndimage.gaussian_filter(wide, width), least, np.maximum(below / amount, least)
    )
    return np.minimum(share, 1.0)


def _along(place: FloatArray, rises_mm: FloatArray) -> FloatArray:
    """The rise over the body's depth: through the middles of the three windows, level beyond the outer two."""
    windows = value("heights.windows")
    middles = {name: 0.5 * (low + high) for name, (low, high) in windows.items()}
    at = sorted(range(len(HEIGHTS)), key=lambda i: middles[HEIGHTS[i]])
    knots = np.array([0.0, *(middles[HEIGHTS[i]] for i in at), 1.0])
    rises = np.array([rises_mm[at[0]], *rises_mm[at], rises_mm[at[-1]]])
    rise: FloatArray = PchipInterpolator(knots, rises)(np.clip(place, 0.0, 1.0))
    return rise
