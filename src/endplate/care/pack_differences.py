"""Where packs differ, side by side."""

from __future__ import annotations

from dataclasses import dataclass

from endplate.care.pack import Pack
from endplate.care.parameters import parameters
from endplate.care.quantities import plain, words


@dataclass(frozen=True)
class Difference:
    """One parameter that differs between packs: the words of each, in the packs' order."""

    key: str
    meaning: str
    values: tuple[str, ...]
    sources: tuple[tuple[str, ...], ...]


def differences(packs: tuple[Pack, ...]) -> tuple[Difference, ...]:
    """Where packs differ, side by side; nothing is merged."""
    rows = []
    for key, entry in parameters().items():
        found = [pack.values.get(key) for pack in packs]
        if len({None if leaf is None else repr(plain(leaf.value)) for leaf in found}) > 1:
            rows.append(
                Difference(
                    key=key,
                    meaning=entry.meaning,
                    values=tuple(
                        "not set" if leaf is None else words(entry.kind, leaf.value) for leaf in found
                    ),
                    sources=tuple(() if leaf is None else leaf.citations for leaf in found),
                )
            )
    return tuple(rows)
