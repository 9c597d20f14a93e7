"""The front of a balloon: it goes where bone resists least, as far as the membrane lets it.

Notes
-----
A voxel beside the cavity is taken at the pressure

    λ = R + k · (ρ − ρ̄) + t · (ψ̄ − ψ)

R is the foam's pressure of the bone ahead, ρ the voxel's distance from the axis of the free balloon (a capsule), ψ a
Gaussian mean of the cavity about the voxel (½ on a flat wall, less on a bulge); ρ̄ and ψ̄ are means over the front. k
holds the balloon to its own shape, t keeps its surface smooth. In even bone the cavity is the capsule itself; where
resistance differs by ΔR the front gives way by ΔR / k. Voxels are taken from the lowest λ on, a part of the front at a
time, as long as their mean R is within the limit of pressure; that mean is the balloon's pressure, for what the
membrane adds here it spares there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from endplate.anatomy.axes import FloatArray
from endplate.balloon.body import Bone, Mask, Tamp
from endplate.balloon.pressure import foam_factor
from endplate.balloon.walls import shell_of
from endplate.imaging.geometry import apply_affine
from endplate.mechanics.laws import DensityLaw
from endplate.sources import value

FRONT_SHARE = 0.2
"""Part of the front that is taken at a time."""

CROSS = ndimage.generate_binary_structure(3, 1)


@dataclass(frozen=True)
class Membrane:
    """How a balloon keeps its shape; see the notes of the module.

    Parameters
    ----------
    hold_mpa_per_mm:
        k.
    smooth_mpa, smooth_mm:
        t, and the standard deviation of the mean ψ.
    bulge_mm:
        How far beyond the free balloon it can be stretched at all.
    """

    hold_mpa_per_mm: float
    smooth_mpa: float
    smooth_mm: float
    bulge_mm: float

    @classmethod
    def usual(cls) -> Membrane:
        """The default membrane."""
        return cls(**{name: float(number) for name, number in value("balloon.membrane").items()})


@dataclass(frozen=True, eq=False)
class Terrain:
    """What a body opposes to a balloon.

    Parameters
    ----------
    resistance_mpa:
        R of every voxel.
    shell:
        Cortex and endplates.
    weak:
        Voxels of the shell that are as thin as the bone inside, or thinner: a gap.
    """

    resistance_mpa: FloatArray
    shell: Mask
    weak: Mask


@dataclass(frozen=True, eq=False)
class Growth:
    """What one step of growth gave.

    Parameters
    ----------
    cavity:
        Voxels of the balloon.
    pressure_mpa:
        Mean over what was taken; 0 where nothing was.
    limited:
        The limit of pressure stopped it before the volume was reached.
    breached:
        It took a voxel of the shell, and which.
    """

    cavity: Mask
    pressure_mpa: float
    limited: bool
    breached: tuple[int, int, int] | None


def terrain(bone: Bone, law: DensityLaw) -> Terrain:
    """Resistance of a body.

    Inside it is the foam's pressure at the mean crushing stress of the neighbourhood that is crushed ahead of the
    front; cortex and endplates resist by their own density and never less than whole cortex does, unless they are as
    thin as the bone inside them: that is a gap.
    """
    factor = foam_factor(float(value("balloon.compaction")))
    crushing = np.where(bone.body, law.yield_mpa(bone.density_mgcc), 0.0)
    sigma = float(value("balloon.smoothing_mm")) / bone.step_mm
    shell = shell_of(bone)
    inside = bone.body & ~shell
    ahead = factor * _mean(crushing, inside, sigma)
    wall = factor * _mean(crushing, shell, 1.0 / bone.step_mm)
    density = _mean(bone.density_mgcc, shell, 1.0 / bone.step_mm)
    spongy = float(bone.density_mgcc[inside].mean()) if inside.any() else 0.0
    weak = shell & (density < float(value("balloon.gap_share")) * spongy)
    least = np.where(weak, 0.0, float(value("balloon.shell_least_mpa")))
    resistance = np.where(shell, np.maximum(np.maximum(wall, least), np.where(weak, 0.0, ahead)), ahead)
    return Terrain(np.where(bone.body, resistance, 0.0), shell, weak)


def axis_distance_mm(bone: Bone, tamp: Tamp, volume_ml: float) -> tuple[FloatArray, float]:
    """Distance of every voxel from the axis of the free balloon at a volume, and that balloon's radius."""
    start, end, radius = tamp.core_ras_mm(volume_ml)
    ijk = np.stack(np.meshgrid(*(np.arange(n) for n in bone.body.shape), indexing="ij"), axis=-1)
    offset = apply_affine(bone.affine, ijk) - start
    way = end - start
    length = float(way @ way)
    along = np.clip(offset @ way / length, 0.0, 1.0) if length > 0.0 else np.zeros(offset.shape[:-1])
    distance: FloatArray = np.linalg.norm(offset - along[..., None] * way, axis=-1)
    return distance, radius


