"""The map that raises a vertebral body: the inverse of a fracture that takes the restored body to the present one."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from endplate.anatomy.axes import FloatArray
from endplate.synthetic.fracture_field import Columns, Crush, FractureField, smooth_step


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
        return 1.0 / self._fracture.least_jacobian()
