"""The first and the last level of a map: no neighbour beyond, in a spine that curves on."""

from __future__ import annotations

import numpy as np
import pytest
from spine_makers import (
    CANAL_CENTRE_MM,
    CANAL_HALF_MM,
    Solid,
    column,
    joined,
    lordosis,
    spine_map,
    toy_vertebra,
    without,
)

from endplate.anatomy.axes import Axes
from endplate.anatomy.locate import Located, locate_vertebrae
from endplate.imaging.levels import VERSE_IDS
from endplate.synthetic import GridSpec, build_phantom, random_spec

BODY_ML = np.pi * 21.0 * 16.0 * 24.0 / 1000.0
"""Volume of the toy vertebra's body."""

DEEP = CANAL_HALF_MM[1]


def _open_arch() -> Solid:
    """An arch that does not close behind (spina bifida occulta)."""
    return without(toy_vertebra(), column(7.0, 14.0, -40.0, 40.0, (0.0, CANAL_CENTRE_MM[1] - DEEP - 8.0)))


def _ragged() -> Solid:
    """A body whose quarters are shifted against each other by 10 mm: no plane explains its endplates."""

    def shifted(p: np.ndarray) -> np.ndarray:
        moved = p.copy()
        moved[..., 2] -= np.where(p[..., 1] > -16.0, 5.0 * np.sign(p[..., 0] * p[..., 1]), 0.0)
        return toy_vertebra()(moved)

    return shifted


def _degrees(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip(a @ b, -1.0, 1.0))))


def _located(end: Solid, turn_deg: float, *, first: bool) -> tuple[Located, Axes]:
    """Three toy vertebrae along an arc; the one at an end is given."""
    solids, frames = [toy_vertebra()] * 3, lordosis(turn_deg)
    place = 0 if first else 2
    solids[place] = end
    return locate_vertebrae(spine_map(solids, frames))[place], frames[place]


@pytest.mark.parametrize("first", [False, True], ids=["last", "first"])
def test_an_open_arch_at_an_end_takes_its_canal_from_the_next_level(first: bool) -> None:
    found, true = _located(_open_arch(), 12.0, first=first)
    assert found.canal_source == "borrowed"
    vertebra = found.vertebra
    assert vertebra.canal is not None
    centre = true.to_local(vertebra.axes.to_world(np.append(vertebra.canal.centre_at(0.0), 0.0)))
    assert abs(centre[0]) < 0.5
    assert centre[1] == pytest.approx(CANAL_CENTRE_MM[1], abs=2.0)
    volume = vertebra.body.mask.sum() * vertebra.grid.step_mm**3 / 1000.0
    assert volume == pytest.approx(BODY_ML, rel=0.1)
    assert _degrees(vertebra.axes.superior, true.superior) < 1.0


@pytest.mark.parametrize("first", [False, True], ids=["last", "first"])
def test_an_end_level_without_endplates_goes_on_along_the_curve(first: bool) -> None:
    found, true = _located(_ragged(), 16.0, first=first)
    assert found.vertebra.frame_borrowed
    assert found.canal_source == "measured"
    # The neighbour's own axis is 16° off, the chord to it 8°.
    assert _degrees(found.vertebra.axes.superior, true.superior) < 4.0


def test_a_level_that_reaches_out_of_the_scan_takes_its_neighbours_axis() -> None:
    process = column(60.0, 3.0, -3.0, 3.0, (0.0, -12.0))
    found, _ = _located(joined(_ragged(), process), 16.0, first=False)
    assert found.cut
    assert found.vertebra.frame_borrowed
    assert _degrees(found.vertebra.axes.superior, lordosis(16.0)[1].superior) < 1.0


def test_laminae_that_meet_in_a_deep_angle_still_close_the_canal_of_l5() -> None:
    made = build_phantom(
        random_spec(203, ("L3", "L4", "L5")), GridSpec((1.0, 1.0, 2.0), margin_mm=6.0), ct=False
    )
    found = locate_vertebrae(made.labels)[-1]
    vertebra = found.vertebra
    assert found.canal_source == "measured"
    assert not vertebra.frame_borrowed
    assert _degrees(vertebra.axes.superior, np.array(made.truth.levels["L5"].frame.superior_ras)) < 1.0
    voxels = np.argwhere(made.labels.data == VERSE_IDS["L5"])
    local = vertebra.axes.to_local(made.labels.volume.to_world(voxels))
    index = np.rint((local - vertebra.grid.low_mm) / vertebra.grid.step_mm).astype(int)
    index = np.clip(index, 0, np.array(vertebra.grid.values.shape) - 1)
    ours = vertebra.body.mask[tuple(index.T)]
    true = made.subregions.data[tuple(voxels.T)] == 49
    assert 2.0 * (ours & true).sum() / (ours.sum() + true.sum()) > 0.85
