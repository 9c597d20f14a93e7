"""A whole label map from one click a vertebra, on a phantom and on a real osteoporotic vertebra."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import nibabel
import numpy as np
import pytest

from endplate.errors import UsageError
from endplate.imaging.fingerprint import ct_fingerprint
from endplate.imaging.levels import VERSE_IDS
from endplate.imaging.read import read_image
from endplate.labelling.bodies import segment_bodies
from endplate.labelling.model import LabelledBody, Seed
from endplate.labelling.spine_labels import ARCH, BODY, CANAL, Labelling, label_from_points, labels_of
from endplate.synthetic import GridSpec, Phantom, build_phantom, default_spec

LEVELS = ("L2", "L3")


@cache
def _phantom() -> Phantom:
    grid = GridSpec(spacing=(1.0, 1.0, 1.2), margin_mm=(6.0, 4.0, 8.0), psf_fwhm_mm=0.9, noise_hu=15.0)
    return build_phantom(default_spec(LEVELS), grid)


@cache
def _bodies() -> tuple[LabelledBody, ...]:
    phantom = _phantom()
    assert phantom.volume is not None
    return segment_bodies(
        phantom.volume,
        [Seed(level, np.array(phantom.truth.levels[level].frame.origin_ras_mm) + 1.0) for level in LEVELS],
    )


@cache
def _labelling() -> Labelling:
    phantom = _phantom()
    assert phantom.volume is not None
    return labels_of(phantom.volume, _bodies())


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2.0 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b)))


@pytest.mark.parametrize("level", LEVELS)
def test_vertebra_and_arch_lie_where_they_are(level: str) -> None:
    phantom, found = _phantom(), _labelling()
    number = VERSE_IDS[level]
    true, ours = phantom.labels.data == number, found.labels.data == number
    assert _dice(ours, true) >= 0.92
    arch = _dice(ours & (found.subregions.data == ARCH), true & (phantom.subregions.data == 41))
    assert arch >= 0.80
    neighbour = ours & (phantom.labels.data > 0) & ~true
    assert np.count_nonzero(neighbour) < 0.02 * np.count_nonzero(ours)


def test_the_canal_is_free_of_bone_and_lies_in_the_true_one() -> None:
    phantom, found = _phantom(), _labelling()
    canal = found.subregions.data == CANAL
    assert canal.any()
    assert not found.labels.data[canal].any()
    rows = np.argwhere(canal)[::37]
    inside = phantom.inside("L2", phantom.labels.volume.to_world(rows), "canal")
    assert inside.mean() > 0.8


def test_both_maps_agree_on_what_is_bone() -> None:
    found = _labelling()
    bone = np.isin(found.subregions.data, (BODY, ARCH))
    assert np.array_equal(bone, found.labels.data > 0)
    assert not found.labels.body_only


def test_the_map_says_how_it_was_made() -> None:
    phantom, found = _phantom(), _labelling()
    assert phantom.volume is not None
    origin = found.labels.origin
    assert origin is not None
    assert origin.made_by == "clicks"
    assert origin.ct_fingerprint == ct_fingerprint(phantom.volume)
    assert tuple(click.level for click in origin.clicks) == LEVELS
    for level in LEVELS:
        known = origin.of_level(level)
        assert known is not None
        assert known.label_error_mm == found.level(level).label_error_mm >= 1.0
        assert known.assumed
    assert {item.code for item in found.findings} >= {"labelling-arch-threshold"}


def test_without_an_arch_only_the_body_is_labelled() -> None:
    phantom = _phantom()
    assert phantom.volume is not None
    data = np.array(phantom.volume.data)
    data[phantom.subregions.data == 41] = 50
    found = labels_of(replace(phantom.volume, data=data), _bodies())
    assert found.labels.body_only
    assert not (found.subregions.data == ARCH).any()
    assert {item.code for item in found.findings} >= {"labelling-no-canal", "labelling-quality-low"}
    sound = _labelling()
    for level in LEVELS:
        assert not found.level(level).has_arch
        assert found.level(level).label_error_mm > sound.level(level).label_error_mm


def test_a_vertebra_that_the_volume_cuts_and_metal_are_told() -> None:
    phantom = _phantom()
    assert phantom.volume is not None
    data = np.array(phantom.volume.data)
    arch = np.argwhere((phantom.labels.data == VERSE_IDS["L2"]) & (phantom.subregions.data == 41))
    x, y, z = (int(n) for n in arch[np.argmin(arch[:, 1])])
    data[x - 2 : x + 3, y : y + 5, z - 2 : z + 3] = 3000
    start = np.array([0, y + 2, 0])
    image = replace(phantom.volume, data=data).crop(start, phantom.volume.shape)
    bodies = tuple(
        replace(body, start_ijk=tuple(int(n) for n in np.array(body.start_ijk) - start)) for body in _bodies()
    )
    found = labels_of(image, bodies).level("L2")
    assert {item.code for item in found.findings} >= {"labelling-cut", "labelling-metal"}


def test_no_point_and_a_name_given_twice_are_refused() -> None:
    phantom = _phantom()
    assert phantom.volume is not None
    with pytest.raises(UsageError) as none:
        label_from_points(phantom.volume, [])
    assert none.value.code == "seeds-none"
    seed = Seed("L3", np.zeros(3))
    with pytest.raises(UsageError) as twice:
        label_from_points(phantom.volume, [seed, seed])
    assert twice.value.code == "seed-level-twice"


@pytest.mark.real_data
def test_a_real_vertebra_from_one_click(data_dir: Path) -> None:
    image = read_image(data_dir / "tptbox_L3_ct.nii.gz")
    parts = np.asarray(nibabel.load(data_dir / "tptbox_L3_subreg_labels.nii.gz").dataobj)
    levels = np.asarray(nibabel.load(data_dir / "tptbox_L3_vert_labels.nii.gz").dataobj)
    body = np.isin(parts, (49, 50)) & (levels == VERSE_IDS["L3"])
    found = label_from_points(image, [Seed("L3", image.to_world(np.argwhere(body).mean(axis=0)))])
    assert _dice(found.labels.data > 0, levels == VERSE_IDS["L3"]) >= 0.85
