"""What must hold before a level is planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from endplate.anatomy.model import Spine, Vertebra
from endplate.errors import QualityGateError


def check_levels(spine: Spine, levels: Sequence[str], reason: str | None) -> None:
    """Refuse levels that are not there, not whole, or not flagged without a reason.

    Raises
    ------
    QualityGateError
        ``level-absent``, ``level-cut`` or ``level-not-flagged``.
    """
    present = [vertebra.level for vertebra in spine.levels]
    absent = [level for level in levels if level not in present]
    if absent:
        raise QualityGateError(
            "level-absent",
            f"The labels hold no {_join(absent)}. They hold: {_join(present) or 'no level at all'}.",
            do="Name one of these levels; if the labels count differently from you, correct them first.",
        )
    found = {vertebra.level: vertebra for vertebra in spine.levels}
    cut = [level for level in levels if not found[level].complete]
    if cut:
        whole = [vertebra.level for vertebra in spine.levels if vertebra.complete]
        raise QualityGateError(
            "level-cut",
            f"{_join(cut)} is cut by the edge of the scan, so it cannot be planned.",
            do=f"Use a scan that shows the whole vertebra. Whole here: {_join(whole) or 'none'}.",
        )
    unflagged = [level for level in levels if found[level].fracture.flagged is not True]
    if unflagged and not (reason or "").strip():
        raise QualityGateError(
            "level-not-flagged",
            f"{_unseen(found, unflagged)}: no plan without a reason.",
            do='Say why it is to be treated, for example --reason "MRI oedema at this level, painful", '
            "and check that the level is the one you mean.",
        )


def _unseen(found: Mapping[str, Vertebra], levels: Sequence[str]) -> str:
    judged = [level for level in levels if found[level].fracture.flagged is not None]
    unjudged = [level for level in levels if level not in judged]
    parts = [f"no fracture was seen at {_join(judged)} by measurement"] if judged else []
    parts += [f"whether {_join(unjudged)} is fractured could not be judged"] if unjudged else []
    said = ", and ".join(parts)
    return said[0].upper() + said[1:]


def _join(levels: Sequence[str]) -> str:
    return ", ".join(levels)
