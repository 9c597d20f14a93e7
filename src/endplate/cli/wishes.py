"""What the options of a plan become: parameters, with the files among them read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from endplate.case.request import Parameters


@dataclass(frozen=True)
class Wishes:
    """What the user asked of a plan; ``None`` where nothing was said."""

    technique: str | None = None
    access: str | None = None
    approach: str | None = None
    gauge: str | None = None
    balloon: str | None = None
    fracture_weeks: float | None = None
    reason: str | None = None
    site: Path | None = None
    paths: Path | None = None

    def parameters(self) -> dict[str, Any]:
        """Those that were given, as parameters of a case.

        Raises
        ------
        InputError
            The site file or the file of paths cannot be read.
        """
        from endplate.devices.site import read_site
        from endplate.imaging.markups import read_markups

        plain = ("technique", "access", "approach", "gauge", "balloon", "fracture_weeks", "reason")
        given: dict[str, Any] = {name: getattr(self, name) for name in plain}
        if self.site is not None:
            read_site(self.site)
            given["site"] = self.site.read_text("utf-8")
        if self.paths is not None:
            lines = read_markups(self.paths)
            given["paths"] = tuple(
                (f"path {index}", _point(line.start_ras_mm), _point(line.end_ras_mm))
                for index, line in enumerate(lines, start=1)
            )
        return {name: wish for name, wish in given.items() if wish is not None}

    def over(self, saved: Parameters) -> Parameters:
        """What a case was planned with, and over it what is given now; given paths hold for one plan only."""
        from dataclasses import replace

        return replace(saved, **{"paths": (), **self.parameters()})


def _point(values: Any) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
