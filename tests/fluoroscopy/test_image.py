"""Scatter, noise, monitor and markers, each against what it must do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from xray_maker import AP, LATERAL, view

from endplate.fluoroscopy.display import SHUT_GREY, _minus_log, control_region, default_display, develop
from endplate.fluoroscopy.letters import word
from endplate.fluoroscopy.markers import angle_words, burn_in, sides, view_name
from endplate.fluoroscopy.noise import Quanta, averaged_share, bank, blur_share, detect
from endplate.fluoroscopy.scatter import Scatter, coarse, scatter_of, veil, widened
from endplate.imaging.carm import CArmPose

OPEN = np.ones((64, 80), dtype=np.bool_)


def flat(level: float, shape: tuple[int, int] = (64, 80)) -> np.ndarray:
    return np.full(shape, level, np.float32)


def test_scatter_keeps_its_ratio_and_leaves_open_air_out() -> None:
    even = veil(coarse(flat(0.01)), Scatter(0.7, 30.0), 0.01, 0.6)
    np.testing.assert_allclose(even, 0.007, rtol=1e-5)
    beside = flat(0.01)
    beside[:, 60:] = 1.0
    mist = veil(coarse(beside), Scatter(0.7, 10.0), 0.01, 0.6)
    assert mist.max() < 0.7 * 4.0 * 0.01 * 1.001
    assert (
        scatter_of(LATERAL).to_primary
        > scatter_of(CArmPose(150.0, 0.0)).to_primary
        > scatter_of(AP).to_primary
    )
    with pytest.raises(ValueError, match="scatter"):
        Scatter(-0.1, 30.0)


def test_coarse_pictures_keep_means_and_straight_lines() -> None:
    slope = np.tile(np.arange(80, dtype=np.float32), (64, 1))
    small = coarse(slope)
    assert small.shape == (8, 10)
    assert small[0, 0] == pytest.approx(3.5)
    np.testing.assert_allclose(widened(small, 80)[:, 4:76], slope[:8, 4:76], atol=1e-4)
    assert coarse(flat(2.0, (13, 17))).shape == (2, 3)


def test_noise_counts_photons_and_is_the_same_for_the_same_frame() -> None:
    signal, none = flat(0.01, (256, 256)), np.zeros((32, 32), np.float32)
    photons = 4.0e4  # 400 in a pixel of this signal
    one = detect(signal, none, Quanta(photons, seed=3, frame=5))
    spread = float((one / 0.01).std())
    assert spread == pytest.approx(blur_share() / np.sqrt(400.0), rel=0.03)
    assert float(one.mean()) == pytest.approx(0.01, rel=0.005)
    np.testing.assert_array_equal(one, detect(signal, none, Quanta(photons, seed=3, frame=5)))
    assert not np.array_equal(one, detect(signal, none, Quanta(photons, seed=3, frame=6)))
    assert not np.array_equal(one, detect(signal, none, Quanta(photons, seed=4, frame=5)))
    assert bank(3).shape == (1024, 2048)
    with pytest.raises(ValueError, match="photons"):
        Quanta(0.0)


def test_the_average_of_frames_lowers_noise_and_lags() -> None:
    signal, none = flat(0.01, (256, 256)), np.zeros((32, 32), np.float32)
    kept = None
    for frame in range(40):
        kept = detect(signal, none, Quanta(4.0e4, frame=frame), before=kept, weight=0.35)
    assert kept is not None
    assert float((kept / 0.01).std()) == pytest.approx(averaged_share(0.35) * blur_share() / 20.0, rel=0.1)
    # A step is followed by the newest frame's weight.
    risen = detect(flat(0.02, (256, 256)), none, Quanta(1e30), before=flat(0.01, (256, 256)), weight=0.35)
    np.testing.assert_allclose(risen, 0.0135, rtol=1e-4)


def test_a_still_has_the_noise_of_a_settled_average() -> None:
    signal, none = flat(0.01, (256, 256)), np.zeros((32, 32), np.float32)
    still = detect(signal, none, Quanta(4.0e4), weight=0.35, settled=True)
    assert float((still / 0.01).std()) == pytest.approx(averaged_share(0.35) * blur_share() / 20.0, rel=0.05)


def test_dense_is_dark_and_the_middle_stays_grey() -> None:
    signal = flat(0.01)
    signal[:, 40:44] = 0.004
    grey = develop(signal, OPEN, 0.6, default_display())
    assert grey[32, 41] < grey[32, 10] - 40
    for level in (0.1, 1e-4):
        assert abs(int(develop(flat(level), OPEN, 0.6, default_display())[32, 40]) - 128) <= 1


def test_slow_variation_is_taken_off_by_the_share_asked_for() -> None:
    ramp = np.exp(np.linspace(-1.0, 1.0, 512, dtype=np.float32))[None, :].repeat(512, axis=0) * np.float32(
        0.01
    )
    field = np.ones((512, 512), dtype=np.bool_)
    look = replace(default_display(), edge_gain=0.0, window_nepers=8.0)
    spans = []
    for share in (0.0, 0.8):
        row = develop(ramp, field, 0.6, replace(look, harmonisation=share))[256].astype(float)
        spans.append(row[400] - row[112])
    assert spans[1] == pytest.approx(0.2 * spans[0], rel=0.15)


def test_the_shutter_is_black_and_does_not_count() -> None:
    field = OPEN.copy()
    field[:, 60:] = False
    signal = flat(0.01)
    signal[:, 60:] = 1.0
    grey = develop(signal, field, 0.6, default_display())
    assert (grey[:, 60:] == SHUT_GREY).all()
    assert abs(int(grey[32, 30]) - 128) <= 2
    shut = develop(signal, np.zeros_like(field), 0.6, default_display())
    assert (shut == SHUT_GREY).all()
    assert control_region(field, 1.0) == (slice(0, 64), slice(0, 60))


@pytest.mark.parametrize(
    ("pose", "left", "right", "name"),
    [
        (CArmPose(180.0, 0.0, "prone"), "R", "L", "AP"),
        (CArmPose(0.0, 0.0, "supine"), "R", "L", "PA"),
        (CArmPose(-90.0, 0.0, "prone"), "A", "P", "LATERAL"),
        (CArmPose(90.0, 0.0, "prone"), "A", "P", "LATERAL"),
        (CArmPose(150.0, 10.0, "prone"), "R", "L", "OBLIQUE"),
    ],
)
def test_markers_follow_the_pose(pose: CArmPose, left: str, right: str, name: str) -> None:
    found = sides(view(pose))
    assert (found.left, found.right, found.top, found.bottom) == (left, right, "H", "F")
    behind = sides(view(pose), "behind")
    turned = (left, right) if pose.lateral else (right, left)
    assert (behind.left, behind.right) == turned
    assert view_name(pose) == name


def test_seen_from_behind_the_picture_turns_and_the_letters_do_not() -> None:
    at = view(AP, pixels=256)
    grey = np.full((256, 256), 100, np.uint8)
    grey[120:136, 40:56] = 30  # on the patient's right
    front, back = burn_in(grey, at), burn_in(grey, at, shown="behind")
    assert front[128, 48] == 30
    assert back[128, 255 - 48] == 30
    letter = word("R", 2)
    rows = slice((256 - 14) // 2, (256 - 14) // 2 + 14)
    assert (front[rows, 4:16][letter] == 255).all()
    assert (back[rows, 256 - 12 - 4 + 2 : 256 - 4 + 2][letter[:, :12]] == 255).all()


def test_every_picture_says_that_it_is_simulated() -> None:
    out = burn_in(np.full((200, 300), 128, np.uint8), view())
    words = word("SIMULATED", 1)
    assert (out[4:11, 4 : 4 + words.shape[1]][words] == 255).all()


def test_angles_in_words() -> None:
    assert angle_words(AP) == ("LAO 180°, CRAN 0°", "CONSOLE 0°")
    assert angle_words(CArmPose(168.0, -8.0, "prone")) == (
        "LAO 168°, CAUD 8°",
        "CONSOLE 12° TO PATIENT'S LEFT, 8° TO FEET",
    )


@pytest.mark.parametrize("shape", [(37, 51), (64, 80), (1, 1)])
def test_the_fast_logarithm_and_its_halved_picture(shape: tuple[int, int]) -> None:
    signal = np.exp(np.random.default_rng(1).uniform(-20.0, 1.0, shape)).astype(np.float32)
    depth = np.empty_like(signal)
    half = np.empty(tuple(-(-size // 2) for size in shape), dtype=np.float32)
    _minus_log(signal.view(np.int32), depth, half)
    np.testing.assert_allclose(depth, -np.log(signal.astype(np.float64)), atol=3e-6)
    np.testing.assert_allclose(half, coarse(depth, 2), atol=1e-5)
