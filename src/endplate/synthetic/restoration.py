"""A scan with the height of one vertebra restored: what posture and balloons gave back, as a picture.

The map is the inverse of a virtual fracture (:mod:`endplate.synthetic.fracture_field`) that takes the restored body to
the present one: smooth, invertible, along the vertebra's own axis. A band under each endplate opens, its mineral is
spread over the greater volume. Only the treated body changes: **neighbours, pedicles and arches stay where they are,
and the discs give the room**. In a patient the column above rises and turns instead, so this is a picture of the
level, not a measurement of discs, kyphosis or neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from endplate.anatomy.axes import Axes, FloatArray
from endplate.anatomy.model import HeightTriple, Spine, Vertebra
from endplate.anatomy.revisit import revisit
from endplate.errors import QualityGateError, UsageError
from endplate.imaging.levels import VERSE_IDS, parse_level
from endplate.imaging.volume import LabelMap, Volume
from endplate.sources import value
from endplate.synthetic.fracture_columns import Ground, lay_ground
from endplate.synthetic.fracture_heights import BodyPoints, measure_points
from endplate.synthetic.fracture_mass import compacted
from endplate.synthetic.fracture_warp import carry_labels, find_moved, sample_image
from endplate.synthetic.restoration_field import STILL_MM, RestoringField, raising_field

Gain = HeightTriple | Sequence[float]
"""Gain of the anterior, middle and posterior height, mm."""

SINKS_MM = 0.5
"""A height that a tilting plate takes away by up to this much counts as unchanged."""

EXACT_MM, FAR_MM = 0.01, 0.1
"""Heights are solved to the first where that is quick, and to the second at least."""

SOLVE_STEPS = 20


@dataclass(frozen=True, eq=False)
class Restored:
    """A scan with heights restored.

    Parameters
    ----------
    image, labels:
        On the grid of the scan.
    axes:
        The vertebra's frame.
    field:
        What raised it; ``None`` where nothing was gained.
    """

    image: Volume
    labels: LabelMap
    axes: Axes
    field: RestoringField | None

    def contents_came_from(self, ras_mm: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Where a shape in the bone was before at points of the restored scan (n, 3), RAS mm, and its stretch (n,)."""
        points = np.asarray(ras_mm, dtype=np.float64)
        if self.field is None:
            return points, np.ones(len(points))
        came, stretch = self.field.even_inverse(self.axes.to_local(points))
        return self.axes.to_world(came), stretch

    @property
    def greatest_mm(self) -> float:
        """How far anything moved at most."""
        return (
            0.0
            if self.field is None
            else float(max(self.field.columns.drop_mm.max(), self.field.columns.lift_mm.max()))
        )


@dataclass(frozen=True, eq=False)
class Restoration:
    """One level of a scan made ready for any gain.

    Parameters
    ----------
    image, labels:
        The scan as it is.
    number:
        Label of the level.
    level:
        Its name.
    ground:
        What of it may move.
    points:
        Its endplates.
    """

    image: Volume
    labels: LabelMap
    number: int
    level: str
    ground: Ground
    points: BodyPoints

    def scan(self, gain_mm: Gain) -> Restored:
        """The scan with the level higher by these gains.

        Raises
        ------
        UsageError
            ``restoration-gain``: not three finite gains, or a loss; ``restoration-no-room``: the discs have no room
            for so much, or the body would be pulled too thin.
        QualityGateError
            ``fracture-at-edge``: the discs are not in view.
        """
        gain = gains_mm(gain_mm)
        if not (gain > STILL_MM).any():
            return Restored(self.image, self.labels, self.ground.axes, None)
        field = self._solve(gain)
        axes = self.ground.axes
        moved = find_moved(self.image, axes, field)
        stays = self.labels.data[moved.box] == self.number
        ids, warped = carry_labels(self.labels.volume, self.number, moved, axes, field)
        hu = sample_image(self.image.data, moved)
        bone, below = np.maximum(hu, 0.0), np.minimum(hu, 0.0)
        inside = warped.ids == self.number
        # Mineral is what a voxel has above water; spread over more volume, all of it is kept.
        opened = compacted(bone, warped.depth_mm, moved.jacobian)
        held = np.maximum(moved.take(self.image.data[moved.box])[moved.take(stays)], 0.0).sum()
        total = float(opened[inside].sum())
        scale = float(held) / total if total > 0.0 else 1.0
        new = np.where(inside, scale * opened, bone) + below
        data = np.array(self.image.data)
        if np.issubdtype(data.dtype, np.integer):
            new = np.rint(new)
        data[moved.box] = moved.put(data[moved.box], new.astype(data.dtype))
        return Restored(
            replace(self.image, data=data),
            replace(self.labels, volume=replace(self.labels.volume, data=ids)),
            axes,
            field,
        )

    def _solve(self, gain: FloatArray) -> RestoringField:
        """The field whose exact heights are those asked for: the rises over the three windows are corrected."""
        before = measure_points(self.points).heights_mm
        most = 1.0 / float(value("virtual_fracture.jacobian_least"))
        for shared in (False, True):
            rises, error = gain.copy(), np.inf
            field = raising_field(self.ground, rises, shared=shared)
            for _ in range(SOLVE_STEPS):
                short = gain - (measure_points(self.points.moved(field)).heights_mm - before)
                # A height that tilts up with the frame though nothing rises there cannot be held down.
                error = float(np.abs(short[(short > 0.0) | (rises > 0.0)]).max(initial=0.0))
                if error < EXACT_MM or field.greatest_jacobian() > most:
                    break
                rises = np.maximum(rises + short, 0.0)
                field = raising_field(self.ground, rises, shared=shared)
            if error < FAR_MM and field.greatest_jacobian() <= most:
                return field
        raise _no_room(self.level)


