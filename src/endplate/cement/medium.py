"""A patient's vertebra as the porous medium that cement is pressed into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.model import Spine
from endplate.cement.bone_grid import HALF, BoneGrid, bone_grid, resampled
from endplate.cement.defects import Defect, LostShell, lost_shell
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
    Places,
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
from endplate.imaging.geometry import FloatArray
from endplate.imaging.volume import LabelMap, Volume
from endplate.sources import Finding, value
from endplate.units import MM3_PER_ML

Mask = NDArray[np.bool_]

VOXEL_RANGE_MM = (0.4, 3.0)
"""Voxel sizes that make sense: finer is slower for nothing, coarser has no cortex."""


def _number(key: str) -> float:
    return float(value(key))


def _usual_anisotropy() -> tuple[float, float, float]:
    across, forward, along = (float(one) for one in value("porous.anisotropy"))
    return across, forward, along


@dataclass(frozen=True)
class BoneOptions:
    """How a vertebra becomes a porous medium.

    Parameters
    ----------
    voxel_mm:
        Edge of the grid's voxels; not bound to the CT's.
    porosity_from:
        ``"density"`` (calibrated) or ``"hu"`` (mixture of marrow and bone tissue).
    permeability_scale:
        Factor on the permeability of cancellous bone. The literature is uncertain by a factor of ten and more
        (0.03 to 1); veins, clefts and cracks keep theirs.
    noise_sigma, seed:
        Standard deviation of the logarithm of a random factor on it (0.5 in an ensemble), and its seed.
    anisotropy:
        Factors across, from back to front and along the spine.
    cortex_mm:
        Thickness of the closed outer layer.
    basivertebral_mm, segmental_mm:
        Radii of the veins; 0 leaves them out.
    find_defects:
        Look for lost shell in the CT.
    defects:
        Lost shell that the user names.
    tracts:
        Ways of cannulas through the bone.
    cleft:
        A cleft that the user knows of (fluid on MRI), as a mask on any grid; gas is found in the CT.
    marrow_pas, outer_pressure_pa:
        Viscosity of the marrow, pressure of the veins outside.
    """

    voxel_mm: float = 1.0
    porosity_from: Literal["density", "hu"] = "density"
    permeability_scale: float = 1.0
    noise_sigma: float = 0.0
    seed: int = 0
    anisotropy: tuple[float, float, float] = field(default_factory=_usual_anisotropy)
    cortex_mm: float = field(default_factory=lambda: _number("porous.cortex_mm"))
    basivertebral_mm: float = field(default_factory=lambda: float(value("vein.basivertebral_mm")["radius"]))
    segmental_mm: float = field(default_factory=lambda: float(value("vein.segmental_mm")["radius"]))
    find_defects: bool = True
    defects: tuple[Defect, ...] = ()
    tracts: tuple[Tract, ...] = ()
    cleft: Volume | None = None
    marrow_pas: float = field(default_factory=lambda: _number("porous.marrow_pas"))
    outer_pressure_pa: float = field(default_factory=lambda: _number("porous.outer_pressure_pa"))

    def __post_init__(self) -> None:
        low, high = VOXEL_RANGE_MM
        checks = (
            (low <= self.voxel_mm <= high, f"Voxels of {self.voxel_mm:g} mm", f"{low:g} to {high:g} mm"),
            (
                np.isfinite(self.permeability_scale) and 0.0 <= self.permeability_scale <= 100.0,
                f"A permeability scale of {self.permeability_scale:g}",
                "0 to 100 (1 is the model's own value)",
            ),
            (0.0 <= self.noise_sigma <= 2.0, f"A noise of {self.noise_sigma:g}", "0 to 2"),
            (min(self.anisotropy) > 0.0, f"An anisotropy of {self.anisotropy}", "three positive factors"),
            (0.0 < self.cortex_mm <= 5.0, f"A cortex of {self.cortex_mm:g} mm", "up to 5 mm"),
            (
                min(self.basivertebral_mm, self.segmental_mm) >= 0.0
                and max(self.basivertebral_mm, self.segmental_mm) <= 5.0,
                "This radius of veins",
                "0 to 5 mm",
            ),
            (1e-3 <= self.marrow_pas <= 10.0, f"Marrow of {self.marrow_pas:g} Pa·s", "0.001 to 10 Pa·s"),
            (0.0 <= self.outer_pressure_pa <= 1e5, "This venous pressure", "0 to 100000 Pa"),
        )
        for right, what, do in checks:
            if not right:
                raise UsageError("bone-options", f"{what} cannot be used for cement.", do=f"Give {do}.")


@dataclass(frozen=True, eq=False)
class BoneModel:
    """A vertebra ready for cement, and what one asks of its parts. All arrays lie on the medium's grid.

    Parameters
    ----------
    level, options:
        Which vertebra, and how it was made.
    medium:
        What the flow sees.
    grid, places:
        The vertebra resampled, and its named parts: cortex, endplates, discs, foramina.
    veins, cleft, blocked:
        Voxels with a vein, an open cleft, earlier cement or metal.
    lost:
        Where the shell is open.
    cavity:
        Share of each voxel that is a balloon's cavity.
    findings:
        What the user must know.
    """

    level: str
    options: BoneOptions
    medium: Medium
    grid: BoneGrid
    places: Places
    veins: Mask
    cleft: Mask
    blocked: Mask
    lost: LostShell
    cavity: FloatArray
    findings: tuple[Finding, ...]

    @property
    def body(self) -> Mask:
        """Voxels of the vertebral body, cortex and all."""
        return self.grid.body

    @property
    def cortex(self) -> Mask:
        """Voxels of the closed outer layer of the whole vertebra."""
        return self.places.cortex

    @property
    def canal(self) -> Mask:
        """Voxels of the spinal canal."""
        return self.grid.canal

    @property
    def body_volume_ml(self) -> float:
        """Volume of the body, partial voxels counted."""
        return float(self.grid.body_share.sum()) * self.grid.step_mm**3 / MM3_PER_ML

    @property
    def forward_mm(self) -> FloatArray:
        """Distance of each voxel's centre in front of the posterior wall along the anterior axis; negative behind."""
        return self.grid.forward_mm

    @property
    def posterior_quarter(self) -> Mask:
        """Voxels of the body in the posterior quarter of its depth, as a lateral view shows it."""
        limit = float(value("fill.posterior_share")) * self.grid.body_depth_mm
        quarter: Mask = self.body & (self.grid.forward_mm < limit)
        return quarter


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
    grid = bone_grid(
        image, labels, spine, level, voxel_mm=chosen.voxel_mm, margin_mm=_number("porous.margin_mm")
    )
    places = find_places(grid, chosen.cortex_mm)
    cleft = gas_cleft(grid, places)
    if chosen.cleft is not None:
        cleft |= (resampled(grid, chosen.cleft) >= HALF) & grid.body
    paint = _bone(grid, places, calibration, chosen)
    _open_cleft(paint, cleft, grid.step_mm)
    lost = lost_shell(grid, places, chosen.defects, look=chosen.find_defects)
    paint_defects(paint, grid, lost, route_of_surface(grid, places), chosen.cortex_mm)
    veins = np.zeros(grid.shape, dtype=np.bool_)
    for channel in channels(grid, basivertebral_mm=chosen.basivertebral_mm, segmental_mm=chosen.segmental_mm):
        veins |= paint_channel(paint, grid, places, channel)
    for tract in chosen.tracts:
        paint_tract(paint, grid, tract, chosen.cortex_mm)
    blocked = earlier_implants(grid, image, labels)
    paint.porosity[blocked] = 0.0
    paint.permeability_m2[:, blocked] = 0.0
    keep_reached(paint)
    medium = Medium(
        affine=grid.affine,
        porosity=paint.porosity,
        permeability_m2=paint.permeability_m2,
        exits=paint.exits,
        exit_conductance=paint.exit_conductance,
        outer_pressure_pa=chosen.outer_pressure_pa,
        marrow_pas=chosen.marrow_pas,
    )
    made = BoneModel(
        level=level,
        options=chosen,
        medium=medium,
        grid=grid,
        places=places,
        veins=veins,
        cleft=cleft,
        blocked=blocked,
        lost=lost,
        cavity=np.zeros(grid.shape),
        findings=(),
    )
    return replace(made, findings=medium_findings(made))


