"""Which level each implant belongs to, where cement lies outside the bone, and what streaks disturb."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.cylinder import Cylinder
from endplate.anatomy.distances import depth_mm, distance_mm
from endplate.anatomy.locate import NOT_VERTEBRAE, Located, locate_vertebrae
from endplate.anatomy.metal import Metal
from endplate.anatomy.model import CementOutside, Implants
from endplate.anatomy.vertebra import LocalVertebra
from endplate.imaging.levels import LEVEL_OF_ID
from endplate.imaging.volume import LabelMap, Volume
from endplate.sources import value
from endplate.units import MM3_PER_ML

CEMENT, METAL, UNSURE = 1, 2, 3
"""As in :class:`endplate.anatomy.implants.Material`."""
DIGITS = 6
ROD_UPRIGHT = 0.7
"""A bar that rises this much along the patient is a rod."""
BAR_STEP_MM = 0.5
SCREW_IN_BONE_MM = 8.0
"""A bar that runs so far in a vertebra is a screw of it."""
ROD_AT_LEVEL_MM = 8.0
"""A rod belongs to every level that so much of it is nearest to."""
HEAD_REACH_MM = (9.0, 20.0)
"""How far from a screw's line, and beyond its end, metal is still its head."""
SKIN_OF_BONE_MM = 1.2
"""Cement this near to a label is counted in the bone: labels are no truer than that."""
DISC_REACH_MM = 15.0


def count_by_level(
    labels: LabelMap,
    image: Volume,
    material: NDArray[np.uint8],
    metal: Metal | None,
    located: Sequence[Located] | None,
) -> dict[str, Implants]:
    """What stands at each labelled level.

    Parameters
    ----------
    labels, image, material:
        On one grid.
    metal:
        Its bars, where there is metal.
    located:
        The vertebrae in their frames, or ``None``.
    """
    numbers = [int(n) for n in np.unique(labels.data) if n > 0]
    levels = {n: LEVEL_OF_ID[n] for n in numbers if n in LEVEL_OF_ID and LEVEL_OF_ID[n] not in NOT_VERTEBRAE}
    index = np.argwhere(material > 0)
    if len(index) == 0 or not levels:
        return {level: Implants() for level in levels.values()}
    nearest = _Nearest(labels)
    kind = material[tuple(index.T)]
    points = labels.volume.to_world(index)
    owner, away = nearest.of(points, labels.data[tuple(index.T)])
    bars = () if metal is None else metal.cylinders
    _give_heads(owner, points, (kind == METAL) & (away > 0.0), bars, labels)
    voxel_ml = float(np.prod(labels.volume.spacing_mm)) / MM3_PER_ML
    outside = (kind == CEMENT) & (away > SKIN_OF_BONE_MM)
    frames: dict[str, LocalVertebra] = {}
    if outside.any():
        found = locate_vertebrae(labels) if located is None else located
        frames = {item.vertebra.level: item.vertebra for item in found}
    shares = {} if metal is None else _streak_shares(labels, image, material)
    result = {}
    for number, level in levels.items():
        mine = owner == number
        places = _places(points[mine & outside], frames.get(level))
        least = float(value("implants.volume_min_ml")["metal"])

        def volume(chosen: NDArray[np.bool_], least: float = least) -> float:
            amount = float(chosen.sum()) * voxel_ml
            return round(amount, DIGITS) if amount >= least else 0.0

        screws, rods = _bars_at(bars, number, labels, nearest)
        result[level] = Implants(
            cement_ml=volume(mine & (kind == CEMENT)),
            outside=CementOutside(
                disc_ml=volume(places == 1), canal_ml=volume(places == 2), elsewhere_ml=volume(places == 3)
            ),
            unsure_ml=volume(mine & (kind == UNSURE)),
            metal_ml=volume(mine & (kind == METAL)),
            metal_in_bone_ml=volume(mine & (kind == METAL) & (away <= 0.0)),
            screws=screws,
            rods=rods,
            artefact_share=round(shares.get(number, 0.0), DIGITS),
        )
    return result


