"""The implant card: what stays in the body, as the maker names it."""

from __future__ import annotations

import datetime as dt

from endplate.care.papers.inputs import Inputs
from endplate.care.papers.paper import page
from endplate.errors import QualityGateError

TITLE = "Implant card"


def implant_card(inputs: Inputs) -> str:
    """The card as HTML.

    Raises
    ------
    QualityGateError
        No implant is recorded with all that a card needs.
    """
    if not inputs.evaluation.implants:
        raise QualityGateError(
            "care-paper-not-called",
            "No implant is recorded with name, model, maker, identifier, lot and level.",
            do="Complete the record of the devices.",
        )
    return page(
        inputs,
        "implant_card.html",
        TITLE,
        patient=True,
        rows=[
            (
                entry,
                (
                    (inputs.language("Product"), entry.name),
                    (inputs.language("Model"), entry.model),
                    (inputs.language("Maker"), entry.maker),
                    (inputs.language("Identifier (UDI)"), entry.udi),
                    (inputs.language("Lot"), entry.lot),
                    (inputs.language("Level"), entry.level),
                    (inputs.language("Date"), inputs.language.date(dt.date.fromisoformat(entry.date))),
                ),
            )
            for entry in inputs.evaluation.implants
        ],
    )
