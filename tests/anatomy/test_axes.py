"""The vertebra's own axes."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from endplate.anatomy.axes import Axes, reject, unit

numbers = st.floats(-50.0, 50.0)
vectors = st.tuples(numbers, numbers, numbers)


def _axes(origin: object, superior: object, anterior: object) -> Axes:
    up, front = np.array(superior), np.array(anterior)
    assume(np.linalg.norm(up) > 1.0 and np.linalg.norm(front) > 1.0)
    assume(np.linalg.norm(np.cross(unit(up), unit(front))) > 0.1)
    return Axes.from_directions(origin, up, front)


@given(vectors, vectors, vectors)
def test_axes_are_a_right_handed_rotation(origin: object, superior: object, anterior: object) -> None:
    axes = _axes(origin, superior, anterior)
    np.testing.assert_allclose(axes.rotation @ axes.rotation.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.cross(axes.right, axes.anterior), axes.superior, atol=1e-12)


@given(vectors, vectors, vectors)
def test_superior_is_kept_and_anterior_stays_on_its_side(
    origin: object, superior: object, anterior: object
) -> None:
    axes = _axes(origin, superior, anterior)
    np.testing.assert_allclose(axes.superior, unit(superior), atol=1e-12)
    assert axes.anterior @ np.array(anterior) > 0.0


@given(vectors, vectors, vectors, vectors)
def test_to_local_and_back(origin: object, superior: object, anterior: object, point: object) -> None:
    axes = _axes(origin, superior, anterior)
    np.testing.assert_allclose(axes.to_world(axes.to_local(point)), point, atol=1e-10)
    moved = axes.moved_to(point)
    np.testing.assert_allclose(moved.to_local(point), 0.0, atol=1e-12)
    np.testing.assert_array_equal(moved.rotation, axes.rotation)


def test_patient_axes_are_named_as_the_patient_has_them() -> None:
    axes = Axes.from_directions([1.0, 2.0, 3.0], [0.0, 0.0, 2.0], [0.0, 5.0, 1.0])
    np.testing.assert_allclose(axes.rotation, np.eye(3), atol=1e-15)
    np.testing.assert_allclose(axes.to_local([2.0, 4.0, 6.0]), [1.0, 2.0, 3.0])
    np.testing.assert_allclose(axes.direction_to_world([1.0, 0.0, 0.0]), [1.0, 0.0, 0.0])


def test_reject_leaves_what_is_perpendicular() -> None:
    np.testing.assert_allclose(reject([3.0, 4.0, 5.0], np.array([0.0, 1.0, 0.0])), [3.0, 0.0, 5.0])
