"""Injections with known answers, on grids of one's choice."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from endplate.cement.advance import advance
from endplate.cement.flow_options import Options
from endplate.cement.model import ROUTES, Fill, Flow, Medium, PowerLaw, Source, empty

POROSITY, K_M2, RATE_ML_MIN = 0.85, 4e-8, 4.0
FLOW_M3_S = RATE_ML_MIN * 1e-6 / 60.0
CUBE_MM = 36.0
THIN_PAS = 1e-3
"""Of marrow that is to push back as little as nothing."""


def law(consistency: float, index: float = 1.0) -> PowerLaw:
    """A cement that does not age."""
    return lambda age: (np.full(np.shape(age), consistency), np.full(np.shape(age), index))


def cube(
    edge_mm: float,
    *,
    k_m2: tuple[float, float, float] = (K_M2,) * 3,
    marrow_pas: float = 0.1,
    across_mm: float = CUBE_MM,
    sealed: tuple[bool, bool, bool] = (False, False, False),
) -> Medium:
    """Bone around the origin, held at the outer pressure in the outer layer of voxels but for sealed axes."""
    n = int(across_mm / edge_mm) | 1
    shape = (n, n, n)
    rim = np.zeros(shape, dtype=bool)
    for axis in range(3):
        if not sealed[axis]:
            ends = np.moveaxis(rim, axis, 0)
            ends[0] = ends[-1] = True
    affine = np.diag([edge_mm, edge_mm, edge_mm, 1.0])
    affine[:3, 3] = -edge_mm * (n // 2)
    return Medium(
        affine=affine,
        porosity=np.full(shape, POROSITY),
        permeability_m2=np.stack([np.full(shape, k) for k in k_m2]),
        exits=np.where(rim, ROUTES.index("cortical_lateral") + 1, 0).astype(np.int8),
        exit_conductance=np.where(rim, np.inf, 0.0),
        outer_pressure_pa=0.0,
        marrow_pas=marrow_pas,
    )


def needle(
    diameter_mm: float, rate: float = RATE_ML_MIN, at: tuple[float, float, float] = (0.0,) * 3
) -> Source:
    """An opening at the origin."""
    return Source(np.array(at), np.array([0.0, 0.0, 1.0]), diameter_mm, rate, 0.0)


def apart_mm(medium: Medium) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates of the voxels along the three axes."""
    n = medium.shape
    x, y, z = (medium.affine[a, a] * np.arange(n[a]) + medium.affine[a, 3] for a in range(3))
    grid = np.meshgrid(x, y, z, indexing="ij", sparse=True)
    return grid[0], grid[1], grid[2]


def sphere_mm(volume_ml: float, inner_mm: float = 0.0) -> float:
    """Radius that cement reaches."""
    return (3.0 * volume_ml * 1e3 / (4.0 * math.pi * POROSITY) + inner_mm**3) ** (1.0 / 3.0)


@dataclass(frozen=True)
class Ball:
    """What a fill looks like beside a sphere."""

    radius_mm: float
    greatest_mm: float
    outside: float
    cell_pa: float
    nozzle_pa: float
    mass_error: float


def ball(
    edge_mm: float,
    volume_ml: float,
    *,
    flux: str = "gated",
    cement: PowerLaw | None = None,
    diameter_mm: float = 0.2,
    marrow_pas: float = 0.1,
) -> Ball:
    """A volume injected into the middle of a cube."""
    medium = cube(edge_mm, marrow_pas=marrow_pas)
    seconds = volume_ml / RATE_ML_MIN * 60.0
    fill, flow = advance(
        medium,
        empty(medium),
        [needle(diameter_mm)],
        cement or law(100.0),
        seconds,
        options=Options(flux=flux),
    )
    x, y, z = apart_mm(medium)
    r = np.sqrt(x**2 + y**2 + z**2)
    volume = fill.volume_ml(medium)
    count = np.count_nonzero(fill.saturation >= 0.5)
    middle = medium.shape[0] // 2
    return Ball(
        radius_mm=edge_mm * (3.0 * count / (4.0 * math.pi)) ** (1.0 / 3.0),
        greatest_mm=float(r[fill.saturation > 0.5].max()),
        outside=float(volume[r > sphere_mm(volume_ml)].sum() / volume.sum()),
        cell_pa=float(fill.pressure_pa[middle, middle, middle]),
        nozzle_pa=flow.nozzle_pa[0],
        mass_error=fill.mass_error(medium),
    )


