"""The clinician's page: what holds, what is open, dates, scores, planned against done, follow-up."""

from __future__ import annotations

from endplate.care.papers.inputs import Inputs
from endplate.care.papers.paper import page

TITLE = "Pathway: clinician's page"


def clinician(inputs: Inputs) -> str:
    """The clinician's page as HTML."""
    found = inputs.evaluation
    return page(
        inputs,
        "clinician.html",
        TITLE,
        patient=False,
        planned=[level for level in inputs.plan.levels if not level.refused],
        method=inputs.case.referral.level_method or "",
        confirmed=inputs.case.referral.level_confirmed_by,
        clock=clock,
        cards=found.cards,
    )


def clock(moment: str | None) -> str:
    """An ISO moment for staff: date and time of the wall's clock."""
    return "" if moment is None else moment[:16].replace("T", " ")
