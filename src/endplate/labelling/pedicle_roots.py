"""Where the pedicles leave the body there is no wall to see: the wall is carried on from above and below them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.axes import FloatArray
from endplate.labelling.drum import Lattice, lattice
from endplate.labelling.surface_search import Found
from endplate.sources import value


def root_nodes(nodes: Lattice) -> NDArray[np.bool_]:
    """Nodes of the side wall from which a pedicle may leave, shape (N,)."""
    zone = value("labelling.pedicle_root")
    u, v, w = nodes.directions.T
    corner = (v < float(zone["behind"])) & (np.abs(u) > float(zone["beside"]))
    found: NDArray[np.bool_] = corner & (w > float(zone["lowest"])) & (w < float(zone["highest"]))
    return found


def bridge_roots(found: Found) -> Found:
    """The surface with the wall across the pedicles' roots drawn straight between what is seen above and below."""
    nodes = lattice(found.surface.cells)
    factors = bridged(found.surface.factors, nodes)
    edge = np.where(root_nodes(nodes), 0.0, found.edge)
    return replace(found, surface=replace(found.surface, factors=factors), edge=edge)


def bridged(factors: FloatArray, nodes: Lattice) -> FloatArray:
    """Factors with those of the roots replaced, column by column of the lattice."""
    zone = value("labelling.pedicle_root")
    root = root_nodes(nodes)
    out = factors.copy()
    heights = np.linspace(-1.0, 1.0, nodes.count + 1)
    beyond, most = float(zone["rim"]), float(zone["most"])
    for i in range(nodes.count + 1):
        for j in range(nodes.count + 1):
            column = nodes.node_of[i, j]
            if column.min() < 0 or not root[column].any():
                continue
            hidden = root[column]
            seen = ~hidden & (np.abs(heights) < beyond)
            low = seen & (heights < 0.0)
            high = seen & (heights > 0.0)
            ends = [float(np.median(factors[column[part]])) for part in (low, high)]
            at = [float(heights[part].mean()) for part in (low, high)]
            out[column[hidden]] = np.minimum(np.interp(heights[hidden], at, ends), most)
    return out
