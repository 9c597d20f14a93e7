"""A kyphoplasty under simulated X-ray: true laterals of its level before, inflated, deflated and filled.

All pictures have one tube voltage and one window, so that what is darker in one than in another is denser.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from endplate.anatomy.model import Vertebra
from endplate.errors import QualityGateError
from endplate.fluoroscopy.display import default_display, develop_alike
from endplate.fluoroscopy.patient import Patient
from endplate.fluoroscopy.render import Frame, Settings, render
from endplate.fluoroscopy.view import View, mobile_view
from endplate.imaging.volume import Volume
from endplate.outcome.stage_scans import STAGES, Stage
from endplate.papers import png
from endplate.papers.svg import Drawing
from endplate.planning.model import LevelPlan
from endplate.planning.views import level_poses, pose_of
from endplate.report import style
from endplate.sources import value

NAMES: dict[Stage, str] = {
    "before": "before",
    "inflated": "balloons inflated",
    "deflated": "balloons deflated",
    "filled": "filled with cement",
}
"""What each picture is called."""

PICTURE_PX, GAP_PX = 190.0, 6.0
AVERAGED = 0.03
"""Weight of a frame in the average: little noise."""

BESIDE_MM = 12.0
"""The CT is cut to what the rays of the field pass, and this much beside them."""

FARTHEST_MM = 260.0
"""Rays are followed this far to both sides of the level."""

GREYS = 64


@dataclass(frozen=True)
class BalloonXrays:
    """The figure.

    Parameters
    ----------
    svg:
        The pictures side by side.
    caption:
        What it shows, without markup.
    names:
        Of the pictures, left to right.
    """

    svg: Markup
    caption: str
    names: tuple[str, ...]


def balloon_xrays(
    plan: LevelPlan, vertebra: Vertebra, stages: Mapping[Stage, Volume], *, pixels: int | None = None
) -> BalloonXrays | None:
    """The figure of one level; ``None`` without a stage beside ``before``.

    Parameters
    ----------
    plan, vertebra:
        The level: its true lateral view, and where it lies.
    stages:
        The CT of each stage in HU (:func:`endplate.outcome.stage_scans.stage_scans`).
    pixels:
        Side of a picture; ``None``: ``stage_scans.xray_pixels``.

    Raises
    ------
    QualityGateError
        ``report-no-lateral``: the level has no frame to look at.
    """
    shown = [stage for stage in STAGES if stage in stages]
    if len(shown) < 2:
        return None
    view = stage_view(plan, vertebra, pixels=pixels)
    frames = [_frame(view, stages[stage]) for stage in shown]
    pictures = _same_window(frames)
    width = len(shown) * (PICTURE_PX + GAP_PX) - GAP_PX
    names = tuple(NAMES[stage] for stage in shown)
    drawing = Drawing(
        width,
        PICTURE_PX,
        alt=f"Simulated true laterals of {plan.level}: {', '.join(names)}. The front is on the left.",
    )
    for place, (name, grey) in enumerate(zip(names, pictures, strict=True)):
        left = place * (PICTURE_PX + GAP_PX)
        drawing.image(png.data_uri(png.encode(grey)), (left, 0.0), PICTURE_PX, PICTURE_PX)
        for y, words, size in ((15.0, f"{place + 1}  {name}", 11.0), (PICTURE_PX - 6.0, "simulated", 9.0)):
            drawing.text((left + 6.0, y), words, size=size, fill=style.ON_DARK, halo=style.HALO)
    _scale_bar(drawing, PICTURE_PX / float(value("stage_scans.xray_field_mm")), width)
    return BalloonXrays(drawing.markup("picture xray stages"), _caption(plan.level, names), names)


def stage_view(plan: LevelPlan, vertebra: Vertebra, *, pixels: int | None = None) -> View:
    """The true lateral of a level, cut to the level; raises as :func:`balloon_xrays`."""
    if vertebra.frame is None:
        raise QualityGateError(
            "report-no-lateral",
            f"{plan.level} was not measured, so there is no true lateral of it.",
            do="Choose a level that is whole in the scan.",
        )
    pose = None if plan.views is None else pose_of(plan.views.lateral)
    chosen = level_poses(vertebra.frame).lateral if pose is None else pose
    count = int(value("stage_scans.xray_pixels")) if pixels is None else pixels
    view = mobile_view(chosen, vertebra.frame.origin_ras_mm, pixels=count)
    return view.magnified(view.pixel_at_isocentre_mm * count / float(value("stage_scans.xray_field_mm")))


def _frame(view: View, image: Volume) -> Frame:
    how = Settings(kvp=float(value("stage_scans.xray_kvp")), frame_weight=AVERAGED, marked=False)
    return render(view, Patient(_about(view, image)), settings=how)


def _about(view: View, image: Volume) -> Volume:
    """The part of a CT that the rays of a view pass."""
    last_row, last_column = view.rows - 1, view.columns - 1
    rays = view.ray(np.array([[c, r] for c in (0, last_column) for r in (0, last_row)]))
    middle = view.source_isocentre_mm
    ends = [view.source_ras_mm + (middle + way) * rays for way in (-FARTHEST_MM, FARTHEST_MM)]
    points = np.concatenate(ends)
    low, high = points.min(axis=0) - BESIDE_MM, points.max(axis=0) + BESIDE_MM
    corners = np.array(
        [[a, b, c] for a in (low[0], high[0]) for b in (low[1], high[1]) for c in (low[2], high[2])]
    )
    index = image.to_voxel(corners)
    return image.crop(np.floor(index.min(axis=0)), np.ceil(index.max(axis=0)) + 1)


def _same_window(frames: list[Frame]) -> list[NDArray[np.uint8]]:
    """Grey levels of all frames by the brightness and slow background of the first, dense dark."""
    first = frames[0]
    shown = develop_alike(
        [frame.signal for frame in frames], first.field, first.view.pitch_mm, default_display()
    )
    return [_few(one) for one in shown]


def _few(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same picture in fewer levels: a smaller file."""
    steps = GREYS - 1
    levels = np.rint(grey * (steps / 255.0)) * (255.0 / steps)
    few: NDArray[np.uint8] = np.rint(levels).astype(np.uint8)
    return few


def _scale_bar(drawing: Drawing, px_per_mm: float, width: float) -> None:
    right, y, length = width - 8.0, PICTURE_PX - 10.0, 20.0 * px_per_mm
    for colour, thick in ((style.HALO, 4.0), (style.ON_DARK, 2.0)):
        drawing.line((right - length, y), (right, y), stroke=colour, stroke_width=thick)
    drawing.text((right, y - 5.0), "20 mm", size=9.0, anchor="end", fill=style.ON_DARK, halo=style.HALO)


def _caption(level: str, names: tuple[str, ...]) -> str:
    return (
        f"{level}, simulated true laterals: {', '.join(names)}. The front is on the left, dense is dark; one tube "
        "voltage and one window for all. Heights are those of each stage; the neighbours stay where the scan has them, "
        "so discs and kyphosis are not those of the operation."
    )
