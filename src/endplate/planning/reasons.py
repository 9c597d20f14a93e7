"""Why a search found no path, in registered words with the numbers of the path that lacks least."""

from __future__ import annotations

from endplate.planning.path import Breach, Path, SearchResult, Wish
from endplate.planning.rules import Rules
from endplate.planning.scene import LevelScene
from endplate.sources import Finding, finding

KEEP_OUT = "keep-out-"
"""Codes of structures begin with this."""

DIRECTIONS = {
    "convergence": "convergence",
    "craniocaudal": "inclination toward head or feet",
    "carm-reach": "angle of the view along it",
}
"""Words for the limits of direction."""

TIP = {
    "tip-anterior": "the front",
    "tip-endplate": "an endplate",
    "tip-lateral": "the side wall",
    "margin-body": "the body's surface",
}
"""Words for what a tip or its way comes too close to."""

NAMED = {
    "neighbour-in-the-way": "a neighbouring vertebra",
    "facet": "the facet joint of the vertebra above",
    "implant-in-the-way": "metal or old cement",
    "wall-defect": "a hole of the posterior wall",
}
"""Words for structures whose code does not name them."""

OTHER = {"channel": "refused-channel", "too-deep-for-tool": "refused-too-deep"}
"""Findings of limits with words of their own."""


def refusal_reasons(scene: LevelScene, wish: Wish, result: SearchResult, rules: Rules) -> tuple[Finding, ...]:
    """The findings of a refused wish: first what its code says, then every limit the nearest path does not keep.

    Empty where the search found a path.
    """
    if result.refusal is None:
        return ()
    level = scene.level
    words = {"level": level, "side": wish.side, "gauge": wish.tool.gauge, "approach": wish.approach}
    found: list[Finding] = []
    pedicle = scene.pedicle(wish.side)
    if result.refusal == "no-pedicle" or pedicle is None:
        return (finding("refused-no-pedicle", level=level, side=wish.side),)
    if result.refusal == "vertebra-plana":
        loss = 100.0 * (scene.vertebra.height_loss or 0.0)
        found.append(finding("refused-vertebra-plana", loss=loss, **words))
    if result.refusal == "pedicle-narrow":
        hard = rules.search.margin_hard_mm
        found.append(
            finding(
                "refused-pedicle-narrow",
                level=level,
                side=wish.side,
                gauge=wish.tool.gauge,
                inscribed=pedicle.inscribed_diameter_mm,
                needed=wish.tool.outer_diameter_mm + hard.medial + hard.lateral,
            )
        )
    if result.nearest is None:
        return (*found, finding("refused-not-in-bone", candidates=result.candidates, **words))
    return (*found, *breach_findings(level, result.nearest))


def breach_findings(level: str, path: Path) -> tuple[Finding, ...]:
    """One finding for every hard limit that a path does not keep, the greatest lack first."""
    ranked = sorted(path.breaches, key=lambda breach: -breach.lack)
    return tuple(_finding(level, path, breach) for breach in ranked)


def _finding(level: str, path: Path, breach: Breach) -> Finding:
    words = {
        "side": path.side.capitalize(),
        "gauge": path.gauge,
        "found": breach.found,
        "limit": breach.limit,
    }
    text, extra = _text(breach.code)
    return finding(text, level=level, **extra, **words)


def _text(code: str) -> tuple[str, dict[str, str]]:
    """The finding of a limit, and the words that name what was come too close to."""
    kind, _, direction = code.partition("-")
    if code in TIP:
        found = "refused-tip", {"what": TIP[code]}
    elif kind == "margin":
        found = "refused-margin-limit", {"direction": direction}
    elif kind == "bound":
        found = "refused-bound", {"direction": direction}
    elif code in DIRECTIONS:
        found = "refused-direction", {"what": DIRECTIONS[code]}
    elif code in OTHER:
        found = OTHER[code], {}
    else:
        what = NAMED.get(code, code.removeprefix(KEEP_OUT).replace("-", " "))
        found = "refused-keep-out", {"what": what}
    return found
