"""Specimens cut from a calibrated CT: one vertebra between caps, or several with the discs between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.axes import Axes, FloatArray, unit
from endplate.anatomy.model import Spine
from endplate.errors import QualityGateError, UsageError
from endplate.imaging.calibration import Calibration
from endplate.imaging.volume import LabelMap, Volume
from endplate.mechanics.caps import made_caps, room_for
from endplate.mechanics.framed import FramedBone, framed_bone, under_grid
from endplate.mechanics.orient import Grid, grid_around, mean_over_voxels
from endplate.mechanics.pressing import StrengthOptions
from endplate.mechanics.specimen import Specimen, specimen, without_fragments
from endplate.sources import finding

HALF = 0.5
"""Share of a voxel that must be bone for it to be bone."""


def vertebra_specimen(
    image: Volume,
    labels: LabelMap,
    spine: Spine,
    level: str,
    calibration: Calibration,
    options: StrengthOptions,
    *,
    voxel_mm: float | None = None,
) -> Specimen:
    """One vertebra on a cubic grid that stands on its own endplates.

    Parameters
    ----------
    image, labels:
        CT in HU and VerSe ids on one grid.
    spine:
        Its measurements; the frame and the canal are taken from there.
    level:
        Name of the vertebra.
    calibration:
        HU → density.
    options:
        Caps, voxel size, whole vertebra or body.
    voxel_mm:
        Instead of the options'.

    Raises
    ------
    UsageError
        The level is not in the labels, or could not be measured.
    """
    step = options.voxel_mm if voxel_mm is None else voxel_mm
    found = framed_bone(labels, spine, level)
    _no_labelled_caps(options)
    grid = _grid([found], found.axes, step, whole=options.whole)
    body = _share(found, grid, body=True) >= HALF
    bone = (_share(found, grid, body=False) >= HALF) | body if options.whole else body
    density = calibration.density_mgcc(mean_over_voxels(under_grid(image, grid), grid))
    made = specimen(density, bone.astype(np.int64), (1,), options.caps, (step,) * 3, grid.affine, body=body)
    told = list(made.findings)
    if not found.vertebra.complete:
        told.append(finding("mechanics-bone-cut", level=level))
    implants = found.vertebra.implants
    if implants is not None and implants.cement_ml + implants.metal_in_bone_ml > 0.0:
        told.append(finding("mechanics-cement-inside", level=level))
    return replace(made, findings=tuple(told))


def segment_specimen(
    image: Volume,
    labels: LabelMap,
    spine: Spine,
    levels: Sequence[str],
    calibration: Calibration,
    options: StrengthOptions,
) -> Specimen:
    """Two or three neighbouring bodies with their discs as one model, from the head down.

    The discs fill the columns between facing endplates. Arches and facet joints are left out: the load runs through
    the bodies.

    Raises
    ------
    UsageError
        Fewer than two levels, or a level that cannot be used.
    QualityGateError
        Two bodies leave no disc between them.
    """
    if len(levels) not in (2, 3):
        raise UsageError(
            "segment-levels",
            "A segment has two or three levels.",
            do="Name two or three neighbouring levels.",
        )
    _no_labelled_caps(options)
    found = [framed_bone(labels, spine, level) for level in levels]
    superior = unit(np.sum([one.axes.superior for one in found], axis=0))
    anterior = np.sum([one.axes.anterior for one in found], axis=0)
    origin = np.mean([one.axes.origin_ras_mm for one in found], axis=0)
    axes = Axes.from_directions(origin, superior, anterior)
    step = options.voxel_mm
    grid = _grid(found, axes, step, whole=False)
    bodies = [_share(one, grid, body=True) >= HALF for one in found]
    discs = np.zeros(grid.shape, dtype=np.bool_)
    for upper, lower in pairwise(bodies):
        disc = _between(upper, lower)
        if not disc.any():
            raise QualityGateError(
                "segment-no-disc",
                "Two of the bodies leave no disc between them.",
                do="Name neighbouring levels whose labels do not touch.",
            )
        discs |= disc
    bone: NDArray[np.bool_] = np.logical_or.reduce(bodies)
    room = room_for(options.caps, step)
    pad = ((room, room), (0, 0), (0, 0))
    density = np.clip(calibration.density_mgcc(mean_over_voxels(under_grid(image, grid), grid)), 0.0, None)
    bone, discs, density = np.pad(bone, pad), np.pad(discs, pad), np.pad(density, pad)
    first, last = np.pad(bodies[0], pad), np.pad(bodies[-1], pad)
    _, upper_cap = made_caps(bone, first, (step,) * 3, options.caps)
    lower_cap, _ = made_caps(bone, last, (step,) * 3, options.caps)
    affine = grid.affine.copy()
    affine[:3, 3] -= room * affine[:3, 2]
    made = Specimen(
        density, bone, bone, lower_cap, upper_cap, True, options.caps, (step,) * 3, affine, disc=discs & ~bone
    )
    return without_fragments(made)


def _grid(found: Sequence[FramedBone], axes: Axes, step_mm: float, *, whole: bool) -> Grid:
    """A cubic grid round some bones in a frame."""
    corners = []
    for one in found:
        local = one.local
        mask = local.grid.inside if whole else local.body.mask
        world = local.axes.to_world(local.grid.low_mm + local.grid.step_mm * np.argwhere(mask))
        corners.append(axes.to_local(world))
    places = np.concatenate(corners)
    return grid_around(axes, places.min(axis=0), places.max(axis=0), step_mm)


def _share(found: FramedBone, grid: Grid, *, body: bool) -> FloatArray:
    """Share of each voxel of a grid that is this bone, or its body."""
    local = found.local
    mask = local.body.mask if body else local.grid.inside
    affine = np.eye(4)
    affine[:3, :3] = local.axes.rotation.T * local.grid.step_mm
    affine[:3, 3] = local.axes.to_world(local.grid.low_mm)
    return mean_over_voxels(Volume(mask.astype(np.float32), affine), grid)


def _between(upper: NDArray[np.bool_], lower: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Voxels between two bodies in the columns that both have."""
    above = np.maximum.accumulate(upper, axis=0)
    below = np.maximum.accumulate(lower[::-1], axis=0)[::-1]
    both: NDArray[np.bool_] = np.asarray(upper.any(axis=0) & lower.any(axis=0))
    gap: NDArray[np.bool_] = ~above & ~below & both[None]
    return gap


def _no_labelled_caps(options: StrengthOptions) -> None:
    if options.caps.kind == "labels":
        raise UsageError(
            "caps-labels-on-ct",
            "A CT has no labelled caps.",
            do="Give --caps pmma:THICK:INTRUSION:E or none.",
        )
