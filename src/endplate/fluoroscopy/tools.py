"""Path lengths of rays through tools, by material: analytic, and only where a tool is seen.

Tools move from frame to frame while patient and C-arm stay; their paths are drawn into a small stack of images that
goes on top of the patient's line integrals.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from endplate.errors import UsageError
from endplate.fluoroscopy.shapes import MOST_PLANES, Piece, cylinder, ellipsoid, ground_tip, tube
from endplate.fluoroscopy.tool_kernels import add_chords
from endplate.fluoroscopy.view import View
from endplate.imaging.geometry import FloatArray


@dataclass(frozen=True, eq=False)
class Tool:
    """A tool: its pieces. Chords of pieces add up, so pieces of one material must not overlap."""

    name: str
    pieces: tuple[Piece, ...]

    @property
    def materials(self) -> tuple[str, ...]:
        """What it is made of, in order of first use."""
        return tuple(dict.fromkeys(piece.material for piece in self.pieces))


@dataclass(eq=False)
class ToolLayer:
    """Path lengths through tools in one view, drawn anew for each frame.

    Parameters
    ----------
    view:
        What the C-arm is set to.
    materials:
        Names of the materials, in the order of the images.

    Attributes
    ----------
    lengths_mm:
        float32, shape (materials, rows, columns).
    box:
        Rows [top, bottom) and columns [left, right) that hold all that is not zero; all 0 where nothing is seen.
    """

    view: View
    materials: tuple[str, ...]
    lengths_mm: NDArray[np.float32] = field(init=False)
    box: tuple[int, int, int, int] = field(init=False, default=(0, 0, 0, 0))

    def __post_init__(self) -> None:
        self.lengths_mm = np.zeros((len(self.materials), *self.view.shape), dtype=np.float32)

    def draw(self, tools: Iterable[Tool]) -> None:
        """Replace what was drawn by these tools; a tool outside the field leaves nothing.

        Raises
        ------
        UsageError
            ``tool-material``: a tool is made of something that the layer has no image for.
        """
        pieces = [piece for tool in tools for piece in tool.pieces]
        unknown = sorted({piece.material for piece in pieces} - set(self.materials))
        if unknown:
            raise UsageError(
                "tool-material",
                f"No image is kept for tools of {', '.join(unknown)}.",
                do=f"Name it when the layer is made; it holds {', '.join(self.materials) or 'none'}.",
            )
        top, bottom, left, right = self.box
        self.lengths_mm[:, top:bottom, left:right] = 0.0
        self.box = (0, 0, 0, 0)
        if not pieces:
            return
        view = self.view
        rays = np.stack(
            [
                view.first_pixel_ras_mm - view.source_ras_mm,
                view.pitch_mm * view.column_ras,
                view.pitch_mm * view.row_ras,
            ]
        )
        top, bottom, left, right = (int(side) for side in _draw(pieces, self, rays))
        if bottom > top and right > left:
            self.box = (top, bottom, left, right)


def tool_paths(view: View, tools: Iterable[Tool], materials: tuple[str, ...] | None = None) -> ToolLayer:
    """Path lengths of one frame; ``materials``: by default those of the tools, in order of first use."""
    held = tuple(tools)
    names = tuple(dict.fromkeys(name for tool in held for name in tool.materials))
    layer = ToolLayer(view, names if materials is None else materials)
    layer.draw(held)
    return layer


def needle(
    tip_ras_mm: ArrayLike,
    back_ras_mm: ArrayLike,
    *,
    outer_mm: float,
    inner_mm: float,
    stylet_beyond_mm: float | None = 3.0,
    facets: int = 3,
    angle_deg: float = 25.0,
    material: str = "steel",
) -> Tool:
    """A cannula with or without its stylet.

    Parameters
    ----------
    tip_ras_mm:
        Foremost point: of the stylet, or of the cannula where there is none in it.
    back_ras_mm:
        A point of the axis at the hub.
    outer_mm, inner_mm:
        Of the cannula; the stylet fills the lumen.
    stylet_beyond_mm:
        How far the stylet's point stands out of the cannula; ``None``: the stylet is out.
    facets, angle_deg:
        Of the stylet's tip (:func:`endplate.fluoroscopy.shapes.ground_tip`).
    material:
        Of both.

    Raises
    ------
    UsageError
        ``tool-shape``.
    """
    tip, back = np.asarray(tip_ras_mm, dtype=np.float64), np.asarray(back_ras_mm, dtype=np.float64)
    if stylet_beyond_mm is None:
        return Tool("cannula", tube(back, tip, outer_mm, inner_mm, material))
    axis = (tip - back) / max(float(np.linalg.norm(tip - back)), 1e-12)
    end = tip - stylet_beyond_mm * axis
    # Cannula and stylet are one rod as far as the cannula goes; in front of it the stylet is alone.
    rod = cylinder(back, end, outer_mm, material)
    return Tool("needle", (rod, ground_tip(end, tip, inner_mm, facets, angle_deg, material)))


def balloon(
    proximal_ras_mm: ArrayLike,
    distal_ras_mm: ArrayLike,
    diameter_mm: float,
    *,
    across: FloatArray | None = None,
    marker_mm: tuple[float, float] = (1.5, 1.0),
    material: str = "contrast",
    marker_material: str = "platinum",
) -> Tool:
    """An inflated balloon with its two markers.

    Parameters
    ----------
    proximal_ras_mm, distal_ras_mm:
        Ends of the balloon, where its markers are.
    diameter_mm:
        Across; 0 for a balloon that is not inflated yet: its markers alone.
    across:
        Two half axes in mm, shape (2, 3), at right angles to the balloon, for one that is not round.
    marker_mm:
        Diameter and length of a marker.
    material, marker_material:
        Of what is inside and of the markers.

    Raises
    ------
    UsageError
        ``tool-shape``.
    """
    near, far = np.asarray(proximal_ras_mm, dtype=np.float64), np.asarray(distal_ras_mm, dtype=np.float64)
    half = 0.5 * (far - near)
    axis = half / max(float(np.linalg.norm(half)), 1e-12)
    pieces: list[Piece] = []
    if across is not None or diameter_mm > 0.0:
        sides = _across(axis, 0.5 * diameter_mm) if across is None else np.asarray(across, dtype=np.float64)
        pieces.append(ellipsoid(0.5 * (near + far), np.concatenate([half[None], sides]), material))
    diameter, length = marker_mm
    pieces += [
        cylinder(end - 0.5 * length * axis, end + 0.5 * length * axis, diameter, marker_material)
        for end in (near, far)
    ]
    return Tool("balloon", tuple(pieces))


def _across(axis: FloatArray, radius_mm: float) -> FloatArray:
    first = np.eye(3)[int(np.argmin(np.abs(axis)))]
    first = first - (first @ axis) * axis
    first /= np.linalg.norm(first)
    return radius_mm * np.stack([first, np.cross(axis, first)])


def _draw(pieces: list[Piece], layer: ToolLayer, rays: FloatArray) -> NDArray[np.int64]:
    """Add all chords; rows and columns that were touched."""
    view = layer.view
    count = len(pieces)
    planes = np.zeros((count, MOST_PLANES, 4))
    for at, piece in enumerate(pieces):
        planes[at, : len(piece.planes)] = piece.planes
    box = np.array([view.rows, 0, view.columns, 0], dtype=np.int64)
    add_chords(
        rays,
        np.stack([view.source_ras_mm - piece.centre_ras_mm for piece in pieces]),
        np.stack([piece.form for piece in pieces]),
        np.array([piece.level for piece in pieces]),
        planes,
        np.array([len(piece.planes) for piece in pieces]),
        view.project(np.stack([piece.corners_ras_mm for piece in pieces])),
        np.array([layer.materials.index(piece.material) for piece in pieces]),
        np.array([piece.sign for piece in pieces]),
        layer.lengths_mm,
        box,
    )
    return box
