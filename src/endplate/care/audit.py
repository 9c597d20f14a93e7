"""The audit: one JSON line an event, each with the hash of the one before. No names, no numbers, no free text.

A chain shows a changed line. It cannot show that its last lines were cut off, or that all of it was written anew:
for that its head (the last hash) is printed or kept elsewhere, and given back as a checkpoint.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from endplate.care.model import Evaluation
from endplate.errors import InputError

FIRST = "0" * 64
"""What the first line has for the hash before it."""

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]{0,199}")
_FIELDS = ("seq", "at", "event", "subject", "role", "actor", "details", "previous", "hash")


@dataclass(frozen=True)
class Event:
    """One thing that happened. All texts are codes or pseudonyms (letters, digits and ``._:@+-``), never prose."""

    event: str
    """``evaluated``, ``override-accepted``, ``override-denied``, ``printed``, ``read``, ``denied``, …"""
    subject: str
    """The case's pseudonym."""
    role: str
    actor: str
    """Pseudonymous id of who did it."""
    details: tuple[str, ...] = ()
    """Codes and hashes."""

    def __post_init__(self) -> None:
        for word in (self.event, self.subject, self.role, self.actor, *self.details):
            if not _WORD.fullmatch(word):
                raise InputError(
                    "care-audit-words",
                    "An audit entry holds codes and pseudonyms only; this one has other text.",
                    do="Give ids made of letters, digits and . _ : @ + -; keep prose in the case.",
                )


def events_of(evaluation: Evaluation, role: str, actor: str) -> tuple[Event, ...]:
    """What an evaluation adds to the audit: that it was made, and each override with its outcome."""
    who = {"subject": evaluation.case_id, "role": role, "actor": actor}
    made = Event(
        event="evaluated",
        details=(evaluation.status, evaluation.instructions_hash, evaluation.consent_hash),
        **who,
    )
    overrides = [
        Event(
            event=f"override-{card.override_state}",
            subject=evaluation.case_id,
            role=_code(card.override.by_role),
            actor=_code(card.override.by_id),
            details=(card.id.partition(":")[0], "reason-" + _hash(card.override.reason)[:16]),
        )
        for card in evaluation.cards
        if card.override is not None
    ]
    return (made, *overrides)


def append(path: Path, events: Iterable[Event], at: dt.datetime) -> str:
    """Add events to an audit file and return its new head.

    Raises
    ------
    InputError
        The file is broken (see ``verify``) or cannot be written.
    """
    if at.tzinfo is None:
        raise InputError(
            "care-now-local", "The moment given has no time zone.", do="Give its offset or zone."
        )
    lines = _lines(path)
    report = verify(lines)
    if report.first_bad is not None:
        raise InputError(
            "care-audit-broken",
            f"The audit does not hold from line {report.first_bad} on; nothing was added.",
            do="Keep the file as it is, find out who changed it, and begin a new one.",
        )
    head, text = report.head, ""
    for number, event in enumerate(events, start=len(lines)):
        entry: dict[str, Any] = {
            "seq": number,
            "at": at.astimezone(dt.UTC).isoformat(timespec="seconds"),
            "event": event.event,
            "subject": event.subject,
            "role": event.role,
            "actor": event.actor,
            "details": list(event.details),
            "previous": head,
        }
        head = _hash(_canonical(entry))
        text += _canonical({**entry, "hash": head}) + "\n"
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise InputError(
            "care-audit-unwritable",
            f"The audit cannot be written: {error.strerror or error}.",
            do="Name a place that can be written.",
        ) from error
    return head


@dataclass(frozen=True)
class AuditReport:
    """What a check of an audit found."""

    lines: int
    head: str
    first_bad: int | None
    """Line (from 1) of the first record that does not hold."""
    checkpoint: str
    """``none`` (no head from elsewhere was given), ``held`` or ``missing`` (lines were cut off or rewritten)."""

    @property
    def words(self) -> str:
        """The finding in one sentence."""
        if self.first_bad is not None:
            return f"Record {self.first_bad} was changed or is out of place."
        if self.checkpoint == "missing":
            return "The kept head is not in this file: records were removed or the file was rewritten."
        if self.checkpoint == "none":
            return "The records fit together. No checkpoint was given: removed last records cannot be seen."
        return "The records fit together and hold the kept head."


def verify(lines: Iterable[str], *, head: str | None = None) -> AuditReport:
    """Check a chain; ``head`` is a hash kept elsewhere."""
    previous, count, bad, seen = FIRST, 0, None, head == FIRST
    for number, line in enumerate(lines, start=1):
        count = number
        if bad is not None:
            continue
        try:
            entry = json.loads(line)
            stated = entry.pop("hash")
            holds = (
                tuple(entry) == _FIELDS[:-1]
                and entry["previous"] == previous
                and entry["seq"] == number - 1
                and _hash(_canonical(entry)) == stated
            )
        except (json.JSONDecodeError, AttributeError, KeyError, TypeError):
            holds = False
        if not holds:
            bad = number
            continue
        previous = stated
        seen = seen or stated == head
    checkpoint = "none" if head is None else "held" if seen else "missing"
    return AuditReport(lines=count, head=previous, first_bad=bad, checkpoint=checkpoint)


def verify_file(path: Path, *, head: str | None = None) -> AuditReport:
    """Check an audit file; a file that is not there has no records."""
    return verify(_lines(path), head=head)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines() if path.exists() else []
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            "care-audit-unreadable", "The audit cannot be read.", do="Name the audit's JSONL file."
        ) from error


def _canonical(entry: dict[str, Any]) -> str:
    return json.dumps(entry, separators=(",", ":"), ensure_ascii=True)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _code(text: str) -> str:
    """A text as a code: itself where it is one, else a short hash of it."""
    return text if _WORD.fullmatch(text) else "sha-" + _hash(text)[:16]
