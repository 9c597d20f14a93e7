"""The field of a virtual fracture: invertible, its Jacobian exact, rigid where it must be; mineral kept to a unit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from endplate.errors import UsageError
from endplate.imaging.calibration import Calibration
from endplate.synthetic.fracture_field import Bulge, Columns, Crush, FractureField
from endplate.synthetic.fracture_mass import capped, compacted, mineral_mg, stored_exactly
from endplate.synthetic.virtual_fracture_model import VirtualFracture

TOP, BOTTOM, ROOM = 12.0, -12.0, 6.0


def field(
    drop: float = 8.0, lift: float = 3.0, bulge: Bulge | None = None, *, room: float = ROOM
) -> FractureField:
    """A body 24 mm high whose endplates close in a smooth hill over the plane."""
    x, y = np.meshgrid(np.arange(-20.0, 20.5), np.arange(-20.0, 20.5), indexing="ij")
    hill = np.exp(-(x**2 + y**2) / 120.0)
    flat = np.ones_like(hill)
    columns = Columns(
        np.array([-20.0, -20.0]),
        1.0,
        TOP * flat,
        BOTTOM * flat,
        room * flat,
        room * flat,
        drop * hill,
        lift * hill,
    )
    return FractureField(columns, Crush(strain=0.55, layer_mm=1.5, margin_mm=1.0), bulge)


PUSH = Bulge(4.0, 0.0, 0.0, 10.0, 12.0, front_mm=0.0, wall_mm=-10.0, back_mm=-24.0)


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    return np.random.default_rng(3).uniform(-19.0, 19.0, (4000, 3))


@pytest.mark.parametrize("bulge", [None, PUSH])
def test_the_inverse_undoes_the_map(points: np.ndarray, bulge: Bulge | None) -> None:
    made = field(bulge=bulge)
    assert np.abs(made.inverse(made.forward(points)) - points).max() < 1e-7
    assert np.abs(made.forward(made.inverse(points)) - points).max() < 1e-7


@pytest.mark.parametrize("room", [2.3, 3.0])
def test_the_inverse_holds_beside_a_disc_that_is_stretched_many_times(
    points: np.ndarray, room: float
) -> None:
    made = field(room=room)
    assert made.jacobian(points).max() > 5.0
    assert np.abs(made.forward(made.inverse(points)) - points).max() < 1e-7


@pytest.mark.parametrize("bulge", [None, PUSH])
def test_the_jacobian_is_that_of_the_map_and_positive(points: np.ndarray, bulge: Bulge | None) -> None:
    made, h = field(bulge=bulge), 1e-5
    columns = [(made.forward(points + h * e) - made.forward(points - h * e)) / (2 * h) for e in np.eye(3)]
    found = np.linalg.det(np.stack(columns, axis=-1))
    exact = made.jacobian(points)
    # At the ends of the ramps of strain the second derivative jumps: central differences are of first order there.
    assert np.abs(found - exact).max() < 1e-3
    assert np.median(np.abs(found - exact)) < 1e-7
    assert exact.min() >= made.least_jacobian() - 1e-9
    assert made.least_jacobian() > 0.0


def test_endplates_move_as_asked_and_nothing_moves_beyond_the_discs() -> None:
    made = field()
    ends = made.forward(np.array([[0.0, 0.0, TOP], [0.0, 0.0, BOTTOM]]))
    assert ends[:, 2] == pytest.approx([TOP - 8.0, BOTTOM + 3.0], abs=1e-6)
    far = np.array([[0.0, 0.0, TOP + ROOM], [1.0, 2.0, BOTTOM - ROOM - 0.1], [19.9, 19.9, 0.0]])
    assert np.abs(made.forward(far) - far).max() < 1e-6


def test_compaction_keeps_the_mass_of_a_column() -> None:
    made = field()
    z = np.linspace(BOTTOM, TOP, 20001)
    line = np.column_stack([np.zeros_like(z), np.zeros_like(z), z])
    density = 150.0 + 20.0 * np.sin(z)
    packed = compacted(density, np.full(len(z), 5.0), made.jacobian(line))
    after = made.forward(line)[:, 2]
    assert np.trapezoid(packed, after) == pytest.approx(np.trapezoid(density, z), rel=1e-5)
    assert packed.max() > 1.9 * density.max()


def test_the_cap_moves_mineral_and_loses_none() -> None:
    box = np.ones((20, 20, 20), dtype=bool)
    random = np.random.default_rng(1)
    native = random.uniform(50.0, 250.0, box.size)
    dense = native.copy()
    dense[3000:3200] = 900.0
    found, share = capped(dense, native, box, np.array([2.0, 2.0, 2.0]))
    assert found.sum() == pytest.approx(dense.sum(), rel=1e-12)
    assert found.max() < 600.0 + 1.0
    assert 0.0 < share < 0.1
    same, none = capped(native, native, box, np.array([2.0, 2.0, 2.0]))
    assert none == 0.0
    assert (same == native).all()


def test_rounding_keeps_the_total() -> None:
    line = Calibration.line(0.8, -5.0)
    hu = np.random.default_rng(2).normal(180.0, 90.0, 5000)
    wanted = mineral_mg(hu, 0.001, line) * 1.003
    stored = stored_exactly(hu, np.ones(5000, dtype=bool), wanted, 0.001, line)
    assert mineral_mg(stored, 0.001, line) == pytest.approx(wanted, rel=2e-6)
    assert np.abs(stored - hu).max() < 3.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"loss": 0.0},
        {"loss": 0.9},
        {"loss": float("nan")},
        {"shape": "burst"},
        {"endplate": "inferior"},
        {"cleft_ml": -1.0},
        {"cleft_filling": "air"},
        {"retropulsion_mm": 40.0},
        {"seed": -1},
    ],
)
def test_what_cannot_be_asked_for(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        VirtualFracture(**{"level": "L1", "shape": "wedge", "loss": 0.3, **wrong})
    assert caught.value.do
