"""Kernel sharpness by name and by the texture of noise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from endplate.imaging.coarse import CoarseScan
from endplate.imaging.kernel import judge_kernel, noise_texture, sharpness_by_name
from endplate.imaging.volume import Volume


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("B30f", "soft"),
        ("Br40d/3", "standard"),
        ("B45s", "standard"),
        ("B70f", "sharp"),
        ("Bl64d\\3", "sharp"),
        ("I31f/3", "soft"),
        ("STANDARD", "standard"),
        ("BONEPLUS", "sharp"),
        ("SOFT", "soft"),
        ("B", "standard"),
        ("YC", "sharp"),
        ("FC08", "standard"),
        ("FC30", "sharp"),
        ("FC51", "sharp"),
        ("FC25", "not_known"),
        ("something", "not_known"),
        ("", "not_known"),
        (None, "not_known"),
    ],
)
def test_names_of_four_makers(name: str | None, verdict: str) -> None:
    assert sharpness_by_name(name) == verdict


def water(kernel: str, noise_hu: float = 20.0) -> CoarseScan:
    """A block of water with noise of a kernel, 0.7 mm pixels."""
    rng = np.random.default_rng(7)
    noise = rng.standard_normal((96, 96, 12))
    blurred = gaussian_filter(noise, (1.0, 1.0, 0.0), mode="wrap")
    noise = {"soft": blurred, "plain": noise, "sharp": noise - 0.95 * blurred}[kernel]
    data = 40.0 + noise_hu * noise / noise.std()
    return CoarseScan.of(Volume(np.rint(data).astype(np.int16), np.diag([0.7, 0.7, 2.0, 1.0])), None, None)


@pytest.mark.parametrize(("kernel", "verdict"), [("soft", "soft"), ("sharp", "sharp")])
def test_noise_shows_the_kernel_and_its_strength(kernel: str, verdict: str) -> None:
    scan = water(kernel)
    record, noise = judge_kernel(scan, np.ones(scan.hu.shape, dtype=np.bool_), None)
    assert record.verdict == record.by_texture == verdict
    # Taking the background off a patch takes part of slow noise with it.
    assert noise == pytest.approx(20.0, rel=0.2)


def test_the_frequency_of_white_noise_is_that_of_its_square() -> None:
    """White noise fills the square of frequencies up to Nyquist; its mean radius is 0.765 of the half side."""
    frequency, _, _ = noise_texture(water("plain"), np.ones((48, 48, 12), dtype=np.bool_))
    assert frequency == pytest.approx(0.765 * 10.0 / (2.0 * 0.7), rel=0.08)


def test_the_name_outweighs_the_texture() -> None:
    scan = water("sharp")
    record, _ = judge_kernel(scan, np.ones(scan.hu.shape, dtype=np.bool_), "B30f")
    assert (record.verdict, record.by_name, record.by_texture) == ("soft", "soft", "sharp")


def test_wide_pixels_and_no_even_tissue_are_not_judged() -> None:
    scan = water("plain")
    nothing, noise = judge_kernel(scan, np.zeros(scan.hu.shape, dtype=np.bool_), None)
    assert nothing.verdict == "not_known"
    assert noise is None
    rng = np.random.default_rng(1)
    data = (40.0 + 20.0 * rng.standard_normal((60, 60, 8))).astype(np.int16)
    wide = CoarseScan.of(Volume(data, np.diag([1.6, 1.6, 2.0, 1.0])), None, None)
    assert judge_kernel(wide, np.ones(wide.hu.shape, dtype=np.bool_), None)[0].verdict == "not_known"
