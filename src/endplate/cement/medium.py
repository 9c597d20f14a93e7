"""A patient's vertebra as the porous medium that cement is pressed into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.model import Spine
from endplate.cement.bone_grid import HALF, BoneGrid, bone_grid, resampled
from endplate.cement.bone_model import BoneModel
from endplate.cement.bone_options import BoneOptions
from endplate.cement.defects import LostShell, lost_shell
from endplate.cement.exits import Paint, Tract, keep_reached, paint_channel, paint_defects, paint_tract
from endplate.cement.medium_findings import medium_findings
from endplate.cement.model import Medium
from endplate.cement.permeability import along_axes, kozeny_carman_m2, random_factor, slit_m2
from endplate.cement.porosity import (
    bone_fraction_from_density,
    bone_fraction_from_hu,
    over_representative_volume,
    porosity_from,
)
from endplate.cement.structures import (
    NEIGHBOURS_26,
    cleft_width_mm,
    earlier_implants,
    find_places,
    gas_cleft,
    lytic_balls,
    route_of_surface,
)
from endplate.cement.veins import channels
from endplate.errors import UsageError
from endplate.imaging.calibration import Calibration
from endplate.imaging.volume import LabelMap, Volume
from endplate.sources import value

Mask = NDArray[np.bool_]

FOUND_WITH = ("voxel_mm", "porosity_from", "cortex_mm", "find_defects", "defects", "cleft", "cleft_cracks")
"""Options that shape what is found in the scan; the others only what is made of it."""


def vertebra_medium(
    image: Volume,
    labels: LabelMap,
    spine: Spine,
    level: str,
    calibration: Calibration,
    options: BoneOptions | None = None,
) -> BoneModel:
    """Make one vertebra of a CT a porous medium.

    Parameters
    ----------
    image, labels:
        CT in HU and VerSe ids on one grid.
    spine:
        Its measurements: frame, canal, cleft, lesions, implants.
    level:
        Name of the vertebra.
    calibration:
        HU → density.
    options:
        How; the usual ones if not given.

    Raises
    ------
    UsageError
        ``level-not-measured``, ``level-not-labelled``, ``cement-other-grid``, ``bone-options``,
        ``tract-outside-bone``.

    Notes
    -----
    The grid is cubic and aligned with the vertebra (right, anterior, superior), the body with 10 mm round it.
    The method, its sources and its limits are in docs/science/cement-bone.md.
    """
    chosen = BoneOptions() if options is None else options
    margin = float(value("porous.margin_mm"))
    grid = bone_grid(image, labels, spine, level, voxel_mm=chosen.voxel_mm, margin_mm=margin)
    places = find_places(grid, chosen.cortex_mm)
    cleft = gas_cleft(grid, places)
    if chosen.cleft is not None:
        cleft |= (resampled(grid, chosen.cleft) >= HALF) & grid.body
    marrow = grid.bone & ~places.cortex
    fraction = (
        bone_fraction_from_hu(grid.hu)
        if chosen.porosity_from == "hu"
        else bone_fraction_from_density(calibration.density_mgcc(grid.hu))
    )
    porosity = porosity_from(over_representative_volume(fraction, marrow & ~cleft, grid.step_mm))
    none = np.zeros(grid.shape)
    found = BoneModel(
        level=level,
        options=chosen,
        medium=Medium(grid.affine, none, np.stack([none] * 3), none.astype(np.int8), none, 0.0, 1.0),
        grid=grid,
        places=places,
        routes=route_of_surface(grid, places),
        bone_porosity=np.where(marrow, porosity, 0.0),
        veins=none.astype(np.bool_),
        cleft=cleft,
        blocked=earlier_implants(grid, image, labels),
        lost=lost_shell(
            grid,
            places,
            chosen.defects,
            look=chosen.find_defects,
            cleft=cleft if chosen.cleft_cracks else None,
        ),
        cavity=none,
    )
    return _painted(found, chosen)


def with_options(bone: BoneModel, options: BoneOptions) -> BoneModel:
    """The same bone with other permeability, veins, tracts or pressures: much faster than anew, for ensembles.

    A cavity is not kept.

    Raises
    ------
    UsageError
        ``bone-options-found``: an option differs that shapes what is found in the scan.
    """
    for name in FOUND_WITH:
        if getattr(options, name) != getattr(bone.options, name):
            raise UsageError(
                "bone-options-found",
                f"The option {name} shapes what is found in the scan.",
                do="Make the bone anew from the scan.",
            )
    return _painted(replace(bone, cavity=np.zeros(bone.grid.shape)), options)


def with_tracts(bone: BoneModel, tracts: Sequence[Tract]) -> BoneModel:
    """The same bone after cannulas were driven through it; a cavity is kept.

    Raises
    ------
    UsageError
        ``tract-outside-bone``.
    """
    medium = bone.medium
    paint = Paint(
        medium.porosity.copy(),
        medium.permeability_m2.copy(),
        medium.exits.copy(),
        medium.exit_conductance.copy(),
    )
    for tract in tracts:
        paint_tract(paint, bone.grid, tract, bone.options.cortex_mm)
    paint.porosity[bone.blocked] = 0.0
    paint.permeability_m2[:, bone.blocked] = 0.0
    keep_reached(paint)
    return replace(bone, medium=_medium(paint, bone.grid, bone.options))


def with_broken_shell(bone: BoneModel, broken: Mask) -> BoneModel:
    """The same bone with holes in its shell; a cavity is not kept.

    Parameters
    ----------
    bone:
        Before.
    broken:
        Voxels at which something went through the shell: the surface beside them is gone.
    """
    near = ndimage.binary_dilation(broken, structure=NEIGHBOURS_26) & bone.places.surface
    width, whole = float(value("cavity.breach_mm")), bone.lost
    lost = LostShell(
        whole.mask | near, np.where(near, width, whole.aperture_mm), np.where(near, 1.0, whole.open_share)
    )
    return _painted(replace(bone, lost=lost, cavity=np.zeros(bone.grid.shape)), bone.options)


def _painted(found: BoneModel, options: BoneOptions) -> BoneModel:
    """Make the medium of what was found."""
    grid, places = found.grid, found.places
    paint = _bone(found, options)
    if found.cleft.any():
        # A cleft is all room, as permeable as a slit of its width.
        paint.mix(found.cleft.astype(np.float64), slit_m2(cleft_width_mm(found.cleft, grid.step_mm)))
    paint_defects(paint, grid, places, found.lost, found.routes, options.cortex_mm)
    veins = np.zeros(grid.shape, dtype=np.bool_)
    for channel in channels(
        grid, basivertebral_mm=options.basivertebral_mm, segmental_mm=options.segmental_mm
    ):
        veins |= paint_channel(paint, grid, places, channel)
    for tract in options.tracts:
        paint_tract(paint, grid, tract, options.cortex_mm)
    paint.porosity[found.blocked] = 0.0
    paint.permeability_m2[:, found.blocked] = 0.0
    keep_reached(paint)
    made = replace(found, options=options, medium=_medium(paint, grid, options), veins=veins)
    return replace(made, findings=medium_findings(made))


def _bone(found: BoneModel, options: BoneOptions) -> Paint:
    """Cancellous bone between closed shells."""
    grid = found.grid
    porosity = found.bone_porosity.copy()
    mean = kozeny_carman_m2(porosity)
    lytic = lytic_balls(grid) & (porosity > 0.0)
    if lytic.any():
        soft = value("porous.lytic")
        porosity[lytic], mean[lytic] = float(soft["porosity"]), float(soft["permeability_m2"])
    factor = options.permeability_scale * random_factor(grid.local_mm, options.noise_sigma, options.seed)
    return Paint(
        porosity,
        along_axes(mean * factor, options.anisotropy),
        np.zeros(grid.shape, dtype=np.int8),
        np.zeros(grid.shape),
    )


def _medium(paint: Paint, grid: BoneGrid, options: BoneOptions) -> Medium:
    return Medium(
        affine=grid.affine,
        porosity=paint.porosity,
        permeability_m2=paint.permeability_m2,
        exits=paint.exits,
        exit_conductance=paint.exit_conductance,
        outer_pressure_pa=options.outer_pressure_pa,
        marrow_pas=options.marrow_pas,
    )
