"""A piece of bone ready to be pressed: densities, masks and ends on one grid whose z axis is the load's."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.errors import InputError, QualityGateError
from endplate.imaging.geometry import apply_affine
from endplate.imaging.volume import Volume
from endplate.mechanics.caps import Caps, bare_ends, labelled_caps, made_caps, room_for
from endplate.mechanics.element import Elasticity, FloatArray
from endplate.mechanics.laws import DensityLaw
from endplate.mechanics.pieces import loose_elements
from endplate.mechanics.platen import Hold, Platens, ends_of
from endplate.mechanics.problem import VoxelModel
from endplate.mechanics.tissue import Bond, CementMaterial, DamageBand, Tissue, bone, with_cement
from endplate.sources import Finding, finding, value

Mask = NDArray[np.bool_]

GRAMS_BELOW_MGCC = 5.0
"""Bone whose densest voxel stays below this was given in g/cm³."""


@dataclass(frozen=True, eq=False)
class Specimen:
    """Bone between two ends.

    Parameters
    ----------
    density_mgcc:
        K2HPO4-equivalent density, shape (nz, ny, nx); z runs upward along the load.
    bone, body:
        Voxels of bone, and those of the part that the ends belong to.
    lower, upper:
        Voxels of both ends: caps, or the body's own ends.
    capped:
        The ends are caps and not bone.
    caps:
        How they were made.
    spacing_mm:
        Voxel size along x, y, z.
    affine:
        4×4, (x, y, z) voxel index of this grid → RAS mm of the voxel's centre.
    findings:
        What building it found.
    """

    density_mgcc: FloatArray
    bone: Mask
    body: Mask
    lower: Mask
    upper: Mask
    capped: bool
    caps: Caps
    spacing_mm: tuple[float, float, float]
    affine: FloatArray
    findings: tuple[Finding, ...] = ()
    disc: Mask | None = None
    """Voxels of disc between vertebrae, in a model of several."""

    @property
    def height_mm(self) -> float:
        """Mean distance between the two ends over the columns that have both; a bare end counts as bone."""
        planes = self.bone.shape[0]
        if self.capped:
            below = planes - self.lower[::-1].argmax(axis=0)
            above = self.upper.argmax(axis=0)
        else:
            below = self.lower.argmax(axis=0)
            above = planes - self.upper[::-1].argmax(axis=0)
        both = self.lower.any(axis=0) & self.upper.any(axis=0)
        gap = (above - below)[both]
        if gap.size == 0 or not gap.mean() > 0.0:
            raise QualityGateError(
                "ends-not-opposite",
                "The two ends of the model do not face each other along the load.",
                do="Turn the model with --align endplates, or check the ids of --caps.",
            )
        return float(gap.mean()) * self.spacing_mm[2]

    @property
    def solid(self) -> Mask:
        """Bone, caps and disc."""
        filled = self.bone | self.lower | self.upper
        return filled if self.disc is None else filled | self.disc

    def sample(self, volume: Volume) -> FloatArray:
        """Values of another volume on this grid (0 outside it), shape (nz, ny, nx); linear between voxels."""
        nz, ny, nx = self.bone.shape
        z, y, x = np.meshgrid(np.arange(nz), np.arange(ny), np.arange(nx), indexing="ij")
        places = volume.to_voxel(apply_affine(self.affine, np.stack([x, y, z], axis=-1)))
        sampled: FloatArray = ndimage.map_coordinates(
            np.asarray(volume.data, dtype=np.float64),
            places.reshape(-1, 3).T,
            order=1,
            mode="constant",
        ).reshape(nz, ny, nx)
        return sampled

    def tissue(self, law: DensityLaw) -> Tissue:
        """Bone by its density, caps and disc by theirs."""
        made = bone(self.density_mgcc, self.bone, law)
        if self.disc is not None:
            soft = float(value("cap.disc_modulus_mpa"))
            # A disc swells and bulges, it does not yield within the loads that bone carries.
            made = made.mixed(self.disc.astype(np.float64), np.asarray(soft), np.asarray(1e6))
        if self.capped:
            ends = (self.lower | self.upper).astype(np.float64)
            made = made.mixed(ends, np.asarray(self.caps.modulus_mpa), np.asarray(self.caps.yield_mpa))
        return made

    def treated(
        self,
        law: DensityLaw,
        saturation: FloatArray,
        *,
        cement: CementMaterial | None = None,
        bond: Bond = "bonded",
        damage: DamageBand | None = None,
    ) -> Tissue:
        """Tissue with cement in place of bone, and broken bone round it.

        ``saturation`` is the share of each voxel that cement fills (0–1), on this grid.
        """
        made = self.tissue(law) if damage is None else self.broken(law, damage)
        inside = np.where(self.bone, saturation, 0.0)
        return with_cement(made, inside, cement or CementMaterial.usual(), bond)

    def broken(self, law: DensityLaw, damage: DamageBand) -> Tissue:
        """Tissue with a band of broken bone."""
        where = damage.voxels(self.body, self.spacing_mm[2]) & self.bone
        return self.tissue(law).weakened(where, damage.modulus_factor, damage.strength_factor)

    def model(self, tissue: Tissue, elasticity: Elasticity) -> VoxelModel:
        """The elastic model."""
        return VoxelModel(tissue.modulus_mpa, self.spacing_mm, elasticity)

    def platens(self, model: VoxelModel, hold: Hold = "free", *, tilting: bool = False) -> Platens:
        """The plates on the outer faces of both ends."""
        upper, lower = ends_of(model, self.upper, self.lower)
        return Platens(upper, lower, self.spacing_mm, hold, tilting)


def specimen(
    density_mgcc: FloatArray,
    ids: NDArray[np.integer],
    bone_ids: tuple[int, ...],
    caps: Caps,
    spacing_mm: tuple[float, float, float],
    affine: FloatArray,
    *,
    body: Mask | None = None,
) -> Specimen:
    """A specimen from densities and labels on one grid.

    Parameters
    ----------
    density_mgcc, ids:
        Shape (nz, ny, nx), z upward along the load.
    bone_ids:
        Labels that are bone.
    caps:
        What it stands between.
    spacing_mm, affine:
        See :class:`Specimen`.
    body:
        Part of the bone that the ends belong to; all of it where not given.

    Raises
    ------
    InputError
        Densities that cannot be mg/cm³.
    QualityGateError
        No bone, or ends that are not there.
    """
    solid = np.isin(ids, bone_ids)
    if not solid.any():
        raise QualityGateError(
            "no-bone-in-mask",
            f"The mask holds no voxel of the bone {', '.join(str(one) for one in bone_ids)}.",
            do="Check the ids given with --body.",
        )
    room = room_for(caps, spacing_mm[2])
    box = _box(solid | (np.isin(ids, caps.labels) if caps.labels else solid))
    pad = ((room, room), (0, 0), (0, 0))
    density: FloatArray = np.pad(np.asarray(density_mgcc[box], dtype=np.float64), pad)
    held: Mask = np.pad(solid[box], pad)
    trunk: Mask = held if body is None else np.pad((body & solid)[box], pad)
    placed = affine.copy()
    start = np.array([box[2].start, box[1].start, box[0].start - room])
    placed[:3, 3] = apply_affine(affine, start)
    found, density = _checked(density, held)
    if caps.kind == "labels":
        lower, upper = labelled_caps(np.pad(ids[box], pad), caps)
    elif caps.kind == "pmma":
        lower, upper = made_caps(held, trunk, spacing_mm, caps)
    else:
        lower, upper = bare_ends(trunk)
    made = Specimen(
        density, held, trunk, lower, upper, caps.kind != "none", caps, spacing_mm, placed, tuple(found)
    )
    return without_fragments(made)


def without_fragments(made: Specimen) -> Specimen:
    """Without bone that hangs on neither end; it says how much that was."""
    modulus = made.solid.astype(np.float64)
    nz, ny, nx = modulus.shape
    fixed = np.zeros((3, nz + 1, ny + 1, nx + 1), dtype=np.bool_)
    model = VoxelModel(modulus, made.spacing_mm, Elasticity.isotropic(0.3))
    platens = made.platens(model)
    fixed[2] = platens.upper | platens.lower
    loose = loose_elements(modulus, fixed) & made.bone
    count = int(np.count_nonzero(loose))
    if count == 0:
        return made
    share = 100.0 * count / np.count_nonzero(made.bone)
    told = finding("mechanics-fragments", count=count, share=share)
    return replace(made, bone=made.bone & ~loose, body=made.body & ~loose, findings=(*made.findings, told))


def _checked(density: FloatArray, solid: Mask) -> tuple[list[Finding], FloatArray]:
    """Densities fit for the laws, and what was wrong with them."""
    values = density[solid]
    if not np.isfinite(values).all():
        raise InputError(
            "density-not-finite",
            "The density holds values that are no numbers inside the bone.",
            do="Give a density volume without gaps inside the mask.",
        )
    low, high = (float(one) for one in value("bone.density_limits_mgcc"))
    if values.max() < GRAMS_BELOW_MGCC:
        raise InputError(
            "density-unit",
            f"The densest voxel of the bone has {values.max():.3g} mg/cm³: that is no bone, or the unit is g/cm³.",
            do="Give K2HPO4-equivalent density in mg/cm³.",
        )
    found: list[Finding] = []
    absurd = (values > high) | (values < low)
    if absurd.any():
        found.append(
            finding(
                "mechanics-absurd-density",
                count=int(absurd.sum()),
                low=low,
                high=high,
                limit=high,
            )
        )
    negative = float((values < 0.0).mean())
    if negative > float(value("bone.negative_share")):
        floor = float(value("bone.modulus_floor_mpa"))
        found.append(finding("mechanics-negative-density", share=100.0 * negative, floor=floor))
    held: FloatArray = np.clip(density, 0.0, high)
    return found, held


def _box(mask: Mask) -> tuple[slice, ...]:
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    parts: tuple[slice, ...] = tuple(box)
    return parts
