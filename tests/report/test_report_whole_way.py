"""The report on what the measuring engine says of the phantom and of real scans."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_report_page import read, text_of
from test_report_pictures import tree_of, words_of

from endplate.anatomy import assess
from endplate.anatomy.model import Spine
from endplate.imaging.calibration import Calibration
from endplate.imaging.labels import read_labels
from endplate.imaging.levels import VERSE_IDS
from endplate.imaging.read import read_image
from endplate.imaging.volume import LabelMap, Volume
from endplate.report import ReportInputs, build_report
from endplate.report.closeup import closeup_figures
from endplate.report.scene import Scene
from endplate.synthetic.grid import GridSpec
from endplate.synthetic.norms import default_spec
from endplate.synthetic.phantom import build_phantom
from endplate.synthetic.spec import FractureSpec


def measured(labels: LabelMap, image: Volume | None) -> Spine:
    return assess(labels, image, Calibration.uncalibrated())


def test_phantom_from_labels_alone() -> None:
    """A wedge of 40 % on an oblique grid: its grade on the first page, its lines on its bone."""
    spec = default_spec(("T12", "L1", "L2"), fracture={"L1": FractureSpec("wedge", 0.4)})
    grid = GridSpec(spacing=(1.2, 1.2, 1.2), axes=("P", "I", "R"), oblique_deg=15.0, oblique_axis="S")
    phantom = build_phantom(spec, grid, ct=False)
    spine = measured(phantom.labels, None)
    html = build_report(
        ReportInputs(
            spine=spine,
            plan=None,
            image=None,
            labels=phantom.labels,
            title="Phantom",
            requested_levels=("L1",),
        )
    )
    words = text_of(html)
    first = words[: words.index("The spine at a glance")]
    assert "L1 Fracture, grade" in first
    assert "wedge shape" in first
    assert "CT does not date a fracture" in first
    assert read(html).broken == []
    _lines_end_on_bone(spine, "L1", lambda points: phantom.inside("L1", points))


@pytest.mark.real_data
def test_real_l3_has_its_lines_on_its_endplates(data_dir: Path) -> None:
    image = read_image(data_dir / "tptbox_L3_ct.nii.gz")
    labels = read_labels(data_dir / "tptbox_L3_vert_labels.nii.gz", image=image)
    spine = measured(labels, image)
    html = build_report(
        ReportInputs(spine=spine, plan=None, image=image, labels=labels, title="L3", requested_levels=("L3",))
    )
    assert "L2 The vertebral body is cut by the edge of the scan" in text_of(html).replace("warning ", "")

    def inside(points: np.ndarray) -> np.ndarray:
        voxel = np.rint(labels.volume.to_voxel(points)).astype(int)
        return labels.data[tuple(voxel.T)] == VERSE_IDS["L3"]

    _lines_end_on_bone(spine, "L3", inside)
    figures = closeup_figures(Scene(image, labels), spine, spine.find("L3"))
    letters = [words_of(tree_of(figure), "orientation") for figure in figures]
    assert [four[:2] for four in letters] == [["A", "P"], ["R", "L"], ["R", "L"]]


@pytest.mark.real_data
def test_dicom_without_labels_shows_the_scan_only(data_dir: Path) -> None:
    image = read_image(data_dir / "rider_pilot_0117_chest_thin_dicom.zip")
    spine = assess(None, image, Calibration.uncalibrated())
    html = build_report(ReportInputs(spine=spine, plan=None, image=image, labels=None, title="Scan"))
    words = text_of(html)
    assert "No label map was given" in words
    assert words.count("No vertebra was labelled.") == 3
    assert "0.80" in words
    assert "All levels" not in words


def _lines_end_on_bone(spine: Spine, level: str, inside: object) -> None:
    """Each height line is bone at its ends moved 2.5 mm inward and none 2.5 mm outward."""
    lines = spine.find(level).height_lines
    for line in (lines.anterior, lines.middle, lines.posterior):
        ends = np.array([line.superior_ras_mm, line.inferior_ras_mm])
        along = (ends[0] - ends[1]) / np.linalg.norm(ends[0] - ends[1])
        assert inside(ends + 2.5 * np.array([-along, along])).all()
        assert not inside(ends + 2.5 * np.array([along, -along])).any()
