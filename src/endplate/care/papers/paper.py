"""What all papers share: who and which level, warnings that stand on every page, contacts, dates with their sources."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from endplate.care.context import verify_mark
from endplate.care.model import RiskNumber, TimelineEntry
from endplate.care.papers.icons import icon_array
from endplate.care.papers.inputs import Inputs, Notes
from endplate.care.papers.language import ENGLISH, Language
from endplate.care.redflags import questions
from endplate.papers.page import render
from endplate.papers.words import listed
from endplate.sources import finding, value

PACKAGE = "endplate.care.papers"

EVERY_PAGE = ("care-pack-review-due", "care-values-review-due", "care-pack-safest")
"""Cards that stand on every page while they last."""

CONTACTS = (
    ("emergency.number", "In an emergency"),
    ("office.phone", "By day"),
    ("after_hours.phone", "At night and at weekends"),
    ("after_hours.online", "Online, not in an emergency"),
)
"""Whom to call, the emergency number always first."""


@dataclass(frozen=True)
class Dated:
    """One dated line of a patient's page."""

    when: str
    until: str
    text: str
    source: tuple[str, ...]
    verify: bool
    what: str


@dataclass(frozen=True)
class Sentence:
    """One sentence or short text with its sources."""

    text: str
    source: tuple[str, ...]


@dataclass(frozen=True)
class Chance:
    """One rate as words, number and dots."""

    number: str
    dots: Markup
    what: str
    where: str
    source: str
    beside: str = ""
    """The rate that it is compared with, where there is one."""
    beside_dots: Markup | None = None


def page(inputs: Inputs, template: str, title: str, *, patient: bool, **content: Any) -> str:
    """Render one paper.

    Parameters
    ----------
    template:
        File in this package's ``templates``.
    title:
        Heading, in English.
    patient:
        Whether the patient reads it: then it is translated and may be in large print.
    """
    language = inputs.language if patient else ENGLISH
    normal, large = value("care.print_pt")
    found, person = inputs.evaluation, inputs.case.person
    return render(
        PACKAGE,
        template,
        lang=language.code,
        dir=language.direction,
        t=language,
        title=language(title),
        notes=Notes(),
        size_pt=large if inputs.large_print and patient else normal if patient else 10.5,
        levels=level_words(inputs, language),
        person=person,
        banners=[card.summary for card in found.cards if card.id.partition(":")[0] in EVERY_PAGE],
        contacts=contacts(inputs, language),
        mark=inputs.pack.mark,
        evaluation=found,
        approved="" if language.sentences is None else f"{language.approved_by}, {language.approved_on}",
        **content,
    )


def level_words(inputs: Inputs, language: Language = ENGLISH) -> str:
    """The levels by name, for the head of every page."""
    return listed(list(inputs.plan.names), language("and"))


def contacts(inputs: Inputs, language: Language) -> list[tuple[str, str, tuple[str, ...]]]:
    """Whom to call: words, number, sources. Empty only where the site set none (then nothing is printed at all)."""
    pack = inputs.pack
    return [
        (language(words), str(pack.get(key)), pack.source(key))
        for key, words in CONTACTS
        if pack.get(key) is not None
    ]


def sentence(inputs: Inputs, code: str) -> Sentence:
    """One registered sentence of the papers."""
    found = finding(code, level=None)
    return Sentence(inputs.language(found.text), (found.source,))


def told(inputs: Inputs, *names: str) -> list[Sentence]:
    """Sentences that the evaluation computed, those of these names that there are."""
    texts = inputs.evaluation.texts
    return [
        Sentence(inputs.language(texts[name].text), texts[name].source) for name in names if name in texts
    ]


def dated(inputs: Inputs, entry: TimelineEntry) -> Dated:
    """One dated line in the paper's language; a fact that is not verified keeps its mark.

    A patient gets one date for each drug, never the two ways of counting; and a day, not a minute, for a visit.
    """
    language = inputs.language
    visit = entry.what.startswith("followup.")
    return Dated(
        when=_when(language, entry.at, day=visit),
        until="" if entry.until is None else _when(language, entry.until, day=visit),
        text=language(_hold_words(entry) if entry.what.startswith("hold.") else entry.text),
        source=entry.source,
        verify=bool(entry.verify),
        what=entry.what,
    )


def _when(language: Language, moment: str, *, day: bool) -> str:
    return language.date(dt.date.fromisoformat(moment[:10])) if day else language.moment(moment)


def _hold_words(entry: TimelineEntry) -> str:
    """The patient's words for the last dose of a drug, with the mark of what is not verified."""
    drug = entry.what.removeprefix("hold.")
    text = f"Last dose of {drug}. Take none after it until we tell you."
    return f"{text} {verify_mark(entry.verify)}" if entry.verify else text


def timeline(inputs: Inputs, *, after: bool, leave_out: tuple[str, ...] = ()) -> list[Dated]:
    """The dates before the procedure, or from it on, in their order."""
    start = inputs.case.record.start if inputs.case.record is not None else None
    start = start or inputs.case.procedure.start
    if start is None:
        return []
    zone_of = [dt.datetime.fromisoformat(entry.at) for entry in inputs.evaluation.timeline]
    moment = dt.datetime.fromisoformat(start)
    chosen = []
    for entry, at in zip(inputs.evaluation.timeline, zone_of, strict=True):
        begun = moment if moment.tzinfo is not None else moment.replace(tzinfo=at.tzinfo)
        if (at > begun) == after and not entry.what.startswith(leave_out or ("\0",)):
            chosen.append(dated(inputs, entry))
    return chosen


def warning_signs(inputs: Inputs) -> tuple[list[Sentence], list[Sentence]]:
    """Signs of an emergency, and those for a call on the same day."""
    language, fever = inputs.language, inputs.pack.get("fever.threshold")
    urgent: list[Sentence] = []
    today: list[Sentence] = []
    for key, entry in questions().items():
        words: str = entry["words"]
        source: tuple[str, ...] = (entry["source"],)
        if key == "fever" and fever is not None:
            words = f"fever: {fever:.1f} °C or more, with or without a change of the wound"
            source = inputs.pack.source("fever.threshold")
        (urgent if entry["action"] == "emergency" else today).append(Sentence(language(words), source))
    return urgent, today


def chance(inputs: Inputs, number: RiskNumber) -> Chance:
    """A rate in words and dots; leaks say how they were looked for."""
    language = inputs.language
    rate = f"{number.per_1000:g}"
    words = language(f"{rate} of 1000")
    where = [language(number.population), language(number.time_frame)]
    if number.imaging:
        where.append(language("seen by") + " " + language(number.imaging))
    where.append(language(number.technique if number.technique != "both" else "both kinds of procedure"))
    what = language(number.what)
    beside, beside_dots = "", None
    if number.comparison_per_1000 is not None and number.comparison:
        other = language(f"{number.comparison_per_1000:g} of 1000")
        beside = f"{language('compare')}: {other} {language(number.comparison)}"
        beside_dots = icon_array(number.comparison_per_1000, alt=beside).markup("dots")
    return Chance(
        number=words,
        dots=icon_array(number.per_1000, alt=f"{words}: {what}").markup("dots"),
        what=what,
        where="; ".join(where),
        source=number.source,
        beside=beside,
        beside_dots=beside_dots,
    )
