"""The interface of all connectivities."""

import abc
import math
from types import ModuleType
from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Shaped

from ._checks import as_weight, check_finite, import_extra, positions
from ._delay_field import as_delay, map_delay
from ._edges import Edges, starts
from ._events import Events

# Every format that can be made of any list of synapses, by name: what conversions lead to. The
# base class cannot import them, since they import it.
FORMATS: dict[str, Any] = {}


class AbstractConnectivity(eqx.Module):
    r"""A linear map from `n_pre` to `n_post` units, one weight per synapse or one for all.

    $$y_j \leftarrow y_j + \sum_i s_i\, w_{ij}$$

    `s @ conn` is that sum, `conn @ g` is $\sum_j w_{ij} g_j$, with the shapes of numpy's `matmul`:
    `s` is `[..., n_pre]`, `g` is `[n_post]` or `[..., n_post, batch]`. Both are differentiable any
    number of times in weights and vectors, and batched by `jax.vmap`, over vectors, weights or
    both.

    **Attributes:**

    - `weight`: `[]` for one weight of all synapses, `[n_pre, 1]` for one per row, that is per
        presynaptic unit, `[1, n_post]` for one per column, or one entry per synapse in the layout
        of the format (which is meant where two of these shapes are the same); plain numbers in
        the unit of the synapse that they drive. Quantities of a units library are refused, and
        so is what is not finite: $0 \cdot \infty$ of a silent unit is not 0. Weights that are
        traced, or put in the place of others, are not looked at.
    - `delay`: `None`; ms, `[]` or one entry per synapse in the layout of the format; or a
        `FractionalDelay`. It comes on top of the delay of the projection.
    - `n_pre`, `n_post`: number of pre- and postsynaptic units.

    **Source:** none; a definition.
    """

    weight: eqx.AbstractVar[Any]
    delay: eqx.AbstractVar[Any]
    n_pre: eqx.AbstractVar[int]
    n_post: eqx.AbstractVar[int]

    def __check_init__(self):
        if eqx.is_array(self.weight):
            check_finite(self.weight, self._weight_shape())

    # Lets `numpy_array @ conn` come here instead of to numpy's own product.
    __array_ufunc__ = None

    @property
    @abc.abstractmethod
    def n_synapses(self) -> int:
        """Number of synapses."""

    @property
    @abc.abstractmethod
    def T(self) -> "AbstractConnectivity":  # noqa: N802
        """The connectivity from post to pre, with the same synapses; its arrays are shared."""

    @abc.abstractmethod
    def _weight_shape(self) -> tuple[int, ...]:
        """Shape of one weight per synapse."""

    @abc.abstractmethod
    def _edges(self, xp: ModuleType) -> Edges:
        """The synapses one by one in the order of the weights, by `xp`: jnp or numpy."""

    @abc.abstractmethod
    def _scatter(self, y: Array, w: Any, s: Any) -> Array:
        """`y` + the sums over the presynaptic side; `s` is `[n_pre]` or `Events`."""

    @abc.abstractmethod
    def _gather(self, w: Any, g: Array) -> Array:
        """The sums over the postsynaptic side."""

    @abc.abstractmethod
    def _select(self, pre: np.ndarray | None, post: np.ndarray | None) -> "AbstractConnectivity":
        """The synapses between units `pre` and `post` (`None`: all), numbered anew."""

    @property
    def shape(self) -> tuple[int, int]:
        """`(n_pre, n_post)`, the shape of the dense matrix."""
        return self.n_pre, self.n_post

    @property
    def nbytes(self) -> int:
        """Memory of all its arrays, in bytes."""
        return sum(x.nbytes for x in jax.tree.leaves(self) if eqx.is_array(x))

    # --- products ----------------------------------------------------------------------------

    def accumulate(
        self, y: ArrayLike, s: Any, weight: ArrayLike | None = None
    ) -> Shaped[Array, "*batch n_post"]:
        r"""Add the input that the spikes `s` give to the postsynaptic units.

        $$y_j + \sum_i s_i\, w_{ij}$$

        Event-driven in the formats stored by rows: rows with $s_i = 0$ are not read. In a loop's
        carry `y` is updated in place.

        **Arguments:**

        - `y`: what to add to, `[..., n_post]`, with the leading axes of `s`.
        - `s`: spikes, `[..., n_pre]`, or `Events`; a graded spike counts with its value.
        - `weight`: taken in place of `self.weight`, e.g. weights that learn and therefore are
            kept elsewhere. Default: `self.weight`.

        **Returns:** `[..., n_post]`, of the common dtype of `y`, `s` and the weight.

        **Raises:** `ValueError` if a shape does not fit, or the weight is a quantity.

        ```python
        >>> import jax.numpy as jnp
        >>> from fdyn.sparse import from_dense
        >>> conn = from_dense(jnp.array([[1.0, 2.0], [0.0, 3.0]]))
        >>> print(conn.accumulate(jnp.array([10.0, 10.0]), jnp.array([1.0, 0.5])))
        [11.  13.5]

        ```
        """
        w = self._checked_weight() if weight is None else self._as_weight(weight)
        s = _spikes(s, self.n_pre, w)
        y = _vectors(y, self.n_post, "y", w)
        if y.shape[:-1] != values_of(s).shape[:-1]:
            raise ValueError(
                f"`y` has shape {y.shape} and `s` has shape {values_of(s).shape}, "
                "expected the same leading axes"
            )
        return self._drive(y, s, w)

    def __rmatmul__(self, s: Any) -> Shaped[Array, "*batch n_post"]:
        r"""`s @ conn`: the sums $\sum_i s_i w_{ij}$, `[..., n_post]`."""
        w = self._checked_weight()
        s = _spikes(s, self.n_pre, w)
        return self._drive(jnp.zeros((*values_of(s).shape[:-1], self.n_post), _dtype(s, w)), s, w)

    def __matmul__(self, g: ArrayLike) -> Shaped[Array, "*batch n_pre"]:
        r"""`conn @ g`: the sums $\sum_j w_{ij} g_j$, `[n_pre]`, or `[..., n_pre, batch]`."""
        if isinstance(g, AbstractConnectivity):
            raise TypeError(
                "connectivities are multiplied by vectors: s @ a @ b sends s through both; for a "
                "matrix, list them with to_scipy()"
            )
        w = self._checked_weight()
        g = jnp.asarray(g)
        g = _vectors(jnp.moveaxis(g, -2, -1) if g.ndim > 1 else g, self.n_post, "g", w)
        dtype = _dtype(g, w)
        w, row, column = self._factors(_cast(w, dtype))
        g = g.astype(dtype)

        def product(g):
            x = self._gather(w, g if column is None else g * column)
            return x if row is None else row * x

        x = _over_leading_axes(product, g)
        return jnp.moveaxis(x, -1, -2) if x.ndim > 1 else x

    def __mul__(self, factor: Any) -> "AbstractConnectivity":
        raise TypeError(
            "a connectivity is not scaled as a whole: scale its weights with fdyn.replace(conn, "
            "lambda c: c.weight, 2 * conn.weight), those of a law by its parameters, or the "
            "product, 2 * (s @ conn)"
        )

    __rmul__ = __mul__

    def _drive(self, y: Array, s: Any, w: Any) -> Array:
        dtype = _dtype(y, s, w)
        w, row, column = self._factors(_cast(w, dtype))
        y, s = y.astype(dtype), _map_values(s, lambda x: x.astype(dtype))

        def product(y, s):
            if row is not None:
                s = _map_values(s, lambda x: x * row)
            if column is None:
                return self._scatter(y, w, s)
            return y + column * self._scatter(jnp.zeros_like(y), w, s)

        return _over_leading_axes(product, y, s)

    def _factors(self, w: Any) -> tuple[Any, Array | None, Array | None]:
        """Weights as the format takes them, and what they are multiplied by per row or column."""
        if not eqx.is_array(w) or w.shape in ((), self._weight_shape()):
            return w, None, None
        one = jnp.ones((), w.dtype)
        return (one, w[:, 0], None) if w.shape == (self.n_pre, 1) else (one, None, w[0])

    def _as_weight(self, weight: ArrayLike) -> Array:
        return as_weight(weight, self._weight_shape(), self.shape)

    def _checked_weight(self) -> Any:
        # A weight that was replaced, or stacked for vmap, has not been through the constructor.
        if eqx.is_array(self.weight) and self.weight.shape not in ((), self._weight_shape()):
            return self._as_weight(self.weight)
        return self.weight

    # --- delays ------------------------------------------------------------------------------

    @abc.abstractmethod
    def round_delays(self, dt: float) -> Self:
        r"""A connectivity whose delays are the nearest multiples of `dt`.

        $$d \leftarrow \max(1, \operatorname{round}(d/dt))\, dt \text{ if } d > 0$$

        So a delay never vanishes. A `FractionalDelay` becomes a plain one.

        **Arguments:** `dt`: the step, ms.

        **Raises:** `ValueError` unless `dt` is positive and finite.

        ```python
        >>> from fdyn.sparse import OneToOne
        >>> OneToOne(1.0, n=3, delay=[0.0, 0.02, 0.27]).round_delays(0.125).delay.tolist()
        [0.0, 0.125, 0.25]

        ```
        """

    @abc.abstractmethod
    def route(
        self, dt: float, what: str = "`delay`", longest: float | None = None
    ) -> tuple[Any, int]:
        """How `deposit` finds the places of arrivals, made once for steps of `dt` ms.

        **Arguments:** `dt`: ms; `what`: how an error calls the delays; `longest`: ms, a bound of
        the delays, needed where they are traced.

        **Returns:** the route, a pytree of arrays, and the most steps that a delay takes.

        **Raises:** `ValueError` for a delay that is no multiple of `dt`, naming the first synapse.
        """

    @abc.abstractmethod
    def deposit(
        self, ring: Array, s: Any, route: Any, head: Array, weight: ArrayLike | None = None
    ) -> Shaped[Array, " places"]:
        r"""Put the spikes `s` into a ring of arrivals, each as late as its synapse delays it.

        $$a_{((h + k_{ij}) \bmod D)\, n + j} \leftarrow
          a_{((h + k_{ij}) \bmod D)\, n + j} + s_i\, w_{ij}, \quad k_{ij} = d_{ij} / \Delta t$$

        Event-driven, and in place in a loop's carry, whatever the format.

        **Arguments:**

        - `ring`: arrivals to come, `[D * n_post]`: `D` rows of the `n` postsynaptic units, more
            than the route has steps.
        - `s`: spikes, `[n_pre]`, or `Events`.
        - `route`: made by `route`.
        - `head`: $h$, the row of what arrives now, an integer.
        - `weight`: taken in place of `self.weight`. Default: `self.weight`.

        **Returns:** the ring.

        **Raises:** `ValueError` for spikes of another number or a batch of them (use `jax.vmap`),
        a ring that is too short or no multiple of `n_post`, or a route of another connectivity.

        ```python
        >>> import jax.numpy as jnp
        >>> from fdyn.sparse import OneToOne
        >>> conn = OneToOne([1.0, 2.0], delay=[0.0, 0.5])
        >>> route, steps = conn.route(0.25)
        >>> ring = conn.deposit(jnp.zeros((steps + 1) * 2), jnp.ones(2), route, 0)
        >>> print(ring.reshape(steps + 1, 2))
        [[1. 0.]
         [0. 0.]
         [0. 2.]]

        ```
        """

    # --- other forms -------------------------------------------------------------------------

    def to_dense(self) -> Float[Array, "n_pre n_post"]:
        """The matrix $w_{ij}$, parallel synapses summed: `[n_pre, n_post]`. It has no delays."""
        edges = self._edges(jnp)
        zeros = jnp.zeros(self.shape, edges.weight.dtype)
        # A negative unit would count from the last; beyond the end it is not written.
        cols = jnp.where(edges.outside(), self.n_post, edges.cols)
        return zeros.at[edges.rows, cols].add(edges.per_synapse())

    def to_coo(self) -> Any:
        """The same synapses, in the same order, as a `COO`."""
        return FORMATS["COO"]._of_edges(self._edges(np).inside())

    def to_csr(self) -> Any:
        """The same synapses as a `CSR`, by row, then by column."""
        return FORMATS["CSR"]._of_edges(self._edges(np).inside())

    def to_csc(self) -> Any:
        """The same synapses as a `CSC`, by column, then by row."""
        return FORMATS["CSC"]._of_edges(self._edges(np).inside())

    def to_scipy(self) -> Any:
        """The weights as an array of `scipy.sparse`, for which scipy must be installed.

        A `csr_array` of a `CSR`, a `csc_array` of a `CSC`, else a `coo_array`. Parallel synapses
        are entries of their own (scipy adds them up where it needs to; its `sum_duplicates()`
        does so at once), and weights of zero are stored. Delays are left out.
        """
        scipy = import_extra("scipy.sparse", "to_scipy")
        edges = self._edges(np).inside()
        weight, rows, cols = (np.array(x) for x in (edges.per_synapse(), edges.rows, edges.cols))
        name = type(self).__name__
        if name == "CSR":
            return scipy.csr_array((weight, cols, starts(rows, self.n_pre)), shape=self.shape)
        if name == "CSC":
            return scipy.csc_array((weight, rows, starts(cols, self.n_post)), shape=self.shape)
        return scipy.coo_array((weight, (rows, cols)), shape=self.shape)

    def to_fixed_fan_out(self) -> Any:
        """The same synapses as a `FixedFanOut`; `ValueError` unless all rows have as many."""
        return FORMATS["FixedFanOut"]._of_edges(self._edges(np).inside())

    def to_fixed_fan_in(self) -> Any:
        """The same synapses as a `FixedFanIn`; `ValueError` unless all columns have as many."""
        return FORMATS["FixedFanIn"]._of_edges(self._edges(np).inside())

    def _as_edges(self, rows: Any, cols: Any) -> Edges:
        """Its weights and delays with the rows and columns that they belong to."""
        layout = self._weight_shape()
        index = [x.dtype for x in jax.tree.leaves(self) if jnp.issubdtype(x.dtype, jnp.integer)]

        def flat(x):
            return x.reshape(-1) if x.shape == layout else x

        return Edges(
            rows=rows,
            cols=cols,
            weight=flat(self._checked_weight()),
            delay=map_delay(as_delay(self.delay, layout), flat),
            shape=self.shape,
            index_dtype=index[0].name if index else "int32",
        )

    def __getitem__(self, units: Any) -> "AbstractConnectivity":
        r"""`conn[pre, post]`: the synapses between two sub-populations, numbered anew.

        Each of `pre` and `post` is a slice, an integer array (in any order, each unit at most
        once) or a mask. Weights and delays go with their synapses. The format stays where it can
        hold any selection of its synapses, else the result is a `CSR`: a `FixedFanOut` of which
        some postsynaptic units are left out, and the like.

        **Raises:** `IndexError` for a unit out of range or taken twice.
        """
        if not isinstance(units, tuple) or len(units) != 2:
            first = units[0] if isinstance(units, tuple) and units else units
            raise IndexError(
                f"expected conn[pre, post], got conn[{_shown(units)}]; for all postsynaptic units "
                f"write conn[{_shown(first)}, :]"
            )
        return self._select(
            positions(units[0], self.n_pre, "pre"), positions(units[1], self.n_post, "post")
        )


