r"""The random numbers of procedural connectivity: whole-number arithmetic, the same everywhere.

All functions work on uint32 arrays of numpy and of JAX alike, so that host, reference and kernels
agree in every bit. A number is drawn by its counter, never by a state that is carried along.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.random import threefry2x32_p

ROTATIONS = (13, 15, 26, 6), (17, 29, 16, 24)
PARITY = 0x1BD11BDA  # third word of the key schedule

# Streams that are independent of each other, of the same key. Row numbers lie below 2^31, so these
# counters are used for nothing else.
STREAM = 0xFFFFFFFF
WEIGHTS, DELAYS = 1, 2

# -ln(x) for x from 1/2 to 1 at equal steps, in units of 2^-28, and how much it falls in each step.
BITS = 28
KNOT_BITS = 10
REST_BITS = 31 - KNOT_BITS
LN2 = round(math.log(2.0) * 2**BITS)
MAX_OCTAVE = 22  # the longest gap is that of 2^-23 < u: 23 ln 2 < 16, which fits 32 bits
_KNOTS = np.round(-np.log(np.arange(2**KNOT_BITS, 2 ** (KNOT_BITS + 1) + 1) / 2 ** (KNOT_BITS + 1))
                  * 2**BITS).astype(np.uint32)  # fmt: skip
LOGARITHM = np.stack([_KNOTS[:-1], _KNOTS[:-1] - _KNOTS[1:]], axis=1)

NEVER = 32  # the shift that stands for an infinite mean gap
MIN_PROBABILITY = 2.0**-BITS

# sin(pi/2 x) / x in powers of x^2, fitted on [-1, 1]; below the rounding of float32.
QUARTER_SINE = (1.57079629, -0.645963358, 0.0796884748, -0.00467222026, 0.00015081716)


def threefry(k0: Any, k1: Any, x0: Any, x1: Any) -> tuple[Any, Any]:
    r"""Two random words for the counter `(x0, x1)` and the key `(k0, k1)`: Threefry-2x32-20.

    **Arguments:** uint32 arrays that broadcast (numpy: at least one axis, since numpy warns when a
    scalar overflows).

    **Source:** Salmon et al. 2011, SC'11, article 16, section 3.3.
    """
    if not isinstance(x1, np.ndarray):
        # JAX's own, which compiles several times faster than these rounds written out.
        return threefry2x32_p.bind(*jnp.broadcast_arrays(k0, k1, x0, x1))
    keys = (k0, k1, k0 ^ k1 ^ np.uint32(PARITY))
    x0, x1 = x0 + k0, x1 + k1
    for group in range(5):
        for turn in ROTATIONS[group % 2]:
            x0 = x0 + x1
            x1 = (x1 << np.uint32(turn)) | (x1 >> np.uint32(32 - turn))
            x1 = x0 ^ x1
        x0 = x0 + keys[(group + 1) % 3]
        x1 = x1 + keys[(group + 2) % 3] + np.uint32(group + 1)
    return x0, x1


def stream(k0: Any, k1: Any, number: int) -> tuple[Any, Any]:
    """The key of another stream."""
    counter = np.uint32(STREAM), np.uint32(number)
    return threefry(k0, k1, *(k0 & np.uint32(0) | x for x in counter))


def high_product(a: Any, b: Any) -> Any:
    """The upper 32 of the 64 bits of `a * b`."""
    half, low = np.uint32(16), np.uint32(0xFFFF)
    a0, a1, b0, b1 = a & low, a >> half, b & low, b >> half
    middle = a1 * b0 + ((a0 * b0) >> half)
    rest = a0 * b1 + (middle & low)
    return a1 * b1 + (middle >> half) + (rest >> half)


def exponential(word: Any) -> Any:
    r"""$-\ln(u)$ in units of $2^{-28}$ for $u = \text{word} / 2^{32}$, uint32.

    The logarithm is interpolated linearly between 1024 points: its distribution function is right
    to 1.2e-7, its mean to 4e-8; it ends at 15.9, which is exceeded once in 8 million draws.
    """
    octave = _leading_zeros(word)
    m = (word << octave) | np.uint32(1 << 31)
    knot = (m >> np.uint32(REST_BITS)) & np.uint32(2**KNOT_BITS - 1)
    rest = (m & np.uint32(2**REST_BITS - 1)) << np.uint32(32 - REST_BITS)
    table = LOGARITHM if isinstance(word, np.ndarray) else jnp.asarray(LOGARITHM)
    value, fall = table[knot, 0], table[knot, 1]
    return octave * np.uint32(LN2) + value - high_product(fall, rest)


def _leading_zeros(word: Any) -> Any:
    most = np.uint32(MAX_OCTAVE)
    if isinstance(word, np.ndarray):
        return np.minimum(32 - np.frexp(word.astype(np.float64))[1], most).astype(np.uint32)
    return jnp.minimum(jax.lax.clz(word), most)


def gap(word: Any, scale: Any, shift: Any) -> Any:
    """The number of failures before a success, uint32; `scale` and `shift` are of `gap_of`."""
    long = high_product(exponential(word), scale) >> (shift & np.uint32(31))
    where = np.where if isinstance(word, np.ndarray) else jnp.where
    return where(shift >= np.uint32(NEVER), np.uint32(0xFFFFFFFF), long)


def gap_of(probability: float) -> tuple[int, int]:
    r"""The mean $c = -1/\ln(1 - p)$ as whole numbers: $c\, 2^{-28} = \text{scale}\,
    2^{-32 - \text{shift}}$.
    """
    if probability == 0:
        return 0, NEVER
    mean = mean_gap(probability)
    mantissa, exponent = math.frexp(mean)
    if exponent < BITS - 31:  # 1 - p lies below the resolution of the draws: all gaps are 0
        return 0, 0
    return min(round(mantissa * 2**32), 2**32 - 1), BITS - exponent


def probability_of(scale: int, shift: int) -> float:
    """The inverse of `gap_of`."""
    if scale == 0:
        return 0.0 if shift == NEVER else 1.0
    return -math.expm1(-(2.0 ** (32 + shift - BITS)) / scale)


def mean_gap(probability: float) -> float:
    r"""$-1 / \ln(1 - p)$."""
    if probability in (0, 1):
        return math.inf if probability == 0 else 0.0
    return -1 / math.log1p(-probability)


def whole(probability: Any) -> Any:
    """Probabilities in units of 2^-32, uint32; 1 is as near as can be."""
    words = np.minimum(np.round(np.asarray(probability, np.float64) * 2.0**32), 2.0**32 - 1)
    return words.astype(np.uint32)


def uniform(word: Any) -> Any:
    """From [0, 1), float32: 24 bits, each value exact."""
    return (word >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def normal(word0: Any, word1: Any) -> Any:
    r"""Standard normal, float32: $\sqrt{-2 \ln u_0}\, \sin(\pi (u_1 - 1/2))$, up to 5.6 in size.

    **Source:** Box & Muller 1958, Ann. Math. Stat. 29:610.
    """
    xp = np if isinstance(word0, np.ndarray) else jnp
    radius = xp.sqrt(exponential(word0).astype(np.float32) * np.float32(2.0 ** (1 - BITS)))
    # The sine over half a turn is distributed like the cosine over a whole one.
    x = word1.astype(np.float32) * np.float32(2.0**-31) - np.float32(1.0)
    square = x * x
    sine = np.float32(QUARTER_SINE[-1])
    for c in QUARTER_SINE[-2::-1]:
        sine = sine * square + np.float32(c)
    return radius * (sine * x)
