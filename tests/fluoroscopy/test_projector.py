"""Line integrals: the fast projector against the exact one, the exact one against plain answers, bad input."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from endplate.errors import InputError, UsageError
from endplate.fluoroscopy.exact import exact_constant, exact_trilinear
from endplate.fluoroscopy.projector import Projector, line_integrals2
from endplate.fluoroscopy.view import View, mobile_view
from endplate.imaging.carm import CArmPose
from endplate.imaging.volume import Volume

CENTRE = np.array([-8.0, -60.0, 120.0])
SHAPE = (40, 36, 30)


def blobs(shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """A smooth body that fades to zero at the border of the array."""
    rng = np.random.default_rng(seed)
    at = np.stack(np.meshgrid(*(np.linspace(-1.0, 1.0, n) for n in shape), indexing="ij"), axis=-1)
    values = np.zeros(shape)
    for _ in range(12):
        middle, width = rng.uniform(-0.5, 0.5, 3), rng.uniform(0.25, 0.5)
        values += rng.uniform(0.2, 1.0) * np.exp(-((at - middle) ** 2).sum(axis=-1) / width**2)
    fade = np.prod(np.cos(0.5 * np.pi * at), axis=-1)
    return (0.02 * values * fade).astype(np.float32)


def affine_of(
    codes: tuple[int, int, int], signs: tuple[int, int, int], size: float, turn_deg: float
) -> np.ndarray:
    """An affine whose voxel axes run along the world axes ``codes``, turned about an oblique axis."""
    affine = np.eye(4)
    affine[:3, :3] = 0.0
    spacing = np.array([1.4, 1.4, 2.5]) * size
    for voxel, (world, sign) in enumerate(zip(codes, signs, strict=True)):
        affine[world, voxel] = sign * spacing[world]
    axis, angle = np.array([1.0, 2.0, 3.0]) / np.sqrt(14.0), np.radians(turn_deg)
    cross = np.cross(np.eye(3), axis)
    turn = np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross
    affine[:3, :3] = turn @ affine[:3, :3]
    return affine


def centred(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The same affine with the middle of the grid at ``CENTRE``."""
    affine = affine.copy()
    affine[:3, 3] = CENTRE - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


def greatest_error(values: np.ndarray, affine: np.ndarray, view: View) -> float:
    exact = exact_trilinear(values, affine, view)
    ours = Projector(values, affine).line_integrals(view)
    assert exact.max() > 0.0
    return float(np.abs(ours - exact).max() / exact.max())


ORIENTATIONS = [
    ((0, 1, 2), (-1, 1, 1), 0.0),
    ((1, 2, 0), (-1, -1, 1), 0.0),
    ((2, 0, 1), (1, -1, -1), 0.0),
    ((1, 2, 0), (1, -1, -1), 17.0),
]


@pytest.mark.parametrize(("codes", "signs", "turn"), ORIENTATIONS)
@pytest.mark.parametrize("pose", [(180.0, 0.0), (0.0, 0.0), (-90.0, 0.0), (90.0, 0.0), (155.0, 10.0)])
def test_agrees_with_the_exact_projector(
    codes: tuple[int, int, int], signs: tuple[int, int, int], turn: float, pose: tuple[float, float]
) -> None:
    values = blobs(SHAPE)
    affine = centred(affine_of(codes, signs, 1.0, turn), SHAPE)
    view = mobile_view(CArmPose(*pose), CENTRE, pixels=70)
    aligned = turn == 0.0 and pose[1] == 0.0
    assert greatest_error(values, affine, view) <= (5e-4 if aligned else 2e-3)


@pytest.mark.parametrize("pose", [(-140.0, 0.0), (-135.0, 25.0), (180.0, 60.0), (180.0, 89.0), (20.0, -75.0)])
def test_agrees_where_rays_are_steep(pose: tuple[float, float]) -> None:
    """Between two axes planes half way are sampled too; along the patient another layout is taken."""
    affine = centred(affine_of((0, 1, 2), (-1, 1, 1), 1.0, 0.0), SHAPE)
    assert greatest_error(blobs(SHAPE), affine, mobile_view(CArmPose(*pose), CENTRE, pixels=70)) <= 3e-3


def test_a_detector_that_is_not_square_and_off_centre() -> None:
    affine = centred(affine_of((0, 1, 2), (-1, 1, 1), 1.0, 0.0), SHAPE)
    for pose in ((180.0, 0.0), (165.0, -9.0)):
        view = View(CArmPose(*pose), CENTRE + np.array([20.0, 5.0, -25.0]), 43, 91, 2.1, 530.0, 1020.0)
        assert greatest_error(blobs(SHAPE), affine, view) <= 2e-3


def test_exact_projectors_give_plain_answers() -> None:
    """Through the middle of a uniform block the constant model sees its thickness, the trilinear one a voxel more."""
    affine = centred(np.diag([2.0, 3.0, 2.0, 1.0]), (9, 7, 9))
    values = np.full((9, 7, 9), 0.5)
    view = mobile_view(CArmPose(180.0, 0.0), CENTRE, pixels=101)
    middle = [[50.0, 50.0]]
    # Of the trilinear block 7 voxels count fully and fall to 0 within one more on each side: again half a voxel each.
    assert np.isclose(exact_constant(values, affine, view, middle)[0], 0.5 * 7 * 3.0, rtol=1e-12)
    assert np.isclose(exact_trilinear(values, affine, view, middle)[0], 0.5 * 7 * 3.0, rtol=1e-12)


