"""Machine code for the sparse products, compiled by Numba and called by XLA itself.

Imported only at the first use on a CPU, since it imports Numba.
"""
# Numba supplies the first argument of an intrinsic, which a type checker cannot know.
# pyright: reportCallIssue=false

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ._events_handler import bits_of_values, collect
from ._frame import (
    argument,
    compile_handler,
    data,
    dim,
    handshake,
    helper,
    pointer,
    prefetch,
    rank,
    result,
)

_LINE = 64  # bytes of a cache line
_CAPACITY = 1024  # active rows listed before they are worked off
_AHEAD = 5  # rows between the one fetched and the one used
_LONG = 256  # synapses of a row that is fetched early only where the row before is not active
_MAX_LINES = 16  # per row and array; the hardware prefetcher follows from there


@intrinsic
def _stack_rows(typingctx):
    def codegen(context, builder, signature, args):
        return cgutils.alloca_once(builder, ir.IntType(32), size=_CAPACITY)

    return types.CPointer(types.int32)(), codegen


@helper
def _prefetch_span(start, stop):
    stop = min(stop, start + _MAX_LINES * _LINE)
    while start < stop:
        prefetch(start)
        start += _LINE


@helper
def _batch_dim(buffers, axis):
    """Size of a batch axis: the sizes of the three operands broadcast against each other."""
    return max(dim(buffers[0], axis), dim(buffers[1], axis), dim(buffers[2], axis))


@helper
def _batch_size(buffers, n_batch):
    """Number of products."""
    size = 1
    for axis in range(n_batch):
        size *= _batch_dim(buffers, axis)
    return size


@helper
def _batch_offset(buffer, buffers, n_batch, position):
    """Number of a buffer's slice for product `position`; axes of size 1 are repeated."""
    offset, stride = 0, 1
    for axis in range(n_batch - 1, -1, -1):
        full, own = _batch_dim(buffers, axis), dim(buffer, axis)
        if own > 1:
            offset += (position % full) * stride
        stride *= own
        position //= full
    return offset


@helper
def _turned(j, turn, bound):
    """`(j + turn) mod bound` for `j` and `turn` below `bound`."""
    rest = bound - turn
    return j - rest if j >= rest else j + turn


