"""Claims that no text may make: promises of benefit, false reassurance, a rarity without a number."""

from __future__ import annotations

import re
from functools import cache

from endplate.sources import value


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in value("care.wording.forbidden"))


def forbidden_claims(text: str) -> tuple[str, ...]:
    """The words of each forbidden claim in a text, as they stand there.

    "rare" is allowed only in a sentence that also holds a number.
    """
    found = [match.group(0) for pattern in _patterns() for match in pattern.finditer(text)]
    for sentence in re.split(r"(?<=[.!?;])\s+", text):
        rarity = re.search(str(value("care.wording.rarity")), sentence, re.IGNORECASE)
        if rarity and not re.search(r"\d", sentence):
            found.append(rarity.group(0))
    return tuple(found)
