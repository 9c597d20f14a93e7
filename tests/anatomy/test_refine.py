"""Endplates refined from CT numbers: closer to the truth, and untouched where the CT does not show them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from endplate.anatomy.edge import _blurred_step, find_edge
from endplate.anatomy.edge_voxels import ScanBox, surface_trust, voxel_extent_mm
from endplate.anatomy.endplates import measure_heights, sagittal_wedge_deg
from endplate.anatomy.locate import Located, locate_vertebrae
from endplate.anatomy.refine import Refined, refine_endplates
from endplate.imaging.volume import Volume
from endplate.sources import value
from endplate.synthetic import GridSpec, build_phantom, default_spec
from endplate.synthetic.phantom import Phantom

NAMES = ("anterior", "middle", "posterior")


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    """Three levels, 1 mm voxels nearly along the endplates: the worst case for labels."""
    spec = default_spec(("T12", "L1", "L2"))
    grid = GridSpec(axes=("L", "P", "S"), phase=(0.1, 0.6, 0.9), noise_hu=15.0, margin_mm=8.0)
    return build_phantom(spec, grid)


@pytest.fixture(scope="module")
def located(phantom: Phantom) -> tuple[Located, ...]:
    return locate_vertebrae(phantom.labels)


@pytest.fixture(scope="module")
def refined(phantom: Phantom, located: tuple[Located, ...]) -> Refined:
    return refine_endplates(located, phantom.labels, phantom.volume)


def turned(volume: Volume, order: tuple[int, int, int], flips: tuple[int, ...]) -> Volume:
    """The same voxels in the same places, their array axes permuted and flipped."""
    data, affine = np.transpose(volume.data, order), volume.affine.copy()
    affine[:, :3] = affine[:, list(order)]
    for axis in flips:
        data = np.flip(data, axis)
        affine[:3, 3] += affine[:3, axis] * (data.shape[axis] - 1)
        affine[:3, axis] *= -1.0
    return Volume(np.ascontiguousarray(data), affine)


def errors(located: tuple[Located, ...], phantom: Phantom) -> tuple[np.ndarray, np.ndarray]:
    """Errors of the three heights (mm) and of the wedge (degrees), a row a level."""
    heights, wedges = [], []
    for item in located:
        vertebra, truth = item.vertebra, phantom.truth.levels[item.vertebra.level]
        found = measure_heights(vertebra.surfaces, vertebra.grid, vertebra.x_mid_mm)
        heights.append([found[name].value_mm - getattr(truth.heights_mm, name) for name in NAMES])
        assert vertebra.superior is not None
        assert vertebra.inferior is not None
        wedges.append(sagittal_wedge_deg(vertebra.superior, vertebra.inferior) - truth.wedge_angle_deg)
    return np.array(heights), np.array(wedges)


def test_heights_and_wedge_at_one_millimetre(
    phantom: Phantom, located: tuple[Located, ...], refined: Refined
) -> None:
    """±0.3 mm and ±1° are the aim at 1 mm voxels; labels alone miss it on this grid."""
    before, _ = errors(located, phantom)
    after, wedge_after = errors(refined.located, phantom)
    assert np.abs(before).max() > 0.3
    assert np.abs(after).max() <= 0.3
    assert np.sqrt(np.mean(after**2)) < 0.6 * np.sqrt(np.mean(before**2))
    assert np.abs(wedge_after).max() <= 1.0


def test_stated_uncertainty_covers_the_errors(phantom: Phantom, refined: Refined) -> None:
    after, _ = errors(refined.located, phantom)
    assert np.sqrt(np.mean((after / refined.height_sd_mm) ** 2)) <= 1.0
    assert refined.height_sd_mm.max() < 0.41


def test_no_place_moves_further_than_rounding_explains(
    located: tuple[Located, ...], refined: Refined
) -> None:
    for old, new in zip(located, refined.located, strict=True):
        limit = value("refine.limit_share") * voxel_extent_mm(old.vertebra) + 1e-9
        for name in ("top_smooth_mm", "bottom_smooth_mm"):
            moved = getattr(new.vertebra.surfaces, name) - getattr(old.vertebra.surfaces, name)
            assert np.nanmax(np.abs(moved)) <= limit
            assert np.array_equal(np.isnan(moved), np.isnan(getattr(old.vertebra.surfaces, name)))


def test_same_input_same_output(phantom: Phantom, located: tuple[Located, ...], refined: Refined) -> None:
    again = refine_endplates(located[:1], phantom.labels, phantom.volume)
    twice = refine_endplates(located[:1], phantom.labels, phantom.volume)
    a, b = again.located[0].vertebra.surfaces, twice.located[0].vertebra.surfaces
    assert np.array_equal(a.top_smooth_mm, b.top_smooth_mm, equal_nan=True)
    assert refined.moved == ((True, True),) * 3


@pytest.mark.parametrize(("order", "flips"), [((0, 1, 2), (0, 1)), ((2, 0, 1), (1,)), ((1, 2, 0), (0, 1, 2))])
def test_the_order_of_the_voxels_does_not_matter(
    phantom: Phantom, refined: Refined, order: tuple[int, int, int], flips: tuple[int, ...]
) -> None:
    labels = replace(phantom.labels, volume=turned(phantom.labels.volume, order, flips))
    assert phantom.volume is not None
    again = refine_endplates(locate_vertebrae(labels), labels, turned(phantom.volume, order, flips))
    heights, wedges = errors(refined.located, phantom)
    other_heights, other_wedges = errors(again.located, phantom)
    assert other_heights == pytest.approx(heights, abs=0.02)
    assert other_wedges == pytest.approx(wedges, abs=0.03)


def test_without_a_ct_nothing_changes(phantom: Phantom, located: tuple[Located, ...]) -> None:
    result = refine_endplates(located, phantom.labels, None)
    assert all(new is old for new, old in zip(result.located, located, strict=True))
    # Each endplate uniform within a voxel of 1 mm: √(2/12) mm.
    assert result.height_sd_mm == pytest.approx(np.full((3, 3), np.sqrt(1.0 / 6.0)), rel=1e-3)


def test_on_another_grid_nothing_changes(phantom: Phantom, located: tuple[Located, ...]) -> None:
    assert phantom.volume is not None
    affine = phantom.volume.affine.copy()
    affine[:3, 3] += 5.0
    result = refine_endplates(located, phantom.labels, replace(phantom.volume, affine=affine))
    assert all(new is old for new, old in zip(result.located, located, strict=True))


@pytest.mark.parametrize("case", ["noise", "no cortex", "metal", "flat"])
def test_a_ct_that_shows_no_endplate_moves_none(
    phantom: Phantom, located: tuple[Located, ...], case: str
) -> None:
    shape = phantom.labels.volume.shape
    rng = np.random.default_rng(3)
    data = np.full(shape, 40.0) + (0.0 if case == "flat" else 30.0) * rng.standard_normal(shape)
    if case == "no cortex":
        data[phantom.labels.data > 0] -= 200.0
    if case == "metal":
        assert phantom.volume is not None
        data = phantom.volume.data.astype(np.float64)
        data[:, :, ::3] += 2500.0
    image = Volume(data.astype(np.int16), phantom.labels.volume.affine)
    result = refine_endplates(located[1:2], phantom.labels, image)
    assert result.moved == ((False, False),)
    old, new = located[1].vertebra, result.located[0].vertebra
    assert np.array_equal(old.surfaces.top_smooth_mm, new.surfaces.top_smooth_mm, equal_nan=True)
    assert result.common_mm == 0.0


def test_a_habit_of_the_annotator_is_kept(phantom: Phantom, located: tuple[Located, ...]) -> None:
    """Labels drawn half a millimetre wider everywhere are a convention: bodies stay larger than the CT's edge."""
    wider = []
    for item in located:
        surfaces = item.vertebra.surfaces
        grown = replace(
            surfaces,
            top_mm=surfaces.top_mm + 0.5,
            top_smooth_mm=surfaces.top_smooth_mm + 0.5,
            bottom_mm=surfaces.bottom_mm - 0.5,
            bottom_smooth_mm=surfaces.bottom_smooth_mm - 0.5,
        )
        wider.append(replace(item, vertebra=replace(item.vertebra, surfaces=grown)))
    result = refine_endplates(wider, phantom.labels, phantom.volume)
    assert -0.45 < result.common_mm < -0.2
    heights, _ = errors(result.located, phantom)
    # Twice the convention, less the two dead zones within which conventions are not told apart.
    assert 0.4 < np.median(heights) < 1.0


