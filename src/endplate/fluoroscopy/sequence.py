"""Moving pictures: the needle on its way in, as single PNG frames or as one page that plays them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from endplate.fluoroscopy.dose import Dose
from endplate.fluoroscopy.patient import Patient
from endplate.fluoroscopy.render import Frame, Settings, render
from endplate.fluoroscopy.scene import Scene
from endplate.fluoroscopy.tools import Tool, needle
from endplate.fluoroscopy.view import View
from endplate.imaging.geometry import FloatArray
from endplate.papers import png
from endplate.planning.model import NeedlePath
from endplate.planning.room_geometry import PathPoints

CANNULA_BORE = 0.78
"""Bore over outer diameter of a cannula of which only the outside is known."""

SHAFT_MM = 130.0
"""Length of a needle that is drawn."""

BEFORE_BONE_MM = 15.0
"""How far in front of the bone the way in begins."""


@dataclass(frozen=True)
class Advance:
    """A needle's way in: from ``BEFORE_BONE_MM`` in front of the bone to its target.

    Parameters
    ----------
    path:
        The planned needle.
    seconds:
        How long it takes.
    """

    path: NeedlePath
    seconds: float

    def tip_ras_mm(self, at_seconds: float) -> FloatArray:
        """Where the tip is at a time; before it starts at the start, after its end at the target."""
        points = PathPoints.of(self.path)
        length = points.depth_mm(points.tip_ras_mm)
        share = 1.0 if self.seconds <= 0.0 else min(max(at_seconds / self.seconds, 0.0), 1.0)
        depth = -BEFORE_BONE_MM + share * (length + BEFORE_BONE_MM)
        return np.asarray(points.entry_ras_mm + depth * points.direction_ras)

    def tool(self, at_seconds: float) -> Tool:
        """The needle at a time."""
        return planned_needle(self.path, self.tip_ras_mm(at_seconds))


def planned_needle(path: NeedlePath, tip_ras_mm: ArrayLike | None = None) -> Tool:
    """The needle of a path with its tip at a point of the axis; ``None``: at its target."""
    points = PathPoints.of(path)
    tip = points.tip_ras_mm if tip_ras_mm is None else np.asarray(tip_ras_mm, dtype=np.float64)
    return needle(
        tip,
        tip - SHAFT_MM * points.direction_ras,
        outer_mm=path.outer_diameter_mm,
        inner_mm=CANNULA_BORE * path.outer_diameter_mm,
    )


@dataclass(frozen=True, eq=False)
class Run:
    """Frames taken one after another with the pedal down, and the dose they gave."""

    frames: tuple[Frame, ...]
    dose: Dose


def needle_run(
    view: View,
    patient: Patient,
    advances: Sequence[Advance],
    settings: Settings | None = None,
    *,
    frames: int = 12,
    caption: str = "",
    dose: Dose | None = None,
    until_s: float | None = None,
) -> Run:
    """Pictures of needles on their way in.

    Parameters
    ----------
    view, patient, settings:
        As for a picture.
    advances:
        Needles that move at the same time.
    frames:
        Pictures, evenly in time from the start to the target; each is one pulse.
    caption:
        Name of the view.
    dose:
        What was given before.
    until_s:
        End of the run; ``None``: when the last needle is at its target.
    """
    how = settings or Settings()
    end = max((advance.seconds for advance in advances), default=0.0) if until_s is None else until_s
    taken: list[Frame] = []
    given = dose or Dose()
    for number in range(frames):
        at = end * number / max(frames - 1, 1)
        scene = Scene(tuple(advance.tool(at) for advance in advances))
        frame = render(
            view,
            patient,
            scene,
            how,
            number=number,
            before=taken[-1] if taken else None,
            caption=caption,
            notes=(f"{at:.1f} S",),
        )
        given = given.after_frame(frame.exposure, lateral=view.pose.lateral)
        taken.append(frame)
    return Run(tuple(taken), given)


def scene_of(paths: Sequence[NeedlePath]) -> Scene:
    """All needles of a level at their targets."""
    return Scene(tuple(planned_needle(path) for path in paths))


def page(run: Run, title: str, words: str) -> str:
    """One self-contained HTML page that plays a run; it loads nothing.

    Parameters
    ----------
    run:
        Its frames.
    title:
        Of the page; no names.
    words:
        A sentence below the picture.
    """
    uris = [png.data_uri(png.encode(frame.pixels)) for frame in run.frames]
    rows, columns = run.frames[0].pixels.shape
    return _PAGE.format(
        title=_plain(title),
        words=_plain(words),
        frames=json.dumps(uris),
        last=len(uris) - 1,
        width=columns,
        height=rows,
        wait=round(1000.0 / run.frames[0].exposure.pulse_rate),
        first=uris[0],
    )


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ background: #14181f; color: #e9ecef; font: 16px/1.4 system-ui, sans-serif;
  margin: 1.5rem auto; max-width: 46rem; }}
img {{ width: 100%; max-width: {width}px; height: auto; display: block; background: #000; }}
button, input {{ font: inherit; }}
input[type=range] {{ width: 100%; max-width: {width}px; }}
</style>
</head>
<body>
<h1>{title}</h1>
<img id="frame" src="{first}" width="{width}" height="{height}" alt="Simulated fluoroscopy. {words}">
<p><label>Frame <input id="at" type="range" min="0" max="{last}" value="0"></label>
<button id="play" type="button">Play</button></p>
<p>{words}</p>
<p>Simulated from a CT. A research and planning aid, not a medical device.</p>
<script>
"use strict";
const frames = {frames};
const picture = document.getElementById("frame");
const at = document.getElementById("at");
const play = document.getElementById("play");
let timer = null;
function show(number) {{ at.value = number; picture.src = frames[number]; }}
function stop() {{ clearInterval(timer); timer = null; play.textContent = "Play"; }}
at.addEventListener("input", () => show(Number(at.value)));
play.addEventListener("click", () => {{
  if (timer !== null) {{ stop(); return; }}
  play.textContent = "Stop";
  if (Number(at.value) === frames.length - 1) show(0);
  timer = setInterval(() => {{
    if (Number(at.value) === frames.length - 1) stop(); else show(Number(at.value) + 1);
  }}, {wait});
}});
</script>
</body>
</html>
"""
