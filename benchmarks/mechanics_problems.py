"""Problems of the mechanics benchmark: a voxel body between two clamped plates, of which the upper one goes down.

Synthetic moduli: white noise blurred with σ 2 voxels, its ranks mapped to log-uniform moduli in 100–18 000 MPa, which
is far rougher than bone. Real ones: vertebrae of public scans, pressed between two plates of bone cement.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from endplate.imaging.cache import default_cache
from endplate.imaging.sample import SampleSource, fetch_sample, is_whole

SOFT_MPA, STIFF_MPA = 100.0, 18000.0
STRAIN = -0.01
POISSON = 0.3

PLATE_MPA = 2500.0
PLATE_VOXELS = 3
LAW_MPA, LAW_POWER = 2980.0, 1.05
"""Young's modulus of bone in MPa from its density in g/cm³."""
LEAST_MPA = 1.8
"""Softest bone: a ten-thousandth of the stiffest."""
GCC_PER_HU = 0.0008
"""Density of the sample, which is not calibrated: near enough for a benchmark, no number to use."""
SAMPLE_L1 = 31
"""Its label in the sample (TotalSegmentator)."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Problem:
    """Moduli (z, y, x; 0 in voids), voxel size x, y, z in mm, Poisson ratio, displacement of the top nodes in mm."""

    name: str
    e_mpa: FloatArray
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    poisson: float = POISSON
    top_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def is_cubic(self) -> bool:
        """Whether the voxels are cubes, which the peer asks for."""
        return len(set(self.spacing_mm)) == 1


def block(n: int, seed: int) -> Problem:
    """A cube without voids."""
    return _pressed(f"{n} block", _random(n, seed))


def mask(n: int, seed: int) -> Problem:
    """A waisted body with a canal and a cleft, about 29 % of the cube void."""
    e = _random(n, seed)
    z, y, x = np.meshgrid(*(np.linspace(-1.0, 1.0, n),) * 3, indexing="ij")
    e[(abs(x) ** 2.5 + abs(y) ** 2.5) ** 0.4 > 1.0 - 0.08 * (1.0 - z**2)] = 0.0
    e[np.hypot(x, y - 0.75) < 0.2] = 0.0
    e[(abs(z) < 0.06) & (np.hypot(x, y + 0.2) < 0.4)] = 0.0
    return _pressed(f"{n} mask", e)


def shell(n: int, seed: int) -> Problem:
    """The mask in a thin stiff cortex over soft bone: a contrast of 10 000."""
    body = mask(n, seed).e_mpa
    e = np.where(body > 0.0, LEAST_MPA * (STIFF_MPA / LEAST_MPA) ** _share(body), 0.0)
    padded = np.pad(body > 0.0, ((0, 0), (1, 1), (1, 1)))
    inner = padded[:, 2:, 1:-1] & padded[:, :-2, 1:-1] & padded[:, 1:-1, 2:] & padded[:, 1:-1, :-2]
    e[(body > 0.0) & ~inner] = STIFF_MPA
    return _pressed(f"{n} thin cortex, contrast 1e4", e)


def homogeneous(n: int) -> Problem:
    """A cube of one modulus: what iterations of others are held against."""
    return _pressed(f"{n} homogeneous", np.full((n, n, n), 1000.0))


def verse004() -> Problem | None:
    """L2 of a real patient at 1 mm, body and processes; ``None`` where ENDPLATE_DATA does not have it."""
    folder = Path(os.environ.get("ENDPLATE_DATA", ""))
    files = [folder / f"verse004_L2_{name}.nii.gz" for name in ("density_mgcc", "fe_labels")]
    if "ENDPLATE_DATA" not in os.environ or not all(file.is_file() for file in files):
        return None
    density, labels = (np.asarray(nib.load(file).dataobj, dtype=np.float64).T for file in files)
    return _between_plates("verse004 L2, 1 mm", density / 1000.0, (labels >= 1) & (labels <= 4))


def sample_l1() -> Problem | None:
    """L1 of the public sample resampled to 1 mm; ``None`` where it was never fetched."""
    source = SampleSource.pinned()
    if not is_whole(default_cache() / f"sample-{source.wheel_sha256[:8]}", source):
        return None
    paths = fetch_sample()
    ct, labels = (nib.load(path) for path in (paths.ct, paths.labels))
    bone = np.asarray(labels.dataobj) == SAMPLE_L1
    low, high = np.argwhere(bone).min(axis=0), np.argwhere(bone).max(axis=0) + 1
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    size = np.linalg.norm(ct.affine[:3, :3], axis=0)
    counts = np.maximum(np.round((high - low) * size), 1).astype(int)
    places = np.meshgrid(
        *((np.arange(n) + 0.5) / s - 0.5 for n, s in zip(counts, size, strict=True)), indexing="ij"
    )
    hu = map_coordinates(np.asarray(ct.dataobj, dtype=np.float64)[box], places, order=1, mode="nearest")
    inside = map_coordinates(bone[box].astype(np.float64), places, order=1, mode="nearest") >= 0.5
    return _between_plates("sample L1, 1 mm", hu.T * GCC_PER_HU, inside.T)


def from_file(path: Path) -> Problem:
    """A problem of one's own: ``E_mpa`` (z, y, x), ``spacing`` in mm, ``nu``, ``u_top`` (of z, or of x, y, z) in mm."""
    with np.load(path) as held:
        spacing = np.broadcast_to(np.asarray(held["spacing"], dtype=np.float64), (3,))
        top = np.asarray(held["u_top"], dtype=np.float64).ravel()
        e_mpa, poisson = held["E_mpa"].astype(np.float64), float(held["nu"])
    x, y, z = (float(v) for v in (top if top.size == 3 else (0.0, 0.0, top[0])))
    sizes = (float(spacing[0]), float(spacing[1]), float(spacing[2]))
    return Problem(path.stem, e_mpa, sizes, poisson, (x, y, z))


def _share(e_mpa: FloatArray) -> FloatArray:
    """Logarithmic place of moduli in their range, 0–1."""
    place: FloatArray = np.log(np.where(e_mpa > 0.0, e_mpa, SOFT_MPA) / SOFT_MPA) / np.log(
        STIFF_MPA / SOFT_MPA
    )
    return place


def _random(n: int, seed: int) -> FloatArray:
    noise = gaussian_filter(np.random.default_rng(seed).standard_normal((n, n, n)), 2.0)
    rank = np.empty(noise.size)
    rank[np.argsort(noise, axis=None)] = np.linspace(0.0, 1.0, noise.size)
    moduli: FloatArray = SOFT_MPA * (STIFF_MPA / SOFT_MPA) ** rank.reshape(n, n, n)
    return moduli


def _pressed(name: str, e_mpa: FloatArray) -> Problem:
    return Problem(name, e_mpa, top_mm=(0.0, 0.0, STRAIN * e_mpa.shape[0]))


def _between_plates(name: str, density_gcc: FloatArray, bone: NDArray[np.bool_]) -> Problem:
    """The box of the bone; what is void in its lowest and uppermost slices becomes plate."""
    box = tuple(slice(int(a.min()), int(a.max()) + 1) for a in np.nonzero(bone))
    density, inside = density_gcc[box], bone[box]
    law = LAW_MPA * np.maximum(density, 0.0) ** LAW_POWER
    e = np.where(inside, np.maximum(law, LEAST_MPA), 0.0)
    for ends in (slice(0, PLATE_VOXELS), slice(-PLATE_VOXELS, None)):
        e[ends] = np.where(inside[ends], e[ends], PLATE_MPA)
    return _pressed(name, np.ascontiguousarray(e))
