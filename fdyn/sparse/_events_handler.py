"""Machine code that lists the units that fired, called by XLA itself.

Imported only at the first use on a CPU, since it imports Numba.
"""
# Numba supplies the first argument of an intrinsic, which a type checker cannot know.
# pyright: reportCallIssue=false

import numpy as np
from numba import types

from ._frame import (
    argument,
    compile_handler,
    data,
    dim,
    handshake,
    helper,
    i64,
    pointer,
    rank,
    result,
)

BLOCK = 128  # bytes of spikes tested at once, two cache lines


def bits_of_values(dtype):
    """All bits of a 64-bit word of spikes but the signs, so that -0.0 is no spike."""
    return 0x7FFFFFFF_7FFFFFFF if dtype == "float32" else 0x7FFFFFFF_FFFFFFFF


@helper
def collect(s, address, width, mask, i, n, rows, capacity):
    """List the active rows from the `i`-th on: where to go on, and how many were found."""
    block = BLOCK // width
    count = 0
    while i + block <= n and count + block <= capacity:
        bits = 0
        for word in range(BLOCK // 8):
            bits |= i64(address + i * width + 8 * word)
        if bits & mask:
            for j in range(i, i + block):
                rows[count] = j
                count += 1 if s[j] != 0 else 0
        i += block
    if i + block > n:
        while i < n and count < capacity:
            rows[count] = i
            count += 1 if s[i] != 0 else 0
            i += 1
    return i, count


def make_handler(name, dtype, version):
    """Compile the search into a handler of XLA's typed FFI, as `_handler.make_handler` does.

    The operand is `[..., n]` spikes; results are the active rows, int32 `[..., n]`, and how many
    they are, int32 `[..., 1]`.
    """
    major, minor = version
    real, width, mask = getattr(types, dtype), np.dtype(dtype).itemsize, bits_of_values(dtype)

    def handler(frame):
        if handshake(frame, major, minor):
            return 0
        spikes = argument(frame, 0)
        n = dim(spikes, -1)
        counts = pointer(data(result(frame, 1)), types.int32)
        size = 1
        for axis in range(rank(spikes) - 1):
            size *= dim(spikes, axis)
        for position in range(size):
            address = data(spikes) + position * n * width
            rows = pointer(data(result(frame, 0)) + position * n * 4, types.int32)
            # No more rows are ever found than were looked at, so the list needs no other limit.
            capacity = n + BLOCK
            _, count = collect(pointer(address, real), address, width, mask, 0, n, rows, capacity)
            counts[position] = count
        return 0

    return compile_handler(handler, name)
