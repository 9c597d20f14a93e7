"""The pack the patient takes home: warning signs first, dates counted from the end, medicines, pictures."""

from __future__ import annotations

from endplate.care.papers.inputs import Inputs
from endplate.care.papers.leaflet import (
    home,
    roll_picture,
    roll_steps,
    wound_picture,
    wound_sentences,
    wound_steps,
)
from endplate.care.papers.paper import page, timeline, told, warning_signs

TITLE = "Going home after bone cement"

STAFF = ("labs", "recovery.", "fasting.", "hold.")
"""Dates that are over, or belong to the staff."""


def discharge(inputs: Inputs) -> str:
    """The discharge pack as HTML."""
    urgent, today = warning_signs(inputs)
    found, record = inputs.evaluation, inputs.case.record
    recovery = inputs.case.recovery
    opioids = [name for name in found.texts if name.startswith("opioid")]
    medicines = () if recovery is None else recovery.medicines_home or ()
    end = None if record is None else record.end
    return page(
        inputs,
        "discharge.html",
        TITLE,
        patient=True,
        outdated=found.card("care-instructions-outdated") is not None,
        urgent=urgent,
        today=today,
        end="" if end is None else inputs.language.moment(end),
        after=timeline(inputs, after=True, leave_out=STAFF),
        medicines=[medicine.name for medicine in medicines],
        medicine_advice=told(inputs, *opioids, "pain-medicine"),
        home=[one for one in home(inputs) if one not in told(inputs, "pain-medicine")],
        roll=roll_picture(inputs),
        roll_steps=roll_steps(inputs),
        wound=wound_sentences(inputs),
        bath=wound_picture(inputs),
        bath_steps=wound_steps(inputs),
    )