def in_bodies(mask: NDArray[np.bool_], labels: LabelMap, located: Sequence[Located]) -> NDArray[np.bool_]:
    """The masses that lie in a vertebral body for the most part."""
    share = float(value("implants.in_body_share"))
    pieces, count = ndimage.label(mask, structure=np.ones((3, 3, 3), dtype=bool))
    index = np.argwhere(mask)
    points = labels.volume.to_world(index)
    within = np.zeros(len(index), dtype=bool)
    for item in located:
        grid, body = item.vertebra.grid, ndimage.binary_fill_holes(item.vertebra.body.mask)
        column = np.rint((item.vertebra.axes.to_local(points) - grid.low_mm) / grid.step_mm).astype(int)
        inside = ((column >= 0) & (column < np.array(body.shape))).all(axis=1)
        within[inside] |= body[tuple(column[inside].T)]
    number = pieces[tuple(index.T)]
    held = np.bincount(number, weights=within, minlength=count + 1)
    enough = held > share * np.maximum(np.bincount(number, minlength=count + 1), 1)
    enough[0] = False
    kept: NDArray[np.bool_] = enough[pieces]
    return kept


class _Nearest:
    """The labelled bone nearest to a point."""

    def __init__(self, labels: LabelMap) -> None:
        inner = ndimage.binary_erosion(labels.data > 0)
        index = np.argwhere((labels.data > 0) & ~inner)
        self.number = labels.data[tuple(index.T)]
        self.tree = cKDTree(labels.volume.to_world(index))

    def of(self, points: FloatArray, here: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], FloatArray]:
        """Label of the nearest bone and the distance to it; ``here`` is the label at the points themselves."""
        owner = here.copy()
        away = np.zeros(len(points))
        free = here == 0
        if free.any():
            distance, which = self.tree.query(points[free])
            owner[free] = self.number[which]
            away[free] = distance
        return owner, away


def _places(points: FloatArray, vertebra: LocalVertebra | None) -> NDArray[np.intp]:
    """Place of cement outside the bone: 1 disc, 2 canal, 3 elsewhere; shape (n,)."""
    places = np.full(len(points), 3, dtype=np.intp)
    if vertebra is None or len(points) == 0:
        return places
    local = vertebra.axes.to_local(points)
    surfaces, grid = vertebra.surfaces, vertebra.grid
    column = np.rint((local[:, :2] - grid.low_mm[:2]) / grid.step_mm).astype(int)
    shape = np.array(surfaces.footprint.shape)
    inside = ((column >= 0) & (column < shape)).all(axis=1)
    column = np.clip(column, 0, shape - 1)
    under = inside & surfaces.footprint[column[:, 0], column[:, 1]]
    middle = 0.5 * (surfaces.top_mm + surfaces.bottom_mm)[column[:, 0], column[:, 1]]
    half = 0.5 * (surfaces.top_mm - surfaces.bottom_mm)[column[:, 0], column[:, 1]]
    beyond = np.abs(local[:, 2] - middle) - half
    disc = under & (np.nan_to_num(beyond, nan=-1.0) > 0.0) & (np.nan_to_num(beyond, nan=99.0) < DISC_REACH_MM)
    places[disc] = 1
    tube = vertebra.canal
    if tube is not None:
        offset = local[:, :2] - tube.centre_at(local[:, 2])
        turn = np.mod(np.arctan2(offset[:, 1], offset[:, 0]), 2.0 * np.pi)
        ring = tube.typical_mm
        wall = ring[np.rint(turn / (2.0 * np.pi) * len(ring)).astype(int) % len(ring)]
        places[np.linalg.norm(offset, axis=1) <= wall + 0.5] = 2
    return places


