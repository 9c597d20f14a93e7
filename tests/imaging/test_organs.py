"""Organs for avoidance: canonical ids from maps, folders, segmentations and files of their own."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from labelled_spines import draw, levels_between, scheme_ids
from seg_maker import code, seg_bytes, segment

from endplate.errors import InputError
from endplate.imaging.organs import ORGAN_IDS, ORGAN_OF_NUMBER, OrganMap, read_organs
from endplate.imaging.schemes import SCHEMES
from endplate.imaging.volume import Volume

LEVELS = (*levels_between("T10", "L4"),)
SPACING = (3.0, 3.0, 3.0)

PLACES = {name: (slice(3 * n, 3 * n + 2), slice(0, 2), slice(4, 12)) for n, name in enumerate(ORGAN_IDS)}
"""A box in a corner for every organ."""

NUMBERS = {
    "ts2": {
        "aorta": [52],
        "inferior_vena_cava": [63],
        "lung": [10, 11, 12, 13, 14],
        "kidney": [2, 3],
        "oesophagus": [15],
        "spinal_cord": [79],
        "rib": [92, 103, 104, 115],
        "sacrum": [25],
    },
    "ts1": {
        "aorta": [7],
        "inferior_vena_cava": [8],
        "lung": [13, 14, 15, 16, 17],
        "kidney": [2, 3],
        "oesophagus": [42],
        "spinal_cord": [200],
        "rib": [58, 69, 70, 81],
        "sacrum": [92],
    },
    "tss": {"spinal_cord": [1], "spinal_canal": [2], "sacrum": [50]},
}


def save(path: Path, data: np.ndarray, affine: np.ndarray, names: dict[int, str] | None = None) -> Path:
    image = nibabel.Nifti1Image(data.astype(np.uint8), affine)
    if names is not None:
        rows = "".join(f'<Label Key="{key}"><![CDATA[{name}]]></Label>' for key, name in names.items())
        image.header.extensions.append(
            nibabel.nifti1.Nifti1Extension(0, f"<LabelTable>{rows}</LabelTable>".encode())
        )
    nibabel.save(image, path)
    return path


def ct(data: np.ndarray, affine: np.ndarray) -> Volume:
    return Volume(np.zeros(data.shape, dtype=np.int16), affine)


@pytest.mark.parametrize("scheme", NUMBERS)
def test_organs_come_from_the_numbers_of_a_multi_label_map(tmp_path: Path, scheme: str) -> None:
    data, affine = draw(scheme_ids(scheme, LEVELS), spacing=SPACING)
    expected = np.zeros(data.shape, dtype=np.uint8)
    for organ, numbers in NUMBERS[scheme].items():
        expected[PLACES[organ]] = ORGAN_IDS[organ]
        for n, number in enumerate(numbers):
            place = list(PLACES[organ])
            place[2] = slice(4 + n, 12)
            data[tuple(place)] = number
    organs = read_organs(save(tmp_path / "map.nii.gz", data, affine), image=ct(data, affine))
    assert organs is not None
    assert np.array_equal(organs.data, expected)
    assert organs.names == tuple(name for name in ORGAN_IDS if name in NUMBERS[scheme])
    assert organs.mask("spinal_cord").sum() == (expected == ORGAN_IDS["spinal_cord"]).sum()


def test_tables_agree_with_the_schemes() -> None:
    for scheme, table in ORGAN_OF_NUMBER.items():
        vertebrae = {i for i, level in SCHEMES[scheme].level_of_id.items() if level != "S1"}
        assert not vertebrae & set(table)
        assert set(table) <= SCHEMES[scheme].vocabulary
        assert set(table.values()) <= set(ORGAN_IDS)


@pytest.mark.parametrize("sacrum", [False, True])
def test_a_map_of_vertebrae_alone_has_no_organs(tmp_path: Path, sacrum: bool) -> None:
    levels = (*levels_between("T10", "L5"), *(("S1",) if sacrum else ()))
    data, affine = draw(scheme_ids("verse", levels), spacing=SPACING)
    assert read_organs(save(tmp_path / "verse.nii.gz", data, affine), image=ct(data, affine)) is None
    folder = tmp_path / "masks"
    folder.mkdir()
    save(folder / "vertebrae_L1.nii.gz", data == 20, affine)
    if sacrum:
        save(folder / "sacrum.nii.gz", data == 26, affine)
    assert read_organs(folder, image=ct(data, affine)) is None


def test_ribs_of_a_vertebra_map_are_organs(tmp_path: Path) -> None:
    data, affine = draw(scheme_ids("verse", LEVELS), spacing=SPACING)
    data[PLACES["rib"]] = 50
    data[PLACES["lung"]] = 117  # a disc
    organs = read_organs(save(tmp_path / "vert.nii.gz", data, affine), image=None)
    assert organs is not None
    assert organs.names == ("rib",)


def test_a_folder_of_masks_gives_levels_to_one_and_organs_to_the_other(tmp_path: Path) -> None:
    data, affine = draw(scheme_ids("verse", ("L1", "L2")), spacing=SPACING)
    files = {
        "kidney_left": "kidney",
        "kidney_right": "kidney",
        "lung_lower_lobe_left": "lung",
        "aorta": "aorta",
    }
    expected = np.zeros(data.shape, dtype=np.uint8)
    for n, (name, organ) in enumerate(files.items()):
        mask = np.zeros(data.shape, dtype=bool)
        mask[3 * n : 3 * n + 2, :2, :5] = True
        expected[mask] = ORGAN_IDS[organ]
        save(tmp_path / f"{name}.nii.gz", mask, affine)
    save(tmp_path / "vertebrae_L1.nii.gz", data == 20, affine)
    save(tmp_path / "heart.nii.gz", data == 21, affine)
    organs = read_organs(tmp_path, image=ct(data, affine))
    assert organs is not None
    assert np.array_equal(organs.data, expected)
    whole = (tmp_path / "aorta.nii.gz").read_bytes()
    (tmp_path / "aorta.nii.gz").write_bytes(whole[:30])
    with pytest.raises(InputError, match="mask of aorta") as caught:
        read_organs(tmp_path, image=ct(data, affine))
    assert caught.value.exit_code == 3


def test_a_file_of_organs_needs_names_or_a_scheme(tmp_path: Path) -> None:
    data, affine = draw(scheme_ids("ts2", ("L1",)), spacing=SPACING)
    data[...] = 0
    data[PLACES["aorta"]], data[PLACES["lung"]] = 52, 11
    names = {52: "aorta", 11: "lung_lower_lobe_left", 5: "liver"}
    organs = read_organs(save(tmp_path / "named.nii.gz", data, affine, names), image=ct(data, affine))
    assert organs is not None
    assert organs.names == ("aorta", "lung")
    bare = save(tmp_path / "bare.nii.gz", data, affine)
    with pytest.raises(InputError) as caught:
        read_organs(bare, image=None)
    assert (caught.value.code, caught.value.exit_code) == ("organs-not-named", 3)
    told = read_organs(bare, image=None, scheme="ts2")
    assert told is not None
    assert told.names == ("aorta", "lung")
    assert read_organs(save(tmp_path / "empty.nii.gz", data * 0, affine), image=None) is None


def test_names_left_over_from_another_numbering_are_not_believed(tmp_path: Path) -> None:
    """Renumbered to VerSe, header kept: 13 is T6 now, not a lobe of the lung."""
    data, affine = draw(scheme_ids("verse", levels_between("T5", "L2")), spacing=SPACING)
    names = {13: "lung_middle_lobe_right", 20: "colon", 27: "vertebrae_L5", 15: "esophagus", 19: "duodenum"}
    assert read_organs(save(tmp_path / "stale.nii.gz", data, affine, names), image=None) is None


def test_cord_and_canal_come_from_a_subregion_map(tmp_path: Path) -> None:
    data, affine = draw({"L3": 50}, spacing=(1.5, 1.5, 1.5))
    y = np.indices(data.shape)[1]
    bone = data > 0
    data[bone & (y < np.median(y[bone]) - 8)] = 41
    data[bone & (data == 50) & (np.indices(data.shape)[2] % 3 == 0)] = 49
    data[PLACES["spinal_cord"]], data[PLACES["spinal_canal"]] = 60, 61
    organs = read_organs(save(tmp_path / "subreg.nii.gz", data, affine), image=ct(data, affine))
    assert organs is not None
    assert organs.names == ("spinal_cord", "spinal_canal")


def test_segments_of_a_dicom_segmentation_are_organs_by_code(tmp_path: Path) -> None:
    data, affine = draw(scheme_ids("verse", ("L1", "L2")), spacing=SPACING)
    aorta = np.zeros(data.shape, dtype=bool)
    aorta[:2, :2, 3:9] = True
    told = [segment(1, "L1"), segment(2, "vessel", code("15825003", "Aorta"))]
    path = tmp_path / "seg.dcm"
    path.write_bytes(seg_bytes([data == 20, aorta], affine, told))
    organs = read_organs(path, image=ct(data, affine))
    assert organs is not None
    assert np.array_equal(organs.data, aorta * ORGAN_IDS["aorta"])
    path.write_bytes(seg_bytes([data == 20], affine, told[:1]))
    assert read_organs(path, image=ct(data, affine)) is None


def test_organs_on_another_grid_are_refused(tmp_path: Path) -> None:
    data, affine = draw(scheme_ids("ts2", LEVELS), spacing=SPACING)
    data[PLACES["aorta"]] = 52
    path = save(tmp_path / "map.nii.gz", data, affine)
    with pytest.raises(InputError) as caught:
        read_organs(path, image=ct(data, affine @ np.diag([1.1, 1, 1, 1])))
    assert caught.value.code == "label-grid-differs"


def test_an_organ_map_holds_canonical_ids_only() -> None:
    affine = np.eye(4)
    with pytest.raises(ValueError, match="ORGAN_IDS"):
        OrganMap(Volume(np.full((2, 2, 2), 40, dtype=np.uint8), affine))
    with pytest.raises(ValueError, match="ORGAN_IDS"):
        OrganMap(Volume(np.zeros((2, 2, 2), dtype=np.int16), affine))
    assert OrganMap(Volume(np.zeros((2, 2, 2), dtype=np.uint8), affine)).names == ()
