"""Paths of another program or of a hand: measured like one of the search, not chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from endplate.anatomy.model import Side, Vertebra
from endplate.errors import QualityGateError, UsageError
from endplate.imaging.volume import LabelMap
from endplate.planning.access import ACCESS_OF_COUNT
from endplate.planning.doses import cement_dose
from endplate.planning.evaluate import evaluate
from endplate.planning.level_plan import PlanInputs, refused_outright
from endplate.planning.model import LevelPlan, NeedlePath
from endplate.planning.needle_document import needle_document, reach_of
from endplate.planning.options import GivenPath
from endplate.planning.refusals import limit_name
from endplate.planning.technique import decide_technique, tools_for
from endplate.planning.views import level_views
from endplate.planning.warnings import level_warnings
from endplate.sources import Finding, finding

MOST_NEEDLES = 2
"""Needles of one level at most, one a side."""


def plan_given(
    inputs: PlanInputs, vertebrae: Sequence[Vertebra], given: Sequence[GivenPath]
) -> tuple[LevelPlan, ...]:
    """One plan a level, of the given paths whose tips lie in it.

    Raises
    ------
    UsageError
        A path ends in none of the levels, a level gets no path or more than one a side.
    QualityGateError
        A level whose surroundings cannot be measured.
    """
    by_level: dict[str, list[GivenPath]] = {vertebra.level: [] for vertebra in vertebrae}
    for path in given:
        home = next((v for v in vertebrae if _holds(inputs.labels, v, path)), None)
        if home is None:
            raise UsageError(
                "path-outside-body",
                f"The tip of the given path {path.name!r} lies in none of {', '.join(by_level)}.",
                do="Check level and frame: points are RAS mm, and a file in LPS has the first two signs turned.",
            )
        by_level[home.level].append(path)
    return tuple(_level(inputs, vertebra, by_level[vertebra.level]) for vertebra in vertebrae)


def _level(inputs: PlanInputs, vertebra: Vertebra, given: list[GivenPath]) -> LevelPlan:
    inputs = inputs.for_level(vertebra)
    options, rules = inputs.options, inputs.rules
    if not given:
        raise UsageError(
            "path-missing",
            f"No given path ends in {vertebra.level}.",
            do="Add one to the file, or leave the level out.",
        )
    refused = refused_outright(inputs.labels, vertebra)
    if refused is not None:
        raise QualityGateError(
            refused.code,
            refused.reasons[0].text,
            do="Give a scan and a label map that hold the whole vertebra.",
        )
    scene = inputs.scene(vertebra)
    technique: Literal["vertebroplasty", "kyphoplasty"] = (
        "kyphoplasty" if options.wants_kyphoplasty else "vertebroplasty"
    )
    tools_decision, tools = tools_for(technique, options, rules)
    paths: dict[Side, NeedlePath] = {}
    noted: list[Finding] = []
    for one in given:
        tool = tools[0]
        path = evaluate(
            scene,
            tool,
            np.array(one.start_ras_mm),
            np.array(one.tip_ras_mm),
            rules=rules,
            tool_length_mm=tool.longest_mm,
        )
        if path.side in paths:
            raise UsageError(
                "path-twice",
                f"Two given paths enter {vertebra.level} from the {path.side}.",
                do=f"Give at most {MOST_NEEDLES} paths a level, one a side.",
            )
        document, found = needle_document(scene, path, tool.outer_diameter_mm, rules)
        paths[path.side] = document
        noted += [finding("given-path", level=vertebra.level, side=path.side), *found]
        noted += [
            finding(
                "given-limit-missed",
                level=vertebra.level,
                side=path.side,
                what=limit_name(breach.code),
                found=breach.found,
                limit=breach.limit,
            )
            for breach in path.breaches
        ]
    needles = tuple(paths[side] for side in sorted(paths))
    dose, dose_decision = cement_dose(vertebra, len(needles), rules)
    frame = vertebra.frame
    return LevelPlan(
        level=vertebra.level,
        technique=technique,
        access=ACCESS_OF_COUNT[len(needles)],
        fracture_seen=vertebra.fracture.flagged,
        reason=options.reason,
        paths=needles,
        views=None if frame is None else level_views(frame, vertebra.endplates, reach=reach_of(rules)),
        decisions=(decide_technique(vertebra, options, rules), tools_decision, dose_decision),
        cement=dose,
        warnings=(
            *level_warnings(inputs, vertebra, needles, technique),
            *noted,
        ),
    )


def _holds(labels: LabelMap, vertebra: Vertebra, path: GivenPath) -> bool:
    index = np.rint(labels.volume.to_voxel(np.array(path.tip_ras_mm))).astype(int)
    inside = ((index >= 0) & (index < np.array(labels.volume.shape))).all()
    return bool(inside) and int(labels.data[tuple(index)]) == vertebra.label_id
