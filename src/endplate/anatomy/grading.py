"""The flag, the Genant grade and the shape of one level, with the reasons for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.expectation import HEIGHTS
from endplate.anatomy.model import Fracture, Shape
from endplate.imaging.levels import order
from endplate.sources import Finding, finding, value


@dataclass(frozen=True, eq=False)
class HeightEvidence:
    """What grading looks at, arrays of shape (3,) in the order of ``HEIGHTS``; NaN where unknown."""

    measured_mm: FloatArray
    uncertainty_mm: FloatArray
    expected_mm: FloatArray
    expected_sd_mm: FloatArray
    losses: FloatArray
    own_scale: bool
    """Nothing but the level's own posterior wall was there to scale by."""
    losses_alternative: FloatArray


def thresholds(evidence: HeightEvidence) -> FloatArray:
    """Loss from which each height flags the level, shape (3,): Genant's first grade, more where norms are vague."""
    genant = float(value("genant.grade_losses")[0])
    vague = float(value("flag.sd_multiple")) * evidence.expected_sd_mm / evidence.expected_mm
    limit: FloatArray = np.maximum(genant, vague)
    return limit


def grade(level: str, evidence: HeightEvidence) -> Fracture:
    """Grade one measured level.

    Notes
    -----
    Flagged when any height has lost at least its threshold against expectation. The grade follows Genant's bounds
    for the greatest loss; the shape is crush when the posterior height takes part, else biconcave or wedge after
    the height that has lost most.
    """
    if order(level) < order(str(value("flag.highest_level"))):
        return Fracture(reasons=(finding("level-not-graded", level=level),))
    known = np.isfinite(evidence.losses)
    if not known.any():
        return Fracture(reasons=(finding("heights-unknown", level=level),))
    limit = thresholds(evidence)
    excess = np.where(known, evidence.losses - limit, -np.inf)
    worst = int(np.argmax(excess))
    flagged = bool(excess[worst] >= 0.0)
    loss = float(np.max(np.where(known, evidence.losses, -np.inf)))
    return Fracture(
        flagged=flagged,
        genant_grade=_genant(loss) if flagged else 0,
        shape=_shape(evidence, limit) if flagged else None,
        reasons=tuple(_reasons(level, evidence, limit, worst, flagged)),
        loss_threshold=float(limit[worst]),
        distance_to_threshold=float(excess[worst]),
    )


def _genant(loss: float) -> int:
    return int(np.searchsorted(value("genant.grade_losses"), loss, side="right"))


def _shape(evidence: HeightEvidence, limit: FloatArray) -> Shape:
    anterior, middle, posterior = np.where(np.isfinite(evidence.losses), evidence.losses, 0.0)
    if posterior >= float(value("flag.crush_share")) * max(anterior, middle) or posterior >= limit[2]:
        return "crush"
    return "biconcave" if middle > anterior + float(value("flag.biconcave_excess")) else "wedge"


def _reasons(
    level: str, evidence: HeightEvidence, limit: FloatArray, worst: int, flagged: bool
) -> list[Finding]:
    measured = {
        "height": HEIGHTS[worst],
        "measured": evidence.measured_mm[worst],
        "expected": evidence.expected_mm[worst],
        "expected_sd": evidence.expected_sd_mm[worst],
        # A body taller than expected has lost nothing: no "-0 %" and no negative loss in words.
        "loss": 100.0 * max(float(evidence.losses[worst]), 0.0),
        "threshold": 100.0 * limit[worst],
    }
    reasons = [finding("height-lost" if flagged else "no-fracture-seen", level=level, **measured)]
    suspicion = (
        float(value("flag.borderline_sd")) * evidence.expected_sd_mm[worst] / evidence.expected_mm[worst]
    )
    if not flagged and evidence.losses[worst] >= suspicion:
        reasons.append(finding("height-borderline", level=level, **measured))
    if evidence.own_scale:
        reasons.append(finding("scaled-by-own-wall", level=level))
    alternative = evidence.losses_alternative[worst]
    if np.isfinite(alternative) and (alternative >= limit[worst]) != flagged:
        reasons.append(finding("verdict-rests-on-reference", level=level, alternative=100.0 * alternative))
    reasons.append(finding("ct-does-not-date", level=level))
    return reasons
