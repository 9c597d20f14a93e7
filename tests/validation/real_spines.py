"""Measurements of real label maps: the split of an L3, and the spines of two people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from scipy import ndimage

from endplate.anatomy.assessment import assess
from endplate.anatomy.axes import unit
from endplate.anatomy.locate import locate_vertebrae
from endplate.anatomy.mask import label_field
from endplate.anatomy.model import Spine
from endplate.imaging.calibration import Calibration
from endplate.imaging.labels import read_labels
from endplate.imaging.levels import VERSE_IDS

VERSE004 = "verse004_T9-L5_vert_labels_L1fracture.nii.gz"
BICEPS = "biceps_healthy_ref_vert_labels.nii.gz"
TPTBOX = "tptbox_L3_vert_labels.nii.gz"
TPTBOX_PARTS = "tptbox_L3_subreg_labels.nii.gz"

BODY_PARTS = (49, 50)
"""Subregions of the map that make up the body: its spongy middle and its border."""

RULE_WITHIN_VERTEBRA = 0.20
"""The common baseline: flagged when the smallest height is this share below the greatest."""


def assessed(path: Path) -> Spine:
    """Read a label map and measure every level of it."""
    return assess(read_labels(path), None, Calibration.uncalibrated())


@dataclass(frozen=True)
class Split:
    """How well body and arch were divided."""

    dice: float
    wall_p95_mm: float
    wall_bias_mm: float
    wall_points: int


def l3_split(folder: Path) -> Split:
    """Compare the split of the TPTBox L3 with its subregion labels.

    Dice is over the map's own voxels. The wall is compared along the anterior axis: from each point of our posterior
    wall to the surface of the subregions' body, itself smoothed and cut at one half.
    """
    labels = read_labels(folder / TPTBOX)
    parts = nibabel.load(folder / TPTBOX_PARTS)
    reference = np.isin(np.asarray(parts.dataobj), BODY_PARTS)
    number = VERSE_IDS["L3"]
    level = next(v.vertebra for v in locate_vertebrae(labels) if v.vertebra.level == "L3")
    voxels = np.argwhere(labels.data == number)
    local = level.axes.to_local(labels.volume.to_world(voxels))
    index = np.rint((local - level.grid.low_mm) / level.grid.step_mm).astype(int)
    index = np.clip(index, 0, np.array(level.grid.values.shape) - 1)
    ours, true = level.body.mask[tuple(index.T)], reference[tuple(voxels.T)]
    dice = 2.0 * float((ours & true).sum()) / float(ours.sum() + true.sum())

    body = ((labels.data == number) & reference).astype(np.uint8)
    (box,) = ndimage.find_objects(body)
    field = label_field(body, labels.volume.affine, box, 1)
    ix, iz = np.nonzero(level.body.wall_seen)
    reach = np.arange(-6.0, 6.0, 0.1)
    x, z = level.grid.coordinate(0)[ix], level.grid.coordinate(2)[iz]
    y = level.body.wall_y_mm[ix, iz][:, None] + reach
    points = np.stack(
        [np.broadcast_to(x[:, None], y.shape), y, np.broadcast_to(z[:, None], y.shape)], axis=-1
    )
    inside = field.sample(level.axes.to_world(points)) >= 0.5
    met = inside.any(axis=1) & ~inside[:, 0]
    gap = reach[inside.argmax(axis=1)][met]
    return Split(dice, float(np.percentile(np.abs(gap), 95.0)), float(gap.mean()), int(met.sum()))


def canal_off_line_mm(spine: Spine, level: str, *, above: str, below: str) -> float:
    """Distance of a level's canal centre from the straight line through two others'."""
    points = [spine.find(name).canal.centre_ras_mm for name in (above, level, below)]  # type: ignore[union-attr]
    start, here, end = (np.array(point) for point in points)
    along = unit(end - start)
    offset = here - start
    return float(np.linalg.norm(offset - (offset @ along) * along))


def flags_within_vertebra(spine: Spine) -> list[str]:
    """Levels that the common rule within one vertebra flags."""
    return [
        v.level
        for v in spine.levels
        if v.within_vertebra_loss is not None and v.within_vertebra_loss >= RULE_WITHIN_VERTEBRA
    ]


def table(spine: Spine) -> str:
    """Every level with heights, losses and its distance to the threshold, as a Markdown table."""
    lines = [
        "| level | Ha / Hm / Hp mm | A/P | loss % | threshold % | distance % | flagged | grade | within vertebra % |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for v in spine.levels:
        h, fracture = v.heights_mm, v.fracture
        if h.anterior is None or h.middle is None or h.posterior is None:
            reasons = ", ".join(f.code for f in (*v.findings, *fracture.reasons))
            lines.append(f"| {v.level} | not measured: {reasons} | | | | | | | |")
            continue
        flagged = {True: "yes", False: "no", None: "not graded"}[fracture.flagged]
        lines.append(
            f"| {v.level} | {h.anterior:.1f} / {h.middle:.1f} / {h.posterior:.1f} | {h.anterior / h.posterior:.2f} "
            f"| {_percent(v.height_loss)} | {_percent(fracture.loss_threshold)} "
            f"| {_percent(fracture.distance_to_threshold, signed=True)} | {flagged} "
            f"| {'' if fracture.genant_grade is None else fracture.genant_grade} "
            f"| {_percent(v.within_vertebra_loss)} |"
        )
    return "\n".join(lines)


def _percent(share: float | None, *, signed: bool = False) -> str:
    if share is None:
        return ""
    return f"{100.0 * share:+.1f}" if signed else f"{100.0 * share:.0f}"
