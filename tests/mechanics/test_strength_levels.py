"""The levels of a case pressed one after the other, the map of what gives way, and their page."""

from __future__ import annotations

import numpy as np
import pytest

from endplate.anatomy import assess
from endplate.anatomy.model import Spine
from endplate.imaging.calibration import Calibration
from endplate.imaging.volume import LabelMap, Volume
from endplate.mechanics.levels import STRAIN_STEP, CaseStrength, strength_of_levels
from endplate.mechanics.pressing import StrengthOptions
from endplate.report.scene import Scene
from endplate.report.strength import loads_table, strength_figures, strength_table
from endplate.synthetic import FractureSpec, GridSpec, build_phantom, default_spec

LINE = Calibration.line(0.8, 0.0)
Pressed = tuple[Volume, LabelMap, Spine, CaseStrength, Volume]


@pytest.fixture(scope="module")
def pressed() -> Pressed:
    spec = default_spec(("T12", "L1", "L2"), fracture={"L1": FractureSpec("wedge", 0.35)})
    phantom = build_phantom(spec, GridSpec(spacing=(1.5, 1.5, 1.5), margin_mm=8.0))
    assert phantom.volume is not None
    spine = assess(phantom.labels, phantom.volume, LINE)
    options = StrengthOptions(voxel_mm=3.0, steps="fast")
    made, strain = strength_of_levels(
        phantom.volume, phantom.labels, spine, ("L1", "L5", "L2"), LINE, options
    )
    return phantom.volume, phantom.labels, spine, made, strain


def test_a_level_that_is_not_there_does_not_stop_the_others(pressed: Pressed) -> None:
    made = pressed[3]
    assert [one.level for one in made.levels] == ["L1", "L5", "L2"]
    assert made.find("L5") is None
    assert [found.code for found in made.findings()] == ["strength-missing"]
    for level in ("L1", "L2"):
        found = made.find(level)
        assert found is not None
        assert found.strength_n is not None
        low, high = found.interval.strength_n or (0.0, 0.0)
        assert low < found.strength_n < high
    assert CaseStrength.model_validate_json(made.model_dump_json(by_alias=True)) == made


def test_only_a_fractured_level_has_a_band_of_broken_bone(pressed: Pressed) -> None:
    broken, whole = pressed[3].find("L1"), pressed[3].find("L2")
    assert broken is not None
    assert whole is not None
    assert broken.broken is not None
    assert broken.broken.strength_n is not None
    assert broken.strength_n is not None
    assert broken.broken.strength_n < broken.strength_n
    assert whole.broken is None


def test_what_gives_way_lies_in_the_levels_that_were_pressed(pressed: Pressed) -> None:
    _, labels, spine, _, strain = pressed
    assert strain.same_grid_as(labels.volume)
    ids = {level: spine.find(level).label_id for level in ("T12", "L1", "L2")}  # type: ignore[union-attr]
    assert set(np.unique(labels.data[strain.data > 0])) == {ids["L1"], ids["L2"]}
    yielded = strain.data[labels.data == ids["L2"]] * STRAIN_STEP
    assert 0.002 < yielded.max() < 0.2


def test_the_page_shows_curve_picture_and_numbers(pressed: Pressed) -> None:
    image, labels, spine, made, strain = pressed
    found, vertebra = made.find("L1"), spine.find("L1")
    assert found is not None
    assert vertebra is not None
    figures = strength_figures(Scene(image, labels), vertebra, found, strain)
    assert [figure.heading for figure in figures] == ["Pressed to failure", "Where it gives way"]
    assert "#ffd43b" in figures[1].svg  # the first shade is on the picture
    rows = {row.heading: [cell.text for cell in row.cells] for row in strength_table(found).rows}
    assert rows["Greatest force"][0] == f"{(found.strength_n or 0.0) / 1000.0:.2f}"
    assert "–" not in rows["Greatest force"]
    assert len(loads_table(found).rows) == len(found.factors) > 3
