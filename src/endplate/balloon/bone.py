"""One vertebral body cut from a CT on a cubic grid along its own axes, with its depths, walls and densities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.axes import Axes, FloatArray
from endplate.anatomy.distances import distance_mm
from endplate.anatomy.model import HeightLine, HeightTriple, Spine, Vertebra
from endplate.anatomy.vertebra import LocalVertebra
from endplate.balloon.body import Bone, Mask
from endplate.errors import UsageError
from endplate.imaging.calibration import Calibration
from endplate.imaging.geometry import apply_affine
from endplate.imaging.volume import LabelMap, Volume
from endplate.mechanics.framed import framed_bone, under_grid
from endplate.mechanics.orient import grid_around, mean_over_voxels
from endplate.sources import Finding, finding, value

ROOM_VOXELS = 3
"""Voxels round the body, so that a breach has where to go."""

LINE_SHARES = (0.9, 0.5, 0.1)
"""Share of the body's depth, from behind, at which heights are read where no lines were measured."""


def body_bone(
    image: Volume,
    labels: LabelMap,
    spine: Spine,
    level: str,
    calibration: Calibration,
    *,
    voxel_mm: float = 1.0,
) -> Bone:
    """Cut out the body of one vertebra.

    Parameters
    ----------
    image, labels, spine:
        CT in HU, VerSe ids on its grid, and what was measured.
    level:
        Name of the vertebra.
    calibration:
        HU → density.
    voxel_mm:
        Edge of the new voxels: 1 mm, or 2 mm for a quick answer.

    Raises
    ------
    UsageError
        ``level-not-measured``, ``level-not-labelled``, ``voxel-size-impossible``, ``balloon-other-grid``.
    """
    if not image.same_grid_as(labels.volume):
        raise UsageError(
            "balloon-other-grid",
            "The labels do not lie on the grid of the CT.",
            do="Give labels and CT on one grid.",
        )
    found = framed_bone(labels, spine, level)
    vertebra, local = found.vertebra, found.local
    axes = local.axes
    fine, body = local.grid, local.body.mask
    places = fine.low_mm + fine.step_mm * np.argwhere(body)
    room = ROOM_VOXELS * voxel_mm
    grid = grid_around(axes, places.min(axis=0) - room, places.max(axis=0) + room, voxel_mm)
    local_mm = axes.to_local(grid.points(np.zeros(3))).transpose(2, 1, 0, 3)
    depth, wall = _depths(local, local_mm)
    inside = depth > 0.0
    density = np.clip(
        calibration.density_mgcc(mean_over_voxels(under_grid(image, grid), grid)), 0.0, _most_mgcc()
    )
    loss = vertebra.height_loss
    told: list[Finding] = []
    if not vertebra.complete:
        told.append(finding("balloon-bone-cut", level=level))
    if vertebra.expected_heights_mm.middle is None:
        told.append(finding("balloon-no-expectation", level=level))
    return Bone(
        level=level,
        affine=grid.affine,
        step_mm=voxel_mm,
        axes=axes,
        body=inside,
        depth_mm=depth,
        wall=wall,
        density_mgcc=np.where(inside, density.transpose(2, 1, 0), 0.0),
        heights_mm=vertebra.heights_mm,
        expected_heights_mm=vertebra.expected_heights_mm,
        uncertainty_mm=vertebra.expected_uncertainty_mm,
        windows=_windows(vertebra, axes, inside, local_mm),
        wedge_deg=vertebra.wedge_angle_deg,
        shape=vertebra.fracture.shape if vertebra.fracture.flagged else None,
        loss=loss,
        findings=tuple(told),
    )


