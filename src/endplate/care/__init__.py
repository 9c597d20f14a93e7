"""Care from referral to follow-up: a site's rules, one case and its plan give cards, dates, risks and gates.

``pack`` loads a site's protocol, ``case`` reads the patient's way, ``planview`` reads the plan; ``evaluate`` puts them
together by one rule module a feature. ``audit`` keeps the record. The room reads plan and outcome as JSON and needs no
server, network or image.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from endplate.care.case import Case, parse_case, read_case
    from endplate.care.model import Evaluation
    from endplate.care.pack import Pack, load_pack
    from endplate.care.pack_differences import differences
    from endplate.care.planview import PlanView, parse_plan, read_plan

__all__ = [
    "Case",
    "Evaluation",
    "Pack",
    "PlanView",
    "differences",
    "load_pack",
    "parse_case",
    "parse_plan",
    "read_case",
    "read_plan",
]

_PLACES = {
    "Case": "case",
    "Evaluation": "model",
    "Pack": "pack",
    "PlanView": "planview",
    "differences": "pack_differences",
    "load_pack": "pack",
    "parse_case": "case",
    "parse_plan": "planview",
    "read_case": "case",
    "read_plan": "planview",
}


def __getattr__(name: str) -> Any:
    """Load a module at the first use of its name."""
    if name not in _PLACES:
        raise AttributeError(name)
    return getattr(import_module(f"endplate.care.{_PLACES[name]}"), name)
