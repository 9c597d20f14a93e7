"""Balloons in virtual fractures of the phantom and of real scans, two a level, inflated and deflated."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from records import rooms_hash
from scipy import ndimage

from endplate.anatomy import assess
from endplate.anatomy.axes import FloatArray
from endplate.anatomy.model import HeightTriple, Side, Spine
from endplate.balloon.bone import body_bone
from endplate.balloon.crack import frame_mm
from endplate.balloon.inflate import deflate, inflate_all, prepare
from endplate.balloon.model import Bone, Cavity, Options, Posture, Tamp
from endplate.balloon.result import cavity_of, document
from endplate.balloon.walls import shell_of
from endplate.devices.balloons import shipped_balloons
from endplate.errors import EndplateError
from endplate.imaging.calibration import Calibration
from endplate.imaging.labels import read_labels
from endplate.imaging.levels import VERSE_IDS
from endplate.imaging.read import read_image
from endplate.imaging.sample import fetch_sample
from endplate.imaging.volume import LabelMap, Volume
from endplate.synthetic import GridSpec, build_phantom, default_spec
from endplate.synthetic.virtual_fracture import VirtualFracture, fracture_scan

POROTIC = Calibration.line(0.45, 0.0)
"""Turns the phantom's bone into bone of some 75 mg/cm³."""

SCAN = Calibration.uncalibrated()

VOLUME_ML = 3.0

CROP_MM = 25.0

TPTBOX = "tptbox_L3_ct.nii.gz"
"""A lumbar CT in the folder of ``ENDPLATE_DATA``."""

KEPT = "ENDPLATE_STUDY_KEPT"

ROOMS = ("anatomy: geometry", "balloon", "synthetic: virtual fracture")
"""Rooms whose code an outcome hangs on."""

SHAPES = ("wedge", "crush", "biconcave")


@dataclass(frozen=True)
class Case:
    """One virtual fracture of a source: ``phantom``, ``sample CT`` or ``TPTBox``."""

    source: str
    level: str
    shape: str
    loss: float
    voxel_mm: float = 1.0
    balloons: int = 2

    @property
    def name(self) -> str:
        """In words."""
        return f"{self.source} {self.level} {self.shape} {100 * self.loss:.0f} %"


@dataclass(frozen=True)
class Outcome:
    """What the balloons did to it; heights anterior, middle, posterior in mm.

    ``cavity_ml`` is what the inflated balloons' cavities came to, ``opened_ml`` what of it was opened beyond the bone
    that was swept, ``left_ml`` the cavity once they are deflated. ``volume_error_voxels`` compares the first with what
    each balloon held (``…_shells``: over the voxels round its cavity), ``room_error_voxels`` the last with the voxels
    that cement finds.
    """

    case: Case
    heights_mm: tuple[float, ...]
    expected_mm: tuple[float, ...]
    inflated_mm: tuple[float, ...]
    deflated_mm: tuple[float, ...]
    density_mgcc: float
    pressure_mpa: tuple[float, float, float]
    cavity_ml: float
    opened_ml: float
    left_ml: float
    volume_error_voxels: float
    volume_error_shells: float
    room_error_voxels: float
    mineral_error: float
    left_body: bool
    in_wall_untold: bool
    stopped: tuple[str, ...]


@dataclass(frozen=True)
class Refused:
    """A case that ended in an error, in its words."""

    case: Case
    why: str


def cases(*, real: bool) -> list[Case]:
    """The list, fixed in advance: with the phantom the share is calibrated, on real scans it is shown.

    The phantom's fractures are also those on which the stiffness of the broken zone was chosen before.
    """
    if not real:
        first = [Case("phantom", "L1", shape, loss) for shape in SHAPES for loss in (0.2, 0.3, 0.4)]
        return [*first, *(Case("phantom", "T12", shape, 0.3) for shape in SHAPES)]
    first = [Case("sample CT", "L1", shape, loss) for shape in SHAPES for loss in (0.2, 0.3, 0.4)]
    first += [Case("sample CT", "T12", shape, 0.3) for shape in SHAPES]
    return [*first, *(Case("TPTBox", "L3", shape, 0.3) for shape in SHAPES)]


def run(case: Case) -> Outcome | Refused:
    """Break the bone, inflate, deflate.

    Where ``ENDPLATE_STUDY_KEPT`` names a folder, what the very same code gave before is read from it and new outcomes
    are put there: a study that was cut short goes on where it was.
    """
    folder = os.environ.get(KEPT)
    file = (
        Path(folder or ".") / f"{rooms_hash(ROOMS)[:16]} {case.name} {case.voxel_mm:g} {case.balloons}.pickle"
    )
    if folder and file.is_file():
        kept: Outcome | Refused = pickle.loads(file.read_bytes())
        return kept
    try:
        outcome: Outcome | Refused = inflated(case, broken_bone(case))
    except EndplateError as error:
        outcome = Refused(case, f"{error.code}: {error.what}")
    if folder:
        file.write_bytes(pickle.dumps(outcome))
    return outcome


