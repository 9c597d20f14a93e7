"""The consent and risk page: every risk, with its number and dots or with the words that there is none."""

from __future__ import annotations

from dataclasses import dataclass

from endplate.care.papers.inputs import Inputs
from endplate.care.papers.paper import Chance, chance, page, sentence, told

TITLE = "Risks and chances: your decision"

TEACH_BACK = (
    "In your own words: what will we do?",
    "What can go wrong?",
    "What can you do instead?",
    "When must you call for help at once?",
)
"""Asked of the patient; a clinician judges the answers."""


@dataclass(frozen=True)
class PrintedRisk:
    """One risk as printed."""

    id: str
    name: str
    text: str
    chances: tuple[Chance, ...]
    source: tuple[str, ...]


def consent(inputs: Inputs) -> str:
    """The consent page as HTML."""
    language, found = inputs.language, inputs.evaluation
    risks = [
        PrintedRisk(
            risk.id,
            language(risk.name),
            language(risk.text),
            tuple(chance(inputs, number) for number in risk.numbers),
            risk.source,
        )
        for risk in found.risks
    ]
    volume = inputs.plan.volume_ml
    return page(
        inputs,
        "consent.html",
        TITLE,
        patient=True,
        outdated=found.card("care-consent-outdated") is not None,
        aims=[*told(inputs, "benefit", "height", "later-fractures"), *told(inputs, "choices")],
        planned="" if volume is None else language(f"The plan uses {volume:g} ml of cement in all."),
        counted=[risk for risk in risks if risk.chances],
        uncounted=[risk for risk in risks if not risk.chances],
        unknown=sentence(inputs, "care-paper-unknown"),
        teach_back=[language(question) for question in TEACH_BACK],
        technique=language(inputs.case.procedure.type or ""),
    )
