"""What kind of scan it is: phantoms scanned in known ways, and real scans that a radiologist can name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from endplate.imaging.calibrate import calibrate, calibration_of
from endplate.imaging.labels import read_labels
from endplate.imaging.organ_map import ORGAN_IDS, OrganMap
from endplate.imaging.read import read_image
from endplate.imaging.scan_character import scan_character
from endplate.imaging.scan_records import ScanCharacter
from endplate.imaging.volume import Volume
from endplate.synthetic import GridSpec, Phantom, ScannerSpec, build_phantom, default_spec

TRUE_MGCC = 120.0


def scanned(scanner: ScannerSpec) -> Phantom:
    spec = replace(default_spec(("L1", "L2")), scanner=scanner)
    grid = GridSpec(
        (2.0, 2.0, 3.0), margin_mm=(120.0, 60.0, 2.0), to_skin=True, psf_fwhm_mm=1.0, noise_hu=12.0
    )
    return build_phantom(spec, grid)


@pytest.fixture(scope="module")
def plain() -> Phantom:
    return scanned(ScannerSpec(couch=True))


@pytest.fixture(scope="module")
def seen(plain: Phantom) -> ScanCharacter:
    """The unenhanced scan as judged."""
    return scan_character(ct(plain), plain.labels)


@pytest.fixture(scope="module")
def enhanced() -> Phantom:
    return scanned(ScannerSpec(kvp=100.0, contrast="arterial"))


def ct(phantom: Phantom, **said: object) -> Volume:
    """The CT with another header."""
    assert phantom.volume is not None
    return replace(phantom.volume, scan=replace(phantom.volume.scan, **said))  # type: ignore[arg-type]


def density(character: ScanCharacter, phantom: Phantom) -> float:
    hu = phantom.truth.levels["L2"].density.trabecular_hu
    return calibration_of(character.calibration).density(hu).value


def test_an_unenhanced_scan_is_calibrated_by_its_tissues(plain: Phantom, seen: ScanCharacter) -> None:
    character = seen
    assert character.calibration.method == "internal"
    used = {r.tissue: r.mean_hu for r in character.calibration.references if r.used}
    assert used["air"] == pytest.approx(-1000.0, abs=6.0)
    assert used["adipose"] == pytest.approx(-100.0, abs=6.0)
    assert used["muscle"] == pytest.approx(55.0, abs=6.0)
    assert used["blood"] == pytest.approx(40.0, abs=10.0)
    assert density(character, plain) == pytest.approx(TRUE_MGCC, rel=0.08)
    assert character.contrast.phase == "none"
    assert character.couch_ml is not None
    assert character.couch_ml > 100.0
    assert character.patient_position == "supine"
    assert character.skin_in_view
    assert character.noise_hu == pytest.approx(12.0, rel=0.3)


def test_contrast_is_seen_without_a_tag_and_corrected(enhanced: Phantom) -> None:
    character = scan_character(ct(enhanced, contrast_agent=None), enhanced.labels)
    assert character.contrast.phase == "arterial"
    assert "contrast-in-scan" in {found.code for found in character.findings}
    assert "kvp-not-120" in {found.code for found in character.findings}
    assert not any(r.used for r in character.calibration.references if r.tissue == "blood")
    assert density(character, enhanced) == pytest.approx(TRUE_MGCC, rel=0.15)
    unaware = scan_character(ct(enhanced, contrast_agent=None), enhanced.labels, given="0.8,0")
    assert unaware.calibration.method == "line"
    assert (unaware.calibration.slope, unaware.calibration.intercept) == (0.8, 0.0)
    assert unaware.calibration.relative_interval > 0.08
    assert "contrast-in-scan" in {found.code for found in unaware.findings}


def test_a_labelled_aorta_is_the_blood(enhanced: Phantom) -> None:
    image = ct(enhanced)
    organs = np.zeros(image.shape, dtype=np.uint8)
    points = image.to_world(np.stack(np.indices(image.shape), axis=-1))
    body = np.array(enhanced.truth.levels["L2"].frame.origin_ras_mm)
    inside = (points[..., 0] - body[0] + 13.0) ** 2 + (points[..., 1] - body[1] - 29.0) ** 2 < 8.0**2
    organs[inside] = ORGAN_IDS["aorta"]
    found = scan_character(image, enhanced.labels, OrganMap(replace(image, data=organs)))
    assert found.contrast.blood_from == "labelled aorta"
    assert found.contrast.phase == "arterial"


def test_an_unknown_voltage_is_said_and_widens_the_interval(plain: Phantom, seen: ScanCharacter) -> None:
    known_record = seen.calibration
    unknown, record = calibrate(ct(plain, kvp=None), plain.labels)
    assert unknown.relative_interval > known_record.relative_interval
    assert calibration_of(record) == unknown
    assert (known_record.kvp_stated, record.kvp_stated) == (True, False)
    assert "kvp-not-stated" in {found.code for found in record.findings}


def test_sharp_kernel_and_prone_patient_are_told(plain: Phantom) -> None:
    character = scan_character(ct(plain, kernel="B70f", patient_position="HFP"), plain.labels)
    codes = {found.code for found in character.findings}
    assert {"kernel-sharp", "position-not-supine"} <= codes
    assert character.patient_position == "prone"


def test_rods_outweigh_the_tissues_and_are_recorded(plain: Phantom) -> None:
    character = scan_character(ct(plain), plain.labels, given="rods:0=0,125=100,250=200")
    assert character.calibration.method == "phantom"
    assert character.calibration.r_squared == pytest.approx(1.0)
    assert calibration_of(character.calibration).slope == pytest.approx(0.8)


def test_every_item_says_what_it_does_and_survives_json(seen: ScanCharacter) -> None:
    topics = [item.topic for item in seen.items]
    assert topics == [
        "Contrast medium",
        "Tube voltage",
        "Density calibration",
        "Kernel",
        "Noise",
        "Slices",
        "Patient position",
        "Couch",
        "Field of view",
    ]
    assert all(item.found and item.effect and item.done for item in seen.items)
    assert ScanCharacter.model_validate_json(seen.model_dump_json(by_alias=True)) == seen


def test_the_order_of_the_voxel_axes_does_not_matter(plain: Phantom, seen: ScanCharacter) -> None:
    image, labels = ct(plain), plain.labels
    turned = []
    for volume in (image, labels.volume):
        affine = volume.affine.copy()
        affine[:3, 3] = volume.to_world([0, volume.shape[1] - 1, volume.shape[2] - 1])
        affine[:, 1:3] *= -1.0
        data = volume.data[:, ::-1, ::-1]
        turned.append(replace(volume, data=np.transpose(data, (1, 2, 0)), affine=affine[:, [1, 2, 0, 3]]))
    again = scan_character(turned[0], replace(labels, volume=turned[1]))
    assert again.calibration == seen.calibration
    assert again.spacing_mm == (2.0, 2.0, 3.0)


@pytest.mark.real_data
def test_the_chest_scan_is_named_as_a_radiologist_would(data_dir: Path) -> None:
    """RIDER: GE standard kernel, 120 kVp, bright aorta and heart, thin slices, supine on a couch."""
    character = scan_character(read_image(data_dir / "rider_pilot_0117_chest_thin_dicom.zip"))
    assert character.contrast.phase == "arterial"
    assert character.contrast.tag is True
    assert 200.0 < (character.contrast.blood_hu or 0.0) < 300.0
    assert character.kernel.verdict == character.kernel.by_texture == "standard"
    assert (character.kvp, character.patient_position) == (120.0, "supine")
    assert character.spacing_mm[2] == pytest.approx(0.8, abs=0.01)
    assert character.couch_ml is not None
    assert character.couch_ml > 20.0


@pytest.mark.real_data
def test_a_small_crop_is_judged_by_what_it_shows(data_dir: Path) -> None:
    """The L3 crop of TPTBox: no air, no header, no contrast, an osteoporotic spine."""
    image = read_image(data_dir / "tptbox_L3_ct.nii.gz")
    character = scan_character(image, read_labels(data_dir / "tptbox_L3_vert_labels.nii.gz", image=image))
    assert character.contrast.phase == "none"
    assert character.couch_ml is None
    assert not character.skin_in_view
    assert character.patient_position is None
    assert character.calibration.relative_interval > 0.2
    assert {"kvp-not-stated", "patient-cut", "noisy-scan"} <= {found.code for found in character.findings}
