"""All X-ray pictures of a plan as one document: taken once, kept in the case, shown by the report.

Pictures are small and averaged over many frames, so that the report stays light.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from endplate.anatomy.model import Document, Spine, Vertebra
from endplate.fluoroscopy.display import develop
from endplate.fluoroscopy.letters import ROWS, write
from endplate.fluoroscopy.markers import SIMULATED, sides
from endplate.fluoroscopy.patient import Patient
from endplate.fluoroscopy.plan_views import BullsEye, PlanShots, plan_shots
from endplate.fluoroscopy.render import Frame, Settings, field_findings, render
from endplate.fluoroscopy.scene import Scene
from endplate.fluoroscopy.sequence import planned_needle, scene_of
from endplate.fluoroscopy.view import View
from endplate.imaging.geometry import FloatArray
from endplate.imaging.volume import Volume
from endplate.papers import png
from endplate.planning.model import LevelPlan, NeedlePath, Plan
from endplate.sources import Finding, value

Grey = NDArray[np.uint8]

AVERAGED = 0.06
"""Weight of a frame in the average of the album's stills: little noise, so that pictures pack well."""

GREYS = 64
"""Grey levels that are kept: an eye tells no more apart on paper."""

TILE = 2
"""The contact sheet shows pictures smaller by this."""

TILE_COLUMNS = 6
TILE_GAP = 4
NUMBER_PX = 2 * ROWS

STOP_NAMES = {
    "docking": "Docking",
    "mid-pedicle": "Mid-pedicle",
    "posterior-wall": "Posterior wall",
    "target": "Target",
}


Kind = Literal["ap", "lateral", "bullseye"]


class XrayPicture(Document):
    """One picture."""

    name: str
    """As on the picture: ``"AP"``, ``"Docking, left, lateral"``."""
    kind: Kind
    side: str | None = None
    """Of the needle it is about; ``None``: all of them."""
    stop: str | None = None
    """Checkpoint; ``None``: needles at their targets."""
    caption: str
    """What must be seen, or how it was taken."""
    angles: str
    """In patient terms and as dialled."""
    width: int
    height: int
    ring_px: tuple[tuple[float, float], ...] = ()
    """Outline of the pedicle the needle must stay in, columns and rows."""
    findings: tuple[Finding, ...] = ()
    png_base64: str


class LevelXrays(Document):
    """The pictures of one level."""

    level: str
    views: tuple[XrayPicture, ...]
    """AP, lateral and a bull's-eye for each needle."""
    stops: tuple[XrayPicture, ...]
    """AP and lateral of each checkpoint, in pairs, needle by needle."""
    sheet_base64: str
    """The contact sheet: all of them small, in the order of the procedure."""
    sheet_size: tuple[int, int]
    """Its width and height."""


class Xrays(Document):
    """All X-ray pictures of a plan."""

    schema_: Literal["endplate/xray/1"] = Field(default="endplate/xray/1", alias="schema")
    levels: tuple[LevelXrays, ...] = ()


@dataclass(frozen=True, eq=False)
class _Told:
    """What is told of a picture beside itself."""

    name: str
    kind: Kind
    side: str | None = None
    stop: str | None = None
    caption: str = ""
    findings: tuple[Finding, ...] = ()
    ring_px: FloatArray | None = None


def take_xrays(image: Volume | None, plan: Plan | None, spine: Spine | None = None) -> Xrays:
    """Take all pictures of a plan.

    Parameters
    ----------
    image:
        The CT; ``None``: there are no pictures.
    plan:
        The plan; levels without views or needles are left out.
    spine:
        As measured, for the outlines of the pedicles.

    Raises
    ------
    InputError
        Voxels of the CT are not finite numbers.
    """
    planned = [one for one in (() if plan is None else plan.plans) if one.views is not None and one.paths]
    if image is None or not planned:
        return Xrays()
    patient = Patient(image)
    levels = []
    for level in planned:
        levels.append(_level(patient, level, None if spine is None else spine.find(level.level)))
    return Xrays(levels=tuple(levels))


def _level(patient: Patient, plan: LevelPlan, vertebra: Vertebra | None) -> LevelXrays:
    pixels = int(value("xray.report_pixels"))
    shots = plan_shots(plan, vertebra, pixels=pixels)
    taken: list[tuple[XrayPicture, Grey, View]] = []

    def shoot(view: View, scene: Scene, told: _Told) -> XrayPicture:
        closer = view.magnified(float(value("xray.report_magnification")))
        how = Settings(frame_weight=AVERAGED)
        frame = render(closer, patient, scene, how, caption=f"{plan.level} {told.name}")
        picture = _picture(frame, told, view)
        taken.append((picture, develop(frame.signal, frame.field, closer.pitch_mm, how.display), closer))
        return picture

    whole = scene_of(plan.paths)
    views = [
        shoot(shots.ap, whole, _Told("AP", "ap", findings=shots.ap_reached.findings)),
        shoot(shots.lateral, whole, _Told("Lateral", "lateral", findings=shots.lateral_reached.findings)),
    ]
    for eye in shots.bulls_eyes:
        told = _Told(
            f"Bull's-eye {eye.side}",
            "bullseye",
            side=eye.side,
            caption=_eye_words(eye),
            findings=eye.reached.findings,
            ring_px=eye.ring_px,
        )
        views.append(shoot(eye.view, Scene((planned_needle(_path(plan, eye)),)), told))
    stops = _stops(shots, plan, shoot)
    sheet = _sheet(taken, plan.level)
    return LevelXrays(
        level=plan.level,
        views=tuple(views),
        stops=tuple(stops),
        sheet_base64=_packed(sheet),
        sheet_size=(sheet.shape[1], sheet.shape[0]),
    )


