"""Random numbers by counter, in 32-bit whole numbers that every accelerator can compute with.

The words are unsigned; they are held in int32, where sums, products and shifts to the left are the
same, and shifts to the right are logical ones. All functions work inside of kernels and outside.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

ROUNDS = ((13, 15, 26, 6), (17, 29, 16, 24))
WEIGHTS = 1  # number of the stream that weights are drawn from
NEVER = 32  # the shift that stands for an infinite mean gap

_BITS, _KNOT_BITS, _MOST_OCTAVES = 28, 10, 22
_LN2 = round(math.log(2.0) * 2**_BITS)
_QUARTER_SINE = (1.57079629, -0.645963358, 0.0796884748, -0.00467222026, 0.00015081716)


def word(x: int) -> np.int32:
    """An unsigned number, as the int32 of the same bits."""
    return np.uint32(x).view(np.int32)


def logarithm() -> np.ndarray:
    """-ln(x) in units of 2^-28 for n values from 1/2 to 1, and the falls between: int32 [2, n]."""
    n = 2**_KNOT_BITS
    knots = np.round(-np.log(np.arange(n, 2 * n + 1) / (2 * n)) * 2**_BITS).astype(np.int32)
    return np.stack([knots[:-1], knots[:-1] - knots[1:]])


def right(x, n):
    """Logical shift to the right."""
    return jax.lax.shift_right_logical(x, jnp.broadcast_to(n, jnp.shape(x)).astype(jnp.int32))


def threefry(k0, k1, x0, x1):
    """Threefry-2x32 with 20 rounds: two words for a key and a counter."""
    keys = (k0, k1, k0 ^ k1 ^ word(0x1BD11BDA))
    x0, x1 = x0 + k0, x1 + k1
    for group in range(5):
        for turn in ROUNDS[group % 2]:
            x0 = x0 + x1
            x1 = x0 ^ ((x1 << np.int32(turn)) | right(x1, np.int32(32 - turn)))
        x0 = x0 + keys[(group + 1) % 3]
        x1 = x1 + keys[(group + 2) % 3] + np.int32(group + 1)
    return x0, x1


def high_product(a, b):
    """The upper half of the 64 bits of a product."""
    low = np.int32(0xFFFF)
    a0, a1, b0, b1 = a & low, right(a, np.int32(16)), b & low, right(b, np.int32(16))
    middle = a1 * b0 + right(a0 * b0, np.int32(16))
    rest = a0 * b1 + (middle & low)
    return a1 * b1 + right(middle, np.int32(16)) + right(rest, np.int32(16))


def exponential(x, lookup):
    """-ln(x / 2^32) in units of 2^-28; `lookup` gives the entries of `logarithm()` at a knot."""
    octave = jnp.minimum(jax.lax.clz(x), np.int32(_MOST_OCTAVES))
    mantissa = (x << octave) | word(1 << 31)
    knot = right(mantissa, np.int32(31 - _KNOT_BITS)) & np.int32(2**_KNOT_BITS - 1)
    rest = mantissa << np.int32(_KNOT_BITS + 1)
    value, fall = lookup(knot)
    return octave * np.int32(_LN2) + value - high_product(fall, rest)


def gap(x, scale, shift, lookup):
    """The number of failures before a success."""
    long = right(high_product(exponential(x, lookup), scale), shift & np.int32(31))
    return jnp.where(shift >= np.int32(NEVER), np.int32(-1), long)


def uniform(x):
    """From [0, 1), float32."""
    return right(x, np.int32(8)).astype(jnp.float32) * np.float32(2.0**-24)


def normal(x0, x1, lookup):
    """Standard normal, float32."""
    radius = jnp.sqrt(_float(exponential(x0, lookup)) * np.float32(2.0 ** (1 - _BITS)))
    turn = _float(x1) * np.float32(2.0**-31) - np.float32(1)
    square = turn * turn
    sine = jnp.full_like(turn, _QUARTER_SINE[-1])
    for c in _QUARTER_SINE[-2::-1]:
        sine = sine * square + np.float32(c)
    return radius * (sine * turn)


def _float(x):
    """An unsigned word as float32, rounded once."""
    halves = right(x, np.int32(16)), x & np.int32(0xFFFF)
    return halves[0].astype(jnp.float32) * np.float32(65536) + halves[1].astype(jnp.float32)


def lookup_in(table: Array):
    """`lookup` in the table as an array, outside of kernels."""
    return lambda knot: (table[0][knot], table[1][knot])
