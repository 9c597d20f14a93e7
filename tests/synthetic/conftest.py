"""Phantoms shared by the tests of the phantom, built once."""

from __future__ import annotations

import pytest

from endplate.synthetic import FractureSpec, GridSpec, Phantom, build_phantom, default_spec

FINE_MM = 0.32


@pytest.fixture(scope="session")
def fine() -> Phantom:
    """L1 between its neighbours on a fine grid, labels only."""
    return build_phantom(default_spec(("T12", "L1", "L2")), GridSpec((FINE_MM,) * 3, margin_mm=3.0), ct=False)


@pytest.fixture(scope="session")
def fine_wedge() -> Phantom:
    """L1 wedged by 40 %."""
    spec = default_spec(("T12", "L1", "L2"), fracture={"L1": FractureSpec("wedge", 0.4)})
    return build_phantom(spec, GridSpec((FINE_MM,) * 3, margin_mm=3.0), ct=False)


@pytest.fixture(scope="session")
def small_ct() -> Phantom:
    """T12–L2 with a CT, texture, noise and an impacted L1."""
    spec = default_spec(("T12", "L1", "L2"), fracture={"L1": FractureSpec("crush", 0.4)})
    return build_phantom(spec, GridSpec((1.0, 1.0, 1.0), margin_mm=8.0, noise_hu=8.0, psf_fwhm_mm=0.8))
