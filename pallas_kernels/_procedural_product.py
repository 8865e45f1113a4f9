r"""The product with a random matrix that is generated anew, and never stored.

$$y_j \leftarrow y_j + \sum_{i:\, s_i \ne 0} P_{ij}\,(c_0 + c_1 \varphi_{ij})\, s_i$$

Row i is cut into blocks of candidates. Each block is walked from its start: a Threefry-2x32 word
under the counter (row, half the number of the first candidate + draw) gives the gap to the next
synapse, geometrically distributed, through a logarithm in whole numbers. The random part of the
weight of a synapse has a counter of its own, (row, column). So both are functions of the key and of
the numbers of the units alone, and the pattern is the same in every bit on every machine.

**On a GPU** (Triton): one thread walks through one block, a program through 128 of them; synapses
are added atomically.

**On a TPU** (Mosaic): each of 1,024 lanes walks through a block; the synapses drawn at a time are
added as in the event product, by two one-hot matrices on the matrix unit. All of y lies in fast
memory: at most 262,144 postsynaptic units.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jax.experimental.pallas import triton as plgpu

from . import _generator as rng
from ._common import (
    ITEMS,
    LANES,
    add_one_hot,
    around,
    atomic_add,
    check_call,
    like,
    listed_rows,
    my_share,
    programs,
)

LAWS = ("constant", "uniform", "normal")
_ZERO = np.int32(0)
_SUBLANES = 8  # of a TPU's vector registers


def procedural_product_reference(
    y: Array,
    coefficients: Array,
    s: Array,
    numbers: Array,
    *,
    law: str,
    block: int,
    shift: Array | None = None,
) -> Array:
    """What `procedural_product` computes, over all rows, in plain JAX; arguments as there."""
    n_post = y.shape[0]
    words = _words(numbers)
    lookup = rng.lookup_in(jnp.asarray(rng.logarithm()))
    row = jnp.arange(s.shape[0], dtype=jnp.int32)[:, None]
    number = jnp.arange(_n_blocks(n_post, block), dtype=jnp.int32)[None]
    row, number = jnp.broadcast_arrays(row, number)
    turn = jnp.zeros((), jnp.int32) if shift is None else shift

    def add(column, hit, y):
        c = [coefficients[i] for i in range(coefficients.shape[0])]
        w = _weight(words, law, c, row, column, lookup, y.dtype)
        place = jnp.where(hit, around(column, turn, np.int32(n_post)), np.int32(n_post))
        return y.at[place].add(jnp.broadcast_to(s[:, None], row.shape) * w, mode="drop")

    return _walk(words, row, number, block, n_post, lookup, add, y)


def procedural_product(
    y: Array,
    coefficients: Array,
    s: Array,
    numbers: Array,
    *,
    law: str,
    block: int,
    rows: tuple[Array, Array] | None = None,
    shift: Array | None = None,
    backend: str,
    interpret: bool = False,
) -> Array:
    """Add the synapses of the rows with `s != 0` to `y`, in place where XLA can.

    **Arguments:**

    - `y`: what is added to, `[n_post]`; float32, on a GPU also float64.
    - `coefficients`: $c_0$, `[1]`, for constant weights, else $c_0$ and $c_1$, `[2]`; dtype of `y`.
    - `s`: values of the spikes, zero where there is none, `[n_pre]`; dtype of `y`.
    - `numbers`: uint32 `[7]`: two words of the key; numbers of the first row and column in the
        whole matrix; mean gap as scale and shift: $-1 / \\ln(1 - p)$ = scale 2^(-4 - shift), or
        shift 32 for p = 0; 1 if row i may reach column i, else 0.
    - `law`: of $\\varphi$: `"constant"` (none), `"uniform"` in [0, 1) or `"normal"`.
    - `block`: number of candidates in a block, a power of two from 2 on; the pattern depends on it.
    - `rows`: the rows with `s != 0`, rising, int32 `[n_pre]`, and their number, int32 `[]`;
        by default they are searched for.
    - `shift`: int32 `[]` in `[0, n_post)`: column j stands for (j + shift) mod n_post.
    - `backend`: `"gpu"` or `"tpu"`.
    - `interpret`: run the kernel step by step in JAX, on any platform.

    **Returns:** an array like `y`.

    **Raises:** `ValueError` for a dtype, a size, a law or a block that the back end does not take.
    """
    if law not in LAWS or coefficients.shape != (1 + (law != "constant"),):
        raise ValueError(
            f"law {law!r} with {coefficients.shape} coefficients, expected 'constant' with (1,), "
            "'uniform' or 'normal' with (2,)"
        )
    if block < 2 or block & (block - 1):
        raise ValueError(f"block is {block}, expected a power of two from 2 on")
    check_call(backend, y.dtype, resident=y.shape[0])
    if y.size == 0 or s.size == 0:
        return y
    rows = listed_rows(s) if rows is None else rows
    shift = jnp.zeros((), jnp.int32) if shift is None else shift
    run = _on_gpu if backend == "gpu" else _on_tpu
    return run(y, coefficients, s, _words(numbers), *rows, shift, law, block, interpret)


# --- what all of them do ------------------------------------------------------------------------


def _words(numbers: Array) -> Array:
    """The numbers as int32, and behind them the key of the weights: int32 `[9]`."""
    words = jax.lax.bitcast_convert_type(numbers, jnp.int32)
    key = rng.threefry(words[0], words[1], np.int32(-1), np.int32(rng.WEIGHTS))
    return jnp.concatenate([words, jnp.stack(key)])


def _n_blocks(n_post: int, block: int) -> int:
    """Blocks that the columns may touch, wherever the first one lies within its block."""
    return (n_post + block - 2) // block + 1


def _walk(words, row, number, block, n_post, lookup, add, y):
    """`y = add(column, hit, y)` for each draw of the blocks `number` of the rows `row`."""
    k0, k1, first_row, first_col, scale, shift, loops = (words[i] for i in range(7))
    whole, log2 = first_row + row, np.int32(block.bit_length() - 1)
    begin = (rng.right(first_col, log2) + number) << log2  # in the whole matrix
    counter = rng.right(begin, np.int32(1))
    start = begin - first_col
    end = jnp.minimum(start + np.int32(block), np.int32(n_post))

    def step(carry):
        drawn, position, y = carry
        for x in rng.threefry(k0, k1, whole, counter + drawn):
            long = rng.gap(x, scale, shift, lookup)
            room = end - position
            # The longest gaps are negative here.
            alive = (long >= _ZERO) & (long < room)
            column = position + jnp.where(alive, long, _ZERO)
            alone = (loops != _ZERO) | (column + first_col != whole)
            y = add(column, alive & alone & (column >= _ZERO), y)
            position = jnp.where(alive, column + np.int32(1), jnp.maximum(position, end))
        return drawn + np.int32(1), position, y

    def more(carry):
        return jnp.max(end - carry[1]) > _ZERO

    return jax.lax.while_loop(more, step, (np.int32(0), start, y))[2]


def _weight(words, law, coefficients, row, column, lookup, dtype):
    """Weights of the pairs of a row and a column of the part."""
    if law == "constant":
        return coefficients[0]
    x = rng.threefry(words[7], words[8], words[2] + row, words[3] + column)
    part = rng.uniform(x[0]) if law == "uniform" else rng.normal(*x, lookup)
    return coefficients[0] + coefficients[1] * part.astype(dtype)


# --- GPU ----------------------------------------------------------------------------------------


def _gpu_kernel(*refs, n_post, block, law, interpret):
    count_ref, shift_ref, rows_ref, s_ref, words_ref, c_ref, table_ref, _, y_ref = refs
    words = [words_ref[i] for i in range(9)]
    coefficients = [c_ref[i] for i in range(c_ref.shape[0])]
    lane = jnp.arange(LANES, dtype=jnp.int32)
    n_groups = -(-_n_blocks(n_post, block) // LANES)
    me, across = pl.program_id(0), pl.program_id(1)
    n_me, n_across = pl.num_programs(0), pl.num_programs(1)

    def lookup(knot):
        n = np.int32(table_ref.shape[0] // 2)
        return plgpu.load(table_ref.at[knot]), plgpu.load(table_ref.at[knot + n])

    def one_row(i, _):
        row = rows_ref[me + i * n_me]

        def add(column, hit, done):
            w = _weight(words, law, coefficients, row, column, lookup, y_ref.dtype)
            place = around(column, shift_ref[0], np.int32(n_post))
            value = jnp.broadcast_to(s_ref[row] * w, place.shape)
            atomic_add(y_ref, place, value, hit, interpret)
            return done

        def one_group(g, _):
            number = (across + g * n_across) * np.int32(LANES) + lane
            _walk(words, row, number, block, n_post, lookup, add, np.int32(0))

        share = my_share(np.int32(n_groups), across, n_across)
        jax.lax.fori_loop(np.int32(0), share, one_group, None)

    jax.lax.fori_loop(np.int32(0), my_share(count_ref[0], me, n_me), one_row, None)


def _on_gpu(y, coefficients, s, words, rows, count, shift, law, block, interpret):
    table = jnp.asarray(rng.logarithm().reshape(-1))
    operands = [count[None], shift[None], rows, s, words, coefficients, table, y]
    n_groups = -(-_n_blocks(y.shape[0], block) // LANES)
    return pl.pallas_call(
        functools.partial(
            _gpu_kernel, n_post=y.shape[0], block=block, law=law, interpret=interpret
        ),
        grid=programs(s.shape[0], n_groups),
        out_shape=like(y),
        input_output_aliases={len(operands) - 1: 0},
        compiler_params=None if interpret else plgpu.CompilerParams(num_warps=4),
        interpret=interpret,
        name="procedural_product",
    )(*operands)


# --- TPU ----------------------------------------------------------------------------------------


def _tpu_kernel(rows_ref, s_ref, words_ref, c_ref, shift_ref, *refs, n_post, block, law):
    table_ref, before_ref, y_ref = refs
    item, group = pl.program_id(0), pl.program_id(1)

    @pl.when((item == 0) & (group == 0))
    def _():
        y_ref[...] = before_ref[...]

    words = [words_ref[i] for i in range(9)]
    coefficients = [c_ref[i] for i in range(c_ref.shape[0])]
    shape = (_SUBLANES, LANES)
    row, s = rows_ref[item], s_ref[item]
    lane = jax.lax.broadcasted_iota(jnp.int32, shape, 0) * np.int32(LANES)
    lane += jax.lax.broadcasted_iota(jnp.int32, shape, 1)

    def lookup(knot):
        high, low = rng.right(knot, np.int32(7)), knot & np.int32(LANES - 1)
        entries = []
        for first in (0, _SUBLANES):
            entry = jnp.zeros(shape, jnp.int32)
            for r in range(_SUBLANES):
                line = jnp.broadcast_to(table_ref[first + r : first + r + 1, :], shape)
                found = jnp.take_along_axis(line, low, axis=1, mode="promise_in_bounds")
                entry = jnp.where(high == np.int32(r), found, entry)
            entries.append(entry)
        return entries

    def add(column, hit, done):
        w = _weight(words, law, coefficients, row, column, lookup, jnp.float32)
        place = around(column, shift_ref[0], np.int32(n_post))
        value = jnp.where(hit, s * w, np.float32(0))
        for r in range(_SUBLANES):
            add_one_hot(y_ref, place[r : r + 1], value[r : r + 1])
        return done

    number = group * np.int32(_SUBLANES * LANES) + lane
    _walk(words, row, number, block, n_post, lookup, add, np.int32(0))


def _on_tpu(y, coefficients, s, words, rows, count, shift, law, block, interpret):
    table = jnp.asarray(rng.logarithm().reshape(-1, LANES))
    n_groups = -(-_n_blocks(y.shape[0], block) // (_SUBLANES * LANES))
    n_tiles = -(-y.shape[0] // (8 * LANES)) * 8
    tiles = jnp.pad(y, (0, n_tiles * LANES - y.shape[0])).reshape(n_tiles, LANES)
    table_spec, y_spec = (
        pl.BlockSpec(x.shape, lambda i, g, *_: (_ZERO, _ZERO)) for x in (table, tiles)
    )

    def batch(b, tiles):
        done = b * np.int32(ITEMS)
        nth = done + jnp.arange(min(ITEMS, rows.shape[0]), dtype=jnp.int32)
        these = rows[jnp.minimum(nth, np.int32(rows.shape[0] - 1))]
        scalars = (these, s[these], words, coefficients, shift[None])
        return pl.pallas_call(
            functools.partial(_tpu_kernel, n_post=y.shape[0], block=block, law=law),
            grid_spec=pltpu.PrefetchScalarGridSpec(
                num_scalar_prefetch=len(scalars),
                grid=(jnp.minimum(count - done, np.int32(ITEMS)), n_groups),
                in_specs=[table_spec, y_spec],
                out_specs=y_spec,
            ),
            out_shape=like(tiles),
            input_output_aliases={len(scalars) + 1: 0},
            interpret=interpret,
            name="procedural_product",
        )(*scalars, table, tiles)

    n_batches = (count + np.int32(ITEMS - 1)) // np.int32(ITEMS)
    return jax.lax.fori_loop(np.int32(0), n_batches, batch, tiles).reshape(-1)[: y.shape[0]]
