"""What a run keeps: recorded variables, spikes, and the recording that holds them."""

import abc
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from . import _tree
from ._misc import is_traced
from ._network import paths_of, unit_of
from .components import AbstractComponent, State
from .solvers._status import Status

_WHOLE_RUN = 2**31 - 1
# What the `k`-th step of a row makes of the steps before it. A mean is moved rather than summed,
# which keeps its precision on long rows.
_REDUCERS: dict[str, Callable[[Array, Array, Array], Array]] = {
    "last": lambda acc, x, k: x,
    "mean": lambda acc, x, k: acc + (x - acc) / k.astype(x.dtype),
    "sum": lambda acc, x, k: acc + x,
    "max": lambda acc, x, k: jnp.maximum(acc, x),
    "min": lambda acc, x, k: jnp.minimum(acc, x),
}


class AbstractRecord(eqx.Module):
    """Something that a run keeps at every step, or at every so many steps."""

    every: eqx.AbstractVar[int]
    reduce: eqx.AbstractVar[str]

    @abc.abstractmethod
    def sample(self, t: Array, state: State, out: Any) -> Array:
        """The value at time `t` (ms)."""


class _Slice(eqx.Module):
    """A slice as part of a static structure; Python's own cannot be hashed before 3.12."""

    start: Any = eqx.field(static=True)
    stop: Any = eqx.field(static=True)
    step: Any = eqx.field(static=True)


class Record(AbstractRecord):
    """A variable to keep, with a subset of units, a sampling interval and a reducer.

    **Arguments:**

    - `source`: path of a state variable or an output (`"E.v"`, `"E.spike"`), or a function
      `(t, state, out) -> array` of the time (ms), the `State` of the model and its outputs. A new
      function object compiles anew: define it once.
    - `index`: which units to keep: a slice, or a list or array of indices.
    - `every`: keep one row per so many steps, 1; `None` for one row for the whole run.
    - `reduce`: how the steps of a row become one: `"last"` (default), `"mean"`, `"sum"`, `"max"`
      or `"min"`. A last, incomplete row is left out.

    **Raises:** `ValueError` for an interval below 1, an unknown reducer, or (in a run) an unknown
    path or an index out of range.

    ```python
    >>> from fdyn import simulate
    >>> from fdyn.components import LIF
    >>> rec = simulate(LIF(5), 10.0, dt=0.1, record=Record("v", index=[0, 3], every=10))
    >>> rec["v"].shape
    (10, 2)
    >>> simulate(LIF(5), 10.0, dt=0.1, record=Record("v", index=slice(3)))["v"].shape
    (100, 3)

    ```

    **Source:** none; a convention of this library.
    """

    source: Any = eqx.field(static=True)
    index: Any = None
    every: int = eqx.field(static=True, default=1)
    reduce: str = eqx.field(static=True, default="last")

    def __init__(
        self, source: Any, *, index: Any = None, every: int | None = 1, reduce: str = "last"
    ):
        if not (isinstance(source, str) or callable(source)):
            raise ValueError(f"'source' must be a path or a function, got {source!r}.")
        if every is not None and (isinstance(every, bool) or int(every) != every or every < 1):
            raise ValueError(f"'every' must be a positive number of steps or None, got {every!r}.")
        if reduce not in _REDUCERS:
            raise ValueError(f"'reduce' must be one of {sorted(_REDUCERS)}, got {reduce!r}.")
        self.source = source
        if isinstance(index, slice):
            self.index = _Slice(index.start, index.stop, index.step)
        else:
            self.index = None if index is None else np.atleast_1d(index)
        if isinstance(self.index, np.ndarray) and self.index.dtype.kind not in "iu":
            raise ValueError(f"'index' must hold whole numbers or be a slice, got {index!r}.")
        self.every = _WHOLE_RUN if every is None else int(every)
        self.reduce = reduce

    def sample(self, t: Array, state: State, out: Any) -> Array:
        """The chosen units of the variable."""
        if isinstance(self.source, str):
            x = lookup(self.source, state, out)
        else:
            x = jnp.asarray(self.source(t, state, out))
        if self.reduce != "last" and not jnp.issubdtype(x.dtype, jnp.inexact):
            x = x.astype(jnp.result_type(float))
        if isinstance(self.index, _Slice):
            return x[self.index.start : self.index.stop : self.index.step]
        return x if self.index is None else x[self.index]


