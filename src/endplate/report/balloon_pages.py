"""The pages of balloons in a treated level: cavity, pressure, heights, and the tables behind them."""

from __future__ import annotations

from dataclasses import dataclass

from endplate.anatomy.model import Spine, Vertebra
from endplate.outcome.fields import CementMaps
from endplate.outcome.model import BalloonOutcome
from endplate.papers.table import Table
from endplate.planning.model import LevelPlan, NeedlePath
from endplate.report import balloon_cuts
from endplate.report.balloon_charts import heights_figure, pressure_figures
from endplate.report.balloon_stages import StageXrays, stage_xrays
from endplate.report.balloon_tables import heights_table, steps_table, tamps_table
from endplate.report.picture import Figure
from endplate.report.scene import Scene


@dataclass(frozen=True)
class BalloonPart:
    """What one level's section shows of its balloons.

    Parameters
    ----------
    cuts, reliefs:
        The cavity in planes and in 3-D; empty without the CT's grid.
    legend:
        Of the cuts.
    xrays:
        Laterals before, inflated, deflated and filled.
    pressures, heights:
        Charts.
    tamps, stages, steps:
        Tables: each balloon, heights by stage, every step.
    """

    cuts: list[Figure]
    legend: tuple[tuple[str, str], ...]
    reliefs: list[Figure]
    xrays: StageXrays
    pressures: list[Figure]
    heights: list[Figure]
    tamps: Table
    stages: Table | None
    steps: Table | None


def balloon_part(
    scene: Scene,
    spine: Spine,
    vertebra: Vertebra | None,
    planned: LevelPlan | None,
    level: str,
    found: BalloonOutcome,
    maps: CementMaps | None,
) -> BalloonPart:
    """Pictures and tables of one level's balloons; pictures where there are a measured level and its cavity.

    Parameters
    ----------
    scene, spine, vertebra, planned:
        CT and labels, the measured spine and level, and its plan.
    level, found:
        Its name and what its balloons did.
    maps:
        Volumes on the CT's grid.
    """
    paths: tuple[NeedlePath, ...] = () if planned is None else planned.paths
    cuts: list[Figure] = []
    reliefs: list[Figure] = []
    if vertebra is not None and maps is not None and maps.cavity is not None:
        cuts = balloon_cuts.cavity_cuts(scene, vertebra, maps.cavity, maps.fraction, paths)
        reliefs = balloon_cuts.cavity_reliefs(scene, vertebra, maps.cavity, paths) if cuts else []
    chart = heights_figure(level, found)
    return BalloonPart(
        cuts=cuts,
        legend=balloon_cuts.legend(paths, filled=maps is not None and bool(maps.fraction.data.any())),
        reliefs=reliefs,
        xrays=stage_xrays(scene, spine, vertebra, planned, found, maps),
        pressures=pressure_figures(level, found, planned),
        heights=[] if chart is None else [chart],
        tamps=tamps_table(level, found, planned),
        stages=heights_table(level, found),
        steps=steps_table(level, found),
    )