def lay_restoration(image: Volume, labels: LabelMap, spine: Spine, level: str) -> Restoration:
    """Make a level ready to be shown at other heights.

    Parameters
    ----------
    image, labels:
        The CT (HU) and its labels on one grid.
    spine:
        What ``endplate assess`` measured of them.
    level:
        Its name.

    Raises
    ------
    UsageError
        ``level-not-labelled``.
    QualityGateError
        ``restoration-no-heights``: the level has no frame or no heights, or the labels lie on another grid.
    """
    level = parse_level(level)
    measured = spine.find(level)
    if measured is None or not (labels.data == VERSE_IDS[level]).any():
        raise UsageError(
            "level-not-labelled", f"{level} is not in the labels.", do="Choose one of those that are."
        )
    vertebra = revisit(labels, measured) if _whole(measured) and image.same_grid_as(labels.volume) else None
    if vertebra is None:
        raise QualityGateError(
            "restoration-no-heights",
            f"{level} was not measured on this scan, so its heights cannot be changed in a picture.",
            do="Measure the scan with its labels first: `endplate assess`.",
        )
    assert measured.frame is not None
    points = replace(BodyPoints.of(vertebra), frame_borrowed=measured.frame.borrowed)
    return Restoration(image, labels, VERSE_IDS[level], level, lay_ground(vertebra, labels), points)


def restored_scan(
    image: Volume, labels: LabelMap, spine: Spine, level: str, gain_mm: Gain
) -> tuple[Volume, LabelMap]:
    """CT and labels with the heights of one level raised: a picture, not a measurement (see the module).

    Parameters
    ----------
    image, labels, spine, level:
        As in :func:`lay_restoration`.
    gain_mm:
        Gain of the anterior, middle and posterior height. A fall of up to half a millimetre counts as none.

    Raises
    ------
    UsageError, QualityGateError
        As :func:`lay_restoration` and :meth:`Restoration.scan`.
    """
    restored = lay_restoration(image, labels, spine, level).scan(gain_mm)
    return restored.image, restored.labels


def gains_mm(gain_mm: Gain) -> FloatArray:
    """Three gains, each at least 0, shape (3,) in the order of ``HEIGHTS``.

    Raises
    ------
    UsageError
        ``restoration-gain``.
    """
    parts: list[float | None]
    if isinstance(gain_mm, HeightTriple):
        parts = [gain_mm.anterior, gain_mm.middle, gain_mm.posterior]
    else:
        parts = list(gain_mm)
    gain = np.array([np.nan if one is None else one for one in parts], dtype=np.float64)
    if gain.shape != (3,) or not np.isfinite(gain).all() or float(gain.min()) < -SINKS_MM:
        raise UsageError(
            "restoration-gain",
            "Heights are restored by three gains: anterior, middle and posterior.",
            do="Give three numbers of mm from 0 on.",
        )
    return np.maximum(gain, 0.0)


def _whole(measured: Vertebra) -> bool:
    heights = measured.heights_mm
    return measured.frame is not None and None not in (heights.anterior, heights.middle, heights.posterior)


def _no_room(level: str) -> UsageError:
    return UsageError(
        "restoration-no-room",
        f"{level} cannot be shown so high: its discs have no room for it, or its bone would be pulled too thin.",
        do="Show a smaller gain.",
    )
