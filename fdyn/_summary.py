"""What a model holds, as a table."""

from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ._misc import is_traced
from ._param import parameters
from ._projection import Projection
from ._tree import path_str
from .sparse import AbstractConnectivity, Procedural
from .sparse._delay import is_common

_WEIGHT = "weight, in the unit of the synapse that it drives"
_AXON = "delay of all synapses of the projection"
_SYNAPSE = "delay of single synapses, on top of the projection's"
_COMMON = "delay of all synapses, on top of the projection's"


def summary(model: Any) -> str:
    """A table of all arrays of a model: path, shape, dtype, unit, range of values, meaning.

    Delays of projections are among them, also those that are plain numbers. What a connectivity
    that is generated works out beforehand is not; its random key stands for it.

    A second table follows if there are connectivities: path, format, shape, number of synapses,
    memory, which is that of weights, delays and indices together. Of synapses that are generated
    anew at each use it is the mean number.

    **Arguments:** `model`: any pytree of modules, for example a `Network`.

    **Returns:** the tables as text, one row per array, with a line that counts them, then one row
    per connectivity.

    ```python
    >>> from fdyn.components import LIF
    >>> print(summary(LIF(10)).splitlines()[1].split()[:2])
    ['tau', 'scalar']

    ```

    **Source:** none; a convention of this library.
    """
    declared = {path: f.metadata for path, f, _ in parameters(model)}
    arrays = [x for x in jax.tree.leaves(model) if eqx.is_array(x)]
    count, size = sum(x.size for x in arrays), sum(x.nbytes for x in arrays)
    rows = [("path", "shape", "dtype", "unit", "values", "meaning")]
    for path, leaf, unit, doc in _entries(model):
        meta = declared.get(path, {"unit": unit, "doc": doc})
        if eqx.is_array(leaf):
            shape, dtype = "x".join(map(str, leaf.shape)) or "scalar", str(leaf.dtype)
            rows.append((path, shape, dtype, meta["unit"], _range(leaf), meta["doc"]))
        elif doc == _AXON:
            rows.append((path, "scalar", "static", unit, f"{leaf:.6g}", doc))
    lines = [*_table(rows), f"{len(arrays)} arrays, {count} numbers, {size / 1e6:.3g} MB"]
    links = [("path", "format", "shape", "synapses", "memory")]
    for path, conn in _nodes(model, AbstractConnectivity):
        if isinstance(conn, AbstractConnectivity):
            shape = "x".join(map(str, conn.shape))
            name, memory = type(conn).__name__, _memory(conn.nbytes)
            links.append((path or "-", name, shape, _number(conn), memory))
    return "\n".join([*lines, *(["", *_table(links)] if len(links) > 1 else [])])


def _nodes(model: Any, *kinds: type) -> Iterator[tuple[str, Any]]:
    """Modules of these kinds, which are not looked into, and all other leaves, with their paths."""
    found = jax.tree_util.tree_leaves_with_path(model, is_leaf=lambda x: isinstance(x, kinds))
    for keys, node in found:
        yield path_str(keys), node


def _entries(model: Any) -> Iterator[tuple[str, Any, str, str]]:
    """Every leaf with its path, and unit and meaning as far as its place tells them."""
    for path, node in _nodes(model, Projection, AbstractConnectivity):
        if isinstance(node, Projection):
            for name in ("connect", "synapse", "output", "release", "plasticity"):
                for entry in _entries(getattr(node, name)):
                    yield _join(path, name, entry[0]), *entry[1:]
            for inner, value in _nodes(node.delay):
                yield _join(path, "delay", inner), value, "ms", _AXON
        elif isinstance(node, AbstractConnectivity):
            for entry in _of_connectivity(node):
                yield _join(path, entry[0]), *entry[1:]
        else:
            yield path, node, "-", ""


def _of_connectivity(conn: AbstractConnectivity) -> Iterator[tuple[str, Any, str, str]]:
    for path, leaf in _nodes(conn):
        name = path.split(".")[0]
        if name == "weight":
            yield path, leaf, "-", _WEIGHT
        elif name == "delay":
            yield path, leaf, "ms", _COMMON if is_common(conn.delay) else _SYNAPSE
        elif not isinstance(conn, Procedural):
            yield path, leaf, "-", "where the synapses lie"
        elif name == "key":
            yield path, leaf, "-", "random key of which the synapses are made"


def _join(*names: str) -> str:
    return ".".join(filter(None, names))


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows]


def _number(conn: Any) -> str:
    # Synapses that are generated at each use are not generated for this.
    about = getattr(conn, "expected_synapses", None)
    return str(conn.n_synapses) if about is None else f"about {about:.3g}"


def _memory(n: float) -> str:
    for unit in ("B", "kB", "MB"):
        if n < 1000:
            return f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:.3g} GB"


def _range(leaf: Array) -> str:
    if is_traced(leaf):
        return "traced"
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) or leaf.size == 0:
        return "-"
    low, high = np.asarray(leaf).min(), np.asarray(leaf).max()
    return f"{low:.6g}" if low == high else f"{low:.4g} .. {high:.4g}"
