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

TIP_ROOM_MM = {"bipedicular": (2.0, 1.0, 3.0), "unipedicular": (0.0, 1.0, 3.0)}
"""How far beyond the candidates' tips a path's tip may be moved, sideways, forward and up; one needle stays central."""

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

    Notes
    -----
    Where no path is found, the pedicle may not be where it was measured: the search is made once more about the
    narrowest coronal section beside the canal, if that lies elsewhere; the path then names it as unchecked.
    """
    result = _search(scene, wish, rules)
    if result.best is not None or wish.approach != "transpedicular":
        return result
    other = scene.with_estimate(wish.side)
    again = None if other is None else _search(other, wish, rules)
    return again if again is not None and again.best is not None else result


def _search(scene: LevelScene, wish: Wish, rules: Rules) -> SearchResult:
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
    starts = [judged.batch.take(np.array([row]))] if row is not None else []
    if not starts:
        mended = _mended(scene, _least_lacking(scene, judged, wish, rules), wish, rules, goal, part)
        starts = [one for one, left in mended if left <= 0.0]
        if not starts:
            one, _ = min(mended, key=lambda pair: pair[1])
            nearest = finished(scene, one, wish, rules, goal)
            code = _code(scene, wish, rules, nearest)
            return SearchResult(None, nearest, len(tried), dict(sorted(rejected.items())), code)
    ends = [_refined(scene, start, wish, rules, goal, part) for start in starts]
    keys = [tuple(np.round(_judge(scene, end, wish, rules, goal, part).keys[0], 6)) for end in ends]
    best = ends[min(range(len(ends)), key=lambda index: keys[index])]
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
    """The few candidates that miss all their limits, those of structures too, by the least; the best first."""
    lack = lacking_mm(judged.checks)
    chosen = np.argsort(lack, kind="stable")[:BATCH]
    chosen = chosen[np.lexsort((*judged.keys[chosen].T[::-1], lack[chosen]))]
    batch = judged.batch.take(chosen)
    lack = lack[chosen] + lacking_mm(structure_checks(scene, batch, wish, rules))
    return batch.take(np.argsort(lack, kind="stable")[: int(value("search.mend_starts"))])


def _mended(
    scene: LevelScene, starts: Needles, wish: Wish, rules: Rules, goal: Targets, part: Around
) -> list[tuple[Needles, float]]:
    """Move each path that misses a limit between the candidates' places, and tell what it still misses, mm."""
    mended = []
    for row in range(len(starts)):
        one, left = starts.take(np.array([row])), np.inf
        for step in value("search.refine_steps_mm"):
            for _ in range(int(value("search.refine_rounds"))):
                tried = _moved(scene, one, step, wish, rules, goal)
                if len(tried) == 0:
                    break
                lack = lacking_mm(
                    [
                        *_judge(scene, tried, wish, rules, goal, part).checks,
                        *structure_checks(scene, tried, wish, rules),
                    ]
                )
                at = int(np.argmin(lack))
                if lack[at] >= left - 1e-6:
                    break
                one, left = tried.take(np.array([at])), float(lack[at])
        mended.append((one, left))
    return mended


def _moved(scene: LevelScene, one: Needles, step: float, wish: Wish, rules: Rules, goal: Targets) -> Needles:
    """A path and its neighbours: moved by a step at its passage, at its tip or at both, those that can be measured."""
    pedicle = scene.pedicle(wish.side)
    assert pedicle is not None
    _, _, across, up = isthmus_plane(scene, pedicle)
    at_way = np.array([across, -across, up, -up])
    at_tip = np.concatenate([np.eye(3), -np.eye(3)])
    moves = np.zeros((15, 2, 3))
    moves[1:5, 0], moves[5:11, 1] = at_way, at_tip
    moves[11:, 0] = moves[11:, 1] = at_way
    room = np.array(TIP_ROOM_MM[wish.access])
    low, high = goal.tips_mm.min(axis=0) - room, goal.tips_mm.max(axis=0) + room
    tips = np.clip(one.tips + step * moves[:, 1], low, high)
    tried = needles(scene, wish.side, one.origins + step * moves[:, 0], tips)
    return tried.take(reaches(tried, rules, through=wish.approach == "transpedicular"))


def _refined(
    scene: LevelScene, start: Needles, wish: Wish, rules: Rules, goal: Targets, part: Around
) -> Needles:
    """Move a path that keeps every limit as long as that betters it."""
    best = start
    key = _judge(scene, best, wish, rules, goal, part).keys[0]
    for step in value("search.refine_steps_mm"):
        for _ in range(int(value("search.refine_rounds"))):
            tried = _moved(scene, best, step, wish, rules, goal)
            if len(tried) == 0:
                break
            judged = _judge(scene, tried, wish, rules, goal, part)
            better = [r for r in _ordered(judged.keys) if judged.kept[r] and _before(judged.keys[r], key)]
            row = next((r for r in better if _clear(scene, tried, r, wish, rules)), None)
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
