"""The label schemes and their recognition: exact tables, every scheme in any orientation, no guesses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from labelled_spines import ORIENTATIONS, draw, levels_between, scheme_ids

from endplate.errors import InputError, UsageError
from endplate.imaging.arches import canal_area_mm2, shows_canal, spine_direction
from endplate.imaging.label_stats import by_level, measure_labels
from endplate.imaging.scheme_detection import detect
from endplate.imaging.schemes import SCHEMES, SUBREGION_IDS, scheme_named
from endplate.sources import citation

# Rows of the published tables: VerSe README, TotalSegmentator class map v1 and v2, totalspineseg README.
PUBLISHED = {
    "verse": {"C1": 1, "C7": 7, "T1": 8, "T12": 19, "L1": 20, "L5": 24, "L6": 25, "S1": 26, "T13": 28},
    "spineps": {"C1": 1, "T12": 19, "L5": 24, "L6": 25, "S1": 26, "T13": 28},
    "ts1": {"C1": 41, "C7": 35, "T1": 34, "T12": 23, "L1": 22, "L5": 18, "S1": 92},
    "ts2": {"C1": 50, "C7": 44, "T1": 43, "T12": 32, "L1": 31, "L5": 27, "S1": 26},
    "ts_mr": {"C1": 25, "C7": 19, "T1": 18, "T12": 7, "L1": 6, "L5": 2, "S1": 1},
    "ts_pp": {"C1": 1, "C7": 7, "T1": 8, "T12": 19, "L1": 20, "L5": 24},
    "tss": {"C1": 11, "C7": 17, "T1": 21, "T12": 32, "L1": 41, "L5": 45, "L6": 46, "S1": 50},
}


def recognise(ids: np.ndarray, affine: np.ndarray):
    stats = measure_labels(ids, affine)
    return detect(stats, lambda chain: shows_canal(ids, affine, chain.levels))


@pytest.mark.parametrize("name", SCHEMES)
def test_the_table_of_each_scheme_is_the_published_one(name: str) -> None:
    scheme = SCHEMES[name]
    for level, number in PUBLISHED[name].items():
        assert scheme.level_of_id[number] == level
    presacral = [n for n, level in scheme.level_of_id.items() if level not in {"S1", "L6", "T13"}]
    assert len(presacral) == 24
    assert citation(scheme.citation).url


def test_a_scheme_that_contradicts_itself_cannot_exist() -> None:
    with pytest.raises(ValueError, match="contradicts"):
        replace(SCHEMES["verse"], level_of_id={1: "C9"})
    with pytest.raises(ValueError, match="contradicts"):
        replace(SCHEMES["verse"], others=frozenset({20}))


def test_an_unknown_scheme_name_lists_the_known_ones() -> None:
    assert scheme_named(" TS2 ") is SCHEMES["ts2"]
    with pytest.raises(UsageError, match="nonsense") as caught:
        scheme_named("nonsense")
    assert caught.value.code == "label-scheme-name-unknown"
    assert all(name in caught.value.do for name in SCHEMES)


def test_canonical_ids_drop_everything_that_is_no_level() -> None:
    table = SCHEMES["ts2"].canonical_ids(118)
    assert table.dtype == np.uint8
    assert (table[31], table[32], table[25], table[26], table[50]) == (20, 19, 26, 26, 1)
    assert not table[[0, 1, 24, 51, 52, 63, 92, 118]].any()


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("name", ["verse", "ts1", "ts2", "ts_mr", "tss"])
def test_every_scheme_is_recognised_in_every_orientation(name: str, orientation: str) -> None:
    """T8 to the sacrum, nothing but vertebrae in the map, axes stored in seven ways."""
    levels = (*levels_between("T8", "L5"), "S1")
    ids, affine = draw(scheme_ids(name, levels), orientation=orientation, spacing=(2.5, 2.5, 2.5))
    found = recognise(ids, affine)
    assert found.scheme.name == name
    assert tuple(found.chain.levels) == levels
    assert found.rivals == () or name in {"ts1", "ts2"}


@pytest.mark.parametrize(("degrees", "axis"), [(20.0, 0), (-20.0, 1), (35.0, 2)])
def test_oblique_grids_change_nothing(degrees: float, axis: int) -> None:
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turn = np.roll(np.roll(np.array([[1, 0, 0], [0, c, -s], [0, s, c]]), axis, axis=0), axis, axis=1)
    levels = levels_between("T10", "L5")
    for name in ("verse", "ts2"):
        ids, affine = draw(scheme_ids(name, levels), rotation=turn, orientation="PIR")
        found = recognise(ids, affine)
        assert found.scheme.name == name
        assert shows_canal(ids, affine, found.chain.levels) is True


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.8, 0.8, 3.0), (3.0, 3.0, 3.0), (2.0, 1.0, 1.0)])
@pytest.mark.parametrize("orientation", ["PIR", "RAS"])
def test_arches_are_seen_and_their_absence_too(spacing: tuple[float, float, float], orientation: str) -> None:
    numbers = scheme_ids("verse", ("T9", "T10", "L2", "L3"))
    for arches in (True, False):
        ids, affine = draw(numbers, spacing=spacing, orientation=orientation, arches=arches)
        levels = by_level(measure_labels(ids, affine), SCHEMES["verse"].level_of_id)
        for level, stat in levels.items():
            area = canal_area_mm2(ids, affine, stat, spine_direction(level, levels))
            assert (area >= 60.0) is arches, (level, area)


@pytest.mark.parametrize("lean", [(0.3, 0.0), (-0.3, 0.0), (0.0, 0.3), (0.0, -0.3)])
def test_a_canal_is_seen_though_the_spine_leans_from_the_guess(lean: tuple[float, float]) -> None:
    """17 degrees off to either side or to front and back: a curve, or neighbours cut by the volume."""
    ids, affine = draw({"L2": 21}, spacing=(1.0, 1.0, 1.0))
    stat = measure_labels(ids, affine)[21]
    up = np.array([*lean, 1.0]) / np.linalg.norm([*lean, 1.0])
    assert canal_area_mm2(ids, affine, stat, up) > 150.0


def test_stray_voxels_do_not_move_the_middle_of_a_label() -> None:
    ids, affine = draw({"L2": 21}, spacing=(2.0, 2.0, 2.0))
    before = measure_labels(ids, affine)[21]
    ids[0, 0, :4] = 21
    after = measure_labels(ids, affine)[21]
    assert np.abs(after.centre_ras_mm - before.centre_ras_mm).max() <= 1.0
    assert after.cut
    assert not before.cut
    bone = np.argwhere(draw({"L2": 21}, spacing=(2.0, 2.0, 2.0))[0] > 0)
    assert np.allclose(before.centre_ras_mm, affine[:3, :3] @ np.median(bone, axis=0) + affine[:3, 3])


def test_vertebrae_cut_by_the_volume_do_not_hide_the_whole_one() -> None:
    """L2 to L4 with most of L2 and L4 outside, as in a crop around one vertebra."""
    numbers = scheme_ids("verse", ("L2", "L3", "L4"))
    ids, affine = draw(numbers, cut_mm=(38.0, 22.0))
    stats = measure_labels(ids, affine)
    assert [stats[n].cut for n in numbers.values()] == [True, False, True]
    assert recognise(ids, affine).scheme.name == "verse"
    assert shows_canal(ids, affine, by_level(stats, SCHEMES["verse"].level_of_id)) is True


def test_a_crater_in_a_collapsed_endplate_is_no_canal() -> None:
    """A body whose upper endplate has a rim-enclosed void: slices show a ring, the shadow has no hole."""
    ids, affine = draw({"L1": 20}, arches=False, spacing=(1.0, 1.0, 1.0))
    body = ids == 20
    z = np.flatnonzero(body.any(axis=(0, 1)))
    x, y, _ = (int(np.median(axis)) for axis in np.nonzero(body))
    ids[x - 8 : x + 8, y - 8 : y + 8, z[len(z) // 3] :] = 0
    levels = by_level(measure_labels(ids, affine), SCHEMES["verse"].level_of_id)
    assert shows_canal(ids, affine, levels) is False


def test_two_schemes_that_fit_are_not_guessed_between() -> None:
    """One vertebra numbered 22 is L3 in VerSe and L1 in TotalSegmentator v1."""
    ids, affine = draw({"L3": 22}, size=0.95)
    with pytest.raises(InputError) as caught:
        recognise(ids, affine)
    assert caught.value.code == "label-scheme-ambiguous"
    assert caught.value.exit_code == 3
    assert "VerSe (L3)" in caught.value.what
    assert "--scheme verse" in caught.value.do
    assert "--scheme ts1" in caught.value.do


@pytest.mark.parametrize("size", [0.86, 1.0, 1.15])
def test_sizes_decide_only_rightly(size: float) -> None:
    """Short rows whose numbers fit several schemes: recognised rightly or asked for, never wrong."""
    asked = 0
    for name in ("verse", "ts1", "ts2", "ts_mr", "tss"):
        for row in (("T4", "T5", "T6", "T7"), ("T11", "T12", "L1", "L2"), ("L2", "L3", "L4", "L5")):
            ids, affine = draw(scheme_ids(name, row), size=size, spacing=(3.0, 3.0, 3.0))
            try:
                recognised = recognise(ids, affine).scheme.name
            except InputError as error:
                recognised = name if f"--scheme {name}" in error.do else error.code
                asked += 1
            assert recognised == name
    assert asked <= 9


def test_organs_beside_the_spine_do_not_confuse() -> None:
    """Aorta, kidneys and ribs of TotalSegmentator v2 carry numbers that VerSe and v1 give to vertebrae."""
    ids, affine = draw(scheme_ids("ts2", levels_between("T9", "L4")), spacing=(3.0, 3.0, 3.0))
    ids[:4, :6, 5:25] = 2  # kidney
    ids[-4:, :6, 8:28] = 3
    ids[:5, -4:, 30:60] = 20  # colon
    ids[10:12, -3:, :] = 52  # aorta
    ids[-3:, -3:, 20:40] = 103  # rib
    found = recognise(ids, affine)
    assert (found.scheme.name, found.unknown_ids) == ("ts2", ())
    ids[-2:, :2, :3] = 200
    found = recognise(ids, affine)
    assert (found.scheme.name, found.unknown_ids) == ("ts2", (200,))


def test_spineps_is_told_from_verse_by_its_discs_and_ribs() -> None:
    numbers = scheme_ids("verse", levels_between("T11", "L3"))
    ids, affine = draw(numbers)
    ids[:2, :2, :6] = 118  # disc below T11
    ids[-2:, :2, :6] = 50  # rib of T11
    assert recognise(ids, affine).scheme.name == "spineps"


def test_totalspineseg_is_recognised_with_its_discs_canal_and_gaps() -> None:
    ids, affine = draw(scheme_ids("tss", (*levels_between("T9", "L5"), "S1")))
    ids[:2, :2, :] = 1
    ids[2:5, :2, :] = 2
    ids[-2:, :2, :6] = 92
    assert recognise(ids, affine).scheme.name == "tss"


def test_neighbours_mixed_up_are_refused_by_name() -> None:
    numbers = scheme_ids("verse", levels_between("T8", "L5"))
    numbers["T11"], numbers["T12"] = numbers["T12"], numbers["T11"]
    ids, affine = draw(numbers)
    with pytest.raises(InputError, match="T12 is not below T11") as caught:
        recognise(ids, affine)
    assert caught.value.code == "labels-out-of-order"


def test_a_subregion_map_is_refused_with_the_words_what_is_needed() -> None:
    ids, affine = draw({"L3": 50}, spacing=(1.5, 1.5, 1.5))
    x, y, z = np.indices(ids.shape)
    bone = ids > 0
    ids[bone & (y < np.median(y[bone]) - 8)] = 41
    ids[bone & (z % 3 == 0) & (ids == 50)] = 49
    ids[bone & (x < np.median(x[bone])) & (ids == 41)] = 45
    assert set(np.unique(ids)) - {0} <= SUBREGION_IDS
    with pytest.raises(InputError, match="subregion") as caught:
        recognise(ids, affine)
    assert caught.value.code == "labels-are-subregions"
    assert "vert" in caught.value.do


def test_a_mask_and_unknown_numbers_are_refused() -> None:
    ids, affine = draw(dict.fromkeys(("T12", "L1", "L2"), 1))
    with pytest.raises(InputError) as caught:
        recognise(ids, affine)
    assert caught.value.code == "labels-are-a-mask"
    ids, affine = draw({"T12": 140, "L1": 150, "L2": 160})
    with pytest.raises(InputError, match="140, 150, 160") as caught:
        recognise(ids, affine)
    assert caught.value.code == "label-scheme-unknown"
