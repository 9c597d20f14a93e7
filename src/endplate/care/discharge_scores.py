"""The modified Aldrete score and the post-anaesthetic discharge score (PADSS), in the variant the pack names."""

from __future__ import annotations

from dataclasses import dataclass

from endplate.care.course import Aldrete, Padss


@dataclass(frozen=True)
class Points:
    """Points of each item (``None``: not recorded) and their total (``None`` where incomplete)."""

    items: dict[str, int | None]

    @property
    def total(self) -> int | None:
        """Sum of all items, or ``None``."""
        known = [points for points in self.items.values() if points is not None]
        return sum(known) if len(known) == len(self.items) else None

    @property
    def missing(self) -> tuple[str, ...]:
        """Items without points."""
        return tuple(item for item, points in self.items.items() if points is None)


ALDRETE_STEPS = (20.0, 50.0)
"""Change of blood pressure (mmHg or per cent) up to which 2 and 1 points are given."""

ALDRETE_ON_OXYGEN = 90.0
"""Saturation that must be passed on oxygen for 1 point, per cent."""

PADSS_STEPS = (20.0, 40.0)
"""Change of vital signs in per cent up to which 2 and 1 points are given."""

PAIN_STEPS = (3, 6)
"""Pain (0–10) up to which 2 and 1 points are given."""


def aldrete(seen: Aldrete, baseline_systolic_mmhg: float | None, variant: str) -> Points:
    """Score the modified Aldrete items; ``variant`` is ``mmhg-92``, ``percent-92``, ``mmhg-90`` or ``percent-90``."""
    measure, _, cut = variant.partition("-")
    return Points(
        {
            "activity": None if seen.limbs_moved is None else seen.limbs_moved // 2,
            "breathing": _of({"deep-and-cough": 2, "shallow": 1, "apnoea": 0}, seen.breathing),
            "circulation": _steps(
                _change(seen.systolic_mmhg, baseline_systolic_mmhg, measure), ALDRETE_STEPS
            ),
            "consciousness": _of({"awake": 2, "rousable": 1, "none": 0}, seen.consciousness),
            "saturation": _saturation(seen, float(cut)),
        }
    )


def padss(
    seen: Padss,
    *,
    baseline_systolic_mmhg: float | None,
    baseline_pulse_per_min: float | None,
    variant: str,
) -> Points:
    """Score the discharge items; the modified variant takes walking as before the procedure for steady."""
    vitals = _worst(
        _steps(_change(seen.systolic_mmhg, baseline_systolic_mmhg, "percent"), PADSS_STEPS),
        _steps(_change(seen.pulse_per_min, baseline_pulse_per_min, "percent"), PADSS_STEPS),
    )
    pain = None if seen.pain_nrs is None else _steps(float(seen.pain_nrs), PAIN_STEPS)
    severity = {"minimal": 2, "moderate": 1, "severe": 0}
    nausea, bleeding = _of(severity, seen.nausea), _of(severity, seen.bleeding)
    if variant == "modified":
        return Points(
            {
                "vitals": vitals,
                "walking": _of({"steady": 2, "as-before": 2, "with-help": 1, "unable": 0}, seen.walking),
                "nausea": nausea,
                "pain": pain,
                "bleeding": bleeding,
            }
        )
    steady = None if seen.walking is None else seen.walking == "steady"
    return Points(
        {
            "vitals": vitals,
            "activity and mind": _both(seen.oriented, steady),
            "pain and nausea": _worst(pain, nausea),
            "bleeding": bleeding,
            "intake and output": _both(seen.drank, seen.voided),
        }
    )


def _of(table: dict[str, int], answer: str | None) -> int | None:
    return None if answer is None else table[answer]


def _change(now: float | None, before: float | None, measure: str) -> float | None:
    if now is None or before is None:
        return None
    change = abs(now - before)
    return change if measure == "mmhg" else 100.0 * change / before


def _steps(change: float | None, steps: tuple[float, float]) -> int | None:
    if change is None:
        return None
    return 2 if change <= steps[0] else 1 if change <= steps[1] else 0


def _saturation(seen: Aldrete, cut: float) -> int | None:
    if seen.spo2_percent is None or seen.oxygen is None:
        return None
    if not seen.oxygen and seen.spo2_percent > cut:
        return 2
    return 1 if seen.spo2_percent > ALDRETE_ON_OXYGEN else 0


def _worst(*points: int | None) -> int | None:
    known = [found for found in points if found is not None]
    return min(known) if len(known) == len(points) else None


def _both(first: bool | None, second: bool | None) -> int | None:
    return None if first is None or second is None else int(first) + int(second)
