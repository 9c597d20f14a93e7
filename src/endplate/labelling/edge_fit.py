"""The surface to a fraction of a voxel: a model of the blurred cortex fitted to profiles across it.

The steepest fall lies outside a thin bright shell by about the blur, so a surface put there is too large by a voxel.
The model is what the scanner makes of inner bone, a thin dense shell and what lies outside; its blur is the one that
explains all profiles of the body best.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from endplate.anatomy.axes import FloatArray
from endplate.labelling.drum import BodySurface, Lattice, lattice
from endplate.labelling.drum_kernels import surface_ratio
from endplate.labelling.local_field import LocalField
from endplate.labelling.surface_kernels import best_surface
from endplate.labelling.surface_search import Found, slots_of
from endplate.sources import value

ALONG_MM = np.arange(-4.5, 4.01, 0.5)
"""Where each profile is sampled, outward from the surface."""

SHIFTS_MM = np.arange(-3.0, 2.01, 0.125)
"""Shifts of the surface that are tried."""

BLURS_MM = (0.5, 0.65, 0.8, 1.0, 1.25, 1.55)
"""σ of the blur that are tried, apart for endplates and side wall."""


def refine_edges(found: Found, field: LocalField) -> Found:
    """Move a surface to the outside of its cortex."""
    surface = found.surface
    nodes = lattice(surface.cells)
    local = surface.local_mm
    normals = surface_normals(surface, local)
    points = local[:, None, :] + normals[:, None, :] * ALONG_MM[:, None]
    profile = field.raw(surface.axes, points)
    plate = np.abs(nodes.directions[:, 2]) == 1.0
    misfit = np.empty((len(local), len(SHIFTS_MM)))
    for group in (plate, ~plate):
        misfit[group] = _misfit(profile[group])
    chosen = _smooth_choice(misfit, nodes)
    shift = SHIFTS_MM[chosen]
    step = 1e-3
    rays = nodes.directions * nodes.drum_factor[:, None]
    out = surface.drum.to_mm(rays * (surface.factors + step)[:, None])
    speed = np.einsum("ij,ij->i", (out - local) / step, normals)
    length = np.linalg.norm(out - local, axis=1) / step
    # Along a ray that grazes the surface a shift would be overstated.
    factors = surface.factors + shift / np.maximum(speed, 0.5 * length)
    return replace(found, surface=replace(surface, factors=np.maximum(factors, 0.1)))


def _misfit(profiles: NDArray[np.float32]) -> FloatArray:
    """Squared misfit of the model at every shift, shape (N, S), with the blur that fits all profiles best."""
    shell = float(value("labelling.shell_mm"))
    weight = np.exp(-0.5 * (ALONG_MM / float(value("labelling.profile_sd_mm"))) ** 2)
    weighted = profiles.astype(np.float64) * weight
    total = np.einsum("ij,ij->i", weighted, weighted)
    best: FloatArray | None = None
    least = np.inf
    for blur in BLURS_MM:
        rest = np.stack(
            [total - _explained(weighted, _basis(shift, blur, shell, weight)) for shift in SHIFTS_MM],
            axis=1,
        )
        score = float(np.median(rest.min(axis=1)))
        if score < least:
            least, best = score, rest
    assert best is not None
    floor = max(least, 1.0)
    misfit: FloatArray = (best - best.min(axis=1, keepdims=True)) / floor
    return misfit


def _basis(shift: float, blur: float, shell: float, weight: FloatArray) -> FloatArray:
    """Orthonormal columns of the weighted model: inside, shell, outside; shape (P, 3)."""
    outer = _step_up((ALONG_MM - shift) / blur)
    inner = _step_up((ALONG_MM - shift + shell) / blur)
    columns = np.stack([1.0 - inner, inner - outer, outer], axis=1) * weight[:, None]
    return np.linalg.qr(columns)[0]


def _explained(profiles: FloatArray, basis: FloatArray) -> FloatArray:
    """Squared length of each profile within the model, shape (N,)."""
    part = profiles @ basis
    length: FloatArray = np.einsum("ij,ij->i", part, part)
    return length


def _step_up(x: FloatArray) -> FloatArray:
    found: FloatArray = 0.5 * (1.0 + erf(x / np.sqrt(2.0)))
    return found


def _smooth_choice(misfit: FloatArray, nodes: Lattice) -> NDArray[np.int32]:
    """One shift a node that fits and that its neighbours share."""
    weights = value("labelling.refine")
    cost = float(weights["fit"]) * np.minimum(misfit, float(weights["fit_most"]))
    cost += 0.5 * ((SHIFTS_MM - float(weights["usual_mm"])) / float(weights["shift_sd_mm"])) ** 2
    step = SHIFTS_MM[1] - SHIFTS_MM[0]
    chosen: NDArray[np.int32] = best_surface(
        np.ascontiguousarray(cost, dtype=np.float32),
        nodes.neighbours,
        slots_of(nodes),
        np.float32(float(weights["smooth"]) * step**2),
        8,
        8,
        8,
    )
    return chosen


def surface_normals(surface: BodySurface, local: FloatArray) -> FloatArray:
    """Outward unit normals of a surface at its own nodes, shape (N, 3), in the body's frame."""
    nodes = lattice(surface.cells)
    drum = surface.drum
    shape = (drum.half_sizes_mm, drum.upper, drum.lower, nodes.node_of, nodes.drum_factor * surface.factors)
    reach = 0.8
    slope = np.empty_like(local)
    for axis in range(3):
        move = np.zeros(3)
        move[axis] = reach
        ahead = surface_ratio(local + move, *shape)
        behind = surface_ratio(local - move, *shape)
        slope[:, axis] = ahead - behind
    normal: FloatArray = slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-9)
    return normal