def _shown(units: Any) -> str:
    """What stands in square brackets, as it is written there."""
    if isinstance(units, tuple):
        return ", ".join(map(_shown, units)) or "()"
    if not isinstance(units, slice):
        return repr(units)
    ends = ["" if x is None else str(x) for x in (units.start, units.stop, units.step)]
    return ":".join(ends if units.step is not None else ends[:2])


# --- vectors and events ----------------------------------------------------------------------


def values_of(s: Any) -> Array:
    """The spikes as an array, whether they come as `Events` or as such."""
    return s.values if isinstance(s, Events) else s


def _map_values(s: Any, change: Any) -> Any:
    if isinstance(s, Events):
        return eqx.tree_at(lambda e: e.values, s, change(values_of(s)))
    return change(s)


def _spikes(s: Any, n: int, weight: Any) -> Any:
    if not isinstance(s, Events):
        return _vectors(s, n, "s", weight)
    s = _map_values(s, lambda x: _vectors(x, n, "s", weight))
    shape, integer = s.values.shape, jnp.dtype("int32")
    expected = [(shape, integer), (shape[:-1], integer)]
    if [(x.shape, x.dtype) for x in (s.index, s.count)] != expected:
        raise ValueError(
            f"a list of events of {s.index.dtype} {s.index.shape} and a count of {s.count.dtype} "
            f"{s.count.shape}, expected int32 {shape} and int32 {shape[:-1]} for spikes of shape "
            f"{shape}; find_events(s) makes them"
        )
    return s


