"""The stated truth against what a fine grid of the same phantom measures."""

from __future__ import annotations

import math

import cc3d
import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, map_coordinates

from endplate.synthetic import FractureSpec, GridSpec, PedicleSpec, Phantom, build_phantom, default_spec

LEVELS = ("T12", "L1", "L2")


def frame_of(phantom: Phantom, level: str) -> tuple[np.ndarray, np.ndarray]:
    frame = phantom.truth.levels[level].frame
    axes = np.array([frame.right_ras, frame.anterior_ras, frame.superior_ras])
    return np.array(frame.origin_ras_mm), axes


def body_in_frame(phantom: Phantom, level: str, step: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """The body's label sampled (nearest voxel) on a lattice of its true frame, and the lattice's coordinates."""
    origin, axes = frame_of(phantom, level)
    truth = phantom.truth.levels[level]
    line = np.arange(-32.0, 32.0, step)
    x = np.arange(-5.0, 5.01, 0.5)
    grid = np.stack(np.meshgrid(x, line, line, indexing="ij"), axis=-1)
    voxel = phantom.labels.volume.to_voxel(origin + grid @ axes)
    body = (phantom.labels.data == truth.label_id) & (phantom.subregions.data == 49)
    return map_coordinates(body.astype(np.uint8), voxel.reshape(-1, 3).T, order=0).reshape(
        grid.shape[:3]
    ), line


def counted_heights(phantom: Phantom, level: str) -> list[float]:
    body, line = body_in_frame(phantom, level)
    step = line[1] - line[0]
    middle = body[body.shape[0] // 2].any(axis=1)
    low, high = line[middle][0] - 0.5 * step, line[middle][-1] + 0.5 * step
    fraction = (line - low) / (high - low)
    heights = []
    for start, stop in ((0.75, 0.92), (0.40, 0.60), (0.08, 0.25)):
        window = (fraction >= start) & (fraction <= stop)
        heights.append(float(np.median(body[:, window].sum(axis=2))) * step)
    return heights


@pytest.mark.parametrize("level", LEVELS)
def test_body_volume_and_centroid(fine: Phantom, level: str):
    truth = fine.truth.levels[level]
    body = (fine.labels.data == truth.label_id) & (fine.subregions.data == 49)
    voxel_ml = float(np.prod(fine.labels.volume.spacing_mm)) / 1000.0
    assert truth.body_volume_ml == pytest.approx(body.sum() * voxel_ml, rel=0.003)
    centroid = fine.labels.volume.to_world(np.argwhere(body).mean(axis=0))
    assert np.abs(centroid - truth.frame.origin_ras_mm).max() < 0.05


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("side", ["left", "right"])
def test_inscribed_circle_of_the_isthmus_section(fine: Phantom, level: str, side: str):
    truth = fine.truth.levels[level]
    pedicle = truth.pedicles[side]
    u, v = (np.array(d) for d in pedicle.section_ras_mm)
    axis = np.array(pedicle.axis_ras)
    assert abs(u @ axis) < 1e-9
    assert abs(v @ axis) < 1e-9
    line = np.arange(-16.0, 16.0, 0.1)
    diameters = []
    for along in (-2.5, 0.0, 2.5):
        plane = (
            np.array(pedicle.isthmus_ras_mm)
            + along * axis
            + line[:, None, None] * u
            + line[None, :, None] * v
        )
        voxel = fine.labels.volume.to_voxel(plane.reshape(-1, 3))
        section = map_coordinates((fine.labels.data == truth.label_id).astype(np.uint8), voxel.T, order=0)
        parts = cc3d.connected_components(
            section.reshape(len(line), len(line)).astype(np.uint8), connectivity=4
        )
        own = parts == parts[len(line) // 2, len(line) // 2]
        diameters.append(2.0 * distance_transform_edt(own).max() * 0.1)
        if along == 0.0:
            extent = [np.ptp(line[own.any(axis=k)]) + 0.1 for k in (1, 0)]
    assert diameters[1] == pytest.approx(pedicle.inscribed_diameter_mm, abs=0.25)
    assert extent[0] == pytest.approx(pedicle.width_mm, abs=0.4)
    assert extent[1] == pytest.approx(pedicle.height_mm, abs=0.4)
    assert diameters[0] > diameters[1] + 0.1, "the isthmus is the narrowest section"
    assert diameters[2] > diameters[1] + 0.1


def test_pedicle_angles_and_sides(fine: Phantom):
    for level in LEVELS:
        _, axes = frame_of(fine, level)
        for side, sign in (("right", 1.0), ("left", -1.0)):
            pedicle = fine.truth.levels[level].pedicles[side]
            x, y, z = axes @ np.array(pedicle.axis_ras)
            assert y > 0.8
            assert math.degrees(math.atan2(-sign * x, y)) == pytest.approx(pedicle.transverse_deg, abs=1e-6)
            assert math.degrees(math.atan2(z, y)) == pytest.approx(pedicle.sagittal_deg, abs=1e-6)
            assert sign * pedicle.isthmus_ras_mm[0] > 5.0


def test_planes_angles_and_frame_agree(fine_wedge: Phantom):
    levels = fine_wedge.truth.levels
    for truth in levels.values():
        origin, axes = (
            np.array(truth.frame.origin_ras_mm),
            np.array([truth.frame.right_ras, truth.frame.anterior_ras, truth.frame.superior_ras]),
        )
        assert np.allclose(axes @ axes.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(axes) == pytest.approx(1.0)
        up, down = np.array(truth.superior.normal_ras), np.array(truth.inferior.normal_ras)
        assert np.allclose((up + down) / np.linalg.norm(up + down), axes[2], atol=1e-9)
        opening = math.degrees(math.acos(up @ down)) * np.sign((up - down) @ axes[1])
        assert truth.wedge_angle_deg == pytest.approx(opening)
        assert (np.array(truth.superior.centre_ras_mm) - origin) @ axes[2] > 5.0
    above, below = (
        np.array(n) for n in (levels["T12"].superior.normal_ras, levels["L2"].inferior.normal_ras)
    )
    assert levels["L1"].local_kyphosis_deg == pytest.approx(math.degrees(math.acos(above @ below)), abs=0.01)
    assert levels["T12"].local_kyphosis_deg is None
    assert levels["L1"].wedge_angle_deg > 15.0


@pytest.mark.parametrize("shape", ["wedge", "biconcave", "crush"])
@pytest.mark.parametrize("endplate", ["superior", "both"])
@pytest.mark.parametrize("loss", [0.15, 0.45, 0.6])
def test_fracture_takes_exactly_its_loss(shape: str, endplate: str, loss: float):
    spec = default_spec(("L1",), fracture=FractureSpec(shape, loss, endplate=endplate))
    truth = build_phantom(spec, GridSpec((4.0, 4.0, 4.0)), ct=False).truth.levels["L1"]
    losses = truth.fracture.losses
    place = {"wedge": "anterior", "biconcave": "middle", "crush": "posterior"}[shape]
    assert getattr(losses, place) == pytest.approx(loss, abs=1e-4)
    assert max(losses.anterior, losses.middle, losses.posterior) == pytest.approx(loss, abs=1e-4)
    if shape != "crush":
        assert losses.posterior < 0.25 * loss
    intact = default_spec(("L1",)).vertebra("L1")
    assert truth.fracture.intact_heights_mm.anterior == pytest.approx(intact.anterior_height_mm, abs=1e-3)
    assert truth.body_volume_ml < truth.fracture.intact_volume_ml


def test_published_case_of_the_acceptance_list():
    """Isthmus 8 mm, axis 12° and 5°, heights 25/20/27 mm, canal 22 × 16 mm."""
    pedicle = PedicleSpec(8.0, 15.0, 12.0, 5.0)
    spec = default_spec(
        ("L1",),
        anterior_height_mm=25.0,
        posterior_height_mm=27.0,
        middle_height_mm=20.0,
        pedicle_left=pedicle,
        pedicle_right=pedicle,
        canal_width_mm=22.0,
        canal_ap_mm=16.0,
    )
    truth = build_phantom(spec, GridSpec((2.0, 2.0, 2.0)), ct=False).truth.levels["L1"]
    heights = truth.heights_mm
    assert (heights.anterior, heights.middle, heights.posterior) == pytest.approx(
        (25.0, 20.0, 27.0), abs=1e-3
    )
    assert truth.canal.ap_mm == pytest.approx(16.0, abs=0.05)
    assert truth.canal.width_mm == pytest.approx(22.0)
