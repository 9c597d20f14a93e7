"""From labels and CT to measured, graded vertebrae."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from endplate.anatomy.assessment import assess

__all__ = ["assess"]


def __getattr__(name: str) -> Any:
    """Load the engine at first use, so that reading a document does not import it."""
    if name == "assess":
        from endplate.anatomy.assessment import assess  # noqa: PLC0415

        return assess
    raise AttributeError(name)
