"""Vector instructions for the nearest-neighbour kernels, written as LLVM code for sixteen floats at a time.

LLVM maps vectors of sixteen floats to the registers of the machine (one AVX-512, two AVX or four SSE registers). An
intrinsic is inlined into its caller, so it needs no reference counting and no copies of arrays.

A key is a 64-bit number that contains a distance and a row, so that keys are ordered by (distance, row). Sorting keys
sorts by distance; of equal distances, the lower row comes first. The lowest bit of a key can be used to mark a row.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16
"""Number of floats per step; vectors are padded with zeros to a multiple of this number."""

L2, INNER_PRODUCT, COSINE = 0, 1, 2
"""Numbers of the metrics.

L2 is the squared Euclidean distance, INNER_PRODUCT is 1 - inner product, and COSINE is the same for vectors that are
normalised when they are inserted.
"""

_FLOAT, _WORD, _INT = ir.FloatType(), ir.IntType(64), ir.IntType(32)
_VECTOR = ir.VectorType(_FLOAT, LANES)
# The compiler may reorder and fuse sums, but must handle infinities correctly.
_FLAGS = ("reassoc", "contract", "nsz")
# Number of independent sums in one loop, so that the processor need not wait for the previous sum.
_UNROLLED = 4


def _pointer(context, builder, array_type, array, row, width):  # type: ignore[no-untyped-def]
    """Return the address of the first entry of a row."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [builder.mul(row, width)])


def _load(builder, pointer, offset):  # type: ignore[no-untyped-def]
    address = builder.bitcast(builder.gep(pointer, [offset]), _VECTOR.as_pointer())
    return builder.load(address, align=4)


@intrinsic
def distance(typingctx, metric, left, left_row, right, right_row, width):  # type: ignore[no-untyped-def]
    """Return the distance by a metric between a row of `left` and a row of `right`, both of `width` floats."""
    signature = types.float32(metric, left, types.intp, right, types.intp, types.intp)

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        metric_value, left_value, left_index, right_value, right_index, length = args
        a = _pointer(context, builder, sig.args[1], left_value, left_index, length)
        b = _pointer(context, builder, sig.args[3], right_value, right_index, length)
        result = cgutils.alloca_once(builder, _FLOAT)
        euclidean = builder.icmp_signed("==", metric_value, ir.Constant(metric_value.type, L2))
        with builder.if_else(euclidean) as (then, otherwise):
            with then:
                builder.store(_summed(context, builder, a, b, length, True), result)
            with otherwise:
                dot = _summed(context, builder, a, b, length, False)
                builder.store(builder.fsub(ir.Constant(_FLOAT, 1.0), dot), result)
        return builder.load(result)

    return signature, codegen


def _summed(context, builder, a, b, length, squares):  # type: ignore[no-untyped-def]
    """Return the sum over `length` floats of squared differences (if `squares`) or of products."""
    zero = ir.Constant(_VECTOR, [0.0] * LANES)
    sums = [cgutils.alloca_once_value(builder, zero) for _ in range(_UNROLLED)]

    def step(offset, into):  # type: ignore[no-untyped-def]
        x, y = _load(builder, a, offset), _load(builder, b, offset)
        if squares:
            x = y = builder.fsub(x, y, flags=_FLAGS)
        product = builder.fmul(x, y, flags=_FLAGS)
        builder.store(builder.fadd(builder.load(into), product, flags=_FLAGS), into)

    word = length.type
    whole = builder.and_(length, ir.Constant(word, -LANES * _UNROLLED))
    block = ir.Constant(word, LANES * _UNROLLED)
    with cgutils.for_range_slice(builder, ir.Constant(word, 0), whole, block, inc=True) as (offset, _):
        for k in range(_UNROLLED):
            step(builder.add(offset, ir.Constant(word, k * LANES)), sums[k])
    with cgutils.for_range_slice(builder, whole, length, ir.Constant(word, LANES), inc=True) as (offset, _):
        step(offset, sums[0])
    first, second, third, fourth = (builder.load(s) for s in sums)
    total = builder.fadd(
        builder.fadd(first, second, flags=_FLAGS), builder.fadd(third, fourth, flags=_FLAGS), flags=_FLAGS
    )
    reduce = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(_FLOAT, [_FLOAT, _VECTOR]), f"llvm.vector.reduce.fadd.v{LANES}f32"
    )
    return builder.call(reduce, [ir.Constant(_FLOAT, 0.0), total], fastmath=_FLAGS)


