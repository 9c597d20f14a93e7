"""How long the search of needle paths takes: a phantom T9–L5 on the grid of a routine spine CT (1 × 1 × 2 mm).

One level: its scene and both sides, two needles of 11G through the pedicles. All levels: the same from T9 to L5. One
path: a given path measured in a scene that stands, as for a needle dragged on a screen. No open program plans paths
for cannulas, so there is no peer and no ratio. ``agreement`` is the share of sides that were planned.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from benchmarks.row import Options, Row, timed
from endplate.anatomy.assessment import assess
from endplate.anatomy.model import Spine
from endplate.devices.cannulas import cannula
from endplate.imaging.calibration import Calibration
from endplate.imaging.volume import LabelMap
from endplate.planning.evaluate import evaluate
from endplate.planning.path import Path, Wish
from endplate.planning.rules import load_rules
from endplate.planning.scene import SIDES, level_scene
from endplate.planning.search import search
from endplate.synthetic import GridSpec, build_phantom, random_spec

LEVELS = ("T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5")
SPACING_MM = (1.0, 2.0, 1.0)
AXES = ("P", "R", "I")
"""Sagittal reconstruction with thick slices, as in the label map it stands for."""

GAUGE = "11G"


def cases(options: Options) -> Iterator[Row]:
    """One given path, one level, then all nine levels (the default case)."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yield from pool.submit(_measure, options.seed).result()


def _measure(seed: int) -> list[Row]:
    """All cases in a process of its own, so that the memory is theirs."""
    phantom = build_phantom(random_spec(seed, LEVELS), GridSpec(SPACING_MM, AXES), ct=False)
    labels = phantom.labels
    spine = assess(labels, None, Calibration.uncalibrated())
    level = spine.find("L3")
    assert level is not None
    scene = level_scene(labels, None, None, None, spine, level)
    paths: list[Path | None] = []

    def one_level() -> None:
        paths[:] = _plan(labels, spine, ("L3",))

    def all_levels() -> None:
        paths[:] = _plan(labels, spine, LEVELS)

    rows = []
    jit_s, warm_s = timed(one_level)
    path = next((one for one in paths if one is not None), None)
    rows.append(_row("L3, both sides", warm_s, jit_s, paths))
    if path is not None:
        given = path.entry_ras_mm, path.tip_ras_mm
        extra_s, once_s = timed(lambda: evaluate(scene, cannula(GAUGE), *given))
        rows.insert(0, _row("one given path", once_s, extra_s, [path]))
    jit_s, warm_s = timed(all_levels)
    rows.append(_row("T9-L5, both sides", warm_s, jit_s, paths))
    return rows


def _plan(labels: LabelMap, spine: Spine, levels: tuple[str, ...]) -> list[Path | None]:
    rules, tool = load_rules(), cannula(GAUGE)
    found = []
    for name in levels:
        vertebra = spine.find(name)
        assert vertebra is not None
        scene = level_scene(labels, None, None, None, spine, vertebra)
        found += [search(scene, Wish(side, "transpedicular", tool), rules).best for side in SIDES]
    return found


def _row(case: str, ours_s: float, jit_s: float, paths: list[Path | None]) -> Row:
    unit = 1024.0 if sys.platform != "darwin" else 1024.0**2
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    planned = sum(path is not None for path in paths) / len(paths)
    return Row(
        benchmark="plan",
        case=case,
        ours_s=round(ours_s, 4),
        jit_s=round(jit_s, 3),
        agreement=round(planned, 3),
        peak_mb=round(peak_mb),
    )