def folded(bone: Bone, tamp: Tamp) -> Mask:
    """Voxels of the folded balloon's channel."""
    distance, radius = axis_distance_mm(bone, tamp, 0.0)
    # A channel thinner than a voxel must still hang together.
    found: Mask = bone.body & (distance <= max(radius, 0.87 * bone.step_mm))
    return found


def grow(
    bone: Bone,
    ground: Terrain,
    tamp: Tamp,
    cavity: Mask,
    others: Mask,
    volume_ml: float,
    limit_mpa: float,
    *,
    through_walls: bool,
    membrane: Membrane | None = None,
) -> Growth:
    """Let a balloon grow to a volume.

    Parameters
    ----------
    bone, ground:
        The body and its resistance.
    tamp, cavity, others:
        The balloon, its voxels so far, and voxels of the other balloon.
    volume_ml:
        To reach.
    limit_mpa:
        Pressure at which it stops.
    through_walls:
        The shell may be taken where it gives way first; else the front never enters it.
    membrane:
        The usual one where not given.
    """
    skin = membrane or Membrane.usual()
    wanted = round(volume_ml / bone.voxel_ml)
    distance, radius = axis_distance_mm(bone, tamp, volume_ml)
    window = _window(distance <= radius + skin.bulge_mm + 2.0 * bone.step_mm)
    own, near = cavity[window].copy(), distance[window]
    resistance = ground.resistance_mpa[window]
    shell = ground.shell[window]
    open_to = ~others[window] & (near <= radius + skin.bulge_mm)
    open_to &= bone.body[window] & (~shell | ((resistance <= limit_mpa) & through_walls))
    sigma = skin.smooth_mm / bone.step_mm
    count, taken = int(np.count_nonzero(own)), 0
    work_mpa = 0.0
    breached: tuple[int, int, int] | None = None
    limited = False
    while count < wanted and breached is None:
        front = np.flatnonzero(ndimage.binary_dilation(own, CROSS) & open_to & ~own)
        if front.size == 0:
            limited = True
            break
        filled = ndimage.gaussian_filter(own.astype(np.float32), sigma, mode="constant").ravel()[front]
        away, needed = near.ravel()[front], resistance.ravel()[front]
        rank = needed + skin.hold_mpa_per_mm * (away - away.mean()) - skin.smooth_mpa * filled
        take = min(wanted - count, max(1, int(FRONT_SHARE * front.size)))
        order = np.argsort(np.round(rank, 9), kind="stable")[:take]
        if needed[order].mean() > limit_mpa:
            limited = True
            break
        through = shell.ravel()[front[order]]
        if through.any():
            order = order[: int(through.argmax()) + 1]
            place = np.unravel_index(int(front[order[-1]]), own.shape)
            i, j, k = (int(at) + part.start for at, part in zip(place, window, strict=True))
            breached = (i, j, k)
        own.ravel()[front[order]] = True
        count, taken = count + order.size, taken + order.size
        work_mpa += float(needed[order].sum())
    grown = cavity.copy()
    grown[window] = own
    pressure = work_mpa / taken if taken else 0.0
    return Growth(grown, pressure, limited, breached)


def _mean(field: FloatArray, where: Mask, sigma: float) -> FloatArray:
    """Gaussian mean over the voxels of a mask; 0 far from it."""
    weight = ndimage.gaussian_filter(where.astype(np.float64), sigma, mode="constant")
    total = ndimage.gaussian_filter(np.where(where, field, 0.0), sigma, mode="constant")
    mean: FloatArray = np.where(weight > 1e-6, total / np.maximum(weight, 1e-6), 0.0)
    return mean


def _window(mask: Mask) -> tuple[slice, slice, slice]:
    i, j, k = ndimage.find_objects(mask.astype(np.uint8))[0]
    return i, j, k
