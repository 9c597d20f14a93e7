"""The two inner steps of the projector as vector instructions: sixteen float32 lanes each.

The compiler does not find these vectors by itself: sixteen rows that might overlap the sum are too many for it.
Machines with registers narrower than 512 bits run the same code in several steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import extending, types

WIDTH = 16
"""Lanes of a vector."""

BLOCK = 64
"""Columns of the sum that are worked on together."""

FUSED = 8
"""Planes of the volume that are added in one pass over the sum."""

FLAGS = ("nnan", "ninf", "nsz", "arcp", "contract", "afn", "reassoc")
"""Arithmetic may be contracted within a lane; every run does it in the same way."""

_FLOAT = ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, WIDTH)
_INT32 = ir.IntType(32)
_UNDEFINED = ir.Constant(_VECTOR, ir.Undefined)
_types: Any = types


def _built_in(body: Callable[..., Any]) -> Any:
    """Decorator: a function of kernels that is written as instructions."""
    return extending.intrinsic(body)


def _mask(picks: list[int]) -> Any:
    return ir.Constant(ir.VectorType(_INT32, WIDTH), picks)


def _start(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    return builder.gep(context.make_array(kind)(context, builder, array).data, [index])


def _step(builder: Any, pointer: Any, count: int) -> Any:
    return builder.gep(pointer, [ir.Constant(ir.IntType(64), count)])


def _load(builder: Any, pointer: Any) -> Any:
    return builder.load(builder.bitcast(pointer, _VECTOR.as_pointer()), align=4)


def _store(builder: Any, vector: Any, pointer: Any) -> None:
    builder.store(vector, builder.bitcast(pointer, _VECTOR.as_pointer()), align=4)


def _filled(builder: Any, number: Any) -> Any:
    first = builder.insert_element(_UNDEFINED, number, ir.Constant(_INT32, 0))
    return builder.shuffle_vector(first, _UNDEFINED, _mask([0] * WIDTH))


def _fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    return builder.fadd(builder.fmul(a, b, flags=FLAGS), c, flags=FLAGS)


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """Sixteen vectors, rows to columns: first within quarters of a register, then whole quarters."""

    def within(a: Any, b: Any, picks: tuple[int, int, int, int]) -> Any:
        # Lane picks below 4 take from ``a``, others from ``b``, in each quarter alike.
        lanes = [(p if p < 4 else p - 4 + WIDTH) + 4 * quarter for quarter in range(4) for p in picks]
        return builder.shuffle_vector(a, b, _mask(lanes))

    def quarters(a: Any, b: Any, picks: tuple[int, int, int, int]) -> Any:
        return builder.shuffle_vector(a, b, _mask([4 * p + lane for p in picks for lane in range(4)]))

    mixed: list[list[Any]] = []
    for g in range(0, WIDTH, 4):
        a, b = within(rows[g], rows[g + 1], (0, 4, 1, 5)), within(rows[g], rows[g + 1], (2, 6, 3, 7))
        c, d = within(rows[g + 2], rows[g + 3], (0, 4, 1, 5)), within(rows[g + 2], rows[g + 3], (2, 6, 3, 7))
        mixed.append([within(x, y, p) for x, y in ((a, c), (b, d)) for p in ((0, 1, 4, 5), (2, 3, 6, 7))])
    columns: list[Any] = [None] * WIDTH
    for e in range(4):
        q = [group[e] for group in mixed]
        for half in range(2):
            picks = (2 * half, 2 * half + 1, 4 + 2 * half, 5 + 2 * half)
            first, second = quarters(q[0], q[1], picks), quarters(q[2], q[3], picks)
            for part in range(2):
                columns[4 * (2 * half + part) + e] = quarters(
                    first, second, (part, part + 2, part + 4, part + 6)
                )
    return columns


def _blended(builder: Any, here: Any, row: Any, ahead: Any) -> tuple[Any, Any]:
    """Vectors of two rows of voxels; half way to the next plane where ``ahead`` is its distance."""
    pair = [_load(builder, here), _load(builder, builder.gep(here, [row]))]
    if ahead is not None:
        beyond = builder.gep(here, [ahead])
        half = ir.Constant(_VECTOR, [0.5] * WIDTH)
        for n, place in enumerate((beyond, builder.gep(beyond, [row]))):
            both = builder.fadd(pair[n], _load(builder, place), flags=FLAGS)
            pair[n] = builder.fmul(half, both, flags=FLAGS)
    return pair[0], pair[1]


def _blend(context: Any, builder: Any, kinds: Any, args: Any, ahead: Any) -> Any:
    offsets = _start(context, builder, kinds[1], args[1], args[3])
    weights = _start(context, builder, kinds[2], args[2], args[3])
    found = []
    for lane in range(WIDTH):
        place = builder.add(builder.load(_step(builder, offsets, lane)), args[5])
        low, high = _blended(builder, _start(context, builder, kinds[0], args[0], place), args[4], ahead)
        share = _filled(builder, builder.load(_step(builder, weights, lane)))
        found.append(_fma(builder, share, builder.fsub(high, low, flags=FLAGS), low))
    target = _start(context, builder, kinds[6], args[6], args[7])
    for lane, column in enumerate(_transposed(builder, found)):
        _store(builder, column, _step(builder, target, lane * BLOCK))
    return context.get_dummy_value()


@_built_in
def blend_columns(
    _typing: Any, volume: Any, where: Any, weight: Any, _u: Any, _row: Any, _f: Any, rows: Any, _to: Any
) -> Any:
    """Interpolate sixteen columns between two rows of a plane and write them transposed.

    ``rows[to + BLOCK * z + c] ← (1 − weight[u + c])·volume[where[u + c] + f + z] + weight[u + c]·volume[… + row]``
    for lanes c and z below 16. All arrays are flat and contiguous.
    """

    def generate(context: Any, builder: Any, made: Any, args: Any) -> Any:
        return _blend(context, builder, made.args, args, None)

    intp = _types.intp
    return _types.void(volume, where, weight, intp, intp, intp, rows, intp), generate


@_built_in
def blend_between(
    _typing: Any,
    volume: Any,
    where: Any,
    weight: Any,
    _u: Any,
    _row: Any,
    _f: Any,
    rows: Any,
    _to: Any,
    _ahead: Any,
) -> Any:
    """As ``blend_columns``, half way between a plane and the one that stands ``ahead`` voxels further in memory."""

    def generate(context: Any, builder: Any, made: Any, args: Any) -> Any:
        return _blend(context, builder, made.args, args, args[8])

    intp = _types.intp
    return _types.void(volume, where, weight, intp, intp, intp, rows, intp, intp), generate


@_built_in
def add_rows(_typing: Any, total: Any, _at: Any, rows: Any, where: Any, weight: Any, _t: Any) -> Any:
    """Add interpolated rows of all fused planes to one row of the sum.

    ``total[at + c]`` grows by the sum over k of ``weight[2(t + k)]·rows[where[t + k] + c]`` and
    ``weight[2(t + k) + 1]·rows[where[t + k] + BLOCK + c]``, for c below ``BLOCK`` and k below ``FUSED``. All arrays
    are flat and contiguous.
    """

    def generate(context: Any, builder: Any, made: Any, args: Any) -> Any:
        kinds = made.args
        offsets = _start(context, builder, kinds[3], args[3], args[5])
        twice = builder.add(args[5], args[5])
        weights = _start(context, builder, kinds[4], args[4], twice)
        places, shares = [], []
        for k in range(FUSED):
            place = builder.sext(builder.load(_step(builder, offsets, k)), ir.IntType(64))
            places.append(_start(context, builder, kinds[2], args[2], place))
            shares += [
                _filled(builder, builder.load(_step(builder, weights, 2 * k + side))) for side in range(2)
            ]
        target = _start(context, builder, kinds[0], args[0], args[1])
        for first in range(0, BLOCK, WIDTH):
            at = _step(builder, target, first)
            sums = [_load(builder, at), None]
            for k in range(FUSED):
                for side in range(2):
                    values = _load(builder, _step(builder, places[k], first + side * BLOCK))
                    so_far = sums[side]
                    sums[side] = (
                        builder.fmul(shares[2 * k + side], values, flags=FLAGS)
                        if so_far is None
                        else _fma(builder, shares[2 * k + side], values, so_far)
                    )
            _store(builder, builder.fadd(sums[0], sums[1], flags=FLAGS), at)
        return context.get_dummy_value()

    intp = _types.intp
    return _types.void(total, intp, rows, where, weight, intp), generate
