"""The CT of a phantom in HU."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter

from endplate.imaging.geometry import FloatArray, voxel_sizes_mm
from endplate.imaging.levels import order
from endplate.sources import value
from endplate.synthetic import bone_ct, sampling, tissue
from endplate.synthetic import rows as r
from endplate.synthetic.anatomy import SolvedSpine
from endplate.synthetic.grid import GridSpec, voxel_box
from endplate.synthetic.implant import has_implants, paint_implants
from endplate.synthetic.lesion import paint_lesions
from endplate.synthetic.scanner import bone_line, noise, paint_couch, shift_hu
from endplate.synthetic.spec import refuse
from endplate.synthetic.streaks import add_streaks
from endplate.synthetic.trunk import skin_line, tissue_numbers, trunk_tables
from endplate.units import MM3_PER_ML

TEXTURE_TILE = 64
"""Edge of the periodic texture tile in samples."""
RIB_CORTEX_MM = 0.9
"""Cortex of the ribs."""
CELL_MM = 0.55
"""Voxels crossed by a surface are split into cells no larger than this."""
FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))


def build_ct(
    spine: SolvedSpine, grid: GridSpec, shape: tuple[int, int, int], affine: FloatArray
) -> NDArray[np.int16]:
    """CT numbers on a grid, whole HU."""
    sizes, scanner = voxel_sizes_mm(affine), spine.spec.scanner
    edge = float(np.prod(sizes)) ** (1.0 / 3.0)
    image = np.empty(shape, dtype=np.float32)
    corners = np.array([[i, j, k] for i in (0, shape[0]) for j in (0, shape[1]) for k in (0, shape[2])])
    heights = corners @ affine[2, :3] + affine[2, 3]
    low = float(heights.min())
    table = trunk_tables(spine, low, float(heights.max()))
    tissue.paint_trunk(image, affine, max(edge, 0.8), low, table, tissue_numbers(spine))
    if scanner.couch:
        paint_couch(image, affine, scanner, float(skin_line(spine)[1].min()))
    if spine.spec.soft_tissue.ribs:
        _paint_ribs(image, affine, edge, spine)
    material = material_row(spine)
    tile = texture_tile(spine)
    extras = [extra_row(spine, i) for i in range(len(spine.models))]
    for i in range(len(spine.models)):
        start, stop = voxel_box(_enclosed_box(spine, i), shape, affine)
        bone_ct.paint_enclosed(image, start, stop, affine, edge, i, material, extras[i], spine.packed)
    cells = np.ceil(np.stack([sizes / CELL_MM - 1e-9, sizes - 0.01]))
    split = np.maximum(cells, 1).astype(np.int64)
    for i in range(len(spine.models)):
        start, stop = voxel_box(spine.bounds(i, float(sizes.max())), shape, affine)
        bone_ct.paint_bone(image, start, stop, affine, split, i, material, extras[i], tile, spine.packed)
        paint_lesions(image, affine, spine, i)
    if grid.psf_fwhm_mm > 0.0:
        image = gaussian_filter(image, grid.psf_fwhm_mm / FWHM_PER_SIGMA / sizes, mode="nearest")
    metal = None
    if has_implants(spine):
        metal = paint_implants(image, affine, spine, grid.psf_fwhm_mm / FWHM_PER_SIGMA)
    if metal is not None and spine.spec.metal_imaging.streaks > 0.0:
        add_streaks(image, affine, metal, spine.spec.metal_imaging.streaks, spine.spec.seed)
    if (scanner.hu_scale, scanner.hu_offset) != (1.0, 0.0):
        image = np.float32(scanner.hu_scale) * image + np.float32(scanner.hu_offset)
    if grid.noise_hu > 0.0:
        rng = np.random.default_rng([spine.spec.seed, 2])
        image += np.float32(grid.noise_hu) * noise(rng, shape, affine, scanner)
    np.rint(image, out=image)
    return np.clip(image, -1024, spine.spec.metal_imaging.ceiling_hu).astype(np.int16)


def material_row(spine: SolvedSpine) -> FloatArray:
    """HU and densities of bone, disc and canal, packed for the field kernels."""
    hu = value("synthetic.tissue_hu")
    bone = value("synthetic.bone_mgcc")
    row = np.zeros(r.MATERIAL_SIZE)
    row[r.M_SLOPE], row[r.M_INTERCEPT] = bone_line(spine.spec.scanner)
    row[r.M_CORTEX_MGCC] = bone["cortex"]
    row[r.M_ARCH_FACTOR], row[r.M_ARCH_OFFSET_MGCC] = bone["arch_factor"], bone["arch_offset"]
    row[r.M_DISC], row[r.M_CORD], row[r.M_CSF] = hu["disc"], hu["cord"], hu["csf"]
    row[r.M_EPIDURAL_FAT], row[r.M_GAS] = hu["epidural_fat"], hu["gas"]
    row[r.M_BLOOD] = spine.spec.soft_tissue.blood_hu + shift_hu(spine.spec.scanner, "blood")
    row[r.M_TEXTURE_CV] = spine.spec.texture_cv
    row[r.M_TEXTURE_STEP_MM] = 0.5 * spine.spec.texture_length_mm
    return row


def texture_tile(spine: SolvedSpine) -> NDArray[np.float64]:
    """Periodic correlated noise, mean 0 and standard deviation 1, fixed by the phantom's seed."""
    rng = np.random.default_rng([spine.spec.seed, 1])
    tile = gaussian_filter(rng.standard_normal((TEXTURE_TILE,) * 3), 1.0, mode="wrap")
    tile -= tile.mean()
    scaled: NDArray[np.float64] = tile / tile.std()
    return scaled


