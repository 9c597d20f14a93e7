"""Contraindications and cautions as warnings: what the scan shows, and what only the patient can tell.

They never decide. What a CT cannot show is a fixed list for the pause before the procedure.
"""

from __future__ import annotations

from endplate.anatomy.model import Vertebra
from endplate.imaging.levels import order
from endplate.planning.rules import Rules
from endplate.sources import Finding, finding

QUESTIONS = (
    "ask-infection",
    "ask-coagulation",
    "ask-allergy",
    "ask-improving",
    "ask-neurology",
    "ask-instability",
    "ask-tumour",
    "ask-pregnancy",
)
"""Codes of what must be asked because no CT shows it, in their order."""


def questions(level: str | None = None) -> tuple[Finding, ...]:
    """The contraindications that a CT cannot show, to be asked before the procedure."""
    return tuple(finding(code, level=level) for code in QUESTIONS)


def image_cautions(vertebra: Vertebra, rules: Rules, age_years: int | None = None) -> tuple[Finding, ...]:
    """The contraindications and cautions that the scan shows at one level.

    Parameters
    ----------
    vertebra:
        The measured level.
    rules:
        The rules.
    age_years:
        The patient's age where the scan says it.
    """
    level, limits = vertebra.level, rules.cautions
    found = [*_wall(vertebra, rules), *_bone(vertebra)]
    loss = vertebra.height_loss
    if loss is not None and loss >= limits.plana_loss:
        found.append(
            finding("caution-plana", level=level, loss=100.0 * loss, limit=100.0 * limits.plana_loss)
        )
    if vertebra.cleft_ml is not None and vertebra.cleft_ml >= limits.cleft_min_ml:
        found.append(finding("caution-cleft", level=level, volume=vertebra.cleft_ml))
    if order(level) < order(limits.highest_level):
        found.append(finding("caution-high-level", level=level, limit=limits.highest_level))
    if age_years is not None and age_years < limits.age_min_years:
        found.append(finding("caution-age", level=level, age=age_years, limit=limits.age_min_years))
    return tuple(found)


def _wall(vertebra: Vertebra, rules: Rules) -> list[Finding]:
    """The posterior wall and the canal."""
    level, limits = vertebra.level, rules.cautions
    found = []
    pushed = vertebra.retropulsion_mm
    if pushed is not None and pushed >= limits.retropulsion_mm:
        found.append(
            finding("caution-retropulsion", level=level, pushed=pushed, limit=limits.retropulsion_mm)
        )
    if any("posterior" in lesion.destroyed for lesion in vertebra.lesions):
        found.append(finding("caution-wall-destroyed", level=level))
    compromise, steps = vertebra.canal.compromise, limits.canal_compromise
    for code, step in (
        ("caution-canal-refer", steps.refer),
        ("caution-canal", steps.caution),
        ("caution-canal-info", steps.info),
    ):
        if compromise is not None and compromise >= step:
            found.append(finding(code, level=level, compromise=100.0 * compromise, limit=100.0 * step))
            break
    return found


def _bone(vertebra: Vertebra) -> list[Finding]:
    """Earlier treatment, lesions and a broken arch."""
    level = vertebra.level
    found = []
    if vertebra.treated_before is True:
        found.append(finding("caution-treated-before", level=level))
    if vertebra.lesions:
        kinds = sorted({lesion.kind for lesion in vertebra.lesions})
        found.append(
            finding("caution-lesion", level=level, count=len(vertebra.lesions), kinds=" and ".join(kinds))
        )
    if vertebra.arch_breaks:
        places = ", ".join(sorted({item.place for item in vertebra.arch_breaks}))
        found.append(finding("caution-arch-broken", level=level, places=places))
    return found