def broken_bone(case: Case) -> Bone:
    """The body of a virtual fracture, measured again after it was broken."""
    image, labels, spine, calibration = intact(case.source, case.level)
    wanted = VirtualFracture(level=case.level, shape=case.shape, loss=case.loss)  # type: ignore[arg-type]
    broken = fracture_scan(image, labels, spine, wanted, calibration)
    measured = assess(broken.labels, broken.image, calibration)
    bone = body_bone(broken.image, broken.labels, measured, case.level, calibration, voxel_mm=case.voxel_mm)
    before = spine.find(case.level)
    assert before is not None
    # What was broken how, and how tall it was, is known here; what a measurement makes of it is tested elsewhere.
    return replace(bone, shape=case.shape, expected_heights_mm=before.heights_mm)  # type: ignore[arg-type]


def inflated(case: Case, bone: Bone) -> Outcome:
    """Two balloons (or one) in a body, to 3 ml or the first stop, and down again."""
    tamps = both_sides(bone)[: case.balloons]
    site = prepare(bone, tamps, Options(posture=Posture.none(), crack=True))
    full = inflate_all(site, {tamp.side: VOLUME_ML for tamp in tamps}, deflated=False)
    state = full
    for tamp in tamps:
        state = deflate(site, state, tamp.side)
    told = document(site, state)
    room = cavity_of(site, state)
    peak = told.peak_pressure_mpa
    assert peak is not None
    assert told.gains.deflated is not None
    in_wall = bool((room.mask & shell_of(bone)).any())
    off = np.abs(full.room_ml(bone.voxel_ml) - full.volumes_ml) / bone.voxel_ml
    round_about = [np.count_nonzero(ndimage.binary_dilation(one) & ~one) for one in full.cavities]
    return Outcome(
        case=case,
        heights_mm=tuple(float(one) for one in site.room.heights_mm),
        expected_mm=_three(bone.expected_heights_mm),
        inflated_mm=_three(told.gains.inflated),
        deflated_mm=_three(told.gains.deflated),
        density_mgcc=float(bone.density_mgcc[bone.depth_mm > 4.0].mean()),
        pressure_mpa=(peak.yield_, peak.foam, peak.j2),
        cavity_ml=float(full.room_ml(bone.voxel_ml).sum()),
        opened_ml=float(full.lifted.opened_ml.sum()),
        left_ml=told.cavity_ml,
        volume_error_voxels=float(off.max()),
        volume_error_shells=float((off / round_about).max()),
        room_error_voxels=abs(room.volume_ml - told.cavity_ml) / bone.voxel_ml,
        mineral_error=max(told.bone_mineral_error, _mineral_error(bone, room)),
        left_body=bool((room.mask & ~bone.body).any()),
        in_wall_untold=in_wall and "breach" not in told.stopped.values(),
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


Scan = tuple[Volume, LabelMap, Spine, Calibration]


@cache
def intact(source: str, level: str) -> Scan:
    """A level and its neighbours before it is broken."""
    if source == "phantom":
        around = {"L1": ("T12", "L1", "L2"), "T12": ("T11", "T12", "L1"), "L3": ("L2", "L3", "L4")}[level]
        made = build_phantom(default_spec(around), GridSpec(spacing=(1.0, 1.0, 1.0), margin_mm=8.0))
        assert made.volume is not None
        return made.volume, made.labels, assess(made.labels, made.volume, POROTIC), POROTIC
    if source == "TPTBox":
        folder = Path(os.environ["ENDPLATE_DATA"])
        image = read_image(folder / TPTBOX)
        labels = read_labels(folder / "tptbox_L3_vert_labels.nii.gz", image=image)
        return image, labels, assess(labels, image, SCAN), SCAN
    found = fetch_sample()
    image = read_image(found.ct)
    labels = read_labels(found.labels, image=image)
    middle = VERSE_IDS[level]
    near = np.argwhere(np.isin(labels.data, (middle - 1, middle, middle + 1)))
    room = np.ceil(CROP_MM / image.spacing_mm).astype(int)
    low = np.maximum(near.min(axis=0) - room, 0)
    high = np.minimum(near.max(axis=0) + 1 + room, image.shape)
    cut = image.crop(low, high)
    short = replace(labels, volume=labels.volume.crop(low, high))
    return cut, short, assess(short, cut, SCAN), SCAN


def _mineral_error(bone: Bone, room: Cavity) -> float:
    """|after − before| / before of the bone mineral round the cavity that cement finds."""
    before = float(bone.density_mgcc.sum())
    return abs(float(room.density_mgcc.sum()) - before) / before


def _three(heights: HeightTriple) -> tuple[float, ...]:
    parts = (heights.anterior, heights.middle, heights.posterior)
    return tuple(float("nan") if one is None else float(one) for one in parts)