def block_bone(
    density_mgcc: FloatArray,
    body: Mask,
    step_mm: float,
    *,
    affine: FloatArray | None = None,
    heights_mm: tuple[float, float, float] | None = None,
    expected_mm: tuple[float, float, float] | None = None,
    level: str = "L1",
) -> Bone:
    """A body given as voxels whose axes are those of the patient: for blocks of known answer.

    Parameters
    ----------
    density_mgcc, body:
        Shape (I, J, K) along right, anterior, superior.
    step_mm, affine:
        Edge of a voxel; where the grid lies (its first voxel at the origin where not given).
    heights_mm, expected_mm:
        Anterior, middle, posterior; the body's own where not given.
    """
    placed = np.diag([step_mm, step_mm, step_mm, 1.0]) if affine is None else affine
    signed = np.where(
        body, distance_mm(body, step_mm) - 0.5 * step_mm, 0.5 * step_mm - distance_mm(~body, step_mm)
    )
    axes = Axes.from_directions(np.zeros(3), [0.0, 0.0, 1.0], [0.0, 1.0, 0.0])
    ijk = np.stack(np.meshgrid(*(np.arange(n) for n in body.shape), indexing="ij"), axis=-1)
    local_mm = apply_affine(placed, ijk)
    tall = float(np.count_nonzero(body.any(axis=(0, 1)))) * step_mm
    own = heights_mm or (tall, tall, tall)
    wanted = expected_mm or own
    return Bone(
        level=level,
        affine=placed,
        step_mm=step_mm,
        axes=axes,
        body=body,
        depth_mm=signed,
        wall=_nearest_wall(body),
        density_mgcc=np.where(body, np.clip(density_mgcc, 0.0, _most_mgcc()), 0.0),
        heights_mm=HeightTriple(anterior=own[0], middle=own[1], posterior=own[2]),
        expected_heights_mm=HeightTriple(anterior=wanted[0], middle=wanted[1], posterior=wanted[2]),
        uncertainty_mm=HeightTriple(anterior=0.0, middle=0.0, posterior=0.0),
        windows=_windows_of_body(body, local_mm),
    )


def _depths(local: LocalVertebra, local_mm: FloatArray) -> tuple[FloatArray, NDArray[np.int8]]:
    """Signed depth below the body's surface, and the nearest wall, sampled from the vertebra's own finer grid."""
    body, step = local.body.mask, local.grid.step_mm
    signed = np.where(body, distance_mm(body, step) - 0.5 * step, 0.5 * step - distance_mm(~body, step))
    index = ((local_mm - local.grid.low_mm) / step).reshape(-1, 3).T
    depth = ndimage.map_coordinates(signed, index, order=1, mode="nearest").reshape(local_mm.shape[:-1])
    wall = ndimage.map_coordinates(_nearest_wall(body), index, order=0, mode="nearest")
    return depth, wall.reshape(local_mm.shape[:-1]).astype(np.int8)


def _nearest_wall(body: Mask) -> NDArray[np.int8]:
    """For each voxel which wall the nearest point of the body's surface belongs to, by where that surface faces."""
    padded = np.pad(body, 1)
    smooth = ndimage.gaussian_filter(padded.astype(np.float32), 2.0)
    x, y, z = (-np.gradient(smooth, axis=axis) for axis in range(3))
    flat = np.hypot(x, y)
    # Numbers are places in WALLS.
    level = np.where(np.abs(x) > np.abs(y), 2, np.where(y > 0.0, 0, 1))
    facing = np.where(np.abs(z) > flat, np.where(z > 0.0, 3, 4), level).astype(np.int8)
    rim = padded & ~ndimage.binary_erosion(padded)
    nearest = ndimage.distance_transform_edt(~rim, return_distances=False, return_indices=True)
    found: NDArray[np.int8] = facing[tuple(nearest)][1:-1, 1:-1, 1:-1]
    return found


def _most_mgcc() -> float:
    return float(value("bone.density_limits_mgcc")[1])


def _windows(vertebra: Vertebra, axes: Axes, body: Mask, local_mm: FloatArray) -> FloatArray:
    """Right and anterior mm of the three height lines."""
    lines = vertebra.height_lines
    places = []
    for line, spare in zip(
        (lines.anterior, lines.middle, lines.posterior), _windows_of_body(body, local_mm), strict=True
    ):
        places.append(spare if line is None else _middle(line, axes))
    return np.array(places)


def _middle(line: HeightLine, axes: Axes) -> FloatArray:
    both = axes.to_local(np.array([line.superior_ras_mm, line.inferior_ras_mm]))
    found: FloatArray = both.mean(axis=0)[:2]
    return found


def _windows_of_body(body: Mask, local_mm: FloatArray) -> FloatArray:
    """The same at fixed shares of the body's depth."""
    filled = local_mm[body]
    x = float(np.median(filled[:, 0]))
    near = filled[np.abs(filled[:, 0] - x) <= float(value("heights.band_half_width_mm")) + 1.0]
    back, front = float(near[:, 1].min()), float(near[:, 1].max())
    return np.array([[x, back + share * (front - back)] for share in LINE_SHARES])
