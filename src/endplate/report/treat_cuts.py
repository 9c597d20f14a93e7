"""Cement in three planes of its level, on the CT with the needles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import contourpy
import numpy as np
from scipy import ndimage

from endplate.anatomy.model import Vertebra
from endplate.imaging.geometry import FloatArray
from endplate.imaging.volume import Volume
from endplate.planning.model import NeedlePath
from endplate.report import style
from endplate.report.axes import PATIENT, Axes, frame_axes
from endplate.report.picture import Figure, Picture
from endplate.report.scene import OUTLINE_PIXEL_MM, Scene
from endplate.report.slicing import Plane, sample, unit

WIDTH_PX = 345.0
PIXEL_MM = 0.3
AXIAL_MM, SAGITTAL_MM, CORONAL_MM = (92.0, 76.0), (92.0, 76.0), (92.0, 62.0)
BEHIND_MM = 10.0
"""Axial and sagittal cuts are centred this far behind the body's centre, so that the canal is in view."""

CEMENT, LEAK = "#f06fc2", "#ff8f5e"
"""Cement in its vertebra and cement outside it, on a dark picture; outside it also has a dashed edge."""

FAINT, FULL = 0.1, 0.5
"""Share of a voxel from which cement is shown faintly, and fully."""

EDGE_MM = 1.5
"""Cement this near to the label's edge counts as inside: the edge is no surer than that."""

SHAFT_MM = 60.0
"""Drawn length of a needle outside the bone where the skin is not in view."""

LEGEND = (
    (CEMENT, "cement in the vertebra"),
    (LEAK, "cement outside it"),
    (style.NEEDLE, "needle, seen straight through the cut"),
    (style.OUTLINE, "outline of the label"),
)


@dataclass(frozen=True, eq=False)
class CementParts:
    """Cement of one level, cut to where it is.

    ``inside`` and ``outside`` are shares of a voxel, ``centre_ras_mm`` the middle of all of it.
    """

    inside: Volume
    outside: Volume
    centre_ras_mm: FloatArray

    @property
    def leaked(self) -> bool:
        """There is any outside."""
        return bool((self.outside.data >= FAINT).any())


def cement_parts(scene: Scene, vertebra: Vertebra, cement: Volume) -> CementParts | None:
    """Part one level's cement at the edge of its label; ``None`` where there is none near it.

    Parameters
    ----------
    scene, vertebra:
        The labels (all cement counts as inside without them), and the level.
    cement:
        Share of each voxel that cement fills, 0–1, on the CT's grid.
    """
    corners = scene.corners_ras_mm((vertebra.label_id,))
    near = cement
    if len(corners):
        voxel = cement.to_voxel(corners)
        margin = 12.0 / cement.spacing_mm
        near = cement.crop(np.floor(voxel.min(axis=0) - margin), np.ceil(voxel.max(axis=0) + margin))
    share = np.asarray(near.data, dtype=np.float32)
    if not (share >= FAINT).any():
        return None
    own = np.ones(share.shape, dtype=np.bool_)
    if scene.labels is not None:
        ids = scene.labels.volume
        start = np.rint(ids.to_voxel(near.to_world(np.zeros(3)))).astype(int)
        box = ids.crop(start, start + np.array(near.shape))
        own = np.asarray(box.data == vertebra.label_id)
        far = ndimage.distance_transform_edt(~own, sampling=near.spacing_mm) if own.any() else None
        own = own if far is None else np.asarray(far <= EDGE_MM)
    middle = np.average(np.argwhere(share >= FAINT), axis=0, weights=share[share >= FAINT])
    return CementParts(
        Volume(np.where(own, share, 0.0).astype(np.float32), near.affine),
        Volume(np.where(own, 0.0, share).astype(np.float32), near.affine),
        near.to_world(middle),
    )


def cement_cuts(
    scene: Scene, vertebra: Vertebra, parts: CementParts, paths: Sequence[NeedlePath]
) -> list[Figure]:
    """Axial, sagittal and coronal cut through the middle of the cement, in the vertebra's own frame."""
    axes = PATIENT if vertebra.frame is None else frame_axes(vertebra.frame)
    return [
        _cut(scene, vertebra, parts, paths, plane, name) for name, plane in planes(axes, parts.centre_ras_mm)
    ]


def planes(axes: Axes, centre_ras_mm: FloatArray) -> list[tuple[str, Plane]]:
    """The three planes through a point, with their names."""
    behind = centre_ras_mm - BEHIND_MM * axes.anterior
    return [
        ("axial", Plane(behind, -axes.right, -axes.anterior, *AXIAL_MM)),
        ("sagittal", Plane(behind, -axes.anterior, -axes.superior, *SAGITTAL_MM)),
        ("coronal", Plane(centre_ras_mm, -axes.right, -axes.superior, *CORONAL_MM)),
    ]


def rings(plane: Plane, field: Volume, threshold: float) -> list[FloatArray]:
    """Outlines on a picture, in mm, of where a field exceeds a value; each of shape (N, 2)."""
    points = plane.points(OUTLINE_PIXEL_MM)
    step = np.array([plane.width_mm / points.shape[1], plane.height_mm / points.shape[0]])
    values = np.nan_to_num(sample(field, points), nan=0.0)
    lines = contourpy.contour_generator(z=np.pad(values, 1)).lines(threshold)
    return [(np.asarray(line, dtype=np.float64) - 0.5) * step for line in lines if len(line) > 3]


def draw_needle(picture: Picture, path: NeedlePath) -> None:
    """A needle seen straight through a cut, its tip marked."""
    entry, tip = np.array(path.entry_ras_mm), np.array(path.tip_ras_mm)
    start = entry - SHAFT_MM * unit(tip - entry) if path.skin_ras_mm is None else np.array(path.skin_ras_mm)
    picture.line(start, tip, colour=style.NEEDLE, width=1.6, dash="7 4")
    picture.marker(tip, colour=style.NEEDLE, radius=3.0)


def _cut(
    scene: Scene,
    vertebra: Vertebra,
    parts: CementParts,
    paths: Sequence[NeedlePath],
    plane: Plane,
    name: str,
) -> Figure:
    alt = f"{name.capitalize()} cut through the simulated cement in {vertebra.level}."
    picture = Picture(scene, plane, width_px=WIDTH_PX, alt=alt)
    picture.ct(style.window(), pixel_mm=PIXEL_MM, order=3)
    picture.label(vertebra.label_id, chosen=True, stroke=style.OUTLINE)
    for part, colour, dash in ((parts.inside, CEMENT, None), (parts.outside, LEAK, "4 2")):
        for threshold, opacity in ((FAINT, 0.30), (FULL, 0.45)):
            picture.drawing.rings(
                (_places(ring * picture.px_per_mm) for ring in rings(plane, part, threshold)),
                fill=colour,
                fill_opacity=opacity,
                stroke=colour,
                stroke_width=1.2 if threshold == FULL else 0.6,
                stroke_dasharray=dash,
            )
    for path in paths:
        draw_needle(picture, path)
    picture.note("SIMULATED")
    return picture.figure("", heading=f"{name.capitalize()}: cement")


def _places(ring: FloatArray) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in ring]
