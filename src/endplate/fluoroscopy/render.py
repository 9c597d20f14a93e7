"""One frame of fluoroscopy: patient, scene and C-arm in, a finished picture and its dose out.

While the C-arm stands still the patient's paths, the exposure and the picture without tools are kept, so that a frame
in which only tools move costs little.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from endplate.fluoroscopy.beam import Beam, Shadow, beam
from endplate.fluoroscopy.display import Display, control_region, default_display, develop
from endplate.fluoroscopy.dose import Exposure, control
from endplate.fluoroscopy.markers import burn_in
from endplate.fluoroscopy.materials import Material, material
from endplate.fluoroscopy.noise import Quanta, detect
from endplate.fluoroscopy.patient import Paths, Patient, view_key
from endplate.fluoroscopy.projector import Projector
from endplate.fluoroscopy.scatter import Scatter, coarse, scatter_of, veil
from endplate.fluoroscopy.tools import Tool, tool_paths
from endplate.fluoroscopy.view import Shown, View, as_shown
from endplate.imaging.volume import Volume
from endplate.sources import Finding, finding, value

Float32 = NDArray[np.float32]
Grey = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Box = tuple[int, int, int, int]
"""Rows [top, bottom) and columns [left, right)."""

NO_NOISE = 1e30
"""Photons a pixel of a picture without noise."""

KEPT_PREPARED = 8
KEPT_SHADOWS = 4
"""Views that are kept ready."""


class Filling:
    """Cement or contrast that lies in voxels.

    Parameters
    ----------
    fraction:
        Share of each voxel that is filled, 0–1 (a mask will do); any grid, cut to what holds something.
    of:
        What it is; ``None``: the cement of the catalogue.

    Raises
    ------
    InputError
        Fractions that are not finite numbers.
    """

    def __init__(self, fraction: Volume, of: Material | None = None) -> None:
        self.fraction = fraction
        self.material = of or material("cement")
        self._projector = Projector(replace(fraction, data=np.asarray(fraction.data, dtype=np.float32)))
        self._kept: OrderedDict[tuple[object, ...], tuple[Float32, Box]] = OrderedDict()

    @property
    def empty(self) -> bool:
        """Nothing is filled."""
        return self._projector.empty

    @property
    def volume_ml(self) -> float:
        """How much there is."""
        voxel_mm3 = abs(float(np.linalg.det(self.fraction.affine[:3, :3])))
        return float(self.fraction.data.sum()) * voxel_mm3 / 1000.0

    def path(self, view: View) -> tuple[Float32, Box]:
        """Path through it in mm, shape (rows, columns), and the rectangle that holds it; kept for the next frame."""
        key = view_key(view)
        if key not in self._kept:
            path = np.maximum(self._projector.line_integrals(view), np.float32(0.0))
            self._kept[key] = path, _box(path)
            while len(self._kept) > KEPT_SHADOWS:
                self._kept.popitem(last=False)
        return self._kept[key]


@dataclass(frozen=True, eq=False)
class Scene:
    """What was brought into the patient.

    Parameters
    ----------
    tools:
        Needles, markers and balloons, by their shapes.
    fillings:
        Cement and contrast in voxels.
    """

    tools: tuple[Tool, ...] = ()
    fillings: tuple[Filling, ...] = ()

    def shadow(self, view: View) -> Shadow | None:
        """Paths through all of it in one view, ``None`` where nothing of it is in the field."""
        parts: list[tuple[Material, Float32, Box]] = []
        if self.tools:
            layer = tool_paths(view, self.tools)
            parts += [
                (material(name), layer.lengths_mm[at], layer.box) for at, name in enumerate(layer.materials)
            ]
        parts += [(filling.material, *filling.path(view)) for filling in self.fillings if not filling.empty]
        parts = [part for part in parts if part[2][0] < part[2][1]]
        if not parts:
            return None
        sides = np.array([box for _, _, box in parts])
        top, left = (int(side) for side in sides[:, [0, 2]].min(axis=0))
        bottom, right = (int(side) for side in sides[:, [1, 3]].max(axis=0))
        kinds = tuple(dict.fromkeys(of for of, _, _ in parts))
        stack = np.zeros((len(kinds), bottom - top, right - left), dtype=np.float32)
        for of, path, _ in parts:
            stack[kinds.index(of)] += path[top:bottom, left:right]
        return Shadow(kinds, stack, (top, bottom, left, right))


@dataclass(frozen=True)
class Settings:
    """How pictures are taken and shown.

    Parameters
    ----------
    kvp:
        Tube voltage; ``None``: exposure control chooses it.
    monoenergetic:
        One energy instead of the spectrum: no beam hardening.
    scatter:
        How much scatter; ``None``: by the view.
    noise:
        Count photons.
    seed:
        Of the noise.
    frame_weight:
        Of the newest frame in the recursive average; ``None``: ``xray.frame_weight``.
    display:
        The monitor.
    shown:
        As radiograph or as the patient is seen from behind.
    marked:
        Burn the markers in; only a program that draws them itself leaves them out.
    pulse_rate:
        Pulses in a second; ``None``: ``xray.pulse_rate``.
    """

    kvp: float | None = None
    monoenergetic: bool = False
    scatter: Scatter | None = None
    noise: bool = True
    seed: int = 0
    frame_weight: float | None = None
    display: Display = field(default_factory=default_display)
    shown: Shown = "radiograph"
    marked: bool = True
    pulse_rate: float | None = None


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture.

    Parameters
    ----------
    pixels:
        Grey levels as shown, uint8, shape (rows, columns); dense is dark.
    view, settings:
        How it was taken and is shown.
    exposure:
        What the tube gave for it.
    number:
        In its run.
    signal:
        The averaged signal of the detector in the view's own columns; what the next frame is averaged with.
    field:
        Open part of the field in the view's own columns.
    caption:
        Name in its upper right corner.
    """

    pixels: Grey
    view: View
    settings: Settings
    exposure: Exposure
    number: int
    signal: Float32
    field: Mask
    caption: str = ""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A view of a patient made ready: all that does not change while tools move."""

    paths: Paths
    field: Mask
    middle: tuple[slice, slice]
    exposure: Exposure
    scatter: Scatter
    beam: Beam
    signal: Float32
    reference: float
    """Mean primary signal in the control region."""

    @property
    def photons_per_signal_mm2(self) -> float:
        """Photons per mm² in one frame where the signal is 1."""
        return self.exposure.photons_mm2 / (self.reference * (1.0 + self.scatter.to_primary))


def render(
    view: View,
    patient: Patient,
    scene: Scene | None = None,
    settings: Settings | None = None,
    *,
    number: int = 0,
    before: Frame | None = None,
    caption: str = "",
    notes: tuple[str, ...] = (),
) -> Frame:
    """Take one picture.

    Parameters
    ----------
    view:
        The C-arm with its shutter.
    patient, scene:
        What it sees.
    settings:
        How; ``None``: as usual.
    number:
        Of the frame; the same number and seed give the same noise.
    before:
        The frame before, with which this one is averaged unless the C-arm moved. ``None``: a still, with the noise
        of an average that has settled.
    caption, notes:
        Words on the picture (:func:`endplate.fluoroscopy.markers.burn_in`).

    Raises
    ------
    UsageError
        Source or detector stand within the patient.
    """
    how = settings or Settings()
    ready = prepare(view, patient, how)
    shadow = (scene or Scene()).shadow(view)
    signal = ready.beam.add_tools(ready.signal, ready.paths.soft_mm, ready.paths.bone_mm, shadow)
    mist = veil(coarse(signal), ready.scatter, ready.reference, view.pitch_mm)
    photons = ready.photons_per_signal_mm2 * view.pitch_mm**2 if how.noise else NO_NOISE
    weight = float(value("xray.frame_weight")) if how.frame_weight is None else how.frame_weight
    if before is not None and view_key(before.view) != view_key(view):
        before = None
    counted = detect(
        signal,
        mist,
        Quanta(photons, how.seed, number),
        before=None if before is None else before.signal,
        weight=weight,
        settled=before is None and number == 0,
    )
    grey = develop(counted, ready.field, view.pitch_mm, how.display)
    if how.marked:
        grey = burn_in(grey, view, shown=how.shown, caption=caption, notes=notes)
    else:
        grey = np.ascontiguousarray(as_shown(grey, view, how.shown))
    return Frame(grey, view, how, ready.exposure, number, counted, ready.field, caption)


def prepare(view: View, patient: Patient, settings: Settings | None = None) -> Prepared:
    """Make a view ready; kept by the patient until other views crowd it out."""
    how = settings or Settings()
    key = (
        view_key(view),
        view.collimation,
        how.kvp,
        how.monoenergetic,
        how.scatter,
        how.display,
        how.pulse_rate,
    )
    kept: OrderedDict[tuple[Any, ...], Prepared] = patient.ready
    if key not in kept:
        kept[key] = _prepare(view, patient, how)
        while len(kept) > KEPT_PREPARED:
            kept.popitem(last=False)
    kept.move_to_end(key)
    return kept[key]


def field_findings(frame: Frame) -> tuple[Finding, ...]:
    """A warning where so little of the field is open that the picture hardly shows anything."""
    share = float(frame.field.mean())
    if share >= float(value("xray.least_open_field")):
        return ()
    return (finding("xray-field-closed", percent=100.0 * share),)


def hold(frame: Frame) -> Frame:
    """The last image hold of a frame: the same picture, saying that the pedal is up."""
    if not frame.settings.marked:
        return frame
    grey = develop(frame.signal, frame.field, frame.view.pitch_mm, frame.settings.display)
    shown = frame.settings.shown
    return replace(
        frame,
        pixels=burn_in(grey, frame.view, shown=shown, caption=frame.caption, notes=("LAST IMAGE HOLD",)),
    )


def _prepare(view: View, patient: Patient, how: Settings) -> Prepared:
    paths = patient.paths(view)
    shut = _shutter(view)
    open_field = paths.field if shut is None else paths.field & shut
    middle = control_region(open_field, how.display.control_region)
    soft, bone = paths.soft_mm[middle], paths.bone_mm[middle]
    scatter = how.scatter or scatter_of(view.pose)
    exposure = control(
        view,
        float(soft.mean()),
        float(bone.mean()),
        scatter_to_primary=scatter.to_primary,
        open_pixels=int(open_field.sum()),
        kvp=how.kvp,
        pulse_rate=how.pulse_rate,
    )
    made = beam(exposure.kvp, monoenergetic=how.monoenergetic)
    signal = made.signal(paths.soft_mm, paths.bone_mm)
    return Prepared(
        paths=paths,
        field=open_field,
        middle=middle,
        exposure=exposure,
        scatter=scatter,
        beam=made,
        signal=signal,
        reference=float(signal[middle].mean(dtype=np.float64)),
    )


def _shutter(view: View) -> Mask | None:
    shut = view.collimation
    if shut is None:
        return None
    open_part = np.zeros(view.shape, dtype=np.bool_)
    open_part[max(shut.top, 0) : max(shut.bottom, 0), max(shut.left, 0) : max(shut.right, 0)] = True
    return open_part


def _box(path: Float32) -> Box:
    rows, columns = (np.flatnonzero((path > 0.0).any(axis=axis)) for axis in (1, 0))
    if rows.size == 0:
        return 0, 0, 0, 0
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