class Spikes(AbstractRecord):
    """Spikes to keep as times and indices, instead of an array over time.

    Needs memory only for the spikes. Any output or variable can be the source: what is kept is
    where it is not zero (its value is not; use `Record` for graded events). The times are those of
    the grid, and exact for neurons that interpolate their spikes (`LIF(interpolate=True)`).

    **Arguments:** `source`: path of an output such as `"E.spike"`.

    ```python
    >>> from fdyn import simulate
    >>> from fdyn.components import LIF
    >>> rec = simulate(LIF(2), 100.0, dt=0.1, inputs=20.0, record=Spikes("spike"))
    >>> rec.spikes("spike").index.tolist()
    [0, 1, 0, 1, 0, 1]

    ```

    **Source:** none; a convention of this library.
    """

    source: str = eqx.field(static=True)
    every: int = eqx.field(static=True, default=1, init=False)
    reduce: str = eqx.field(static=True, default="last", init=False)

    def __check_init__(self):
        if not isinstance(self.source, str):
            raise ValueError(f"Spikes: 'source' must be a path, got {self.source!r}.")

    def sample(self, t: Array, state: State, out: Any) -> Array:
        """Where there is a spike; or, where spikes are interpolated, how early, and else -1."""
        spike = lookup(self.source, state, out) != 0
        early = _tree.get(out, _tree.split(early_path(self.source)))
        return spike if early is None else jnp.where(spike, early, -1)


class SpikeTrains(eqx.Module):
    """Spikes of a population: `times` (ms) and `index` of the unit, in the order of time.

    `size` is the number of units, silent ones included. Unpacks as `times, index`.
    """

    times: np.ndarray
    index: np.ndarray
    size: int = eqx.field(static=True)

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter((self.times, self.index))


class Recording(eqx.Module):
    """What a run returns.

    `rec["E.v"]` is the recorded array, `[rows, ...]`; `rec.ts` the times of the steps (ms), where
    the value after step i is stamped `t0 + (i + 1) dt`; `rec.times(name)` the times of the rows of
    one variable, `rec.unit(name)` its unit, `rec.spikes(name)` its spikes as times and indices.
    `rec.state` goes on exactly where the run ended: `simulate(model, ..., state=rec.state)`.
    `rec.status` says whether everything stayed finite.

    ```python
    >>> from fdyn import simulate
    >>> from fdyn.components import LIF
    >>> rec = simulate(LIF(2), 30.0, dt=0.1, inputs=[[20.0, 0.0]] * 300, record=["v", "spike"])
    >>> rec["v"].shape, rec.unit("v"), bool(rec.status.ok)
    ((300, 2), 'mV', True)
    >>> times, index = rec.spikes("spike")
    >>> times.round(1).tolist(), index.tolist()
    ([27.8], [0])

    ```

    **Source:** none; a convention of this library.
    """

    ts: Any
    traces: dict[str, Any]
    state: Any
    status: Status
    units: dict[str, str] = eqx.field(static=True)
    every: dict[str, int] = eqx.field(static=True)

    def __getitem__(self, name: str) -> Any:
        self._check(name)
        trace = self.traces[name]
        if isinstance(trace, SpikeTrains):
            raise ValueError(
                f"{name!r} was recorded as spikes: use .spikes({name!r}), or record it densely "
                f"with Record({name!r})."
            )
        return trace

    def times(self, name: str) -> Any:
        """The times (ms) of the rows of `rec[name]`."""
        self._check(name)
        check_single(self.ts, "recording")
        every = self.every[name]
        return self.ts[-1:] if every == _WHOLE_RUN else self.ts[every - 1 :: every]

    def unit(self, name: str) -> str:
        """The unit of `rec[name]`."""
        self._check(name)
        return self.units[name]

    def spikes(self, name: str) -> SpikeTrains:
        """The spikes of a variable: where it is not zero, in the order of time.

        Where neurons interpolate their spikes, the exact times need `early` recorded too, or
        `Spikes`.
        """
        self._check(name)
        trace = self.traces[name]
        if isinstance(trace, SpikeTrains):
            return trace
        if is_traced((trace, self.ts)):
            raise ValueError(
                "spikes: how many there are is not known inside of jit, vmap or grad. Use the "
                f"dense record, rec[{name!r}], an array over time; or call .spikes outside."
            )
        check_single(self.ts, "recording")
        row, index = find_spikes(np.asarray(trace) != 0)
        size, times = math.prod(trace.shape[1:]), np.asarray(self.times(name))[row]
        early = self.traces.get(early_path(name))
        if early is None or np.shape(early) != np.shape(trace):
            return SpikeTrains(times, index, size)
        return _in_order(times - np.asarray(early).reshape(-1, size)[row, index], index, size)

    def _check(self, name: str) -> None:
        if name not in self.traces:
            raise _tree.unknown("recording", name, list(self.traces))


