"""Endplates lifted by the pressure in the cavities, against the load that the spine carries meanwhile.

The body is elastic on its voxels; the broken zone is soft, cavities are empty, their walls carry the pressure, the
upper endplate carries the preload and the lower one is held. Endplates move as stiff plates: a plane is laid through
what the voxels of each do. Gains count from the body under the same preload before any balloon.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.axes import FloatArray
from endplate.balloon.body import Bone, Mask
from endplate.balloon.crack import Crack, frame_mm
from endplate.mechanics.caps import bare_ends
from endplate.mechanics.laws import DensityLaw
from endplate.mechanics.problem import Loading, VoxelModel
from endplate.mechanics.solver import Solver
from endplate.mechanics.tissue import bone_elasticity
from endplate.sources import value

TOLERANCE = 1e-3
"""Of the elastic solution: heights to a few thousandths of a millimetre."""


@dataclass(frozen=True, eq=False)
class Plates:
    """How the upper endplate stands to the lower one.

    Parameters
    ----------
    lines_mm:
        On the three height lines: anterior, middle, posterior, shape (3,).
    slope:
        Rise per mm toward the right and the front, shape (2,).
    """

    lines_mm: FloatArray
    slope: FloatArray

    def minus(self, other: Plates) -> Plates:
        """Moved against another state."""
        return Plates(self.lines_mm - other.lines_mm, self.slope - other.slope)


def press_plates(
    bone: Bone,
    density_mgcc: FloatArray,
    crack: Crack,
    law: DensityLaw,
    cavities: tuple[Mask, ...],
    pressures_mpa: tuple[float, ...],
    preload_n: float,
) -> Plates:
    """Move the endplates by the pressure in cavities and the preload.

    Parameters
    ----------
    bone, density_mgcc:
        The body and its density now.
    crack, law:
        Its broken zone; density → stiffness.
    cavities, pressures_mpa:
        Voxels and pressure of each balloon.
    preload_n:
        On the upper endplate.

    Raises
    ------
    ConvergenceError
        The elastic solution was not reached.
    QualityGateError, UsageError
        Nothing holds the body.
    """
    box = _box(bone, crack)
    broken, body = crack.voxels[box], bone.body[box]
    stiff = np.where(body, law.modulus_mpa(density_mgcc[box]), 0.0)
    stiff = np.where(broken, np.minimum(stiff, float(value("balloon.crack_modulus_mpa"))), stiff)
    for cavity in cavities:
        stiff = np.where(cavity[box], 0.0, stiff)
    modulus: FloatArray = _in_one_piece(np.ascontiguousarray(stiff.transpose(2, 1, 0)))
    model = VoxelModel(modulus, (bone.step_mm,) * 3, bone_elasticity())
    lower, upper = bare_ends(np.ascontiguousarray(body.transpose(2, 1, 0)))
    lower, upper = lower & (modulus > 0.0), upper & (modulus > 0.0)
    plug, whole = crack.plug[box[:2]].T[None], not _is_plug(bone, crack)
    fixed = np.zeros(model.node_shape, dtype=np.bool_)
    fixed[:, _lower_nodes(lower if whole else lower & ~plug)] = True
    force = np.zeros(model.node_shape)
    area = float(np.count_nonzero(upper))
    if area > 0.0 and preload_n > 0.0:
        each = preload_n / area
        _on_faces(force[2], upper, -each, above=True)
        if not whole:
            _on_faces(force[2], lower & plug, each, above=False)
    solid = modulus > 0.0
    for cavity, pressure in zip(cavities, pressures_mpa, strict=True):
        if pressure > 0.0:
            push_walls(force, cavity[box].transpose(2, 1, 0), solid, pressure, bone.step_mm)
    answer = Solver(model, Loading(fixed, np.zeros(model.node_shape), force)).solve(tolerance=TOLERANCE)
    moved = answer.displacement_mm[2]
    places = frame_mm(bone)[:, :, 0, :2][box[:2]].transpose(1, 0, 2)
    top = _plane(moved[1:], upper & plug, places)
    bottom = np.zeros(3) if whole else _plane(moved[:-1], lower & plug, places)
    plate = top - bottom
    lines = plate[0] + bone.windows @ plate[1:]
    inside = _on_plug(bone, crack)
    return Plates(np.where(inside, lines, 0.0), plate[1:] if whole else np.zeros(2))


def _box(bone: Bone, crack: Crack) -> tuple[slice, slice, slice]:
    """The voxels round the body.

    The broken zone starts at an even layer, where there is room below: the solver's coarser grids join layers in pairs,
    and a pair of which one is a thousand times softer takes it many more iterations.
    """
    i, j, k = ndimage.find_objects(bone.body.astype(np.uint8))[0]
    each = crack.voxels.sum(axis=(0, 1))
    if each.any():
        # Above half of the fullest layer: a plug is also cut loose along its sides.
        first = int(np.argmax(each > 0.5 * each.max()))
        k = slice(max(k.start - (first - k.start) % 2, 0), k.stop)
    return i, j, k


def _in_one_piece(modulus_mpa: FloatArray) -> FloatArray:
    """The greatest piece that holds together by faces: what hangs on edges or corners turns freely about them."""
    pieces, count = ndimage.label(modulus_mpa > 0.0)
    if count <= 1:
        return modulus_mpa
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return np.where(pieces == int(sizes.argmax()), modulus_mpa, 0.0)


def push_walls(force: FloatArray, cavity: Mask, solid: Mask, pressure_mpa: float, step_mm: float) -> None:
    """Add the forces of a pressure on the faces between a cavity and solid voxels.

    Parameters
    ----------
    force:
        Nodal forces in N, shape (3, nz + 1, ny + 1, nx + 1); written.
    cavity, solid:
        Shape (nz, ny, nx).
    pressure_mpa, step_mm:
        Pressure; edge of a voxel.
    """
    share = 0.25 * pressure_mpa * step_mm**2
    for axis in range(3):
        component = 2 - axis
        for sign in (1, -1):
            ahead, behind = _pair(axis, sign)
            faces = np.zeros(cavity.shape, dtype=np.bool_)
            faces[behind] = cavity[behind] & solid[ahead]
            _scatter(force[component], faces, axis, sign, sign * share)


def _pair(axis: int, sign: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Slices that set each voxel beside its neighbour along an axis: the neighbours, and the voxels."""
    low, high = slice(None, -1), slice(1, None)
    ahead = [slice(None)] * 3
    behind = [slice(None)] * 3
    ahead[axis], behind[axis] = (high, low) if sign > 0 else (low, high)
    return tuple(ahead), tuple(behind)