def test_the_exact_trilinear_integral_is_that_of_dense_samples() -> None:
    values = blobs((12, 10, 9), seed=3)
    affine = centred(affine_of((2, 0, 1), (1, -1, -1), 2.0, 25.0), values.shape)
    view = mobile_view(CArmPose(140.0, 20.0), CENTRE, pixels=40)
    pixels = np.array([[19.5, 19.5], [15.0, 21.0], [22.3, 18.8], [18.0, 14.0]])
    padded = np.pad(values.astype(np.float64), 2)
    inverse = np.linalg.inv(affine)
    shares = (np.arange(40_000) + 0.5) / 40_000
    for pixel, exact in zip(pixels, exact_trilinear(values, affine, view, pixels), strict=True):
        way = view.on_detector(pixel) - view.source_ras_mm
        index = (view.source_ras_mm + shares[:, None] * way) @ inverse[:3, :3].T + inverse[:3, 3] + 2.0
        index = np.clip(index, 0.0, np.array(padded.shape) - 1.001)
        low = index.astype(int)
        f = index - low
        total = 0.0
        for corner in np.ndindex(2, 2, 2):
            weight = np.prod(np.where(corner, f, 1.0 - f), axis=1)
            total += float((weight * padded[tuple((low + corner).T)]).mean())
        assert np.isclose(total * np.linalg.norm(way), exact, rtol=1e-5, atol=1e-9)


def test_a_crop_of_the_volume_goes_the_same_way() -> None:
    """As a blob of cement does: its own small grid gives what the same voxels give in the whole grid."""
    affine = centred(affine_of((0, 1, 2), (-1, 1, 1), 1.0, 0.0), SHAPE)
    whole = np.zeros(SHAPE, dtype=np.float32)
    whole[18:25, 10:19, 8:20] = blobs((7, 9, 12), seed=5) + 0.01
    crop = Volume(whole, affine).crop((18, 10, 8), (25, 19, 20))
    for pose in ((180.0, 0.0), (160.0, 12.0)):
        view = mobile_view(CArmPose(*pose), CENTRE, pixels=70)
        small = Projector(crop).line_integrals(view)
        assert np.allclose(small, Projector(whole, affine).line_integrals(view), atol=1e-6)
        assert small.max() > 0.0


def test_is_linear_and_the_same_on_any_number_of_threads() -> None:
    affine = centred(affine_of((0, 1, 2), (-1, 1, 1), 1.0, 0.0), SHAPE)
    soft, bone = blobs(SHAPE, 1), blobs(SHAPE, 2)
    view = mobile_view(CArmPose(168.0, -8.0), CENTRE, pixels=120)
    one, two = line_integrals2(Projector(soft, affine), Projector(bone, affine), view)
    both = Projector(soft + bone, affine)
    assert np.allclose(one + two, both.line_integrals(view), rtol=1e-4, atol=1e-5)
    before = numba.get_num_threads()
    images = []
    for threads in (1, before):
        numba.set_num_threads(threads)
        images.append(both.line_integrals(view).tobytes())
    numba.set_num_threads(before)
    assert images[0] == images[1]


def test_nothing_in_the_beam_gives_an_empty_image() -> None:
    affine = centred(np.diag([2.0, 2.0, 2.0, 1.0]), SHAPE)
    body = Projector(blobs(SHAPE), affine)
    beside = mobile_view(CArmPose(180.0, 0.0), CENTRE + np.array([900.0, 0.0, 0.0]), pixels=40)
    assert not body.line_integrals(beside).any()
    behind = mobile_view(CArmPose(180.0, 0.0), CENTRE - np.array([0.0, 900.0, 0.0]), pixels=40)
    beyond = mobile_view(CArmPose(180.0, 0.0), CENTRE + np.array([0.0, 900.0, 0.0]), pixels=40)
    for view in (behind, beyond):
        assert not body.line_integrals(view).any()
        assert not exact_trilinear(blobs(SHAPE), affine, view).any()
    empty = Projector(np.zeros(SHAPE, dtype=np.int16), affine)
    assert empty.empty
    assert not empty.line_integrals(beside).any()


def test_bad_volumes_are_refused() -> None:
    affine = centred(np.diag([2.0, 2.0, 2.0, 1.0]), SHAPE)
    for broken in (np.nan, np.inf):
        values = blobs(SHAPE)
        values[3, 4, 5] = broken
        with pytest.raises(InputError, match="1 of 43200 voxels are not finite"):
            Projector(values, affine)
    with pytest.raises(InputError, match="no volume"):
        Projector(np.zeros((4, 4)), affine)
    with pytest.raises(InputError, match="no place in space"):
        Projector(np.zeros(SHAPE), np.zeros((4, 4)))
    with pytest.raises(UsageError, match="affine"):
        Projector(np.zeros(SHAPE))
    with pytest.raises(UsageError, match="affine"):
        Projector(Volume(np.zeros(SHAPE), affine), affine)


def test_bad_calls_are_refused() -> None:
    affine = centred(np.diag([20.0, 40.0, 20.0, 1.0]), SHAPE)
    body = Projector(np.ones(SHAPE, dtype=np.float32), affine)
    view = mobile_view(CArmPose(180.0, 0.0), CENTRE, pixels=20)
    with pytest.raises(UsageError, match="detector of the C-arm would stand inside"):
        body.line_integrals(view)
    coarse = centred(np.diag([16.0, 16.0, 16.0, 1.0]), (4, 4, 4))
    small = Projector(np.ones((4, 4, 4), dtype=np.float32), coarse)
    for out in (np.zeros((20, 20)), np.zeros((19, 20), dtype=np.float32)):
        with pytest.raises(UsageError, match="cannot take"):
            small.line_integrals(view, out=out)
    given = np.full((20, 20), 7.0, dtype=np.float32)
    assert small.line_integrals(view, out=given) is given
    assert given[0, 0] == 0.0
    assert given.max() > 0.0
