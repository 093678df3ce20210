"""Compiled comparison of queries with all vectors: sixteen rows with four queries at a time.

Values loaded from memory are used several times this way.

Rows are stored in blocks of sixteen, entry by entry: one instruction then handles one entry of sixteen rows, and no sum
runs across a register. A distance is always summed in the same order, so a query gets the same answer alone as in a
batch.
"""

# mypy: ignore-errors

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from v2xsim.perception.hnsw.search import enter, give, take
from v2xsim.perception.hnsw.simd import L2, LANES, distance_of, key_of

_FLOAT, _WORD, _INT = ir.FloatType(), ir.IntType(64), ir.IntType(32)
_VECTOR = ir.VectorType(_FLOAT, LANES)
# The compiler may fuse multiplications and additions but not reorder them.
_FLAGS = ("contract", "nsz")
# Number of queries that are compared with a loaded block of rows at once.
_TOGETHER = 4
# Number of rows that are compared with all queries before the next rows; they fill half of a usual second-level cache.
_CHUNK_BYTES = 2**17


def _tile(count):
    """Return a compiler intrinsic that compares a block of sixteen rows with `count` queries."""

    @intrinsic
    def tile(typingctx, metric, blocks, block, queries, first, bounds, out, dim):
        """Write sixteen distances per query, and return as bits which of them are below the query's bound."""
        signature = types.uint64(metric, blocks, types.intp, queries, types.intp, bounds, out, types.intp)

        def codegen(context, builder, sig, args):
            metric_value, _, block_value, _, first_value, _, _, dim_value = args

            def data(i):
                return context.make_array(sig.args[i])(context, builder, args[i]).data

            def word(value):
                return ir.Constant(_WORD, value)

            def at(base, offset, as_vector=False):
                address = builder.gep(base, [offset])
                return builder.bitcast(address, _VECTOR.as_pointer()) if as_vector else address

            def spread(value):
                undefined = ir.Constant(_VECTOR, ir.Undefined)
                one = builder.insert_element(undefined, value, ir.Constant(_INT, 0))
                return builder.shuffle_vector(one, undefined, ir.Constant(ir.VectorType(_INT, LANES), [0] * LANES))

            rows = at(data(1), builder.mul(builder.mul(block_value, dim_value), word(LANES)))
            asked = [
                at(data(3), builder.mul(builder.add(first_value, word(k)), dim_value)) for k in range(count)
            ]  # fmt: skip
            sums = [cgutils.alloca_once(builder, _VECTOR) for _ in range(count)]

            def run(squares):
                for total in sums:
                    builder.store(ir.Constant(_VECTOR, [0.0] * LANES), total)
                with cgutils.for_range_slice(builder, word(0), dim_value, word(1), inc=True) as (i, _):
                    x = builder.load(at(rows, builder.mul(i, word(LANES)), True), align=64)
                    for total, query in zip(sums, asked, strict=True):
                        y = spread(builder.load(at(query, i)))
                        a, b = (x, y)
                        if squares:
                            a = b = builder.fsub(x, y, flags=_FLAGS)
                        product = builder.fmul(a, b, flags=_FLAGS)
                        builder.store(builder.fadd(builder.load(total), product, flags=_FLAGS), total)

            euclidean = builder.icmp_signed("==", metric_value, ir.Constant(metric_value.type, L2))
            with builder.if_else(euclidean) as (then, otherwise):
                with then:
                    run(True)
                with otherwise:
                    run(False)
                    for total in sums:
                        one = ir.Constant(_VECTOR, [1.0] * LANES)
                        builder.store(builder.fsub(one, builder.load(total), flags=_FLAGS), total)
            lanes_below = word(0)
            for k, total in enumerate(sums):
                value = builder.load(total)
                builder.store(value, at(data(6), word(k * LANES), True), align=4)
                bound = spread(builder.load(at(data(5), builder.add(first_value, word(k)))))
                below = builder.bitcast(builder.fcmp_ordered("<", value, bound), ir.IntType(LANES))
                lanes_below = builder.or_(lanes_below, builder.shl(builder.zext(below, _WORD), word(k * LANES)))
            return lanes_below

        return signature, codegen

    return tile


_four, _single = _tile(_TOGETHER), _tile(1)


@intrinsic
def lowest(typingctx, bits):
    """Return the index of the lowest bit set; at least one must be set."""
    signature = types.intp(types.uint64)

    def codegen(context, builder, sig, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return signature, codegen


@njit(cache=True, nogil=True)
def place(blocks, rows, vectors):
    """Write vectors into the given rows of the blocks."""
    for i in range(len(rows)):
        block, lane = rows[i] // LANES, rows[i] % LANES
        for j in range(vectors.shape[1]):
            blocks[block, j, lane] = vectors[i, j]


@njit(cache=True, nogil=True)
def nearest(blocks, held, metric, queries, passes, label, k, labels, distances):
    """Answer queries exactly, by comparing them with every row.

    Args:
        blocks: Vectors of the rows, in blocks of sixteen.
        held: Number of rows in use, counted from the first row.
        metric: Metric of the distances.
        queries: Query vectors, one per row.
        passes: Whether each row may be returned: no line if all may, one line for all queries, or one line per query.
        label: Label of each row.
        k: Number of answers, at most the number of rows in use.
        labels: Output: labels of the answers.
        distances: Output: distances of the answers.

    Returns:
        The row of the first query with an entry that is not finite, or -1 if there is none.
    """
    count, dim = queries.shape
    query = np.empty((count, dim), np.float32)
    for q in range(count):
        if not take(queries, q, metric, query[q : q + 1]):
            return q
    pool, size = np.empty((count, k), np.uint64), np.zeros(count, np.int64)
    bounds, out = np.full(count, np.inf, np.float32), np.empty(_TOGETHER * LANES, np.float32)
    last = (held + LANES - 1) // LANES
    chunk = max(1, _CHUNK_BYTES // (4 * LANES * dim))
    together = count - count % _TOGETHER
    for begin in range(0, last, chunk):
        end = min(last, begin + chunk)
        for q in range(0, together, _TOGETHER):
            for block in range(begin, end):
                below_bound = _four(metric, blocks, block, query, q, bounds, out, dim)
                if below_bound:
                    note(below_bound, block, q, out, held, passes, pool, size, bounds, k)
        for q in range(together, count):
            for block in range(begin, end):
                below_bound = _single(metric, blocks, block, query, q, bounds, out, dim)
                if below_bound:
                    note(below_bound, block, q, out, held, passes, pool, size, bounds, k)
    for q in range(count):
        give(pool[q], size[q], label, labels, distances, q)
    return -1


@njit(cache=True, nogil=True)
def note(below_bound, block, first, out, held, passes, pool, size, bounds, k):
    """Insert the distances whose bits are set into the result pools of their queries."""
    while below_bound:
        lane = lowest(below_bound)
        below_bound &= below_bound - np.uint64(1)
        row, q, d = block * LANES + lane % LANES, first + lane // LANES, out[lane]
        # The bound may have fallen since the bits were computed.
        if row >= held or d >= bounds[q] or (len(passes) and not passes[q if len(passes) > 1 else 0, row]):
            continue
        key = key_of(d, row)
        size[q], _ = enter(pool[q], size[q], k, key)
        if size[q] == k:
            bounds[q] = distance_of(pool[q, k - 1])