def _labels_along(bar: Cylinder, labels: LabelMap) -> tuple[FloatArray, NDArray[np.uint8]]:
    """Points of a bar's axis and the labels there."""
    along = np.arange(0.0, bar.run.length_mm, BAR_STEP_MM)
    points = bar.run.start_ras_mm + along[:, None] * bar.run.axis_ras
    voxel = np.rint(labels.volume.to_voxel(points)).astype(int)
    inside = ((voxel >= 0) & (voxel < np.array(labels.volume.shape))).all(axis=1)
    here = np.zeros(len(points), dtype=np.uint8)
    here[inside] = labels.data[tuple(voxel[inside].T)]
    return points, here


def _screw_owner(bar: Cylinder, labels: LabelMap) -> int:
    """Label of the vertebra that a screw stands in, 0 for a rod, a wire or a bar beside bone."""
    if bar.radius_mm < 0.5 * float(value("implants.screw_diameter_mm")[0]):
        return 0
    if abs(float(bar.run.axis_ras[2])) > ROD_UPRIGHT:
        return 0
    _, here = _labels_along(bar, labels)
    counts = np.bincount(here[here > 0], minlength=1)
    most = int(np.argmax(counts))
    return most if counts[most] * BAR_STEP_MM >= SCREW_IN_BONE_MM else 0


def _give_heads(
    owner: NDArray[np.uint8],
    points: FloatArray,
    free: NDArray[np.bool_],
    bars: Sequence[Cylinder],
    labels: LabelMap,
) -> None:
    """Give metal outside bone that is near a screw's line to the screw's vertebra: its head lies beside others."""
    best = np.full(len(points), HEAD_REACH_MM[0])
    for bar in bars:
        number = _screw_owner(bar, labels)
        if number == 0:
            continue
        along, away = bar.run.along_and_away(points)
        beyond = np.maximum(np.maximum(-along, along - bar.run.length_mm), 0.0)
        mine = free & (away < best) & (beyond < HEAD_REACH_MM[1])
        owner[mine] = number
        best[mine] = away[mine]


def _bars_at(bars: Sequence[Cylinder], number: int, labels: LabelMap, nearest: _Nearest) -> tuple[int, int]:
    """Screws in one vertebra and rods beside it."""
    screws = rods = 0
    for bar in bars:
        if bar.radius_mm < 0.5 * float(value("implants.screw_diameter_mm")[0]):
            continue
        if abs(float(bar.run.axis_ras[2])) > ROD_UPRIGHT:
            points, here = _labels_along(bar, labels)
            owner, _ = nearest.of(points, here)
            rods += int((owner == number).sum() * BAR_STEP_MM >= ROD_AT_LEVEL_MM)
        else:
            screws += int(_screw_owner(bar, labels) == number)
    return screws, rods


def _streak_shares(labels: LabelMap, image: Volume, material: NDArray[np.uint8]) -> dict[int, float]:
    """Share of each bone's inside that streaks disturb: CT numbers no bone has, in slices with metal, clear of it."""
    spacing = labels.volume.spacing_mm
    across = int(np.argmax(np.abs(labels.volume.affine[2, :3]) / spacing))
    others = tuple(axis for axis in range(3) if axis != across)
    slices = (material == METAL).any(axis=others, keepdims=True)
    depth = float(value("implants.core_depth_mm"))
    low, high = value("implants.streak_limits_hu")
    shares = {}
    for number, box in enumerate(ndimage.find_objects(labels.data), start=1):
        if box is None:
            continue
        bone = labels.data[box] == number
        inner = depth_mm(bone, spacing) > depth
        part = tuple(s if axis == across else slice(None) for axis, s in enumerate(box))
        inner &= distance_mm(material[box] == 0, spacing) > float(value("implants.clear_mm"))
        if not inner.any():
            continue
        hu = image.data[box]
        wrong = inner & slices[part] & ((hu < low) | (hu > high))
        shares[number] = float(wrong.sum()) / float(inner.sum())
    return shares
