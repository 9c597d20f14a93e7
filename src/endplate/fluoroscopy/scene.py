"""What was brought into the patient: tools by their shapes, cement and contrast in voxels."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from endplate.fluoroscopy.beam import Shadow
from endplate.fluoroscopy.materials import Material, material
from endplate.fluoroscopy.patient import view_key
from endplate.fluoroscopy.projector import Projector
from endplate.fluoroscopy.tools import Tool, tool_paths
from endplate.fluoroscopy.view import View
from endplate.imaging.volume import Volume
from endplate.units import MM3_PER_ML

Float32 = NDArray[np.float32]
Box = tuple[int, int, int, int]
"""Rows [top, bottom) and columns [left, right)."""

KEPT_SHADOWS = 4
"""Views whose paths through one filling are kept."""


class Filling:
    """Cement or contrast that lies in voxels.

    Parameters
    ----------
    fraction:
        Share of each voxel that is filled, 0–1 (a mask will do); any grid, cut to what holds something.
    of:
        What it is; ``None``: the cement of the catalogue.

    Raises
    ------
    InputError
        Fractions that are not finite numbers.
    """

    def __init__(self, fraction: Volume, of: Material | None = None) -> None:
        self.fraction = fraction
        self.material = of or material("cement")
        self._projector = Projector(replace(fraction, data=np.asarray(fraction.data, dtype=np.float32)))
        self._kept: OrderedDict[tuple[object, ...], tuple[Float32, Box]] = OrderedDict()

    @property
    def empty(self) -> bool:
        """Nothing is filled."""
        return self._projector.empty

    @property
    def volume_ml(self) -> float:
        """How much there is."""
        voxel_mm3 = abs(float(np.linalg.det(self.fraction.affine[:3, :3])))
        return float(self.fraction.data.sum()) * voxel_mm3 / MM3_PER_ML

    def path(self, view: View) -> tuple[Float32, Box]:
        """Path through it in mm, shape (rows, columns), and the rectangle that holds it; kept for the next frame."""
        key = view_key(view)
        if key not in self._kept:
            path = np.maximum(self._projector.line_integrals(view), np.float32(0.0))
            self._kept[key] = path, filled_box(path)
            while len(self._kept) > KEPT_SHADOWS:
                self._kept.popitem(last=False)
        return self._kept[key]


@dataclass(frozen=True, eq=False)
class Scene:
    """What was brought into the patient.

    Parameters
    ----------
    tools:
        Needles, markers and balloons, by their shapes.
    fillings:
        Cement and contrast in voxels.
    """

    tools: tuple[Tool, ...] = ()
    fillings: tuple[Filling, ...] = ()

    def shadow(self, view: View) -> Shadow | None:
        """Paths through all of it in one view, ``None`` where nothing of it is in the field."""
        parts: list[tuple[Material, Float32, Box]] = []
        if self.tools:
            layer = tool_paths(view, self.tools)
            parts += [
                (material(name), layer.lengths_mm[at], layer.box) for at, name in enumerate(layer.materials)
            ]
        parts += [(filling.material, *filling.path(view)) for filling in self.fillings if not filling.empty]
        parts = [part for part in parts if part[2][0] < part[2][1]]
        if not parts:
            return None
        sides = np.array([box for _, _, box in parts])
        top, left = (int(side) for side in sides[:, [0, 2]].min(axis=0))
        bottom, right = (int(side) for side in sides[:, [1, 3]].max(axis=0))
        kinds = tuple(dict.fromkeys(of for of, _, _ in parts))
        stack = np.zeros((len(kinds), bottom - top, right - left), dtype=np.float32)
        for of, path, _ in parts:
            stack[kinds.index(of)] += path[top:bottom, left:right]
        return Shadow(kinds, stack, (top, bottom, left, right))


def filled_box(path: Float32) -> Box:
    """The smallest rectangle that holds all of a path, shape (rows, columns); empty where there is none."""
    rows, columns = (np.flatnonzero((path > 0.0).any(axis=axis)) for axis in (1, 0))
    if rows.size == 0:
        return 0, 0, 0, 0
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
