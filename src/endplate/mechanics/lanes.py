"""Explicit vectors for compiled kernels: one 512-bit register of sixteen float32 or eight float64 lanes.

The compiler does not find the vectors of the element kernel by itself: too many rows could overlap. Machines with
narrower registers run the same code in several steps.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import extending, types
from numba.core.typing import templates

_Type: Any = types.Type
_Template: Any = templates.ConcreteTemplate
_PrimitiveModel: Any = extending.models.PrimitiveModel
_float32: Any = types.float32
_float64: Any = types.float64
_signature: Any = templates.signature
_infer_global: Any = templates.infer_global
_lower_builtin: Any = extending.lower_builtin
_register_model: Any = extending.register_model

FLAGS = ("nnan", "ninf", "nsz", "arcp", "contract", "afn", "reassoc")
"""Arithmetic may be contracted and reordered within a lane; every run does it in the same way."""

WIDTH = 16
"""Lanes of float32; rows of nodes are padded to multiples of it."""


class Lanes(_Type):  # type: ignore[misc]
    """Compiled type of a vector of lanes."""

    def __init__(self, element: Any, count: int) -> None:
        self.element = element
        self.count = count
        super().__init__(name=f"Lanes({element} x {count})")


SINGLE = Lanes(_float32, WIDTH)
DOUBLE = Lanes(_float64, WIDTH // 2)
_LANES_OF = {_float32: SINGLE, _float64: DOUBLE}


def _ir_type(lanes: Lanes) -> Any:
    return ir.VectorType(ir.FloatType() if lanes.element == _float32 else ir.DoubleType(), lanes.count)


def _mask(picks: list[int]) -> Any:
    return ir.Constant(ir.VectorType(ir.IntType(32), len(picks)), picks)


@_register_model(Lanes)
class _LanesModel(_PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Lanes) -> None:
        super().__init__(manager, kind, _ir_type(kind))


def _built_in(body: Callable[..., Any]) -> Any:
    """Decorator: a function of kernels that is written as instructions."""
    return extending.intrinsic(body)


def _register(symbol: Any, instruction: str) -> None:
    """Give an arithmetic operator its meaning for lanes."""

    @_infer_global(symbol)
    class _Typing(_Template):  # type: ignore[misc]
        cases = [_signature(SINGLE, SINGLE, SINGLE), _signature(DOUBLE, DOUBLE, DOUBLE)]  # noqa: RUF012

    def lower(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return getattr(builder, instruction)(args[0], args[1], flags=FLAGS)

    for kind in (SINGLE, DOUBLE):
        _lower_builtin(symbol, kind, kind)(lower)


_register(operator.add, "fadd")
_register(operator.sub, "fsub")
_register(operator.mul, "fmul")


def _address(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    lanes = _LANES_OF[kind.dtype]
    start = builder.gep(context.make_array(kind)(context, builder, array).data, [index])
    return builder.bitcast(start, _ir_type(lanes).as_pointer())


@_built_in
def load(_typing: Any, array: Any, _index: Any) -> Any:
    """Lanes of a flat contiguous array from an index on; the array must reach that far."""
    lanes = _LANES_OF[array.dtype]

    def generate(context: Any, builder: Any, made: Any, args: Any) -> Any:
        address = _address(context, builder, made.args[0], args[0], args[1])
        return builder.load(address, align=array.dtype.bitwidth // 8, typ=_ir_type(lanes))

    return lanes(array, types.intp), generate


@_built_in
def load_widened(_typing: Any, array: Any, _index: Any) -> Any:
    """Lanes in double precision of a flat contiguous array in single precision."""

    def generate(context: Any, builder: Any, made: Any, args: Any) -> Any:
        start = builder.gep(context.make_array(made.args[0])(context, builder, args[0]).data, [args[1]])
        half = ir.VectorType(ir.FloatType(), DOUBLE.count)
        values = builder.load(builder.bitcast(start, half.as_pointer()), align=4, typ=half)
        return builder.fpext(values, _ir_type(DOUBLE))

    return DOUBLE(array, types.intp), generate


@_built_in
def store(_typing: Any, array: Any, _index: Any, lanes: Any) -> Any:
    """Write lanes to a flat contiguous array from an index on; the array must reach that far."""

    def generate(context: Any, builder: Any, made: Any, args: Any) -> Any:
        address = _address(context, builder, made.args[0], args[0], args[1])
        builder.store(args[2], address, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), generate


@_built_in
def fill(_typing: Any, number: Any) -> Any:
    """Lanes that all hold one number."""
    lanes = _LANES_OF[number]

    def generate(_context: Any, builder: Any, _made: Any, args: Any) -> Any:
        empty = ir.Constant(_ir_type(lanes), ir.Undefined)
        first = builder.insert_element(empty, args[0], ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(first, empty, _mask([0] * lanes.count))

    return lanes(number), generate


@_built_in
def add_up(_typing: Any, lanes: Any) -> Any:
    """Sum of the lanes, halves onto halves."""

    def generate(_context: Any, builder: Any, _made: Any, args: Any) -> Any:
        total, count = args[0], lanes.count
        while count > 1:
            count //= 2
            low, high = (_mask(list(range(first, first + count))) for first in (0, count))
            halves = [builder.shuffle_vector(total, total, picks) for picks in (low, high)]
            total = builder.fadd(*halves)
        return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))

    return lanes.element(lanes), generate


@_built_in
def moved_up(_typing: Any, before: Any, here: Any) -> Any:
    """``here`` moved up by one lane; the lane that gets free takes the last of ``before``."""

    def generate(_context: Any, builder: Any, _made: Any, args: Any) -> Any:
        picks = [here.count - 1 + lane for lane in range(here.count)]
        return builder.shuffle_vector(args[0], args[1], _mask(picks))

    return here(before, here), generate


@_built_in
def top_lane(_typing: Any, lanes: Any) -> Any:
    """The last lane."""

    def generate(_context: Any, builder: Any, _made: Any, args: Any) -> Any:
        return builder.extract_element(args[0], ir.Constant(ir.IntType(32), lanes.count - 1))

    return lanes.element(lanes), generate


@_built_in
def where_positive(_typing: Any, guard: Any, lanes: Any) -> Any:
    """``lanes`` where those of ``guard`` are greater than 0, else 0."""

    def generate(_context: Any, builder: Any, _made: Any, args: Any) -> Any:
        nothing = ir.Constant(_ir_type(lanes), None)
        return builder.select(builder.fcmp_ordered(">", args[0], nothing), args[1], nothing)

    return lanes(guard, lanes), generate
