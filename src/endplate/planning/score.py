"""The score of a path: a sum whose every term can be told, and the order in which paths are preferred."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from endplate.anatomy.axes import FloatArray, unit
from endplate.planning.measure import INFERIOR, LATERAL, MEDIAL, SUPERIOR, Measures
from endplate.planning.model import ScoreTerm
from endplate.planning.needles import ACROSS, Needles
from endplate.planning.rules import Rules
from endplate.planning.scene import LevelScene
from endplate.planning.targets import Targets
from endplate.sources import value


@dataclass(frozen=True, eq=False)
class Scores:
    """Terms of a batch: names, weights, values 0–1 of shape (C, terms), and words for each."""

    names: tuple[str, ...]
    weights: FloatArray
    values: FloatArray
    texts: tuple[str, ...]
    safety: FloatArray
    """Shape (C, 2): worst raw and worst derated margin as a share of the preferred one, 0–1."""
    medial: FloatArray

    @property
    def total(self) -> FloatArray:
        """The scores, shape (C,)."""
        total: FloatArray = self.values @ self.weights
        return total

    def ranking(self) -> FloatArray:
        """Sort keys, shape (C, 4): smaller is better.

        Worst margin first, raw and then derated, in tenths of the preferred one; then score; then medial margin.
        """
        bins = float(value("search.safety_bins"))
        return np.column_stack([-np.floor(bins * self.safety + 1e-9), -self.total, -self.medial])

    def terms(self, row: int) -> tuple[ScoreTerm, ...]:
        """The terms of one path as they are printed."""
        return tuple(
            ScoreTerm(name=name, weight=float(weight), value=round(float(part), 6), text=text)
            for name, weight, part, text in zip(
                self.names, self.weights, self.values[row], self.texts, strict=True
            )
        )


def score(
    scene: LevelScene, batch: Needles, found: Measures, goal: Targets, rules: Rules, *, through: bool
) -> Scores:
    """Score needles by their margins, their tip's place, the pedicle's axis, the endplates and the bone on the way.

    ``through``: they run through the pedicle; beside it the lateral wall is where they enter, and no margin.
    """
    search = rules.search
    preferred = np.array([getattr(search.margin_preferred_mm, name) for name in ACROSS])
    shares = np.clip(found.raw / preferred, 0.0, 1.0)
    bounds = np.clip(found.derated / preferred, 0.0, 1.0)
    if not through:
        shares[:, LATERAL] = bounds[:, LATERAL] = 1.0
    weight = search.margin_weight
    off = np.linalg.norm(batch.tips - goal.ideal_mm, axis=1)
    aim = 1.0 - np.minimum(off / search.target_tolerance_mm, 1.0)
    follow = np.zeros(len(batch))
    pedicle = scene.pedicle(batch.side)
    if pedicle is not None:
        axis = unit(scene.axes.rotation @ np.array(pedicle.axis_ras))
        turn = np.degrees(np.arccos(np.clip(batch.directions @ axis, -1.0, 1.0)))
        follow = 1.0 - np.minimum(turn / search.axis_lost_deg, 1.0)
    tilt = np.degrees(np.arcsin(np.clip(batch.directions @ scene.parallel, -1.0, 1.0)))
    level = 1.0 - np.minimum(np.abs(tilt) / search.axis_lost_deg, 1.0)
    terms = [
        ("medial margin", weight.medial, shares[:, MEDIAL], f"of {search.margin_preferred_mm.medial:g} mm"),
        (
            "inferior margin",
            weight.inferior,
            shares[:, INFERIOR],
            f"of {search.margin_preferred_mm.inferior:g} mm",
        ),
        (
            "lateral or superior margin",
            min(weight.lateral, weight.superior),
            np.minimum(shares[:, LATERAL], shares[:, SUPERIOR]),
            f"the lesser, of {search.margin_preferred_mm.lateral:g} mm",
        ),
        ("tip", search.target_weight, aim, f"nearness to its ideal place ({goal.aim})"),
        ("pedicle axis", search.axis_weight, follow, f"lost at {search.axis_lost_deg:g} degrees from it"),
        (
            "between the endplates",
            search.bisector_weight,
            level,
            f"lost at {search.axis_lost_deg:g} degrees from their bisector",
        ),
        ("bone on the way", search.bone_weight, found.bone_share, "share of entry to tip that is not gas"),
    ]
    return Scores(
        tuple(term[0] for term in terms),
        np.array([term[1] for term in terms]),
        np.column_stack([np.clip(term[2], 0.0, 1.0) for term in terms]),
        tuple(term[3] for term in terms),
        np.column_stack([shares.min(axis=1), bounds.min(axis=1)]),
        found.raw[:, MEDIAL],
    )
