"""A vertebra ready for cement: its medium, and what one asks of its parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endplate.cement.bone_grid import BoneGrid, Mask
from endplate.cement.bone_options import BoneOptions
from endplate.cement.defects import LostShell
from endplate.cement.model import Medium
from endplate.cement.structures import Places
from endplate.imaging.geometry import FloatArray
from endplate.sources import Finding, value
from endplate.units import MM3_PER_ML


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
    routes:
        Name of the way out at each surface voxel, whether it is open or not.
    bone_porosity:
        Porosity of the cancellous bone, averaged over the representative volume; 0 elsewhere.
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
    routes: NDArray[np.object_]
    bone_porosity: FloatArray
    veins: Mask
    cleft: Mask
    blocked: Mask
    lost: LostShell
    cavity: FloatArray
    findings: tuple[Finding, ...] = ()

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
