"""All levels of one sitting together: the sums of cement and contrast medium, and when to split the sitting."""

from __future__ import annotations

from collections.abc import Sequence

from endplate.planning.model import LevelPlan, Session
from endplate.planning.rules import Rules
from endplate.sources import finding


def session_of(plans: Sequence[LevelPlan], rules: Rules) -> Session:
    """Sum up the planned levels; a refused level adds nothing.

    ``cement_total_ml`` and ``contrast_total_ml`` are ``None`` where no level has cement or a balloon. A level whose
    dose is not known is told, since the sum is then too small.
    """
    planned = [plan for plan in plans if plan.paths]
    doses = [plan.cement.volume_ml for plan in planned]
    known = [dose for dose in doses if dose is not None]
    contrast = [plan.balloon.contrast_ml for plan in planned if plan.balloon is not None]
    total = round(sum(known), 6) if known else None
    limits = rules.session
    found = []
    if total is not None and total > limits.cement_max_ml:
        found.append(finding("session-cement-max", total=total, limit=limits.cement_max_ml))
    elif total is not None and total > limits.cement_caution_ml:
        found.append(finding("session-cement-caution", total=total, limit=limits.cement_caution_ml))
    if len(known) < len(doses):
        unknown = ", ".join(plan.level for plan in planned if plan.cement.volume_ml is None)
        found.append(finding("session-dose-unknown", levels=unknown))
    if len(planned) > limits.levels_max:
        found.append(finding("session-levels", count=len(planned), limit=limits.levels_max))
    return Session(
        cement_total_ml=total,
        contrast_total_ml=round(sum(contrast), 6) if contrast else None,
        warnings=tuple(found),
    )
