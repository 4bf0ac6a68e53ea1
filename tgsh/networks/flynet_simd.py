"""Explicit SIMD loops in LLVM for the fused FlyNet."""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import partial, reduce
from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 32
"""Images that are worked on side by side: with them a block's sums of pixels stay in a core's cache."""

ABREAST = 16
"""Lanes whose gradients are summed up together: with more, errors and sums do not fit a core's registers."""

UNROLLED = 8
"""Units whose gradients are summed up together; the number of units is a multiple of it."""

Value = Any  # ir.Value; llvmlite has no types
_F32, _I32 = ir.FloatType(), ir.IntType(32)


def instruction_set() -> str:
    """The widest vectors of this processor that compiled code uses, in the words of torch's records.

    Returns
    -------
    str
        "AVX512", "AVX2" or "NO AVX"; "DEFAULT" where the processor is none of Intel's architecture.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return "DEFAULT"
    features = binding.get_host_cpu_features()
    if all(features.get(name) for name in ("avx512vl", "avx512bw", "avx512dq", "fma")):
        return "AVX512"
    return "AVX2" if features.get("avx2") and features.get("fma") else "NO AVX"


def _intrinsic(function: Callable[..., Any]) -> Any:
    """An instruction for compiled functions; numba itself passes the first argument."""
    return intrinsic(function)


@_intrinsic
def transpose(_: Any, images: Any, rows: Any, first: Any, table: Any) -> Any:
    """table[first + d, b] = images[rows[b] + first + d] for d < LANES: pixels of LANES images side by side.

    images uint8, or float32 from 0 to 1; rows int64 [LANES], where images begin; table of the same type,
    from 0 to 255.
    """

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> Value:
        pixels, begins, _, out = _pointers(context, builder, signature, values)
        places = [_scalar(builder, begins, ir.IntType(64)(lane)) for lane in range(LANES)]
        tile = [_load(builder, pixels, builder.add(place, values[2])) for place in places]
        for _ in range(LANES.bit_length() - 1):  # perfect shuffles; so many of them transpose a square
            pairs = zip(tile[: LANES // 2], tile[LANES // 2 :], strict=True)
            tile = [half for pair in pairs for half in _interleaved(builder, *pair)]
        for place, row in enumerate(tile):
            if table.dtype == types.float32:
                row = builder.fmul(row, _floats(LANES)([255.0] * LANES))
            start = builder.mul(builder.add(values[2], values[2].type(place)), values[2].type(LANES))
            _store(builder, row, out, start)
        return context.get_dummy_value()

    return types.void(images, rows, first, table), generate


@_intrinsic
def average(_: Any, pixels: Any, units: Any, degrees: Any, table: Any, mean: Any) -> Any:
    """mean[b] = Σ_d degrees[d]·table[d, b] / units: of each image's sums, over all units.

    degrees float64 [pixels], of how many units each pixel is an input: exact until the division, for bytes.
    """

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> Value:
        _, _, weights, rows, out = _pointers(context, builder, signature, values)
        wide = ir.VectorType(ir.DoubleType(), LANES)
        convert = builder.fpext if table.dtype == types.float32 else builder.uitofp
        total = cgutils.alloca_once_value(builder, wide(None))
        with cgutils.for_range(builder, values[0]) as loop:
            row = convert(_load(builder, rows, builder.mul(loop.index, loop.index.type(LANES))), wide)
            degree = _spread(builder, _scalar(builder, weights, loop.index))
            builder.store(_add_product(builder, row, degree, builder.load(total)), total)
        count = _spread(builder, builder.sitofp(values[1], ir.DoubleType()))
        mean_of = builder.fptrunc(builder.fdiv(builder.load(total), count), _floats(LANES))
        _store(builder, mean_of, out, 0)
        return context.get_dummy_value()

    return types.void(pixels, units, degrees, table, mean), generate


@_intrinsic
def sum_pixels(_: Any, inputs: Any, units: Any, table: Any, wiring: Any, sums: Any) -> Any:
    """sums[h] = Σ_i table[wiring[h, i]]: Ax of LANES images, i < fan_in, which is how long the tuple is.

    table [pixels + 1, LANES] uint8 and sums [units, LANES] int16, where 128 bytes fit, or both float32;
    wiring int32 [units, fan_in], where rows of the table begin.
    """

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> Value:
        _, _, rows, begins, out = _pointers(context, builder, signature, values)
        add = builder.fadd if table.dtype == types.float32 else builder.add
        nothing = ir.VectorType(out.type.pointee, LANES)(None)
        with cgutils.for_range(builder, values[1]) as unit:
            total = cgutils.alloca_once(builder, nothing.type)
            builder.store(nothing, total)
            fan_in = unit.index.type(inputs.count)
            first = builder.mul(unit.index, fan_in)
            with cgutils.for_range(builder, fan_in) as one:
                begin = _scalar(builder, begins, builder.add(first, one.index))
                row = _load(builder, rows, builder.zext(begin, ir.IntType(64)))
                row = row if table.dtype == sums.dtype else builder.zext(row, nothing.type)
                builder.store(add(builder.load(total), row), total)
            _store(builder, builder.load(total), out, builder.mul(unit.index, unit.index.type(LANES)))
        return context.get_dummy_value()

    return types.void(inputs, units, table, wiring, sums), generate


@_intrinsic
def add_logits(
    _: Any, group: Any, units: Any, sums: Any, mean: Any, v: Any, weights: Any, logits: Any
) -> Any:
    """logits[k] += Σ_h weights[h, k]·v[h]·ReLU(sums[h] − mean) for a group of classes, a tuple as long as it.

    sums [units, LANES] int16 or float32; the others float32: mean [LANES], v [units], weights [units, group],
    logits [group, LANES].
    """

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> Value:
        _, _, ax, average_of, factors, readout, out = _pointers(context, builder, signature, values)
        means = _load(builder, average_of, 0)
        totals = [cgutils.alloca_once_value(builder, _floats(LANES)(None)) for _ in range(group.count)]
        with cgutils.for_range(builder, values[1]) as loop:
            phi = _features(builder, ax, loop.index, means)
            phi = builder.fmul(phi, _spread(builder, _scalar(builder, factors, loop.index)))
            first = builder.mul(loop.index, loop.index.type(group.count))
            for place, total in enumerate(totals):
                weight = _scalar(builder, readout, builder.add(first, first.type(place)))
                builder.store(
                    _add_product(builder, _spread(builder, weight), phi, builder.load(total)), total
                )
        for place, total in enumerate(totals):
            before = _load(builder, out, place * LANES)
            _store(builder, builder.fadd(before, builder.load(total)), out, place * LANES)
        return context.get_dummy_value()

    return types.void(group, units, sums, mean, v, weights, logits), generate


@_intrinsic
def add_gradient(
    _: Any, group: Any, units: Any, sums: Any, mean: Any, errors: Any, weights: Any, gradient: Any
) -> Any:
    """gradient[h] += Σ_b ReLU(sums[h, b] − mean[b]) Σ_k weights[h, k]·errors[k, b], of a group of classes.

    Arrays as for add_logits, errors [group, LANES] and gradient [units] float32.
    """

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> Value:
        pointers = _pointers(context, builder, signature, values)[2:]
        for lane in range(0, LANES, ABREAST):
            _add_gradient_of(builder, group.count, values[1], lane, *pointers)
        return context.get_dummy_value()

    return types.void(group, units, sums, mean, errors, weights, gradient), generate


def _add_gradient_of(
    builder: ir.IRBuilder,
    classes: int,
    units: Value,
    lane: int,
    sums: Value,
    mean: Value,
    errors: Value,
    weights: Value,
    gradient: Value,
) -> None:
    """The part of the lanes from this one on, ABREAST."""
    means = _load(builder, mean, lane, ABREAST)
    wrongs = [_load(builder, errors, place * LANES + lane, ABREAST) for place in range(classes)]

    def slopes(unit: Value) -> Value:
        phi = _features(builder, sums, unit, means, lane)
        first = builder.mul(unit, unit.type(classes))
        total: Value = means.type(None)
        for place, wrong in enumerate(wrongs):
            weight = _scalar(builder, weights, builder.add(first, first.type(place)))
            total = _add_product(builder, _spread(builder, weight, ABREAST), wrong, total)
        return builder.fmul(total, phi)

    step = units.type(UNROLLED)
    with cgutils.for_range_slice(builder, step.type(0), units, step, inc=True) as (unit, _count):
        units_abreast = [builder.add(unit, unit.type(place)) for place in range(UNROLLED)]
        summed = _sums(builder, [partial(slopes, one) for one in units_abreast])
        _store(builder, builder.fadd(_load(builder, gradient, unit, UNROLLED), summed), gradient, unit)


@_intrinsic
def inner_product(_: Any, units: Any, left: Any, right: Any) -> Any:
    """Σ_h left[h]·right[h], float32 added up as float64; units a multiple of UNROLLED."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> Value:
        _, one, other = _pointers(context, builder, signature, values)
        wide = ir.VectorType(ir.DoubleType(), UNROLLED)
        totals = cgutils.alloca_once_value(builder, wide(None))
        step = values[0].type(UNROLLED)
        with cgutils.for_range_slice(builder, step.type(0), values[0], step, inc=True) as (unit, _count):
            left_part, right_part = (
                builder.fpext(_load(builder, each, unit, UNROLLED), wide) for each in (one, other)
            )
            builder.store(_add_product(builder, left_part, right_part, builder.load(totals)), totals)
        summed = builder.load(totals)
        lanes = [builder.extract_element(summed, _I32(lane)) for lane in range(UNROLLED)]
        return reduce(builder.fadd, lanes)

    return types.float64(units, left, right), generate