def _vectors(x: ArrayLike, n: int, name: str, weight: Any) -> Array:
    x = jnp.asarray(x)
    if x.ndim == 0 or x.shape[-1] != n:
        if name == "g":
            shape, expected = jnp.moveaxis(x, -1, -2).shape if x.ndim > 1 else x.shape, f"({n}, m)"
        else:
            shape, expected = x.shape, f"(..., {n})"
        raise ValueError(f"`{name}` has shape {shape}, expected {(n,)}, or {expected} for a batch")
    return x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(_dtype(weight))


def _dtype(*operands: Any) -> Any:
    """The common floating dtype; integers, such as the indices of `Events`, do not count."""
    leaves = [x for x in jax.tree.leaves(operands) if jnp.issubdtype(x.dtype, jnp.inexact)]
    return jnp.result_type(*leaves) if leaves else jnp.result_type(float)


def _cast(weight: Any, dtype: Any) -> Any:
    """Weights of another dtype; they may be a law, whose parameters are cast."""
    return jax.tree.map(lambda x: x.astype(dtype), weight)


def _over_leading_axes(product: Any, *operands: Any) -> Array:
    lead = operands[0].shape[:-1]
    if not lead:
        return product(*operands)
    # All leaves of `Events` have the leading axes.
    flat = jax.tree.map(lambda x: x.reshape(math.prod(lead), *x.shape[len(lead) :]), operands)
    result = jax.vmap(product)(*flat)
    return result.reshape(*lead, result.shape[-1])
