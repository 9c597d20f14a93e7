"""What a site file changed, told in the plan: every change, and with a warning those to the less safe side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from endplate.planning.rules import RuleChange, Rules
from endplate.sources import Finding, finding

SAFER_HIGHER = (
    "search.margin_hard_mm",
    "search.keep_out_mm",
    "search.tip_clearance_mm",
    "search.label_error_mm",
    "balloon.anterior_wall_mm",
    "balloon.endplate_mm",
    "balloon.side_wall_mm",
    "balloon.posterior_wall_mm",
)
"""Rules whose smaller value lets more through."""

SAFER_LOWER = (
    "search.seating_mm",
    "cement.cap_ml",
    "cement.max_fraction",
    "cement.regain_fraction",
    "cautions.canal_compromise",
    "session.cement_caution_ml",
    "session.cement_max_ml",
    "session.levels_max",
)
"""Rules whose greater value lets more through."""


def site_findings(rules: Rules) -> tuple[Finding, ...]:
    """One finding for each rule that the site file changed; a warning where it is less safe than the shipped one."""
    return tuple(
        finding(
            "rule-less-safe" if _less_safe(change) else "rule-changed",
            rule=change.rule_id,
            shipped=_words(change.shipped),
            site=_words(change.site),
            unit=rules.note(change.rule_id).unit,
        )
        for change in rules.changes
        if change.site != change.shipped
    )


def _less_safe(change: RuleChange) -> bool:
    if change.rule_id in SAFER_HIGHER:
        return any(site < shipped for shipped, site in _pairs(change.shipped, change.site))
    if change.rule_id in SAFER_LOWER:
        return any(site > shipped for shipped, site in _pairs(change.shipped, change.site))
    return False


def _pairs(shipped: Any, site: Any) -> Iterator[tuple[float, float]]:
    """Shipped and site number of each entry."""
    if isinstance(shipped, dict):
        for key in shipped:
            yield from _pairs(shipped[key], site[key])
    else:
        yield float(shipped), float(site)


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(item)}" for key, item in value.items())
    return ", ".join(map(_words, value)) if isinstance(value, list) else str(value)
