"""The phantom's scanner: defaults change nothing, and each setting does what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from endplate.errors import UsageError
from endplate.synthetic import GridSpec, ScannerSpec, build_phantom, default_spec, hu_of_density
from endplate.synthetic.scanner import bone_line, noise, paint_couch, rods_ras_mm, shift_hu


def test_the_default_scanner_is_the_phantoms_own_line() -> None:
    assert bone_line(ScannerSpec()) == (1.25, 0.0)
    assert hu_of_density(120.0, ScannerSpec()) == hu_of_density(120.0)
    assert [shift_hu(ScannerSpec(), tissue) for tissue in ("adipose", "blood", "muscle")] == [0.0, 0.0, 0.0]


def test_low_tube_voltage_raises_mineral_and_lowers_fat() -> None:
    slopes = [bone_line(ScannerSpec(kvp=kvp))[0] for kvp in (80.0, 100.0, 120.0, 140.0)]
    assert slopes == sorted(slopes, reverse=True)
    assert shift_hu(ScannerSpec(kvp=80.0), "adipose") < -10.0 < shift_hu(ScannerSpec(kvp=140.0), "adipose")


def test_contrast_reaches_blood_and_bone_and_more_so_at_low_voltage() -> None:
    for phase in ("portal_venous", "arterial"):
        at = [ScannerSpec(kvp=kvp, contrast=phase) for kvp in (80.0, 120.0)]
        assert shift_hu(at[0], "blood") > shift_hu(at[1], "blood") > 100.0
    given = ScannerSpec(contrast="arterial", bone_contrast_hu=18.0)
    assert bone_line(given)[1] == pytest.approx(18.0)
    assert bone_line(replace(given, contrast="none"))[1] == 0.0


def test_what_is_scanned_shows_the_line_of_its_scanner() -> None:
    scanner = ScannerSpec(kvp=100.0, contrast="portal_venous", hu_scale=1.02, hu_offset=3.0)
    spec = replace(default_spec(("L2",)), scanner=scanner, texture_cv=0.0)
    phantom = build_phantom(spec, GridSpec(spacing=(1.5, 1.5, 1.5)))
    assert phantom.volume is not None
    truth = phantom.truth.levels["L2"]
    ahead = np.array(truth.frame.origin_ras_mm) + 8.0 * np.array(truth.frame.anterior_ras)
    i, j, k = np.rint(phantom.volume.to_voxel(ahead)).astype(int)
    assert phantom.volume.data[i, j, k] == pytest.approx(truth.density.trabecular_hu, abs=1.0)
    assert phantom.volume.scan.kvp == 100.0
    assert phantom.volume.scan.contrast_agent is True


def test_rods_show_their_density() -> None:
    scanner = ScannerSpec(couch=True, rods_mgcc=(0.0, 100.0, 200.0))
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = (-80.0, -60.0, 0.0)
    image = np.full((80, 40, 3), -1000.0, dtype=np.float32)
    paint_couch(image, affine, scanner, 0.0)
    for density, (x, y) in zip(scanner.rods_mgcc, rods_ras_mm(scanner, 0.0), strict=True):
        assert image[round((x + 80.0) / 2.0), round((y + 60.0) / 2.0), 1] == pytest.approx(1.25 * density)
    assert image[0, 29, 1] == -1000.0


def test_noise_has_unit_strength_in_every_texture() -> None:
    frequency = {}
    for kernel in ("soft", "plain", "sharp"):
        made = noise(np.random.default_rng(1), (64, 64, 6), np.eye(4), ScannerSpec(kernel=kernel))
        assert made.std() == pytest.approx(1.0, abs=0.02)
        frequency[kernel] = float(np.abs(np.diff(made, axis=0)).mean())
    assert frequency["soft"] < frequency["plain"] < frequency["sharp"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"kvp": 60.0},
        {"contrast": "late"},
        {"rods_mgcc": (100.0,)},
        {"hu_scale": float("nan")},
        {"kernel": "bone"},
    ],
)
def test_impossible_scanners_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        ScannerSpec(**wrong)  # type: ignore[arg-type]
    assert caught.value.code == "phantom-spec-invalid"
