"""Machine code for the procedural products, compiled by Numba and called by XLA itself.

Imported only at the first use on a CPU, since it imports Numba.
"""
# Numba supplies the first argument of an intrinsic, which a type checker cannot know.
# pyright: reportCallIssue=false

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from . import _threefry as tf
from ._events_handler import bits_of_values, collect
from ._frame import argument, compile_handler, data, dim, handshake, helper, pointer, result

_CALLS = 16  # of the generator at once, so that they are worked off by vector instructions
_DRAWS = 2 * _CALLS
_CAPACITY = 1024  # active rows listed before they are worked off

# Numba counts in 64 bits unless each result is cut back to 32.
_U = np.uint32
_F = np.float32
_LOGARITHM = tf.LOGARITHM
_MAX_OCTAVE, _LN2 = tf.MAX_OCTAVE, tf.LN2
_REST_BITS, _KNOTS = tf.REST_BITS, 2**tf.KNOT_BITS - 1
_REST = 2**tf.REST_BITS - 1
_RADIUS = _F(2.0 ** (1 - tf.BITS))
_S0, _S1, _S2, _S3, _S4 = (_F(c) for c in tf.QUARTER_SINE)


def _stack(kind, llvm_type, size):
    @intrinsic
    def array(typingctx):
        def codegen(context, builder, signature, args):
            return cgutils.alloca_once(builder, llvm_type, size=size)

        return types.CPointer(kind)(), codegen

    return array


_stack_rows = _stack(types.int32, ir.IntType(32), _CAPACITY)
_stack_words = _stack(types.uint32, ir.IntType(32), _DRAWS)
_stack_reals = _stack(types.float32, ir.FloatType(), _DRAWS)


@intrinsic
def _leading_zeros(typingctx, word):
    def codegen(context, builder, signature, args):
        return builder.ctlz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.uint32(types.uint32), codegen


@helper
def _rounds(x0, x1, a, b, c, d):
    for turn in (a, b, c, d):
        x0 = _U(x0 + x1)
        x1 = _U((x1 << _U(turn)) | (x1 >> _U(32 - turn)))
        x1 = _U(x0 ^ x1)
    return x0, x1


@helper
def _threefry(k0, k1, k2, x0, x1):
    x0, x1 = _U(x0 + k0), _U(x1 + k1)
    x0, x1 = _rounds(x0, x1, 13, 15, 26, 6)
    x0, x1 = _U(x0 + k1), _U(x1 + k2 + _U(1))
    x0, x1 = _rounds(x0, x1, 17, 29, 16, 24)
    x0, x1 = _U(x0 + k2), _U(x1 + k0 + _U(2))
    x0, x1 = _rounds(x0, x1, 13, 15, 26, 6)
    x0, x1 = _U(x0 + k0), _U(x1 + k1 + _U(3))
    x0, x1 = _rounds(x0, x1, 17, 29, 16, 24)
    x0, x1 = _U(x0 + k1), _U(x1 + k2 + _U(4))
    x0, x1 = _rounds(x0, x1, 13, 15, 26, 6)
    return _U(x0 + k2), _U(x1 + k0 + _U(5))


@helper
def _exponential(word):
    octave = min(_leading_zeros(word), _U(_MAX_OCTAVE))
    m = _U((word << octave) | _U(0x80000000))
    knot = (m >> _U(_REST_BITS)) & _U(_KNOTS)
    rest = np.uint64(m & _U(_REST))
    fall = _U((np.uint64(_LOGARITHM[knot, 1]) * rest) >> np.uint64(_REST_BITS))
    return _U(_U(octave * _U(_LN2)) + _LOGARITHM[knot, 0] - fall)


@helper
def _high_product(a, b):
    return _U((np.uint64(a) * np.uint64(b)) >> np.uint64(32))


@helper
def _normal(word0, word1):
    radius = math.sqrt(_F(_exponential(word0)) * _RADIUS)
    x = _F(word1) * _F(2.0**-31) - _F(1.0)
    square = x * x
    sine = (((_S4 * square + _S3) * square + _S2) * square + _S1) * square + _S0
    return radius * (sine * x)


@helper
def _slot(thresholds, n, word):
    """Number of thresholds that `word` has reached."""
    low = 0
    while n > 0:
        half = n >> 1
        passed = thresholds[low + half] <= word
        low = low + half + 1 if passed else low
        n = n - half - 1 if passed else half
    return low


