"""The report: one HTML file with the pictures, numbers, warnings and reasons a surgeon reads first.

Use ``endplate.report.build_report(ReportInputs(...))``; names load at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from endplate.report.build import build_report
    from endplate.report.model import ReportInputs
    from endplate.report.sheets import build_sheets

__all__ = ["ReportInputs", "build_report", "build_sheets"]


def __getattr__(name: str) -> Any:
    """Load the heavy modules only when one of their names is asked for."""
    if name == "build_report":
        from endplate.report.build import build_report  # noqa: PLC0415

        return build_report
    if name == "build_sheets":
        from endplate.report.sheets import build_sheets  # noqa: PLC0415

        return build_sheets
    if name == "ReportInputs":
        from endplate.report.model import ReportInputs  # noqa: PLC0415

        return ReportInputs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
