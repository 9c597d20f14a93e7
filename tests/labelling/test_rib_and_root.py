"""Bone in doubt goes to the rib, and roots of pedicles in front of the posterior wall to the body."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import ndimage

from endplate.imaging.levels import VERSE_IDS
from endplate.labelling.bodies import segment_bodies
from endplate.labelling.model import LabelledBody, Seed
from endplate.labelling.spine_labels import BODY, Labelling, labels_of
from endplate.synthetic import GridSpec, Phantom, build_phantom, default_spec

LEVEL = "T12"


@cache
def _labelled() -> tuple[Phantom, LabelledBody, Labelling]:
    grid = GridSpec(spacing=(1.0, 1.0, 1.2), margin_mm=(10.0, 6.0, 16.0), psf_fwhm_mm=0.9, noise_hu=10.0)
    phantom = build_phantom(default_spec((LEVEL,)), grid)
    assert phantom.volume is not None
    centre = np.array(phantom.truth.levels[LEVEL].frame.origin_ras_mm)
    bodies = segment_bodies(phantom.volume, [Seed(LEVEL, centre + 0.8)])
    return phantom, bodies[0], labels_of(phantom.volume, bodies)


def test_a_rib_against_the_pedicle_is_not_taken_for_it() -> None:
    phantom, _, found = _labelled()
    number = VERSE_IDS[LEVEL]
    ours, true = found.labels.data == number, phantom.labels.data == number
    spacing = found.labels.volume.spacing_mm
    away = ndimage.distance_transform_edt(~true, sampling=spacing)
    assert np.count_nonzero(ours & (away > 2.5)) * float(np.prod(spacing)) < 100.0
    assert np.count_nonzero(ours & true) > 0.93 * np.count_nonzero(true)


def test_body_and_arch_part_at_the_wall_seen_from_the_canal() -> None:
    phantom, body, found = _labelled()
    own = found.labels.data == VERSE_IDS[LEVEL]
    within = own & (found.subregions.data == BODY)
    true = (phantom.subregions.data == 49) & (phantom.labels.data == VERSE_IDS[LEVEL])
    assert 2.0 * np.count_nonzero(within & true) > 0.94 * (np.count_nonzero(within) + np.count_nonzero(true))
    surface = np.zeros_like(within)
    surface[body.box] = body.mask
    roots = within & ~surface
    assert roots.any()
    # What is added to the grown body are the pedicles' roots, behind its middle and not beside it.
    local = body.surface.drum.from_mm(body.axes.to_local(phantom.labels.volume.to_world(np.argwhere(roots))))
    assert (local[:, 1] < 0.0).all()
    assert (np.abs(local[:, 0]) <= 1.0).all()
