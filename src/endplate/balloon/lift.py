"""Endplates lifted by the pressure in the cavities, against the load that the spine carries meanwhile.

The body is elastic on its voxels; the broken zone is soft, cavities are empty, their walls carry the pressure, the
upper endplate carries the preload and the lower one is held. Endplates move as stiff plates: a plane is laid through
what the voxels of each do. Gains count from the body under the same preload before any balloon.

Notes
-----
With f the nodal forces of 1 MPa on the walls of a cavity and u the displacements, f·u sums area times displacement
along the outward normal over its walls: by so much the cavity has become wider. As u is the sum of what the preload and
each pressure do, so are lifts and volumes: they are solved for once and then hold for any pressures.
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
from endplate.units import MM3_PER_ML

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


@dataclass(frozen=True, eq=False)
class Response:
    """What a body answers to its loads: first to the preload, then to 1 MPa in each of its n cavities.

    Parameters
    ----------
    lines_mm, slope:
        As in :class:`Plates`, shape (1 + n, 3) and (1 + n, 2).
    opened_ml:
        By how much each cavity becomes wider, shape (n, 1 + n).
    moved_mm:
        Displacements of the nodes, one array a load.
    """

    lines_mm: FloatArray
    slope: FloatArray
    opened_ml: FloatArray
    moved_mm: tuple[FloatArray, ...]

    def plates(self, pressures_mpa: FloatArray) -> Plates:
        """The endplates at a pressure in each cavity, shape (n,)."""
        load = np.concatenate([[1.0], pressures_mpa])
        return Plates(load @ self.lines_mm, load @ self.slope)

    def opened(self, pressures_mpa: FloatArray) -> FloatArray:
        """By how much each cavity is wider at a pressure in each, ml, shape (n,)."""
        found: FloatArray = self.opened_ml @ np.concatenate([[1.0], pressures_mpa])
        return found


def respond(
    bone: Bone,
    density_mgcc: FloatArray,
    crack: Crack,
    law: DensityLaw,
    cavities: tuple[Mask, ...],
    preload_n: float,
    *,
    resting: Response | None = None,
    near: Response | None = None,
) -> Response:
    """Solve a body for its preload and for the pressure in each cavity.

    Parameters
    ----------
    bone, density_mgcc:
        The body and its density now.
    crack, law:
        Its broken zone; density → stiffness.
    cavities:
        Voxels of each balloon.
    preload_n:
        On the upper endplate.
    resting:
        The body before any balloon, from which all is counted; from the unloaded body where not given.
    near:
        An answer with smaller cavities, to start from.

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
    loads = [np.zeros(model.node_shape) for _ in range(1 + len(cavities))]
    area = float(np.count_nonzero(upper))
    if area > 0.0 and preload_n > 0.0:
        each = preload_n / area
        _on_faces(loads[0][2], upper, -each, above=True)
        if not whole:
            _on_faces(loads[0][2], lower & plug, each, above=False)
    for load, cavity in zip(loads[1:], cavities, strict=True):
        push_walls(load, cavity[box].transpose(2, 1, 0), modulus > 0.0, 1.0, bone.step_mm)
    solver = Solver(model, Loading(fixed, np.zeros(model.node_shape), loads[0]))
    begin = [None] * len(loads) if near is None else near.moved_mm
    moved = tuple(
        solver.solve(tolerance=TOLERANCE, force_n=load, start_mm=start).displacement_mm
        for load, start in zip(loads, begin, strict=True)
    )
    places = frame_mm(bone)[:, :, 0, :2][box[:2]].transpose(1, 0, 2)
    planes = np.array([_plane(u[2, 1:], upper & plug, places) for u in moved])
    if not whole:
        planes -= [_plane(u[2, :-1], lower & plug, places) for u in moved]
    lines = planes[:, :1] + planes[:, 1:] @ bone.windows.T
    lines = np.where(_on_plug(bone, crack), lines, 0.0)
    slope = planes[:, 1:] if whole else np.zeros((len(loads), 2))
    counted = list(moved)
    if resting is not None:
        lines[0] -= resting.lines_mm[0]
        slope[0] -= resting.slope[0]
        counted[0] = moved[0] - resting.moved_mm[0]
    opened = np.array([[widened_ml(load, u) for u in counted] for load in loads[1:]])
    return Response(lines, slope, opened.reshape(len(cavities), len(loads)), moved)


def widened_ml(unit_force: FloatArray, moved_mm: FloatArray) -> float:
    """Volume by which walls give way.

    Parameters
    ----------
    unit_force:
        Nodal forces of 1 MPa on them (:func:`push_walls`), N.
    moved_mm:
        Displacements, of the same shape.
    """
    return float((unit_force * moved_mm).sum()) / MM3_PER_ML


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