def with_tracts(bone: BoneModel, tracts: Sequence[Tract]) -> BoneModel:
    """The same bone after cannulas were driven through it."""
    paint = _paint_of(bone.medium)
    for tract in tracts:
        paint_tract(paint, bone.grid, tract, bone.options.cortex_mm)
    return _repainted(bone, paint)


def _bone(grid: BoneGrid, places: Places, calibration: Calibration, options: BoneOptions) -> Paint:
    """Cancellous bone between closed shells."""
    marrow = grid.bone & ~places.cortex
    fraction = (
        bone_fraction_from_hu(grid.hu)
        if options.porosity_from == "hu"
        else bone_fraction_from_density(calibration.density_mgcc(grid.hu))
    )
    porosity = np.where(
        marrow, porosity_from(over_representative_volume(fraction, marrow, grid.step_mm)), 0.0
    )
    mean = kozeny_carman_m2(porosity)
    lytic = lytic_balls(grid) & marrow
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


def _open_cleft(paint: Paint, cleft: Mask, step_mm: float) -> None:
    """A cleft is all room, as permeable as a slit of its width."""
    if cleft.any():
        paint.mix(cleft.astype(np.float64), slit_m2(cleft_width_mm(cleft, step_mm)))


def _paint_of(medium: Medium) -> Paint:
    return Paint(
        medium.porosity.copy(),
        medium.permeability_m2.copy(),
        medium.exits.copy(),
        medium.exit_conductance.copy(),
    )


def _repainted(bone: BoneModel, paint: Paint) -> BoneModel:
    medium = replace(
        bone.medium,
        porosity=paint.porosity,
        permeability_m2=paint.permeability_m2,
        exits=paint.exits,
        exit_conductance=paint.exit_conductance,
    )
    return replace(bone, medium=medium)
