"""What the pack itself says about its use: choices not made, review dates, whose values they are."""

from __future__ import annotations

from collections.abc import Iterator

from endplate.care.context import Context, Item, Note
from endplate.care.parameters import Parameter, parameters
from endplate.care.quantities import words
from endplate.care.times import not_before, resolve
from endplate.papers.words import listed


def site_rules(ctx: Context) -> Iterator[Item]:
    """Cards on the pack and on the fields without which no paper is made."""
    yield from _kind(ctx)
    yield from _review(ctx)
    yield from _missing(ctx)
    yield from _fields(ctx)
    yield from _contacts(ctx)


def _contacts(ctx: Context) -> Iterator[Item]:
    """Whom to call, the emergency number always first."""
    lines = (
        ("emergency.number", "In an emergency call {}."),
        ("office.phone", "By day call us: {}."),
        ("after_hours.phone", "At night and at weekends call: {}."),
        ("after_hours.online", "Online, not for emergencies: {}."),
    )
    found = [(key, text.format(ctx.pack.get(key))) for key, text in lines if ctx.pack.get(key) is not None]
    if ctx.pack.get("emergency.number") is not None:
        sources = dict.fromkeys(source for key, _ in found for source in ctx.pack.source(key))
        yield Note("contacts", " ".join(text for _, text in found), tuple(sources))


def _kind(ctx: Context) -> Iterator[Item]:
    pack = ctx.pack
    if pack.kind == "illustrative":
        yield ctx.card("care-pack-illustrative", "HAZ-15", inputs={"pack": pack.id}, pack=pack.id)
    elif pack.kind == "safest":
        yield ctx.card("care-pack-safest", "HAZ-15", inputs={"pack": pack.id})
    from_leaflets = sorted(
        key for key, leaf in pack.values.items() if all(ref.kind == "leaflet" for ref in leaf.source)
    )
    if from_leaflets:
        yield ctx.card(
            "care-pack-provenance", "HAZ-15", inputs={"parameters": from_leaflets}, count=len(from_leaflets)
        )


def _review(ctx: Context) -> Iterator[Item]:
    pack, now = ctx.pack, ctx.now
    if now is None:
        yield ctx.card("care-time-not-given", "F1.6", inputs={})
        return
    expiry = resolve(f"{pack.expires_on.isoformat()}T23:59", ctx.zone)
    inputs = {"expires_on": pack.expires_on.isoformat(), "grace": pack.grace.iso}
    if now > not_before(expiry, pack.grace):
        yield ctx.card("care-pack-expired", "F1.6", inputs=inputs, date=pack.expires_on.isoformat())
    elif now > expiry:
        yield ctx.card("care-pack-review-due", "F1.6", inputs=inputs, date=pack.expires_on.isoformat())
    late = [
        key
        for key, leaf in pack.values.items()
        if leaf.expires_on is not None and now.date() > leaf.expires_on
    ]
    if late:
        yield ctx.card("care-values-review-due", "F1.6", inputs={"parameters": late}, names=listed(late))


def needed_now(ctx: Context) -> tuple[str, ...]:
    """Parameters without a value that this case needs."""
    case, pack = ctx.case, ctx.pack
    papers = ["leaflet", "consent"] + (
        ["recovery"] if case.record is not None or case.recovery is not None else []
    )
    keys = [key for paper in papers for key in pack.missing(paper)]
    takes_aspirin = any("aspirin" in medicine.name.lower() for medicine in case.medicines or ())
    home = () if case.recovery is None else case.recovery.medicines_home or ()
    extra = {
        "antithrombotic.guideline": bool(case.medicines),
        "antithrombotic.aspirin": takes_aspirin,
        "closure.suture_removal": (case.procedure.closure or pack.get("closure")) == "sutures",
        "driving.opioid_gap": any(medicine.opioid for medicine in home),
        "work.sedentary": case.recovery is not None
        and case.recovery.sick_note.requested
        and case.person.job == "sedentary"
        and case.recovery.sick_note.days is None,
    }
    keys += [key for key, needed in extra.items() if needed and pack.get(key) is None]
    return tuple(dict.fromkeys(keys))


def _missing(ctx: Context) -> Iterator[Item]:
    keys = needed_now(ctx)
    if not keys:
        return
    register = parameters()
    choices = "; ".join(f"{key}: {_choices(register[key])}" for key in keys)
    sources = dict.fromkeys(choice.source for key in keys for choice in register[key].choices)
    yield ctx.card(
        "care-site-choice-missing",
        "F1.3",
        source=tuple(sources),
        inputs={
            "parameters": list(keys),
            "choices": {
                key: [
                    {"value": words(register[key].kind, choice.value), "source": choice.source}
                    for choice in register[key].choices
                    if not choice.forbidden
                ]
                for key in keys
            },
        },
        names=listed(list(keys)),
        choices=choices,
    )


def _choices(entry: Parameter) -> str:
    usable = [choice for choice in entry.choices if not choice.forbidden]
    if not usable:
        return "the site's own value"
    return " or ".join(f"{words(entry.kind, choice.value)} ({choice.source})" for choice in usable)


def _fields(ctx: Context) -> Iterator[Item]:
    procedure = ctx.case.procedure
    fields = {
        "start of the procedure": procedure.start,
        "type of procedure": procedure.type,
        "where the patient goes afterwards": procedure.discharge_destination,
        "levels": ctx.case.referral.levels or None,
    }
    missing = [name for name, found in fields.items() if found is None]
    if missing:
        yield ctx.card("care-field-missing", "F8.1", inputs={"missing": missing}, fields=listed(missing))
    arranged = {
        "someone to collect the patient": procedure.collection_arranged,
        "a responsible adult": procedure.escort_arranged,
        "help at home": procedure.help_at_home_arranged,
    }
    open_ = [name for name, answer in arranged.items() if answer is not True]
    if open_ and procedure.discharge_destination == "home" and ctx.end is None:
        yield ctx.card("care-arrangements", "P-PRE-05", inputs={"open": open_}, items=listed(open_))
