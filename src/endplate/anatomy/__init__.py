"""From labels and CT to measured, graded vertebrae."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from endplate.anatomy.assessment import assess, assess_with_implants
    from endplate.anatomy.kernels import warm

__all__ = ["assess", "assess_with_implants", "warm"]


def __getattr__(name: str) -> Any:
    """Load the engine at first use, so that reading a document does not import it."""
    if name == "assess":
        from endplate.anatomy.assessment import assess  # noqa: PLC0415

        return assess
    if name == "assess_with_implants":
        from endplate.anatomy.assessment import assess_with_implants  # noqa: PLC0415

        return assess_with_implants
    if name == "warm":
        from endplate.anatomy.kernels import warm  # noqa: PLC0415

        return warm
    raise AttributeError(name)
