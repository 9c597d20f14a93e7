"""Planned paths against the phantom's exact surfaces: what they claim, and what was refused without need."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from endplate.anatomy import assess
from endplate.anatomy.axes import FloatArray, unit
from endplate.devices.cannulas import cannula
from endplate.errors import UsageError
from endplate.imaging.calibration import Calibration
from endplate.planning.path import Path, SearchResult, Wish
from endplate.planning.rules import load_rules
from endplate.planning.scene import SIDES, SIGN, LevelScene, level_scene, measured_pedicle
from endplate.planning.search import search
from endplate.synthetic import GridSpec, PedicleSpec, Phantom, PhantomSpec, build_phantom, default_spec
from endplate.synthetic.anatomy import solve

LEVELS = ("T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5")
"""Levels in the middle of a phantom, drawn in turn."""

DIAMETER_MM = (3.0, 14.0)
TRANSVERSE_DEG = (-10.0, 45.0)
"""Asked for to 50°; a phantom's pedicle carries 45°."""

AXES = (("R", "A", "S"), ("L", "P", "S"), ("P", "I", "R"), ("L", "A", "S"))
GAUGES = ("11G", "13G")
"""The second is tried where the first is refused."""

STATION_MM = 0.5
TURNS = 48
SLACK_MM = 0.02
"""Precision of the exact crossings."""

NOTCH_MM = 0.05
"""A groove between two parts of the phantom that is no deeper than this is no surface."""

NEEDLESS_MM = 0.5
"""Where the exact geometry leaves this beyond hard margin and uncertainty, a refusal is needless."""

LINES = 400
"""Straight lines tried through the exact pedicle of a refused side."""


@dataclass(frozen=True)
class Claim:
    """One accepted path: its margins, claimed and exact, by direction."""

    level: str
    gauge: str
    diameter_mm: float
    raw_mm: dict[str, float]
    derated_mm: dict[str, float]
    exact_mm: dict[str, float]


@dataclass(frozen=True)
class Case:
    """What one phantom showed."""

    seed: int
    accepted: tuple[Claim, ...] = ()
    refused: tuple[tuple[str, float, str], ...] = ()
    """Gauge, inscribed diameter, code."""
    needless: tuple[str, ...] = ()
    not_measured: int = 0
    drawn_again: int = field(default=0)


def random_pedicles(seed: int) -> tuple[PhantomSpec, GridSpec, str, int]:
    """A three-level phantom whose middle level has random pedicles, on a random oblique grid.

    Returns
    -------
    Specification, grid, level, and how many draws no vertebra can carry (a wide pedicle at a steep angle).
    """
    rng = np.random.default_rng([seed, 4104])
    index = seed % len(LEVELS)
    level = LEVELS[index]
    order = ("T8", *LEVELS)
    names = tuple(order[max(index, 0) : index + 3])
    grid = GridSpec(
        spacing=(*map(float, rng.choice([0.6, 0.8, 1.0], 2)), float(rng.choice([0.6, 1.0, 1.5]))),
        axes=AXES[int(rng.integers(len(AXES)))],
        oblique_deg=float(rng.uniform(-25.0, 25.0)),
        oblique_axis=str(rng.choice(["R", "A", "S"])),
        margin_mm=4.0,
        phase=tuple(map(float, rng.uniform(0.0, 1.0, 3))),
    )
    plain = default_spec(names)
    for again in range(40):
        pair = [_pedicle(rng, plain.vertebra(level).posterior_height_mm) for _ in SIDES]
        spec = plain.with_vertebra(level, pedicle_left=pair[0], pedicle_right=pair[1])
        try:
            solve(spec)
        except UsageError:
            continue
        return spec, grid, level, again
    raise AssertionError(f"no pedicles of seed {seed} can be built")


def _pedicle(rng: np.random.Generator, ceiling_mm: float) -> PedicleSpec:
    diameter = float(rng.uniform(*DIAMETER_MM))
    height = float(np.clip(diameter * rng.uniform(1.0, 1.8), 8.0, 0.95 * ceiling_mm))
    return PedicleSpec(
        inscribed_diameter_mm=min(diameter, height),
        height_mm=height,
        transverse_deg=float(rng.uniform(*TRANSVERSE_DEG)),
        sagittal_deg=float(rng.uniform(-10.0, 15.0)),
    )


