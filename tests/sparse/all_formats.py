"""One connectivity of each format, together with the synapses that it was made of."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from fdyn.sparse import COO, CSC, CSR, Dense, FixedFanIn, FixedFanOut, OneToOne

N_PRE, N_POST, K = 7, 5, 3
KINDS = ["fan_out", "fan_in", "csr", "csc", "coo", "dense", "one_to_one"]
WEIGHTS = ["scalar", "row", "column", "synapse"]


class Case(NamedTuple):
    """A connectivity, and rows, columns and the layout of its synapses as numpy sees them."""

    conn: Any
    rows: np.ndarray
    cols: np.ndarray
    layout: tuple[int, ...]
    n_pre: int
    n_post: int

    def matrix(self, weight):
        """The dense matrix by jnp, from a weight of any of the shapes."""
        if weight.ndim == 2 and weight.shape != self.layout:
            per = weight[self.rows, 0] if weight.shape[1] == 1 else weight[0, self.cols]
        else:
            per = jnp.broadcast_to(weight, self.layout).ravel()
        return jnp.zeros((self.n_pre, self.n_post), weight.dtype).at[self.rows, self.cols].add(per)


def make(kind, weights, dtype="float64", delay=None, seed=0, **more):
    """A connectivity with parallel synapses, unsorted rows and, where it can, empty ones.

    `delay` is `None` or a function from the layout to the delays.
    """
    rng = np.random.default_rng(seed)
    n_pre, n_post = (N_PRE, N_PRE) if kind == "one_to_one" else (N_PRE, N_POST)
    n = 2 * n_pre
    if kind in ("csr", "csc", "coo"):
        rows, cols = rng.integers(0, n_pre, n), rng.integers(0, n_post, n)
        rows, cols = np.where(rows == 2, 3, rows), np.where(cols == 1, 4, cols)
        rows[1], cols[1] = rows[0], cols[0]
        by = {"csr": rows, "csc": cols, "coo": np.zeros(n)}[kind]
        order = np.argsort(by, kind="stable")
        rows, cols, layout = rows[order], cols[order], (n,)
    elif kind == "fan_out":
        rows, cols = np.repeat(np.arange(n_pre), K), rng.integers(0, n_post, n_pre * K)
        layout = n_pre, K
    elif kind == "fan_in":
        rows, cols = rng.integers(0, n_pre, n_post * K), np.repeat(np.arange(n_post), K)
        layout = n_post, K
    elif kind == "dense":
        rows, cols = (x.ravel() for x in np.indices((n_pre, n_post)))
        layout = n_pre, n_post
    else:
        rows = cols = np.arange(n_pre)
        layout = (n_pre,)
    shape = {"scalar": (), "row": (n_pre, 1), "column": (1, n_post), "synapse": layout}[weights]
    weight = jnp.asarray(rng.normal(size=shape), dtype)
    if delay is not None:
        more["delay"] = delay(layout)
    if kind == "fan_out":
        conn = FixedFanOut(cols.reshape(layout), weight, n_post=n_post, **more)
    elif kind == "fan_in":
        conn = FixedFanIn(rows.reshape(layout), weight, n_pre=n_pre, **more)
    elif kind == "csr":
        conn = CSR(cols, np.searchsorted(rows, np.arange(n_pre + 1)), weight, n_post=n_post, **more)
    elif kind == "csc":
        conn = CSC(rows, np.searchsorted(cols, np.arange(n_post + 1)), weight, n_pre=n_pre, **more)
    elif kind == "coo":
        conn = COO(rows, cols, weight, n_pre=n_pre, n_post=n_post, **more)
    elif kind == "dense":
        conn = Dense(weight, n_pre=n_pre, n_post=n_post, **more)
    else:
        conn = OneToOne(weight, n=n_pre, **more)
    return Case(conn, rows, cols, layout, n_pre, n_post)
