"""What a vertebra stands between: end caps of PMMA or disc-like material, ends given as labels, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.errors import QualityGateError, UsageError
from endplate.sources import value

Mask = NDArray[np.bool_]

MOST_MM, MOST_MPA = 30.0, 1e6
"""Thicker or stiffer caps are mistyped."""

CONTACT_SHARE = 0.3
"""Part of the body's height, from its end, in which columns without caps are taken as loaded."""


@dataclass(frozen=True)
class Caps:
    """How the ends of a body are loaded.

    Parameters
    ----------
    kind:
        ``"pmma"`` caps that are made, ``"labels"`` caps that the mask has, ``"none"``.
    thickness_mm:
        Of a made cap beyond the outermost bone.
    intrusion_mm:
        How far a made cap reaches over the body's rim from its outermost point, filling what is not bone; ``None``:
        as far as the bone's surface goes in each column.
    modulus_mpa, yield_mpa:
        Of both caps.
    labels:
        Ids of the lower and the upper cap in the mask.
    """

    kind: Literal["pmma", "labels", "none"]
    thickness_mm: float = 3.0
    intrusion_mm: float | None = None
    modulus_mpa: float = 2500.0
    yield_mpa: float = 70.0
    labels: tuple[int, int] | None = None

    @classmethod
    def fitting(cls, thickness_mm: float = 3.0) -> Caps:
        """Caps of the benchmark's material that fill the endplates' hollows."""
        modulus, limit = float(value("cap.modulus_mpa")), float(value("cap.yield_mpa"))
        return cls("pmma", thickness_mm, None, modulus, limit)

    @property
    def text(self) -> str:
        """For reports."""
        if self.kind == "none":
            return "no caps"
        if self.kind == "labels" and self.labels is not None:
            return f"caps of labels {self.labels[0]} and {self.labels[1]}, {self.modulus_mpa:g} MPa"
        depth = "fitted" if self.intrusion_mm is None else f"{self.intrusion_mm:g} mm over the rim"
        return f"caps {self.thickness_mm:g} mm, {depth}, {self.modulus_mpa:g} MPa"


def parse_caps(text: str) -> Caps:
    """Read caps as typed: ``pmma:THICK:INTRUSION:E`` (INTRUSION ``fit`` or mm), ``labels:LO,HI``, ``none``.

    Raises
    ------
    UsageError
        Not such a text, or impossible numbers.
    """
    modulus, limit = float(value("cap.modulus_mpa")), float(value("cap.yield_mpa"))
    if text == "none":
        return Caps("none")
    kind, _, rest = text.partition(":")
    caps = None
    try:
        if kind == "labels":
            low, high = (int(part) for part in rest.split(","))
            caps = Caps("labels", modulus_mpa=modulus, yield_mpa=limit, labels=(low, high))
        elif kind == "pmma":
            thickness, intrusion, stiff = rest.split(":")
            depth = None if intrusion == "fit" else float(intrusion)
            caps = Caps("pmma", float(thickness), depth, float(stiff), limit)
    except ValueError:
        caps = None
    if caps is None or not _possible(caps):
        raise UsageError(
            "caps-unreadable",
            f"{text!r} does not describe end caps.",
            do="Give pmma:THICK:INTRUSION:E in mm and MPa (pmma:3:2:2500; INTRUSION may be fit), labels:LO,HI with "
            "the ids of the lower and upper cap in the mask, or none.",
        )
    return caps


def _possible(caps: Caps) -> bool:
    if caps.labels is not None:
        return caps.labels[0] != caps.labels[1]
    depth = 0.0 if caps.intrusion_mm is None else caps.intrusion_mm
    return (
        0.0 < caps.thickness_mm <= MOST_MM and 0.0 <= depth <= MOST_MM and 0.0 < caps.modulus_mpa <= MOST_MPA
    )


