"""One body grown from its seed, and grown again from beside it where what was found is doubtful.

Growing begins in the middle between the endplates that the click lies between. Where it ends in the disc all the same,
or beyond it at the neighbour's endplate, the surface has few signs of a shell or stands out from the patient's other
bodies; it is grown again from other starts. A body that is low and has its shell is a fracture, and is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from endplate.anatomy.axes import Axes, FloatArray, unit
from endplate.imaging.volume import Volume
from endplate.labelling.body_quality import BodySigns, read_signs
from endplate.labelling.centring import middle_mm
from endplate.labelling.drum import plate_lines
from endplate.labelling.edge_fit import refine_edges
from endplate.labelling.local_field import local_field
from endplate.labelling.model import Seed
from endplate.labelling.pedicle_roots import bridge_roots
from endplate.labelling.plate_search import search_plates
from endplate.labelling.seed_checks import doubt
from endplate.labelling.seeds import first_drum, level_size, next_above, next_below, seed_axes
from endplate.labelling.surface_search import Found, Pass, follow, refit, search
from endplate.sources import value

PASSES = (
    Pass(cells=12, low=0.30, high=1.80, step=0.03, side_sd=0.40, plate_sd=0.40),
    Pass(cells=12, low=0.40, high=1.60, step=0.025, side_sd=0.30, plate_sd=0.30),
    Pass(cells=12, low=0.50, high=1.50, step=0.02, side_sd=0.15, plate_sd=0.20),
    Pass(cells=20, low=0.60, high=1.40, step=0.0175, side_sd=0.12, plate_sd=0.15),
)
"""Rounds of the search, from coarse and free to fine and close."""

WALLS = Pass(cells=12, low=0.50, high=1.70, step=0.025, side_sd=0.35, plate_sd=0.10)
"""The round that looks for the side wall again between endplates that are known."""

PLATE_TURNS = 3
"""How often both endplates are searched, the frame following them in between."""


@dataclass(frozen=True, eq=False)
class Grown:
    """A surface grown from a seed.

    Parameters
    ----------
    seed:
        The point in the body.
    found, signs:
        The surface, and what speaks for it.
    apart_mm:
        How far it lies from what was found from another start and might be the body as well.
    """

    seed: Seed
    found: Found
    signs: BodySigns
    apart_mm: float = 0.0

    @property
    def doubtful(self) -> bool:
        """It is no vertebral body."""
        return doubt(self.signs) is not None

    @property
    def centre_ras_mm(self) -> FloatArray:
        """Centre of its nodes."""
        centre: FloatArray = self.found.surface.vertices_ras_mm.mean(axis=0)
        return centre


def grow_bodies(
    image: Volume,
    seeds: Sequence[Seed],
    frames: Sequence[Axes],
    scale: float,
    progress: Callable[[str, float], None] | None = None,
) -> list[Grown]:
    """Grow the body of every seed, ``frames`` at the seeds; where the first is doubtful the best of several starts."""
    beside = [(_neighbour(seed, seeds, up=True), _neighbour(seed, seeds, up=False)) for seed in seeds]
    grown = []
    for number, (seed, axes) in enumerate(zip(seeds, frames, strict=True)):
        grown.append(grow_body(image, seed, centred(image, seed, axes, scale), scale, beside[number]))
        if progress is not None:
            progress(seed.level, (number + 1) / len(seeds))
    usual = _usual_height(grown)
    # Bodies that were found tell the spine's direction better than clicks.
    known = [
        seed if item.doubtful else Seed(seed.level, item.centre_ras_mm)
        for seed, item in zip(seeds, grown, strict=True)
    ]
    turned, _ = seed_axes(known)
    for number, first in enumerate(grown):
        tried = [first]
        for axes in _other_starts(image, first, turned[number].moved_to(first.seed.ras_mm), scale):
            if not _stands_out(_best(tried, usual), usual):
                break
            tried.append(grow_body(image, first.seed, axes, scale, beside[number]))
        grown[number] = _best(tried, usual)
    return grown


def centred(image: Volume, seed: Seed, axes: Axes, scale: float) -> Axes:
    """The frame at a seed, moved along its axis to the middle between the endplates that the seed lies between."""
    drum = first_drum(seed.level, scale)
    half = np.array([drum.half_width_mm, drum.half_depth_mm, drum.height_mm])
    field = local_field(image, axes, half + 6.0)
    shift = middle_mm(field, axes, drum.half_width_mm, drum.half_depth_mm, drum.height_mm)
    return axes.moved_to(axes.origin_ras_mm + shift * axes.superior)


def _usual_height(grown: Sequence[Grown]) -> float:
    """Height of the patient's bodies against the table's; 1 where too few are sure."""
    heights = [item.signs.height_ratio for item in grown if not item.doubtful]
    return float(np.median(heights)) if len(heights) >= 3 else 1.0


def _stands_out(item: Grown, usual: float) -> bool:
    """Whether a surface is none of a body, is much taller than the patient's others, or is low and lacks its shell."""
    limits = value("labelling.grow_again")
    against = item.signs.height_ratio / usual
    unclear = item.signs.plate_shell < float(limits["shell"]) and against < float(limits["low"])
    return item.doubtful or against > float(limits["tall"]) or unclear


