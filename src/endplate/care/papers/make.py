"""Which papers a case calls for, which of them are held back, and writing the rest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from endplate.care.papers.clinician import clinician
from endplate.care.papers.consent import consent
from endplate.care.papers.discharge import discharge
from endplate.care.papers.handover import handover
from endplate.care.papers.implant_card import implant_card
from endplate.care.papers.inputs import Inputs
from endplate.care.papers.language import check_reader
from endplate.care.papers.leaflet import leaflet
from endplate.care.papers.pdf import pdf_of
from endplate.care.papers.readability import measure_page
from endplate.care.papers.recovery_chart import recovery_chart
from endplate.care.papers.sick_note import sick_note
from endplate.errors import EndplateError, InputError, QualityGateError


@dataclass(frozen=True)
class Paper:
    """One kind of paper: what makes it, which gate must be open, and whether the patient reads it."""

    make: Callable[[Inputs], str]
    gate: str | None = None
    patient: bool = False


PAPERS: dict[str, Paper] = {
    "clinician": Paper(clinician),
    "consent": Paper(consent, "consent", patient=True),
    "leaflet": Paper(leaflet, "leaflet", patient=True),
    "recovery-chart": Paper(recovery_chart),
    "discharge-pack": Paper(discharge, "discharge", patient=True),
    "handover": Paper(handover),
    "sick-note": Paper(sick_note, patient=True),
    "implant-card": Paper(implant_card, patient=True),
}
"""Every paper by its name, which is also its file's name; nothing personal is in a file's name."""


WORDS_MIN = 100
"""Shorter papers (a sick note, a card) are not measured: the grades are meant for running text."""


@dataclass(frozen=True)
class Refused:
    """A paper that was held back, and why."""

    paper: str
    code: str
    what: str


@dataclass(frozen=True)
class Written:
    """What was written to a folder."""

    case_id: str
    files: tuple[tuple[str, str, str], ...]
    """Paper, file and SHA-256 of each."""
    refused: tuple[Refused, ...]
    instructions_hash: str
    consent_hash: str
    hard_to_read: tuple[tuple[str, float, float], ...] = ()
    """Patient's papers in English beyond the gate of readability, with their Flesch-Kincaid grade and SMOG."""

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "schema": "endplate/care-papers/1",
            "case_id": self.case_id,
            "files": [{"paper": paper, "file": name, "sha256": sha} for paper, name, sha in self.files],
            "refused": [vars(entry) for entry in self.refused],
            "hard_to_read": [
                {"paper": paper, "flesch_kincaid": grade, "smog": smog}
                for paper, grade, smog in self.hard_to_read
            ],
            "instructions_hash": self.instructions_hash,
            "consent_hash": self.consent_hash,
        }

    def lines(self) -> Iterator[str]:
        """For people."""
        for _, name, _ in self.files:
            yield f"written  {name}"
        for entry in self.refused:
            yield f"held     {entry.paper}: {entry.what}"
        for paper, grade, smog in self.hard_to_read:
            yield f"warning  {paper} is hard to read: Flesch-Kincaid {grade:.1f}, SMOG {smog:.1f}"


def called_for(inputs: Inputs) -> tuple[str, ...]:
    """The papers of this case, in the order of the way."""
    found = inputs.evaluation
    names = dict.fromkeys(("clinician",))
    if inputs.case.record is None:
        names["consent"] = None
        names.update(dict.fromkeys(name for name in found.papers if name == "leaflet"))
    if inputs.case.record is not None or inputs.case.recovery is not None:
        names["recovery-chart"] = None
    names.update(dict.fromkeys(name for name in found.papers if name != "leaflet"))
    if found.implants:
        names["implant-card"] = None
    ended = inputs.case.follow_up is not None and inputs.case.follow_up.ended is not None
    return tuple(name for name in PAPERS if name in names and (not ended or name == "clinician"))


def make_paper(name: str, inputs: Inputs) -> str:
    """One paper as HTML.

    Raises
    ------
    QualityGateError
        It is held back: by open critical cards, by a language that the person does not read or that lacks a
        sentence, or because the case does not call for it. Nothing is made.
    """
    paper = PAPERS[name]
    if paper.gate is not None:
        _check_gate(name, paper.gate, inputs)
    if name == "leaflet" and "leaflet" not in inputs.evaluation.papers:
        raise QualityGateError(
            "care-paper-not-called",
            "The case calls for no leaflet: where the patient goes, or the start, says otherwise.",
            do="A referring hospital gets the handover; else give the start of the procedure.",
        )
    if paper.patient:
        check_reader(inputs.language, inputs.case.person.language)
    return paper.make(inputs)


def _check_gate(name: str, gate: str, inputs: Inputs) -> None:
    found = inputs.evaluation.gate(gate)
    if found.open:
        return
    cards = [card for card in inputs.evaluation.cards if card.id in found.blocked_by]
    why = " ".join(f"{card.summary} {card.detail}".strip() for card in cards)
    why = why or "The conditions for it have not been judged yet, or the case has ended."
    raise QualityGateError(
        "care-paper-held",
        f"No {name} is printed. {why}",
        do="Settle what is named (see endplate care check), then print.",
    )


def write_papers(inputs: Inputs, folder: Path, *, only: str | None = None, pdf: bool = False) -> Written:
    """Write papers as HTML files, and as PDF beside them where asked.

    Raises
    ------
    QualityGateError
        The only paper asked for is held back, or each of them.
    InputError
        The folder cannot be written, or there is no browser to print with.
    """
    made: dict[str, str] = {}
    refused: list[Refused] = []
    first: EndplateError | None = None
    for name in (only,) if only is not None else called_for(inputs):
        try:
            made[name] = make_paper(name, inputs)
        except QualityGateError as error:
            refused.append(Refused(name, error.code, error.what))
            first = first or error
    if not made and first is not None:
        raise first
    contents = {f"{name}.html": (name, html.encode("utf-8")) for name, html in made.items()}
    if pdf:
        contents.update({f"{name}.pdf": (name, pdf_of(html)) for name, html in made.items()})
    files = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, (name, content) in contents.items():
            (folder / file).write_bytes(content)
            files.append((name, file, hashlib.sha256(content).hexdigest()))
    except OSError as error:
        raise InputError(
            "care-papers-unwritable",
            f"The papers cannot be written: {error.strerror or error}.",
            do="Name a folder that can be written.",
        ) from error
    return Written(
        case_id=inputs.case.case_id,
        files=tuple(files),
        refused=tuple(refused),
        instructions_hash=inputs.evaluation.instructions_hash,
        consent_hash=inputs.evaluation.consent_hash,
        hard_to_read=_hard_to_read(inputs, made),
    )


def _hard_to_read(inputs: Inputs, made: dict[str, str]) -> tuple[tuple[str, float, float], ...]:
    """Long names or a site's own words can make a page hard to read; other languages are not measured."""
    found = []
    for name, html in made.items():
        if PAPERS[name].patient and inputs.language.sentences is None:
            grades = measure_page(html)
            if grades.words >= WORDS_MIN and not grades.passes:
                found.append((name, round(grades.flesch_kincaid, 1), round(grades.smog, 1)))
    return tuple(found)
