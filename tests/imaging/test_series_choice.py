"""Which of several series is marked as the best, how they are listed, and what of a disc is missed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ct_maker import grid, sample, write_series
from dicom_maker import secondary_capture, slices_of, write_enhanced
from pydicom.dataset import Dataset

from endplate.errors import EndplateError
from endplate.imaging.dicom_series import LONGEST, list_series
from endplate.imaging.dicomdir import listed_images
from endplate.imaging.read import read_image
from endplate.imaging.slices import interpolated, longest_run, place_slices

AXIAL = np.diag([-1.0, -1.0, 1.0])


def made(folder: Path, number: int, *, mm: float = 2.0, count: int = 20, **tags) -> None:
    shape = (30, 26, count)
    affine = grid(AXIAL, (2.5, 2.5, mm), shape)

    def edit(ds, k):
        for name, content in tags.items():
            setattr(ds, name, content)

    write_series(folder / f"{number}", sample(affine, shape), affine, series=number, edit=edit)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"ConvolutionKernel": "B70f"}, "sharp kernel"),
        ({"mm": 3.0, "count": 14}, "thick slices"),
        ({"mm": 1.0, "count": 12}, "covers a third"),
        ({"ImageType": ["DERIVED", "SECONDARY", "MPR"]}, "reformatted"),
        ({"SliceThickness": "5"}, "thick overlapping slices"),
    ],
)
def test_the_best_series_is_marked(other: dict, why: str, tmp_path: Path) -> None:
    made(tmp_path, 1, **other)
    made(tmp_path, 2)
    assert [info.best for info in list_series(tmp_path)] == [False, True], why
    with pytest.raises(EndplateError) as caught:
        read_image(tmp_path)
    first, second = caught.value.what.split("; ")
    assert "measures best" not in first
    assert second.startswith("[2: ")
    assert "measures best" in second


def test_a_line_says_what_is_needed_to_choose(tmp_path: Path) -> None:
    made(tmp_path, 1, ContrastBolusAgent="Iopromide")
    secondary_capture(tmp_path / "dose.dcm")
    ct, page = list_series(tmp_path)
    assert ct.line() == (
        "1: CT, 2024-03-10, Spine 2.0 B30f, 20 images, 2.50 × 2.50 × 2.00 mm, 38 mm long, 2 mm thick, "
        "kernel B30f, contrast, ← measures best"
    )
    assert (ct.length_mm, ct.contrast, ct.part) == (38.0, True, "")
    assert not page.usable


def test_the_longest_part_of_a_whole_series_is_the_series(tmp_path: Path) -> None:
    made(tmp_path, 1)
    volume = read_image(tmp_path, series=f"1{LONGEST}")
    assert volume.shape[2] == 20
    assert volume.findings == ()


def test_an_enhanced_file_among_classic_ones_is_one_series_of_many_images(tmp_path: Path) -> None:
    shape = (30, 26, 9)
    affine = grid(AXIAL, (2.5, 2.5, 2.0), shape)
    path = write_enhanced(tmp_path / "e.dcm", slices_of(sample(affine, shape), affine))
    (info,) = list_series(path)
    assert (info.slices, info.spacing_mm, info.kernel, info.usable) == (9, (2.5, 2.5, 2.0), "B30f", True)
    scan = read_image(path).scan
    assert (scan.patient_position, scan.slice_thickness_mm, scan.kvp) == ("HFS", 2.0, 120.0)


def record(kind: str, **fields) -> Dataset:
    ds = Dataset()
    ds.DirectoryRecordType = kind
    for name, content in fields.items():
        setattr(ds, name, content)
    return ds


def test_a_ring_in_the_list_of_a_disc_ends() -> None:
    below, later = "OffsetOfReferencedLowerLevelDirectoryEntity", "OffsetOfTheNextDirectoryRecord"
    records = [
        record("SERIES", SeriesInstanceUID="1.2", **{below: 20}),
        record("IMAGE", ReferencedSOPInstanceUIDInFile="1.2.1", **{later: 30}),
        record("IMAGE", ReferencedSOPInstanceUIDInFile="1.2.2", **{later: 20}),
        record("SERIES", SeriesInstanceUID="1.3", **{below: 999}),
    ]
    for place, item in zip((10, 20, 30, 40), records, strict=True):
        item.seq_item_tell = place
    directory = Dataset()
    directory.DirectoryRecordSequence = records
    assert listed_images(directory) == {"1.2": {"1.2.1", "1.2.2"}}


def test_unequal_slices_are_interpolated_at_their_places() -> None:
    normal = np.array([0.0, 0.0, 1.0])
    heights = np.array([0.0, 1.2, 2.0, 3.3, 4.0, 5.2, 6.0])
    positions = np.outer(heights, [0.0, 0.2, 1.0])  # tilted by 11°
    placement = place_slices(positions, normal)
    assert placement.sources is not None
    found = placement.origin_mm + np.outer(np.arange(len(placement.sources)), placement.step_mm)
    assert found[0] == pytest.approx(positions[0], abs=1e-9)
    assert found[-1] == pytest.approx(positions[-1], abs=1e-9)
    ramp = np.broadcast_to((heights * 100).astype(np.float32), (2, 3, 7))
    values = interpolated(ramp, placement.sources)
    np.testing.assert_allclose(values[1, 2], found[:, 2] * 100, atol=1e-3)
    assert values.shape == (2, 3, len(found))


def test_the_longest_run_stops_at_gaps_and_jumps() -> None:
    normal = np.array([0.0, 0.0, 1.0])
    heights = np.concatenate([np.arange(5), np.arange(7, 18), np.arange(18, 40, 3)]).astype(float)
    positions = np.outer(heights, normal)
    start, stop = longest_run(positions, normal)
    assert heights[start:stop].tolist() == np.arange(18, 40, 3).tolist()
    positions[20:, 0] += 2.0
    start, stop = longest_run(positions, normal)
    assert heights[start:stop].tolist() == np.arange(7, 19).tolist()
    assert longest_run(positions[:2], normal) is None
