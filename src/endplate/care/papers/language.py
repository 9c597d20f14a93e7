"""Languages of the patient's papers: a sentence without an approved translation is refused, never left in English."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from endplate.care.yamlfile import YamlFile
from endplate.errors import InputError, QualityGateError
from endplate.papers.words import MONTHS

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
DATE_FORM = "{weekday} {day} {month} {year}"
"""Key by which a translation gives its own order of a date."""

DAY_FORM = "{day} {month} {year}"
"""The same for a date without its weekday, as it stands within sentences."""

_DAY = re.compile(rf"(\d{{1,2}}) ({'|'.join(MONTHS)}) (\d{{4}})")
_NUMBER = re.compile(rf"{_DAY.pattern}|\d+(?:[.,:]\d+)*")
_SLOT = re.compile(r"\{(\d+)\}")
FIELDS = {"language", "direction", "approved", "sentences"}


@dataclass(frozen=True)
class Language:
    """One language. ``sentences`` maps each English sentence, its numbers as ``{1}``, ``{2}`` …, to the translation;
    ``None`` is English itself."""

    code: str
    direction: Literal["ltr", "rtl"] = "ltr"
    sentences: Mapping[str, str] | None = None
    approved_by: str = ""
    approved_on: str = ""

    def __call__(self, text: str) -> str:
        """Translate one sentence or text as a whole.

        Raises
        ------
        QualityGateError
            The translation lacks it.
        """
        if self.sentences is None or not text.strip():
            return text
        key, numbers = slotted(text)
        if key not in self.sentences:
            raise QualityGateError(
                "care-language-incomplete",
                f"The translation {self.code!r} lacks the sentence “{key}”. No paper is made in this language.",
                do="Have it translated and approved, and add it; nothing is printed half in English.",
            )
        return _SLOT.sub(lambda slot: self._value(numbers[int(slot[1]) - 1]), self.sentences[key])

    def _value(self, number: str) -> str:
        """What stands in a slot: a number as it is, a date in the language's own form."""
        day = _DAY.fullmatch(number)
        if day is None:
            return number
        return self(DAY_FORM).format(day=day[1], month=self(day[2]), year=day[3])

    def date(self, moment: dt.date) -> str:
        """A date in full, with its weekday."""
        parts = {
            "weekday": self(DAYS[moment.weekday()]),
            "day": str(moment.day),
            "month": self(MONTHS[moment.month - 1]),
            "year": str(moment.year),
        }
        return self(DATE_FORM).format(**parts)

    def moment(self, text: str) -> str:
        """An ISO moment in full, with its time on the wall's clock."""
        moment = dt.datetime.fromisoformat(text)
        return f"{self.date(moment.date())}, {moment:%H:%M}"


@dataclass(frozen=True)
class Collector(Language):
    """English that keeps every sentence it was asked for: the list a translator needs."""

    wanted: dict[str, None] = field(default_factory=dict)

    def __call__(self, text: str) -> str:
        """Keep the sentence and give it back."""
        if text.strip():
            key, values = slotted(text)
            self.wanted[key] = None
            for day in (found for found in map(_DAY.fullmatch, values) if found is not None):
                self.wanted[DAY_FORM] = self.wanted[day[2]] = None
        return text


ENGLISH = Language("en")


def slotted(text: str) -> tuple[str, list[str]]:
    """A text with its numbers and dates as ``{1}``, ``{2}`` …, and what stood there."""
    numbers: list[str] = []

    def slot(found: re.Match[str]) -> str:
        numbers.append(found[0])
        return f"{{{len(numbers)}}}"

    return _NUMBER.sub(slot, text), numbers


def read_language(path: Path) -> Language:
    """Read a site's approved translation.

    Raises
    ------
    InputError
        Not readable, of another form, not approved by anybody, or a sentence names a number it does not have.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            "care-language-unreadable",
            f"The translation cannot be read: {error.strerror or error}.",
            do="Name a readable YAML file.",
        ) from error
    file = YamlFile(path.name, content, "care-language-wrong")
    values: Mapping[str, Any] = file.values
    unknown = sorted(set(values) - FIELDS)
    approved = values.get("approved")
    sentences = values.get("sentences")
    if unknown or not isinstance(values.get("language"), str) or not isinstance(sentences, Mapping):
        raise file.fault(
            (unknown[0],) if unknown else (),
            "a translation has language, direction, approved and sentences.",
            "See docs/care/index.md.",
        )
    if not isinstance(approved, Mapping) or not approved.get("by") or not approved.get("on"):
        raise file.fault(
            ("approved",) if approved else (),
            "nobody approved this translation.",
            "Add approved: {by: …, on: …}; only approved translations are printed.",
        )
    if values.get("direction", "ltr") not in ("ltr", "rtl"):
        raise file.fault(("direction",), "the direction is ltr or rtl.", "Write direction: rtl or ltr.")
    for key, text in sentences.items():
        if not isinstance(key, str) or not isinstance(text, str) or not text.strip():
            raise file.fault(("sentences",), "a sentence has no translation.", "Complete it or take it out.")
        if key not in (DATE_FORM, DAY_FORM) and set(_SLOT.findall(key)) != set(_SLOT.findall(text)):
            raise file.fault(
                ("sentences", key),
                "the translation does not carry the same numbers as the sentence.",
                "Keep each of {1}, {2} … exactly as in the English sentence.",
            )
    return Language(
        code=values["language"],
        direction=values.get("direction", "ltr"),
        sentences=dict(sentences),
        approved_by=str(approved["by"]),
        approved_on=str(approved["on"]),
    )


def check_reader(language: Language, wanted: str) -> None:
    """Refuse a paper in a language that the person does not read.

    Raises
    ------
    QualityGateError
        The languages differ.
    """
    if language.code.split("-")[0].lower() != wanted.split("-", maxsplit=1)[0].lower():
        raise QualityGateError(
            "care-language-missing",
            f"The person reads {wanted!r}; the paper would be in {language.code!r}.",
            do="Give the site's approved translation with --language, or have the talk interpreted.",
        )
