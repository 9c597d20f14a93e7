"""What tube voltage, contrast and couch do to the phantom's CT."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from endplate.imaging.geometry import FloatArray, voxel_sizes_mm
from endplate.sources import value
from endplate.synthetic.scanner_spec import ScannerSpec

SOFT_SIGMA = 1.1
"""Blur of the noise of a soft kernel, in voxels of the slice."""
SHARP_SHARE = 0.9
"""Share of its own blur that is taken off the noise of a sharp kernel."""


def by_kvp(table: dict[str, float], kvp: float) -> float:
    """Interpolate a table by tube voltage."""
    known = sorted((float(k), float(v)) for k, v in table.items())
    return float(np.interp(kvp, [k for k, _ in known], [v for _, v in known]))


def bone_line(scanner: ScannerSpec) -> tuple[float, float]:
    """Slope (HU per mg/cm³) and intercept (HU) of bone before the scanner's own scale and offset."""
    line = value("synthetic.hu_line_120kvp")
    slope = (
        float(line["slope"]) * by_kvp(value("synthetic.mineral_by_kvp"), scanner.kvp) * scanner.mineral_factor
    )
    fat = by_kvp(value("synthetic.tissue_shift_by_kvp")["adipose"], scanner.kvp)
    marrow = float(value("synthetic.marrow_fat")) * fat
    if scanner.bone_contrast_hu is None:
        added = contrast_hu(scanner, "bone")
    else:
        added = scanner.bone_contrast_hu * by_kvp(value("synthetic.iodine_by_kvp"), scanner.kvp)
        added = added if scanner.contrast != "none" else 0.0
    return slope, float(line["intercept"]) + marrow + added


def contrast_hu(scanner: ScannerSpec, tissue: str) -> float:
    """HU that the contrast phase adds to a tissue at this tube voltage."""
    if scanner.contrast == "none":
        return 0.0
    added = float(value("synthetic.contrast_hu_120kvp")[scanner.contrast][tissue])
    return added * by_kvp(value("synthetic.iodine_by_kvp"), scanner.kvp)


def shift_hu(scanner: ScannerSpec, tissue: str) -> float:
    """HU by which a soft tissue differs from 120 kVp without contrast (``adipose``, ``blood``, ``muscle``)."""
    shift = by_kvp(value("synthetic.tissue_shift_by_kvp")[tissue], scanner.kvp)
    return shift if tissue == "adipose" else shift + contrast_hu(scanner, tissue)


def rods_ras_mm(scanner: ScannerSpec, skin_back_mm: float) -> FloatArray:
    """World x and y of the rods' axes, which run along z; shape (n, 2)."""
    couch = value("synthetic.couch")
    n = len(scanner.rods_mgcc)
    x = (np.arange(n) - 0.5 * (n - 1)) * float(couch["rod_pitch_mm"])
    y = skin_back_mm - float(couch["below_skin_mm"]) - float(couch["rod_depth_mm"])
    return np.stack([x, np.full(n, y)], axis=1)


def couch_depth_mm(scanner: ScannerSpec) -> float:
    """How far behind the skin the couch reaches; 0 without one."""
    couch = value("synthetic.couch")
    reach = float(couch["below_skin_mm"]) + float(couch["mat_mm"]) + float(couch["shell_mm"])
    return reach if scanner.couch else 0.0


def paint_couch(
    image: NDArray[np.float32], affine: FloatArray, scanner: ScannerSpec, skin_back_mm: float
) -> None:
    """Write the couch and its rods into the CT, behind the skin only."""
    couch = value("synthetic.couch")
    index = np.indices(image.shape, sparse=True)
    x, y = (sum(affine[row, axis] * index[axis] for axis in range(3)) + affine[row, 3] for row in (0, 1))
    below = skin_back_mm - float(couch["below_skin_mm"]) - y
    flat = np.broadcast_to(np.abs(x) <= float(couch["half_width_mm"]), image.shape)
    mat, shell = float(couch["mat_mm"]), float(couch["shell_mm"])
    image[flat & (below > 0.0) & (below <= mat)] = couch["mat_hu"]
    image[flat & (below > mat) & (below <= mat + shell)] = couch["shell_hu"]
    slope, _ = bone_line(scanner)
    for density, centre in zip(scanner.rods_mgcc, rods_ras_mm(scanner, skin_back_mm), strict=True):
        inside = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= float(couch["rod_radius_mm"]) ** 2
        image[np.broadcast_to(inside, image.shape)] = slope * density


def noise(
    rng: np.random.Generator, shape: tuple[int, int, int], affine: FloatArray, scanner: ScannerSpec
) -> NDArray[np.float32]:
    """Noise of standard deviation 1 with the kernel's texture."""
    white = rng.standard_normal(shape, dtype=np.float32)
    if scanner.kernel == "plain":
        return white
    sizes = voxel_sizes_mm(affine)
    # The texture is that of the slice: no correlation along the head-foot axis.
    along = int(np.argmax(np.abs(affine[2, :3]) / sizes))
    sigma = [0.0 if axis == along else SOFT_SIGMA for axis in range(3)]
    blurred: NDArray[np.float32] = gaussian_filter(white, sigma, mode="wrap")
    textured = blurred if scanner.kernel == "soft" else white - SHARP_SHARE * blurred
    return np.asarray(textured / textured.std(), dtype=np.float32)
