"""Every clinical or material constant, citation and finding text, from data files.

Data live in ``data/{constants,citations,findings}/*.toml``, one file a room, merged into one registry each;
a key may stand in one file only. Reading them takes milliseconds and happens at first use.
"""

from endplate.sources.constants import Citation, Constant, citation, citations, constant, constants, value
from endplate.sources.findings import Finding, Severity, finding, finding_codes

__all__ = [
    "Citation",
    "Constant",
    "Finding",
    "Severity",
    "citation",
    "citations",
    "constant",
    "constants",
    "finding",
    "finding_codes",
    "value",
]
