"""What an adapter says of its program, and what every run of one gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from endplate.imaging.label_origin import Tool
from endplate.imaging.organ_map import OrganMap
from endplate.imaging.volume import LabelMap, Volume

CT_WORD, OUT_WORD = "CT", "OUT"
"""Words that stand for the paths in a recorded command."""


@dataclass(frozen=True)
class Written:
    """Files that a program wrote; ``None`` where it writes none of the kind."""

    labels: Path | None
    subregions: Path | None = None
    organs: Path | None = None


@dataclass(frozen=True)
class Adapter:
    """One program.

    Parameters
    ----------
    name:
        What ``--segmenter`` takes.
    title, program, distribution:
        What a reader calls it; the command on the search path; the Python package that holds it.
    ct_name:
        File name that it wants of the CT.
    words:
        Arguments behind the program, from the CT's path, the output's path and whether there is a GPU.
    written:
        Where its results are, from the folder of the CT and the output's path.
    scheme:
        Label scheme of its map, or ``"auto"`` where the file names its labels.
    install:
        How a user gets it.
    parts:
        What it writes beside labels: ``"subregions"``, ``"organs"``.
    """

    name: str
    title: str
    program: str
    distribution: str
    ct_name: str
    words: Callable[[str, str, bool], tuple[str, ...]]
    written: Callable[[Path, Path], Written]
    scheme: str
    install: str
    parts: frozenset[str] = frozenset()

    def recorded(self, *, gpu: bool) -> tuple[str, ...]:
        """The command as it is recorded: words in place of paths."""
        return (self.program, *self.words(CT_WORD, OUT_WORD, gpu))


@dataclass(frozen=True, eq=False)
class Segmented:
    """What a segmenter made of a CT, on its grid.

    Parameters
    ----------
    labels:
        VerSe ids.
    subregions:
        TPTBox ids (49 body, 41 arch, 61 canal) where the program tells them apart.
    organs:
        Organs that a needle keeps away from, where it labels them.
    tool:
        Program, version, command.
    seconds:
        Wall time; no part of any result.
    """

    labels: LabelMap
    subregions: Volume | None
    organs: OrganMap | None
    tool: Tool
    seconds: float