def _scatter(nodes: FloatArray, faces: Mask, axis: int, sign: int, share: float) -> None:
    """Add a share to the four nodes of one face of each marked voxel."""
    across = [other for other in range(3) if other != axis]
    for first in (0, 1):
        for second in (0, 1):
            shift = [0, 0, 0]
            shift[axis] = 1 if sign > 0 else 0
            shift[across[0]], shift[across[1]] = first, second
            window = tuple(slice(at, at + size) for at, size in zip(shift, faces.shape, strict=True))
            nodes[window] += share * faces


def _on_faces(nodes: FloatArray, voxels: Mask, each_n: float, *, above: bool) -> None:
    """A force on the upper or lower face of each voxel."""
    _scatter(nodes, voxels, 0, 1 if above else -1, 0.25 * each_n)


def _lower_nodes(voxels: Mask) -> Mask:
    """Nodes on the lower faces of voxels."""
    nz, ny, nx = voxels.shape
    touched = np.zeros((nz + 1, ny + 1, nx + 1))
    _scatter(touched, voxels, 0, -1, 1.0)
    found: Mask = touched > 0.0
    return found


def _plane(moved_mm: FloatArray, voxels: Mask, places_mm: FloatArray) -> FloatArray:
    """Plane through the displacements of voxels, seen from above: at the frame's origin, per mm right, per mm ahead."""
    faces: FloatArray = 0.25 * (
        moved_mm[:, :-1, :-1] + moved_mm[:, :-1, 1:] + moved_mm[:, 1:, :-1] + moved_mm[:, 1:, 1:]
    )
    _, j, i = np.nonzero(voxels)
    xy = places_mm[j, i]
    table = np.column_stack([np.ones(len(xy)), xy])
    return np.asarray(np.linalg.lstsq(table, faces[voxels], rcond=None)[0], dtype=np.float64)


def _is_plug(bone: Bone, crack: Crack) -> bool:
    return bool(crack.plug.sum() < bone.body.any(axis=2).sum())


def _on_plug(bone: Bone, crack: Crack) -> NDArray[np.bool_]:
    """Which of the height lines stand on columns that move."""
    if not _is_plug(bone, crack):
        return np.ones(len(bone.windows), dtype=np.bool_)
    columns = np.argwhere(crack.plug)
    places = frame_mm(bone)[:, :, 0, :2][tuple(columns.T)]
    near = np.linalg.norm(places[None] - bone.windows[:, None], axis=-1).min(axis=1)
    found: NDArray[np.bool_] = near <= bone.step_mm
    return found
