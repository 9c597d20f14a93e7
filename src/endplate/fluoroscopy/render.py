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

from endplate.fluoroscopy.beam import Beam, beam
from endplate.fluoroscopy.display import Display, control_region, default_display, develop
from endplate.fluoroscopy.dose import Exposure, control
from endplate.fluoroscopy.markers import burn_in
from endplate.fluoroscopy.noise import Quanta, detect
from endplate.fluoroscopy.patient import Paths, Patient, view_key
from endplate.fluoroscopy.scatter import Scatter, coarse, scatter_of, veil
from endplate.fluoroscopy.scene import Scene
from endplate.fluoroscopy.view import Shown, View, as_shown
from endplate.sources import Finding, finding, value

Float32 = NDArray[np.float32]
Grey = NDArray[np.uint8]
Mask = NDArray[np.bool_]
NO_NOISE = 1e30
"""Photons a pixel of a picture without noise."""

KEPT_PREPARED = 8
"""Views that are kept ready."""


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
