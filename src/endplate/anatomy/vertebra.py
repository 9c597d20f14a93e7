"""One vertebra in its own frame: grid, canal, body and endplates, the frame refined until it is its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from endplate.anatomy.axes import Axes, FloatArray, unit
from endplate.anatomy.body import Body, split_body
from endplate.anatomy.canal import CanalTube, find_canal
from endplate.anatomy.endplates import PlaneFit, Surfaces, find_surfaces, fit_plane
from endplate.anatomy.mask import LabelField, LocalGrid, resample
from endplate.sources import value

PASSES = 4
"""Refinements of the frame; the last changes it by less than 0.1° on the phantom."""


@dataclass(frozen=True, eq=False)
class LocalVertebra:
    """Everything found of one vertebra, in its own frame (origin: the body's centre).

    ``canal`` is ``None`` for a body-only map; ``frame_borrowed`` says that the superior axis is the neighbours'.
    """

    level: str
    field: LabelField
    grid: LocalGrid
    canal: CanalTube | None
    body: Body
    surfaces: Surfaces
    superior: PlaneFit | None
    inferior: PlaneFit | None
    frame_borrowed: bool
    x_mid_mm: float

    @property
    def axes(self) -> Axes:
        """The vertebra's frame."""
        return self.grid.axes


@dataclass(frozen=True, eq=False)
class FrameHint:
    """Where to start: a point in the vertebra, the neighbours' superior direction, roughly the front (RAS)."""

    centre_ras_mm: FloatArray
    superior_ras: FloatArray
    anterior_ras: FloatArray


def local_vertebra(
    level: str, field: LabelField, hint: FrameHint, *, canal_seed_ras_mm: FloatArray | None = None
) -> LocalVertebra:
    """Find frame, canal, body and endplates of one vertebra.

    Parameters
    ----------
    level:
        Its name.
    field:
        Its smoothed label.
    hint:
        Starting frame.
    canal_seed_ras_mm:
        A point of the canal borrowed from the neighbours, where its own ring could not be believed.
    """
    step = grid_step_mm(field)
    axes = Axes.from_directions(hint.centre_ras_mm, hint.superior_ras, hint.anterior_ras)
    found: LocalVertebra | None = None
    for index in range(PASSES):
        found = _one_pass(level, field, axes, step, canal_seed_ras_mm)
        if index < PASSES - 1:
            axes = _refined(found, hint)
    assert found is not None
    origin = _body_centre(found)
    return _one_pass(level, field, found.axes.moved_to(origin), step, canal_seed_ras_mm, hint)


def vertebra_in_frame(
    level: str, field: LabelField, axes: Axes, *, canal_seed_ras_mm: FloatArray | None = None
) -> LocalVertebra:
    """The same in a frame that is already known, without refining it."""
    return _one_pass(level, field, axes, grid_step_mm(field), canal_seed_ras_mm)


def grid_step_mm(field: LabelField) -> float:
    """Step of the vertebra's grid: fine enough for the voxels, not finer than useful."""
    low, high = value("grid.step_range_mm")
    return float(np.clip(0.8 * np.sort(field.spacing_mm)[1], low, high))


def _one_pass(
    level: str,
    field: LabelField,
    axes: Axes,
    step: float,
    canal_seed_ras_mm: FloatArray | None,
    hint: FrameHint | None = None,
) -> LocalVertebra:
    grid = resample(field, axes, step)
    seed = None if canal_seed_ras_mm is None else axes.to_local(canal_seed_ras_mm)[:2]
    canal = find_canal(grid, seed_mm=seed)
    body = split_body(grid, canal)
    surfaces = find_surfaces(grid, body.mask)
    superior = fit_plane(surfaces.top_smooth_mm, surfaces, grid)
    inferior = fit_plane(surfaces.bottom_smooth_mm, surfaces, grid)
    borrowed = hint is not None and not _trustworthy(superior, inferior, axes, hint)
    return LocalVertebra(
        level, field, grid, canal, body, surfaces, superior, inferior, borrowed, _mid_x(grid, body, canal)
    )


def _trustworthy(superior: PlaneFit | None, inferior: PlaneFit | None, axes: Axes, hint: FrameHint) -> bool:
    """Whether the endplates may set the superior axis: both fit, and they agree with the neighbours' chord."""
    if superior is None or inferior is None:
        return False
    if max(superior.rmse_mm, inferior.rmse_mm) > float(value("endplate.rmse_borrow_mm")):
        return False
    if min(superior.kept, inferior.kept) < float(value("endplate.kept_min")):
        return False
    normal = axes.direction_to_world(unit(superior.normal + inferior.normal))
    tilt = np.degrees(np.arccos(np.clip(normal @ unit(hint.superior_ras), -1.0, 1.0)))
    return bool(tilt <= float(value("frame.tilt_from_chord_max_deg")))


def _refined(found: LocalVertebra, hint: FrameHint) -> Axes:
    """The next frame: superior from the endplates, or borrowed; anterior from canal to body centre."""
    axes = found.axes
    superior = unit(hint.superior_ras)
    if (
        found.superior is not None
        and found.inferior is not None
        and _trustworthy(found.superior, found.inferior, axes, hint)
    ):
        superior = axes.direction_to_world(unit(found.superior.normal + found.inferior.normal))
    origin = _body_centre(found)
    anterior = axes.anterior
    if found.canal is not None:
        z = axes.to_local(origin)[2]
        canal_point = axes.to_world(np.append(found.canal.centre_at(z), z))
        anterior = origin - canal_point
    return Axes.from_directions(origin, superior, anterior)


def _body_centre(found: LocalVertebra) -> FloatArray:
    """Centre of the body, RAS mm."""
    mask = found.body.mask
    index = np.array(
        [
            np.average(np.arange(n), weights=mask.sum(axis=tuple(a for a in range(3) if a != axis)))
            for axis, n in enumerate(mask.shape)
        ]
    )
    centre: FloatArray = found.axes.to_world(found.grid.low_mm + found.grid.step_mm * index)
    return centre


def _mid_x(grid: LocalGrid, body: Body, canal: CanalTube | None) -> float:
    """Local x of the mid-sagittal plane: half way between the body's centre and the canal's."""
    weight = body.mask.sum(axis=(1, 2))
    centre = float(weight @ grid.coordinate(0) / weight.sum())
    return centre if canal is None else 0.5 * (centre + float(canal.centre_mm[0]))
