"""What the search is asked for and what it gives: a wish, a path in bone with its margins, the result of a search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.model import Side
from endplate.devices.cannulas import Cannula
from endplate.planning.model import Approach, Distance, Margins, Robustness, ScoreTerm

NeedleAccess = Literal["bipedicular", "unipedicular"]
"""One of two needles, each on its own side of the body; or one needle to the midline."""

Bound = Literal["outer surface", "canal", "foramen"]
"""What a margin runs to."""


@dataclass(frozen=True)
class Wish:
    """One needle asked for.

    Parameters
    ----------
    side:
        Side of the entry.
    approach:
        Through the pedicle, along its lateral wall, or beside it.
    tool:
        The cannula.
    access:
        Whether the tip stays on its side or reaches the middle of the body.
    channel_mm:
        Length of a drilled channel that must fit beyond the posterior wall (kyphoplasty), ``None`` for none.
    tool_length_mm:
        Usable length of the cannula, ``None`` where it is not checked. Needs the skin in view.
    """

    side: Side
    approach: Approach
    tool: Cannula
    access: NeedleAccess = "bipedicular"
    channel_mm: float | None = None
    tool_length_mm: float | None = None


@dataclass(frozen=True)
class Breach:
    """One hard limit that a path does not keep: what was found and what is asked."""

    code: str
    """Refusal code, as ``margin-medial`` or ``keep-out-aorta``."""
    found: float
    limit: float

    @property
    def lack(self) -> float:
        """By how much the limit is missed (mm or degrees), positive."""
        return abs(self.limit - self.found)


@dataclass(frozen=True, eq=False)
class Path:
    """One straight path, RAS mm, with everything that was measured of it.

    Parameters
    ----------
    entry_ras_mm, isthmus_ras_mm, posterior_wall_ras_mm, tip_ras_mm:
        Where the axis enters bone, passes the plane of the pedicle's isthmus, passes the posterior wall (the entry
        where a path beside the pedicle enters in front of it), and ends.
    direction_ras:
        Unit vector from entry to tip.
    margins_mm, margins_derated_mm:
        Cannula surface to bone surface by direction, from ``seating_mm`` beyond the entry to the posterior wall;
        derated by the voxel's half width along the very direction of each surface point and by the labels' error.
    bounds:
        What each margin runs to.
    clearance_mm:
        Smallest raw margin.
    uncertainty_mm:
        Greatest difference of raw and derated margin.
    keep_out:
        Least distance of the cannula surface, from far behind the entry to the tip, from every structure known.
    unchecked:
        Structures that were not available.
    seated:
        The cannula was followed over a stretch of bone between seating and posterior wall.
    body_margin_mm:
        Cannula surface to the body's outer surface from the posterior wall to the tip.
    bone_in_tract:
        Share of the axis from entry to tip in bone (not gas, where a CT shows it).
    available_depth_mm:
        From the posterior wall along the axis to the depth that keeps the tip's distance from the front.
    tip_to_anterior_wall_mm, tip_to_endplates_mm:
        From the tip along the body's axes; superior and inferior endplate, ``None`` where there is none.
    score, score_terms:
        The score and its terms.
    breaches:
        Hard limits that the path does not keep; empty for a path of the search.
    """

    side: Side
    approach: Approach
    access: NeedleAccess
    gauge: str
    radius_mm: float
    entry_ras_mm: FloatArray
    isthmus_ras_mm: FloatArray
    posterior_wall_ras_mm: FloatArray
    tip_ras_mm: FloatArray
    direction_ras: FloatArray
    skin_ras_mm: FloatArray | None
    margins_mm: Margins
    margins_derated_mm: Margins
    bounds: dict[str, Bound]
    clearance_mm: float
    uncertainty_mm: float
    keep_out: tuple[Distance, ...]
    unchecked: tuple[str, ...]
    convergence_deg: float
    craniocaudal_deg: float
    seated: bool
    body_margin_mm: float
    bone_in_tract: float
    available_depth_mm: float
    tip_to_anterior_wall_mm: float
    tip_to_endplates_mm: tuple[float | None, float | None]
    score: float
    score_terms: tuple[ScoreTerm, ...]
    robustness: Robustness
    breaches: tuple[Breach, ...] = ()

    @property
    def safe(self) -> bool:
        """Every hard limit is kept."""
        return not self.breaches

    @property
    def bone_to_posterior_wall_mm(self) -> float:
        """Depth of the posterior wall from the entry."""
        return float((self.posterior_wall_ras_mm - self.entry_ras_mm) @ self.direction_ras)

    @property
    def bone_to_tip_mm(self) -> float:
        """Depth of the tip from the entry."""
        return float((self.tip_ras_mm - self.entry_ras_mm) @ self.direction_ras)


@dataclass(frozen=True, eq=False)
class SearchResult:
    """What a search found.

    Parameters
    ----------
    best:
        The best path that keeps every hard limit.
    nearest:
        Without one, the path that lacks least, to say what is missing.
    candidates:
        Straight paths compared.
    rejected:
        How many of them failed each hard limit first.
    refusal:
        Without a path, the code of the refusal.
    """

    best: Path | None
    nearest: Path | None
    candidates: int
    rejected: dict[str, int]
    refusal: str | None = None