def check_single(ts: Any, what: str) -> None:
    """Refuse a batch, as `jax.vmap` makes it, where only one run has an answer."""
    if np.ndim(ts) != 1:
        raise ValueError(
            f"this {what} is a batch of {np.shape(ts)[0]}: take one of it, for example "
            f"jax.tree.map(lambda x: x[0], {what})."
        )


def lookup(path: str, state: State, out: Any) -> Array:
    """The variable at a path: among the state variables, the outputs, the memory."""
    names = _tree.split(path)
    for tree in (state.y, out, state.mem):
        found = _tree.get(tree, names)
        if found is not None and not isinstance(found, dict):
            return found
    raise _tree.unknown("record", path, paths_of(state.y, out, state.mem))


def early_path(path: str) -> str:
    """Where a population that interpolates its spikes says how early they were."""
    *parents, last = _tree.split(path)
    # No output has a name with a space: what is no spike is never early.
    return ".".join([*parents, "early" if last == "spike" else "not early"])


def _in_order(times: np.ndarray, index: np.ndarray, size: int) -> SpikeTrains:
    order = np.argsort(times, kind="stable")
    return SpikeTrains(times[order], index[order], size)


def make_records(record: Any) -> dict[str, AbstractRecord]:
    """The `record=` argument in its full form: a dictionary from name to record."""
    if record is None:
        return {}
    if isinstance(record, dict):
        return {name: _make_record(r) for name, r in record.items()}
    entries = record if isinstance(record, list | tuple) else [record]
    records = {}
    for entry in map(_make_record, entries):
        if not isinstance(entry.source, str):
            raise ValueError("a recorded function needs a name: record={'my name': function}.")
        if entry.source in records:
            raise ValueError(f"{entry.source!r} is recorded twice: give names, record={{...}}.")
        records[entry.source] = entry
    return records


def _make_record(entry: Any) -> Record | Spikes:
    return entry if isinstance(entry, Record | Spikes) else Record(entry)


def check_index(name: str, record: AbstractRecord, shape: tuple[int, ...]) -> None:
    """An index of units that lie in the variable (of this shape without the index)."""
    index = getattr(record, "index", None)
    if isinstance(index, np.ndarray) and shape:
        bad = index[(index < -shape[0]) | (index >= shape[0])]
        if bad.size:
            raise ValueError(
                f"record {name!r}: index {bad[:3].tolist()} is out of range for {shape[0]} units."
            )


def units_of(model: AbstractComponent, records: dict[str, AbstractRecord]) -> dict[str, str]:
    """The unit of each record; unknown (`"-"`) for functions."""
    sources = {name: getattr(r, "source", None) for name, r in records.items()}
    return {
        name: unit_of(model, _tree.split(s)) if isinstance(s, str) else "-"
        for name, s in sources.items()
    }


def accumulate(record: AbstractRecord, acc: Array, x: Array, i: Array) -> Array:
    """The reduction of the steps of a row so far, after the `i`-th step of the run."""
    if record.reduce == "last":
        return x
    k = i % record.every + 1
    return jnp.where(k == 1, x, _REDUCERS[record.reduce](acc, x, k))


def needs_past(record: AbstractRecord) -> bool:
    """Whether a row depends on more than its last step."""
    return record.reduce != "last" or whole_run(record)


def whole_run(record: AbstractRecord) -> bool:
    """Whether the record is one row for the whole run."""
    return record.every == _WHOLE_RUN


