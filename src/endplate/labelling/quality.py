"""How far the label of one level can be believed, and by how much its edges may be off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endplate.labelling.arch import Arches
from endplate.labelling.model import LabelledBody
from endplate.sources import Finding, finding, value


@dataclass(frozen=True)
class LevelQuality:
    """What is known of one level's label.

    Parameters
    ----------
    level:
        Its name.
    quality:
        0–1: the least of its parts.
    parts:
        Named parts, each 0–1: those of the body, ``ring`` (how much of the canal's ring was seen), ``pedicles``,
        ``whole`` (not cut by the volume), ``resolution``.
    label_error_mm:
        How far the label's edge may lie from the bone's; later steps take it off every margin.
    has_arch:
        An arch was found. Without one the level can be measured, but no way through its pedicles planned.
    assumed:
        What was taken for granted, in sentences.
    findings:
        What the user must know.
    """

    level: str
    quality: float
    parts: tuple[tuple[str, float], ...]
    label_error_mm: float
    has_arch: bool
    assumed: tuple[str, ...]
    findings: tuple[Finding, ...]


def judge(
    body: LabelledBody,
    arches: Arches,
    spacing_mm: NDArray[np.float64],
    *,
    cut: bool,
    metal: bool,
) -> LevelQuality:
    """Judge one level.

    Parameters
    ----------
    body:
        Its body.
    arches:
        The arches of all levels.
    spacing_mm:
        Voxel sizes of the CT.
    cut:
        Its label reaches the border of the volume.
    metal:
        The CT shows metal close to it.
    """
    level = body.level
    row = next(i for i, place in enumerate(arches.found) if place.level == level)
    canal, spans = arches.canals[row], arches.pedicles_mm[row]
    has_arch = bool(spans)
    parts = dict(body.quality_parts)
    parts["ring"] = (
        0.0
        if canal is None or not canal.measured
        else _ring(canal.tube.closed, arches.found[row].half_height_mm)
    )
    parts["pedicles"] = len(spans) / 2.0
    parts["whole"] = 0.5 if cut else 1.0
    coarse = float(value("labelling.coarse_slice_mm"))
    parts["resolution"] = float(min(1.0, coarse / float(np.max(spacing_mm))))
    if metal:
        parts["metal"] = 0.0
    findings = list(body.findings)
    assumed = list(body.assumed)
    if has_arch:
        findings.append(finding("labelling-arch-threshold", level=level))
        assumed.append(
            "arch: bone above a threshold behind the body, split from its neighbours where it is least dense"
        )
    else:
        findings.append(finding("labelling-no-canal", level=level))
        assumed.append("no arch: the canal's ring of bone was not found")
    if has_arch and len(spans) == 1:
        findings.append(
            finding("labelling-one-pedicle", level=level, side=next(iter(spans)), other=_other(spans))
        )
    if cut:
        findings.append(finding("labelling-cut", level=level))
    if metal:
        findings.append(finding("labelling-metal", level=level))
    quality = min(parts.values())
    if quality < float(value("labelling.quality_low")):
        worst = min(parts, key=lambda name: parts[name])
        findings.append(
            finding("labelling-quality-low", level=level, quality=quality, part=WORDS.get(worst, worst))
        )
    return LevelQuality(
        level=level,
        quality=quality,
        parts=tuple(parts.items()),
        label_error_mm=label_error_mm(parts),
        has_arch=has_arch,
        assumed=tuple(assumed),
        findings=tuple(findings),
    )


WORDS = {
    "ring": "the ring of bone round the canal",
    "pedicles": "the pedicles",
    "whole": "the vertebra is cut by the volume",
    "resolution": "thick slices",
    "metal": "metal close by",
    "edge": "the body's edge",
    "start": "another place for the body is about as likely",
}
"""Parts of the quality in words."""


def label_error_mm(parts: Mapping[str, float]) -> float:
    """How far the edge may be off: measured where all is well, more where a part of the quality is low."""
    low = float(value("labelling.label_error_mm"))
    more = float(value("labelling.label_error_more_mm"))
    worst = min(parts.values())
    good = float(value("labelling.quality_good"))
    return round(low + more * max(0.0, 1.0 - worst / good), 2)


def _ring(closed: NDArray[np.bool_], half_height_mm: float) -> float:
    """Height over which the ring is closed, against that of a pedicle."""
    expected = float(value("labelling.ring_height_share")) * 2.0 * half_height_mm
    return float(min(1.0, float(closed.sum()) / expected))


def _other(spans: Mapping[str, tuple[float, float]]) -> str:
    return "right" if "left" in spans else "left"
