r"""The plastic update: the synapses of the units that fired learn, within bounds, where they lie.

$$w_{p} \leftarrow \min(\max(w_{p} + s_i\, x_{\text{targets}_p},\ \text{low}),\ \text{high})
\qquad p \in \text{row } i,\ s_i \ne 0$$

The synapses of rows with $s_i = 0$ are neither read nor written: those outside the bounds stay so.

**On a GPU** (Triton): one program takes an active row, or a part of it, 128 synapses at a time.
Every synapse belongs to one row, so nothing is atomic and the result is the same each time.

**On a TPU** (Mosaic) there is no gather. The vector x lies in fast memory as rows of 128; a one-hot
matrix times it fetches the row of each synapse, on the matrix unit, and a second one picks the
lane: for each synapse of an active row n_post multiply-adds and n_post / 128 + 128 comparisons.
All of x must fit: at most 262,144 values, of which none may be infinite or NaN.
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
    check_call,
    each_chunk,
    like,
    listed_rows,
    one_hot,
    programs,
    span_of,
)

_ZERO = np.int32(0)


def plastic_update_reference(
    weight: Array,
    s: Array,
    x: Array,
    targets: Array,
    row_start: Array | None = None,
    *,
    low: Array,
    high: Array,
    positions: Array | None = None,
) -> Array:
    """What `plastic_update` computes, over all synapses, in plain JAX; arguments as there."""
    flat = targets.reshape(-1)
    if row_start is None:
        spikes = jnp.repeat(s, targets.shape[1])
    else:
        spikes = jnp.repeat(s, jnp.diff(row_start), total_repeat_length=flat.size)
    inside = (flat >= 0) & (flat < x.shape[0])
    values = x.at[jnp.where(inside, flat, 0)].get(mode="clip")
    places = jnp.arange(flat.size) if positions is None else positions
    w = weight.reshape(-1)[places]
    moved = jnp.minimum(jnp.maximum(w + spikes * values, low), high)
    moved = jnp.where(inside & (spikes != 0), moved, w)
    return weight.reshape(-1).at[places].set(moved).reshape(weight.shape)


def plastic_update(
    weight: Array,
    s: Array,
    x: Array,
    targets: Array,
    row_start: Array | None = None,
    *,
    low: Array,
    high: Array,
    positions: Array | None = None,
    rows: tuple[Array, Array] | None = None,
    backend: str,
    interpret: bool = False,
) -> Array:
    """Update the synapses of the rows with `s != 0`, in place where XLA can.

    **Arguments:**

    - `weight`: in the shape of `targets`, or any with `positions`; float32, on a GPU also float64.
    - `s`: what each row's synapses move by, zero for those that stay, `[n_pre]`; dtype of `weight`.
    - `x`: postsynaptic factor, `[n_post]`; dtype of `weight`.
    - `targets`: int32 `[n_pre, k]` if all rows have k synapses, else `[n_synapses]` row by row. A
        synapse with a target outside `[0, n_post)` stays as it is.
    - `row_start`: where each row begins, and the end, int32 `[n_pre + 1]`; with `[n_synapses]`.
    - `low`, `high`: bounds of the updated weights, `[]`; dtype of `weight`.
    - `positions`: where in the flat `weight` each synapse lies, int32 `[n_synapses]`, if not in
        the order of the rows; no two alike; on a GPU only.
    - `rows`: the rows with `s != 0`, rising, int32 `[n_pre]`, and their number, int32 `[]`;
        by default they are searched for.
    - `backend`: `"gpu"` or `"tpu"`.
    - `interpret`: run the kernel step by step in JAX, on any platform.

    **Returns:** an array like `weight`.

    **Raises:** `ValueError` for a dtype or a size that the back end does not take.
    """
    also = dict(positions=positions, resident=x.shape[0])
    check_call(backend, weight.dtype, targets, row_start, **also)
    if weight.size == 0 or x.size == 0:
        return weight
    listed = listed_rows(s) if rows is None else rows
    operands = (weight, s, x, targets, row_start, *listed, jnp.stack([low, high]), interpret)
    return _on_gpu(*operands, positions) if backend == "gpu" else _on_tpu(*operands)


# --- GPU ----------------------------------------------------------------------------------------


def _gpu_kernel(*refs, n_post, pitch, moved_about):
    count_ref, rows_ref, s_ref, bounds_ref, x_ref, targets_ref, *refs, _, weight_ref = refs
    positions_ref, starts = (refs[0], refs[1:]) if moved_about else (None, refs)
    low, high, zero = bounds_ref[0], bounds_ref[1], np.zeros((), weight_ref.dtype)

    def work(row, positions, in_row):
        target = plgpu.load(targets_ref.at[positions], mask=in_row, other=np.int32(-1))
        inside = in_row & (target >= _ZERO) & (target < np.int32(n_post)) & (s_ref[row] != 0)
        if positions_ref is not None:
            positions = plgpu.load(positions_ref.at[positions], mask=inside, other=_ZERO)
        moved = plgpu.load(x_ref.at[target], mask=inside, other=zero) * s_ref[row]
        moved += plgpu.load(weight_ref.at[positions], mask=inside, other=zero)
        moved = jnp.minimum(jnp.maximum(moved, low), high)
        plgpu.store(weight_ref.at[positions], moved, mask=inside)

    each_chunk(count_ref[0], rows_ref, span_of(pitch, *starts), work)


def _on_gpu(weight, s, x, targets, row_start, rows, count, bounds, interpret, positions):
    starts = [] if row_start is None else [row_start]
    places = [] if positions is None else [positions]
    flat = weight.reshape(-1)
    operands = [count[None], rows, s, bounds, x, targets.reshape(-1), *places, *starts, flat]
    pitch = targets.shape[1] if row_start is None else 0
    return pl.pallas_call(
        functools.partial(
            _gpu_kernel, n_post=x.shape[0], pitch=pitch, moved_about=positions is not None
        ),
        grid=programs(s.shape[0], targets.size),
        out_shape=like(flat),
        input_output_aliases={len(operands) - 1: 0},
        compiler_params=None if interpret else plgpu.CompilerParams(num_warps=4),
        interpret=interpret,
        name="plastic_update",
    )(*operands).reshape(weight.shape)


# --- TPU ----------------------------------------------------------------------------------------


def _tpu_kernel(piece_ref, lower_ref, upper_ref, s_ref, bounds_ref, *refs, n_post):
    x_ref, targets_ref, before_ref, weight_ref = refs
    item = pl.program_id(0)

    # Two rows may share a piece: the second one goes on from what the first has written.
    @pl.when((item == 0) | (piece_ref[jnp.maximum(item - 1, 0)] != piece_ref[item]))
    def _():
        weight_ref[...] = before_ref[...]

    target = targets_ref[0]
    place = jax.lax.broadcasted_iota(jnp.int32, target.shape, 1)
    inside = (place >= lower_ref[item]) & (place < upper_ref[item]) & (s_ref[item] != 0)
    inside &= (target >= _ZERO) & (target < np.int32(n_post))
    row = jax.lax.shift_right_arithmetic(target, np.int32(7))
    lane = jax.lax.bitwise_and(target, np.int32(LANES - 1))
    fetched = jax.lax.dot_general(
        x_ref[...],
        one_hot(row, x_ref.shape[0]),
        (((0,), (0,)), ((), ())),
        precision=jax.lax.Precision.HIGHEST,
        preferred_element_type=jnp.float32,
    )
    x = jnp.sum(one_hot(lane, LANES, fetched), axis=0, keepdims=True)
    w = weight_ref[0]
    moved = jnp.minimum(jnp.maximum(w + s_ref[item] * x, bounds_ref[0]), bounds_ref[1])
    weight_ref[0] = jnp.where(inside, moved, w)


def _on_tpu(weight, s, x, targets, row_start, rows, count, bounds, interpret):
    chunks = Chunks(targets, row_start, rows, count)
    targets = chunks.cut(targets)
    n_tiles = -(-x.shape[0] // (8 * LANES)) * 8
    tiles = jnp.pad(x, (0, n_tiles * LANES - x.shape[0])).reshape(n_tiles, LANES)
    piece_spec = pl.BlockSpec((1, 1, chunks.width), lambda i, piece, *_: (piece[i], _ZERO, _ZERO))

    def body(row, piece, lower, upper, n, weight):
        scalars = (piece, lower, upper, s[row], bounds)
        return pl.pallas_call(
            functools.partial(_tpu_kernel, n_post=x.shape[0]),
            grid_spec=pltpu.PrefetchScalarGridSpec(
                num_scalar_prefetch=len(scalars),
                grid=(n,),
                in_specs=[
                    pl.BlockSpec((n_tiles, LANES), lambda i, *_: (_ZERO, _ZERO)),
                    piece_spec,
                    piece_spec,
                ],
                out_specs=piece_spec,
            ),
            out_shape=like(weight),
            input_output_aliases={len(scalars) + 2: 0},
            interpret=interpret,
            name="plastic_update",
        )(*scalars, tiles, targets, weight)

    return chunks.joined(chunks.batches(body, chunks.cut(weight)))