def test_a_cliff_is_not_trusted() -> None:
    x = np.arange(60) * 0.8
    raw = np.zeros((60, 40))
    raw[30:] = -6.0
    smooth = np.tile((-3.0 - 3.0 * np.tanh((x - 24.0) / 4.0))[:, None], (1, 40))
    trust = surface_trust(raw, smooth, 1.0, 0.8)
    assert trust[27:33].max() == 0.0
    assert trust[:15].min() == 1.0
    assert trust[-15:].min() == 1.0
    rounded = np.round(0.05 * x)[:, None] * np.ones((1, 40))
    assert surface_trust(rounded, 0.05 * x[:, None] * np.ones((1, 40)), 1.0, 0.8).min() == 1.0


def test_blurred_step_and_its_derivatives() -> None:
    """Against differences; far away the step is 0 and 1, and in the middle one half."""
    depth = np.linspace(-3.0, 3.0, 61)
    box, sigma, small = np.full(61, 1.0), np.full(61, 0.4), 1e-5
    step, by_mm, by_sigma = _blurred_step(depth, sigma, box)
    assert step[0] == pytest.approx(0.0, abs=1e-6)
    assert step[30] == pytest.approx(0.5)
    assert step[-1] == pytest.approx(1.0)
    ahead, behind = _blurred_step(depth + small, sigma, box)[0], _blurred_step(depth - small, sigma, box)[0]
    assert by_mm == pytest.approx((ahead - behind) / (2 * small), abs=1e-6)
    wide, narrow = _blurred_step(depth, sigma + small, box)[0], _blurred_step(depth, sigma - small, box)[0]
    assert by_sigma == pytest.approx((wide - narrow) / (2 * small), abs=1e-6)