@intrinsic
def pointer(typingctx, address, kind):  # type: ignore[no-untyped-def]
    """Convert an address to a pointer to entries of a given type."""
    signature = types.CPointer(kind.dtype)(types.int64, kind)

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        return builder.inttoptr(args[0], context.get_value_type(sig.return_type))

    return signature, codegen


@intrinsic
def fetch(typingctx, array, row, width):  # type: ignore[no-untyped-def]
    """Prefetch a row of `width` four-byte entries into the cache, up to its first four lines."""
    signature = types.void(array, types.intp, types.intp)

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        pointer = _pointer(context, builder, sig.args[0], args[0], args[1], args[2])
        line = builder.bitcast(pointer, ir.IntType(8).as_pointer())
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer(), _INT, _INT, _INT]),
            "llvm.prefetch.p0",
        )
        for_reading, all_levels, data = ir.Constant(_INT, 0), ir.Constant(_INT, 3), ir.Constant(_INT, 1)
        for k in range(4):
            wanted = builder.icmp_signed(">", args[2], ir.Constant(args[2].type, k * LANES))
            with builder.if_then(wanted):
                there = builder.gep(line, [ir.Constant(_WORD, 64 * k)])
                builder.call(function, [there, for_reading, all_levels, data])
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def key_of(typingctx, value, row):  # type: ignore[no-untyped-def]
    """Return the key of a distance and a row: the bits of the distance in sortable form, then the row, then a free bit."""
    signature = types.uint64(types.float32, types.intp)

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        bits = builder.bitcast(args[0], _INT)
        # Sortable form: all bits of a negative number are inverted; in other numbers, the sign bit is set.
        sign = builder.ashr(bits, ir.Constant(_INT, 31))
        turned = builder.xor(bits, builder.or_(sign, ir.Constant(_INT, -(2**31))))
        high = builder.shl(builder.zext(turned, _WORD), ir.Constant(_WORD, 32))
        return builder.or_(high, builder.shl(args[1], ir.Constant(_WORD, 1)))

    return signature, codegen


@intrinsic
def row_of(typingctx, key):  # type: ignore[no-untyped-def]
    """Return the row that a key contains."""
    signature = types.intp(types.uint64)

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        low = builder.and_(args[0], ir.Constant(_WORD, 0xFFFFFFFF))
        return builder.lshr(low, ir.Constant(_WORD, 1))

    return signature, codegen


@intrinsic
def distance_of(typingctx, key):  # type: ignore[no-untyped-def]
    """Return the distance that a key contains."""
    signature = types.float32(types.uint64)

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        turned = builder.trunc(builder.lshr(args[0], ir.Constant(_WORD, 32)), _INT)
        sign = builder.not_(builder.ashr(turned, ir.Constant(_INT, 31)))
        bits = builder.xor(turned, builder.or_(sign, ir.Constant(_INT, -(2**31))))
        return builder.bitcast(bits, _FLOAT)

    return signature, codegen


@intrinsic
def make_room(typingctx, keys, at, end):  # type: ignore[no-untyped-def]
    """Move the entries keys[at:end] up by one position."""
    signature = types.void(keys, types.intp, types.intp)

    def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        source = builder.gep(data, [args[1]])
        target = builder.gep(source, [ir.Constant(_WORD, 1)])
        cgutils.raw_memmove(builder, target, source, builder.sub(args[2], args[1]), ir.Constant(_WORD, 8))
        return context.get_dummy_value()

    return signature, codegen