def newton_pa(
    inner_mm: float, front_mm: float, outer_mm: float, cement_pas: float, marrow_pas: float
) -> float:
    """Pressure on a sphere around a point source of thick fluid that pushes a thin one."""
    thick = cement_pas * (1.0 / inner_mm - 1.0 / front_mm)
    thin = marrow_pas * (1.0 / front_mm - 1.0 / outer_mm)
    return FLOW_M3_S / (4.0 * math.pi * K_M2) * (thick + thin) * 1e3


def upscaled(consistency: float, index: float) -> float:
    """Christopher and Middleman's H."""
    return consistency / 12 * (9 + 3 / index) ** index * (150 * K_M2 * POROSITY) ** ((1 - index) / 2)


def power_pa(consistency: float, index: float, inner_mm: float, front_mm: float) -> float:
    """Pressure on a sphere inside another, for a power law."""
    a, b = inner_mm * 1e-3, front_mm * 1e-3
    power = 1.0 - 2.0 * index
    span = math.log(b / a) if abs(power) < 1e-12 else (b**power - a**power) / power
    return upscaled(consistency, index) / K_M2 * (FLOW_M3_S / (4 * math.pi)) ** index * span


def disc_pa(consistency: float, index: float, inner_mm: float, front_mm: float, high_mm: float) -> float:
    """Pressure on a cylinder inside another, for a power law."""
    a, b = inner_mm * 1e-3, front_mm * 1e-3
    speed = (FLOW_M3_S / (2 * math.pi * high_mm * 1e-3)) ** index
    power = 1.0 - index
    span = math.log(b / a) if abs(power) < 1e-12 else (b**power - a**power) / power
    return upscaled(consistency, index) / K_M2 * speed * span


def standing_ball_pa(
    edge_mm: float, consistency: float, index: float, radii_mm: tuple[float, ...]
) -> list[float]:
    """Pressure at some distances in a ball of 6 mL that stands in all but inviscid marrow."""
    medium = cube(edge_mm, marrow_pas=THIN_PAS, across_mm=32.0)
    x, y, z = apart_mm(medium)
    r = np.sqrt(x**2 + y**2 + z**2)
    front = sphere_mm(6.0)
    saturation = np.clip(0.5 + (front - r) / edge_mm, 0.0, 1.0)
    fill = replace(empty(medium), saturation=saturation)
    steps = Options(step_ml=1e-7, first_step_share=1.0)
    for _ in range(3):
        fill, _flow = advance(medium, fill, [needle(0.2)], law(consistency, index), 1e-6, options=steps)
    log_r, log_p = np.log(r.ravel()[r.ravel() > 0]), np.log(fill.pressure_pa.ravel()[r.ravel() > 0] + 1e-9)
    found = []
    for radius in radii_mm:
        near = np.abs(np.exp(log_r) - radius) < 0.6 * edge_mm
        found.append(float(np.exp(np.polyfit(log_r[near] - math.log(radius), log_p[near], 1)[1])))
    return found


def disc(
    edge_mm: float, volume_ml: float, consistency: float, index: float, high_mm: float, inner_mm: float
) -> tuple[float, float, float]:
    """Front (mm), pressure (Pa) at a distance and error of mass of a radial fill between two sealed planes."""
    medium = cube(edge_mm, marrow_pas=THIN_PAS, across_mm=40.0, sealed=(False, False, True))
    layers = round(high_mm / edge_mm)
    medium = Medium(
        affine=medium.affine,
        porosity=medium.porosity[:, :, :layers].copy(),
        permeability_m2=medium.permeability_m2[..., :layers].copy(),
        exits=medium.exits[:, :, :layers].copy(),
        exit_conductance=medium.exit_conductance[:, :, :layers].copy(),
        outer_pressure_pa=0.0,
        marrow_pas=THIN_PAS,
    )
    x, y, z = apart_mm(medium)
    z0, z1 = float(z.min()), float(z.max())
    line = Source(
        np.array([0.0, 0.0, z1]), np.array([0.0, 0.0, 1.0]), 0.2, RATE_ML_MIN, 0.0, window_mm=z1 - z0
    )
    fill, _flow = advance(
        medium, empty(medium), [line], law(consistency, index), volume_ml / RATE_ML_MIN * 60.0
    )
    r = np.sqrt(x**2 + y**2 + 0.0 * z)
    count = np.count_nonzero(fill.saturation >= 0.5) / layers
    front = edge_mm * math.sqrt(count / math.pi)
    near = np.abs(r - inner_mm) < 0.6 * edge_mm
    logs = np.log(r[near] / inner_mm)[:, None] ** np.array([1.0, 0.0])
    level = np.linalg.lstsq(logs, np.log(fill.pressure_pa[near]), rcond=None)[0][1]
    return front, float(np.exp(level)), fill.mass_error(medium)


