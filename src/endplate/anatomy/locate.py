"""Finding every labelled vertebra and its own frame; what one level cannot tell is borrowed from its neighbours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from endplate.anatomy.axes import FloatArray, unit
from endplate.anatomy.mask import LabelField, label_field
from endplate.anatomy.vertebra import FrameHint, LocalVertebra, local_vertebra
from endplate.imaging.geometry import apply_affine
from endplate.imaging.levels import LEVEL_OF_ID, order
from endplate.imaging.volume import LabelMap
from endplate.sources import value

NOT_VERTEBRAE = frozenset({"S1"})
"""Labels that are not measured as a mobile vertebra."""

ANTERIOR_RAS = np.array([0.0, 1.0, 0.0])
"""First guess of the front: the patient's, as the scan's header has it."""

LEAST_CHORD_MM = 5.0
"""Centroids nearer to each other than this give no direction."""


@dataclass(frozen=True, eq=False)
class Located:
    """One vertebra found, and how far it can be believed."""

    vertebra: LocalVertebra
    canal_source: str
    """``"measured"``, ``"borrowed"`` or ``"none"``."""
    cut: bool
    body_cut: bool


def locate_vertebrae(
    labels: LabelMap, *, progress: Callable[[str, float], None] | None = None
) -> tuple[Located, ...]:
    """Find all vertebrae of a map from the head down.

    Parameters
    ----------
    labels:
        VerSe ids.
    progress:
        Called with a level name and the fraction done.
    """
    fields = _fields(labels)
    hints = _hints(fields)
    found: list[LocalVertebra] = []
    for index, (level, field) in enumerate(fields):
        if progress is not None:
            progress(level, index / len(fields))
        found.append(local_vertebra(level, field, hints[index]))
    if labels.body_only:
        return tuple(_judge(v, "none", labels) for v in found)
    sources = ["measured"] * len(found)
    for index, vertebra in enumerate(found):
        hint = hints[index]
        if vertebra.frame_borrowed and (axis := _borrowed_superior(index, found, hints)) is not None:
            hint = replace(hint, superior_ras=axis)
            # Along a better axis the canal may show by itself.
            again = local_vertebra(vertebra.level, vertebra.field, hint)
            if again.canal is not None or vertebra.canal is None:
                found[index] = again
        if (seed := _canal_seed(index, found, hints)) is not None:
            again = local_vertebra(vertebra.level, vertebra.field, hint, canal_seed_ras_mm=seed)
            if again.canal is not None:
                found[index], sources[index] = again, "borrowed"
    sources = [s if v.canal is not None else "none" for s, v in zip(sources, found, strict=True)]
    return tuple(_judge(v, source, labels) for v, source in zip(found, sources, strict=True))


def _fields(labels: LabelMap) -> list[tuple[str, LabelField]]:
    """Smoothed labels of all vertebrae, from the head down."""
    boxes = ndimage.find_objects(labels.data)
    least = float(value("label.volume_min_ml")) * 1000.0 / float(np.prod(labels.volume.spacing_mm))
    fields = []
    for number, box in enumerate(boxes, start=1):
        level = LEVEL_OF_ID.get(number)
        if box is None or level is None or level in NOT_VERTEBRAE:
            continue
        field = label_field(labels.data, labels.volume.affine, box, number)
        if field.voxels >= least:
            fields.append((level, field))
    return sorted(fields, key=lambda item: order(item[0]))


def _hints(fields: Sequence[tuple[str, LabelField]]) -> list[FrameHint]:
    """Starting frames: superior along the chord of the neighbouring centroids."""
    centres = []
    for _, field in fields:
        inside = np.argwhere(field.occupancy >= 0.5)
        centres.append(apply_affine(field.affine, inside.mean(axis=0)))
    hints = []
    for index, centre in enumerate(centres):
        above, below = centres[max(index - 1, 0)], centres[min(index + 1, len(centres) - 1)]
        chord = above - below
        superior = unit(chord) if np.linalg.norm(chord) > LEAST_CHORD_MM else np.array([0.0, 0.0, 1.0])
        hints.append(FrameHint(centre, superior, ANTERIOR_RAS))
    return hints


def _canal_point(vertebra: LocalVertebra) -> FloatArray | None:
    """The canal's centre behind the body's centre, RAS mm."""
    if vertebra.canal is None:
        return None
    point: FloatArray = vertebra.axes.to_world(np.append(vertebra.canal.centre_at(0.0), 0.0))
    return point


def _interpolated_canal(index: int, found: Sequence[LocalVertebra]) -> FloatArray | None:
    """Where the canal of a level should be, from the nearest levels above and below that have one."""
    above = next((p for v in reversed(found[:index]) if (p := _canal_point(v)) is not None), None)
    below = next((p for v in found[index + 1 :] if (p := _canal_point(v)) is not None), None)
    if above is None or below is None:
        return None
    line = below - above
    here = found[index].axes.origin_ras_mm
    part = float(np.clip((here - above) @ line / (line @ line), 0.0, 1.0))
    point: FloatArray = above + part * line
    return point


def _canal_believed(index: int, found: Sequence[LocalVertebra]) -> bool:
    """Whether a level's own canal lies near the line of its neighbours' canals."""
    point, expected = _canal_point(found[index]), _interpolated_canal(index, found)
    if point is None:
        return False
    if expected is None:
        return True
    axes = found[index].axes
    across = axes.to_local(point)[:2] - axes.to_local(expected)[:2]
    return bool(np.linalg.norm(across) <= float(value("canal.spline_distance_max_mm")))


def _canal_seed(index: int, found: Sequence[LocalVertebra], hints: Sequence[FrameHint]) -> FloatArray | None:
    """Where to look for the canal of a level that has none of its own, or one that cannot be believed."""
    if _canal_believed(index, found):
        return None
    between = _interpolated_canal(index, found)
    return _carried_canal(index, found, hints) if between is None else between


def _carried_canal(
    index: int, found: Sequence[LocalVertebra], hints: Sequence[FrameHint]
) -> FloatArray | None:
    """The canal of a level at an end of the map: as far from the label's centroid as at the nearest level."""
    for other in sorted(range(len(found)), key=lambda other: abs(other - index)):
        point, axes = _canal_point(found[other]), found[other].axes
        if point is None:
            continue
        across = axes.to_local(point) - axes.to_local(hints[other].centre_ras_mm)
        across[2] = 0.0
        seed: FloatArray = hints[index].centre_ras_mm + found[index].axes.direction_to_world(across)
        return seed
    return None


