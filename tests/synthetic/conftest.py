"""Phantoms shared by the tests of the phantom, built once."""

from __future__ import annotations

import pytest

from endplate.anatomy.assessment import assess
from endplate.anatomy.model import Spine
from endplate.imaging.calibration import Calibration
from endplate.synthetic import FractureSpec, GridSpec, Phantom, build_phantom, default_spec
from endplate.synthetic.virtual_fracture import FracturedScan, VirtualFracture, fracture_scan

FINE_MM = 0.32
LINE = Calibration.line(0.8, -5.0)


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


@pytest.fixture(scope="session")
def intact() -> tuple[Phantom, Spine]:
    """Three whole levels with a CT, measured."""
    grid = GridSpec((1.2, 1.2, 1.0), margin_mm=8.0, psf_fwhm_mm=0.8, noise_hu=8.0)
    made = build_phantom(default_spec(("T12", "L1", "L2")), grid)
    return made, assess(made.labels, made.volume, LINE)


@pytest.fixture(scope="session")
def broken(intact: tuple[Phantom, Spine]) -> FracturedScan:
    """The same with a wedge of L1, a cleft and a crack in it."""
    made, spine = intact
    wanted = VirtualFracture("L1", "wedge", 0.35, cleft_ml=0.8, crack=True)
    return fracture_scan(made.volume, made.labels, spine, wanted, LINE)


@pytest.fixture(scope="session")
def broken_spine(broken: FracturedScan) -> Spine:
    """What is measured of it."""
    return assess(broken.labels, broken.image, LINE)