@dataclass(frozen=True)
class Front:
    """One-dimensional displacement beside Buckley and Leverett.

    Relative error of the front's place at half its height and by equal areas, error of saturation 5 % behind it.
    """

    at_half_height: float
    by_areas: float
    saturation: float
    mass_error: float


def front(ratio: float, cells: int) -> Front:
    """A tube filled in part."""
    medium = Medium(
        affine=np.eye(4),
        porosity=np.full((cells, 1, 1), 0.5),
        permeability_m2=np.full((3, cells, 1, 1), 1e-9),
        exits=np.array([0] * (cells - 1) + [1], np.int8).reshape(cells, 1, 1),
        exit_conductance=np.array([0.0] * (cells - 1) + [np.inf]).reshape(cells, 1, 1),
        outer_pressure_pa=0.0,
        marrow_pas=1.0,
    )
    pores = 0.5e-3
    filled = 0.4 if ratio >= 1.0 else 0.25
    options = Options(flux="corey", faces="upstream", step_ml=0.05 * pores, viscosity_range_pas=(1e-6, 1e6))
    seconds = filled * cells * pores / RATE_ML_MIN * 60.0
    fill, _ = advance(medium, empty(medium), [needle(0.5)], law(ratio), seconds, options=options)
    s = fill.saturation[:, 0, 0]
    height = math.sqrt(ratio / (1.0 + ratio))
    speed = filled * cells
    exact = speed * share(height, ratio) / height
    places = np.arange(cells) + 0.5
    middle = float(np.interp(-0.5 * height, -s, places))
    # Equal areas: what lies beyond a place shortly behind the front, against the exact profile there.
    behind = 0.9 * exact
    beyond = float(np.interp(behind, np.arange(cells + 1), np.append(0.0, np.cumsum(s))))
    fan = np.linspace(height, 1.0, 20_001)
    reach = speed * np.gradient(share(fan, ratio), fan)
    inside = reach >= behind
    lack = float(s.sum()) - beyond
    meant = height * (exact - behind) + float(
        np.trapezoid(np.maximum(reach[inside] - behind, 0.0), fan[inside])
    )
    near = 0.95 * exact
    there = float(np.interp(near, places, s)) - float(np.interp(-near, -reach, fan))
    return Front(middle / exact - 1.0, (lack - meant) / height / exact, there, fill.mass_error(medium))


def share(s: np.ndarray | float, ratio: float) -> np.ndarray | float:
    """Part of the flow that is cement."""
    return s**2 / (s**2 + ratio * (1.0 - s) ** 2)


def ellipsoid(edge_mm: float, ratio: float) -> tuple[float, float, float]:
    """Half axes of a fill in anisotropic bone, along and across, from its second moments; error of mass."""
    across = K_M2
    medium = cube(edge_mm, k_m2=(across, across, ratio * across), marrow_pas=THIN_PAS)
    fill, _ = advance(medium, empty(medium), [needle(0.2)], law(100.0), 90.0)
    x, y, z = apart_mm(medium)
    weight = fill.saturation
    total = weight.sum()
    half = [math.sqrt(5.0 * float((weight * axis**2).sum()) / float(total)) for axis in (x, y, z)]
    return half[2], 0.5 * (half[0] + half[1]), fill.mass_error(medium)


