"""The solver itself: how many iterations, same bytes, warm starts, loose pieces, refusals."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from endplate.errors import ConvergenceError, UsageError
from endplate.mechanics.coarsest import multiply, pseudo_inverse
from endplate.mechanics.element import Elasticity
from endplate.mechanics.pieces import loose_elements
from endplate.mechanics.solve import Loading, VoxelModel, solve

BONE = Elasticity.isotropic(0.3)


def random_moduli(
    shape: tuple[int, int, int], *, low: float = 100.0, high: float = 18000.0, voids: float = 0.0
) -> np.ndarray:
    """Smooth random moduli, log-uniform, with a share of voids where they are softest."""
    noise = gaussian_filter(np.random.default_rng(1).standard_normal(shape), 2.0)
    rank = np.empty(noise.size)
    rank[np.argsort(noise, axis=None)] = np.linspace(0.0, 1.0, noise.size)
    rank = rank.reshape(shape)
    modulus = low * (high / low) ** rank
    modulus[rank < voids] = 0.0
    return modulus


def crushed(modulus: np.ndarray, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)):
    """A model clamped below and pressed down by 1 % from above."""
    model = VoxelModel(modulus, spacing, BONE)
    fixed = np.zeros(model.node_shape, dtype=bool)
    moved = np.zeros(model.node_shape)
    fixed[:, [0, -1]] = True
    moved[2, -1] = -0.01 * modulus.shape[0] * spacing[2]
    return model, Loading(fixed, moved)


def shelled(n: int) -> np.ndarray:
    """A waisted body with a canal in void; soft inside, 1.5 voxels of cortex around it; contrast 10 000."""
    modulus = random_moduli((n, n, n), low=2.0, high=20000.0)
    z, y, x = np.meshgrid(*(np.linspace(-1.0, 1.0, n),) * 3, indexing="ij")
    radius = np.hypot(x, y) / (0.93 - 0.12 * (1.0 - z**2))
    modulus[radius > 1.0 - 3.0 / n] = 18000.0
    modulus[radius > 1.0] = 0.0
    modulus[np.hypot(x, y - 0.2) < 0.1] = 0.0
    return modulus


def test_iterations_hardly_grow_with_the_grid() -> None:
    counts = [solve(*crushed(random_moduli((n, n, n)))).iterations for n in (12, 30)]
    assert counts[1] <= 1.5 * counts[0]
    assert counts[1] <= 10


def test_iterations_stay_bounded_at_high_contrast_in_a_thin_shell_with_voids() -> None:
    counts = [solve(*crushed(shelled(n))).iterations for n in (16, 32)]
    assert max(counts) <= 18


def test_iterations_stay_bounded_in_porous_bone() -> None:
    modulus = random_moduli((24, 24, 24), low=2.0, high=20000.0, voids=0.3)
    modulus[[0, -1]] = 300.0
    assert solve(*crushed(modulus)).iterations <= 24


@pytest.mark.parametrize("shape", [(17, 23, 29), (33, 9, 50), (1, 1, 40), (40, 1, 1), (5, 31, 16), (1, 1, 1)])
def test_any_size_converges(shape: tuple[int, int, int]) -> None:
    modulus = random_moduli(shape)
    solution = solve(*crushed(modulus), tolerance=1e-8)
    assert solution.iterations <= 30
    assert solution.relative_residual <= 2e-8
    assert solution.freedoms == 3 * np.prod([n + 1 for n in shape])
    bottom, top = solution.reaction_n[2, 0].sum(), solution.reaction_n[2, -1].sum()
    assert top < 0
    assert bottom == pytest.approx(-top, rel=1e-5)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 3.0), (0.4, 0.4, 1.0)])
def test_flat_voxels_converge(spacing: tuple[float, float, float]) -> None:
    solution = solve(*crushed(random_moduli((12, 24, 24)), spacing))
    assert solution.iterations <= 20


def test_the_number_of_threads_changes_nothing_beyond_rounding() -> None:
    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("one thread only on this machine")
    problem = crushed(random_moduli((33, 32, 35), voids=0.2))  # large enough for threads
    before = numba.get_num_threads()
    answers = []
    try:
        for threads in (1, 2):
            numba.set_num_threads(threads)
            answers.append(solve(*problem))
    finally:
        numba.set_num_threads(before)
    one, two = answers
    assert one.iterations == two.iterations
    # The sweeps give the same bits; the eigenvectors of the coarsest grid may differ in their last ones.
    for name in ("displacement_mm", "reaction_n"):
        first, second = getattr(one, name), getattr(two, name)
        assert np.abs(first - second).max() <= 1e-6 * np.abs(first).max()


def test_a_warm_start_saves_iterations_and_keeps_the_answer() -> None:
    modulus = random_moduli((20, 20, 20))
    model, loading = crushed(modulus)
    cold = solve(model, loading, tolerance=1e-8)
    softer = VoxelModel(modulus * (1.0 - 0.02 * (modulus > 5000.0)), model.spacing_mm, BONE)
    again = solve(softer, loading, tolerance=1e-8)
    warm = solve(softer, loading, tolerance=1e-8, start_mm=cold.displacement_mm)
    assert warm.iterations < again.iterations
    assert np.abs(warm.displacement_mm - again.displacement_mm).max() < 1e-6
    same = solve(model, loading, tolerance=1e-7, start_mm=cold.displacement_mm)
    assert same.iterations == 0


def test_a_start_at_the_old_ends_is_moved_to_the_new_ones() -> None:
    model, loading = crushed(random_moduli((9, 9, 9)))
    start = solve(model, loading).displacement_mm
    further = Loading(loading.fixed, 1.5 * loading.displacement_mm)
    warm = solve(model, further, tolerance=1e-9, start_mm=start)
    cold = solve(model, further, tolerance=1e-9)
    assert warm.displacement_mm == pytest.approx(cold.displacement_mm, abs=1e-8)


def test_a_scaled_problem_has_a_scaled_answer() -> None:
    model, loading = crushed(random_moduli((9, 10, 11)))
    stiffer = VoxelModel(1e3 * model.modulus_mpa, model.spacing_mm, BONE)
    a, b = solve(model, loading, tolerance=1e-9), solve(stiffer, loading, tolerance=1e-9)
    assert b.displacement_mm == pytest.approx(a.displacement_mm, abs=1e-9)
    assert b.reaction_n == pytest.approx(1e3 * a.reaction_n, abs=1e-6 * np.abs(b.reaction_n).max())


def test_an_unloaded_model_stays_where_it_is() -> None:
    model, loading = crushed(random_moduli((6, 5, 4)))
    still = solve(model, Loading(loading.fixed, np.zeros(model.node_shape)))
    assert still.iterations == 0
    assert still.relative_residual == 0.0
    assert not still.displacement_mm.any()
    assert not still.reaction_n.any()


def test_a_model_that_nothing_holds_or_loads_stays_where_it_is() -> None:
    model = VoxelModel(random_moduli((5, 5, 5)), (1.0, 1.0, 1.0), BONE)
    free = Loading(np.zeros(model.node_shape, dtype=bool), np.zeros(model.node_shape))
    solution = solve(model, free)
    assert solution.loose_elements == 125
    assert not solution.displacement_mm.any()


def with_hole(n: int) -> np.ndarray:
    modulus = random_moduli((n, n, n))
    modulus[5:13, 5:13, 5:13] = 0.0
    return modulus


def test_a_loose_piece_is_left_out_and_counted() -> None:
    empty, filled = with_hole(18), with_hole(18)
    filled[7:11, 7:11, 7:11] = 5000.0
    model, loading = crushed(filled)
    solution, wanted = solve(model, loading), solve(*crushed(empty))
    assert solution.loose_elements == 64
    assert wanted.loose_elements == 0
    assert solution.displacement_mm.tobytes() == wanted.displacement_mm.tobytes()

    force = np.zeros(model.node_shape)
    force[2, 9, 9, 9] = 1.0
    with pytest.raises(UsageError, match="nothing holds"):
        solve(model, Loading(loading.fixed, loading.displacement_mm, force))


def test_pieces_meet_at_a_corner() -> None:
    modulus = np.zeros((4, 4, 4))
    modulus[0, 0, 0] = modulus[1, 1, 1] = modulus[3, 3, 3] = 1.0
    fixed = np.zeros((3, 5, 5, 5), dtype=bool)
    assert np.argwhere(loose_elements(modulus, fixed)).tolist() == [[0, 0, 0], [1, 1, 1], [3, 3, 3]]
    fixed[1, 0, 0, 1] = True
    assert np.argwhere(loose_elements(modulus, fixed)).tolist() == [[3, 3, 3]]


@pytest.mark.parametrize("touching", ["edge", "corner", "lone edge inside"])
def test_bone_that_hangs_on_an_edge_or_a_corner_converges(touching: str) -> None:
    modulus = np.zeros((20, 18, 19))
    if touching == "lone edge inside":
        modulus[:] = with_hole(20)[:, :18, :19]
        modulus[13:, 13:, :] = 0.0
        modulus[12, 12, 6:12] = 0.0
        modulus[9:12, 5:8, 7:9] = 9000.0  # hangs on an edge in the hole
    else:
        modulus[:10, :9, :9] = 900.0
        modulus[10:, 9:, (slice(9, None) if touching == "corner" else slice(0, 9))] = 1200.0
    solution = solve(*crushed(modulus))
    assert np.isfinite(solution.displacement_mm).all()
    assert np.abs(solution.displacement_mm).max() < 2.0
    assert solution.reaction_n[2, 0].sum() == pytest.approx(-solution.reaction_n[2, -1].sum(), rel=1e-4)


def test_a_motion_without_resistance_is_an_error() -> None:
    model = VoxelModel(np.full((4, 4, 4), 100.0), (1.0, 1.0, 1.0), BONE)
    fixed = np.zeros(model.node_shape, dtype=bool)
    fixed[2, 0] = True  # may slide
    force = np.zeros(model.node_shape)
    force[0, 2, 2, 2] = 1.0
    with pytest.raises(ConvergenceError):
        solve(model, Loading(fixed, np.zeros(model.node_shape), force))


def test_sliding_ends_without_a_pin_still_give_the_force() -> None:
    model = VoxelModel(np.full((10, 6, 6), 100.0), (1.0, 1.0, 1.0), BONE)
    fixed = np.zeros(model.node_shape, dtype=bool)
    moved = np.zeros(model.node_shape)
    fixed[2, [0, -1]] = True
    moved[2, -1] = -0.1
    solution = solve(model, Loading(fixed, moved), tolerance=1e-9)
    assert -solution.reaction_n[2, -1].sum() == pytest.approx(100.0 * 36 / 10 * 0.1, rel=1e-6)


def test_too_few_iterations_are_an_error() -> None:
    with pytest.raises(ConvergenceError) as caught:
        solve(*crushed(random_moduli((16, 16, 16))), tolerance=1e-10, max_iterations=2)
    assert caught.value.exit_code == 6
    assert caught.value.code == "solver-not-converged"
    assert "after 2 iterations" in caught.value.what


@pytest.mark.parametrize("kind", ["negative", "nan", "infinite", "huge", "tiny", "void", "flat", "empty"])
def test_unusable_moduli_are_refused(kind: str) -> None:
    modulus = np.full((3, 4, 5), 100.0)
    if kind == "flat":
        modulus = modulus[0]
    elif kind == "empty":
        modulus = modulus[:0]
    elif kind == "void":
        modulus[:] = 0.0
    else:
        modulus[1, 1, 1] = {"negative": -1.0, "nan": np.nan, "infinite": np.inf, "huge": 1e39, "tiny": 1e-40}[
            kind
        ]
    with pytest.raises(UsageError) as caught:
        VoxelModel(modulus, (1.0, 1.0, 1.0), BONE)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("spacing", [(1.0, 0.0, 1.0), (1.0, -1.0, 1.0), (1.0, 1.0, float("nan")), (1.0, 1.0)])
def test_unusable_voxel_sizes_are_refused(spacing: tuple[float, float, float]) -> None:
    with pytest.raises(UsageError):
        VoxelModel(np.ones((2, 2, 2)), spacing, BONE)


@pytest.mark.parametrize("part", ["fixed", "displacement_mm", "force_n", "start_mm"])
def test_wrong_shapes_are_refused_by_name(part: str) -> None:
    model, loading = crushed(np.ones((3, 3, 3)))
    given = {"fixed": loading.fixed, "displacement_mm": loading.displacement_mm, "force_n": None}
    wrong = np.zeros((3, 3, 3, 3), dtype=bool if part == "fixed" else float)
    start = wrong if part == "start_mm" else None
    if start is None:
        given[part] = wrong
    with pytest.raises(UsageError, match=part):
        solve(model, Loading(**given), start_mm=start)


@pytest.mark.parametrize("part", ["displacement_mm", "force_n", "start_mm"])
def test_values_that_are_no_numbers_are_refused(part: str) -> None:
    model, loading = crushed(np.ones((3, 3, 3)))
    given = {"fixed": loading.fixed, "displacement_mm": loading.displacement_mm, "force_n": None}
    broken = np.zeros(model.node_shape)
    broken[0, 1, 1, 1] = np.nan
    start = broken if part == "start_mm" else None
    if start is None:
        given[part] = broken
    with pytest.raises(UsageError, match=part):
        solve(model, Loading(**given), start_mm=start)


def test_what_is_fixed_must_be_true_or_false() -> None:
    model, loading = crushed(np.ones((3, 3, 3)))
    with pytest.raises(UsageError, match="true or false"):
        solve(model, Loading(loading.fixed.astype(int), loading.displacement_mm))


@pytest.mark.parametrize("free_motions", [0, 3])
def test_the_coarsest_grid_is_inverted_but_for_its_rigid_motions(free_motions: int) -> None:
    drawn = np.random.default_rng(4).normal(size=(30, 30))
    values, vectors = np.linalg.eigh(drawn @ drawn.T)
    values[:free_motions] = 0.0
    values[free_motions:] += 0.01 * values[-1]
    matrix = (vectors * values) @ vectors.T
    found = pseudo_inverse(matrix)
    expected = np.linalg.pinv(matrix, hermitian=True, rcond=1e-8)
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-6 * float(np.abs(expected).max()))
    assert np.abs(found @ vectors[:, :free_motions]).max(initial=0.0) < 1e-5 * np.abs(expected).max()
    force, moved = drawn[0].astype(np.float32), np.zeros(30, np.float32)
    multiply(found, force, moved)
    assert moved == pytest.approx(found @ force, rel=1e-4, abs=1e-5 * float(np.abs(found).max()))
