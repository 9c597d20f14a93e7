"""Proposals say why they end, and doubt names that the bodies do not fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from endplate.imaging.volume import Volume
from endplate.labelling.model import Seed
from endplate.labelling.propose import propose_neighbours
from endplate.synthetic import GridSpec, Phantom, build_phantom, default_spec


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    grid = GridSpec(spacing=(1.2, 1.2, 1.5), margin_mm=(6.0, 4.0, 3.0), psf_fwhm_mm=0.9, noise_hu=10.0)
    return build_phantom(default_spec(("L1", "L2")), grid)


@pytest.fixture(scope="module")
def image(phantom: Phantom) -> Volume:
    assert phantom.volume is not None
    return phantom.volume


def centre(phantom: Phantom, level: str) -> np.ndarray:
    return np.array(phantom.truth.levels[level].frame.origin_ras_mm)


def test_the_ends_of_a_row_are_told(phantom: Phantom, image: Volume) -> None:
    notes: list[str] = []
    found = propose_neighbours(
        image, [Seed("L2", centre(phantom, "L2"))], above=1, below=1, note=notes.append
    )
    assert [item.level for item in found] == ["L1"]
    above, below = notes
    assert above.startswith("Nothing more is proposed above L1: no more than 1 on a side")
    assert below.startswith("Nothing more is proposed below L2: ")
    assert "scan" in below
    assert found[0].how.endswith(above.rstrip("."))
    assert [told.text for told in found[0].findings if told.code == "proposals-ended"] == [above]


def test_bodies_too_narrow_for_their_names_are_doubted(phantom: Phantom, image: Volume) -> None:
    known = propose_neighbours(image, [Seed("L2", centre(phantom, "L2"))], above=1, below=0)
    affine = image.affine.copy()
    affine[0] *= 0.86  # the same spine, narrower than its names have it
    narrow = replace(image, affine=affine)
    seed = Seed("L2", centre(phantom, "L2") * [0.86, 1.0, 1.0])
    notes: list[str] = []
    [odd] = propose_neighbours(narrow, [seed], above=1, below=0, note=notes.append)
    assert "proposal-name-doubtful" in {told.code for told in odd.findings}
    assert "proposal-name-doubtful" not in {told.code for told in known[0].findings}
    assert odd.confidence < 0.6 * 1.0 + 1e-9
    assert odd.confidence < known[0].confidence
    assert "count again" in notes[0]