def _other_starts(image: Volume, item: Grown, frame: Axes, scale: float) -> Iterator[Axes]:
    """Other frames to grow from: the middle anew, then the click and above and below it, amid the sides if known."""
    yield centred(image, item.seed, frame, scale)
    origin = frame.origin_ras_mm
    if not item.doubtful:
        along = (item.centre_ras_mm - origin) @ frame.superior
        origin = item.centre_ras_mm - along * frame.superior
    height = level_size(item.seed.level).height_mm * scale
    for shift in value("labelling.grow_again")["steps"]:
        yield frame.moved_to(origin + float(shift) * height * frame.superior)


def _best(grown: Sequence[Grown], usual: float) -> Grown:
    """The likeliest body of several, and how far others that are about as likely lie from it."""
    least = float(value("labelling.grow_again")["least_shell"])
    # From a click in a disc, starts further off may end in a neighbour: they must show the shell of a body.
    clear = [item for item in grown[1:] if min(item.signs.side_shell, item.signs.plate_shell) >= least]
    likely = sorted(
        (item for item in (grown[0], *clear) if not item.doubtful), key=lambda item: _unlikely(item, usual)
    )
    if not likely:
        return grown[0]
    best = likely[0]
    close = _unlikely(best, usual) + float(value("labelling.grow_again")["close"])
    apart = [
        float(np.linalg.norm(item.centre_ras_mm - best.centre_ras_mm))
        for item in likely[1:]
        if _unlikely(item, usual) < close
    ]
    return replace(best, apart_mm=max(apart, default=0.0))


def _unlikely(item: Grown, usual: float) -> float:
    """How unlikely a surface is a body: by its endplates' shell, and by its height, where low ones may be fractures."""
    limits = value("labelling.grow_again")
    off = float(np.log(item.signs.height_ratio / usual))
    spread = float(limits["tall_sd"] if off > 0.0 else limits["low_sd"])
    return abs(off) / spread + (1.0 - item.signs.plate_shell) / float(limits["shell_sd"])


def grow_body(
    image: Volume,
    seed: Seed,
    axes: Axes,
    scale: float,
    beside: tuple[FloatArray | None, FloatArray | None] = (None, None),
) -> Grown:
    """The surface of one body.

    Parameters
    ----------
    image, seed:
        The CT and the point in the body.
    axes:
        A first frame; growing begins at its origin, which need not be the seed.
    scale:
        Of the patient against the tables.
    beside:
        The seeds above and below, where there are any.
    """
    drum = first_drum(seed.level, scale)
    half = np.array([drum.half_width_mm, drum.half_depth_mm, 0.5 * drum.height_mm])
    field = local_field(image, axes, float(value("labelling.field_reach")) * half + 6.0)
    found = search(field, axes, drum, PASSES[0])
    for stage in PASSES[1:-1]:
        axes, drum = refit(found, 0.8)
        found = search(field, axes, drum, stage)
    axes, drum = refit(found, 0.8)
    for turn in range(PLATE_TURNS):
        if turn == 1:
            # In a flat body most first rays end at its endplates; with these known its walls are looked for again.
            found = search(field, axes, drum, WALLS)
            axes, drum = refit(found, 0.8)
        elif turn > 1:
            axes, drum = follow(axes, drum)
        room = (_room(axes, half, seed.ras_mm, beside[0]), _room(axes, half, seed.ras_mm, beside[1]))
        drum = search_plates(field, axes, drum, room)
    found = bridge_roots(search(field, axes, drum, PASSES[-1]))
    found = bridge_roots(refine_edges(found, field))
    signs = read_signs(found, field, image, seed.ras_mm, level_size(seed.level), scale)
    return Grown(seed, found, signs)


def _room(
    axes: Axes, half: FloatArray, seed_ras_mm: FloatArray, other: FloatArray | None
) -> FloatArray | None:
    """Height over an endplate's map of the plane that it must not pass on the way to a neighbour's seed."""
    if other is None:
        return None
    normal = axes.rotation @ unit(other - seed_ras_mm)
    share = float(value("labelling.room_share"))
    point = axes.to_local(seed_ras_mm + share * (other - seed_ras_mm))
    lines = plate_lines()
    x, y = np.meshgrid(lines * half[0], lines * half[1], indexing="ij")
    along = normal[2] if abs(normal[2]) > 0.3 else np.copysign(0.3, normal[2])
    height: FloatArray = point[2] - (normal[0] * (x - point[0]) + normal[1] * (y - point[1])) / along
    return height


def _neighbour(seed: Seed, seeds: Sequence[Seed], *, up: bool) -> FloatArray | None:
    """Where the seed of the level next to one is, if it was given."""
    name = next_above(seed.level) if up else next_below(seed.level)
    return next((other.ras_mm for other in seeds if other.level == name), None)
