"""The cut across a needle at its isthmus: the pedicle as the cannula passes through it."""

from __future__ import annotations

import math

import numpy as np

from endplate.anatomy.model import Spine, Vec3, Vertebra
from endplate.imaging.geometry import FloatArray
from endplate.papers.words import number
from endplate.planning.model import NeedlePath
from endplate.report import style
from endplate.report.axes import PATIENT, frame_axes
from endplate.report.picture import Figure, Picture
from endplate.report.scene import Scene
from endplate.report.slicing import Plane, square_to, unit

WIDTH_PX = 172.0
SIZE_MM = (56.0, 38.0)
PIXEL_MM = 0.3
CIRCLE_POINTS = 49


def across_plane(vertebra: Vertebra, path: NeedlePath, size_mm: tuple[float, float] = SIZE_MM) -> Plane:
    """The plane square to a needle at the pedicle's isthmus, the patient's right on screen left (from the front).

    A needle beside the pedicle is cut where it enters the body.
    """
    axes = PATIENT if vertebra.frame is None else frame_axes(vertebra.frame)
    forward = unit(np.array(path.tip_ras_mm) - np.array(path.entry_ras_mm))
    right = -square_to(axes.right, forward)
    # Into the screen is the back: the plane's normal runs against the needle.
    return Plane(np.array(_place(path)), right, np.cross(-forward, right), *size_mm)


def _place(path: NeedlePath) -> Vec3:
    """Where the section is taken."""
    return path.isthmus_ras_mm if path.approach == "transpedicular" else path.posterior_wall_ras_mm


def across_figure(scene: Scene, spine: Spine, vertebra: Vertebra, path: NeedlePath) -> Figure:
    """CT and label outline square to the needle, with the cannula at its true diameter."""
    plane = across_plane(vertebra, path)
    alt = f"Cut across the {path.side} needle at {vertebra.level}."
    picture = Picture(scene, plane, width_px=WIDTH_PX, alt=alt, small=True)
    picture.ct(style.window(), pixel_mm=PIXEL_MM, order=3)
    for other in spine.levels:
        if other.level != vertebra.level:
            picture.label(other.label_id, chosen=False)
    picture.label(vertebra.label_id, chosen=True, stroke=style.OUTLINE)
    ring = picture.path(circle(plane, path.outer_diameter_mm))
    picture.drawing.polygon(
        ring, fill=style.NEEDLE, fill_opacity=0.55, stroke=style.NEEDLE, stroke_width=1.4, class_="cannula"
    )
    where = "At the isthmus" if path.approach == "transpedicular" else "Entering the body"
    caption = f"{where}; Ø {number(path.outer_diameter_mm, 2)}\u202fmm."
    return picture.figure(caption, heading=f"{vertebra.level} {path.side}: across the needle")


def circle(plane: Plane, diameter_mm: float) -> FloatArray:
    """Points of a circle about the middle of a plane, shape (N, 3), RAS mm."""
    turn = np.linspace(0.0, 2.0 * math.pi, CIRCLE_POINTS)[:, None]
    across = np.cos(turn) * plane.right_ras + np.sin(turn) * plane.down_ras
    return np.asarray(plane.centre_ras_mm + 0.5 * diameter_mm * across, dtype=np.float64)