def extra_row(spine: SolvedSpine, i: int) -> FloatArray:
    """Fracture, cleft, disc gas and texture offset of one level, packed for the field kernels."""
    vertebra = spine.spec.vertebrae[i]
    model = spine.models[i]
    row = np.zeros(r.EXTRA_SIZE)
    fracture = vertebra.fracture
    if fracture is not None:
        row[r.E_BOTH] = fracture.endplate == "both"
        row[r.E_IMPACTED] = fracture.impacted
        if fracture.cleft_ml > 0.0:
            centre, radii = cleft(spine, i)
            row[r.E_CLEFT_X : r.E_CLEFT_Z + 1] = centre
            row[r.E_CLEFT_RX : r.E_CLEFT_RZ + 1] = radii
    row[r.E_CORD] = float(np.clip((order("L2") - order(vertebra.level)) / 1.5, 0.0, 1.0))
    gas = spine.spec.discs[i - 1].vacuum_ml if i > 0 else 0.0
    if gas > 0.0:
        half = 0.5 * (gas * MM3_PER_ML / (4.0 / 3.0 * math.pi * 16.0)) ** (1.0 / 3.0) * 2.0
        y = -0.1 * float(model.row[r.B_DEPTH])
        top = float(sampling.endplates_at(np.array([[0.0, y]]), model.row)[0, 0])
        upper = spine.models[i - 1]
        roof = spine.placement.to_local(
            i,
            spine.placement.to_world(
                i - 1,
                np.array(
                    [
                        0.0,
                        y,
                        float(sampling.endplates_at(np.array([[0.0, y]]), upper.row)[0, 1]),
                    ]
                ),
            ),
        )
        row[r.E_VACUUM_Y], row[r.E_VACUUM_Z] = y, 0.5 * (top + float(roof[2]))
        row[r.E_VACUUM_RX], row[r.E_VACUUM_RZ] = 4.0 * half, half
    rank = order(vertebra.level)
    row[r.E_TEXTURE_X : r.E_TEXTURE_Z + 1] = (7.3 * rank, 11.9 * rank, 5.1 * rank)
    return row


def cleft(spine: SolvedSpine, i: int) -> tuple[FloatArray, FloatArray]:
    """Local centre and half axes of the gas cleft under the superior endplate of a fractured body.

    Raises
    ------
    UsageError
        The cleft does not fit into the body.
    """
    vertebra, model = spine.spec.vertebrae[i], spine.models[i]
    fracture = vertebra.fracture
    volume = 0.0 if fracture is None else fracture.cleft_ml * MM3_PER_ML
    thin = (volume / (4.0 / 3.0 * math.pi * 3.4 * 2.6)) ** (1.0 / 3.0)
    radii = np.array([3.4 * thin, 2.6 * thin, thin])
    depth = float(model.row[r.B_DEPTH])
    angles = np.linspace(0.0, 2.0 * math.pi, 33)
    heights = np.sin(np.linspace(-0.5 * math.pi, 0.5 * math.pi, 17))
    flat = np.sqrt(1.0 - heights**2)
    surface = np.stack(
        [
            flat[:, None] * np.cos(angles),
            flat[:, None] * np.sin(angles),
            np.repeat(heights[:, None], 33, axis=1),
        ],
        axis=-1,
    ).reshape(-1, 3)
    for forward in (0.12, 0.05, 0.0, -0.05):
        y = forward * depth
        top = float(sampling.endplates_at(np.array([[0.0, y]]), model.row)[0, 0])
        for below in np.arange(0.8, 6.0, 0.4):
            centre = np.array([0.0, y, top - thin - below])
            if sampling.body_at(centre + surface * radii, model.row).max() < -vertebra.cortex_mm - 0.2:
                return centre, radii
    raise refuse(
        f"A cleft of {volume / MM3_PER_ML:g} ml does not fit into {vertebra.level}.",
        "Choose a smaller cleft or a smaller loss.",
    )


