"""Plans of all levels asked for, and the sitting as a whole."""

from __future__ import annotations

from collections.abc import Sequence

from endplate.anatomy.implants import ImplantMap
from endplate.anatomy.model import Spine, Vertebra
from endplate.errors import QualityGateError
from endplate.imaging.organ_map import OrganMap
from endplate.imaging.volume import LabelMap, Volume
from endplate.planning.cautions import questions
from endplate.planning.given import plan_given
from endplate.planning.level_plan import PlanInputs, plan_level
from endplate.planning.model import Plan
from endplate.planning.options import GivenPath, PlanOptions
from endplate.planning.rules import Rules, load_rules
from endplate.planning.session import session_of
from endplate.planning.site_cautions import site_findings


def plan_levels(
    labels: LabelMap,
    image: Volume | None,
    spine: Spine,
    levels: Sequence[str],
    options: PlanOptions,
    *,
    rules: Rules | None = None,
    organs: OrganMap | None = None,
    implants: ImplantMap | None = None,
    position: str | None = None,
    given: Sequence[GivenPath] = (),
) -> Plan:
    """Plan the needles of all levels asked for.

    Parameters
    ----------
    labels, image:
        The label map the spine was measured on and the CT (``None``: no skin).
    spine:
        The measured spine.
    levels:
        Level names; each gets one plan.
    options:
        The user's choices.
    rules:
        The rules; the shipped ones if not given.
    organs, implants:
        Organs, and metal or old cement, on the same grid; ``None`` where they are not known.
    position:
        How the patient lay in the scanner, in words (``"supine"``); ``None`` where it is not known.
    given:
        Paths to measure instead of searching.

    Raises
    ------
    QualityGateError
        A level is not in the spine.
    UsageError
        Choices that contradict each other, or a given path that lies in none of the levels.
    """
    inputs = PlanInputs(labels, image, spine, options, rules or load_rules(), organs, implants, position)
    vertebrae = [_find(spine, level) for level in levels]
    if given:
        plans = plan_given(inputs, vertebrae, given)
    else:
        plans = tuple(plan_level(inputs, vertebra) for vertebra in vertebrae)
    session = session_of(plans, inputs.rules)
    changed = site_findings(inputs.rules)
    return Plan(
        plans=plans,
        session=session.model_copy(update={"warnings": (*session.warnings, *changed, *questions())}),
        rules="; ".join(dict.fromkeys((inputs.rules.provenance, options.catalogue.provenance))),
    )


def _find(spine: Spine, level: str) -> Vertebra:
    vertebra = spine.find(level)
    if vertebra is None:
        seen = ", ".join(item.level for item in spine.levels) or "none"
        raise QualityGateError(
            "level-absent",
            f"{level} is not in the label map (levels there: {seen}).",
            do="Name a level that is there, or correct the label map.",
        )
    return vertebra
