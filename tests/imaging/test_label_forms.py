"""Labels in the forms of hospitals and programs: DICOM SEG, Slicer segmentations, folders of masks."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
from labelled_spines import draw, scheme_ids
from scipy.spatial.transform import Rotation
from seg_maker import code, seg_bytes, seg_nrrd, segment

from endplate.errors import InputError
from endplate.imaging.label_codes import NAME_OF_CODE
from endplate.imaging.label_names import level_in_name, organ_in_name
from endplate.imaging.labels import read_labels
from endplate.imaging.levels import VERSE_IDS
from endplate.imaging.shear import rectify
from endplate.imaging.volume import LabelMap, Volume

LEVELS = ("T12", "L1", "L2")
IDS = scheme_ids("verse", LEVELS)
TRUTH, AFFINE = draw(IDS, spacing=(3.0, 2.5, 2.0))
CT = Volume(np.zeros(TRUTH.shape, dtype=np.int16), AFFINE)
MASKS = [number == TRUTH for number in IDS.values()]
NAMED = [segment(n, f"vertebrae_{level}") for n, level in enumerate(LEVELS, start=1)]


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def codes(labels: LabelMap) -> set[str]:
    return {found.code for found in labels.volume.findings}


def refusal(path: Path, **options: object) -> InputError:
    with pytest.raises(InputError) as caught:
        read_labels(path, **options)
    assert caught.value.exit_code == 3
    assert caught.value.do
    return caught.value


def shuffled(count: int) -> list[int]:
    return np.random.default_rng(3).permutation(count).tolist()


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
@pytest.mark.parametrize("axes", ["RAS", "LPS", "PIR", "ASL"])
def test_a_dicom_segmentation_lies_on_the_ct(tmp_path: Path, kind: str, axes: str) -> None:
    truth, affine = draw(
        IDS,
        spacing=(3.0, 2.5, 2.0),
        orientation=axes,
        rotation=Rotation.from_euler("xyz", [8, -5, 11], degrees=True).as_matrix(),
    )
    ct = Volume(np.zeros(truth.shape, dtype=np.int16), affine)
    masks = [truth == number for number in IDS.values()]
    labelmap = None
    if kind == "LABELMAP":
        labelmap = sum((n * mask for n, mask in enumerate(masks, start=1)), np.zeros(truth.shape, dtype=int))
        masks = []
    path = write(
        tmp_path / "seg.dcm", seg_bytes(masks, affine, NAMED, kind=kind, order=shuffled, labelmap=labelmap)
    )
    labels = read_labels(path, image=ct)
    assert np.array_equal(labels.data, truth)
    assert np.array_equal(labels.volume.affine, affine)
    assert labels.body_only is False
    assert "named in the file" in labels.counted_how
    assert labels.volume.scan.source_format == "DICOM"


def test_a_segmentation_has_a_grid_of_its_own_without_the_ct(tmp_path: Path) -> None:
    path = write(tmp_path / "seg.dcm", seg_bytes(MASKS, AFFINE, NAMED, order=shuffled))
    labels = read_labels(path)
    assert labels.data.shape[2] == np.flatnonzero(TRUTH.any(axis=(0, 1))).size
    for number in IDS.values():
        assert (labels.data == number).sum() == (number == TRUTH).sum()
        ours = labels.volume.to_world(np.argwhere(labels.data == number).mean(axis=0))
        theirs = CT.to_world(np.argwhere(number == TRUTH).mean(axis=0))
        assert np.abs(ours - theirs).max() < 1e-3


@pytest.mark.parametrize("stated", [0.0, 4.0, 7.7])
def test_slices_left_out_and_a_wrong_thickness_are_bridged(tmp_path: Path, stated: float) -> None:
    """Only every second slice has a segment, and the distance stated is none, the wrong one, or nonsense."""
    sparse = [mask & (np.arange(TRUTH.shape[2]) % 2 == 0) for mask in MASKS]
    path = write(tmp_path / "seg.dcm", seg_bytes(sparse, AFFINE, NAMED, spacing=stated))
    labels = read_labels(path, image=CT)
    assert np.array_equal(labels.data, np.where(np.arange(TRUTH.shape[2]) % 2 == 0, TRUTH, 0))


def test_fractions_count_from_one_half(tmp_path: Path) -> None:
    fractions = [mask * 0.5 + np.roll(mask, 1, axis=0) * 0.495 for mask in MASKS]
    path = write(tmp_path / "seg.dcm", seg_bytes(fractions, AFFINE, NAMED, kind="FRACTIONAL"))
    assert np.array_equal(read_labels(path, image=CT).data, TRUTH)


def test_segments_are_known_by_label_code_meaning_or_region(tmp_path: Path) -> None:
    bone, lesion = code("272673000", "Bone"), code("52988006", "Lesion")
    told = [
        segment(1, "Segment 1", code("23215003", "T12 vertebra")),
        segment(2, "Segment 2", code("T-11910", "first", "SRT")),
        segment(3, "Segment 3", bone, code("14293000", "L2 vertebra")),
        segment(4, "tumour", lesion, code("36470004", "L3 vertebra")),
    ]
    extra = np.zeros_like(MASKS[0])
    extra[:3, :3, :3] = True
    labels = read_labels(write(tmp_path / "seg.dcm", seg_bytes([*MASKS, extra], AFFINE, told)), image=CT)
    assert np.array_equal(labels.data, TRUTH)
    words = [
        segment(1, "BWK 12", code("1", "Twelfth thoracic vertebra", "99X")),
        segment(2, "L1 vertebra"),
        segment(3, "second lumbar vertebra"),
    ]
    assert np.array_equal(
        read_labels(write(tmp_path / "seg.dcm", seg_bytes(MASKS, AFFINE, words)), image=CT).data, TRUTH
    )


def test_a_label_that_its_code_contradicts_is_told(tmp_path: Path) -> None:
    odd = [*NAMED[:1], segment(2, "L1", code("14293000", "L2 vertebra")), *NAMED[2:]]
    labels = read_labels(write(tmp_path / "seg.dcm", seg_bytes(MASKS, AFFINE, odd)), image=CT)
    found = [f for f in labels.volume.findings if f.code == "labels-code-differs"]
    assert [f.level for f in found] == ["L1"]
    assert np.array_equal(labels.data, TRUTH)


def test_overlapping_segments_are_told_whatever_their_order(tmp_path: Path) -> None:
    wider = [MASKS[0], MASKS[1] | np.roll(MASKS[1], 9, axis=2), MASKS[2]]
    shared = int((wider[1] & MASKS[0]).sum())
    assert shared > 0
    seen = []
    for order in (None, shuffled):
        path = write(tmp_path / "seg.dcm", seg_bytes(wider, AFFINE, NAMED, order=order))
        labels = read_labels(path, image=CT)
        found = [f for f in labels.volume.findings if f.code == "labels-overlap"]
        assert len(found) == 1
        assert f"{shared} voxels belong to both T12 and L1" in found[0].text
        seen.append(labels.data)
    assert np.array_equal(seen[0], seen[1])


def test_a_segmentation_in_a_folder_or_archive_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "readme.txt").write_text("nothing")
    write(folder / "IM0001", seg_bytes(MASKS, AFFINE, NAMED))
    assert np.array_equal(read_labels(folder, image=CT).data, TRUTH)
    archive = Path(shutil.make_archive(str(tmp_path / "export"), "zip", folder))
    assert np.array_equal(read_labels(archive, image=CT).data, TRUTH)
    write(folder / "IM0002", seg_bytes(MASKS, AFFINE, NAMED))
    assert refusal(folder).code == "several-segmentations"


def test_a_segmentation_of_another_ct_is_refused(tmp_path: Path) -> None:
    def made(affine: np.ndarray, masks: list[np.ndarray] = MASKS) -> Path:
        return write(tmp_path / "seg.dcm", seg_bytes(masks, affine, NAMED))

    shifted, scaled = AFFINE.copy(), AFFINE @ np.diag([1.02, 1.0, 1.0, 1.0])
    shifted[0, 3] += 0.7
    far = AFFINE.copy()
    far[2, 3] += 400.0
    for affine in (shifted, scaled, far):
        assert refusal(made(affine), image=CT).code == "label-grid-differs"
    up = AFFINE.copy()
    up[:3, 3] += 12 * AFFINE[:3, 2]
    error = refusal(made(up), image=CT)
    assert error.code == "label-grid-differs"
    assert "larger CT" in error.what


def test_a_segmentation_without_vertebrae_says_so(tmp_path: Path) -> None:
    others = [segment(n, f"lesion {n}", code("52988006", "Lesion")) for n in (1, 2, 3)]
    error = refusal(write(tmp_path / "seg.dcm", seg_bytes(MASKS, AFFINE, others)))
    assert error.code == "labels-no-levels"
    assert "3 structure(s)" in error.what


def test_other_dicom_files_are_no_labels(tmp_path: Path) -> None:
    content = seg_bytes(MASKS, AFFINE, NAMED).replace(b"5.1.4.1.1.66.4", b"5.1.4.1.1.48.3")
    error = refusal(write(tmp_path / "contours.dcm", content))
    assert error.code == "labels-dicom-kind"
    assert "RTSTRUCT" in error.what
    folder = tmp_path / "series"
    folder.mkdir()
    write(folder / "contours.dcm", content)
    assert refusal(folder).code == "labels-no-masks"


def test_segments_named_upside_down_are_refused(tmp_path: Path) -> None:
    """Painted names have no numbers that could be read in another scheme."""
    swapped = [segment(n, level) for n, level in enumerate(reversed(LEVELS), start=1)]
    error = refusal(write(tmp_path / "seg.dcm", seg_bytes(MASKS, AFFINE, swapped)), image=CT)
    assert error.code == "labels-out-of-order"


@pytest.mark.parametrize("axes", ["LPS", "RAS"])
@pytest.mark.parametrize("degrees", [-17.0, 12.0])
def test_frames_of_a_tilted_gantry_lie_on_the_straightened_ct(
    tmp_path: Path, axes: str, degrees: float
) -> None:
    """The CT's slices were moved within their planes when it was read; frames left out must not matter."""
    truth, tilted = draw(IDS, spacing=(3.0, 2.5, 2.0), orientation=axes)
    tilted[1, 2] += 2.0 * np.tan(np.deg2rad(degrees))
    image = rectify(np.zeros(truth.shape, dtype=np.int16), tilted, fill=-1024.0)
    assert image.tilt_deg == pytest.approx(abs(degrees))
    expected = rectify(truth, tilted, fill=0.0, nearest=True).data
    ct = Volume(image.data, image.affine)
    path = tmp_path / "seg.dcm"
    for order in (None, shuffled):
        write(path, seg_bytes([truth == n for n in IDS.values()], tilted, NAMED, order=order))
        assert np.array_equal(read_labels(path, image=ct).data, expected)
    off = tilted.copy()
    off[2, 3] += 0.9
    assert (
        refusal(write(path, seg_bytes([truth == n for n in IDS.values()], off, NAMED)), image=ct).code
        == "label-grid-differs"
    )


