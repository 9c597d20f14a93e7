"""Clicks off the middle of a body, in a disc, in the other convention, and neighbours that nobody clicked."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from endplate.errors import QualityGateError
from endplate.imaging.levels import VERSE_IDS
from endplate.imaging.volume import Volume
from endplate.labelling.arch_places import places
from endplate.labelling.bodies import segment_bodies
from endplate.labelling.growth import centred
from endplate.labelling.guards import find_guards
from endplate.labelling.model import LabelledBody, Seed
from endplate.labelling.seeds import seed_axes
from endplate.labelling.spine_labels import labels_of
from endplate.synthetic import GridSpec, Phantom, build_phantom, default_spec

LEVELS = ("T12", "L1", "L2")


@cache
def _thick() -> Phantom:
    """Three levels on slices of 2.5 mm."""
    grid = GridSpec(spacing=(0.9, 0.9, 2.5), margin_mm=(10.0, 6.0, 14.0), psf_fwhm_mm=0.9, noise_hu=12.0)
    return build_phantom(default_spec(LEVELS), grid)


def _image() -> Volume:
    volume = _thick().volume
    assert volume is not None
    return volume


def _middle(level: str, up_mm: float = 0.0) -> NDArray[np.float64]:
    frame = _thick().truth.levels[level].frame
    return np.array(frame.origin_ras_mm) + up_mm * np.array(frame.superior_ras)


def _overlap(one: LabelledBody, other: LabelledBody) -> float:
    masks = []
    for body in (one, other):
        whole = np.zeros(_image().shape, dtype=bool)
        whole[body.box] = body.mask
        masks.append(whole)
    return 2.0 * np.count_nonzero(masks[0] & masks[1]) / sum(np.count_nonzero(mask) for mask in masks)


@cache
def _bodies(*off_mm: float) -> tuple[LabelledBody, ...]:
    """Bodies of the three levels from clicks off the middle by so much along their axes."""
    clicks = zip(LEVELS, off_mm, strict=True)
    return segment_bodies(_image(), [Seed(level, _middle(level, off)) for level, off in clicks])


@pytest.mark.parametrize("off_mm", [-7.0, 7.0])
def test_the_start_is_the_middle_wherever_between_the_endplates_one_clicks(off_mm: float) -> None:
    seed = Seed("L1", _middle("L1", off_mm))
    (axes,), _ = seed_axes([seed])
    start = centred(_image(), seed, axes, 1.0).origin_ras_mm
    frame = _thick().truth.levels["L1"].frame
    assert abs(float((start - np.array(frame.origin_ras_mm)) @ np.array(frame.superior_ras))) < 2.0


def test_clicks_near_an_endplate_of_thick_slices_find_the_same_body() -> None:
    for exact, off in zip(_bodies(0.0, 0.0, 0.0), _bodies(6.5, -6.5, 6.5), strict=True):
        assert _overlap(exact, off) > 0.95, exact.level


def test_a_click_in_a_disc_is_refused() -> None:
    disc = 0.5 * (_middle("T12") + _middle("L1"))
    with pytest.raises(QualityGateError) as refused:
        segment_bodies(_image(), [Seed("L1", disc)])
    assert refused.value.code == "seed-not-in-body"
    assert "L1" in refused.value.what


def test_a_point_in_the_other_convention_is_told() -> None:
    # Beside the spine as much soft tissue again, world zero between the two: the mirror image of L1 lies in it.
    image = _image()
    wide = np.pad(image.data, ((image.shape[0], 0), (0, 0), (0, 0)), constant_values=40)
    there = image.to_voxel(_middle("L1"))
    there[0] += image.shape[0]
    affine = image.affine.copy()
    affine[:3, 3] = 0.0
    _, y, z = affine[:3, :3] @ there
    affine[:3, 3] = [-float(affine[0, 0]) * (image.shape[0] - 0.5), -y, -z]
    scan = Volume(wide, affine, image.scan)
    right = scan.to_world(there)
    assert abs(right[0]) > 20.0
    assert segment_bodies(scan, [Seed("L1", right)])
    with pytest.raises(QualityGateError) as refused:
        segment_bodies(scan, [Seed("L1", right * [-1.0, -1.0, 1.0])])
    assert "L1:lps:" in refused.value.do


def test_the_neighbour_that_nobody_clicked_is_found_and_not_labelled() -> None:
    image, labels = _image(), _thick().labels.data
    bodies = _bodies(0.0, 0.0, 0.0)[:2]
    guards = find_guards(image, bodies)
    assert [guard.level for guard in guards] == ["L2"]
    assert np.linalg.norm(guards[0].centre_ras_mm - _middle("L2")) < 2.5
    assert [place.level for place in places(bodies, guards) if place.seen] == ["T12", "L1", "L2"]
    found = labels_of(image, bodies, guards).labels.data
    assert set(np.unique(found)) == {0, VERSE_IDS["T12"], VERSE_IDS["L1"]}
    own = labels == VERSE_IDS["L1"]
    assert np.count_nonzero(
        (found == VERSE_IDS["L1"]) & (labels == VERSE_IDS["L2"])
    ) < 0.01 * np.count_nonzero(own)


def test_beyond_the_scan_there_is_no_neighbour() -> None:
    assert find_guards(_image(), _bodies(0.0, 0.0, 0.0)) == ()