def study(seed: int) -> Case:
    """Plan both sides of one phantom and hold the paths against the exact surfaces."""
    spec, grid, level, again = random_pedicles(seed)
    phantom = build_phantom(spec, grid, ct=False)
    number = spec.vertebra(level).label_id
    only = np.where(phantom.labels.data == number, phantom.labels.data, 0).astype(np.uint8)
    alone = replace(phantom.labels, volume=replace(phantom.labels.volume, data=only))
    spine = assess(alone, None, Calibration.uncalibrated())
    vertebra = spine.find(level)
    if vertebra is None or vertebra.frame is None:
        spine = assess(phantom.labels, None, Calibration.uncalibrated())
        vertebra = spine.find(level)
    if vertebra is None or vertebra.frame is None or not vertebra.complete:
        return Case(seed, not_measured=2, drawn_again=again)
    scene = level_scene(phantom.labels, None, None, None, spine, vertebra)
    accepted, refused, without, missing = [], [], [], 0
    for side in SIDES:
        diameter = phantom.truth.levels[level].pedicles[side].inscribed_diameter_mm
        missing += measured_pedicle(vertebra, side) is None
        for gauge in GAUGES:
            wish = Wish(side, "transpedicular", cannula(gauge))
            found = search(scene, wish, load_rules())
            if found.best is not None:
                accepted.append(_claim(phantom, scene, found.best, diameter))
                break
            refused.append((gauge, diameter, str(found.refusal)))
            if needless(phantom, scene, wish, found):
                without.append(f"seed {seed}, {level} {side}, {gauge}, Ø {diameter:.1f} mm: {found.refusal}")
    return Case(seed, tuple(accepted), tuple(refused), tuple(without), missing, again)


def _claim(phantom: Phantom, scene: LevelScene, path: Path, diameter_mm: float) -> Claim:
    exact = exact_margins_mm(phantom, scene, path)
    return Claim(
        scene.level,
        path.gauge,
        diameter_mm,
        path.margins_mm.model_dump(),
        path.margins_derated_mm.model_dump(),
        exact,
    )


def exact_margins_mm(phantom: Phantom, scene: LevelScene, path: Path) -> dict[str, float]:
    """Margins of a path on the analytic surface: rays across the needle from its seating to the wall.

    The entry's place along the needle is known to half a voxel; where the surface that the needle came through runs
    nearly across it, that much decides whether the first station still meets it. So the stations begin half a voxel
    further in.
    """
    local = scene.axes.rotation @ path.direction_ras
    slip = 0.5 * float(np.linalg.norm(local @ scene.voxel))
    begin = path.entry_ras_mm + (load_rules().search.seating_mm + slip) * path.direction_ras
    length = float((path.posterior_wall_ras_mm - begin) @ path.direction_ras)
    stations = (
        begin + np.linspace(0.0, length, max(int(length / STATION_MM), 1) + 1)[:, None] * path.direction_ras
    )
    rays, names = _rays(path.direction_ras, path.side, scene.axes.right, scene.axes.superior)
    found = _crossings_mm(phantom, scene.level, stations, rays).min(axis=0) - path.radius_mm
    return {
        name: float(min(found[row] for row, own in enumerate(names) if own == name)) for name in set(names)
    }


def _crossings_mm(phantom: Phantom, level: str, stations: FloatArray, rays: FloatArray) -> FloatArray:
    """Distance along each ray from each station to the first exit from the exact vertebra, shape (S, R); at most 10."""
    reach = np.arange(0.0, 10.01, 0.25)
    points = stations[:, None, None] + reach[:, None] * rays[None, :, None, :]
    index = phantom.spine.index(level)
    values = phantom.spine.fields(index, points.reshape(-1, 3))[:, 0].reshape(points.shape[:-1])
    outside = values > NOTCH_MM
    first = np.where(outside.any(axis=2), outside.argmax(axis=2), len(reach) - 1)
    low = reach[np.maximum(first - 1, 0)]
    high = reach[first].copy()
    for _ in range(5):
        middle = 0.5 * (low + high)
        at = stations[:, None] + middle[..., None] * rays[None]
        out = phantom.spine.fields(index, at.reshape(-1, 3))[:, 0].reshape(middle.shape) > 0.0
        low, high = np.where(out, low, middle), np.where(out, middle, high)
    return np.where(outside.any(axis=2), np.where(first == 0, 0.0, low), reach[-1])


