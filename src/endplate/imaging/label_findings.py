"""What a user must know of a label map before trusting its level names."""

from __future__ import annotations

from endplate.imaging.scheme_detection import Reading
from endplate.imaging.spine_chain import Chain
from endplate.sources import Finding, finding, value


def label_findings(reading: Reading, *, body_only: bool) -> tuple[Finding, ...]:
    """Return the findings of a map as read: scheme, gaps, spacing, transitional levels, sacrum."""
    title = reading.scheme.title
    found: list[Finding] = []
    if reading.rivals:
        found.append(finding("labels-scheme-by-size", scheme=title, rivals=" or ".join(reading.rivals)))
    if reading.unknown_ids:
        ids = ", ".join(str(i) for i in reading.unknown_ids)
        found.append(finding("labels-unknown-ids", scheme=title, ids=ids))
    if body_only:
        found.append(finding("labels-body-only"))
    return (*found, *row_findings(reading.chain))


ROW_CODES = frozenset(
    {
        "labels-gap",
        "labels-no-room",
        "labels-extra-room",
        "labels-size-odd",
        "labels-transitional",
        "labels-count-unchecked",
        "labels-sacrum-seen",
    }
)
"""What :func:`row_findings` may tell: it holds for the row as it stands, not after a level was renamed."""


def row_findings(chain: Chain) -> tuple[Finding, ...]:
    """Return the findings of a row of named levels: gaps, spacing, transitional levels, sacrum."""
    return (*_spacing(chain), *_count(chain))


def _spacing(chain: Chain) -> list[Finding]:
    """Gaps in the names, and names that the distances contradict."""
    limit = float(value("labels.extra_vertebrae_limit"))
    found = []
    for step in chain.steps:
        words = {"upper": step.upper, "lower": step.lower, "mm": step.distance_mm}
        missing = ", ".join(step.missing)
        extra = chain.extra_vertebrae(step)
        if extra is not None and step.missing and extra < -limit:
            found.append(finding("labels-no-room", level=step.lower, missing=missing, **words))
        elif extra is not None and extra > limit:
            found.append(finding("labels-extra-room", level=step.lower, **words))
        elif step.missing:
            found.append(finding("labels-gap", level=step.lower, missing=missing, **words))
    low, high = value("labels.pitch_ratio_limits")
    if chain.pitch_ratio is not None and not low <= chain.pitch_ratio <= high:
        found.append(finding("labels-size-odd", percent=100.0 * chain.pitch_ratio))
    return found


def _count(chain: Chain) -> list[Finding]:
    """Transitional levels, and whether the sacrum lets the count be checked."""
    found = [
        finding("labels-transitional", level=level, name=level)
        for level in ("T13", "L6")
        if level in chain.levels
    ]
    levels = list(chain.levels)
    if "S1" not in levels:
        found.append(finding("labels-count-unchecked"))
    elif len(levels) > 1 and not chain.steps[-1].missing:
        found.append(finding("labels-sacrum-seen", lowest=levels[-2]))
    return found
