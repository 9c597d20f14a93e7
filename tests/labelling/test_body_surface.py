"""Bodies from clicks on phantoms whose surface is known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from endplate.errors import QualityGateError, UsageError
from endplate.imaging.levels import VERSE_IDS
from endplate.imaging.volume import Volume
from endplate.labelling.bodies import segment_bodies
from endplate.labelling.drum import Drum, gauge, lattice
from endplate.labelling.model import LabelledBody, Seed
from endplate.labelling.propose import propose_neighbours
from endplate.labelling.seeds import expected_spacing_mm, patient_scale, seed_axes
from endplate.labelling.surface_kernels import best_surface
from endplate.labelling.surface_search import slots_of
from endplate.synthetic import FractureSpec, GridSpec, Phantom, build_phantom, random_spec

LEVELS = ("T12", "L1", "L2")


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    spec = random_spec(811, LEVELS, fracture=FractureSpec("biconcave", 0.4), fracture_level="L1")
    return build_phantom(spec, GridSpec((1.1, 1.1, 1.4), margin_mm=14.0))


@pytest.fixture(scope="module")
def image(phantom: Phantom) -> Volume:
    assert phantom.volume is not None
    return phantom.volume


def truth(phantom: Phantom, level: str) -> np.ndarray:
    return (phantom.subregions.data == 49) & (phantom.labels.data == VERSE_IDS[level])


def centre(phantom: Phantom, level: str) -> np.ndarray:
    return phantom.labels.volume.to_world(np.argwhere(truth(phantom, level)).mean(axis=0))


@pytest.fixture(scope="module")
def bodies(phantom: Phantom, image: Volume) -> tuple[LabelledBody, ...]:
    off = {"T12": [1.5, -1.0, 1.0], "L1": [-1.0, 1.0, -1.0], "L2": [0.0, 2.0, 1.0]}
    return segment_bodies(image, [Seed(level, centre(phantom, level) + off[level]) for level in LEVELS])


def test_bodies_follow_the_true_surface(phantom: Phantom, bodies: tuple[LabelledBody, ...]) -> None:
    for body in bodies:
        true = truth(phantom, body.level)
        mask = np.zeros_like(true)
        mask[body.box] = body.mask
        dice = 2.0 * (mask & true).sum() / (mask.sum() + true.sum())
        assert dice > 0.92, body.level
        assert body.quality > 0.7
        assert np.linalg.norm(body.centroid_ras_mm - centre(phantom, body.level)) < 1.5


def test_a_deep_hollow_is_followed(phantom: Phantom, bodies: tuple[LabelledBody, ...]) -> None:
    """The middle of the broken endplate, which lies far below its rim, is met to a fraction of a voxel."""
    body = next(body for body in bodies if body.level == "L1")
    nodes = lattice(body.surface.cells)
    top = (nodes.directions[:, 2] == 1.0) & (np.hypot(*nodes.directions[:, :2].T) < 0.5)
    distance = phantom.signed_distance("L1", body.surface.vertices_ras_mm[top], "body")
    assert np.median(np.abs(distance)) < 0.5


def test_frames_are_right_handed_and_upright(bodies: tuple[LabelledBody, ...]) -> None:
    for body in bodies:
        np.testing.assert_allclose(body.axes.rotation @ body.axes.rotation.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(body.axes.rotation) > 0.99
        assert body.axes.superior[2] > 0.8
        assert body.axes.anterior[1] > 0.8


def test_the_mask_is_the_surface(bodies: tuple[LabelledBody, ...]) -> None:
    body = bodies[0]
    index = np.argwhere(np.ones_like(body.mask))
    points = index @ body.affine[:3, :3].T + body.affine[:3, 3]
    assert (body.surface.inside(points).reshape(body.mask.shape) == body.mask).all()
    out = body.axes.origin_ras_mm + 0.99 * body.surface.radii_mm[:, None] * body.surface.directions_ras
    assert body.surface.inside(out).mean() > 0.95


def test_the_order_of_the_seeds_is_kept(phantom: Phantom, image: Volume) -> None:
    seeds = [Seed(level, centre(phantom, level)) for level in ("L2", "L1")]
    told: list[str] = []
    again = segment_bodies(image, seeds, progress=lambda level, share: told.append(level))
    assert [body.level for body in again] == ["L2", "L1"] == told


def test_one_seed_and_its_neighbours(phantom: Phantom, image: Volume) -> None:
    proposals = propose_neighbours(image, [Seed("L1", centre(phantom, "L1"))])
    assert [item.level for item in proposals] == ["T12", "L2"]
    for item in proposals:
        assert np.linalg.norm(item.ras_mm - centre(phantom, item.level)) < 4.0
        assert 0.4 < item.confidence <= 1.0
        assert item.findings[0].code == "point-proposed"


def test_a_level_between_two_seeds_is_proposed(phantom: Phantom, image: Volume) -> None:
    seeds = [Seed(level, centre(phantom, level)) for level in ("T12", "L2")]
    (item,) = propose_neighbours(image, seeds, above=0, below=0)
    assert item.level == "L1"
    assert np.linalg.norm(item.ras_mm - centre(phantom, "L1")) < 5.0


@pytest.mark.parametrize(
    ("level", "words"), [("disc", "disc"), ("canal", "canal"), ("soft tissue", "soft tissue")]
)
def test_a_seed_in_no_body_is_refused_in_words(
    phantom: Phantom, image: Volume, level: str, words: str
) -> None:
    points = {
        "disc": 0.5 * (centre(phantom, "T12") + centre(phantom, "L1")) + np.array([0.0, 0.0, -1.0]),
        "canal": np.array(phantom.truth.levels["L2"].canal.centre_ras_mm),
        "soft tissue": centre(phantom, "L2") + np.array([34.0, 10.0, 0.0]),
    }
    with pytest.raises(QualityGateError) as refused:
        segment_bodies(image, [Seed("L1", points[level])])
    assert refused.value.code == "seed-not-in-body"
    assert words in refused.value.what


def test_a_body_cut_by_the_scan_is_refused(phantom: Phantom, image: Volume) -> None:
    here = centre(phantom, "L2")
    cut = int(np.round(image.to_voxel(here)[2])) - 3
    rest = image.crop((0, 0, cut), image.shape)
    with pytest.raises(QualityGateError, match="cut by the edge"):
        segment_bodies(rest, [Seed("L2", here)])


def test_air_and_metal_are_refused(phantom: Phantom, image: Volume) -> None:
    here = centre(phantom, "L1")
    at = tuple(np.round(image.to_voxel(here)).astype(int))
    ball = tuple(slice(n - 3, n + 4) for n in at)
    for hu, code in ((-900, "seed-in-air"), (3000, "seed-in-dense-matter")):
        data = np.array(image.data)
        data[ball] = hu
        with pytest.raises(QualityGateError) as refused:
            segment_bodies(Volume(data, image.affine), [Seed("L1", here)])
        assert refused.value.code == code


def test_contradictory_seeds_are_refused(phantom: Phantom, image: Volume) -> None:
    t12, l1, l2 = (centre(phantom, level) for level in LEVELS)
    cases = {
        "no-seeds": [],
        "seed-level-twice": [Seed("L1", l1), Seed("L1", l2)],
        "seed-level-unsupported": [Seed("C1", l1)],
        "seed-outside": [Seed("L1", l1 + np.array([0.0, 0.0, 500.0]))],
        "seeds-upside-down": [Seed("L2", t12), Seed("L1", l1), Seed("T12", l2)],
        "seeds-out-of-order": [Seed("T12", t12), Seed("L1", l2), Seed("L2", l1)],
        "seeds-in-one-body": [Seed("L1", l1), Seed("L2", l1 + np.array([0.0, 0.0, -8.0]))],
    }
    for code, seeds in cases.items():
        with pytest.raises(UsageError) as refused:
            segment_bodies(image, seeds)
        assert refused.value.code == code


def test_room_for_a_missing_level_is_told(phantom: Phantom, image: Volume) -> None:
    seeds = [Seed("L1", centre(phantom, "T12")), Seed("L2", centre(phantom, "L2"))]
    found = segment_bodies(image, seeds)
    assert "seeds-far-apart" in {item.code for body in found for item in body.findings}


def test_the_scale_forgives_a_collapsed_body() -> None:
    spacing = [expected_spacing_mm(a, b) for a, b in itertools.pairwise(("T11", "T12", "L1", "L2", "L3"))]
    heights = np.concatenate([[0.0], -1.1 * np.cumsum(np.array(spacing, dtype=float))])
    heights[3:] += 8.0
    seeds = [
        Seed(n, np.array([0.0, 0.0, z]))
        for n, z in zip(("T11", "T12", "L1", "L2", "L3"), heights, strict=True)
    ]
    scale = patient_scale(seeds)
    assert scale is not None
    assert scale == pytest.approx(1.05, abs=0.015)
    assert patient_scale(seeds[:1]) is None
    frames, how = seed_axes(seeds)
    np.testing.assert_allclose(frames[2].superior, [0.0, 0.0, 1.0], atol=1e-9)
    assert "line" in how


def test_drum_coordinates_come_back() -> None:
    drum = Drum.of_planes(20.0, 15.0, np.array([12.0, 0.1, -0.2, 3.0]), np.array([-11.0, 0.0, 0.1, 1.0]))
    rng = np.random.default_rng(4)
    uvw = rng.uniform(-0.9, 0.9, (200, 3))
    np.testing.assert_allclose(drum.from_mm(drum.to_mm(uvw)), uvw, atol=1e-9)
    assert gauge(np.array([1.0, 0.0, 0.0])) == pytest.approx(1.0)


def test_the_best_surface_is_the_best_of_all() -> None:
    """On the smallest cube the messages find what trying every labelling finds."""
    nodes = lattice(1)
    rng = np.random.default_rng(8)
    cost = rng.uniform(0.0, 2.0, (8, 3)).astype(np.float32)
    chosen = best_surface(cost, nodes.neighbours, slots_of(nodes), np.float32(0.3), 3, 3, 60)

    def energy(labels: tuple[int, ...]) -> float:
        total = float(sum(cost[node, label] for node, label in enumerate(labels)))
        for node in range(8):
            for other in nodes.neighbours[node]:
                if other > node:
                    total += 0.3 * (labels[node] - labels[other]) ** 2
        return total

    best = min(energy(labels) for labels in itertools.product(range(3), repeat=8))
    assert energy(tuple(int(n) for n in chosen)) == pytest.approx(best, abs=0.02)