def test_irregular_frames_are_refused(tmp_path: Path) -> None:
    import pydicom

    path = write(tmp_path / "seg.dcm", seg_bytes(MASKS, AFFINE, NAMED))
    dataset = pydicom.dcmread(path)
    group = dataset.PerFrameFunctionalGroupsSequence[5]
    group.PlanePositionSequence[0].ImagePositionPatient[2] += 0.77
    dataset.save_as(path)
    assert refusal(path, image=CT).code == "seg-frames-irregular"
    dataset.PerFrameFunctionalGroupsSequence[5].PlanePositionSequence = []
    dataset.save_as(path)
    assert refusal(path, image=CT).code == "file-unreadable"
    dataset.NumberOfFrames = len(dataset.PerFrameFunctionalGroupsSequence) + 40
    dataset.save_as(path)
    assert refusal(path, image=CT).code == "file-truncated"


def slicer(level: str, **more: object) -> dict[str, object]:
    return {"ID": f"S_{level}", "Name": level, "Extent": "0 1 0 1 0 1", **more}


def test_a_slicer_segmentation_with_one_shared_map(tmp_path: Path) -> None:
    data = np.zeros(TRUTH.shape, dtype=np.uint8)
    parts = []
    for value, (level, number) in enumerate(IDS.items(), start=3):
        data[number == TRUTH] = value
        parts.append(slicer(f"{level} vertebra", LabelValue=value, Layer=0))
    data[:2, :2, :2] = 9
    parts.append(slicer("tumour", LabelValue=9, Layer=0))
    path = seg_nrrd(tmp_path / "x.seg.nrrd", data, AFFINE, parts)
    labels = read_labels(path, image=CT)
    assert np.array_equal(labels.data, TRUTH)
    assert "named in the file" in labels.counted_how