def find_spikes(flags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of the true entries; reads eight flags at a time, since most are false."""
    flags = flags.reshape(flags.shape[0], math.prod(flags.shape[1:]))
    flat = np.ascontiguousarray(flags).reshape(-1).view(np.uint8)
    whole = flat.size // 8 * 8
    words = np.flatnonzero(flat[:whole].view(np.uint64))
    block, offset = np.nonzero(flat[:whole].reshape(-1, 8)[words])
    hits = np.concatenate([words[block] * 8 + offset, whole + np.flatnonzero(flat[whole:])])
    return np.divmod(hits, max(flags.shape[1], 1))


def _cut(file: np.memmap, n_rows: int) -> np.memmap:
    """The `.npy` file of a memory map, with its first rows only."""
    file.flush()
    if n_rows == len(file):
        return file
    path, old = Path(str(file.filename)), file.offset
    header = {
        "descr": np.lib.format.dtype_to_descr(file.dtype),
        "fortran_order": False,
        "shape": (n_rows, *file.shape[1:]),
    }
    size = file.dtype.itemsize * math.prod(header["shape"])
    with path.open("r+b") as f:
        np.lib.format.write_array_header_1_0(f, header)
        # numpy leaves room in the header for any number of rows.
        if f.tell() != old:
            raise RuntimeError(f"{path}: the header takes {f.tell()} bytes, expected {old}.")
        f.truncate(old + size)
    return np.lib.format.open_memmap(path, mode="r+")


class Store:
    """The host's side of a run: takes the buffers of each chunk and joins them at the end."""

    def __init__(
        self,
        records: dict[str, AbstractRecord],
        acc: dict[str, Any],
        n_steps: int,
        stream: str | Path | None,
    ):
        self.records = records
        self.parts: dict[str, list] = {name: [] for name in records}
        self.files: dict[str, np.memmap] = {}
        if stream is None:
            return
        folder = Path(stream)
        streamed = [n for n, r in records.items() if not isinstance(r, Spikes) and not whole_run(r)]
        for name in streamed:
            if Path(name).name != name:
                raise ValueError(f"'stream': {name!r} cannot be the name of a file: rename it.")
            # An earlier recording may still read the file: it would change, or crash, under it.
            if (folder / f"{name}.npy").exists():
                raise ValueError(
                    f"'stream': {str(folder / f'{name}.npy')!r} exists, and may be read by an "
                    "earlier recording. Name another folder, or remove the file first."
                )
        folder.mkdir(parents=True, exist_ok=True)
        for name in streamed:
            self.files[name] = np.lib.format.open_memmap(
                folder / f"{name}.npy",
                mode="w+",
                dtype=acc[name].dtype,
                shape=(n_steps // records[name].every, *acc[name].shape),
            )

    def close(self, n_steps: int) -> None:
        """Cut the files down to the rows that `n_steps` steps completed."""
        for name, file in self.files.items():
            self.files[name] = _cut(file, n_steps // self.records[name].every)

    def take(self, buffers: dict[str, Any], start: int, n: int) -> None:
        """Keep the rows that became complete in the `n` steps from step `start` of the run."""
        for name, r in self.records.items():
            if whole_run(r):
                continue
            low, high = start // r.every, (start + n) // r.every
            rows = np.asarray(buffers[name])[: high - low]
            if isinstance(r, Spikes):
                exact = rows.dtype != bool
                row, index = find_spikes(rows >= 0 if exact else rows)
                early = rows.reshape(len(rows), -1)[row, index] if exact else np.zeros(0)
                self.parts[name].append((row + start, index, early))
            elif name in self.files:
                self.files[name][low:high] = rows
            else:
                self.parts[name].append(np.array(rows))

    def finish(self, acc: dict[str, Any], ts: np.ndarray) -> dict[str, Any]:
        """The traces of the whole run, whose steps ended at `ts` (ms)."""
        n_steps = ts.size
        self.close(n_steps)
        traces = {}
        for name, r in self.records.items():
            if whole_run(r):
                traces[name] = np.asarray(acc[name])[None][:n_steps]
            elif isinstance(r, Spikes):
                parts = self.parts[name] or [(np.zeros(0, int), np.zeros(0, int), np.zeros(0))]
                row, index, early = (np.concatenate(x) for x in zip(*parts, strict=True))
                times = ts[row] - early if early.size else ts[row]
                traces[name] = _in_order(times, index, acc[name].size)
            elif name in self.files:
                traces[name] = self.files[name]
            else:
                empty = np.zeros((0, *acc[name].shape), acc[name].dtype)
                traces[name] = np.concatenate([empty, *self.parts[name]])
        return traces
