"""How warm the bone round the cement becomes: greatest temperatures in a sagittal and an axial cut."""

from __future__ import annotations

import numpy as np

from endplate.anatomy.model import Vertebra
from endplate.imaging.volume import Volume
from endplate.report import style
from endplate.report.axes import PATIENT, frame_axes
from endplate.report.picture import Figure, Picture
from endplate.report.scene import Scene
from endplate.report.treat_cuts import PIXEL_MM, WIDTH_PX, CementParts, mark_simulated, planes, rings

SHADES = (
    (41.0, "#ffe066", "41 °C"),
    (45.0, "#ffa94d", "45 °C"),
    (50.0, "#ff6b35", "50 °C"),
    (60.0, "#e03131", "60 °C"),
)
"""Greatest temperature from which a shade begins, its colour and its name."""

OPACITY = 0.38


def warmth_figures(scene: Scene, vertebra: Vertebra, peak: Volume, parts: CementParts) -> list[Figure]:
    """The axial and the sagittal cut of the cement.

    Parameters
    ----------
    scene, vertebra:
        CT, labels and level.
    peak:
        Greatest temperature of each voxel in °C; 0 where it was not computed.
    parts:
        The cement; the cuts lie where it is.
    """
    axes = PATIENT if vertebra.frame is None else frame_axes(vertebra.frame)
    field = Volume(np.asarray(peak.data, dtype=np.float32), peak.affine)
    figures = []
    for name, _, plane in planes(axes, parts)[:2]:
        alt = f"{name.capitalize()} cut through {vertebra.level} with the greatest simulated temperatures shaded."
        picture = Picture(scene, plane, width_px=WIDTH_PX, alt=alt)
        picture.ct(style.window(), pixel_mm=PIXEL_MM, order=3)
        for limit, colour, _ in SHADES:
            picture.drawing.rings(
                (
                    [(float(x), float(y)) for x, y in ring * picture.px_per_mm]
                    for ring in rings(plane, field, limit)
                ),
                fill=colour,
                fill_opacity=OPACITY,
                stroke=colour,
                stroke_width=1.0,
            )
        picture.label(vertebra.label_id, chosen=True, stroke=style.OUTLINE)
        mark_simulated(picture)
        caption = "Greatest temperature that each place reached while the cement cured."
        legend = [(colour, f"from {words}") for _, colour, words in SHADES]
        figures.append(picture.figure(caption, heading=f"{name.capitalize()}: warmth", legend=legend))
    return figures
