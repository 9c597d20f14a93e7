"""How sharp the reconstruction is: by the kernel's name and by the texture of the noise."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from endplate.imaging.coarse import CoarseScan, Mask
from endplate.imaging.scan_records import KernelRecord, Sharpness
from endplate.sources import value

GE_NAMES: dict[str, Sharpness] = {
    "SOFT": "soft",
    "STANDARD": "standard",
    "STND": "standard",
    "DETAIL": "standard",
    "CHEST": "standard",
    "LUNG": "sharp",
    "BONE": "sharp",
    "BONEPLUS": "sharp",
    "EDGE": "sharp",
    "ULTRA": "sharp",
}
"""Names of GE's kernels."""

PHILIPS_LETTERS: dict[str, Sharpness] = {
    "A": "soft",
    "B": "standard",
    "C": "standard",
    "D": "sharp",
    "E": "sharp",
    "L": "sharp",
    "YA": "sharp",
    "YB": "sharp",
    "YC": "sharp",
    "YD": "sharp",
}
"""Letters of Philips' filters."""


def sharpness_by_name(name: str | None) -> Sharpness:
    """Sharpness that a kernel's name states: Siemens B/Br numbers, GE names, Philips letters, Canon FC numbers."""
    words = "" if name is None else re.split(r"[/\\]", name.upper())[0].strip()
    if not words:
        return "not_known"
    if words in GE_NAMES:
        return GE_NAMES[words]
    if words in PHILIPS_LETTERS:
        return PHILIPS_LETTERS[words]
    match = re.match(r"(FC|BR|BV|BF|BL|HR|QR|UR|B|D|H|I|J|T|U)(\d{2})", words)
    return "not_known" if match is None else _by_number(match[1], int(match[2]))


def _by_number(family: str, number: int) -> Sharpness:
    """Sharpness by the number in a kernel's name: Canon's FC, else Siemens' scale."""
    numbers = value("kernel.numbers")
    if family != "FC":
        standard, sharp = numbers["siemens"]
        return "soft" if number < standard else "sharp" if number >= sharp else "standard"
    for verdict, key in (("standard", "canon_soft"), ("sharp", "canon_sharp")):
        if numbers[key][0] <= number <= numbers[key][1]:
            return "sharp" if verdict == "sharp" else "standard"
    return "not_known"


def judge_kernel(scan: CoarseScan, even: Mask, name: str | None) -> tuple[KernelRecord, float | None]:
    """Verdict on the kernel, and the noise in HU where it could be measured.

    ``even`` marks thinned voxels of one even tissue (muscle, else fat). The name outweighs the texture.
    """
    frequency, noise, patches = noise_texture(scan, even)
    by_texture: Sharpness = "not_known"
    if frequency is not None and max(scan.fine_mm[:2]) <= float(value("kernel.widest_pixel_mm")):
        limits = value("kernel.frequency_lp_cm")
        by_texture = (
            "soft" if frequency < limits["soft"] else "sharp" if frequency > limits["sharp"] else "standard"
        )
    by_name = sharpness_by_name(name)
    record = KernelRecord(
        verdict=by_name if by_name != "not_known" else by_texture,
        name=name,
        by_name=by_name,
        by_texture=by_texture,
        noise_frequency_lp_cm=None if frequency is None else round(frequency, 3),
        patches=patches,
    )
    return record, noise


def noise_texture(scan: CoarseScan, even: Mask) -> tuple[float | None, float | None, int]:
    """Mean frequency of the noise power spectrum (line pairs/cm), the noise (HU), and the patches looked at.

    Patches of single slices inside an even tissue are freed of a curved background; patches with structure (more
    than twice the lower half's median power) are left out. Too few patches give ``None``.
    """
    settings = value("kernel.patches")
    size = int(settings["pixels"])
    patches = _patches(scan, even, size, int(settings["most"]))
    if len(patches) < int(settings["least"]):
        return None, None, len(patches)
    u = np.linspace(-1.0, 1.0, size)
    x, y = (axis.ravel() for axis in np.meshgrid(u, u, indexing="ij"))
    basis = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    flat = patches.reshape(len(patches), -1)
    rest = flat - (basis @ (np.linalg.pinv(basis) @ flat.T)).T
    power = rest.var(axis=1) * size * size / (size * size - 6.0)
    calm = power <= 2.0 * np.median(np.sort(power)[: max(1, len(power) // 2)])
    noise = float(np.sqrt(np.median(power[calm])))
    if noise < 0.5:
        return None, noise, int(calm.sum())
    spectrum = (np.abs(np.fft.fft2(rest[calm].reshape(-1, size, size))) ** 2).mean(axis=0)
    fx = np.fft.fftfreq(size, scan.fine_mm[0] / 10.0)
    fy = np.fft.fftfreq(size, scan.fine_mm[1] / 10.0)
    radius = np.hypot(fx[:, None], fy[None, :])
    return float((spectrum * radius).sum() / spectrum.sum()), noise, int(calm.sum())


def _patches(scan: CoarseScan, even: Mask, size: int, most: int) -> NDArray[np.float64]:
    """Square patches of fine voxels round regularly chosen thinned voxels, shape (n, size, size)."""
    places = np.argwhere(even)
    places = places[:: max(1, len(places) // (4 * most))]
    inside, outside = scan.body, np.array(scan.fine.shape[:2])
    found: list[NDArray[np.float64]] = []
    half = size // 2
    for i, j, k in places:
        start = np.array([i * scan.step[0], j * scan.step[1]]) + np.array(scan.step[:2]) // 2 - half
        if (start < 0).any() or (start + size > outside).any() or not inside[i, j, k]:
            continue
        level = min(int(k) * scan.step[2] + scan.step[2] // 2, scan.fine.shape[2] - 1)
        patch = scan.fine[start[0] : start[0] + size, start[1] : start[1] + size, level].astype(np.float64)
        found.append(patch)
        if len(found) >= 4 * most:
            break
    if not found:
        return np.empty((0, size, size))
    return np.stack(found)
