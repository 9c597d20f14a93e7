"""Balloons in virtual fractures of the phantom and of the sample CT, two a level, inflated and deflated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from endplate.anatomy import assess
from endplate.anatomy.axes import FloatArray
from endplate.anatomy.model import Side, Spine
from endplate.balloon.bone import body_bone
from endplate.balloon.crack import frame_mm
from endplate.balloon.inflate import inflate_all, prepare
from endplate.balloon.model import Bone, Options, Posture, Tamp
from endplate.balloon.result import document
from endplate.balloon.walls import shell_of
from endplate.devices.balloons import shipped_balloons
from endplate.imaging.calibration import Calibration
from endplate.imaging.labels import read_labels
from endplate.imaging.levels import VERSE_IDS
from endplate.imaging.read import read_image
from endplate.imaging.volume import LabelMap, Volume
from endplate.synthetic import FractureSpec, GridSpec, build_phantom, default_spec
from endplate.synthetic.virtual_fracture import VirtualFracture, fracture_scan

POROTIC = Calibration.line(0.45, 0.0)
"""Turns the phantom's bone into bone of some 75 mg/cm³."""

SCAN = Calibration.uncalibrated()

VOLUME_ML = 3.0

CROP_MM = 25.0


@dataclass(frozen=True)
class Case:
    """One virtual fracture."""

    source: str
    level: str
    shape: str
    loss: float
    voxel_mm: float
    sample: str | None
    balloons: int = 2


@dataclass(frozen=True)
class Outcome:
    """What the balloons did to it; heights anterior, middle, posterior in mm."""

    case: Case
    heights_mm: tuple[float, ...]
    inflated_mm: tuple[float, ...]
    deflated_mm: tuple[float, ...]
    density_mgcc: float
    pressure_mpa: tuple[float, float, float]
    cavity_ml: float
    volume_error_voxels: float
    mineral_error: float
    left_body: bool
    stopped: tuple[str, ...]


def run(case: Case) -> Outcome:
    """Break the bone, inflate, deflate."""
    image, labels, spine, calibration = _broken(case)
    bone = body_bone(image, labels, spine, case.level, calibration, voxel_mm=case.voxel_mm)
    tamps = both_sides(bone)[: case.balloons]
    site = prepare(bone, tamps, Options(posture=Posture.none(), crack=True))
    state = inflate_all(site, {tamp.side: VOLUME_ML for tamp in tamps})
    told = document(site, state)
    peak = told.peak_pressure_mpa
    assert peak is not None
    assert told.gains.deflated is not None
    held = sum(state.reached_ml)
    return Outcome(
        case=case,
        heights_mm=tuple(float(one) for one in site.room.heights_mm),
        inflated_mm=_three(told.gains.inflated),
        deflated_mm=_three(told.gains.deflated),
        density_mgcc=float(bone.density_mgcc[bone.depth_mm > 4.0].mean()),
        pressure_mpa=(peak.yield_, peak.foam, peak.j2),
        cavity_ml=told.cavity_ml,
        volume_error_voxels=abs(told.cavity_ml - held) / bone.voxel_ml,
        mineral_error=told.bone_mineral_error,
        left_body=bool((state.cavity & (~bone.body | shell_of(bone))).any()),
        stopped=tuple(told.stopped.values()),
    )


def both_sides(bone: Bone, name: str = "15/3") -> tuple[Tamp, Tamp]:
    """A balloon on each side of the midline, a little in front of the body's middle, half way between the endplates."""
    device = shipped_balloons()[name]
    local = frame_mm(bone)[bone.body]
    middle = float(np.median(local[:, 0]))
    near = local[np.abs(local[:, 0] - middle) < 3.0]
    back, front = float(near[:, 1].min()), float(near[:, 1].max())
    width = float(np.ptp(local[:, 0]))

    def placed(side: Side, sign: float) -> Tamp:
        centre = np.array([middle + sign * 0.18 * width, back + 0.53 * (front - back), 0.0])
        column = local[np.hypot(local[:, 0] - centre[0], local[:, 1] - centre[1]) < 3.0]
        centre[2] = 0.5 * (column[:, 2].min() + column[:, 2].max())
        way = np.array([-0.2 * sign, 1.0, 0.0])
        way /= np.linalg.norm(way)
        half: FloatArray = 0.5 * device.length_mm * way
        ends = np.stack([centre - half, centre + half])
        return Tamp(side, device, bone.axes.to_world(ends), bone.axes.to_world(ends[0] - 2.0 * way))

    return placed("left", -1.0), placed("right", 1.0)


def _broken(case: Case) -> tuple[Volume, LabelMap, Spine, Calibration]:
    if case.sample is None:
        around = {"L1": ("T12", "L1", "L2"), "T12": ("T11", "T12", "L1")}[case.level]
        spec = default_spec(around, fracture={case.level: FractureSpec(case.shape, case.loss)})  # type: ignore[arg-type]
        made = build_phantom(spec, GridSpec(spacing=(1.0, 1.0, 1.0), margin_mm=8.0))
        assert made.volume is not None
        return made.volume, made.labels, assess(made.labels, made.volume, POROTIC), POROTIC
    image, labels, spine = _sample(case.sample, case.level)
    wanted = VirtualFracture(level=case.level, shape=case.shape, loss=case.loss)  # type: ignore[arg-type]
    broken = fracture_scan(image, labels, spine, wanted, SCAN)
    return broken.image, broken.labels, assess(broken.labels, broken.image, SCAN), SCAN


@cache
def _sample(folder: str, level: str) -> tuple[Volume, LabelMap, Spine]:
    """The sample CT round one level, cut to where the labels of its neighbours are."""
    image = read_image(Path(folder) / "ct.nii.gz")
    labels = read_labels(Path(folder) / "labels.nii.gz", image=image)
    middle = VERSE_IDS[level]
    found = np.argwhere(np.isin(labels.data, (middle - 1, middle, middle + 1)))
    room = np.ceil(CROP_MM / image.spacing_mm).astype(int)
    low = np.maximum(found.min(axis=0) - room, 0)
    high = np.minimum(found.max(axis=0) + 1 + room, image.shape)
    cut = image.crop(low, high)
    short = replace(labels, volume=labels.volume.crop(low, high))
    return cut, short, assess(short, cut, SCAN)


def _three(heights: object) -> tuple[float, ...]:
    return tuple(float(getattr(heights, name) or 0.0) for name in ("anterior", "middle", "posterior"))