def _borrowed_superior(
    index: int, found: Sequence[LocalVertebra], hints: Sequence[FrameHint]
) -> FloatArray | None:
    """Superior axis for a level whose own endplates do not define it: along the spine's curve, or the neighbours'."""
    at_end = _end_superior(index, found, hints)
    return _neighbours_superior(index, found) if at_end is None else at_end


def _end_superior(
    index: int, found: Sequence[LocalVertebra], hints: Sequence[FrameHint]
) -> FloatArray | None:
    """Superior axis of the first or last level: the curve through the three outermost centroids goes on to it.

    Its one neighbour is turned against it, and the chord between them lies half way; in a lordosis that is 10° and
    more. Nothing is said of levels that the scan cut: the centroid of a piece is not on the curve.
    """
    inward = [index, index + 1, index + 2] if index == 0 else [index, index - 1, index - 2]
    if len(found) < 3 or index not in (0, len(found) - 1) or any(found[i].field.touches_edge for i in inward):
        return None
    end, middle, far = (hints[i].centre_ras_mm for i in inward)
    chord, inner = hints[index].superior_ras, middle - far
    near, beyond = float(np.linalg.norm(end - middle)), float(np.linalg.norm(inner))
    if min(near, beyond) <= LEAST_CHORD_MM:
        return None
    turn = (chord - unit(inner) * np.sign((end - middle) @ chord)) * near / (near + beyond)
    most = np.radians(float(value("frame.end_turn_max_deg")))
    return unit(chord + turn * min(1.0, most / max(float(np.linalg.norm(turn)), most)))


def _neighbours_superior(index: int, found: Sequence[LocalVertebra]) -> FloatArray | None:
    """Mean superior axis of the nearest levels whose own endplates define it."""
    above = next((v for v in reversed(found[:index]) if not v.frame_borrowed), None)
    below = next((v for v in found[index + 1 :] if not v.frame_borrowed), None)
    axes = [v.axes.superior for v in (above, below) if v is not None]
    return unit(np.sum(axes, axis=0)) if axes else None


def _judge(vertebra: LocalVertebra, canal_source: str, labels: LabelMap) -> Located:
    """Whether the vertebra, and its body, lie wholly inside the scan."""
    cut = vertebra.field.touches_edge
    body_cut = False
    if cut:
        index = np.argwhere(vertebra.body.mask)[::7]
        points = vertebra.axes.to_world(vertebra.grid.low_mm + vertebra.grid.step_mm * index)
        voxel = labels.volume.to_voxel(points)
        edge = (voxel < 0.5) | (voxel > np.array(labels.volume.shape) - 1.5)
        body_cut = bool(edge.any(axis=1).mean() > float(value("label.body_cut_share")))
    return Located(vertebra, canal_source, cut, body_cut)
