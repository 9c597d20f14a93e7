"""How far a plan trusts the edges of the labels that it stands on."""

from __future__ import annotations

from endplate.imaging.label_origin import LabelOrigin
from endplate.planning.rules import Rules
from endplate.sources import Finding, finding

MADE_BY = {
    "clicks": "from one point a vertebra",
    "segmenter": "by an installed segmenter",
    "given": "by another program or a person",
}
"""Words for how labels were made."""


def rules_for_labels(rules: Rules, origin: LabelOrigin | None, level: str) -> Rules:
    """The rules with margins derated by the error that the labels of this level state, where it exceeds the rule's."""
    stated = stated_error_mm(origin, level)
    if stated is None or stated <= rules.search.label_error_mm:
        return rules
    return rules.model_copy(update={"search": rules.search.model_copy(update={"label_error_mm": stated})})


def stated_error_mm(origin: LabelOrigin | None, level: str) -> float | None:
    """The error of the label's edge that its maker states; ``None`` where nothing is stated."""
    known = None if origin is None else origin.of_level(level)
    return None if known is None else known.label_error_mm


def trust_findings(origin: LabelOrigin | None, level: str) -> list[Finding]:
    """What the user must know of the labels of one level."""
    known = None if origin is None else origin.of_level(level)
    if origin is None or known is None or known.label_error_mm is None:
        return []
    return [
        finding("plan-labels-derated", level=level, made=MADE_BY[origin.made_by], error=known.label_error_mm)
    ]
