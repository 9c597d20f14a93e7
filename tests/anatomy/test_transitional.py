"""Level names beside what ribs and sacrum show: told, never changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from endplate.anatomy.transitional import count_levels
from endplate.imaging.levels import VERSE_IDS
from endplate.imaging.organ_map import ORGAN_IDS, OrganMap
from endplate.imaging.volume import LabelMap, Volume
from endplate.synthetic import GridSpec, Phantom, build_phantom, default_spec

GRID = GridSpec((2.0, 2.0, 2.0), margin_mm=(60.0, 12.0, 8.0))


@pytest.fixture(scope="module")
def thoracolumbar() -> Phantom:
    """T11 to L2 with ribs in view on T11 and T12."""
    return build_phantom(default_spec(("T11", "T12", "L1", "L2")), GRID)


def renamed(labels: LabelMap, names: dict[str, str]) -> LabelMap:
    """The same labels under other names."""
    table = np.arange(256, dtype=np.uint8)
    for old, new in names.items():
        table[VERSE_IDS[old]] = VERSE_IDS[new]
    return replace(labels, volume=replace(labels.volume, data=table[labels.data]))


def codes(labels: LabelMap, image: Volume | None, organs: OrganMap | None = None) -> set[str]:
    return {f.code for f in count_levels(labels, image, organs).findings}


def test_ribs_of_the_ct_are_counted(thoracolumbar: Phantom):
    counting = count_levels(thoracolumbar.labels, thoracolumbar.volume)
    assert counting.ribs == {"T11": "rib", "T12": "rib", "L1": "none", "L2": "none"}
    assert "labelled T12" in counting.counted_how
    assert counting.findings == ()


def test_labels_one_off_are_told_and_kept(thoracolumbar: Phantom):
    shifted = renamed(thoracolumbar.labels, {"T11": "T12", "T12": "L1", "L1": "L2", "L2": "L3"})
    before = shifted.data.copy()
    # The short twelfth rib then stands at what is called L1.
    assert "rib-stub-at-l1" in codes(shifted, thoracolumbar.volume)
    assert np.array_equal(before, shifted.data)
    up = renamed(thoracolumbar.labels, {"T11": "T10", "T12": "T11", "L1": "T12", "L2": "L1"})
    assert "ribs-not-at-t12" in codes(up, thoracolumbar.volume)


def test_thirteenth_rib_bearing_vertebra_is_told(thoracolumbar: Phantom):
    thirteen = renamed(thoracolumbar.labels, {"T11": "T12", "T12": "T13"})
    assert {"ribs-not-at-t12", "transitional-label"} <= codes(thirteen, thoracolumbar.volume)


def test_ribs_out_of_view_are_not_missing_ribs(thoracolumbar: Phantom):
    points = thoracolumbar.labels.volume.to_world(np.argwhere(thoracolumbar.labels.data > 0))
    voxels = thoracolumbar.labels.volume.to_voxel(points)
    low, high = voxels.min(axis=0) - 2, voxels.max(axis=0) + 3
    labels = replace(thoracolumbar.labels, volume=thoracolumbar.labels.volume.crop(low, high))
    counting = count_levels(labels, thoracolumbar.volume.crop(low, high))
    assert set(counting.ribs.values()) <= {"not in view", "rib"}
    assert "ribs-not-at-t12" not in {f.code for f in counting.findings}
    assert codes(labels, None) == {"levels-not-counted"}


def blocks(levels: tuple[str, ...]) -> LabelMap:
    """One block a level, from the head down, the last of them perhaps the sacrum."""
    data = np.zeros((30, 30, 14 * len(levels)), dtype=np.uint8)
    for n, level in enumerate(reversed(levels)):
        data[10:20, 8:24, 14 * n : 14 * n + 11] = VERSE_IDS[level]
    return LabelMap(Volume(data, np.diag([3.0, 3.0, 3.0, 1.0])), "verse", False, "Names as given.")


@pytest.mark.parametrize(("lumbar", "told"), [(4, True), (5, False), (6, True)], ids=["four", "five", "six"])
def test_lumbar_levels_above_a_seen_sacrum(lumbar: int, told: bool):
    levels = ("T11", "T12", *(f"L{n}" for n in range(1, lumbar + 1)), "S1")
    counting = count_levels(blocks(levels))
    assert counting.sacrum_seen
    assert ("lumbar-count" in {f.code for f in counting.findings}) is told
    assert f"{lumbar} lumbar levels" in counting.counted_how


def test_part_of_the_lumbar_spine_is_not_a_count():
    assert "lumbar-count" not in codes(blocks(("L3", "L4", "L5", "S1")), None)


def test_rib_map_is_believed_and_stubs_are_told():
    labels = blocks(("T12", "L1", "L2"))
    organs = np.zeros(labels.data.shape, dtype=np.uint8)
    top, middle = 14 * 2 + 5, 14 + 5
    organs[0:10, 10, top], organs[20:30, 10, top] = ORGAN_IDS["rib"], ORGAN_IDS["rib"]
    organs[20:26, 10, middle] = ORGAN_IDS["rib"]
    found = count_levels(labels, None, OrganMap(replace(labels.volume, data=organs)))
    assert found.ribs == {"T12": "rib", "L1": "stub", "L2": "none"}
    assert "rib-stub-at-l1" in {f.code for f in found.findings}