def test_a_slicer_segmentation_cropped_to_its_segments(tmp_path: Path) -> None:
    box = tuple(slice(int(n.min()), int(n.max()) + 1) for n in np.nonzero(TRUTH))
    offset = [part.start for part in box]
    parts = [slicer(level, LabelValue=number, Layer=0) for level, number in IDS.items()]
    path = seg_nrrd(tmp_path / "x.seg.nrrd", TRUTH[box], AFFINE, parts, offset=offset)
    assert np.array_equal(read_labels(path, image=CT).data, TRUTH)
    wider = np.pad(TRUTH, 4)
    path = seg_nrrd(tmp_path / "x.seg.nrrd", wider, AFFINE, parts, offset=(-4, -4, -4))
    assert np.array_equal(read_labels(path, image=CT).data, TRUTH)
    wider[0, 0, 0] = IDS["L1"]
    path = seg_nrrd(tmp_path / "x.seg.nrrd", wider, AFFINE, parts, offset=(-4, -4, -4))
    assert refusal(path, image=CT).code == "label-grid-differs"
    off = AFFINE.copy()
    off[:3, 3] += 0.4
    assert (
        refusal(seg_nrrd(tmp_path / "x.seg.nrrd", TRUTH, off, parts), image=CT).code == "label-grid-differs"
    )


