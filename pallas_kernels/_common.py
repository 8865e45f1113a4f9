"""What the kernels share: the rows they work on, atomic addition, and blocks for a TPU."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plgpu

BACKENDS = ("gpu", "tpu")
LANES = 128  # of a TPU's vector registers, and threads of a program on a GPU
PROGRAMS = 2048  # on a GPU: more than run at once, few enough that idle ones cost nothing
ITEMS = 4096  # on a TPU: entries of the lists in its scalar memory
RESIDENT = 262_144  # on a TPU: units whose values lie in fast memory, beside a one-hot matrix
_ROWS = 512  # on a TPU: rows of 128 postsynaptic units in one block
_CHUNK = 512  # on a TPU: synapses in one piece of rows that have any length
_WIDEST = 1024  # on a TPU: the longest row that is worked off in one piece


def check_call(backend: str, *what, **also) -> None:
    """The one error for what a back end does not take; arguments as of `why_not`."""
    if backend not in BACKENDS:
        raise ValueError(f"backend is {backend!r}, expected one of {', '.join(BACKENDS)}")
    reason = why_not(backend, *what, **also)
    if reason:
        raise ValueError(f"the kernel for a {backend.upper()} takes {reason}; the reference does")


def why_not(
    backend: str,
    dtype,
    targets: Array | None = None,
    row_start: Array | None = None,
    *,
    positions: Array | None = None,
    resident: int = 0,
) -> str | None:
    """What a back end takes and was not given, or `None`; `resident` values lie in fast memory."""
    floats = ("float32", "float64") if backend == "gpu" else ("float32",)
    if jnp.dtype(dtype).name not in floats:
        return f"values of {' or '.join(floats)}, not of {jnp.dtype(dtype).name}"
    integers = {"targets": targets, "row_start": row_start, "positions": positions}
    for name, x in integers.items():
        if x is not None and x.dtype != jnp.int32:
            return f"`{name}` of int32, not of {x.dtype}"
    if backend == "tpu" and positions is not None:
        return "weights in the order of the rows, not elsewhere at `positions`"
    if backend == "tpu" and resident > RESIDENT:
        return f"at most {RESIDENT:,} postsynaptic units, not {resident:,}"
    return None


def listed_rows(s: Array) -> tuple[Array, Array]:
    """The rows with `s != 0` in rising order, then zeros, int32 `[n_pre]`, and their number."""
    (found,) = jnp.nonzero(s, size=s.shape[0], fill_value=0)
    return found.astype(jnp.int32), jnp.sum(s != 0, dtype=jnp.int32)


def like(x: Array) -> jax.ShapeDtypeStruct:
    """Shape and dtype of an array, and over which shards of a `shard_map` it differs."""
    kind = jax.typeof(x)
    return jax.ShapeDtypeStruct(kind.shape, kind.dtype, manual_axis_type=kind.manual_axis_type)


def around(place, shift, n):
    """(place + shift) mod n, for both in `[0, n)`; never beyond the largest integer."""
    place = place - (n - shift)
    return jnp.where(place < 0, place + n, place)


# --- GPU ----------------------------------------------------------------------------------------


def programs(n_rows: int, n_synapses: int) -> tuple[int, int]:
    """Grid of a GPU kernel: programs that share the rows, times those that share each row."""
    per_row = n_synapses // max(n_rows, 1) // (4 * LANES)
    across = min(max(per_row, 1), 32)
    return max(min(n_rows, PROGRAMS // across), 1), across


def span_of(pitch: int, starts_ref=None):
    """A function row -> where its synapses begin and end."""

    def span(row):
        after = row + np.int32(1)
        if starts_ref is None:
            return row * np.int32(pitch), after * np.int32(pitch)
        return starts_ref[row], starts_ref[after]

    return span


def each_chunk(count, rows_ref, span, work) -> None:
    """Call `work(row, positions, in_row)` for the chunks of the active rows of this program.

    Programs stride over the list, so its length needs no grid of its own size.
    """
    me, across = pl.program_id(0), pl.program_id(1)
    n_me, n_across = pl.num_programs(0), pl.num_programs(1)

    def one_row(i, _):
        row = rows_ref[me + i * n_me]
        begin, end = span(row)

        def one_chunk(c, _):
            first = begin + (across + c * n_across) * np.int32(LANES)
            positions = first + jnp.arange(LANES, dtype=jnp.int32)
            work(row, positions, positions < end)

        chunks = (end - begin + np.int32(LANES - 1)) // np.int32(LANES)
        jax.lax.fori_loop(np.int32(0), my_share(chunks, across, n_across), one_chunk, None)

    jax.lax.fori_loop(np.int32(0), my_share(count, me, n_me), one_row, None)


def my_share(n, me, of):
    """How many of the numbers me, me + of, me + 2 of, ... lie below n."""
    return (n - me + of - np.int32(1)) // of


def atomic_add(ref, index: Array, value: Array, mask: Array, interpret: bool) -> None:
    """`ref[index] += value` where `mask`, also if an index occurs twice."""
    if not interpret:
        plgpu.atomic_add(ref, (index,), value, mask=mask)
        return

    # The interpreter has no masks, and of equal indices it keeps the last.
    def lane(i, _):
        @pl.when(mask[i])
        def _():
            ref[index[i]] += value[i]

    jax.lax.fori_loop(0, index.shape[0], lane, None)


# --- TPU ----------------------------------------------------------------------------------------


def in_tiles(x: Array) -> tuple[Array, int]:
    """A vector `[n]` as `[rows, 128]`, filled up with zeros, and how many rows are a block."""
    rows = -(-x.shape[0] // LANES)
    block = min(_ROWS, -(-rows // 8) * 8)
    rows = -(-rows // block) * block
    return jnp.pad(x, (0, rows * LANES - x.shape[0])).reshape(rows, LANES), block


def one_hot(index: Array, n: int, value: Array | np.float32 = np.float32(1)) -> Array:
    """Column c holds `value[c]` in row `index[c]`: `[n, C]` for an index `[1, C]`."""
    rows = jax.lax.broadcasted_iota(jnp.int32, (n, index.shape[1]), 0)
    return jnp.where(rows == index, value, np.float32(0))


def add_one_hot(y_ref, place, value, first: Array | np.int32 = np.int32(0)) -> None:
    """`y[place] += value` for `[1, C]`, where y is `[rows, 128]` and begins with row `first`."""
    row = jax.lax.shift_right_arithmetic(place, np.int32(7)) - first
    lane = jax.lax.bitwise_and(place, np.int32(LANES - 1))
    y_ref[...] += jax.lax.dot_general(
        one_hot(row, y_ref.shape[0]),
        one_hot(lane, LANES, value),
        (((1,), (1,)), ((), ())),
        precision=jax.lax.Precision.HIGHEST,
        preferred_element_type=jnp.float32,
    )


class Chunks:
    """Synapses cut into pieces of equal length, and the pieces that the active rows touch.

    Rows of equal length are a piece each, others lie across pieces of a fixed length.
    """

    def __init__(self, targets: Array, row_start: Array | None, rows: Array, count: Array):
        self.n_synapses = targets.size
        self.shape = targets.shape
        if row_start is None and targets.shape[1] <= _WIDEST:
            self.width, self.total = targets.shape[1], count
            self._locate = lambda nth: (rows[nth], rows[nth], np.int32(0), np.int32(self.width))
            return
        if row_start is None:
            start = rows * np.int32(targets.shape[1])
            stop = start + np.int32(targets.shape[1])
        else:
            start, stop = row_start[rows], row_start[rows + np.int32(1)]
        self.width = width = _CHUNK
        first = start // np.int32(width)
        pieces = jnp.where(stop > start, (stop - np.int32(1)) // np.int32(width) - first + 1, 0)
        listed = jnp.arange(rows.shape[0], dtype=jnp.int32) < count
        ends = jnp.cumsum(jnp.where(listed, pieces, 0), dtype=jnp.int32)
        self.total = ends[-1]

        def locate(nth):
            at = jnp.searchsorted(ends, nth, side="right").astype(jnp.int32)
            at = jnp.minimum(at, np.int32(rows.shape[0] - 1))
            piece = first[at] + nth - (ends[at] - pieces[at])
            origin = piece * np.int32(width)
            return rows[at], piece, start[at] - origin, stop[at] - origin

        self._locate = locate

    def cut(self, x: Array) -> Array:
        """Values of the synapses as `[n_pieces, 1, width]`."""
        flat = x.reshape(-1)
        n = -(-self.n_synapses // self.width)
        return jnp.pad(flat, (0, n * self.width - flat.size)).reshape(n, 1, self.width)

    def joined(self, x: Array) -> Array:
        """The inverse of `cut`."""
        return x.reshape(-1)[: self.n_synapses].reshape(self.shape)

    def batches(self, body, value):
        """`value = body(row, piece, lower, upper, n, value)` for each batch of the list.

        A synapse at place p of a piece belongs to the row if lower <= p < upper.
        """

        def one(i, value):
            done = i * np.int32(ITEMS)
            nth = jnp.minimum(done + jnp.arange(self._items(), dtype=jnp.int32), self._last())
            n = jnp.minimum(self.total - done, np.int32(ITEMS))
            return body(*(jnp.broadcast_to(x, nth.shape) for x in self._locate(nth)), n, value)

        n_batches = (self.total + np.int32(ITEMS - 1)) // np.int32(ITEMS)
        return jax.lax.fori_loop(np.int32(0), n_batches, one, value)

    def _last(self):
        return jnp.maximum(self.total - np.int32(1), np.int32(0))

    def _items(self) -> int:
        most = self.shape[0] + -(-self.n_synapses // self.width)
        return min(ITEMS, most)
