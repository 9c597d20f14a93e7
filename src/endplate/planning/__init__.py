"""Needle paths and their margins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from endplate.planning.options import PlanOptions
    from endplate.planning.plan import plan_levels

__all__ = ["PlanOptions", "plan_levels"]


def __getattr__(name: str) -> Any:
    """Load the planner at first use, so that reading a plan does not import it."""
    if name == "PlanOptions":
        from endplate.planning.options import PlanOptions  # noqa: PLC0415

        return PlanOptions
    if name == "plan_levels":
        from endplate.planning.plan import plan_levels  # noqa: PLC0415

        return plan_levels
    raise AttributeError(name)
