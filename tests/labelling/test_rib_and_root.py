"""Bone in doubt goes to the rib, and roots of pedicles in front of the posterior wall to the body."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import ndimage

from endplate.imaging.levels import VERSE_IDS
from endplate.labelling.bodies import segment_bodies
from endplate.labelling.model import LabelledBody, Seed
from endplate.labelling.parting import in_front_of_wall
from endplate.labelling.spine_labels import ARCH, BODY, Labelling, labels_of
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


def test_no_arch_is_left_in_front_of_the_wall_beside_the_body() -> None:
    phantom, body, found = _labelled()
    arch = np.argwhere(found.subregions.data == ARCH)
    assert not in_front_of_wall(body, found.labels.volume.to_world(arch)).any()
    grown = found.subregions.data == BODY
    surface = np.zeros_like(grown)
    surface[body.box] = body.mask
    roots = grown & ~surface
    assert roots.any()
    assert not (surface & ~grown).any()
    assert np.isin(phantom.labels.data[roots], VERSE_IDS[LEVEL]).mean() > 0.8
    behind = body.axes.to_local(phantom.labels.volume.to_world(np.argwhere(roots)))
    assert (behind[:, 1] < 0.0).all()
