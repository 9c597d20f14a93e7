"""The sick note, on request, for the days that the site's rule or the clinician gives."""

from __future__ import annotations

from endplate.care.papers.inputs import Inputs
from endplate.care.papers.paper import page, told
from endplate.errors import QualityGateError

TITLE = "Sick note"


def sick_note(inputs: Inputs) -> str:
    """The note as HTML: it names no diagnosis and no level.

    Raises
    ------
    QualityGateError
        It was not asked for, or the kind of work or the days are missing.
    """
    found = inputs.evaluation
    if "sick-note" not in found.papers:
        why = [card.summary for card in found.cards if card.id.startswith("care-sick-note")]
        raise QualityGateError(
            "care-paper-not-called",
            " ".join(why) or "No sick note was asked for.",
            do="Record that it was asked for, with the kind of work and the days.",
        )
    return page(inputs, "sick_note.html", TITLE, patient=True, said=told(inputs, "sick-note"))
