"""The search of one needle: many straight candidates, hard limits, an order that can be explained, a refinement.

Deterministic: candidates stand in a fixed order, equals keep it, and the refinement moves along fixed directions.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.axes import FloatArray
from endplate.planning.checks import (
    Check,
    angle_checks,
    lacking_mm,
    margin_checks,
    reaches,
    structure_checks,
    tip_checks,
)
from endplate.planning.corridor import isthmus_plane, waypoints
from endplate.planning.finish import finished
from endplate.planning.measure import Around, around, measure
from endplate.planning.needles import Needles, needles
from endplate.planning.path import Path, SearchResult, Wish
from endplate.planning.rules import Rules
from endplate.planning.scene import LevelScene
from endplate.planning.score import score
from endplate.planning.targets import Targets, is_plana, targets
from endplate.sources import value

BATCH = 48
"""Candidates in order whose way past neighbours and organs is looked at together."""

REFUSAL_OF = {
    "tip-anterior": "tip-not-reached",
    "tip-endplate": "tip-not-reached",
    "tip-lateral": "tip-not-reached",
    "margin-body": "tip-not-reached",
    "bound-medial": "margin-medial",
    "bound-inferior": "margin-inferior",
}
"""Codes of refusals that stand for several limits."""


@dataclass(frozen=True, eq=False)
class _Judged:
    """A batch that can be measured, with its limits and its order."""

    batch: Needles
    checks: list[Check]
    keys: FloatArray

    @property
    def kept(self) -> NDArray[np.bool_]:
        kept: NDArray[np.bool_] = np.all([check.lack <= 0.0 for check in self.checks], axis=0)
        return kept


def search(scene: LevelScene, wish: Wish, rules: Rules) -> SearchResult:
    """Find the best path for a wish, or say what is missing.

    Parameters
    ----------
    scene:
        The level.
    wish:
        Side, approach, tool, access, and the channel that must fit.
    rules:
        Limits, preferred margins and weights.
    """
    if scene.pedicle(wish.side) is None:
        return SearchResult(None, None, 0, {}, "no-pedicle")
    goal = targets(scene, wish, rules)
    ways = waypoints(scene, wish, rules, len(goal.tips_mm))
    tried = _candidates(scene, wish, ways, goal.tips_mm)
    if len(tried) == 0:
        return SearchResult(None, None, 0, {}, _code(scene, wish, rules, None))
    rejected: Counter[str] = Counter()
    whole = reaches(tried, rules, through=wish.approach == "transpedicular")
    rejected["not-in-bone"] = int((~whole).sum())
    batch = tried.take(whole)
    if len(batch) == 0:
        return SearchResult(None, None, len(tried), dict(rejected), _code(scene, wish, rules, None))
    part = around(scene, batch)
    judged = _judge(scene, batch, wish, rules, goal, part)
    _count(judged, rejected)
    row = _first_clear(scene, judged, wish, rules, rejected)
    if row is None:
        nearest = finished(scene, _least_lacking(scene, judged, wish, rules), wish, rules, goal)
        code = _code(scene, wish, rules, nearest)
        return SearchResult(None, nearest, len(tried), dict(sorted(rejected.items())), code)
    best = _refined(scene, judged.batch.take(np.array([row])), wish, rules, goal, part)
    path = finished(scene, best, wish, rules, goal)
    if path.breaches:
        code = _code(scene, wish, rules, path)
        return SearchResult(None, path, len(tried), dict(sorted(rejected.items())), code)
    return SearchResult(path, None, len(tried), dict(sorted(rejected.items())))


def _candidates(scene: LevelScene, wish: Wish, ways: FloatArray, tips: FloatArray) -> Needles:
    """Every waypoint with every tip in front of it."""
    through = np.repeat(ways, len(tips), axis=0)
    aimed = np.tile(tips, (len(ways), 1))
    ahead = aimed[:, 1] > through[:, 1] + 1.0
    return needles(scene, wish.side, through[ahead].reshape(-1, 3), aimed[ahead].reshape(-1, 3))


def _judge(
    scene: LevelScene, batch: Needles, wish: Wish, rules: Rules, goal: Targets, part: Around
) -> _Judged:
    found = measure(scene, batch, wish, rules, part)
    checks = [
        *angle_checks(scene, batch, wish, rules),
        *margin_checks(found, wish, rules),
        *tip_checks(scene, batch, found, wish, rules),
    ]
    scores = score(scene, batch, found, goal, rules, through=wish.approach == "transpedicular")
    return _Judged(batch, checks, scores.ranking())


def _count(judged: _Judged, rejected: Counter[str]) -> None:
    """Count each candidate under the first limit that it misses."""
    left = np.ones(len(judged.batch), dtype=bool)
    for check in judged.checks:
        missed = left & (check.lack > 0.0)
        if missed.any():
            rejected[check.code] += int(missed.sum())
        left &= ~missed


def _ordered(keys: FloatArray) -> NDArray[np.intp]:
    return np.lexsort(keys.T[::-1])


def _first_clear(
    scene: LevelScene, judged: _Judged, wish: Wish, rules: Rules, rejected: Counter[str]
) -> int | None:
    """The first of the kept candidates, in order, that passes every structure."""
    order = _ordered(judged.keys)
    order = order[judged.kept[order]]
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        checks = structure_checks(scene, judged.batch.take(rows), wish, rules)
        clear = np.ones(len(rows), dtype=bool)
        for check in checks:
            missed = clear & (check.lack > 0.0)
            if missed.any():
                rejected[check.code] += int(missed.sum())
            clear &= ~missed
        if clear.any():
            return int(rows[int(np.argmax(clear))])
    return None


def _least_lacking(scene: LevelScene, judged: _Judged, wish: Wish, rules: Rules) -> Needles:
    """The candidate that misses its limits by the least; of the kept ones, the one that structures block least."""
    if judged.kept.any():
        chosen = np.flatnonzero(judged.kept)
        chosen = chosen[_ordered(judged.keys[chosen])][:BATCH]
        lack = lacking_mm(structure_checks(scene, judged.batch.take(chosen), wish, rules))
        return judged.batch.take(chosen[[int(np.argmin(lack))]])
    lack = lacking_mm(judged.checks)
    return judged.batch.take(np.array([int(np.argmin(lack))]))


def _refined(
    scene: LevelScene, start: Needles, wish: Wish, rules: Rules, goal: Targets, part: Around
) -> Needles:
    """Move the best path at its passage and its tip as long as that betters it and keeps every limit."""
    pedicle = scene.pedicle(wish.side)
    assert pedicle is not None
    _, _, across, up = isthmus_plane(scene, pedicle)
    moves = np.zeros((10, 2, 3))
    for index, (end, direction) in enumerate(
        [(0, across), (0, up), (1, np.eye(3)[0]), (1, np.eye(3)[1]), (1, np.eye(3)[2])]
    ):
        moves[2 * index, end], moves[2 * index + 1, end] = direction, -direction
    box = goal.tips_mm.min(axis=0) - 0.5, goal.tips_mm.max(axis=0) + 0.5
    best = start
    key = _judge(scene, best, wish, rules, goal, part).keys[0]
    for step in value("search.refine_steps_mm"):
        for _ in range(int(value("search.refine_rounds"))):
            through = best.origins + step * moves[:, 0]
            tips = np.clip(best.tips + step * moves[:, 1], *box)
            tried = needles(scene, wish.side, through, tips)
            tried = tried.take(reaches(tried, rules, through=wish.approach == "transpedicular"))
            if len(tried) == 0:
                break
            judged = _judge(scene, tried, wish, rules, goal, part)
            order = _ordered(judged.keys)
            better = [row for row in order if judged.kept[row] and _before(judged.keys[row], key)]
            row = next((row for row in better if _clear(scene, tried, row, wish, rules)), None)
            if row is None:
                break
            best, key = tried.take(np.array([row])), judged.keys[row]
    return best


def _before(key: FloatArray, other: FloatArray) -> bool:
    """Whether a path is truly better, not just by the last bits of arithmetic."""
    return tuple(np.round(key, 6)) < tuple(np.round(other, 6))


def _clear(scene: LevelScene, batch: Needles, row: int, wish: Wish, rules: Rules) -> bool:
    checks = structure_checks(scene, batch.take(np.array([row])), wish, rules)
    return all(float(check.lack[0]) <= 0.0 for check in checks)


def _code(scene: LevelScene, wish: Wish, rules: Rules, nearest: Path | None) -> str:
    """The refusal: a body too flat, a pedicle too narrow, or what the nearest path lacks most."""
    if is_plana(scene, rules):
        return "vertebra-plana"
    pedicle = scene.pedicle(wish.side)
    if pedicle is None:
        return "no-pedicle"
    hard = rules.search.margin_hard_mm
    narrow = pedicle.inscribed_diameter_mm < wish.tool.outer_diameter_mm + hard.medial + hard.lateral
    if wish.approach == "transpedicular" and narrow:
        return "pedicle-narrow"
    if nearest is None or not nearest.breaches:
        return "tip-not-reached"
    worst = max(nearest.breaches, key=lambda breach: breach.lack)
    return REFUSAL_OF.get(worst.code, worst.code)
