"""Vertebral levels: names outside, VerSe ids inside."""

from __future__ import annotations

from endplate.errors import UsageError

VERSE_IDS: dict[str, int] = {
    **{f"C{n}": n for n in range(1, 8)},
    **{f"T{n}": 7 + n for n in range(1, 13)},
    **{f"L{n}": 19 + n for n in range(1, 7)},
    "S1": 26,
    "T13": 28,
}
"""VerSe label id of every level Endplate knows (VerSe README: L6 = 25, sacrum = 26, coccyx = 27, T13 = 28)."""

LEVEL_OF_ID: dict[int, str] = {number: name for name, number in VERSE_IDS.items()}
"""Level name of every VerSe id."""

CRANIOCAUDAL: tuple[str, ...] = (
    *(f"C{n}" for n in range(1, 8)),
    *(f"T{n}" for n in range(1, 14)),
    *(f"L{n}" for n in range(1, 7)),
    "S1",
)
"""All levels from head to foot; T13 and L6 stand where a transitional spine has them."""


def order(level: str) -> int:
    """Rank of a level from the head down."""
    return CRANIOCAUDAL.index(level)


def parse_level(text: str) -> str:
    """Return the canonical name of a level (``"l1"``, ``" L1 "``, ``"LWK1"`` is not one).

    Raises
    ------
    UsageError
        Not a vertebral level.
    """
    name = text.strip().upper().replace("TH", "T").replace("D", "T")
    if name not in VERSE_IDS:
        raise UsageError(
            "level-unknown",
            f"{text!r} is not a vertebral level.",
            do="Name a level such as T12 or L1 (C1–C7, T1–T13, L1–L6).",
        )
    return name