def _pointers(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> list[Value]:
    """Pointer to each array's data; None for what is no array."""
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


def _spread(builder: ir.IRBuilder, number: Value, width: int = LANES) -> Value:
    """The number in every lane."""
    one = builder.insert_element(ir.Constant(ir.VectorType(number.type, 1), ir.Undefined), number, _I32(0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(_I32, width), [0] * width))


def _features(builder: ir.IRBuilder, sums: Value, unit: Value, means: Value, lane: int = 0) -> Value:
    """ReLU(sums[unit] − means) of as many lanes as there are means; what is not a number stays so."""
    start = builder.add(builder.mul(unit, unit.type(LANES)), unit.type(lane))
    row = _load(builder, sums, start, means.type.count)
    if row.type.element != _F32:
        row = builder.sitofp(row, means.type)
    difference = builder.fsub(row, means)
    zero = means.type(None)
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
    """The sum of every part's lanes, a vector as long as the list (a power of two)."""
    folded = _folded(builder, parts)
    while folded.type.count > len(parts):
        folded = _halved(builder, folded, folded, list(range(folded.type.count)), len(parts))
    return folded


def _folded(builder: ir.IRBuilder, parts: list[Callable[[], Value]]) -> Value:
    """Partial sums, as many as a part has lanes, equally many of every part and in order.

    Two halves are folded as soon as both are there, so that few registers wait.
    """
    if len(parts) == 1:
        return parts[0]()
    middle = len(parts) // 2
    left, right = _folded(builder, parts[:middle]), _folded(builder, parts[middle:])
    return _halved(builder, left, right, list(range(2 * left.type.count)), len(parts))


def _halved(builder: ir.IRBuilder, left: Value, right: Value, lanes: list[int], runs: int) -> Value:
    """Lanes of left, then right, as so many runs of equal length: the halves of each run added up."""
    half = len(lanes) // runs // 2
    kind = ir.VectorType(_I32, len(lanes) // 2)
    lower = [lane for lane in lanes if lane // half % 2 == 0]
    upper = [lane + half for lane in lower]
    shuffled = [builder.shuffle_vector(left, right, ir.Constant(kind, mask)) for mask in (lower, upper)]
    return builder.fadd(*shuffled)
