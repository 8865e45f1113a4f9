r"""The event product: what the spikes of one step add to the postsynaptic units.

$$y_j \leftarrow y_j + \sum_{i:\, s_i \ne 0} s_i \sum_{p \in \text{row } i} w_p\,
[\text{targets}_p = j]$$

**On a GPU** (Triton): one program takes an active row, or a part of it, 128 synapses at a time,
and adds them atomically. The work is that of the active rows; programs stride over the list of
them, so a quiet step costs one empty launch. The order of the additions is not fixed.

**On a TPU** (Mosaic) there is no scatter. The vector y lies in fast memory as rows of 128, target j
in row j div 128 and lane j mod 128, and the synapses of one row add the outer product of two
one-hot matrices, which is a multiplication for the matrix unit: for each synapse of an active row
n_post multiply-adds on that, and n_post / 128 + 128 comparisons on the vector unit. Above
65,536 postsynaptic units the synapses are read once for each such block. The additions are
in a fixed order; a contribution that is not finite spoils more units than its own.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jax.experimental.pallas import triton as plgpu

from ._common import (
    LANES,
    Chunks,
    add_one_hot,
    around,
    atomic_add,
    check_call,
    each_chunk,
    in_tiles,
    like,
    listed_rows,
    programs,
    span_of,
)

_ZERO = np.int32(0)


def event_product_reference(
    y: Array,
    weight: Array,
    s: Array,
    targets: Array,
    row_start: Array | None = None,
    *,
    shift: Array | None = None,
) -> Array:
    """What `event_product` computes, over all synapses, in plain JAX; arguments as there."""
    flat = targets.reshape(-1)
    if row_start is None:
        spikes = jnp.repeat(s, targets.shape[1])
    else:
        spikes = jnp.repeat(s, jnp.diff(row_start), total_repeat_length=flat.size)
    values = spikes * (weight.reshape(-1) if weight.ndim else weight)
    place = flat if shift is None else (flat + shift.astype(flat.dtype)) % y.shape[0]
    inside = (flat >= 0) & (flat < y.shape[0])
    return y.at[jnp.where(inside, place, y.shape[0])].add(values, mode="drop")


def event_product(
    y: Array,
    weight: Array,
    s: Array,
    targets: Array,
    row_start: Array | None = None,
    *,
    rows: tuple[Array, Array] | None = None,
    shift: Array | None = None,
    backend: str,
    interpret: bool = False,
) -> Array:
    """Add the synapses of the rows with `s != 0` to `y`, in place where XLA can.

    **Arguments:**

    - `y`: what is added to, `[n_post]`; float32, on a GPU also float64.
    - `weight`: `[]` for all synapses, or in the shape of `targets`; dtype of `y`.
    - `s`: values of the spikes, zero where there is none, `[n_pre]`; dtype of `y`.
    - `targets`: int32 `[n_pre, k]` if all rows have k synapses, else `[n_synapses]` row by row. A
        target outside `[0, n_post)` is left out.
    - `row_start`: where each row begins, and the end, int32 `[n_pre + 1]`; with `[n_synapses]`.
    - `rows`: the rows with `s != 0`, rising, int32 `[n_pre]`, and their number, int32 `[]`;
        by default they are searched for.
    - `shift`: int32 `[]` in `[0, n_post)`: target j stands for (j + shift) mod n_post.
    - `backend`: `"gpu"` or `"tpu"`.
    - `interpret`: run the kernel step by step in JAX, on any platform.

    **Returns:** an array like `y`.

    **Raises:** `ValueError` for a dtype that the back end does not take.
    """
    check_call(backend, y.dtype, targets, row_start)
    if targets.size == 0 or y.size == 0:
        return y
    if rows is None:
        rows = listed_rows(s)
    per_synapse = weight if weight.ndim else None
    if per_synapse is None:
        s = s * weight
    shift = jnp.zeros((), jnp.int32) if shift is None else shift
    run = _on_gpu if backend == "gpu" else _on_tpu
    return run(y, per_synapse, s, targets, row_start, *rows, shift, interpret)


# --- GPU ----------------------------------------------------------------------------------------


def _gpu_kernel(*refs, n_post, pitch, weighted, interpret):
    count_ref, shift_ref, rows_ref, s_ref, targets_ref, *refs, _, y_ref = refs
    weight_ref, starts = (refs[0], refs[1:]) if weighted else (None, refs)
    shift, n = shift_ref[0], np.int32(n_post)

    def work(row, positions, in_row):
        target = plgpu.load(targets_ref.at[positions], mask=in_row, other=np.int32(-1))
        value = jnp.full((LANES,), s_ref[row])
        if weight_ref is not None:
            zero = np.zeros((), y_ref.dtype)
            value = value * plgpu.load(weight_ref.at[positions], mask=in_row, other=zero)
        place = around(target, shift, n)
        inside = in_row & (target >= _ZERO) & (target < n)
        atomic_add(y_ref, place, value, inside, interpret)

    each_chunk(count_ref[0], rows_ref, span_of(pitch, *starts), work)


def _on_gpu(y, weight, s, targets, row_start, rows, count, shift, interpret):
    pitch = targets.shape[1] if row_start is None else 0
    synapses = [targets.reshape(-1)] + ([] if weight is None else [weight.reshape(-1)])
    starts = [] if row_start is None else [row_start]
    operands = [count[None], shift[None], rows, s, *synapses, *starts, y]
    kernel = functools.partial(
        _gpu_kernel,
        n_post=y.shape[0],
        pitch=pitch,
        weighted=weight is not None,
        interpret=interpret,
    )
    return pl.pallas_call(
        kernel,
        grid=programs(s.shape[0], targets.size),
        out_shape=like(y),
        input_output_aliases={len(operands) - 1: 0},
        compiler_params=None if interpret else plgpu.CompilerParams(num_warps=4),
        interpret=interpret,
        name="event_product",
    )(*operands)


# --- TPU ----------------------------------------------------------------------------------------


def _tpu_kernel(piece_ref, lower_ref, upper_ref, s_ref, shift_ref, *refs, n_post):
    del piece_ref  # read by the block specifications
    targets_ref, *weight_ref, before_ref, y_ref = refs
    item = pl.program_id(1)

    @pl.when(item == 0)
    def _():
        y_ref[...] = before_ref[...]

    n = np.int32(n_post)
    target = targets_ref[0]
    place = jax.lax.broadcasted_iota(jnp.int32, target.shape, 1)
    inside = (place >= lower_ref[item]) & (place < upper_ref[item])
    inside &= (target >= _ZERO) & (target < n)
    value = s_ref[item] * weight_ref[0][0] if weight_ref else s_ref[item]
    value = jnp.where(inside, value, np.float32(0))
    place = around(target, shift_ref[0], n)
    add_one_hot(y_ref, place, value, pl.program_id(0) * np.int32(y_ref.shape[0]))


def _on_tpu(y, weight, s, targets, row_start, rows, count, shift, interpret):
    chunks = Chunks(targets, row_start, rows, count)
    synapses = [chunks.cut(targets)] + ([] if weight is None else [chunks.cut(weight)])
    tiles, block = in_tiles(y)
    piece_spec = pl.BlockSpec(
        (1, 1, chunks.width), lambda b, i, piece, *_: (piece[i], _ZERO, _ZERO)
    )
    y_spec = pl.BlockSpec((block, LANES), lambda b, i, *_: (b, _ZERO))

    def body(row, piece, lower, upper, n, tiles):
        scalars = (piece, lower, upper, s[row], shift[None])
        return pl.pallas_call(
            functools.partial(_tpu_kernel, n_post=y.shape[0]),
            grid_spec=pltpu.PrefetchScalarGridSpec(
                num_scalar_prefetch=len(scalars),
                grid=(tiles.shape[0] // block, n),
                in_specs=[piece_spec] * len(synapses) + [y_spec],
                out_specs=y_spec,
            ),
            out_shape=like(tiles),
            input_output_aliases={len(scalars) + len(synapses): 0},
            interpret=interpret,
            name="event_product",
        )(*scalars, *synapses, tiles)

    return chunks.batches(body, tiles).reshape(-1)[: y.shape[0]]