def test_a_slicer_segmentation_in_layers(tmp_path: Path) -> None:
    wider = MASKS[1] | np.roll(MASKS[1], 9, axis=2)
    layers = np.stack([(IDS["T12"] == TRUTH) * 1 + MASKS[2] * 2, wider * 1])
    tags = "TerminologyEntry:list~SCT^123037004^Anatomical Structure~SCT^66794005^L1 vertebra~^^~x~^^~^^|"
    parts = [
        slicer("T12", LabelValue=1, Layer=0),
        slicer("Segment_2", LabelValue=1, Layer=1, Tags=tags),
        slicer("L2", LabelValue=2, Layer=0),
    ]
    labels = read_labels(seg_nrrd(tmp_path / "x.seg.nrrd", layers, AFFINE, parts), image=CT)
    assert set(np.unique(labels.data)) == {0, *IDS.values()}
    assert np.array_equal(labels.data == IDS["T12"], MASKS[0])
    assert "labels-overlap" in codes(labels)
    # before layers were shared, each segment had one with the value 1
    older = np.stack(MASKS)
    path = seg_nrrd(tmp_path / "old.seg.nrrd", older, AFFINE, [{"Name": level} for level in LEVELS])
    assert np.array_equal(read_labels(path, image=CT).data, TRUTH)


def test_broken_slicer_segmentations(tmp_path: Path) -> None:
    one = np.zeros((1, 1, 1), dtype=np.uint8)
    path = seg_nrrd(tmp_path / "x.seg.nrrd", one, AFFINE, [slicer("L1", LabelValue=1, Layer=0)])
    assert refusal(path).code == "labels-empty"
    layers = np.stack(MASKS)
    path = seg_nrrd(tmp_path / "x.seg.nrrd", layers, AFFINE, [slicer("L1", LabelValue=1, Layer=7)])
    assert refusal(path).code == "file-unreadable"
    path = seg_nrrd(tmp_path / "x.seg.nrrd", layers, AFFINE, [slicer("liver", LabelValue=1, Layer=0)])
    assert refusal(path).code == "labels-no-levels"
    path.write_bytes(path.read_bytes()[:-300])
    assert refusal(seg_nrrd(path, layers, AFFINE, [slicer("L1", LabelValue=1, Layer="x")])).code in {
        "file-unreadable",
        "not-three-dimensional",
    }


def folder_of(tmp_path: Path, names: dict[str, np.ndarray], affine: np.ndarray = AFFINE) -> Path:
    folder = tmp_path / "masks"
    folder.mkdir(exist_ok=True)
    for name, mask in names.items():
        nibabel.save(nibabel.Nifti1Image(mask.astype(np.uint8), affine), folder / name)
    return folder


@pytest.mark.parametrize("pattern", ["vertebrae_{}.nii.gz", "{}.nii.gz", "vertebra_{}.nii", "Vert {}.nii.gz"])
def test_folders_of_masks_by_several_names(tmp_path: Path, pattern: str) -> None:
    masks = {pattern.format(level): mask * 255 for level, mask in zip(LEVELS, MASKS, strict=True)}
    folder = folder_of(tmp_path, {**masks, "ct.nii.gz": TRUTH, "aorta.nii.gz": MASKS[0] * 0})
    labels = read_labels(folder, image=CT)
    assert np.array_equal(labels.data, TRUTH)
    only = read_labels(folder / pattern.format("L1"), image=CT)
    assert np.array_equal(only.data, np.where(MASKS[1], IDS["L1"], 0))


def test_masks_that_overlap_are_told(tmp_path: Path) -> None:
    wider = MASKS[2] | np.roll(MASKS[2], 9, axis=2)
    masks = dict(zip([f"{level}.nii.gz" for level in LEVELS], [*MASKS[:2], wider], strict=True))
    labels = read_labels(folder_of(tmp_path, masks), image=CT)
    found = [f for f in labels.volume.findings if f.code == "labels-overlap"]
    assert [f.level for f in found] == ["L1"]
    assert f"{int((wider & MASKS[1]).sum())} voxels" in found[0].text
    assert np.array_equal(labels.data == IDS["L1"], MASKS[1])


