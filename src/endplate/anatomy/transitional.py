"""Transitional anatomy: whether the level names agree with the ribs and the sacrum that the scan shows.

Labels are often off by one, and one spine in ten has 11 or 13 pairs of ribs, or four or six lumbar vertebrae. This
says what was seen and how the levels were counted. It never renames a level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import edt
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.axes import FloatArray
from endplate.imaging.levels import LEVEL_OF_ID, VERSE_IDS, order
from endplate.imaging.organ_map import OrganMap
from endplate.imaging.volume import LabelMap, Volume
from endplate.sources import Finding, finding, value

Mask = NDArray[np.bool_]
Box = tuple[slice, ...] | None
Rib = Literal["rib", "stub", "none", "not in view"]

LOWEST_LOOKED_AT = "L2"
HIGHEST_LOOKED_AT = "T9"
"""Ribs are looked for between these levels: enough to find the lowest pair."""
ABOVE_MM = 5.0
"""How far above its vertebra a rib may begin: at the disc."""


@dataclass(frozen=True)
class Counting:
    """What ribs and sacrum say of the level names.

    Parameters
    ----------
    ribs:
        What each level between T9 and L2 bears.
    sacrum_seen:
        The sacrum is labelled, close below the lowest vertebra.
    lumbar:
        Labelled lumbar levels, from the head down.
    counted_how:
        One sentence for the report.
    findings:
        What does not agree.
    """

    ribs: dict[str, Rib]
    sacrum_seen: bool
    lumbar: tuple[str, ...]
    counted_how: str
    findings: tuple[Finding, ...]


def count_levels(labels: LabelMap, image: Volume | None = None, organs: OrganMap | None = None) -> Counting:
    """Compare the level names with ribs and sacrum.

    Parameters
    ----------
    labels:
        VerSe ids (28 is T13, 25 L6, 26 the sacrum).
    image:
        The CT on the same grid: ribs are seen in it.
    organs:
        Organs on the same grid; their ribs and sacrum count beside what the CT shows.
    """
    boxes = ndimage.find_objects(labels.data)
    numbers = {n for n, box in enumerate(boxes, start=1) if box is not None and n in LEVEL_OF_ID}
    levels = sorted((LEVEL_OF_ID[n] for n in numbers if LEVEL_OF_ID[n] != "S1"), key=order)
    ribs = _ribs(labels, levels, boxes, image, organs)
    sacrum = _sacrum(labels, levels, boxes, organs)
    lumbar = tuple(level for level in levels if level.startswith("L"))
    findings = _findings(levels, lumbar, ribs, sacrum_seen=sacrum)
    return Counting(ribs, sacrum, lumbar, _sentence(ribs, lumbar, sacrum_seen=sacrum), findings)


def _ribs(
    labels: LabelMap, levels: list[str], boxes: Sequence[Box], image: Volume | None, organs: OrganMap | None
) -> dict[str, Rib]:
    """What each level from T9 to L2 bears."""
    looked_at = [x for x in levels if order(HIGHEST_LOOKED_AT) <= order(x) <= order(LOWEST_LOOKED_AT)]
    seen: list[Mask] = []
    if organs is not None and "rib" in organs.names:
        seen.append(organs.mask("rib"))
    if image is not None:
        # A labelled rib often ends short of its joint; what the CT shows bridges the gap.
        seen.append(np.asarray(image.data) >= float(value("transitional.rib_hu")))
    if not seen:
        return dict.fromkeys(looked_at, "not in view")
    dense = np.logical_or.reduce(seen)
    found: dict[str, Rib] = {}
    for level in looked_at:
        box = boxes[VERSE_IDS[level] - 1]
        assert box is not None
        found[level] = _rib_of(labels, VERSE_IDS[level], box, dense)
    return found


def _rib_of(labels: LabelMap, number: int, box: tuple[slice, ...], dense: Mask) -> Rib:
    """What one vertebra bears: the longer of both sides; not in view where the scan ends too near on a side."""
    reach = value("transitional.rib_reach_mm")
    spacing = labels.volume.spacing_mm
    margin = np.ceil((float(reach["rib"]) + 12.0) / spacing).astype(int)
    start = np.maximum([s.start for s in box] - margin, 0)
    stop = np.minimum([s.stop for s in box] + margin, labels.data.shape)
    part = tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    bone = labels.data[part] == number
    # Only extremes are asked for: the ends of each row of voxels hold them.
    ends = bone.copy()
    ends[1:-1] &= ~(bone[:-2] & bone[2:])
    points = labels.volume.to_world(np.argwhere(ends) + start)
    low, high = float(points[:, 0].min()), float(points[:, 0].max())
    # Ribs stand behind the front half of the body and leave at its height; vessels and bowel with contrast do not.
    index = np.argwhere(dense[part] & (labels.data[part] == 0))
    world = labels.volume.to_world(index + start)
    beside = (world[:, 1] < _body_middle(points)) & (world[:, 2] >= points[:, 2].min())
    beside &= world[:, 2] <= points[:, 2].max() + ABOVE_MM
    region = np.zeros(bone.shape, dtype=bool)
    region[tuple(index[beside].T)] = True
    pieces, _ = ndimage.label(region)
    touching = np.unique(pieces[_near(bone, spacing, float(value("transitional.rib_gap_mm"))) & region])
    held = np.isin(pieces[tuple(index[beside].T)], touching)
    across = world[beside][held, 0]
    far = float(np.maximum(across - high, low - across).max(initial=0.0))
    hidden = _unseen(labels, low, high)
    # The twelfth rib may be short; at a lumbar vertebra the same length is a stub.
    thoracic = LEVEL_OF_ID[number].startswith("T")
    if far >= float(reach["rib"]) or (far >= float(reach["stub"]) and (thoracic or hidden)):
        return "rib"
    return "stub" if far >= float(reach["stub"]) else hidden or "none"


def _near(bone: Mask, spacing: FloatArray, gap_mm: float) -> Mask:
    """Voxels within a distance of a bone; all that lies further off than its box and that distance is left out."""
    found = ndimage.find_objects(bone.view(np.uint8))[0]
    gap = np.ceil(gap_mm / spacing).astype(int)
    box = tuple(
        slice(max(s.start - int(g), 0), min(s.stop + int(g), n))
        for s, g, n in zip(found, gap, bone.shape, strict=True)
    )
    away = edt.edt(np.ascontiguousarray(~bone[box]), anisotropy=tuple(spacing.tolist()), parallel=1)
    near = np.zeros(bone.shape, dtype=bool)
    near[box] = away <= gap_mm
    return near


def _body_middle(points: FloatArray) -> float:
    """World y of the middle of the vertebral body: its front less a quarter of the vertebra's depth."""
    front, back = float(points[:, 1].max()), float(points[:, 1].min())
    return front - 0.2 * (front - back)