def rough_bodies(seed: int) -> tuple[float, float, float]:
    """Greatest error of mass, overshoot of saturation, and cement in voxels without a way to the needles, over
    random bodies with random exits, steps, fluxes and two needles."""
    rng = np.random.default_rng(seed)
    worst = over = strayed = 0.0
    for flux in ("gated", "linear", "corey"):
        for step_ml in (0.02, 0.3, 5.0):
            medium = _rough(rng)
            fill: Fill = empty(medium)
            flow: Flow
            options = Options(flux=flux, step_ml=step_ml, faces="upstream" if flux == "corey" else "harmonic")
            for part in range(3):
                sources = [needle(2.4, 3.0, (-4.0, 0.0, 0.0)), needle(2.4, 1.5 * part, (4.0, 0.0, 0.0))]
                fill, flow = advance(medium, fill, sources, law(80.0, 0.6), 15.0, options=options)
                assert np.isfinite(flow.nozzle_pa).all()
            worst = max(worst, fill.mass_error(medium))
            over = max(over, float(fill.saturation.max()) - 1.0)
            strayed = max(strayed, float(fill.saturation[(medium.permeability_m2 == 0.0).all(axis=0)].max()))
    return worst, over, strayed


def _rough(rng: np.random.Generator) -> Medium:
    shape = (19, 17, 15)
    k = 2e-8 * np.exp(1.5 * rng.standard_normal(shape))
    k[rng.random(shape) < 0.25] = 0.0
    middle = tuple(n // 2 for n in shape)
    k[middle[0] - 3 : middle[0] + 4, middle[1], middle[2]] = 4e-8
    exits = np.zeros(shape, np.int8)
    rim = np.ones(shape, dtype=bool)
    rim[1:-1, 1:-1, 1:-1] = False
    chosen = rim & (rng.random(shape) < 0.05)
    exits[chosen] = rng.integers(1, len(ROUTES) + 1, int(chosen.sum()))
    conductance = np.where(chosen, 10.0 ** rng.uniform(-14.0, -10.0, shape), 0.0)
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[:3, 3] = [-i for i in middle]
    return Medium(
        affine, np.where(k > 0.0, 0.85, 0.0), np.stack([k, k, 1.2 * k]), exits, conductance, 1000.0, 0.1
    )


def beside_opm(n: int) -> dict[str, float]:
    """The benchmark's cube of n³ voxels by both programs."""
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from benchmarks.cement_problems import cube as rough_cube
    from benchmarks.cement_problems import save

    problem = rough_cube(n, 50.0, 0)
    with tempfile.TemporaryDirectory() as folder:
        file, answer = Path(folder) / "problem.npz", Path(folder) / "saturation.npy"
        save(problem, file)
        worker = Path(__file__).parents[2] / "benchmarks" / "opm_worker.py"
        run = subprocess.run(
            [sys.executable, worker, file, answer, "1"], capture_output=True, text=True, check=True
        )
        told = json.loads(run.stdout.splitlines()[-1])
        peer = np.load(answer)
    outer = ~problem.inner
    medium = Medium(
        np.eye(4),
        problem.porosity,
        problem.k_m2,
        outer.astype(np.int8),
        np.where(outer, np.inf, 0.0),
        0.0,
        problem.marrow_pas,
    )
    source = Source(np.array(problem.source, float), np.array([1.0, 0.0, 0.0]), 0.1, RATE_ML_MIN, 0.0)
    options = Options(
        flux="corey",
        faces="upstream",
        step_ml=problem.volume_ml / told["steps"],
        viscosity_range_pas=(problem.cement_pas, problem.cement_pas),
    )
    seconds = problem.volume_ml / RATE_ML_MIN * 60.0
    fill, _ = advance(medium, empty(medium), [source], law(problem.cement_pas), seconds, options=options)
    weight = np.where(outer, 0.0, problem.porosity)
    total = problem.fraction * weight.sum()
    scale = float(np.median(problem.k_m2)) * 1e-3 / (problem.marrow_pas * FLOW_M3_S)
    return {
        "difference": float((np.abs(fill.saturation - peer) * weight).sum() / total),
        "pressure": float(fill.pressure_pa[problem.source]) * scale,
        "peer_pressure": told["source_pressure"],
        "lost": fill.mass_error(medium),
        "peer_lost": abs(float((peer * weight).sum() / total) - 1.0),
    }
