"""Mending: names, joined and dropped levels, specks and holes; maps that no spine looks like are told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from labelled_spines import draw, scheme_ids

from endplate.errors import EndplateError
from endplate.imaging.label_origin import Click, LabelOrigin, LevelOrigin
from endplate.imaging.levels import VERSE_IDS
from endplate.imaging.volume import LabelMap, Volume
from endplate.labelling.mending import Mending, Merge, levels_in, mend, parse_merge, pieces, shifted_names
from endplate.labelling.mending_checks import check_map, is_refused
from endplate.labelling.outputs_document import Labelled, document_of, with_mending

LEVELS = ("T11", "T12", "L1", "L2", "L3")
DRAWN, AFFINE = draw(scheme_ids("verse", LEVELS))
MAP = Volume(DRAWN, AFFINE)


def mended(**how: Any) -> Any:
    return mend(MAP, Mending(**how))


def refusal(call: Any, *arguments: Any, **named: Any) -> EndplateError:
    with pytest.raises(EndplateError) as caught:
        call(*arguments, **named)
    assert caught.value.do
    return caught.value


def changed(change: Any) -> Volume:
    ids = np.array(DRAWN)
    change(ids)
    return Volume(ids, AFFINE)


def codes(volume: Volume) -> dict[str, str | None]:
    return {found.code: found.level for found in check_map(volume)}


@pytest.mark.parametrize("shift", [1, -1])
def test_names_are_shifted_and_nothing_else(shift: int) -> None:
    moved = mended(shift=shift).volume.data
    names = {
        "T11": ("T10", "T12"),
        "T12": ("T11", "L1"),
        "L1": ("T12", "L2"),
        "L2": ("L1", "L3"),
        "L3": ("L2", "L4"),
    }
    for level in LEVELS:
        new = VERSE_IDS[names[level][(shift + 1) // 2]]
        assert np.array_equal(moved == new, VERSE_IDS[level] == DRAWN)


@pytest.mark.parametrize(
    ("levels", "shift", "expected"),
    [
        (("T12", "T13", "L1"), 1, {"T12": "T13", "T13": "L1", "L1": "L2"}),
        (("T12", "T13", "L1"), -1, {"T12": "T11", "T13": "T12", "L1": "T13"}),
        (("L4", "L5", "S1"), 1, {"L4": "L5", "L5": "L6", "S1": "S1"}),
        (("L5", "L6", "S1"), -1, {"L5": "L4", "L6": "L5", "S1": "S1"}),
        (("C7", "T1"), 1, {"C7": "T1", "T1": "T2"}),
    ],
)
def test_shifting_knows_supernumerary_levels(levels: Any, shift: int, expected: dict[str, str]) -> None:
    assert shifted_names(levels, shift) == expected


def test_there_and_back_is_the_same_map() -> None:
    there = mended(shift=1).volume
    assert np.array_equal(mend(there, Mending(shift=-1)).volume.data, DRAWN)


@pytest.mark.parametrize(("levels", "shift"), [(("C1", "C2"), -1), (("L5", "L6"), 1)])
def test_no_name_is_invented(levels: Any, shift: int) -> None:
    assert refusal(shifted_names, levels, shift).code == "shift-off-the-spine"


def test_merge_and_drop() -> None:
    result = mended(merges=(parse_merge("T12+L1=L1"),), drops=("T11",))
    assert levels_in(result.volume.data) == ("L1", "L2", "L3")
    joined = (VERSE_IDS["T12"] == DRAWN) | (VERSE_IDS["L1"] == DRAWN)
    assert np.array_equal(result.volume.data == VERSE_IDS["L1"], joined)
    assert result.done == ("T12 and L1 joined as L1.", "T11 left out.")


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"drops": ("L5",)}, "level-absent"),
        ({"merges": (Merge("T12", "L5", "T12"),)}, "level-absent"),
        ({"merges": (Merge("T12", "L1", "L2"),)}, "level-taken"),
        ({"drops": LEVELS}, "labels-empty"),
        ({"shift": 2}, "shift-unknown"),
    ],
)
def test_what_cannot_be_mended_is_told(how: Any, code: str) -> None:
    assert refusal(mended, **how).code == code


@pytest.mark.parametrize("text", ["T12", "T12+L1", "T12=L1", "T12+L1+L2=L1"])
def test_a_broken_merge_is_told(text: str) -> None:
    assert refusal(parse_merge, text).code == "merge-broken"


def test_specks_go_near_pieces_stay_and_pin_holes_are_filled() -> None:
    number = VERSE_IDS["L1"]
    box = np.argwhere(number == DRAWN)
    low, high = box.min(axis=0), box.max(axis=0)
    inner = np.argwhere(number == DRAWN).mean(axis=0).astype(int)
    while not (DRAWN[tuple(slice(c - 1, c + 2) for c in inner)] == number).all():
        inner[1] += 1

    def spoil(ids: Any) -> None:
        ids[1, 1, 1] = number  # far away
        ids[tuple(inner)] = 0
        ids[low[0] - 2, inner[1], inner[2]] = number if low[0] >= 2 else 0  # 4 mm from the rest

    spoiled = changed(spoil)
    result = mend(spoiled, Mending(clean=True))
    assert result.volume.data[1, 1, 1] == 0
    assert result.volume.data[tuple(inner)] == number
    assert np.array_equal(result.volume.data, DRAWN)
    assert len(result.done) == 2
    assert mend(MAP, Mending(clean=True)).done == ("Nothing to clean.",)

    def break_off(ids: Any) -> None:
        ids[:, :, high[2] - 1][ids[:, :, high[2] - 1] == number] = 0

    broken = changed(break_off)
    assert np.array_equal(mend(broken, Mending(clean=True)).volume.data, broken.data)


def test_a_spine_passes_the_checks() -> None:
    assert check_map(MAP) == ()


def test_two_names_of_one_vertebra() -> None:
    number = VERSE_IDS["L1"]

    def split(ids: Any) -> None:
        for level in ("L3", "L2"):  # a name of its own for the lower half, the rest one further
            ids[ids == VERSE_IDS[level]] = VERSE_IDS[level] + 1
        part = np.argwhere(ids == number)
        lower = part[part[:, 2] < np.median(part[:, 2])]
        ids[tuple(lower.T)] = number + 1

    volume = changed(split)
    found = check_map(volume)
    assert codes(volume)["labels-split-vertebra"] == "L2"
    assert is_refused(found)
    joined = mend(volume, Mending(merges=(Merge("L1", "L2", "L1"),))).volume
    assert not is_refused(check_map(joined))


def test_one_name_of_two_vertebrae() -> None:
    def join(ids: Any) -> None:
        ids[ids == VERSE_IDS["L1"]] = VERSE_IDS["L2"]

    assert codes(changed(join))["labels-joined-vertebrae"] == "L2"


def test_a_name_in_two_places() -> None:
    def mix(ids: Any) -> None:
        part = np.argwhere(ids == VERSE_IDS["L3"])
        strays = part[part[:, 2] < np.quantile(part[:, 2], 0.4)]
        ids[tuple(strays.T)] = VERSE_IDS["T12"]

    assert codes(changed(mix))["labels-mixed-neighbours"] == "T12"


def test_an_arch_that_lost_its_pedicles_is_no_mixed_name() -> None:
    def cut(ids: Any) -> None:
        part = ids == VERSE_IDS["L1"]
        rows = np.flatnonzero(part.any(axis=(0, 2)))
        behind = rows[(rows > rows[2]) & (rows < np.argwhere(part)[:, 1].mean())]
        width = np.array([np.ptp(np.argwhere(part[:, row])[:, 0]) for row in behind])
        wide = behind[width > 0.7 * width.max()][0]  # the first row of the ring seen from behind
        ids[:, wide : wide + 2][part[:, wide : wide + 2]] = 0

    volume = changed(cut)
    _, sizes = pieces(volume.data == VERSE_IDS["L1"])
    assert 1.0 - sizes[1:].max() / sizes[1:].sum() > 0.1
    assert check_map(volume) == ()


def test_a_row_out_of_order() -> None:
    def swap(ids: Any) -> None:
        first, second = ids == VERSE_IDS["T12"], ids == VERSE_IDS["L1"]
        ids[first], ids[second] = VERSE_IDS["L1"], VERSE_IDS["T12"]

    volume = changed(swap)
    assert "labels-row-broken" in codes(volume)
    assert is_refused(check_map(volume))


def test_a_level_of_odd_size_is_doubted_not_refused() -> None:
    def shrink(ids: Any) -> None:
        part = np.argwhere(ids == VERSE_IDS["L1"])
        gone = part[part[:, 1] > np.quantile(part[:, 1], 0.4)]
        ids[tuple(gone.T)] = 0

    volume = changed(shrink)
    assert codes(volume) == {"labels-volume-jump": "L1"}
    assert not is_refused(check_map(volume))


def split_at_the_end() -> Volume:
    """The same spine whose lowest vertebra carries two names: L3 above, L4 below."""

    def split(ids: Any) -> None:
        part = np.argwhere(ids == VERSE_IDS["L3"])
        lower = part[part[:, 2] < np.median(part[:, 2])]
        ids[tuple(lower.T)] = VERSE_IDS["L4"]

    return changed(split)


def labelled(volume: Volume, levels: tuple[str, ...] = LEVELS, **said: Any) -> Labelled:
    origin = LabelOrigin(
        made_by="clicks",
        clicks=tuple(Click(level=level, ras_mm=(0.0, 0.0, 30.0 * n)) for n, level in enumerate(levels)),
        levels=tuple(
            LevelOrigin(
                level=level, quality=0.9 - 0.1 * n, label_error_mm=1.0 + n, assumed=("all", f"of {level}")
            )
            for n, level in enumerate(levels)
        ),
    )
    return Labelled(LabelMap(volume, "verse", False, "Ids 18–22: T11–L3."), origin, **said)


def test_what_is_known_of_a_level_moves_with_its_name() -> None:
    volume = split_at_the_end()
    levels = (*LEVELS, "L4")
    made = labelled(volume, levels, subregions=replace(volume, data=(volume.data > 0) * 49))
    mending = Mending(merges=(Merge("L3", "L4", "L3"),), drops=("T11",), shift=1, clean=True)
    result = with_mending(made, mending)
    assert [(one.level, one.label_error_mm) for one in result.origin.levels] == [
        ("L1", 2.0),
        ("L2", 3.0),
        ("L3", 4.0),
        ("L4", 6.0),  # of two, the worse
    ]
    joined = result.origin.levels[-1]
    assert (joined.quality, joined.assumed) == (pytest.approx(0.4), ("all", "of L3", "of L4"))
    assert [click.level for click in result.origin.clicks] == ["L1", "L2", "L3", "L4", "L4"]
    assert len(result.origin.mended) == 4
    assert document_of(result).refused is None
    assert result.subregions is not None
    assert not result.subregions.data[VERSE_IDS["T11"] == DRAWN].any()
    assert with_mending(made, Mending()) is made


def test_what_is_told_of_a_mended_map_is_told_of_the_map_as_it_is() -> None:
    made = labelled(MAP)
    gap = with_mending(made, Mending(drops=("T12",)))
    [found] = [one for one in gap.volume.findings if one.code == "labels-gap"]
    assert "no T12 between T11 and L1" in found.text
    closed = with_mending(gap, Mending(drops=("T11",)))
    assert "labels-gap" not in {one.code for one in closed.volume.findings}
    assert sum(one.code == "labels-count-unchecked" for one in closed.volume.findings) == 1
    shifted = with_mending(made, Mending(shift=1))
    assert "ids 19–23: T12–L4" in shifted.labels.counted_how
    assert "18–22" not in shifted.labels.counted_how
    assert with_mending(made, Mending(clean=True)).labels.counted_how == made.labels.counted_how


@pytest.mark.parametrize("cut", [False, True])
def test_two_vertebrae_are_not_joined(cut: bool) -> None:
    low = int(np.argwhere(VERSE_IDS["L3"] == DRAWN)[:, 2].min())
    volume = MAP.crop((0, 0, low + 4), MAP.shape) if cut else MAP
    error = refusal(with_mending, labelled(volume), Mending(merges=(Merge("L2", "L3", "L3"),)))
    assert error.code == "merge-of-two"
    assert "L2 and L3 joined as L3" in error.what
    assert "--merge L2+L3=L3" in error.do


def test_only_neighbours_are_joined() -> None:
    error = refusal(mended, merges=(Merge("T11", "L2", "L2"),))
    assert error.code == "merge-apart"
    assert "T12, L1 between them" in error.what
    assert "--merge T11+L2=L2" in error.do
    apart = mended(drops=("T12", "L1")).volume
    for first, second, into in (("T11", "L2", "L2"), ("L2", "L3", "L5"), ("L2", "L2", "L2")):
        how = Mending(merges=(Merge(first, second, into),))
        assert refusal(mend, apart, how).code == "merge-apart"
    three = mended(merges=(Merge("T12", "L1", "L1"), Merge("T11", "L1", "L1"))).volume
    assert levels_in(three.data) == ("L1", "L2", "L3")


def test_a_cut_level_can_be_too_large_and_in_two_places() -> None:
    low = int(np.argwhere(VERSE_IDS["L3"] == DRAWN)[:, 2].min())

    def of_cut(change: Any) -> dict[str, str | None]:
        volume = changed(change)
        return codes(volume.crop((0, 0, low + 4), volume.shape))

    def join(ids: Any) -> None:
        ids[np.isin(ids, [VERSE_IDS["L1"], VERSE_IDS["L2"]])] = VERSE_IDS["L3"]

    def mix(ids: Any) -> None:
        part = np.argwhere(ids == VERSE_IDS["T12"])
        strays = part[part[:, 2] < np.quantile(part[:, 2], 0.4)]
        ids[tuple(strays.T)] = VERSE_IDS["L3"]

    assert of_cut(lambda ids: None) == {}
    assert of_cut(join)["labels-joined-vertebrae"] == "L3"
    assert of_cut(mix)["labels-mixed-neighbours"] == "L3"