def _enclosed_box(spine: SolvedSpine, i: int) -> FloatArray:
    """Corners of the box that holds the body's column, the canal and the disc above, RAS."""
    row = spine.models[i].row
    half = 1.15 * float(row[r.B_HALF_WIDTH]) + 2.0
    wide = max(half, float(row[r.C_HALF_WIDTH]) + 2.0)
    back = float(row[r.C_Y] - row[r.C_HALF_AP]) - 2.0
    front = 0.5 * float(row[r.B_DEPTH]) + 3.0
    beyond = 45.0 if i in (0, len(spine.models) - 1) else 16.0
    reach = 0.5 * float(row[r.B_SUP_HEIGHT] - row[r.B_INF_HEIGHT]) + beyond
    corners = np.array([[x, y, z] for x in (-wide, wide) for y in (back, front) for z in (-reach, reach)])
    return spine.placement.to_world(i, corners)


def _paint_ribs(image: NDArray[np.float32], affine: FloatArray, edge: float, spine: SolvedSpine) -> None:
    bone = value("synthetic.bone_mgcc")
    slope, intercept = bone_line(spine.spec.scanner)
    cortex, marrow = (slope * float(bone[part]) + intercept for part in ("cortex", "rib"))
    wall = (RIB_CORTEX_MM, cortex, marrow)
    shape = (image.shape[0], image.shape[1], image.shape[2])
    for i, vertebra in enumerate(spine.spec.vertebrae):
        if not vertebra.level.startswith("T"):
            continue
        for sign in (-1.0, 1.0):
            points, radii = rib_line(spine, i, sign)
            for part in range(0, len(points) - 1, 4):
                piece, thick = points[part : part + 5], radii[part : part + 5]
                start, stop = voxel_box(np.concatenate([piece - 10.0, piece + 10.0]), shape, affine)
                tissue.paint_tube(image, start, stop, affine, edge, piece, thick, wall)


def rib_line(spine: SolvedSpine, i: int, sign: float) -> tuple[FloatArray, FloatArray]:
    """Centre line (RAS, shape (n, 3)) and radii of the rib of one side (+1 right), from its head to the flank."""
    row = spine.models[i].row
    soft = spine.spec.soft_tissue
    transverse = spine.parts(i, 1 if sign > 0 else 0)[3]
    tip = transverse[0:3] + transverse[r.Q_LENGTH] * transverse[3:6]
    half_width, half_depth = float(row[r.B_HALF_WIDTH]), 0.5 * float(row[r.B_DEPTH])
    x, y, z = abs(float(tip[0])), float(tip[1]), float(tip[2])
    high = 0.5 * float(row[r.B_SUP_HEIGHT] - row[r.B_INF_HEIGHT])
    long = {"T12": 0.45, "T11": 0.75}.get(spine.spec.levels[i], 1.0)
    flank = 0.5 * soft.trunk_width_mm - 26.0
    local = np.array(
        [
            [half_width * 0.93 + 2.5, -half_depth + 3.0, min(high - 4.0, z + 6.0)],
            [0.5 * (half_width + x) + 3.0, 0.4 * (-half_depth) + 0.6 * (y + 9.0), z + 4.5],
            [x + 3.0, y + 7.5, z + 2.0],
            [x + 20.0, y - 2.0, z - 7.0],
            [0.62 * flank, y + 4.0, z - 18.0],
            [0.88 * flank, y + 32.0, z - 36.0],
            [flank, y + 75.0, z - 58.0],
        ]
    )
    local[:, 0] *= sign
    t = np.linspace(0.0, (len(local) - 1) * long, 25)
    spline = CubicSpline(np.arange(len(local)), local, axis=0)
    points = spine.placement.to_world(i, spline(t))
    radii = np.interp(t, [0.0, 1.0, 2.0, 6.0], [3.6, 2.9, 3.6, 4.2])
    return points, radii