def make_handler(name, role, per_synapse, dtypes, shifted, listed, version):
    """Compile one variant of the product into a handler of XLA's typed FFI.

    The operands are the accumulator, the two factors, the targets, the row pointers if there are
    any, the shift and the list of events if there is one; the one result shares its buffer with
    the accumulator.

    **Arguments:**

    - `name`: of the variant.
    - `role`: what the product yields: `"g"` postsynaptic sums, `"s"` presynaptic ones, `"w"`
        weights.
    - `per_synapse`: whether each synapse has its own weight.
    - `dtypes`: of the accumulator, `"float32"` or `"float64"`, of the targets and of the row
        pointers, `"int32"` or `"int64"`; without the last, all rows have the same length.
    - `shifted`: whether targets are shifted along the postsynaptic vector.
    - `listed`: whether the active rows are given.
    - `version`: the API version to report, `(major, minor)`.

    **Returns:** the address of the handler as an int, to be wrapped in a capsule, and the
    compiled callback that must be kept alive as long as the handler is.
    """
    major, minor = version
    fan_out = len(dtypes) == 2
    real, index = getattr(types, dtypes[0]), getattr(types, dtypes[1])
    start = index if fan_out else getattr(types, dtypes[2])
    unsigned = types.uint32 if index is types.int32 else types.uint64
    width, wide, step = (np.dtype(x).itemsize for x in (dtypes[0], dtypes[1], dtypes[-1]))
    mask = bits_of_values(dtypes[0])
    to_post, to_pre, to_weight = role == "g", role == "s", role == "w"
    # Operand numbers of the weights, the pre- and the postsynaptic vector.
    at_w, at_s, at_g = {"g": (1, 2, 0), "s": (1, 0, 2), "w": (0, 1, 2)}[role]
    at_shift = 2 + len(dtypes)
    at_list = at_shift + shifted

    def handler(frame):
        if handshake(frame, major, minor):
            return 0
        acc = argument(frame, 0)
        buffers = (acc, argument(frame, 1), argument(frame, 2))
        targets = argument(frame, 3)
        post_of = pointer(data(targets), index)
        post_address = data(targets)
        n_pre = dim(buffers[at_s], -1)
        n_post = dim(buffers[at_g], -1)
        n_batch = rank(buffers[at_s]) - 1
        if fan_out:
            pitch = dim(targets, 1)
            n_synapses = n_pre * pitch
            rows_address = 0
            row_start = pointer(0, start)
        else:
            pitch = 0
            n_synapses = dim(targets, 0)
            rows_address = data(argument(frame, 4))
            row_start = pointer(rows_address, start)
        n_weights = n_synapses if per_synapse else 1
        rows = _stack_rows()
        bound, turn = unsigned(n_post), unsigned(0)

        # XLA copies the accumulator if it may not be overwritten, so the two are one buffer.
        result_data = data(result(frame, 0))

        for position in range(_batch_size(buffers, n_batch)):
            w_data = result_data if to_weight else data(buffers[at_w])
            s_data = result_data if to_pre else data(buffers[at_s])
            g_data = result_data if to_post else data(buffers[at_g])
            if n_batch > 0:
                w_data += (
                    _batch_offset(buffers[at_w], buffers, n_batch, position) * n_weights * width
                )
                s_data += _batch_offset(buffers[at_s], buffers, n_batch, position) * n_pre * width
                g_data += _batch_offset(buffers[at_g], buffers, n_batch, position) * n_post * width
            w = pointer(w_data, real)
            s = pointer(s_data, real)
            g = pointer(g_data, real)
            total = real(0)
            if shifted:
                shifts = argument(frame, at_shift)
                offset = _batch_offset(shifts, buffers, n_batch, position)
                turn = unsigned(np.int64(pointer(data(shifts), index)[offset]) % n_post)
            n_listed = 0
            if listed:
                lists, counts = argument(frame, at_list), argument(frame, at_list + 1)
                offset = _batch_offset(lists, buffers, n_batch, position)
                rows = pointer(data(lists) + 4 * n_pre * offset, types.int32)
                offset = _batch_offset(counts, buffers, n_batch, position)
                n_listed = min(np.int64(pointer(data(counts), types.int32)[offset]), n_pre)

            i = 0
            while i < n_pre:
                if listed:
                    i, count = n_pre, n_listed
                elif to_pre:
                    count = min(_CAPACITY, n_pre - i)
                    for k in range(count):
                        rows[k] = i + k
                    i += count
                else:
                    i, count = collect(s, s_data, width, mask, i, n_pre, rows, _CAPACITY)

                for k in range(count):
                    if k + _AHEAD < count:
                        row = np.int64(rows[k + _AHEAD])
                        if listed and (row < 0 or row >= n_pre):
                            row = 0
                        if fan_out:
                            lo, hi = row * pitch, (row + 1) * pitch
                        else:
                            ahead = min(k + 2 * _AHEAD, count - 1)
                            prefetch(rows_address + step * np.int64(rows[ahead]))
                            lo, hi = np.int64(row_start[row]), np.int64(row_start[row + 1])
                        # Long rows side by side are one stream, which the processor sees itself.
                        if hi - lo <= _LONG or row != np.int64(rows[k + _AHEAD - 1]) + 1:
                            _prefetch_span(post_address + wide * lo, post_address + wide * hi)
                            if per_synapse:
                                _prefetch_span(w_data + width * lo, w_data + width * hi)
                    row = np.int64(rows[k])
                    if listed and (row < 0 or row >= n_pre):
                        continue  # a list that was not made by searching
                    if fan_out:
                        lo, hi = row * pitch, (row + 1) * pitch
                    else:
                        lo, hi = np.int64(row_start[row]), np.int64(row_start[row + 1])
                        # Indices that no constructor has seen (made under jit) stay harmless.
                        lo, hi = max(lo, 0), min(hi, n_synapses)

                    if to_post:
                        value = s[row] if per_synapse else s[row] * w[0]
                        for p in range(lo, hi):
                            j = unsigned(post_of[p])
                            if j < bound:
                                if shifted:
                                    j = _turned(j, turn, bound)
                                g[j] += value * w[p] if per_synapse else value
                    elif to_pre:
                        value = real(0)
                        for p in range(lo, hi):
                            j = unsigned(post_of[p])
                            if j < bound:
                                if shifted:
                                    j = _turned(j, turn, bound)
                                value += w[p] * g[j] if per_synapse else g[j]
                        s[row] += value if per_synapse else value * w[0]
                    elif per_synapse:
                        value = s[row]
                        for p in range(lo, hi):
                            j = unsigned(post_of[p])
                            if j < bound:
                                if shifted:
                                    j = _turned(j, turn, bound)
                                w[p] += value * g[j]
                    else:
                        value = real(0)
                        for p in range(lo, hi):
                            j = unsigned(post_of[p])
                            if j < bound:
                                if shifted:
                                    j = _turned(j, turn, bound)
                                value += g[j]
                        total += s[row] * value
            if to_weight and not per_synapse:
                w[0] += total
        return 0

    return compile_handler(handler, name)
