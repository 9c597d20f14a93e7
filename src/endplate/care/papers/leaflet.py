"""The patient's leaflet before the procedure: warning signs first and last, choices, chances, dates."""

from __future__ import annotations

from markupsafe import Markup

from endplate.care.papers.drawings import log_roll, wound_care
from endplate.care.papers.inputs import Inputs
from endplate.care.papers.paper import Sentence, chance, page, sentence, timeline, told, warning_signs

TITLE = "Cement for your broken back bone"

CHANCES = ("P-RSK-01", "P-RSK-02", "P-RSK-03", "P-RSK-07", "P-RSK-10")
"""Risks whose first number stands in the leaflet with its dots; the consent page has all of them."""

NOT_FOR_PATIENTS = ("labs", "recovery.", "restart.")
"""Dates of the staff."""


def leaflet(inputs: Inputs) -> str:
    """The leaflet as HTML."""
    urgent, today = warning_signs(inputs)
    risks = {risk.id: risk for risk in inputs.evaluation.risks}
    technique = inputs.case.procedure.type
    what = ["care-paper-what", *(["care-paper-balloon"] if technique == "kyphoplasty" else [])]
    start = inputs.case.procedure.start
    return page(
        inputs,
        "leaflet.html",
        TITLE,
        patient=True,
        urgent=urgent,
        today=today,
        what=[sentence(inputs, code) for code in what] + told(inputs, "height"),
        choices=told(inputs, "choices", "benefit", "later-fractures"),
        chances=[
            chance(inputs, risks[key].numbers[0]) for key in CHANCES if key in risks and risks[key].numbers
        ],
        unknown=sentence(inputs, "care-paper-unknown"),
        prepare=[sentence(inputs, code) for code in ("care-paper-tell", "care-paper-someone")],
        before=timeline(inputs, after=False, leave_out=NOT_FOR_PATIENTS),
        start="" if start is None else inputs.language.moment(start),
        day=[
            sentence(inputs, "care-paper-day"),
            *told(inputs, "duration"),
            sentence(inputs, "care-paper-after"),
        ],
        provisional=sentence(inputs, "care-paper-provisional") if inputs.case.record is None else None,
        after=timeline(inputs, after=True, leave_out=NOT_FOR_PATIENTS),
        home=home(inputs),
        roll=roll_picture(inputs),
        roll_steps=roll_steps(inputs),
        wound=wound_sentences(inputs),
        bath=wound_picture(inputs),
        bath_steps=wound_steps(inputs),
    )


def home(inputs: Inputs) -> list[Sentence]:
    """What to do and leave at home, without dates."""
    return told(inputs, "log-roll", "walking", "sitting", "stairs", "brace", "soreness", "pain-medicine")


def wound_sentences(inputs: Inputs) -> list[Sentence]:
    """How the cut is closed and looked after."""
    closure = inputs.case.procedure.closure or inputs.pack.get("closure")
    codes = ["care-paper-wound"]
    if closure in ("strips", "sutures"):
        codes.insert(0, f"care-paper-{closure}")
    return [sentence(inputs, code) for code in codes] + told(inputs, "bath")


def roll_steps(inputs: Inputs) -> tuple[str, str, str, str]:
    """The steps of the log-roll, below each picture and, in large print, as a list."""
    t = inputs.language
    return (
        t("Bend your knees."),
        t("Turn your whole body to one side."),
        t("Legs down. Push up with your arms."),
        t("Sit. Wait. Then stand."),
    )


def roll_picture(inputs: Inputs) -> Markup:
    """The drawing of the log-roll."""
    steps = roll_steps(inputs)
    return log_roll(steps, alt=inputs.language("How to get out of bed") + ": " + " ".join(steps)).markup()


def wound_steps(inputs: Inputs) -> tuple[str, str, str]:
    """The rules of wound care, below each picture and, in large print, as a list."""
    t = inputs.language
    return (
        t("You may shower from the date in the list."),
        t("Pat the wound dry."),
        t("Do not take a bath."),
    )


def wound_picture(inputs: Inputs) -> Markup:
    """The drawing of wound care."""
    steps = wound_steps(inputs)
    return wound_care(steps, alt=inputs.language("Your wound") + ": " + " ".join(steps)).markup()