def _stops(
    shots: PlanShots, plan: LevelPlan, shoot: Callable[[View, Scene, _Told], XrayPicture]
) -> list[XrayPicture]:
    found = []
    for stop in shots.stops:
        path = next(path for path in plan.paths if path.side == stop.side)
        scene = Scene((planned_needle(path, stop.tip_ras_mm),))
        name = f"{STOP_NAMES[stop.name]} {stop.side}"
        ap = _Told(name, "ap", side=stop.side, stop=stop.name, caption=stop.ap_text)
        lateral = _Told(name, "lateral", side=stop.side, stop=stop.name, caption=stop.lateral_text)
        found += [shoot(shots.ap, scene, ap), shoot(shots.lateral, scene, lateral)]
    return found


def _path(plan: LevelPlan, eye: BullsEye) -> NeedlePath:
    return next(path for path in plan.paths if path.side == eye.side)


def _eye_words(eye: BullsEye) -> str:
    words = f"Entry and tip {eye.apart_mm:.1f} mm apart on the detector"
    if eye.inside is None:
        return words + "."
    return f"{words}, {'inside' if eye.inside else 'not both inside'} the pedicle's outline (line)."


def _picture(frame: Frame, told: _Told, view: View) -> XrayPicture:
    rows, columns = frame.pixels.shape
    outline: tuple[tuple[float, float], ...] = ()
    if told.ring_px is not None:
        # The outline was told on the whole detector; the picture shows its middle.
        middle = 0.5 * np.array([columns - 1, rows - 1])
        placed = (told.ring_px - middle) * (view.pitch_mm / frame.view.pitch_mm) + middle
        outline = tuple((round(float(x), 2), round(float(y), 2)) for x, y in placed)
    pose = frame.view.pose
    return XrayPicture(
        name=told.name,
        kind=told.kind,
        side=told.side,
        stop=told.stop,
        caption=told.caption,
        angles=f"{pose.patient_text}. {pose.console_text}.",
        width=columns,
        height=rows,
        ring_px=outline,
        findings=(*told.findings, *field_findings(frame)),
        png_base64=_packed(frame.pixels),
    )


def _packed(pixels: Grey) -> str:
    """PNG of fewer greys as base64; white stays white."""
    step = 256 // GREYS
    few = np.round(pixels / step).astype(np.int64) * 255 // (256 // step)
    return base64.b64encode(png.encode(np.clip(few, 0, 255).astype(np.uint8))).decode("ascii")


def _sheet(taken: list[tuple[XrayPicture, Grey, View]], level: str) -> Grey:
    """Pictures small, side by side, each with its name and sides."""
    tiles = []
    for number, (picture, pixels, view) in enumerate(taken, start=1):
        rows, columns = (size // TILE for size in pixels.shape)
        small = pixels[: rows * TILE, : columns * TILE].reshape(rows, TILE, columns, TILE).mean(axis=(1, 3))
        tile = np.zeros((rows + NUMBER_PX, columns), dtype=np.uint8)
        tile[NUMBER_PX:] = np.round(small).astype(np.uint8)
        at = sides(view)
        write(tile, f"{number} {picture.name} {picture.kind if picture.stop else ''}", 3, 2, 1)
        write(tile, SIMULATED, NUMBER_PX + 3, 3, 1)
        write(tile, at.left, NUMBER_PX + rows // 2, 3, 1)
        write(tile, at.right, NUMBER_PX + rows // 2, columns - 8, 1)
        write(tile, at.top, NUMBER_PX + 3, columns // 2 + 30, 1)
        tiles.append(tile)
    high, wide = tiles[0].shape
    lines = -(-len(tiles) // TILE_COLUMNS)
    across = min(len(tiles), TILE_COLUMNS)
    sheet = np.full(
        (NUMBER_PX + lines * (high + TILE_GAP), across * (wide + TILE_GAP) - TILE_GAP), 24, dtype=np.uint8
    )
    write(sheet, f"{level} planned procedure, {SIMULATED}", 3, 3, 1)
    for at_tile, tile in enumerate(tiles):
        top = NUMBER_PX + (at_tile // TILE_COLUMNS) * (high + TILE_GAP)
        left = (at_tile % TILE_COLUMNS) * (wide + TILE_GAP)
        sheet[top : top + high, left : left + wide] = tile
    return sheet
