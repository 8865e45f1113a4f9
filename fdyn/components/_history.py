"""The past of a state, as the flow of a model with delays sees it."""

import abc
import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PyTree

from .. import _tree


class AbstractHistory(eqx.Module):
    r"""The past of a state: `hist(lag)` is $y(t - \mathrm{lag})$.

    One flow serves simulation (the past that was), equilibria (a past that never changes) and
    characteristic roots (a past that grows exponentially): only the history differs.

    **Source:** none; a convention of this library.
    """

    @abc.abstractmethod
    def __call__(self, lag: Any, name: str | int | None = None) -> PyTree:
        """The state `lag` (ms) ago.

        **Arguments:** `lag`: ms; a number, or an array that broadcasts against the leaf, one lag
        per element; `name`: path of a single leaf such as `"v"`, or its number in a state that is
        a tuple or list; the whole state by default.

        **Returns:** like the state, or like the leaf broadcast against `lag`.
        """

    @abc.abstractmethod
    def derivative(self, lag: Any, name: str | int | None = None) -> PyTree:
        """The derivative of the state `lag` (ms) ago, per ms, for neutral equations."""

    @abc.abstractmethod
    def child(self, name: str) -> "AbstractHistory":
        """The past of one entry of the state, which a network hands to its node."""


class NoHistory(AbstractHistory):
    """The history of a model that nobody keeps: using it is an error that says what to do."""

    def __call__(self, lag: Any, name: str | int | None = None) -> PyTree:
        """Raises `ValueError`."""
        raise ValueError(
            "the flow asks for the past of the state, but this solver keeps none. Use "
            "fdyn.solvers.DelayRK4(span=...) in simulate, or fdyn.solvers.solve_dde. (Both are for "
            "equations without noise: those with both noise and delays have no solver yet.)"
        )

    def derivative(self, lag: Any, name: str | int | None = None) -> Array:
        """Raises `ValueError`."""
        return self(lag, name)

    def child(self, name: str) -> "NoHistory":
        """The same."""
        del name
        return self


class AbstractLeafHistory(AbstractHistory):
    """A history that knows the past of each leaf of the state by its number.

    `path`: of the entry of the state that this is the past of.
    """

    path: tuple[str, ...] = eqx.field(static=True, default=(), kw_only=True)

    @property
    @abc.abstractmethod
    def structure(self) -> Any:
        """That of the whole state."""

    @abc.abstractmethod
    def leaf(self, i: int, lag: Any, derivative: bool) -> Array:
        """The past of leaf number `i`, or its derivative."""

    def __call__(self, lag: Any, name: str | int | None = None) -> PyTree:
        """The state `lag` (ms) ago."""
        return jax.tree.map(lambda i: self.leaf(i, lag, False), self._numbers(name))

    def derivative(self, lag: Any, name: str | int | None = None) -> PyTree:
        """The derivative of the state `lag` (ms) ago."""
        return jax.tree.map(lambda i: self.leaf(i, lag, True), self._numbers(name))

    def child(self, name: str) -> "AbstractLeafHistory":
        """The past of one entry of the state."""
        return dataclasses.replace(self, path=(*self.path, name))

    def _numbers(self, name: str | int | None) -> PyTree:
        whole = jax.tree.unflatten(self.structure, range(self.structure.num_leaves))
        own = _tree.get(whole, self.path)
        if name is None:
            return own
        numbers = dict(zip(_tree.leaf_paths(own), jax.tree.leaves(own), strict=True))
        if isinstance(name, bool) or str(name) not in numbers:
            if isinstance(own, int):
                raise ValueError(
                    f"hist: the state is a single array and has no {name!r}: leave the name out."
                )
            raise _tree.unknown("hist", str(name), list(numbers))
        return numbers[str(name)]


def elements(lag: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Lag and place in the flat leaf for each element of a leaf broadcast against its lags."""
    both = jnp.broadcast_shapes(lag.shape, shape)
    place = jnp.arange(_size(shape), dtype=jnp.int32).reshape(shape)
    return _spread(lag, both), _spread(place, both)


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for n in shape:
        size *= n
    return size


def _spread(x: Array, shape: tuple[int, ...]) -> Array:
    return jnp.broadcast_to(x.reshape((1,) * (len(shape) - x.ndim) + x.shape), shape)


class ConstantHistory(AbstractLeafHistory):
    r"""A past that never changes, $y(t - s) = y$: that of an equilibrium.

    **Arguments:** `y`: the state.

    ```python
    >>> import jax.numpy as jnp
    >>> hist = ConstantHistory({"v": jnp.array([-65.0, -60.0])})
    >>> hist(5.0, "v").tolist(), hist.derivative(5.0)["v"].tolist()
    ([-65.0, -60.0], [0.0, 0.0])

    ```

    **Source:** Hale & Verduyn Lunel 1993, Introduction to Functional Differential Equations,
    section 7.1.
    """

    y: PyTree

    @property
    def structure(self) -> Any:
        """That of the state."""
        return jax.tree.structure(self.y)

    def leaf(self, i: int, lag: Any, derivative: bool) -> Array:
        """The same at any lag."""
        x = jnp.asarray(jax.tree.leaves(self.y)[i])
        x = _spread(x, jnp.broadcast_shapes(jnp.shape(lag), x.shape))
        return jnp.zeros_like(x) if derivative else x


class ExponentialHistory(AbstractLeafHistory):
    r"""A past that grows exponentially from an equilibrium.

    $$y(t-s) = y^* + \mathrm{Re}\bigl((p + iq)\,e^{-(\sigma + i\omega)s}\bigr)$$

    The linearisation of a flow with this history, in the amplitude, is the characteristic matrix.

    `y`: the equilibrium; `real`, `imag`: $p$ and $q$, like `y`; `sigma`, `omega`: 1/ms, rad/ms.
    """

    y: PyTree
    real: PyTree
    imag: PyTree
    sigma: Array
    omega: Array

    @property
    def structure(self) -> Any:
        """That of the state."""
        return jax.tree.structure(self.y)

    def leaf(self, i: int, lag: Any, derivative: bool) -> Array:
        """The exponential at this lag."""
        y, p, q = (jax.tree.leaves(x)[i] for x in (self.y, self.real, self.imag))
        if derivative:
            p, q = self.sigma * p - self.omega * q, self.sigma * q + self.omega * p
        lag = jnp.asarray(lag, y.dtype)
        shape: Any = jnp.broadcast_shapes(lag.shape, y.shape)
        lag, y, p, q = (_spread(x, shape) for x in (lag, y, p, q))
        wave = p * jnp.cos(self.omega * lag) + q * jnp.sin(self.omega * lag)
        return jnp.exp(-self.sigma * lag) * wave + (0 if derivative else y)


class Asked:
    """What a flow asks of the past: the lags of values and of derivatives, in order."""

    def __init__(self):
        """Nothing yet."""
        self.lags: list[Any] = []
        self.neutral = False


class AskedHistory(AbstractLeafHistory):
    """A past that never changes, and writes down what it is asked for."""

    y: PyTree
    asked: Asked = eqx.field(static=True)

    @property
    def structure(self) -> Any:
        """That of the state."""
        return jax.tree.structure(self.y)

    def leaf(self, i: int, lag: Any, derivative: bool) -> Array:
        """The same at any lag."""
        self.asked.lags.append(lag)
        self.asked.neutral |= derivative
        return ConstantHistory(self.y).leaf(i, lag, derivative)
