"""Reading label maps: VerSe ids on the CT's voxels, findings about names, refusals that say what to do."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from labelled_spines import ORIENTATIONS, draw, levels_between, scheme_ids

from endplate.errors import InputError, UsageError
from endplate.imaging.label_names import level_in_name, names_in_file
from endplate.imaging.labels import read_labels
from endplate.imaging.levels import VERSE_IDS
from endplate.imaging.volume import LabelMap, Volume

LUMBAR = levels_between("T11", "L4")


def save(path: Path, data: np.ndarray, affine: np.ndarray, *, names: dict[int, str] | None = None) -> Path:
    image = nibabel.Nifti1Image(data, affine)
    image.header.set_sform(affine, code=1)
    image.header.set_qform(affine, code=1)
    if names is not None:
        rows = "".join(
            f'<Label Key="{key}" Red="1" Green="0" Blue="0" Alpha="1"><![CDATA[{name}]]></Label>\n'
            for key, name in names.items()
        )
        table = f"<VolumeInformation><LabelTable>{rows}</LabelTable></VolumeInformation>"
        xml = f"<CaretExtension>{table}</CaretExtension>"
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension(0, xml.encode()))
    nibabel.save(image, path)
    return path


def ct(data: np.ndarray, affine: np.ndarray) -> Volume:
    return Volume(np.zeros(data.shape, dtype=np.int16), affine)


def codes(labels: LabelMap) -> set[str]:
    return {found.code for found in labels.volume.findings}


def critical(path: Path) -> list[tuple[str, str | None]]:
    findings = read_labels(path).volume.findings
    return [(f.code, f.level) for f in findings if f.severity == "critical"]


def refusal(path: Path, **options: object) -> InputError:
    with pytest.raises(InputError) as caught:
        read_labels(path, **options)
    assert caught.value.exit_code == 3
    assert caught.value.do
    return caught.value


@pytest.mark.parametrize("scheme", ["verse", "ts1", "ts2", "ts_mr", "tss"])
def test_every_scheme_gives_the_same_map(tmp_path: Path, scheme: str) -> None:
    truth, _ = draw(scheme_ids("verse", (*LUMBAR, "L5", "S1")))
    data, affine = draw(scheme_ids(scheme, (*LUMBAR, "L5", "S1")))
    for given in ("auto", scheme):
        labels = read_labels(save(tmp_path / "map.nii.gz", data, affine), scheme=given)
        assert labels.scheme == scheme
        assert labels.data.dtype == np.uint8
        assert np.array_equal(labels.data, truth)
        assert labels.body_only is False
        assert "T11–S1" in labels.counted_how
        assert "the map's word" in labels.counted_how
        assert "labels-sacrum-seen" in codes(labels)
        assert "labels-count-unchecked" not in codes(labels)


def test_bodies_only_are_declared(tmp_path: Path) -> None:
    """TotalSegmentator's vertebrae_pp(_refined) has VerSe's numbers and no arches."""
    data, affine = draw(scheme_ids("ts_pp", levels_between("T4", "L5")), arches=False)
    labels = read_labels(save(tmp_path / "pp_refined.nii.gz", data, affine))
    assert (labels.scheme, labels.body_only) == ("ts_pp", True)
    assert "labels-body-only" in codes(labels)
    whole, _ = draw(scheme_ids("verse", levels_between("T4", "L5")))
    labels = read_labels(save(tmp_path / "verse.nii.gz", whole, affine))
    assert (labels.scheme, labels.body_only) == ("verse", False)
    assert "labels-body-only" not in codes(labels)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_same_grid_in_another_axis_order_is_turned_exactly(tmp_path: Path, orientation: str) -> None:
    numbers = scheme_ids("verse", LUMBAR)
    truth, affine = draw(numbers, orientation="PIR", spacing=(1.5, 2.0, 2.5))
    stored = nibabel.as_closest_canonical(nibabel.Nifti1Image(truth, affine))
    transform = nibabel.orientations.ornt_transform(
        nibabel.io_orientation(stored.affine), nibabel.orientations.axcodes2ornt(orientation)
    )
    stored = stored.as_reoriented(transform)
    labels = read_labels(
        save(tmp_path / "turned.nii.gz", np.asarray(stored.dataobj), stored.affine), image=ct(truth, affine)
    )
    assert np.array_equal(labels.data, truth)
    assert np.array_equal(labels.volume.affine, affine)
    assert ("labels-turned" in codes(labels)) is (orientation != "PIR")


def test_a_rounding_difference_of_the_affine_is_the_same_grid(tmp_path: Path) -> None:
    data, affine = draw(scheme_ids("verse", LUMBAR))
    nudged = affine.copy()
    nudged[:3, 3] += 0.004
    nudged[0, 0] += 1e-5
    labels = read_labels(save(tmp_path / "map.nii", data, nudged), image=ct(data, affine))
    assert np.array_equal(labels.volume.affine, affine)


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a @ np.diag([1.02, 1.0, 1.0, 1.0]),
        lambda a: a + np.eye(4, k=3) * 0.5,
        lambda a: np.array([[1, 0.02, 0, 0], [-0.02, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]) @ a,
    ],
    ids=["spacing", "shift", "turn"],
)
def test_another_grid_is_refused_in_words(tmp_path: Path, change) -> None:
    data, affine = draw(scheme_ids("verse", LUMBAR))
    error = refusal(save(tmp_path / "map.nii", data, change(affine)), image=ct(data, affine))
    assert error.code == "label-grid-differs"
    assert "CT: " in error.what
    assert "Labels: " in error.what
    assert " × ".join(str(n) for n in data.shape) in error.what
    assert "nearest" in error.do


def test_another_shape_is_refused(tmp_path: Path) -> None:
    data, affine = draw(scheme_ids("verse", LUMBAR))
    assert (
        refusal(save(tmp_path / "map.nii", data[1:], affine), image=ct(data, affine)).code
        == "label-grid-differs"
    )


def test_maps_that_are_none_are_refused(tmp_path: Path) -> None:
    data, affine = draw(scheme_ids("verse", LUMBAR))
    path = tmp_path / "map.nii.gz"
    assert refusal(save(path, data * 0, affine)).code == "labels-empty"
    assert refusal(save(path, data * 0.01, affine)).code == "labels-not-integers"
    assert refusal(save(path, np.where(data > 0, data, np.nan), affine)).code == "labels-not-integers"
    assert refusal(save(path, data.astype(np.int16) - 1024, affine)).code == "labels-are-an-image"
    assert refusal(save(path, data.astype(np.int32) * 70000, affine)).code == "labels-are-an-image"
    assert refusal(save(path, (data > 0).astype(np.uint8), affine)).code == "labels-are-a-mask"
    assert refusal(save(path, data + 140, affine)).code == "label-scheme-unknown"


def test_floating_point_files_with_whole_numbers_are_read(tmp_path: Path) -> None:
    data, affine = draw(scheme_ids("verse", LUMBAR))
    labels = read_labels(save(tmp_path / "map.nii.gz", data.astype(np.float64), affine))
    assert np.array_equal(labels.data, data)


def test_a_wrong_or_unknown_scheme_is_told(tmp_path: Path) -> None:
    data, affine = draw(scheme_ids("verse", LUMBAR))
    path = save(tmp_path / "map.nii.gz", data, affine)
    assert refusal(path, scheme="ts2").code == "labels-no-levels"
    assert refusal(path, scheme="ts1").code == "labels-out-of-order"
    with pytest.raises(UsageError):
        read_labels(path, scheme="voodoo")


def test_a_scheme_given_by_the_user_settles_what_sizes_cannot(tmp_path: Path) -> None:
    data, affine = draw({"L3": 22}, size=0.95)
    path = save(tmp_path / "one.nii.gz", data, affine)
    assert refusal(path).code == "label-scheme-ambiguous"
    labels = read_labels(path, scheme="verse")
    assert set(np.unique(labels.data)) == {0, VERSE_IDS["L3"]}
    assert "given by the user" in labels.counted_how
    assert set(np.unique(read_labels(path, scheme="ts1").data)) == {0, VERSE_IDS["L1"]}


def test_names_in_the_header_come_first(tmp_path: Path) -> None:
    """One vertebra numbered 30 may be many things; TotalSegmentator wrote its name beside it."""
    data, affine = draw({"L2": 30})
    names = {29: "vertebrae_L3", 30: "vertebrae_L2", 52: "aorta", 92: "rib_left_1"}
    data[:3, :3, :3] = 52
    path = save(tmp_path / "named.nii.gz", data, affine, names=names)
    assert names_in_file(path) == names
    labels = read_labels(path)
    assert (labels.scheme, set(np.unique(labels.data))) == ("ts2", {0, VERSE_IDS["L2"]})
    assert "named in the file" in labels.counted_how
    own = {1: "vertebrae_T12", 2: "vertebrae_L1", 3: "vertebrae_L2"}
    data, affine = draw({"T12": 1, "L1": 2, "L2": 3})
    labels = read_labels(save(tmp_path / "own.nii", data, affine, names=own))
    assert labels.scheme == "named"
    assert set(np.unique(labels.data)) == {0, 19, 20, 21}


def test_names_left_over_from_another_numbering_are_not_believed(tmp_path: Path) -> None:
    """Somebody renumbered to VerSe and kept the header: v2 names would call T13 and S1 what they are not."""
    data, affine = draw(scheme_ids("verse", (*levels_between("T10", "L5"), "S1")))
    names = {26: "vertebrae_S1", 27: "vertebrae_L5", 19: "vertebrae_C3", 20: "vertebrae_C2", 22: "colon"}
    labels = read_labels(save(tmp_path / "stale.nii.gz", data, affine, names=names))
    assert labels.scheme == "verse"
    assert "labels-names-stale" in codes(labels)
    assert set(np.unique(labels.data)) == {0, *range(17, 25), 26}


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("vertebrae_L1", "L1"),
        ("vertebrae_T12", "T12"),
        ("sacrum", "S1"),
        ("L3", "L3"),
        ("L1 vertebra", "L1"),
        ("vertebrae_T14", None),
        ("rib_left_1", None),
        ("disc_L4_L5", None),
        ("L", None),
        ("lung", None),
    ],
)
def test_levels_in_names(name: str, level: str | None) -> None:
    assert level_in_name(name) == level


def test_gaps_transitional_levels_and_a_missing_sacrum_are_told(tmp_path: Path) -> None:
    numbers = scheme_ids("verse", ("T10", "T11", "T12", "T13", "L1", "L3", "L4", "L5", "L6"))
    data, affine = draw(numbers)
    labels = read_labels(save(tmp_path / "map.nii.gz", data, affine))
    found = {f.code: f for f in labels.volume.findings}
    assert "L2 between L1 and L3" in found["labels-gap"].text
    assert {f.level for f in labels.volume.findings if f.code == "labels-transitional"} == {"T13", "L6"}
    assert "labels-count-unchecked" in found
    assert {28, 25} <= set(np.unique(labels.data))


def test_numbers_that_skip_a_level_without_room_are_doubted(tmp_path: Path) -> None:
    """T8 to L2 in one row, but numbered T8 T9 T10 T12 L1 ...: only the distance shows it."""
    row = levels_between("T8", "L2")
    named = ("T8", "T9", "T10", "T12", "L1", "L2", "L3")
    data, affine = draw(dict(zip(row, (VERSE_IDS[n] for n in named), strict=True)))
    assert critical(save(tmp_path / "map.nii", data, affine)) == [("labels-no-room", "T12")]
    # and the other way: L1 is there in space but has no label, and the names run on
    without = {n: VERSE_IDS[n] for n in ("T9", "T10", "T11", "T12")} | {"L2": 20, "L3": 21, "L4": 22}
    data, affine = draw(without)
    assert critical(save(tmp_path / "map.nii", data, affine)) == [("labels-extra-room", "L1")]


def test_a_voxel_size_of_half_the_truth_is_doubted(tmp_path: Path) -> None:
    data, affine = draw(scheme_ids("verse", levels_between("T6", "L5")))
    labels = read_labels(save(tmp_path / "map.nii", data, np.diag([0.5, 0.5, 0.5, 1.0]) @ affine))
    assert "labels-size-odd" in codes(labels)


def test_other_structures_and_unknown_numbers_are_left_out(tmp_path: Path) -> None:
    data, affine = draw(scheme_ids("ts2", LUMBAR))
    data[:3, :3, :9] = 52
    data[-3:, :3, :9] = 250
    labels = read_labels(save(tmp_path / "map.nii", data, affine))
    assert set(np.unique(labels.data)) == {0, *(VERSE_IDS[n] for n in LUMBAR)}
    unknown = next(f for f in labels.volume.findings if f.code == "labels-unknown-ids")
    assert "250" in unknown.text
    assert "52" not in unknown.text


def test_a_folder_of_masks_is_one_map(tmp_path: Path) -> None:
    numbers = scheme_ids("verse", (*LUMBAR, "L5", "S1"))
    truth, affine = draw(numbers)
    folder = tmp_path / "segmentations"
    folder.mkdir()
    for level, number in numbers.items():
        name = "sacrum" if level == "S1" else f"vertebrae_{level}"
        save(folder / f"{name}.nii.gz", (truth == number).astype(np.uint8), affine)
    save(folder / "aorta.nii.gz", (truth == 99).astype(np.uint8), affine)
    labels = read_labels(folder, image=ct(truth, affine))
    assert np.array_equal(labels.data, truth)
    assert labels.body_only is False
    assert "T11–S1" in labels.counted_how
    assert refusal(tmp_path).code == "labels-no-masks"


def test_reading_twice_gives_the_same(tmp_path: Path) -> None:
    data, affine = draw(scheme_ids("ts2", levels_between("T8", "L4")))
    path = save(tmp_path / "map.nii.gz", data, affine)
    first, second = read_labels(path), read_labels(path)
    assert np.array_equal(first.data, second.data)
    assert first.volume.findings == second.volume.findings
    assert first.counted_how == second.counted_how


@pytest.mark.real_data
def test_verse004_with_its_collapsed_l1(data_dir: Path) -> None:
    labels = read_labels(data_dir / "verse004_T9-L5_vert_labels_L1fracture.nii.gz")
    assert (labels.scheme, labels.body_only) == ("verse", False)
    assert set(np.unique(labels.data)) == {0, *range(16, 25)}
    assert "VerSe ids 16–24: T9–L5" in labels.counted_how
    assert codes(labels) == {"labels-count-unchecked"}


@pytest.mark.real_data
def test_tptbox_crop_with_one_whole_vertebra(data_dir: Path) -> None:
    image = nibabel.load(data_dir / "tptbox_L3_ct.nii.gz")
    volume = Volume(np.asarray(image.dataobj), image.affine)
    labels = read_labels(data_dir / "tptbox_L3_vert_labels.nii.gz", image=volume)
    assert (labels.scheme, labels.body_only) == ("verse", False)
    assert set(np.unique(labels.data)) == {0, 21, 22, 23}
    assert labels.volume.same_grid_as(volume)
    assert refusal(data_dir / "tptbox_L3_subreg_labels.nii.gz").code == "labels-are-subregions"
    assert refusal(data_dir / "tptbox_L3_ct.nii.gz").code == "labels-are-an-image"
    assert refusal(data_dir / "verse004_L2_fe_labels.nii.gz").code == "label-scheme-unknown"
    wrong = refusal(data_dir / "verse004_T9-L5_vert_labels_L1fracture.nii.gz", image=volume)
    assert wrong.code == "label-grid-differs"


@pytest.mark.real_data
def test_biceps_spine_and_its_skipped_number(data_dir: Path) -> None:
    """T2 is missing and leaves a gap; T5 is missing in the numbers only: T4 and T6 are neighbours."""
    labels = read_labels(data_dir / "biceps_healthy_ref_vert_labels.nii.gz")
    assert (labels.scheme, labels.body_only) == ("verse", False)
    found = {f.code: f for f in labels.volume.findings}
    assert found["labels-gap"].level == "T3"
    assert found["labels-no-room"].level == "T6"
    assert "23 mm" in found["labels-no-room"].text


@pytest.mark.real_data
def test_real_bodies_only_are_declared(data_dir: Path, tmp_path: Path) -> None:
    """The L3 of TPTBox without its arch, which is what vertebrae_pp_refined would hold."""
    vertebrae = nibabel.load(data_dir / "tptbox_L3_vert_labels.nii.gz")
    parts = np.asarray(nibabel.load(data_dir / "tptbox_L3_subreg_labels.nii.gz").dataobj)
    bodies = np.where(np.isin(parts, (49, 50)), np.asarray(vertebrae.dataobj), 0).astype(np.uint8)
    labels = read_labels(save(tmp_path / "bodies.nii.gz", bodies, vertebrae.affine), scheme="verse")
    assert labels.body_only is True