def test_one_damaged_mask_is_named(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, dict(zip([f"{level}.nii.gz" for level in LEVELS], MASKS, strict=True)))
    whole = (folder / "L1.nii.gz").read_bytes()
    for broken, codes_wanted in (
        (whole[: len(whole) // 2], {"file-truncated", "file-unreadable"}),
        (b"", {"file-truncated", "file-unreadable"}),
        (
            whole[:40] + b"\xff" * 9 + whole[49:],
            {"file-unreadable", "file-truncated", "not-three-dimensional"},
        ),
    ):
        (folder / "L1.nii.gz").write_bytes(broken)
        error = refusal(folder)
        assert error.code in codes_wanted
        assert "mask of L1" in error.what
    folder_of(tmp_path, {"L1.nii.gz": MASKS[1] * 1 + MASKS[2] * 2})
    assert refusal(folder).code == "labels-mask-not-binary"
    folder_of(tmp_path, {"L1.nii.gz": MASKS[1]}, AFFINE @ np.diag([1.1, 1, 1, 1]))
    assert refusal(folder).code == "label-grid-differs"


@pytest.mark.parametrize(
    ("name", "level", "organ"),
    [
        ("Th12", "T12", None),
        ("vertebra_L01", "L1", None),
        ("L4 vertebra", "L4", None),
        ("Fifth lumbar vertebra", "L5", None),
        ("atlas", "C1", None),
        ("sacrum", "S1", "sacrum"),
        ("L7", None, None),
        ("disc L1", None, None),
        ("kidney_cyst_left", None, None),
        ("lung_vessels", None, None),
        ("Right Lung", None, "lung"),
        ("lung_upper_lobe_left", None, "lung"),
        ("rib_left_12", None, "rib"),
        ("esophagus", None, "oesophagus"),
        ("IVC", None, "inferior_vena_cava"),
        ("thoracic aorta", None, "aorta"),
        ("heart", None, None),
    ],
)
def test_names_of_levels_and_organs(name: str, level: str | None, organ: str | None) -> None:
    assert level_in_name(name) == level
    assert organ_in_name(name) == organ


def test_codes_are_those_of_the_standard() -> None:
    from pydicom.sr.codedict import codes as standard

    group = standard.cid7603
    for word in group.dir():
        concept = getattr(group, word)
        level = concept.meaning.split()[0]
        assert NAME_OF_CODE[concept.value] == level
        assert level in VERSE_IDS
    for word, name in (
        ("Aorta", "aorta"),
        ("Kidney", "kidney"),
        ("SpinalCord", "spinal cord"),
        ("Rib", "rib"),
    ):
        assert NAME_OF_CODE[getattr(standard.SCT, word).value] == name


def test_mutated_segmentations_are_read_or_refused(tmp_path: Path) -> None:
    """Bytes changed, cut and doubled: labels or words, never a traceback."""
    rng = np.random.default_rng(11)
    small, affine = draw(scheme_ids("verse", ("L1", "L2")), spacing=(5.0, 5.0, 5.0))
    masks = [small == 20, small == 21]
    named = [segment(1, "L1"), segment(2, "L2")]
    parts = [slicer("L1", LabelValue=1, Layer=0), slicer("L2", LabelValue=1, Layer=1)]
    forms = {
        "x.dcm": seg_bytes(masks, affine, named),
        "y.dcm": seg_bytes(masks, affine, named, kind="FRACTIONAL"),
        "x.seg.nrrd": seg_nrrd(tmp_path / "x.seg.nrrd", np.stack(masks), affine, parts).read_bytes(),
    }
    refused = 0
    for name, whole in forms.items():
        for trial in range(40):
            content = bytearray(whole)
            low = 0 if trial % 2 else int(rng.integers(0, min(2000, len(content) - 1)))
            for _ in range(int(rng.integers(1, 12))):
                content[int(rng.integers(low, min(len(content), low + 3000)))] = int(rng.integers(0, 256))
            if trial % 5 == 0:
                del content[int(rng.integers(1, len(content))) :]
            path = write(tmp_path / name, bytes(content))
            try:
                labels = read_labels(path)
            except InputError as error:
                refused += bool(error.do)
                continue
            assert set(np.unique(labels.data)) <= {0, *VERSE_IDS.values()}
    assert refused > 50
