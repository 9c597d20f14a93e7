"""How hard an English page is to read: Flesch-Kincaid grade and SMOG, by rules of our own for syllables.

The gate is meant for English. Other languages have their own formulas or a human reader.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from html.parser import HTMLParser

from endplate.sources import value

SKIPPED_TAGS = frozenset(("style", "script", "svg", "title", "sup", "h1", "h2", "h3", "th"))
"""Headings and drawings are no sentences."""

SKIPPED_CLASS = "fine"
"""Class of small print (sources, hashes) that is not counted."""

BLOCKS = frozenset(("p", "li", "td", "dd", "dt", "figcaption", "div", "section", "label"))
_VOID = frozenset(("meta", "br", "hr", "img", "input", "link"))
_VOWELS = re.compile(r"[aeiouy]+")
_WORD = re.compile(r"[A-Za-z]+(?:['’-][A-Za-z]+)*")
_SILENT_END = re.compile(r"(?:[^laeiouy]es|[^aeiouydt]ed|[^laeiouy]e)$")
POLYSYLLABLE = 3


@dataclass(frozen=True)
class Readability:
    """What was counted, and the two grades (years of US school)."""

    words: int
    sentences: int
    syllables: int
    polysyllables: int
    flesch_kincaid: float
    smog: float

    @property
    def passes(self) -> bool:
        """Whether both grades are within the gate."""
        fk_max, smog_max = value("care.readability.max")
        return bool(self.flesch_kincaid <= fk_max and self.smog <= smog_max)


def syllables(word: str) -> int:
    """Syllables of an English word by its vowel groups; a silent ending does not count."""
    plain = re.sub(r"[^a-z]", "", word.lower())
    if len(plain) <= 3:
        return 1
    count = len(_VOWELS.findall(plain))
    if _SILENT_END.search(plain):
        count -= 1
    return max(count, 1)


def measure(sentences: list[str]) -> Readability:
    """Grades of a text given as its sentences; one without any word is not counted."""
    told = [words for words in (_WORD.findall(sentence) for sentence in sentences) if words]
    words = [word for sentence in told for word in sentence]
    if not words:
        return Readability(0, 0, 0, 0, 0.0, 0.0)
    counts = [syllables(word) for word in words]
    total, many, lines = sum(counts), sum(count >= POLYSYLLABLE for count in counts), len(told)
    return Readability(
        words=len(words),
        sentences=lines,
        syllables=total,
        polysyllables=many,
        flesch_kincaid=0.39 * len(words) / lines + 11.8 * total / len(words) - 15.59,
        smog=1.0430 * math.sqrt(many * 30.0 / lines) + 3.1291,
    )


def measure_page(html: str) -> Readability:
    """Grades of a page's running text; headings, drawings and small print are left out."""
    reader = _Text()
    reader.feed(html)
    reader.close()
    blocks = "".join(reader.parts).split("\n")
    sentences = [part for block in blocks for part in re.split(r"(?<=[.!?:;])\s+", block.strip())]
    return measure([part for part in sentences if part])


class _Text(HTMLParser):
    """Text outside skipped elements; a block's end is a line's end."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._skipping: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in BLOCKS:
            self.parts.append("\n")
        classes = (dict(attrs).get("class") or "").split()
        if tag not in _VOID and (self._skipping or tag in SKIPPED_TAGS or SKIPPED_CLASS in classes):
            self._skipping.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._skipping and self._skipping[-1] == tag:
            self._skipping.pop()
        if tag in BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self.parts.append(data.replace("\n", " "))
