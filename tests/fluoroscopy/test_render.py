"""Whole frames: what patient, tools and cement do to a picture, and what must not happen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from xray_maker import LATERAL, body_ct, view

from endplate.errors import InputError
from endplate.fluoroscopy.materials import material
from endplate.fluoroscopy.patient import Patient
from endplate.fluoroscopy.render import Settings, field_findings, hold, prepare, render
from endplate.fluoroscopy.scatter import Scatter
from endplate.fluoroscopy.scene import Filling, Scene
from endplate.fluoroscopy.shapes import cylinder, sphere
from endplate.fluoroscopy.spectrum import spectrum
from endplate.fluoroscopy.tools import Tool, needle
from endplate.fluoroscopy.view import Collimation
from endplate.fluoroscopy.visible import visible_cement
from endplate.imaging.carm import CArmPose
from endplate.imaging.volume import Volume

PLAIN = Settings(noise=False, scatter=Scatter(0.0, 30.0), kvp=80.0, marked=False)


@pytest.fixture(scope="module")
def patient() -> Patient:
    return Patient(body_ct())


def blob(radius_mm: float, at: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Filling:
    step = 1.0
    n = int(2 * radius_mm / step) + 5
    affine = np.diag([step, step, step, 1.0])
    affine[:3, 3] = np.array(at) - 0.5 * step * (n - 1)
    index = np.indices((n, n, n)) - 0.5 * (n - 1)
    inside = (index**2).sum(axis=0) < radius_mm**2
    return Filling(Volume(inside.astype(np.float32), affine))


def darkening(patient: Patient, scene: Scene, at=None) -> np.ndarray:
    """Nepers that a scene adds, pixel by pixel."""
    shown = at or view()
    with_it, without = (render(shown, patient, one, PLAIN).signal for one in (scene, Scene()))
    return np.log(without) - np.log(with_it)


@pytest.mark.parametrize(
    ("of", "length"),
    [("steel", 1.0), ("contrast", 15.0), ("cement", 15.0), ("nitinol", 1.0), ("platinum", 0.3)],
)
def test_tools_darken_by_beer_and_lambert(patient: Patient, of: str, length: float) -> None:
    rod = Tool("rod", (cylinder((0.0, -0.5 * length, 0.0), (0.0, 0.5 * length, 0.0), 12.0, of),))
    ready = prepare(view(), patient, PLAIN)
    soft, bone = (float(path[48, 48]) for path in (ready.paths.soft_mm, ready.paths.bone_mm))
    before = {material("soft"): soft, material("bone"): bone}
    behind = before | {material("soft"): soft - length, material(of): length}
    beam = spectrum(80.0)
    wanted = beam.minus_ln_signal(behind) - beam.minus_ln_signal(before)
    assert darkening(patient, Scene((rod,)))[48, 48] == pytest.approx(wanted, rel=0.02)


def test_a_cannula_shows_its_lumen(patient: Patient) -> None:
    at = view(pixels=256, detector_mm=60.0)
    tube = needle((0, 0, 30), (0, 0, -60), outer_mm=4.2, inner_mm=3.4, stylet_beyond_mm=None)
    row = darkening(patient, Scene((tube,)), at)[128]
    wall, middle = row.max(), row[127:129].mean()
    assert wall > 1.4 * middle > 0.5
    full = needle((0, 0, 60), (0, 0, -60), outer_mm=4.2, inner_mm=3.4)
    assert darkening(patient, Scene((full,)), at)[128, 127:129].mean() > 2.0 * middle


def test_cement_in_voxels_darkens_like_its_ball(patient: Patient) -> None:
    radius = 8.0
    voxels = darkening(patient, Scene(fillings=(blob(radius),)))
    ball = darkening(patient, Scene((Tool("ball", (sphere((0, 0, 0), 2.0 * radius, "cement"),)),)))
    assert voxels[44:52, 44:52].mean() == pytest.approx(ball[44:52, 44:52].mean(), rel=0.04)
    both = darkening(patient, Scene(fillings=(blob(6.0, (-30, 0, 0)), blob(6.0, (30, 0, 0)))))
    assert both[:, :48].max() == pytest.approx(both[:, 48:].max(), rel=0.1)


def test_bone_is_on_the_patients_right_and_darker(patient: Patient) -> None:
    frame = render(view(), patient, None, replace(PLAIN, marked=False))
    left, right = frame.pixels[48, 8:15].mean(), frame.pixels[48, 81:88].mean()
    assert left < right - 10
    behind = render(view(), patient, None, replace(PLAIN, shown="behind"))
    np.testing.assert_array_equal(behind.pixels, frame.pixels[:, ::-1])


def test_what_is_outside_of_the_field_changes_nothing(patient: Patient) -> None:
    far = Scene(
        (Tool("rod", (cylinder((0, 0, 400), (0, 0, 450), 5.0, "steel"),)),), (blob(4.0, (0, 0, 500)),)
    )
    plain = render(view(), patient, Scene(), PLAIN)
    np.testing.assert_array_equal(render(view(), patient, far, PLAIN).pixels, plain.pixels)
    np.testing.assert_array_equal(render(view(), patient, None, PLAIN).pixels, plain.pixels)
    nothing = Filling(Volume(np.zeros((3, 3, 3), np.float32), np.eye(4)))
    np.testing.assert_array_equal(
        render(view(), patient, Scene(fillings=(nothing,)), PLAIN).pixels, plain.pixels
    )


def test_air_alone_is_an_even_picture() -> None:
    empty = Patient(Volume(np.full((8, 8, 8), -1000.0, np.float32), np.diag([5.0, 5.0, 5.0, 1.0])))
    assert empty.empty
    frame = render(view(), empty, None, PLAIN)
    np.testing.assert_allclose(frame.signal, 1.0, atol=1e-5)
    assert np.ptp(frame.pixels) == 0


def test_a_ct_with_nan_is_refused() -> None:
    ct = body_ct(step=16.0)
    hu = np.array(ct.data)
    hu[3, 3, 3] = np.nan
    with pytest.raises(InputError) as caught:
        Patient(replace(ct, data=hu))
    assert caught.value.code == "fluoroscopy-not-finite"


def test_the_collimator_closes_where_the_ct_ends() -> None:
    short = Patient(body_ct(head_mm=24.0))
    field = short.paths(view()).field
    assert not field[:8].any()
    assert not field[-8:].any()
    assert field[44:52, 20:76].all()
    whole = Patient(body_ct()).paths(view()).field
    assert whole.all()
    steep = render(view(CArmPose(180.0, 35.0)), short, None, PLAIN)
    assert [one.code for one in field_findings(steep)] == ["xray-field-closed"]
    assert field_findings(render(view(), short, None, PLAIN)) == ()
    # A table below the patient is no part of the body.
    ct = body_ct(bone=False)
    hu = np.array(ct.data)
    hu[:, -2, :] = 200.0
    np.testing.assert_allclose(
        Patient(replace(ct, data=hu)).paths(view()).soft_mm, Patient(ct).paths(view()).soft_mm, atol=1e-3
    )


def test_the_shutter_closes_the_picture_and_lowers_area_product(patient: Patient) -> None:
    shut = view().collimated(Collimation(30, 10, 70, 90))
    frame = render(shut, patient, None, PLAIN)
    assert frame.pixels[:10].max() == 0
    assert frame.pixels[20, 31] > 0
    whole = render(view(), patient, None, PLAIN)
    assert frame.exposure.area_cm2 == pytest.approx(whole.exposure.area_cm2 * 40 * 80 / 96**2)


def test_frames_are_averaged_until_the_c_arm_moves(patient: Patient) -> None:
    how = replace(PLAIN, noise=True)
    first = render(view(), patient, None, how, number=1)
    second = render(view(), patient, None, how, number=2, before=first)
    again = render(view(), patient, None, how, number=2, before=first)
    np.testing.assert_array_equal(second.pixels, again.pixels)
    alone = render(view(), patient, None, how, number=2)
    middle = np.s_[40:56, 45:60]
    assert second.signal[middle].std() < 0.9 * alone.signal[middle].std()
    moved = render(view(LATERAL), patient, None, how, number=2, before=first)
    np.testing.assert_array_equal(moved.signal, render(view(LATERAL), patient, None, how, number=2).signal)
    held = hold(replace(first, settings=replace(how, marked=True)))
    assert not np.array_equal(held.pixels, first.pixels)


def test_one_energy_shows_no_beam_hardening(patient: Patient) -> None:
    thin, thick = (
        Tool("rod", (cylinder((0, -0.5 * mm, 0), (0, 0.5 * mm, 0), 12.0, "steel"),)) for mm in (0.5, 2.0)
    )

    def ratio(how: Settings) -> float:
        a, b, none = (render(view(), patient, Scene(s), how).signal[48, 48] for s in ((thin,), (thick,), ()))
        return float(np.log(none / b) / np.log(none / a))

    assert ratio(replace(PLAIN, monoenergetic=True)) == pytest.approx(4.0, rel=0.02)
    assert ratio(PLAIN) < 3.9


def test_big_cement_is_seen_and_a_speck_is_not(patient: Patient) -> None:
    big = visible_cement(view(pixels=192), patient, blob(8.0))
    assert big.volume_ml == pytest.approx(4.0 / 3.0 * np.pi * 0.8**3, rel=0.05)
    assert big.fraction > 0.9
    assert big.in_field_ml == pytest.approx(big.volume_ml)
    speck = visible_cement(view(LATERAL, pixels=192), patient, blob(1.0))
    assert speck.visible_ml < 0.2 * speck.volume_ml
    # Behind much cement a small leak cannot be told.
    leak = blob(1.5, (0.0, 20.0, 0.0))
    free = visible_cement(view(pixels=192), patient, leak)
    hidden = visible_cement(view(pixels=192), patient, leak, beside=Scene(fillings=(blob(10.0),)))
    assert hidden.visible_ml <= free.visible_ml
    assert visible_cement(view(), patient, Filling(Volume(np.zeros((2, 2, 2)), np.eye(4)))).fraction == 0.0
    outside = visible_cement(view(), patient, blob(4.0, (0.0, 0.0, 90.0)))
    assert outside.in_field_ml == 0.0
    assert outside.visible_ml == 0.0
