"""The handover to a referring hospital, in place of a leaflet for home."""

from __future__ import annotations

from endplate.care.papers.clinician import clock
from endplate.care.papers.inputs import Inputs
from endplate.care.papers.paper import page, warning_signs

TITLE = "Handover to the referring hospital"

LEFT_OUT = ("labs", "fasting.", "hold.", "recovery.observation")
"""Dates that are over, or belong to the chart."""


def handover(inputs: Inputs) -> str:
    """The handover as HTML."""
    urgent, today = warning_signs(inputs)
    found, recovery = inputs.evaluation, inputs.case.recovery
    last = max(
        () if recovery is None else recovery.observations, key=lambda item: clock(item.at), default=None
    )
    return page(
        inputs,
        "handover.html",
        TITLE,
        patient=False,
        record=inputs.case.record,
        technique=inputs.case.procedure.type or "",
        cards=[card for card in found.cards if card.indicator != "info"],
        dates=[entry for entry in found.timeline if not entry.what.startswith(LEFT_OUT)],
        last=last,
        clock=clock,
        urgent=urgent,
        today=today,
        medicines=() if recovery is None else recovery.medicines_home or (),
    )
