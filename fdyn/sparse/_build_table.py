"""Connectivities of measured or otherwise given graphs: edge tables and networkx."""

import csv
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Array, Key

from ._build_common import Values, per_synapse
from ._coo import COO
from ._csr import CSR


def from_table(
    table: str | os.PathLike | np.ndarray | Mapping[str, Any],
    *,
    pre: str = "pre",
    post: str = "post",
    weight: str | Values = "weight",
    delay: str | Values | None = None,
    names: Sequence[Any] | None = None,
    key: Key[Array, ""] | None = None,
) -> tuple[CSR, list[Any]]:
    r"""A connectome: one row per synapse, units by name or number.

    **Arguments:**

    - `table`: a path of a CSV file, columns separated by commas, whose first line names them; a
        structured numpy array; or a mapping of names to columns, such as a dict of arrays or a
        data frame of pandas, which is not needed otherwise.
    - `pre`, `post`: the columns of the units, of strings or integers. Defaults: `"pre"`, `"post"`.
        In a CSV file they are integers if all entries of both are.
    - `weight`: the column of the weights, or a scalar, a law such as `Normal` (with a `key`), or
        an array for all synapses in the order of the rows. Default: `"weight"`.
    - `delay`: in ms, given like `weight`. Default: `None`, no delay of its own.
    - `names`: all units in the order in which they are numbered; units without synapses are
        possible. Default: those of both columns, sorted.
    - `key`: a `jax.random` key, for laws. Default: `None`.

    **Returns:** a `CSR` with sorted rows, in which several rows of the table about one pair are
    parallel synapses, and the names, a list in the order of the units.

    **Raises:** `ValueError` if a column is missing or not as long as the others, an entry is no
    number or not finite, or a unit is not in `names` or is there twice.

    ```python
    >>> from fdyn.sparse import from_table
    >>> table = {"pre": ["AVA", "AVB"], "post": ["DA1", "AVA"], "weight": [3.0, 1.0]}
    >>> conn, names = from_table(table)
    >>> names
    ['AVA', 'AVB', 'DA1']
    >>> print(conn.to_dense())
    [[0. 0. 3.]
     [1. 0. 0.]
     [0. 0. 0.]]

    ```

    **Source:** none; the columns of edge tables of published connectomes, such as FlyWire,
    Dorkenwald et al. 2024, Nature 634:124.
    """
    columns, where = _read(table)
    sources, targets = (_units(_column(columns, name)) for name in (pre, post))
    if isinstance(table, str | os.PathLike):
        sources, targets = _integers(sources, targets)
    n = sources.size
    if targets.size != n:
        raise ValueError(f"`{pre}` has {n} rows and `{post}` has {targets.size}, expected the same")

    def of(values: Any, name: str) -> Any:
        if isinstance(values, str):
            return _numbers(_column(columns, values), values, n, where)
        return per_synapse(values, name, (n,), key)

    listed = _listed(sources, targets) if names is None else list(names)
    place = _places(listed)
    conn = COO(
        _index(place, sources, pre),
        _index(place, targets, post),
        of(weight, "weight"),
        n_pre=len(listed),
        n_post=len(listed),
        delay=None if delay is None else of(delay, "delay"),
    )
    return conn.to_csr(), listed


def from_networkx(
    graph: Any,
    *,
    weight: str | Values = "weight",
    delay: str | Values | None = None,
    key: Key[Array, ""] | None = None,
) -> tuple[CSR, list[Any]]:
    r"""A graph of networkx; edges without a direction become a pair of synapses, one each way.

    A loop of a graph without directions is one synapse; parallel edges of a multigraph are
    parallel synapses.

    **Arguments:**

    - `graph`: a graph of networkx (not needed otherwise), of any kind.
    - `weight`: the edge attribute with the weights, or, which a graph without them needs, a scalar,
        a law such as `Normal` (with a `key`), or an array for all synapses of the `CSR`. Default:
        `"weight"`.
    - `delay`: in ms, given like `weight`. Default: `None`, no delay of its own.
    - `key`: a `jax.random` key, for laws. Default: `None`.

    **Returns:** a `CSR` with sorted rows, and the nodes, a list in the order of the units.

    **Raises:** `ValueError` if `graph` is none, or an edge lacks an attribute.

    ```python
    >>> import networkx as nx
    >>> from fdyn.sparse import from_networkx
    >>> conn, nodes = from_networkx(nx.path_graph(["a", "b", "c"]), weight=1.0)
    >>> print(conn.to_dense())
    [[0. 1. 0.]
     [1. 0. 1.]
     [0. 1. 0.]]

    ```

    **Source:** none; a definition.
    """
    if not all(hasattr(graph, name) for name in ("nodes", "edges", "is_directed")):
        raise ValueError(f"`graph` is {type(graph).__name__}, expected a graph of networkx")
    nodes = list(graph.nodes)
    place = {node: i for i, node in enumerate(nodes)}
    edges = [(place[u], place[v], data) for u, v, data in graph.edges(data=True)]
    if not graph.is_directed():
        edges += [(v, u, data) for u, v, data in edges if u != v]
    # In the order of the CSR, which is that of what is given per synapse.
    edges.sort(key=lambda edge: edge[:2])

    def of(values: Any, name: str) -> Any:
        if not isinstance(values, str):
            return per_synapse(values, name, (len(edges),), key)
        for u, v, data in edges:
            if values not in data:
                raise ValueError(
                    f"{_edge(nodes, (u, v))} has no attribute {values!r}, expected one on every "
                    f"edge, or e.g. {name}=1.0 for a graph without them"
                )
        entries = [data[values] for _, _, data in edges]
        return _numbers(entries, values, len(edges), lambda k: _edge(nodes, edges[k]))

    conn = COO(
        np.array([u for u, _, _ in edges], np.int64),
        np.array([v for _, v, _ in edges], np.int64),
        of(weight, "weight"),
        n_pre=len(nodes),
        n_post=len(nodes),
        delay=None if delay is None else of(delay, "delay"),
    )
    return conn.to_csr(), nodes


