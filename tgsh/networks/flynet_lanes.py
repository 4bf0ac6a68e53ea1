"""FlyNet's two inner products in explicit vectors (LLVM, by numba): 32 images side by side, unit after unit.

The compiler's own vectoriser keeps what it adds up in memory. Written out, the sums of a group of classes
stay in registers over all units, and both products run at the speed of the arithmetic. LLVM splits or
joins the vectors as the processor has them; the order of every sum is the same everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 32
"""Images that are worked on side by side: with them a block's sums of pixels stay in a core's cache."""

UNROLLED = 8
"""Units whose gradients are summed up together; the number of units is a multiple of it."""

Value = Any  # ir.Value; llvmlite has no types
_F32, _I32 = ir.FloatType(), ir.IntType(32)


def _written_out(function: Callable[..., Any]) -> Any:
    """An intrinsic; the context, its first argument, is numba's to pass."""
    return intrinsic(function)


@_written_out
def transpose(_: Any, images: Any, rows: Any, first: Any, table: Any) -> Any:
    """table[first + d, b] = images[rows[b] + first + d] for d < LANES: pixels of LANES images side by side.

    images flat, uint8, or float32 from 0 to 1; rows int64 [LANES], where images begin; table flat, of the
    same type, from 0 to 255.
    """

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> Value:
        data = _pointers(context, builder, signature, values)
        tile = [
            _load(builder, data[0], builder.add(_scalar(builder, data[1], ir.IntType(64)(lane)), values[2]))
            for lane in range(LANES)
        ]
        for _ in range(LANES.bit_length() - 1):  # perfect shuffles; so many of them transpose a square
            pairs = zip(tile[: LANES // 2], tile[LANES // 2 :], strict=True)
            tile = [half for pair in pairs for half in _interleaved(builder, *pair)]
        for place, row in enumerate(tile):
            if table.dtype == types.float32:
                row = builder.fmul(row, _floats(LANES)([255.0] * LANES))
            start = builder.mul(builder.add(values[2], values[2].type(place)), values[2].type(LANES))
            _store(builder, row, data[3], start)
        return context.get_dummy_value()

    return types.void(images, rows, first, table), generate


@_written_out
def average(_: Any, pixels: Any, units: Any, degrees: Any, table: Any, mean: Any) -> Any:
    """mean[b] = Σ_d degrees[d]·table[d, b] / units: of each image's sums, over all units.

    degrees float64 [pixels], of how many units each pixel is an input: exact until the division, for bytes.
    """

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> Value:
        data = _pointers(context, builder, signature, values)
        wide = ir.VectorType(ir.DoubleType(), LANES)
        convert = builder.fpext if table.dtype == types.float32 else builder.uitofp
        total = cgutils.alloca_once_value(builder, wide(None))
        with cgutils.for_range(builder, values[0]) as loop:
            row = convert(_load(builder, data[3], builder.mul(loop.index, loop.index.type(LANES))), wide)
            degree = _spread(builder, _scalar(builder, data[2], loop.index))
            builder.store(_add_product(builder, row, degree, builder.load(total)), total)
        count = _spread(builder, builder.sitofp(values[1], ir.DoubleType()))
        mean_of = builder.fptrunc(builder.fdiv(builder.load(total), count), _floats(LANES))
        _store(builder, mean_of, data[4], 0)
        return context.get_dummy_value()

    return types.void(pixels, units, degrees, table, mean), generate


@_written_out
def sum_pixels(_: Any, units: Any, fan_in: Any, table: Any, wiring: Any, sums: Any) -> Any:
    """sums[h] = Σ_i table[wiring[h, i]]: Ax of LANES images.

    Flat and contiguous: table [pixels + 1, LANES] uint8 and sums [units, LANES] int16, or both float32;
    wiring int32 [units, fan_in], where each row of the table begins. A fan-in of 128 bytes fits 16 bits.
    """

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> Value:
        data = _pointers(context, builder, signature, values)
        add = builder.fadd if table.dtype == types.float32 else builder.add
        nothing = ir.VectorType(data[4].type.pointee, LANES)(None)
        with cgutils.for_range(builder, values[0]) as unit:
            total = cgutils.alloca_once(builder, nothing.type)
            builder.store(nothing, total)
            first = builder.mul(unit.index, values[1])
            with cgutils.for_range(builder, values[1]) as one:
                begin = _scalar(builder, data[3], builder.add(first, one.index))
                row = _load(builder, data[2], builder.zext(begin, ir.IntType(64)))
                row = row if table.dtype == sums.dtype else builder.zext(row, nothing.type)
                builder.store(add(builder.load(total), row), total)
            _store(builder, builder.load(total), data[4], builder.mul(unit.index, unit.index.type(LANES)))
        return context.get_dummy_value()

    return types.void(units, fan_in, table, wiring, sums), generate


@_written_out
def add_logits(
    _: Any, group: Any, units: Any, sums: Any, mean: Any, v: Any, weights: Any, logits: Any
) -> Any:
    """logits[k] += Σ_h weights[h, k]·v[h]·ReLU(sums[h] − mean) for a group of classes, a tuple as long as it.

    All arrays are flat and contiguous: sums [units, LANES] int16 or float32; others float32: mean [LANES],
    v [units], weights [units, group], logits [group, LANES].
    """

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> Value:
        data = _pointers(context, builder, signature, values)
        means = _load(builder, data[3], 0)
        totals = [cgutils.alloca_once_value(builder, _floats(LANES)(None)) for _ in range(group.count)]
        with cgutils.for_range(builder, values[1]) as loop:
            phi = _features(builder, data[2], loop.index, means)
            phi = builder.fmul(phi, _spread(builder, _scalar(builder, data[4], loop.index)))
            first = builder.mul(loop.index, loop.index.type(group.count))
            for place, total in enumerate(totals):
                weight = _scalar(builder, data[5], builder.add(first, first.type(place)))
                builder.store(
                    _add_product(builder, _spread(builder, weight), phi, builder.load(total)), total
                )
        for place, total in enumerate(totals):
            before = _load(builder, data[6], place * LANES)
            _store(builder, builder.fadd(before, builder.load(total)), data[6], place * LANES)
        return context.get_dummy_value()

    return types.void(group, units, sums, mean, v, weights, logits), generate


@_written_out
def add_gradient(
    _: Any, group: Any, units: Any, sums: Any, mean: Any, errors: Any, weights: Any, gradient: Any
) -> Any:
    """gradient[h] += Σ_b ReLU(sums[h, b] − mean[b]) Σ_k weights[h, k]·errors[k, b], of a group of classes.

    Arrays as for add_logits, errors [group, LANES] and gradient [units] float32.
    """

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> Value:
        data = _pointers(context, builder, signature, values)
        means = _load(builder, data[3], 0)
        wrongs = [_load(builder, data[4], place * LANES) for place in range(group.count)]

        def parts(unit: Value) -> Value:
            phi = _features(builder, data[2], unit, means)
            first = builder.mul(unit, unit.type(group.count))
            blame: Value = _floats(LANES)(None)
            for place, wrong in enumerate(wrongs):
                weight = _scalar(builder, data[5], builder.add(first, first.type(place)))
                blame = _add_product(builder, _spread(builder, weight), wrong, blame)
            return builder.fmul(blame, phi)

        step = values[1].type(UNROLLED)
        with cgutils.for_range_slice(builder, step.type(0), values[1], step, inc=True) as (unit, _count):
            units_here = [builder.add(unit, unit.type(place)) for place in range(UNROLLED)]
            summed = _sums(builder, [partial(parts, one) for one in units_here])
            _store(builder, builder.fadd(_load(builder, data[6], unit, UNROLLED), summed), data[6], unit)
        return context.get_dummy_value()

    return types.void(group, units, sums, mean, errors, weights, gradient), generate


def _pointers(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> list[Value]:
    """Where each array's numbers begin; None for what is no array."""
    return [
        context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else None
        for kind, value in zip(signature.args, values, strict=True)
    ]


def _floats(width: int) -> ir.VectorType:
    return ir.VectorType(_F32, width)


def _load(builder: ir.IRBuilder, data: Value, start: Value | int, width: int = LANES) -> Value:
    kind = ir.VectorType(data.type.pointee, width)
    loaded = builder.load(_at(builder, data, start, kind))
    loaded.align = _alignment(data)
    return loaded


def _store(builder: ir.IRBuilder, vector: Value, data: Value, start: Value | int) -> None:
    builder.store(vector, _at(builder, data, start, vector.type)).align = _alignment(data)


def _alignment(data: Value) -> int:
    return {ir.IntType(8): 1, ir.IntType(16): 2}.get(data.type.pointee, 4)


def _at(builder: ir.IRBuilder, data: Value, start: Value | int, kind: ir.Type) -> Value:
    place = ir.IntType(64)(start) if isinstance(start, int) else start
    return builder.bitcast(builder.gep(data, [place]), kind.as_pointer())


def _scalar(builder: ir.IRBuilder, data: Value, place: Value) -> Value:
    return builder.load(builder.gep(data, [place]))


def _spread(builder: ir.IRBuilder, number: Value) -> Value:
    """The number in every lane."""
    one = builder.insert_element(ir.Constant(ir.VectorType(number.type, 1), ir.Undefined), number, _I32(0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES))


def _features(builder: ir.IRBuilder, sums: Value, unit: Value, means: Value) -> Value:
    """ReLU(sums[unit] − mean); what is not a number stays so."""
    row = _load(builder, sums, builder.mul(unit, unit.type(LANES)))
    if row.type.element != _F32:
        row = builder.sitofp(row, _floats(LANES))
    difference = builder.fsub(row, means)
    zero = _floats(LANES)(None)
    return builder.select(builder.fcmp_ordered(">", zero, difference), zero, difference)


def _add_product(builder: ir.IRBuilder, left: Value, right: Value, total: Value) -> Value:
    """left·right + total, rounded once where the processor can."""
    fused = ("contract",)
    return builder.fadd(builder.fmul(left, right, flags=fused), total, flags=fused)


def _interleaved(builder: ir.IRBuilder, left: Value, right: Value) -> tuple[Value, Value]:
    """The lanes of both in turn, the lower half of them and the upper."""
    count = left.type.count
    turns = [place for lane in range(count) for place in (lane, lane + count)]
    lower, upper = (
        builder.shuffle_vector(left, right, ir.Constant(ir.VectorType(_I32, count), half))
        for half in (turns[:count], turns[count:])
    )
    return lower, upper


def _sums(builder: ir.IRBuilder, parts: list[Callable[[], Value]]) -> Value:
    """The sum of every part's lanes, a vector as long as the list (a power of two).

    Parts are made one after the other and folded pairwise as soon as two are there: few registers.
    """
    folded = _folded(builder, parts, LANES)
    while folded.type.count > len(parts):
        folded = _halved(builder, folded, folded, folded.type.count // len(parts), once=True)
    return folded


def _folded(builder: ir.IRBuilder, parts: list[Callable[[], Value]], width: int) -> Value:
    """Partial sums of every part in order, equally many each, in a vector of `width` lanes."""
    if len(parts) == 1:
        return parts[0]()
    middle = len(parts) // 2
    left, right = (_folded(builder, half, width) for half in (parts[:middle], parts[middle:]))
    return _halved(builder, left, right, width // middle, once=False)


def _halved(builder: ir.IRBuilder, left: Value, right: Value, each: int, *, once: bool) -> Value:
    """Runs of `each` lanes become half as long, adding their halves: of left, then of right if not once."""
    count = left.type.count * (1 if once else 2)
    starts = range(0, count, each)
    lower = [start + lane for start in starts for lane in range(each // 2)]
    masks = [
        ir.Constant(ir.VectorType(_I32, len(lower)), [lane + shift for lane in lower])
        for shift in (0, each // 2)
    ]
    return builder.fadd(*(builder.shuffle_vector(left, right, mask) for mask in masks))