def _unseen(labels: LabelMap, low: float, high: float) -> Rib | None:
    """Say that a rib would not be in view: the scan ends too near beside the vertebra."""
    shape = np.array(labels.data.shape) - 1
    corners = np.array([[i, j, k] for i in (0, shape[0]) for j in (0, shape[1]) for k in (0, shape[2])])
    edge = labels.volume.to_world(corners)[:, 0]
    room = min(low - float(edge.min()), float(edge.max()) - high)
    return "not in view" if room < float(value("transitional.view_mm")) else None


def _sacrum(labels: LabelMap, levels: list[str], boxes: Sequence[Box], organs: OrganMap | None) -> bool:
    """Whether the sacrum is in view close below the lowest labelled vertebra."""
    if not levels:
        return False
    labelled = len(boxes) >= VERSE_IDS["S1"] and boxes[VERSE_IDS["S1"] - 1] is not None
    if labelled:
        sacrum = labels.data == VERSE_IDS["S1"]
    elif organs is not None and "sacrum" in organs.names and organs.mask("sacrum").any():
        sacrum = organs.mask("sacrum")
    else:
        return False
    top = float(labels.volume.to_world(np.argwhere(sacrum))[:, 2].max())
    lowest = labels.volume.to_world(np.argwhere(labels.data == VERSE_IDS[levels[-1]]))[:, 2]
    return top >= float(lowest.min()) - float(value("transitional.sacrum_gap_mm"))


def _findings(
    levels: list[str], lumbar: tuple[str, ...], ribs: dict[str, Rib], *, sacrum_seen: bool
) -> tuple[Finding, ...]:
    told = []
    bearing = [level for level, rib in ribs.items() if rib == "rib"]
    lowest = max(bearing, key=order) if bearing else None
    # Only where the level below is in view, too, is the lowest one known to be that.
    below = [level for level in levels if lowest is not None and order(level) > order(lowest)]
    known = bool(below) and ribs.get(below[0]) in ("none", "stub")
    if lowest is not None and (order(lowest) > order("T12") or (known and lowest != "T12")):
        told.append(finding("ribs-not-at-t12", lowest=lowest))
    if ribs.get("L1") == "stub":
        told.append(finding("rib-stub-at-l1", level="L1"))
    whole = bool(lumbar) and lumbar[0] == "L1" and any(level.startswith("T") for level in levels)
    if sacrum_seen and whole and len(lumbar) != 5:
        told.append(finding("lumbar-count", count=len(lumbar), first=lumbar[0], last=lumbar[-1]))
    rare = [level for level in ("T13", "L6") if level in levels]
    if rare:
        told.append(finding("transitional-label", levels=" and ".join(rare)))
    if not sacrum_seen and not any(rib in ("rib", "none", "stub") for rib in ribs.values()):
        told.append(finding("levels-not-counted"))
    return tuple(told)


def _sentence(ribs: dict[str, Rib], lumbar: tuple[str, ...], *, sacrum_seen: bool) -> str:
    bearing = [level for level, rib in ribs.items() if rib == "rib"]
    parts = []
    if bearing:
        parts.append(f"the lowest vertebra seen with ribs is labelled {max(bearing, key=order)}")
    elif any(rib == "none" for rib in ribs.values()):
        parts.append("no labelled vertebra from T9 to L2 bears ribs")
    else:
        parts.append("ribs are not in view")
    parts.append(
        f"{len(lumbar)} lumbar levels are labelled above the sacrum"
        if sacrum_seen
        else "the sacrum is not in view"
    )
    return f"Checked against the scan: {'; '.join(parts)}."