def make_handler(name, role, law, delay, axes, periodic, shifted, listed, dtype, version):
    """Compile one variant of the procedural product into a handler of XLA's typed FFI.

    The operands are the accumulator, the two factors, the arrays of the pattern, the shift and the
    list of events if there are any, and five numbers: the width of blocks, the number of
    postsynaptic units, the height and breadth of their grid, and the blocks per line. The one
    result shares its buffer with the accumulator.

    **Arguments:**

    - `name`: of the variant.
    - `role`: what the product yields: `"g"` postsynaptic sums, `"s"` presynaptic ones, `"w"`
        the sums for the coefficients of the weights.
    - `law`, `delay`: as in `Plan`.
    - `axes`: of the space in which distance counts: 0, 1 or 2.
    - `periodic`: whether opposite borders of the space meet.
    - `shifted`, `listed`: whether there is a shift, a list of events.
    - `dtype`: `"float32"` or `"float64"`.
    - `version`: the API version to report, `(major, minor)`.

    **Returns:** the address of the handler as an int, and what must be kept alive.
    """
    major, minor = version
    real = types.float32 if dtype == "float32" else types.float64
    width = np.dtype(dtype).itemsize
    mask = bits_of_values(dtype)
    to_post, to_pre, to_weight = role == "g", role == "s", role == "w"
    at_w, at_s, at_g = {"g": (1, 2, 0), "s": (1, 0, 2), "w": (0, 1, 2)}[role]
    spatial, plane = axes > 0, axes == 2
    random, is_normal = law != "constant", law == "normal"
    drawn_delay, far_delay = delay == "law", delay == "distance"
    delayed = drawn_delay or far_delay
    at_shift = 9 if spatial else 5
    at_list = at_shift + shifted
    at_sizes = at_list + 2 * listed
    draws = _CALLS if spatial else _DRAWS

    def handler(frame):
        if handshake(frame, major, minor):
            return 0
        out = data(result(frame, 0))
        w_data = out if to_weight else data(argument(frame, at_w))
        s_data = out if to_pre else data(argument(frame, at_s))
        g_data = out if to_post else data(argument(frame, at_g))
        w, s, g = pointer(w_data, real), pointer(s_data, real), pointer(g_data, real)
        n_pre = dim(argument(frame, at_s), -1)
        bound = _U(dim(argument(frame, at_g), -1))

        numbers = pointer(data(argument(frame, 3)), types.uint32)
        k0, k1, first_row, first_col = numbers[0], numbers[1], numbers[2], numbers[3]
        scale, shift, loops = numbers[4], numbers[5], numbers[6] != 0
        k2 = _U(k0 ^ k1 ^ _U(0x1BD11BDA))
        w0, w1 = _threefry(k0, k1, k2, _U(0xFFFFFFFF), _U(1))
        w2 = _U(w0 ^ w1 ^ _U(0x1BD11BDA))
        d0, d1 = _threefry(k0, k1, k2, _U(0xFFFFFFFF), _U(2))
        d2 = _U(d0 ^ d1 ^ _U(0x1BD11BDA))
        arrival = pointer(data(argument(frame, 4)), types.uint32)
        n_arrival = dim(argument(frame, 4), 0)
        sizes = pointer(data(argument(frame, at_sizes)), types.int32)
        block, n_post = np.int64(sizes[0]), np.int64(sizes[1])
        n_lines = 1
        if spatial:
            lines = pointer(data(argument(frame, 5)), types.uint32)
            signed_lines = pointer(data(argument(frame, 5)), types.int32)
            n_lines = dim(argument(frame, 5), 0)
            table = pointer(data(argument(frame, 6)), types.uint32)
            n_table = dim(argument(frame, 6), 0)
            row_centre = pointer(data(argument(frame, 7)), types.int32)
            n_rows = dim(argument(frame, 7), 0)
            col_centre = pointer(data(argument(frame, 8)), types.int32)
            n_columns = dim(argument(frame, 8), 0)
            height, breadth = np.int64(sizes[2]), np.int64(sizes[3])
            stride = np.int64(sizes[4]) * block
        turn = _U(0)
        if shifted:
            turn = _U(np.int64(pointer(data(argument(frame, at_shift)), types.int32)[0]) % bound)
        rows = _stack_rows()
        n_listed = 0
        if listed:
            rows = pointer(data(argument(frame, at_list)), types.int32)
            count_data = data(argument(frame, at_list + 1))
            n_listed = min(np.int64(pointer(count_data, types.int32)[0]), n_pre)
        words, cols, far = _stack_words(), _stack_words(), _stack_words()
        others, part = _stack_words(), _stack_reals()
        for lane in range(_DRAWS):
            cols[lane] = 0  # read beyond those found, to fill a vector
        total, total_part = real(0), real(0)

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
            for nth in range(count):
                row = np.int64(rows[nth])
                if listed and (row < 0 or row >= n_pre):
                    continue  # a list that was not made by searching
                whole = _U(first_row + _U(row))
                value = real(0) if to_pre else s[row]
                sum_unit, sum_part = real(0), real(0)
                for line in range(n_lines):
                    y, x0, left, dy = 0, 0, 0, 0
                    if spatial:
                        scale, shift = lines[6 * line], lines[6 * line + 1]
                        dy = np.int64(signed_lines[6 * line + 2])
                        left = np.int64(signed_lines[6 * line + 3])
                        stop = np.int64(lines[6 * line + 4])
                        most = lines[6 * line + 5]
                        centre = np.int64(whole) // n_columns
                        y = (np.int64(row_centre[centre]) if centre < n_rows else -height) + dy
                        x0 = np.int64(col_centre[np.int64(whole) % n_columns]) + left
                        if periodic:
                            y = y + height if y < 0 else y
                            y = y - height if y >= height else y
                        if y < 0 or y >= height:
                            continue
                        start = 0
                    else:
                        stop = np.int64(first_col) + n_post
                        start = np.int64(first_col) // block * block
                    if shift >= _U(32):
                        continue
                    while start < stop:
                        end = min(start + block, stop)
                        position = start
                        counter = _U(line * stride + start) if spatial else _U(start >> 1)
                        start += block
                        while position < end:
                            for lane in range(_CALLS):
                                x, z = _threefry(k0, k1, k2, whole, _U(counter + _U(lane)))
                                if spatial:
                                    words[lane] = x
                                    others[lane] = z
                                else:
                                    words[2 * lane] = x
                                    words[2 * lane + 1] = z
                            counter = _U(counter + _U(_CALLS))
                            found = 0
                            for lane in range(draws):
                                gap = _high_product(_exponential(words[lane]), scale) >> shift
                                position += np.int64(gap)
                                if position >= end:
                                    break
                                if spatial:
                                    dx = left + position
                                    at = dx * dx + dy * dy if plane else abs(dx)
                                    x = x0 + position
                                    if periodic:
                                        x = x + breadth if x < 0 else x
                                        x = x - breadth if x >= breadth else x
                                    col = y * breadth + x - np.int64(first_col)
                                    hit = at < n_table and x >= 0 and x < breadth
                                    hit = hit and _high_product(others[lane], most) < table[at]
                                    hit = hit and col >= 0 and col < n_post
                                    if far_delay and hit:
                                        far[found] = arrival[at]
                                else:
                                    col = position - np.int64(first_col)
                                    hit = col >= 0
                                if not loops:
                                    hit = hit and _U(_U(col) + first_col) != whole
                                cols[found] = _U(col)
                                found += 1 if hit else 0
                                position += 1

                            if random:
                                for first in range(0, found, _CALLS):
                                    for lane in range(_CALLS):
                                        col = _U(cols[first + lane] + first_col)
                                        x, z = _threefry(w0, w1, w2, whole, col)
                                        if is_normal:
                                            part[first + lane] = _normal(x, z)
                                        else:
                                            part[first + lane] = _F(x >> _U(8)) * _F(2.0**-24)
                            if drawn_delay:
                                for first in range(0, found, _CALLS):
                                    for lane in range(_CALLS):
                                        col = _U(cols[first + lane] + first_col)
                                        x, z = _threefry(d0, d1, d2, whole, col)
                                        far[first + lane] = x
                            for lane in range(found):
                                j = cols[lane]
                                if delayed:
                                    steps = np.int64(far[lane])
                                    if drawn_delay:
                                        steps = _slot(arrival, n_arrival, far[lane])
                                    place = np.int64(j) + steps * n_post
                                    if place >= np.int64(bound):
                                        continue
                                    j = _U(place)
                                if shifted:
                                    j = _U(j - (bound - turn) if j >= bound - turn else j + turn)
                                if to_post:
                                    if random:
                                        g[j] += value * (w[0] + w[1] * real(part[lane]))
                                    else:
                                        g[j] += value * w[0]
                                else:
                                    sum_unit += g[j]
                                    if random:
                                        sum_part += g[j] * real(part[lane])
                if to_pre:
                    s[row] += w[0] * sum_unit + w[1] * sum_part if random else w[0] * sum_unit
                else:
                    total += value * sum_unit
                    total_part += value * sum_part
        if to_weight:
            w[0] += total
            if random:
                w[1] += total_part
        return 0

    return compile_handler(handler, name)
