"""Is this the right patient and level: complete, to be clarified, or stop. Never an approval."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from endplate.care.base import LEVELS
from endplate.care.context import Context, Item
from endplate.care.intake import Referral
from endplate.care.model import CallItem
from endplate.papers.words import listed
from endplate.sources import value


def eligibility(ctx: Context) -> Iterator[Item]:
    """Cards on person, referral, level, imaging, contraindications."""
    yield from _emergencies(ctx)
    yield from _person(ctx)
    yield from _levels(ctx)
    yield from _imaging(ctx)
    yield from _contraindications(ctx)
    yield from _completeness(ctx)
    yield from _matches(ctx)
    yield from _bone(ctx)


def _emergencies(ctx: Context) -> Iterator[Item]:
    referral = ctx.case.referral
    signs = {
        "leg weakness": referral.leg_weakness,
        "numbness between the legs": referral.saddle_numbness,
        "change of bladder or bowel": referral.bladder_bowel_change,
    }
    present = [name for name, answer in signs.items() if answer == "yes"]
    if present:
        yield ctx.card("care-neuro-emergency", "F2.7", inputs={"signs": present}, signs=listed(present))
    threshold = ctx.pack.get("fever.threshold") or value("care.fever_default_c")
    fever = referral.temperature_c is not None and referral.temperature_c >= threshold
    if referral.infection == "yes" or fever:
        yield ctx.card(
            "care-infection",
            "F2.5",
            inputs={"infection": referral.infection, "temperature_c": referral.temperature_c},
        )


def _person(ctx: Context) -> Iterator[Item]:
    person = ctx.case.person
    age = person.age_years
    if age is not None and age < value("care.age_min_years"):
        yield ctx.card(
            "care-age-outside", "F2.10", inputs={"age_years": age}, limit=value("care.age_min_years")
        )
    low, high = value("care.pregnancy_age_years")
    if person.pregnancy == "yes":
        yield ctx.card("care-pregnant", "F2.6", inputs={"pregnancy": "yes"})
    elif (
        person.pregnancy in (None, "unknown") and person.sex != "male" and (age is None or low <= age <= high)
    ):
        yield ctx.card("care-pregnancy-unknown", "F2.6", inputs={"pregnancy": person.pregnancy})
    declines = ctx.case.referral.declines
    if declines:
        yield ctx.card(
            "care-decline", "P-REF-03", inputs={"declines": list(declines)}, items=listed(list(declines))
        )
    if ctx.case.referral.spinal_cord_injury == "yes":
        yield ctx.card("care-cord-injury", "P-REF-05", inputs={"spinal_cord_injury": "yes"})


def _levels(ctx: Context) -> Iterator[Item]:
    referral, planned = ctx.case.referral, ctx.plan.names
    if not planned:
        yield ctx.card("care-no-plan", "F2.2", inputs={"planned": []})
        return
    oedema = _oedema(ctx)
    for level in planned:
        asked = not referral.levels or level in referral.levels
        tender = level in (referral.tender_levels or ())
        shown = level in (oedema or ())
        inputs = {
            "planned": level,
            "asked": list(referral.levels),
            "tender": list(referral.tender_levels or ()),
            "oedema": list(oedema or ()),
        }
        known = bool(referral.tender_levels) or bool(oedema)
        if not asked or (known and not tender and not shown):
            yield ctx.card(
                "care-level-mismatch",
                "F2.2",
                about=level,
                level=level,
                inputs=inputs,
                planned=level,
                found=listed(sorted({*referral.levels, *inputs["tender"], *inputs["oedema"]})) or "no level",
            )
        elif known and referral.tender_levels is not None and not tender:
            yield ctx.card(
                "care-level-not-tender", "F2.1", about=level, level=level, inputs=inputs, planned=level
            )
    unplanned = [level for level in referral.levels if level not in planned]
    if unplanned:
        inputs = {"planned": list(planned), "asked": list(referral.levels)}
        yield ctx.card("care-level-not-planned", "F2.2", inputs=inputs, levels=listed(unplanned))
    yield from _numbering(ctx)
    if len(planned) > value("care.levels_max"):
        yield ctx.card(
            "care-many-levels",
            "F2.8",
            inputs={"levels": list(planned)},
            count=len(planned),
            limit=value("care.levels_max"),
        )
    first = LEVELS.index(value("care.typical_from_level"))
    age, age_min = ctx.case.person.age_years, value("care.typical_age_years")
    high = [level for level in planned if LEVELS.index(level) < first] if set(planned) <= set(LEVELS) else []
    young = age is not None and age < age_min and ctx.case.referral.aetiology != "traumatic"
    if high or young:
        yield ctx.card(
            "care-atypical", "F2.11", inputs={"levels": high, "age_years": age}, levels=listed(list(planned))
        )


def _numbering(ctx: Context) -> Iterator[Item]:
    referral, codes = ctx.case.referral, ctx.plan.numbering_codes
    if not codes:
        return
    confirmed = len(set(referral.level_confirmed_by)) >= 2 and bool(referral.level_method)
    inputs = {"codes": list(codes), "confirmed_by": len(set(referral.level_confirmed_by))}
    if confirmed:
        yield ctx.card("care-numbering-confirmed", "F2.3", inputs=inputs)
    else:
        yield ctx.card("care-numbering-uncertain", "F2.3", inputs=inputs)


def _oedema(ctx: Context) -> tuple[str, ...] | None:
    """Levels with oedema on any study that looked for it; ``None`` where none did."""
    looked = [study.oedema_levels for study in ctx.case.imaging if study.oedema_levels is not None]
    return None if not looked else tuple(dict.fromkeys(level for found in looked for level in found))


def _imaging(ctx: Context) -> Iterator[Item]:
    if not any(study.fracture_levels or study.oedema_levels for study in ctx.case.imaging):
        yield ctx.card("care-imaging-missing", "P-REF-01", inputs={"studies": len(ctx.case.imaging)})
        return
    unseen = ctx.plan.levels_with(frozenset(("plan-no-fracture-seen", "plan-fracture-unjudged")))
    if unseen:
        yield ctx.card(
            "care-plan-no-fracture", "P-REF-01", inputs={"levels": list(unseen)}, levels=listed(list(unseen))
        )
    oedema = _oedema(ctx) or ()
    unproven = [level for level in ctx.plan.names if level not in oedema]
    if unproven:
        yield ctx.card(
            "care-unhealed-not-shown", "F2.4", inputs={"levels": unproven}, levels=listed(unproven)
        )


def _contraindications(ctx: Context) -> Iterator[Item]:
    referral = ctx.case.referral
    for allergy in ctx.case.history.allergies or ():
        if allergy.present == "yes" and allergy.to in ("pmma", "contrast", "antiseptic"):
            yield ctx.card(
                "care-allergy",
                "F2.9",
                about=allergy.to,
                inputs={"allergy": allergy.to, "alternative_recorded": allergy.alternative is not None},
                allergen={"pmma": "bone cement"}.get(allergy.to, allergy.to),
            )
    if referral.other_pain_source == "yes":
        yield ctx.card("care-other-pain", "F2.1", inputs={"other_pain_source": "yes"})
    if referral.canal_compromise == "yes":
        yield ctx.card("care-canal-compromise", "F2.1", inputs={"canal_compromise": "yes"})
    if referral.aetiology == "neoplastic" and not referral.multidisciplinary:
        yield ctx.card("care-tumour-team", "F2.1", inputs={"multidisciplinary": referral.multidisciplinary})


REQUIRED = (
    "levels",
    "tender_levels",
    "aetiology",
    "onset_date",
    "pain_nrs",
    "in_hospital",
    "tried",
    "goals",
    "leg_weakness",
    "saddle_numbness",
    "bladder_bowel_change",
    "infection",
    "attestation",
)
"""Fields of the referral without which the check is not complete."""


def _completeness(ctx: Context) -> Iterator[Item]:
    referral, case = ctx.case.referral, ctx.case
    missing = [name for name in REQUIRED if _blank(referral, name)]
    asked = {allergy.to for allergy in case.history.allergies or () if allergy.present != "unknown"}
    missing += [f"allergy to {kind}" for kind in ("pmma", "contrast", "antiseptic") if kind not in asked]
    if case.person.age_years is None:
        missing.append("age")
    if missing:
        words = [name.replace("_", " ") for name in missing]
        yield ctx.card(
            "care-referral-incomplete", "P-IND-01", inputs={"missing": missing}, fields=listed(words)
        )


def _blank(referral: Referral, name: str) -> bool:
    return getattr(referral, name) in (None, (), "unknown")


def days_since_onset(ctx: Context) -> int | None:
    """Days from the onset of pain to now (else to the procedure)."""
    onset = ctx.case.referral.onset_date
    moment = ctx.now or ctx.start
    if onset is None or moment is None:
        return None
    return (moment.date() - dt.date.fromisoformat(onset)).days


def _matches(ctx: Context) -> Iterator[Item]:
    """Which published rule sets the case fits; information only."""
    referral, days = ctx.case.referral, days_since_onset(ctx)
    pain, oedema, planned = referral.pain_nrs, _oedema(ctx) or (), ctx.plan.names
    if not planned or pain is None:
        return
    at_level = all(level in oedema and level in (referral.tender_levels or ()) for level in planned)
    tried = bool(referral.tried)
    nrs_min = value("care.lcd_nrs_hospital" if referral.in_hospital else "care.lcd_nrs")
    recent = days is not None and 0 <= days <= value("care.recent_days")
    fits = {
        "nice-ta279": at_level and tried and pain >= value("care.severe_nrs"),
        "us-lcd-augmentation": bool(oedema)
        and tried
        and referral.in_hospital is not None
        and pain >= nrs_min,
        "vapour2016": recent
        and pain >= value("care.vapour_nrs")
        and len(planned) <= value("care.vapour_levels"),
        "vertos4": recent and at_level and pain >= value("care.vertos_nrs"),
    }
    matched = [name for name, fit in fits.items() if fit]
    inputs = {"days_since_onset": days, "pain_nrs": pain, "matched": matched}
    if matched:
        yield ctx.card("care-criteria-met", "F2.1", source=matched, inputs=inputs, count=len(matched))
    else:
        yield ctx.card("care-criteria-not-met", "F2.1", inputs=inputs, source=tuple(fits))


def _bone(ctx: Context) -> Iterator[Item]:
    referral = ctx.case.referral
    if referral.aetiology != "osteoporotic":
        return
    if referral.bone_density_referred and referral.osteoporosis_education:
        return
    inputs = {
        "bone_density_referred": referral.bone_density_referred,
        "osteoporosis_education": referral.osteoporosis_education,
    }
    yield ctx.card("care-bone-task", "F2.12", inputs=inputs)
    yield CallItem(
        who="clinician", why="Refer for bone density and give osteoporosis education.", rule_id="F2.12"
    )
