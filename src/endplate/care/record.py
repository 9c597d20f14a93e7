"""The procedure record: devices, volumes against the plan, leaks, the implant card."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from endplate.care.context import AsDone, Context, Item, Paper
from endplate.care.course import DeviceUse, ProcedureRecord
from endplate.care.model import Delta, ImplantEntry
from endplate.care.planview import PlannedLevel
from endplate.care.times import not_before
from endplate.care.udi import Udi, parse_udi
from endplate.papers.words import listed
from endplate.sources import value

IMPLANTS = ("cement", "stent")


def procedure_record(ctx: Context) -> Iterator[Item]:
    """Cards, deltas and implants from what was recorded."""
    record = ctx.case.record
    if record is None:
        return
    yield from _times(ctx, record)
    yield from _where(ctx, record)
    for number, device in enumerate(record.devices, start=1):
        yield from _device(ctx, device, number)
    yield from _volumes(ctx, record)
    yield from _leaks(ctx, record)
    if ctx.end is not None:
        yield from _implants(ctx, record)
        yield from _gaps(ctx, record)
        yield from _sutures(ctx)


def _times(ctx: Context, record: ProcedureRecord) -> Iterator[Item]:
    moments = [ctx.at(text) for text in (record.start, record.end) if text is not None]
    late_sedation = (
        ctx.end is not None
        and record.start is not None
        and ctx.sedation_end is not None
        and ctx.sedation_end < ctx.at(record.start)
    )
    if moments != sorted(moments, key=lambda moment: moment.astimezone(dt.UTC)) or late_sedation:
        yield ctx.card("care-record-times", "F6.3", inputs={"start": record.start, "end": record.end})


def _where(ctx: Context, record: ProcedureRecord) -> Iterator[Item]:
    wrong = [level for level in record.levels_treated if level not in ctx.plan.names]
    if wrong:
        yield ctx.card(
            "care-wrong-level-done",
            "F6.3",
            inputs={"treated": list(record.levels_treated)},
            levels=listed(wrong),
            planned=listed(list(ctx.plan.names)),
        )


def _device(ctx: Context, device: DeviceUse, number: int) -> Iterator[Item]:
    about = f"{device.kind}-{number}"
    if device.udi is None:
        return
    udi = parse_udi(device.udi)
    if udi.problem is not None:
        yield ctx.card(
            "care-udi-unreadable",
            "F6.1",
            about=about,
            inputs={"kind": device.kind},
            kind=device.kind,
            problem=udi.problem,
            verify=("gs1-rules",),
        )
    yield from _expiry(ctx, device, udi, about)
    if device.lot is not None and udi.lot is not None and device.lot != udi.lot:
        yield ctx.card(
            "care-udi-mismatch",
            "F6.2",
            about=f"{about}-lot",
            inputs={"kind": device.kind},
            kind=device.kind,
            what="lot",
            scanned=udi.lot,
            typed=device.lot,
        )


def _expiry(ctx: Context, device: DeviceUse, udi: Udi, about: str) -> Iterator[Item]:
    typed = None if device.expiry is None else dt.date.fromisoformat(device.expiry)
    if typed is not None and udi.expiry is not None and typed != udi.expiry:
        yield ctx.card(
            "care-udi-mismatch",
            "F6.2",
            about=f"{about}-expiry",
            inputs={"kind": device.kind},
            kind=device.kind,
            what="expiry date",
            scanned=udi.expiry.isoformat(),
            typed=typed.isoformat(),
        )
    used_on = ctx.start.date() if ctx.start is not None else ctx.today
    known = [date for date in (typed, udi.expiry) if date is not None]
    if known and used_on is not None and min(known) < used_on:
        yield ctx.card(
            "care-udi-expired",
            "F6.1",
            about=about,
            inputs={"kind": device.kind, "expiry": min(known).isoformat()},
            kind=device.kind,
            date=min(known).isoformat(),
        )


def _volumes(ctx: Context, record: ProcedureRecord) -> Iterator[Item]:
    plans = {level.level: level for level in ctx.plan.levels}
    totals: dict[str, float] = {}
    for done in record.delivered:
        plan = plans.get(done.level)
        planned = None if plan is None else dict(plan.per_needle_ml).get(done.side)
        if done.cement_ml is not None:
            totals[done.level] = totals.get(done.level, 0.0) + done.cement_ml
            yield Delta(
                what="cement",
                level=done.level,
                side=done.side,
                planned=planned,
                actual=done.cement_ml,
                difference=None if planned is None else round(done.cement_ml - planned, 3),
                unit="ml",
            )
            yield AsDone(
                {
                    "level": done.level,
                    "side": done.side,
                    "cement_ml": done.cement_ml,
                    "balloon_ml": done.balloon_ml,
                    "balloon_pressure_mpa": done.balloon_pressure_mpa,
                }
            )
        limit = done.balloon_limit_mpa or (None if plan is None else plan.balloon_limit_mpa)
        if done.balloon_pressure_mpa is not None and limit is not None and done.balloon_pressure_mpa > limit:
            yield ctx.card(
                "care-balloon-pressure",
                "F6.4",
                about=f"{done.level}-{done.side}",
                level=done.level,
                inputs={"pressure_mpa": done.balloon_pressure_mpa, "limit_mpa": limit},
                at=done.level,
                side=done.side,
                pressure=f"{done.balloon_pressure_mpa:.2f}",
                limit=f"{limit:.2f}",
            )
    for level, total in totals.items():
        yield from _cap(ctx, level, total, plans.get(level))


def _cap(ctx: Context, level: str, total: float, plan: PlannedLevel | None) -> Iterator[Item]:
    limit = None if plan is None else plan.cement_cap_ml
    if limit is not None and total > limit + 1e-9:
        yield ctx.card(
            "care-cement-above",
            "F6.4",
            about=level,
            level=level,
            inputs={"cement_ml": total, "limit_ml": limit},
            at=level,
            volume=f"{total:.1f}",
            limit=f"{limit:.1f}",
        )


def intensified(ctx: Context) -> bool:
    """Whether a leak toward canal or nerves asks for closer observation."""
    record = ctx.case.record
    return record is not None and any(leak.route in value("care.canal_routes") for leak in record.leaks or ())


def _leaks(ctx: Context, record: ProcedureRecord) -> Iterator[Item]:
    for leak in record.leaks or ():
        if leak.route in value("care.canal_routes"):
            yield ctx.card(
                "care-leak-canal",
                "F6.5",
                about=f"{leak.level}-{leak.route}",
                level=leak.level,
                inputs={"level": leak.level, "route": leak.route},
                at=leak.level,
            )


def _implants(ctx: Context, record: ProcedureRecord) -> Iterator[Item]:
    implants = [device for device in record.devices if device.kind in IMPLANTS]
    missing: list[str] = []
    date = "" if ctx.start is None else ctx.start.date().isoformat()
    for device in implants:
        udi = parse_udi(device.udi) if device.udi else None
        lot = device.lot or (udi.lot if udi is not None else None)
        fields = {
            "name": device.name,
            "model": device.model,
            "maker": device.maker,
            "UDI": device.udi,
            "lot": lot,
            "level": device.level,
        }
        missing += [name for name, found in fields.items() if not found and name not in missing]
        if all(fields.values()):
            yield ImplantEntry(
                name=device.name or "",
                model=device.model or "",
                maker=device.maker or "",
                udi=device.udi or "",
                lot=lot or "",
                level=device.level or "",
                date=date,
            )
    if not any(device.kind == "cement" for device in implants):
        missing.append("the cement itself")
    if missing:
        yield ctx.card("care-implant-incomplete", "F6.6", inputs={"missing": missing}, fields=listed(missing))
    else:
        yield Paper("implant-card")


def _gaps(ctx: Context, record: ProcedureRecord) -> Iterator[Item]:
    fields = {
        "levels treated": record.levels_treated or None,
        "volumes": record.delivered or None,
        "leaks (an empty list says none was seen)": record.leaks,
        "haematoma": record.haematoma,
        "antibiotic given or not": record.antibiotic_given,
        "radiation dose": record.dose_report,
        "end of sedation": record.sedation_end if ctx.sedated else "none",
    }
    missing = [name for name, found in fields.items() if found in (None, "unknown")]
    if missing:
        yield ctx.card(
            "care-record-incomplete",
            "F6.3",
            inputs={"missing": missing},
            fields=listed(missing),
            verify=("radiation-dose-documented",) if "radiation dose" in missing else (),
        )


def _sutures(ctx: Context) -> Iterator[Item]:
    closed = ctx.case.procedure.closure or ctx.pack.get("closure")
    span, end = ctx.pack.get("closure.suture_removal"), ctx.end
    if closed == "sutures" and span is not None and end is not None:
        yield ctx.entry(
            "wound.sutures_out",
            not_before(end, span),
            "at",
            "Stitches come out.",
            "P-CLO-02",
            ctx.pack.source("closure.suture_removal"),
            parameter="closure.suture_removal",
        )