def made_caps(
    bone: Mask, body: Mask, spacing_mm: tuple[float, float, float], caps: Caps
) -> tuple[Mask, Mask]:
    """Lower and upper cap of PMMA round the ends of a body.

    The grid must leave room for them (:func:`room_for`).

    Parameters
    ----------
    bone:
        All bone: a cap never takes its place.
    body:
        The body, whose outline seen along z the caps have.
    spacing_mm, caps:
        Voxel size along x, y, z; the caps.
    """
    step = spacing_mm[2]
    outline = ndimage.binary_fill_holes(np.asarray(body.any(axis=0)))
    thick = max(1, round(caps.thickness_mm / step))
    upper = _cap(bone, body, outline, thick, None if caps.intrusion_mm is None else caps.intrusion_mm / step)
    lower = _cap(
        bone[::-1],
        body[::-1],
        outline,
        thick,
        None if caps.intrusion_mm is None else caps.intrusion_mm / step,
    )[::-1]
    return lower, upper


def room_for(caps: Caps, step_mm: float) -> int:
    """Voxels above and below the body that its caps need."""
    return max(1, round(caps.thickness_mm / step_mm)) if caps.kind == "pmma" else 0


def _cap(bone: Mask, body: Mask, outline: Mask, thick: int, intrusion: float | None) -> Mask:
    """The upper cap; z runs upward."""
    planes = body.shape[0]
    height = np.arange(planes)[:, None, None]
    top = np.where(body.any(axis=0), planes - body[::-1].argmax(axis=0), 0)
    highest = int(top.max())
    reach = height < highest + thick
    if intrusion is None:
        # A column whose bone ends in the lower half is a hole or an overhang: the cap stops at mid-height there.
        floor = np.where(top > highest - 0.5 * _extent(body), top, highest)
        within = height >= floor[None]
    else:
        within = height >= highest - round(intrusion)
    above_bone = ~np.maximum.accumulate(bone[::-1], axis=0)[::-1]
    cap: Mask = outline[None] & reach & within & above_bone
    return cap


def _extent(body: Mask) -> int:
    filled = np.flatnonzero(body.any(axis=(1, 2)))
    return int(filled[-1] - filled[0] + 1)


def bare_ends(body: Mask) -> tuple[Mask, Mask]:
    """Lower and upper end of a body without caps: the last voxel of each column that reaches near the end."""
    reach = max(1, round(CONTACT_SHARE * _extent(body)))
    filled = np.flatnonzero(body.any(axis=(1, 2)))
    height = np.arange(body.shape[0])[:, None, None]
    above = np.zeros_like(body)
    above[:-1] = np.maximum.accumulate(body[::-1], axis=0)[::-1][1:]
    below = np.zeros_like(body)
    below[1:] = np.maximum.accumulate(body, axis=0)[:-1]
    upper = body & ~above & (height > filled[-1] - reach)
    lower = body & ~below & (height < filled[0] + reach)
    return lower, upper


def labelled_caps(ids: NDArray[np.integer], caps: Caps) -> tuple[Mask, Mask]:
    """Lower and upper cap that a label map has.

    Raises
    ------
    QualityGateError
        One of the ids is not in the map.
    """
    if caps.labels is None:
        raise UsageError("caps-no-labels", "The caps have no labels.", do="Give labels:LO,HI.")
    lower, upper = (np.asarray(ids == number) for number in caps.labels)
    missing = [str(n) for n, found in zip(caps.labels, (lower, upper), strict=True) if not found.any()]
    if missing:
        raise QualityGateError(
            "caps-not-in-mask",
            f"The mask holds no voxel of the cap {' or '.join(missing)}.",
            do="Check the ids given with --caps labels:LO,HI.",
        )
    if np.argwhere(lower)[:, 0].mean() > np.argwhere(upper)[:, 0].mean():
        raise QualityGateError(
            "caps-upside-down",
            f"The cap {caps.labels[0]}, given as the lower one, lies above the cap {caps.labels[1]}.",
            do="Swap the two ids of --caps labels:LO,HI.",
        )
    return lower, upper
