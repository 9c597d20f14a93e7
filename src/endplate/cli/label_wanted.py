"""What ``endplate label`` is asked for, checked as far as it can be before a CT is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from endplate.errors import UsageError

if TYPE_CHECKING:
    from endplate.imaging.label_origin import MadeBy
    from endplate.labelling.outputs import Part


@dataclass(frozen=True)
class Wanted:
    """What labels are to be made of, as the options say it."""

    points: tuple[str, ...] = ()
    points_file: Path | None = None
    segmenter: str | None = None
    labels: Path | None = None
    scheme: str = "auto"
    time_limit_min: float | None = None

    @property
    def has_points(self) -> bool:
        """Points were given, in words or in a file."""
        return bool(self.points) or self.points_file is not None

    @property
    def made_by(self) -> MadeBy:
        """Of what the labels are made, in the word of their origin."""
        if self.segmenter is not None:
            return "segmenter"
        return "given" if self.labels is not None else "clicks"

    @property
    def files(self) -> tuple[Path, ...]:
        """What is read beside the CT."""
        return tuple(path for path in (self.points_file, self.labels) if path is not None)

    def check(self, *, pick: bool, propose: bool, has_ct: bool) -> None:
        """Refuse options that contradict each other or leave too much open.

        Raises
        ------
        UsageError
            ``label-source``, ``ct-missing``, ``time-limit``.
        """
        sources = [self.has_points, self.segmenter is not None, self.labels is not None]
        no_source = not any(sources) and (propose or not pick)
        if sum(sources) > 1 or no_source or ((pick or propose) and not self.has_points and any(sources)):
            raise UsageError(
                "label-source",
                "Say what the labels are to be made of: one of points, a segmenter, or a label map to mend.",
                do="Give --point LEVEL:X,Y,Z (or --points FILE), --segmenter NAME, or --labels FILE. Without any of "
                "these, begin with the pick page: endplate label CT --pick --out page.html",
            )
        if not has_ct and self.labels is None:
            raise UsageError("ct-missing", "No CT was given.", do="Name the CT: endplate label CT ...")
        if self.time_limit_min is not None and not 0 < self.time_limit_min < 1e5:
            raise UsageError("time-limit", "The time limit is no time.", do="Give minutes: --time-limit 60")

    def check_effect(self, asked: Mapping[str, bool], *, page: bool, has_ct: bool) -> None:
        """Refuse options that would do nothing: what is asked for is done, or it is said that it is not.

        Parameters
        ----------
        asked:
            Option → whether it was given.
        page:
            A pick page or a points file is made, no labels.
        has_ct:
            A CT was given.

        Raises
        ------
        UsageError
            ``option-without-effect``.
        """
        why: dict[str, str] = {}
        if page:
            only = "labels are made in a later step"
            why = dict.fromkeys((*MENDING, "--subregions", "--organs", "--time-limit", "--scheme"), only)
        else:
            if self.segmenter is None:
                why["--time-limit"] = "it is for --segmenter"
                why["--organs"] = "only a segmenter labels organs"
            if self.labels is None:
                why["--scheme"] = "it is for --labels"
            else:
                why["--subregions"] = "a label map that is mended does not tell body and arch apart"
        if not has_ct:
            why["--series"] = "there is no CT"
        idle = [option for option, given in asked.items() if given and option in why]
        if idle:
            reasons = "; ".join(f"{option}: {why[option]}" for option in idle)
            raise UsageError(
                "option-without-effect",
                f"{' and '.join(idle)} would have no effect here ({reasons}).",
                do=f"Leave out {' and '.join(idle)}.",
            )

    def look_up(self, *, subregions: bool = False, organs: bool = False) -> None:
        """Check all that can be checked before a CT is read, which takes its time.

        Parameters
        ----------
        subregions, organs:
            These are to be written too.

        Raises
        ------
        UsageError, InputError
            As parsing points, reading their file and finding a segmenter do; ``subregions-none``, ``organs-none``.
        """
        from endplate.imaging.refusals import reading
        from endplate.labelling.outputs import no_part
        from endplate.labelling.points import check_levels, parse_word
        from endplate.labelling.points_files import open_points
        from endplate.labelling.segmenters.programs import installed, segmenter_named

        words = [parse_word(text) for text in self.points]
        check_levels([word.level for word in words], "the command line")
        if self.points_file is not None:
            open_points(self.points_file)
        if self.labels is not None:
            with reading(self.labels):  # it is there
                pass
        if self.segmenter is not None:
            adapter = segmenter_named(self.segmenter)
            parts: dict[Part, bool] = {"subregions": subregions, "organs": organs}
            for part, asked in parts.items():
                if asked and part not in adapter.parts:
                    raise no_part(part)
            installed(adapter)


MENDING = ("--shift", "--merge", "--drop", "--clean")
"""Options that mend labels."""
