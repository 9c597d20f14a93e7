"""How the command line speaks: human or JSON, quiet or verbose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SAFETY = "A research and planning aid, not a medical device: a clinician checks and decides everything."
"""Said by the help and after every result a human reads."""


@dataclass(frozen=True)
class Manner:
    """The three flags that every verb takes."""

    json: bool = False
    quiet: bool = False
    verbose: bool = False

    @classmethod
    def of(cls, words: Sequence[str]) -> Manner:
        """Read the flags from the words of a command line, also from one that does not parse."""
        before_end = words[: words.index("--")] if "--" in words else words
        short = {
            letter
            for word in before_end
            if word.startswith("-") and not word.startswith("--") and set(word[1:]) <= {"q", "v"}
            for letter in word[1:]
        }
        return cls(
            json="--json" in before_end,
            quiet="--quiet" in before_end or "q" in short,
            verbose="--verbose" in before_end or "v" in short,
        )