def needless(phantom: Phantom, scene: LevelScene, wish: Wish, found: SearchResult) -> bool:
    """Whether some straight line through the exact pedicle keeps every hard margin by more than the uncertainty.

    Lines run through the exact isthmus to the anterior third, within the limits of direction. Around each, from
    seating to the body's wall, the tube of cannula, hard margin, stated uncertainty and ``NEEDLESS_MM`` must lie
    inside the exact vertebra.
    """
    rules = load_rules().search
    truth = phantom.truth.levels[scene.level]
    sign = SIGN[wish.side]
    axes = np.array([truth.frame.right_ras, truth.frame.anterior_ras, truth.frame.superior_ras])
    start, direction = _lines(phantom, scene.level, wish)
    local = direction @ axes.T
    convergence = np.degrees(np.arctan2(-sign * local[:, 0], local[:, 1]))
    rise = np.abs(np.degrees(np.arctan2(local[:, 2], local[:, 1])))
    primary = np.degrees(np.abs(np.arctan2(direction[:, 0], direction[:, 1])))
    secondary = np.degrees(np.abs(np.arcsin(direction[:, 2])))
    limit = rules.convergence_max_deg.of(wish.access, scene.level)
    within = (
        (convergence >= rules.convergence_min_deg)
        & (convergence <= limit)
        & (np.maximum(rise, secondary) <= min(rules.craniocaudal_max_deg, rules.carm_reach_deg.cran_caud))
        & (primary <= rules.carm_reach_deg.lao_rao)
    )
    start, direction = start[within], direction[within]
    if len(start) == 0:
        return False
    uncertainty = stated_uncertainty_mm(scene) if found.nearest is None else found.nearest.uncertainty_mm
    reach = np.arange(-30.0, 20.0, STATION_MM)
    axis = start[:, None] + reach[:, None] * direction[:, None]
    values = phantom.spine.fields(phantom.spine.index(scene.level), axis.reshape(-1, 3)).reshape(
        *axis.shape[:2], 3
    )
    behind = (values[..., 0] > 0.0) & (reach < 0.0)
    entry = np.where(behind.any(axis=1), reach[len(reach) - 1 - behind[:, ::-1].argmax(axis=1)], np.nan)
    body = (values[..., 1] <= 0.0) & (reach > -5.0)
    wall = np.where(body.any(axis=1), reach[body.argmax(axis=1)], np.nan)
    usable = np.isfinite(entry) & np.isfinite(wall) & (wall - entry > rules.seating_mm + 1.0)
    for row in np.flatnonzero(usable):
        lengths = reach[(reach >= entry[row] + rules.seating_mm) & (reach <= wall[row])]
        if _tube_inside(
            phantom, scene.level, wish, start[row], direction[row], lengths, uncertainty + NEEDLESS_MM
        ):
            return True
    return False


def _lines(phantom: Phantom, level: str, wish: Wish) -> tuple[FloatArray, FloatArray]:
    """Points of the exact isthmus and directions to the anterior third, each of shape (LINES, 3)."""
    truth = phantom.truth.levels[level]
    pedicle = truth.pedicles[wish.side]
    axes = np.array([truth.frame.right_ras, truth.frame.anterior_ras, truth.frame.superior_ras])
    across, up = (np.array(direction) for direction in pedicle.section_ras_mm)
    rng = np.random.default_rng(17)
    room = np.maximum(0.5 * np.array([pedicle.width_mm, pedicle.height_mm]) - wish.tool.radius_mm - 1.0, 0.0)
    offset = rng.uniform(-1.0, 1.0, (LINES, 2)) * room
    start = np.array(pedicle.isthmus_ras_mm) + offset[:, :1] * across + offset[:, 1:] * up
    share = rng.uniform([0.10, 0.15, -0.10], [0.26, 0.25, 0.15], (LINES, 3))
    size = np.array([SIGN[wish.side] * truth.body_width_mm, truth.body_depth_mm, 20.0])
    tips = np.array(truth.frame.origin_ras_mm) + (share * size) @ axes
    along = tips - start
    return start, along / np.linalg.norm(along, axis=1)[:, None]


def _tube_inside(
    phantom: Phantom,
    level: str,
    wish: Wish,
    start: FloatArray,
    direction: FloatArray,
    lengths: FloatArray,
    beyond_mm: float,
) -> bool:
    """Whether the tube of cannula, hard margins and ``beyond_mm`` lies in the exact vertebra."""
    hard = load_rules().search.margin_hard_mm
    frame = phantom.truth.levels[level].frame
    rays, names = _rays(direction, wish.side, np.array(frame.right_ras), np.array(frame.superior_ras))
    radii = np.array([wish.tool.radius_mm + getattr(hard, name) + beyond_mm for name in names])
    stations = start + lengths[:, None] * direction
    # The rim's own inside counts too: a wall between axis and rim is no room.
    # The rim's own inside counts too: a wall between axis and rim is no room. A few points rule most lines out.
    for every, shares in ((6, (1.0,)), (1, (0.5, 0.8, 1.0))):
        rim = np.array(shares)[:, None, None] * (radii[::every, None] * rays[::every])
        points = stations[::every, None, None] + rim
        if not phantom.inside(level, points.reshape(-1, 3)).all():
            return False
    return True


def _rays(
    direction: FloatArray, side: str, right: FloatArray, superior: FloatArray
) -> tuple[FloatArray, list[str]]:
    """Unit vectors all around a needle, shape (TURNS, 3), and the sector of each."""
    lateral = SIGN[side] * right
    lateral = unit(lateral - (lateral @ direction) * direction)
    head = np.cross(direction, lateral)
    head = head if head @ superior > 0 else -head
    # No ray lies on the border of two sectors.
    angle = 2.0 * np.pi * (np.arange(TURNS) + 0.5) / TURNS
    rays = np.cos(angle)[:, None] * lateral + np.sin(angle)[:, None] * head
    order = ("lateral", "superior", "medial", "inferior")
    return rays, [order[round(2.0 * turn / np.pi) % 4] for turn in angle]


def stated_uncertainty_mm(scene: LevelScene) -> float:
    """The most that a path of this scene states."""
    return 0.5 * float(np.linalg.norm(scene.voxel, axis=0).max()) + load_rules().search.label_error_mm
