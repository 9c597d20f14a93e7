"""Building a phantom: solve the anatomy, lay the grid over it, fill labels and CT, state the truth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from endplate.imaging.geometry import FloatArray
from endplate.imaging.volume import LabelMap, ScanInfo, Volume
from endplate.synthetic import field as f
from endplate.synthetic.anatomy import SolvedSpine, solve
from endplate.synthetic.grid import GridSpec
from endplate.synthetic.measure import measure_level
from endplate.synthetic.spec import PhantomSpec
from endplate.synthetic.truth import PhantomTruth

Part = Literal["vertebra", "body", "canal"]
_COLUMN: dict[str, int] = {"vertebra": 0, "body": 1, "canal": 2}

AIR_BEHIND_SKIN_MM = 12.0
"""Air behind the skin that a field of view to the skin shows."""


@dataclass(frozen=True, eq=False)
class Phantom:
    """A phantom: its CT (or ``None``), its labels and its truth.

    ``subregions`` holds TPTBox ids: 49 body, 41 arch, 61 free canal.
    """

    spec: PhantomSpec
    grid: GridSpec
    volume: Volume | None
    labels: LabelMap
    subregions: Volume
    truth: PhantomTruth
    spine: SolvedSpine

    def inside(self, level: str, points_ras_mm: FloatArray, part: Part = "vertebra") -> NDArray[np.bool_]:
        """Say which world points, shape (n, 3), lie in a part of that level; exact."""
        values = self.spine.fields(self.spine.index(level), points_ras_mm)
        inside: NDArray[np.bool_] = values[:, _COLUMN[part]] <= 0.0
        return inside


def build_phantom(spec: PhantomSpec, grid: GridSpec | None = None, *, ct: bool = True) -> Phantom:
    """Build a phantom on a grid.

    The anatomy stands fixed in the RAS world; the grid alone changes with ``grid``. A voxel is labelled when its
    centre lies inside the analytic surface.

    Raises
    ------
    UsageError
        The specification cannot be built, or the grid would not fit into memory.
    """
    grid = GridSpec() if grid is None else grid
    spine = solve(spec)
    truth = measure(spine)
    corners = np.concatenate([spine.bounds(i) for i in range(len(spine.models))])
    shape, affine = grid.cover(corners, truth.skin_back_mm - AIR_BEHIND_SKIN_MM)
    labels, subregions = paint_labels(spine, shape, affine)
    volume = None
    if ct:
        raise NotImplementedError
    info = ScanInfo(source_format="phantom")
    return Phantom(
        spec=spec,
        grid=grid,
        volume=volume,
        labels=LabelMap(
            Volume(labels, affine, info), "verse", False, "Levels as specified for the synthetic phantom."
        ),
        subregions=Volume(subregions, affine, info),
        truth=truth,
        spine=spine,
    )


def measure(spine: SolvedSpine) -> PhantomTruth:
    """The truth of a solved spine."""
    levels = {spine.spec.levels[i]: measure_level(spine, i) for i in range(len(spine.models))}
    back = min(float(spine.bounds(i)[:, 1].min()) for i in range(len(spine.models)))
    return PhantomTruth(levels=levels, skin_back_mm=back - spine.spec.soft_tissue.back_fat_mm - 4.0)


def paint_labels(
    spine: SolvedSpine, shape: tuple[int, int, int], affine: FloatArray
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """VerSe ids and subregions on a grid."""
    labels = np.zeros(shape, dtype=np.uint8)
    subregions = np.zeros(shape, dtype=np.uint8)
    for i, vertebra in enumerate(spine.spec.vertebrae):
        start, stop = voxel_box(spine.bounds(i), shape, affine)
        f.paint_labels(labels, subregions, start, stop, affine, i, vertebra.label_id, *spine.packed)
    return labels, subregions


def voxel_box(
    corners_ras_mm: FloatArray, shape: tuple[int, int, int], affine: FloatArray
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Smallest voxel box [start, stop) that holds the points, clipped to the grid."""
    inverse = np.linalg.inv(affine)
    index = corners_ras_mm @ inverse[:3, :3].T + inverse[:3, 3]
    start = np.clip(np.floor(index.min(axis=0)).astype(np.int64), 0, np.array(shape))
    stop = np.clip(np.ceil(index.max(axis=0)).astype(np.int64) + 1, 0, np.array(shape))
    return start, stop
