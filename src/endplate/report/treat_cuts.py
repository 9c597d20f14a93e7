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
from endplate.papers.words import number
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

SLAB_MM = 1.0
"""Cement is counted in slabs of this thickness to find where a plane cuts the most."""

SMOOTH_SLABS = 2.0
"""Standard deviation, in slabs, of the filter over them."""

SHAFT_MM = 60.0
"""Drawn length of a needle outside the bone where the skin is not in view."""

MOST_CEMENT = "where there is most cement"

LEGEND = (
    (CEMENT, "cement in the vertebra"),
    (LEAK, "cement outside it"),
    (style.NEEDLE, "needle, seen straight through the cut"),
    (style.OUTLINE, "outline of the label"),
)


@dataclass(frozen=True, eq=False)
class CementParts:
    """Cement of one level, cut to where it is.

    ``inside`` and ``outside`` are shares of a voxel.
    """

    inside: Volume
    outside: Volume

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
    return CementParts(
        Volume(np.where(own, share, 0.0).astype(np.float32), near.affine),
        Volume(np.where(own, 0.0, share).astype(np.float32), near.affine),
    )


def cement_cuts(
    scene: Scene, vertebra: Vertebra, parts: CementParts, paths: Sequence[NeedlePath]
) -> list[Figure]:
    """Axial, sagittal and coronal cut in the vertebra's own frame."""
    axes = PATIENT if vertebra.frame is None else frame_axes(vertebra.frame)
    return [
        _cut(scene, vertebra, parts, paths, plane, name, where) for name, where, plane in planes(axes, parts)
    ]


def planes(axes: Axes, parts: CementParts, most: str = MOST_CEMENT) -> list[tuple[str, str, Plane]]:
    """The three planes, each where it cuts the most, with their names and where that is in words."""
    middle = _most_cut(axes, parts)
    aside = float((middle - axes.origin) @ axes.right)
    across = middle - aside * axes.right
    behind = BEHIND_MM * axes.anterior
    side = "right" if aside > 0.0 else "left"
    where = f"{number(abs(aside))} mm {side} of the middle of the body, {most}."
    return [
        (
            "axial",
            f"{most.capitalize()}.",
            Plane(across - behind, -axes.right, -axes.anterior, *AXIAL_MM),
        ),
        ("sagittal", where, Plane(middle - behind, -axes.anterior, -axes.superior, *SAGITTAL_MM)),
        (
            "coronal",
            f"{most.capitalize()}.",
            Plane(across, -axes.right, -axes.superior, *CORONAL_MM),
        ),
    ]


def mark_simulated(picture: Picture) -> None:
    """Say on a picture that it shows no finding of the scan."""
    size = 7.5 if picture.small else 10.5
    picture.drawing.text(
        (5.0, size + 4.0), "SIMULATED", size=size, halo=style.HALO, fill=style.ON_DARK, font_weight="700"
    )


def _most_cut(axes: Axes, parts: CementParts) -> FloatArray:
    """The point whose three planes in a frame cut the most cement, RAS mm."""
    share = parts.inside.data + parts.outside.data
    there = share > 0.0
    world = parts.inside.to_world(np.argwhere(there))
    found = axes.origin.copy()
    for axis in (axes.right, axes.anterior, axes.superior):
        along = (world - axes.origin) @ axis
        bins = np.rint(along / SLAB_MM).astype(np.int64)
        held = np.bincount(bins - bins.min(), weights=share[there])
        # Smoothed, so that neither one full voxel more nor how slices fall on slabs decides.
        best = int(np.argmax(ndimage.gaussian_filter1d(held, SMOOTH_SLABS, mode="constant"))) + int(
            bins.min()
        )
        found = found + best * SLAB_MM * axis
    return np.asarray(found, dtype=np.float64)


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
    where: str,
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
    mark_simulated(picture)
    return picture.figure(where, heading=f"{name.capitalize()}: cement")


def _places(ring: FloatArray) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in ring]
