"""The case folder and its conductor: stages, hashes, resume. Nothing else writes a case's files.

Use ``endplate.case.run_case(out, Inputs(...), Parameters(...))``; names load at first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from endplate.case.request import Inputs, Parameters
    from endplate.case.run import CaseResult, assess_to_case, refresh_case, replan_case, run_case

__all__ = [
    "CaseResult",
    "Inputs",
    "Parameters",
    "assess_to_case",
    "refresh_case",
    "replan_case",
    "run_case",
]

_IN_REQUEST = {"Inputs", "Parameters"}


def __getattr__(name: str) -> Any:
    """Load the heavy modules only when one of their names is asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(
        import_module("endplate.case.request" if name in _IN_REQUEST else "endplate.case.run"), name
    )