def test_the_edge_follows_a_shifted_surface(phantom: Phantom, located: tuple[Located, ...]) -> None:
    """A start 0.4 mm further out finds the edge 0.4 mm further in."""
    assert phantom.volume is not None
    item = located[1].vertebra
    scan = ScanBox(phantom.volume, phantom.labels, 20)
    surfaces = replace(
        item.surfaces, top_mm=item.surfaces.top_mm + 0.4, top_smooth_mm=item.surfaces.top_smooth_mm + 0.4
    )
    here, there = find_edge(item, 1, scan), find_edge(replace(item, surfaces=surfaces), 1, scan)
    assert here is not None
    assert there is not None
    assert here.mean_mm - there.mean_mm == pytest.approx(0.4, abs=0.03)


@pytest.mark.real_data
def test_real_endplates_lie_in_the_cortex(data_dir: Path) -> None:
    """L3 of a real CT of 1.5 mm: the refined lines run through brighter bone than the label's."""
    from endplate.imaging.labels import read_labels
    from endplate.imaging.read import read_image

    labels = read_labels(data_dir / "tptbox_L3_vert_labels.nii.gz")
    image = read_image(data_dir / "tptbox_L3_ct.nii.gz")
    found = locate_vertebrae(labels)
    result = refine_endplates(found, labels, image)
    index = next(i for i, item in enumerate(found) if item.vertebra.level == "L3")
    assert result.moved[index] == (True, True)
    old, new = found[index].vertebra, result.located[index].vertebra
    for side, name in ((1, "top_smooth_mm"), (-1, "bottom_smooth_mm")):
        bright = [
            _mean_hu(vertebra, getattr(vertebra.surfaces, name) - 0.2 * side, image)
            for vertebra in (old, new)
        ]
        assert bright[1] > bright[0] + 20.0
    before = measure_heights(old.surfaces, old.grid, old.x_mid_mm)
    after = measure_heights(new.surfaces, new.grid, new.x_mid_mm)
    assert max(abs(before[n].value_mm - after[n].value_mm) for n in NAMES) < 1.2


def _mean_hu(vertebra: object, surface: np.ndarray, image: Volume) -> float:
    from scipy import ndimage

    grid = vertebra.grid
    inner = ndimage.binary_erosion(np.isfinite(surface), iterations=6)
    ix, iy = np.nonzero(inner)
    points = np.stack([grid.coordinate(0)[ix], grid.coordinate(1)[iy], surface[inner]], axis=1)
    ijk = image.to_voxel(vertebra.axes.to_world(points))
    return float(np.mean(ndimage.map_coordinates(image.data.astype(np.float32), ijk.T, order=1)))
