"""Label files: read back the same in every form, with names and origin, and pointing at their CT."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import nrrd
import numpy as np
import pydicom
import pytest
from ct_maker import write_series
from dicom_maker import slices_of, write_enhanced
from labelled_spines import draw, levels_between, scheme_ids
from scipy.spatial.transform import Rotation

from endplate.errors import EndplateError
from endplate.imaging.dicom_reference import source_series
from endplate.imaging.label_lost import greatest_error_mm
from endplate.imaging.label_names import names_in_file
from endplate.imaging.label_origin import Click, LabelOrigin, LevelOrigin, Tool, read_label_origin
from endplate.imaging.label_sidecar import sidecar_of
from endplate.imaging.label_write import write_label_nifti
from endplate.imaging.labels import read_labels
from endplate.imaging.levels import VERSE_IDS
from endplate.imaging.organ_map import ORGAN_IDS, OrganMap
from endplate.imaging.organs import read_organs
from endplate.imaging.read import read_grid, read_image
from endplate.imaging.volume import LabelMap, Volume
from endplate.imaging.write import write_nifti
from endplate.labelling.outputs import form_of, write_labels, write_organs, write_subregions
from endplate.labelling.outputs_document import Labelled, document_of
from endplate.labelling.outputs_names import check_sizes, with_counting
from endplate.labelling.outputs_targets import check_free
from endplate.planning.label_trust import rules_for_labels, stated_error_mm, trust_findings
from endplate.planning.rules import load_rules

LEVELS = ("T12", "T13", "L1", "L2")
TURN = Rotation.from_euler("xyz", [7, -4, 10], degrees=True).as_matrix()
FORMS = (".nii.gz", ".nii", ".seg.nrrd", ".dcm")
ORIGIN = LabelOrigin(
    made_by="segmenter",
    ct_fingerprint="0" * 64,
    clicks=(Click(level="L1", ras_mm=(1.0, -2.5, 3.25)),),
    tool=Tool(name="TotalSegmentator", version="2.18.0", command=("TotalSegmentator", "-i", "CT")),
    mended=('L1: é \\ "quoted" <Label Key="99">x</Label>.',),
    levels=(LevelOrigin(level="L1", quality=0.75, label_error_mm=1.25, assumed=("size: the table's",)),),
)


def spine(
    axes: str = "LPS",
    levels: tuple[str, ...] = LEVELS,
    spacing: tuple[float, float, float] = (3.5, 3.0, 2.5),
) -> Volume:
    ids, affine = draw(scheme_ids("verse", levels), spacing=spacing, orientation=axes, rotation=TURN)
    return Volume(ids, affine)


@pytest.mark.parametrize("axes", ["LPS", "PIR"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_comes_back_the_same(tmp_path: Path, form: str, axes: str) -> None:
    labels = spine(axes)
    path = tmp_path / f"labels{form}"
    files = write_labels(path, labels, ORIGIN)
    assert [file.name for file in files] == [path.name, f"labels{form}.origin.json"]
    back = read_labels(path, image=replace(labels, data=np.zeros(labels.shape, dtype=np.int16)))
    assert np.array_equal(back.data, labels.data)
    assert "named in the file" in back.counted_how
    assert back.origin == ORIGIN
    assert read_label_origin(path) == ORIGIN
    first = [file.read_bytes() for file in files]
    assert [file.read_bytes() for file in write_labels(path, labels, ORIGIN)] == first


@pytest.mark.parametrize("form", [".nii.gz", ".seg.nrrd", ".dcm"])
def test_the_origin_stands_in_the_file_itself(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"labels{form}"
    _, sidecar = write_labels(path, spine(), ORIGIN)
    sidecar.unlink()
    assert read_label_origin(path) == ORIGIN
    assert "99" not in names_in_file(path).values()


@pytest.mark.parametrize("form", FORMS)
def test_a_sidecar_holds_for_its_own_bytes_only(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"labels{form}"
    _, sidecar = write_labels(path, spine(), ORIGIN)
    if form == ".dcm":
        without_private(path)
    else:  # another program saved the map without what stood in it
        path = tmp_path / "labels.nii.gz"
        sidecar.rename(sidecar_of(path))
        write_nifti(spine(), path)
    assert read_label_origin(path) is None
    back = read_labels(path, image=replace(spine(), data=np.zeros(spine().shape, dtype=np.int16)))
    assert "labels-origin-stale-derated" in {found.code for found in back.volume.findings}
    assert back.origin is not None
    assert {one.level: one.label_error_mm for one in back.origin.levels} == dict.fromkeys(
        LEVELS, pytest.approx(greatest_error_mm())
    )


def without_private(path: Path) -> None:
    """As archives and anonymisers save a file: without what they do not know."""
    dataset = pydicom.dcmread(path)
    dataset.remove_private_tags()
    dataset.save_as(path)


def test_a_segmentation_alone_keeps_what_is_taken_off_its_margins(tmp_path: Path) -> None:
    clicked = ORIGIN.model_copy(update={"made_by": "clicks", "tool": None})
    path = tmp_path / "labels.dcm"
    write_labels(path, spine(), clicked)
    for place in (tmp_path / "alone" / "copy.dcm", tmp_path / "archive" / "IM0001"):
        place.parent.mkdir()
        shutil.copy(path, place)
        for given in (place, place.parent):
            origin = read_labels(given).origin
            assert origin == clicked
            assert rules_for_labels(load_rules(), origin, "L1").search.label_error_mm == 1.25
            assert [found.code for found in trust_findings(origin, "L1")] == ["plan-labels-derated"]
    implicit = pydicom.dcmread(path)
    implicit.remove_private_tags()
    block = implicit.private_block(0x0099, "ENDPLATE LABEL ORIGIN", create=True)
    block.add_new(1, "UN", clicked.to_text().encode() + b"\0")
    implicit.save_as(tmp_path / "alone" / "copy.dcm")
    assert read_label_origin(tmp_path / "alone" / "copy.dcm") == clicked


@pytest.mark.parametrize(("made_by", "derated"), [("clicks", True), ("segmenter", False)])
def test_a_segmentation_that_lost_its_origin_is_trusted_least(
    tmp_path: Path, made_by: Any, derated: bool
) -> None:
    path = tmp_path / "labels.dcm"
    _, sidecar = write_labels(path, spine(), ORIGIN.model_copy(update={"made_by": made_by}))
    sidecar.unlink()
    without_private(path)
    back = read_labels(path)
    assert ("labels-origin-lost" in {found.code for found in back.volume.findings}) is derated
    error = stated_error_mm(back.origin, "L2")
    assert error == (pytest.approx(greatest_error_mm()) if derated else None)


def test_a_stale_sidecar_of_a_map_without_errors_takes_nothing_off(tmp_path: Path) -> None:
    path = tmp_path / "labels.nii.gz"
    write_labels(path, spine(), LabelOrigin(made_by="given"))
    write_nifti(spine(), path)
    back = read_labels(path)
    assert back.origin is None
    assert "labels-origin-stale" in {found.code for found in back.volume.findings}


def test_a_file_of_another_program_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "plain.nii.gz"
    write_nifti(spine(), path)
    assert read_label_origin(path) is None
    write_label_nifti(spine(), path, {20: "L1"})
    assert read_label_origin(path) is None
    assert read_label_origin(tmp_path) is None


@pytest.mark.parametrize("form", [".nii.gz", ".seg.nrrd", ".dcm"])
def test_a_damaged_origin_is_told_and_never_taken_for_none(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"labels{form}"
    write_labels(path, spine(), ORIGIN)
    if form == ".nii.gz":
        write_nifti(spine(), tmp_path / "plain.nii")
        image: Any = nibabel.load(tmp_path / "plain.nii")
        text = ORIGIN.to_text().replace('"segmenter"', '"oracle"')
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension(6, text.encode()))
        nibabel.save(image, path)
    elif form == ".seg.nrrd":
        path.write_bytes(path.read_bytes().replace(b'"made_by":"segmenter"', b'"made_by":"oracle"'))
    else:
        path.write_bytes(path.read_bytes().replace(b'"made_by":"segmenter"', b'"made_by":"soothsayr"'))
    with pytest.raises(EndplateError) as caught:
        read_label_origin(path)
    assert caught.value.code == "label-origin-damaged"


def test_a_truncated_file_has_no_origin_and_its_reader_says_why(tmp_path: Path) -> None:
    path = tmp_path / "cut.nii.gz"
    write_labels(tmp_path / "labels.nii.gz", spine(), ORIGIN)
    path.write_bytes((tmp_path / "labels.nii.gz").read_bytes()[:60])
    assert read_label_origin(path) is None
    with pytest.raises(EndplateError):
        read_labels(path)


def test_nifti_as_other_programs_read_it(tmp_path: Path) -> None:
    labels = spine()
    path = tmp_path / "labels.nii.gz"
    write_labels(path, labels, ORIGIN)
    image: Any = nibabel.load(path)
    assert np.array_equal(np.asarray(image.dataobj), labels.data)
    assert np.abs(image.affine - labels.affine).max() < 1e-4
    table = image.header.extensions[0].get_content()
    assert b'<Label Key="28" Red="1" Green="1" Blue="1" Alpha="1"><![CDATA[T13]]></Label>' in table
    assert json.loads(image.header.extensions[1].get_content()) == json.loads(ORIGIN.to_text())
    assert names_in_file(path) == {VERSE_IDS[level]: level for level in LEVELS}


def test_slicer_segmentation_as_pynrrd_reads_it(tmp_path: Path) -> None:
    labels = spine()
    path = tmp_path / "labels.seg.nrrd"
    write_labels(path, labels, ORIGIN)
    data, header = nrrd.read(str(path))
    assert np.array_equal(data, labels.data)
    assert header["space"] == "left-posterior-superior"
    names = [header[f"Segment{n}_Name"] for n in range(len(LEVELS))]
    values = [int(header[f"Segment{n}_LabelValue"]) for n in range(len(LEVELS))]
    assert dict(zip(names, values, strict=True)) == {level: VERSE_IDS[level] for level in LEVELS}
    assert "SCT^66794005^L1 vertebra" in header[f"Segment{names.index('L1')}_Tags"]
    assert "SCT^51282000^Vertebra" in header[f"Segment{names.index('T13')}_Tags"]
    extent = [int(n) for n in header[f"Segment{names.index('L1')}_Extent"].split()]
    places = np.argwhere(labels.data == VERSE_IDS["L1"])
    assert extent == [
        int(n) for pair in zip(places.min(axis=0), places.max(axis=0), strict=True) for n in pair
    ]


def values_of(labels: Volume) -> np.ndarray:
    """A CT of bone in soft tissue, with air at one side."""
    data = np.where(labels.data > 0, 500, 40) + np.random.default_rng(1).integers(-30, 30, labels.shape)
    data[:3] = -1000
    return data.astype(np.int16)


def a_series(folder: Path) -> tuple[Path, Volume]:
    """A DICOM CT around a label map drawn on its grid."""
    labels = spine("LPS", ("L1", "L2"))
    write_series(folder, values_of(labels), labels.affine)
    return folder, read_image(folder)


def test_dicom_segmentation_points_at_its_ct(tmp_path: Path) -> None:
    folder, image = a_series(tmp_path / "ct")
    labels = replace(image, data=np.where(image.data > 300, 20, 0).astype(np.uint8))
    path = tmp_path / "labels.dcm"
    write_labels(path, labels, ORIGIN, source_series(folder))
    seg = pydicom.dcmread(path)
    slices = {(ds := pydicom.dcmread(file)).SOPInstanceUID: ds for file in folder.iterdir()}
    one = next(iter(slices.values()))
    assert (seg.Modality, seg.SegmentationType) == ("SEG", "BINARY")
    assert seg.StudyInstanceUID == one.StudyInstanceUID
    assert seg.FrameOfReferenceUID == one.FrameOfReferenceUID
    [referenced] = seg.ReferencedSeriesSequence
    assert referenced.SeriesInstanceUID == one.SeriesInstanceUID
    assert {item.ReferencedSOPInstanceUID for item in referenced.ReferencedInstanceSequence} == set(slices)
    for frame in seg.PerFrameFunctionalGroupsSequence:
        [shown] = frame.DerivationImageSequence[0].SourceImageSequence
        place = frame.PlanePositionSequence[0].ImagePositionPatient
        assert (
            np.abs(np.array(place) - slices[shown.ReferencedSOPInstanceUID].ImagePositionPatient).max() < 0.01
        )
        assert shown.ReferencedSOPClassUID == one.SOPClassUID
    assert [str(seg.get(word, "-")) for word in ("PatientName", "PatientID", "PatientBirthDate")] == [
        "",
        "",
        "",
    ]
    assert str(one.PatientName) not in path.read_bytes().decode("latin-1")
    [segment] = seg.SegmentSequence
    assert (segment.SegmentLabel, segment.SegmentAlgorithmType) == ("L1", "AUTOMATIC")
    assert segment.SegmentAlgorithmName == "TotalSegmentator"
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "66794005"
    assert np.array_equal(read_labels(path, image=image).data, labels.data)
    alone = read_labels(path)
    assert (alone.data > 0).sum() == (labels.data > 0).sum()


def test_dicom_segmentation_of_an_enhanced_ct_names_frames(tmp_path: Path) -> None:
    labels = spine("LPS", ("L1", "L2"))
    file = write_enhanced(tmp_path / "enhanced" / "ct.dcm", slices_of(values_of(labels), labels.affine))
    image = read_image(file)
    source = source_series(file)
    assert source is not None
    labels = replace(image, data=np.where(image.data > 300, 20, 0).astype(np.uint8))
    write_labels(tmp_path / "labels.dcm", labels, ORIGIN, source)
    seg = pydicom.dcmread(tmp_path / "labels.dcm")
    shown = [
        frame.DerivationImageSequence[0].SourceImageSequence[0]
        for frame in seg.PerFrameFunctionalGroupsSequence
    ]
    numbers = [item.ReferencedFrameNumber for item in shown]
    assert len(set(numbers)) == len(numbers)
    assert {item.ReferencedSOPInstanceUID for item in shown} == {pydicom.dcmread(file).SOPInstanceUID}


def test_a_segmentation_of_a_ct_that_is_no_dicom_refers_to_nothing(tmp_path: Path) -> None:
    labels = spine()
    write_nifti(labels, tmp_path / "ct.nii.gz")
    assert source_series(tmp_path / "ct.nii.gz") is None
    write_labels(tmp_path / "labels.dcm", labels, ORIGIN)
    seg = pydicom.dcmread(tmp_path / "labels.dcm")
    assert "ReferencedSeriesSequence" not in seg
    assert seg.ContentDate == "19000101"
    assert [item.SegmentLabel for item in seg.SegmentSequence] == sorted(
        LEVELS, key=lambda name: VERSE_IDS[name]
    )


def test_all_levels_in_one_segmentation(tmp_path: Path) -> None:
    levels = (*levels_between("C7", "L5"), "L6", "S1")
    labels = spine("LPS", levels, (5.0, 5.0, 6.0))
    write_labels(tmp_path / "labels.dcm", labels, ORIGIN)
    image = replace(labels, data=np.zeros(labels.shape, dtype=np.int16))
    assert np.array_equal(read_labels(tmp_path / "labels.dcm", image=image).data, labels.data)


def test_subregions_and_organs_carry_their_names(tmp_path: Path) -> None:
    labels = spine()
    parts = replace(labels, data=np.where(labels.data > 0, 49, 0).astype(np.uint8))
    assert names_in_file(write_subregions(tmp_path / "s.nii.gz", parts)) == {49: "Vertebra_Corpus_border"}
    assert np.array_equal(read_grid(tmp_path / "s.nii.gz").data, parts.data)
    ids = np.zeros(labels.shape, dtype=np.uint8)
    for number in ORGAN_IDS.values():
        ids[number] = number
    organs = OrganMap(replace(labels, data=ids))
    back = read_organs(write_organs(tmp_path / "o.nii.gz", organs), image=labels)
    assert back is not None
    assert np.array_equal(back.volume.data, ids)


def test_names_that_say_no_form_and_files_that_are_there(tmp_path: Path) -> None:
    assert [form_of(Path(f"l{form}")) for form in FORMS] == list(FORMS)
    for name in ("l.nrrd", "l", "l.png", "l.html"):
        with pytest.raises(EndplateError) as caught:
            form_of(Path(name))
        assert (caught.value.code, caught.value.exit_code) == ("output-format", 2)
    there = tmp_path / "there.nii.gz"
    there.write_text("mine")
    for path, force, code in (
        (there, False, "output-exists"),
        (tmp_path, True, "output-not-writable"),
        (tmp_path / "no" / "l.nii", True, "output-not-writable"),
    ):
        with pytest.raises(EndplateError) as caught:
            check_free([path], force=force)
        assert caught.value.code == code
    check_free([there, tmp_path / "new.nii"], force=True)


def test_the_forms_of_one_map_stand_side_by_side(tmp_path: Path) -> None:
    for form in FORMS:
        write_labels(tmp_path / f"m{form}", spine(), ORIGIN)
    assert len({sidecar_of(tmp_path / f"m{form}") for form in FORMS}) == len(FORMS)
    assert sidecar_of(Path("a/b.seg.nrrd")) == Path("a/b.seg.nrrd.origin.json")
    assert all(read_label_origin(tmp_path / f"m{form}") == ORIGIN for form in FORMS)


@pytest.mark.parametrize("how", ["itself", "symlink", "hard link", "another way"])
def test_what_is_read_is_never_written_over(tmp_path: Path, how: str) -> None:
    ct = tmp_path / "ct.nii.gz"
    ct.write_bytes(b"voxels")
    path = tmp_path / "link.nii.gz"
    if how == "symlink":
        path.symlink_to(ct)
    elif how == "hard link":
        path.hardlink_to(ct)
    else:
        path = ct if how == "itself" else tmp_path / ".." / tmp_path.name / ct.name
    for given in ({"ct": ct}, {"inputs": [ct]}):
        with pytest.raises(EndplateError) as caught:
            check_free([path], force=True, **given)
        assert (caught.value.code, caught.value.exit_code) == ("output-is-input", 2)
    check_free([path], force=True, inputs=[ct], mended_in_place=path)


def test_the_files_of_a_series_are_never_written_over(tmp_path: Path) -> None:
    folder, image = a_series(tmp_path / "ct")
    slices = sorted(folder.iterdir())
    taken = slices[0].rename(folder / "one.dcm")
    for ct in (folder, slices[1]):
        with pytest.raises(EndplateError) as caught:
            check_free([taken], force=True, ct=ct)
        assert caught.value.code == "output-is-input"
    segmentation = folder / "labels.dcm"
    write_labels(segmentation, replace(image, data=np.full(image.shape, 20, dtype=np.uint8)), ORIGIN)
    check_free([segmentation, folder / "new.nii.gz"], force=True, ct=folder)
    with pytest.raises(EndplateError) as caught:
        check_free([segmentation], force=True, inputs=[folder])
    assert caught.value.code == "output-is-input"


def test_two_outputs_are_two_files(tmp_path: Path) -> None:
    one = tmp_path / "one.nii.gz"
    for other in (one, tmp_path / ".." / tmp_path.name / one.name, tmp_path / "ONE.nii.gz"):
        with pytest.raises(EndplateError) as caught:
            check_free([one, other], force=True)
        assert (caught.value.code, caught.value.exit_code) == ("outputs-same", 2)


def named(names: dict[str, str], *, body_only: bool = False) -> LabelMap:
    """A usual spine whose levels carry other names."""
    drawn = spine("LPS", tuple(names))
    ids = np.zeros_like(drawn.data)
    for level, name in names.items():
        ids[drawn.data == VERSE_IDS[level]] = VERSE_IDS[name]
    return LabelMap(replace(drawn, data=ids), "verse", body_only, "As drawn.")


def test_a_size_that_does_not_fit_the_name_is_told() -> None:
    def doubted(labels: LabelMap) -> list[str | None]:
        return [found.level for found in check_sizes(labels)]

    assert doubted(named({"T12": "T12", "L1": "L1", "L2": "L2"})) == []
    assert doubted(named({"L1": "T4"})) == ["T4"]
    assert doubted(named({"T12": "T2", "L1": "T3", "L2": "T4"})) == ["T2", "T3", "T4"]
    assert doubted(named({"T5": "L3"})) == ["L3"]
    assert doubted(named({"L1": "T4"}, body_only=True)) == []
    assert check_sizes(named({"L1": "T4"}), {"T4"}) == ()
    document = document_of(Labelled(named({"L1": "T4"}), LabelOrigin(made_by="clicks")))
    assert [found.code for found in document.levels[0].findings] == ["labels-size-not-of-name"]


def test_names_are_counted_against_the_sacrum() -> None:
    labels = named({level: level for level in ("T12", "L1", "L2", "L3", "L4", "S1")})
    counted = with_counting(labels, None)
    assert counted.counted_how.startswith("As drawn. Checked against the scan:")
    assert np.array_equal(counted.data, labels.data)
