"""Refusals in words: what the nearest path lacks, with its number."""

from __future__ import annotations

from endplate.planning.path import Breach, SearchResult, Wish
from endplate.planning.rules import Rules
from endplate.planning.scene import LevelScene
from endplate.sources import Finding, finding

ANGLES = {
    "convergence": "a convergence",
    "craniocaudal": "an inclination toward head or feet",
    "carm-reach": "a C-arm angle",
}
"""Limits of direction in words."""

STRUCTURES = {
    "facet": "facet joint above",
    "neighbour-in-the-way": "neighbouring vertebra",
    "implant-in-the-way": "metal or old cement",
    "keep-out-cava": "inferior vena cava",
    "keep-out-cord": "spinal cord",
}
"""Structures whose name is not in their code."""


def refusal_reason(scene: LevelScene, wish: Wish, result: SearchResult, rules: Rules) -> Finding:
    """Why a search gave no path, as a finding.

    Raises
    ------
    ValueError
        The search gave a path.
    """
    if result.refusal is None:
        raise ValueError("a search with a path has no refusal")
    level, side = scene.level, wish.side
    pedicle = scene.pedicle(side)
    if pedicle is None:
        return finding("refused-no-pedicle", level=level, side=side)
    words = {"side": side.capitalize(), "gauge": wish.tool.gauge, "approach": wish.approach}
    if result.refusal == "vertebra-plana":
        return finding("refused-plana", level=level, **words)
    if result.refusal == "pedicle-narrow":
        hard = rules.search.margin_hard_mm
        return finding(
            "refused-pedicle-narrow",
            level=level,
            side=side,
            gauge=wish.tool.gauge,
            inscribed=pedicle.inscribed_diameter_mm,
            needed=wish.tool.outer_diameter_mm + hard.medial + hard.lateral,
        )
    nearest = result.nearest
    if nearest is None or not nearest.breaches:
        return finding(
            "refused-limit-tip", level=level, limit=rules.search.tip_clearance_mm.anterior, **words
        )
    worst = max(nearest.breaches, key=lambda breach: breach.lack)
    return breach_reason(level, worst, words)


def breach_reason(level: str, breach: Breach, words: dict[str, str]) -> Finding:
    """One missed limit as a finding; ``words`` hold side, gauge and approach."""
    code = breach.code
    numbers: dict[str, str | float] = {"found": breach.found, "limit": breach.limit, **words}
    begin, _, rest = code.partition("-")
    named = {
        "convergence": "angle",
        "craniocaudal": "angle",
        "carm-reach": "angle",
        "channel": "channel",
        "wall-defect": "defect",
        "too-deep-for-tool": "length",
        "margin-body": "tip",
    }
    kind = named.get(code) or {"tip": "tip", "margin": "margin", "bound": "derated"}.get(begin, "structure")
    if kind == "angle":
        numbers["what"] = ANGLES[code]
    elif kind in ("margin", "derated"):
        numbers["direction"] = rest
    elif kind == "structure":
        numbers["structure"] = structure_name(code)
    return finding(f"refused-limit-{kind}", level=level, **numbers)


def structure_name(code: str) -> str:
    """A structure's name from the code of its limit."""
    return STRUCTURES.get(code, code.removeprefix("keep-out-").replace("-", " "))


def limit_name(code: str) -> str:
    """A limit in words, as for a given path: ``"medial margin (mm)"``."""
    if code in ANGLES:
        return f"{ANGLES[code].split(' ', 1)[1]} (°)"
    for begin, words in (
        ("margin-", "margin"),
        ("bound-", "derated margin"),
        ("tip-", "distance of the tip"),
    ):
        if code.startswith(begin):
            return f"{code.removeprefix(begin)} {words} (mm)"
    if code == "channel":
        return "depth for the channel (mm)"
    if code == "wall-defect":
        return "distance from a hole of the posterior wall (mm)"
    if code == "too-deep-for-tool":
        return "depth from the skin (mm)"
    return f"distance from the {structure_name(code)} (mm)"