def _edge(nodes: list[Any], edge: tuple) -> str:
    return f"the edge {nodes[edge[0]]!r} - {nodes[edge[1]]!r}"


def _read(table: Any) -> tuple[Any, Callable[[int], str]]:
    """Something with columns by name, and what an error calls the place of a synapse."""
    if not isinstance(table, str | os.PathLike):
        return table, lambda k: f"row {k} of the synapses"
    path = os.fspath(table)
    with open(table, newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        rows = [(reader.line_num, row) for row in reader if row]
    if not rows:
        raise ValueError(f"{path} is empty, expected a first line with column names")
    header = [name.strip() for name in rows[0][1]]
    other = [(c, name) for c, name in (("\t", "tabs"), (";", "semicolons")) if c in rows[0][1][0]]
    if len(header) == 1 and other:
        raise ValueError(
            f"{path} seems to have its columns separated by {other[0][1]}, but they must be "
            "separated by commas: change the file, or hand over a data frame, such as that of "
            f"pandas.read_csv(path, sep={other[0][0]!r})"
        )
    for line, row in rows[1:]:
        if len(row) != len(header):
            raise ValueError(
                f"{path}: line {line} has {len(row)} entries, expected {len(header)}: "
                f"{', '.join(header)}"
            )
    columns = {name: [row[k].strip() for _, row in rows[1:]] for k, name in enumerate(header)}
    return columns, lambda k: f"line {rows[k + 1][0]} of {path}"


def _column(columns: Any, name: str) -> Any:
    fields = getattr(getattr(columns, "dtype", None), "names", None)
    known = list(fields) if fields else list(columns) if hasattr(columns, "keys") else None
    if known is None:
        raise ValueError(
            f"`table` is {type(columns).__name__}, expected a path, a structured array or a "
            "mapping of names to columns"
        )
    if name not in known:
        raise ValueError(f"the table has no column {name!r}; it has {', '.join(map(str, known))}")
    return columns[name]


def _units(column: Any) -> np.ndarray:
    units = np.asarray(column)
    if units.ndim != 1 or not (units.dtype.kind in "iuUSO" or units.size == 0):
        raise ValueError(
            f"a column of units is {units.dtype} of shape {units.shape}, expected strings or "
            "integers, one per row"
        )
    return units


def _integers(*columns: np.ndarray) -> list[np.ndarray]:
    """Columns of text as integers, if every entry of all of them is one."""
    try:
        return [column.astype(np.int64) for column in columns]
    except ValueError:
        return list(columns)


def _numbers(column: Any, name: str, n: int, where: Callable[[int], str]) -> np.ndarray:
    entries = np.asarray(column)
    try:
        values = entries.astype(np.float64)
    except (TypeError, ValueError):
        wrong = enumerate(entries.tolist())
        at, entry = next((i, entry) for i, entry in wrong if not _is_number(entry))
        found = "an empty entry" if entry == "" else repr(entry)
        raise ValueError(f"`{name}` has {found} in {where(at)}, expected a number") from None
    if values.shape != (n,):
        raise ValueError(f"`{name}` has shape {values.shape}, expected one entry per row, ({n},)")
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        raise ValueError(
            f"`{name}` has {values[wrong[0]]} in {where(int(wrong[0]))}, expected a finite number"
        )
    return values if entries.dtype.kind != "f" else entries


def _is_number(entry: Any) -> bool:
    try:
        float(entry)
    except (TypeError, ValueError):
        return False
    return True


def _listed(sources: np.ndarray, targets: np.ndarray) -> list[Any]:
    try:
        return sorted({*sources.tolist(), *targets.tolist()})
    except TypeError:
        raise ValueError(
            "units of several types cannot be sorted; expected all strings or all integers, or "
            "their order in `names`"
        ) from None


def _places(names: list[Any]) -> dict[Any, int]:
    place = {name: i for i, name in enumerate(names)}
    if len(place) < len(names):
        twice = next(name for i, name in enumerate(names) if place[name] != i)
        raise ValueError(f"`names` has {twice!r} twice, expected each unit once")
    return place


def _index(place: dict[Any, int], units: np.ndarray, name: str) -> np.ndarray:
    distinct, inverse = np.unique(units, return_inverse=True)
    missing = [unit for unit in distinct.tolist() if unit not in place]
    if missing:
        raise ValueError(
            f"{len(missing)} units of column {name!r} are not in `names`, the first is "
            f"{missing[0]!r}"
        )
    return np.array([place[unit] for unit in distinct.tolist()], np.int64)[inverse]
