"""Stiffness and yield stress of every voxel: bone, cement in its place, caps, broken bone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.mechanics.element import Elasticity, FloatArray
from endplate.mechanics.laws import DensityLaw
from endplate.sources import value

Bond = Literal["bonded", "derated"]
"""How cement holds to bone: perfectly, or with contact and shrinkage at its outermost voxels."""

CEMENT_HALF = 0.5
"""Saturation from which a voxel counts as cement where its outermost layer is looked for."""


@dataclass(frozen=True, eq=False)
class Tissue:
    """Material of a voxel grid.

    Parameters
    ----------
    modulus_mpa, yield_mpa:
        Shape (nz, ny, nx); 0 in voids.
    """

    modulus_mpa: FloatArray
    yield_mpa: FloatArray

    def mixed(self, share: FloatArray, modulus_mpa: FloatArray, yield_mpa: FloatArray) -> Tissue:
        """Another material in place of a share (0–1) of each voxel: never the sum of both."""
        return Tissue(
            (1.0 - share) * self.modulus_mpa + share * modulus_mpa,
            (1.0 - share) * self.yield_mpa + share * yield_mpa,
        )

    def weakened(self, where: NDArray[np.bool_], modulus_factor: float, strength_factor: float) -> Tissue:
        """Both values times a factor in some voxels."""
        return Tissue(
            np.where(where, modulus_factor * self.modulus_mpa, self.modulus_mpa),
            np.where(where, strength_factor * self.yield_mpa, self.yield_mpa),
        )


def bone(density_mgcc: FloatArray, inside: NDArray[np.bool_], law: DensityLaw) -> Tissue:
    """Bone by its density (K2HPO4 equivalent, mg/cm³) inside a mask, void outside."""
    return Tissue(
        np.where(inside, law.modulus_mpa(density_mgcc), 0.0),
        np.where(inside, law.yield_mpa(density_mgcc), 0.0),
    )


@dataclass(frozen=True)
class CementMaterial:
    """Hardened cement in bone: porous PMMA.

    Parameters
    ----------
    pmma_modulus_mpa, pmma_yield_mpa:
        Of solid PMMA.
    porosity:
        0–1.
    interface_factor:
        Stiffness and strength left in the outermost voxels where the bond is de-rated.
    """

    pmma_modulus_mpa: float
    pmma_yield_mpa: float
    porosity: float
    interface_factor: float

    @classmethod
    def usual(cls) -> CementMaterial:
        """The default cement."""
        return cls(
            float(value("cement.pmma_modulus_mpa")),
            float(value("cement.pmma_yield_mpa")),
            float(value("cement.porosity")),
            float(value("cement.interface_factor")),
        )

    @property
    def modulus_mpa(self) -> float:
        """Modulus of the porous cement."""
        return self.pmma_modulus_mpa * (1.0 - self.porosity) ** 2

    @property
    def yield_mpa(self) -> float:
        """Yield stress of the porous cement."""
        return self.pmma_yield_mpa * (1.0 - self.porosity) ** 2


def with_cement(
    tissue: Tissue, saturation: FloatArray, cement: CementMaterial, bond: Bond = "bonded"
) -> Tissue:
    """Cement in place of bone: E = (1 − s)·E_bone + s·E_cement, and so for the yield stress.

    Parameters
    ----------
    tissue:
        Before.
    saturation:
        Share of each voxel that cement fills, 0–1, same shape. Voids take cement too (a cavity).
    cement, bond:
        The cement and how it holds. De-rated, its outermost layer of voxels keeps only the interface factor.
    """
    share = np.clip(saturation, 0.0, 1.0)
    factor = np.ones_like(share)
    if bond == "derated":
        core = share >= CEMENT_HALF
        factor[core & ~ndimage.binary_erosion(core)] = cement.interface_factor
        factor[(share > 0.0) & ~core] = cement.interface_factor
    return tissue.mixed(share, factor * cement.modulus_mpa, factor * cement.yield_mpa)


@dataclass(frozen=True)
class DamageBand:
    """Broken bone under one endplate; an assumption that the user may change.

    Parameters
    ----------
    endplate:
        The one that the band lies under.
    thickness_mm:
        From the endplate into the body.
    modulus_factor, strength_factor:
        What is left of both.
    """

    endplate: Literal["superior", "inferior"]
    thickness_mm: float
    modulus_factor: float
    strength_factor: float

    @classmethod
    def usual(cls, endplate: Literal["superior", "inferior"] = "superior") -> DamageBand:
        """The default band."""
        return cls(
            endplate,
            float(value("damage.band_mm")),
            float(value("damage.modulus_factor")),
            float(value("damage.strength_factor")),
        )

    def without_damage(self) -> DamageBand:
        """The same band of whole bone."""
        return replace(self, modulus_factor=1.0, strength_factor=1.0)

    def voxels(self, bone_voxels: NDArray[np.bool_], step_mm: float) -> NDArray[np.bool_]:
        """Bone within the band: in each column, so far below its upper (above its lower) end. z runs upward."""
        count = max(1, round(self.thickness_mm / step_mm))
        order = bone_voxels[::-1] if self.endplate == "superior" else bone_voxels
        depth = np.cumsum(order, axis=0)
        near = order & (depth <= count)
        return near[::-1] if self.endplate == "superior" else near


def bone_elasticity(*, transverse: bool = False) -> Elasticity:
    """Elasticity of bone per unit modulus: isotropic, or three times as stiff along z as across.

    The caps share it: within a model only the modulus differs from voxel to voxel.
    """
    if not transverse:
        return Elasticity.isotropic(float(value("bone.poisson")))
    data = value("bone.transverse")
    across, axial = float(data["young"]), float(data["poisson_axial"])
    # ν_xz = ν_zx · E_x / E_z: what shortens across when pulled along must fit what the source gives.
    return Elasticity.orthotropic(
        (across, across, 1.0),
        (float(data["poisson_plane"]), axial * across, axial * across),
        (float(data["shear_plane"]), float(data["shear_axial"]), float(data["shear_axial"])),
        "transversely isotropic, E_x = E_y = E_z/3",
    )
