"""Long-term plasticity: how the weights of a projection change."""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._misc import is_traced
from ..._param import AbstractParametric, parameters
from ...sparse import AbstractConnectivity, Events, update_on_post, update_on_pre
from .._base import Args, State


class Synapses(eqx.Module):
    r"""The synapses of a projection as a learning rule changes them, found from both sides.

    **Arguments:** `by_pre`, `by_post`: what `update_on_pre` and `update_on_post` take: the
    connectivity itself, or a `SynapseIndex` of it. `bounds`: the weights' `(low, high)`.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.sparse import Dense
    >>> conn = Dense(1.0, n_pre=2, n_post=2)
    >>> synapses = Synapses(conn, conn, (0.0, 2.0))
    >>> print(synapses.on_pre(jnp.ones((2, 2)), jnp.array([1.0, 0.0]), jnp.array([0.5, 3.0])))
    [[1.5 2. ]
     [1.  1. ]]

    ```

    **Source:** none; a convention of this library.
    """

    by_pre: Any
    by_post: Any
    bounds: tuple[Any, Any]

    def on_pre(self, weight: Array, s: Any, x: Any, **law: Any) -> Array:
        """The weights after $s_i x_j$ was added where $s_i$ is not zero; see `update_on_pre`."""
        return self._within(update_on_pre, self.by_pre, self.by_pre.n_post, weight, s, x, law)

    def on_post(self, weight: Array, s: Any, x: Any, **law: Any) -> Array:
        """The weights after $s_j x_i$ was added where $s_j$ is not zero; see `update_on_post`."""
        return self._within(update_on_post, self.by_post, self.by_post.n_pre, weight, s, x, law)

    def _within(self, update, index, n, weight, s, x, law):
        low, high = self.bounds
        law = {"low": low, "high": high, **law}
        return update(index, weight, s, jnp.broadcast_to(x, (n,)), **law)


class AbstractPlasticity(AbstractParametric, eqx.Module):
    r"""A learning rule. The weights that learn lie in the state of the projection, as `weight`.

    In `flow` and `learn`, `args.u` is a dictionary: `pre` and `post`, the activity of the two
    populations (`pre` is `None` where the source is an input), and in `learn` also `modulator`, the
    output that `modulator` names by its path in the network; `None` for none.

    A presynaptic spike counts when it arrives, that is after the delay of the projection, whether
    or not it releases anything. What arrives at an instant acts with the weights before that
    instant, then they learn: first of the presynaptic spikes, then of the postsynaptic ones, both
    with the traces before this instant, to which the spikes add last. So two spikes at the same
    instant are no pair. A spike that is spread over two steps counts in parts.

    A synapse held at the presynaptic side (`align="pre"`) multiplies what is left of all earlier
    spikes by the weight as it is now, one held at the postsynaptic side has each spike weighed when
    it arrives. So the two, equal with fixed weights, differ where weights learn.

    A rule that is `graded` learns from the activity of both sides, and needs a graded synapse
    without delay. One that is `continuous` learns all the time, not at spikes alone; it needs the
    time grid of `simulate`, and is of first order in `dt`.

    `w_min`, `w_max`: the bounds of the weights. `per_pre` and `per_post` name the parameters that
    may differ between the units of one side; all others are scalars.

    **Source:** Morrison, Diesmann & Gerstner 2008, Biol. Cybern. 98:459, section 3.
    """

    units: ClassVar[dict[str, str]] = {}
    graded: ClassVar[bool] = False
    continuous: ClassVar[bool] = False
    per_pre: ClassVar[tuple[str, ...]] = ()
    per_post: ClassVar[tuple[str, ...]] = ()
    modulator: eqx.AbstractVar[str | None]
    w_min: eqx.AbstractVar[Array]
    w_max: eqx.AbstractVar[Array]

    @abc.abstractmethod
    def init(self, connect: AbstractConnectivity) -> State:
        """The traces of the pre- and postsynaptic units, and of the synapses if there are any."""

    @abc.abstractmethod
    def flow(self, y: dict[str, Array], args: Args) -> dict[str, Any]:
        """The derivative of the traces, each leaf an array or an `Affine`."""

    @abc.abstractmethod
    def learn(
        self,
        weight: Array,
        y: dict[str, Array],
        args: Args,
        s_pre: Any,
        s_post: Array,
        *,
        synapses: Synapses,
        dt: Array,
        key: Array,
    ) -> tuple[Array, dict[str, Array], dict[str, Array]]:
        """`(weight, y, mem)` after the spikes of one step.

        `s_pre`: those that arrive at the synapses now, `Events` `[n_pre]`; `s_post`: those of the
        postsynaptic units at this instant, `Events` `[n_post]`; `dt`: time since the last call, ms.
        """


def check_rule(rule: AbstractPlasticity, connect: AbstractConnectivity) -> None:
    """The shapes of its parameters, and the start of the weights within its bounds."""
    name = type(rule).__name__
    shapes = {
        **dict.fromkeys(rule.per_pre, (connect.n_pre,)),
        **dict.fromkeys(rule.per_post, (connect.n_post,)),
    }
    for path, _, value in parameters(rule):
        wanted = shapes.get(path, ())
        if value is not None and jnp.shape(value) not in ((), wanted):
            raise ValueError(
                f"{name}: '{path}' must be a scalar"
                + (f" or have shape {wanted}" if wanted else "")
                + f", got an array of shape {value.shape}."
            )
    weight = connect.weight
    if not eqx.is_array(weight) or is_traced((weight, rule.w_min, rule.w_max)):
        return
    low, high = np.asarray(rule.w_min), np.asarray(rule.w_max)
    values = np.asarray(weight)
    bad = (values < low) | (values > high)
    if bad.any():
        raise ValueError(
            f"{name}: the weights of 'connect' must lie within w_min = {low:g} and "
            f"w_max = {high:g}, got {values[bad][:3].tolist()}. Give other bounds, or other "
            "weights to start from."
        )


def check_bounds(rule: AbstractPlasticity) -> None:
    """The lower bound is below the upper one."""
    if is_traced((rule.w_min, rule.w_max)):
        return
    low, high = np.asarray(rule.w_min), np.asarray(rule.w_max)
    if low.shape or high.shape or not low < high:
        raise ValueError(
            f"{type(rule).__name__}: 'w_min' must be a scalar below 'w_max', got {low} and {high}."
        )


def jumped(trace: Array, s: Array, nearest: bool) -> Array:
    """A trace after spikes: one higher, or set to one where only the nearest spike counts."""
    return trace + s * (1 - trace) if nearest else trace + s


def values_of(s: Any) -> Array:
    """The spikes as an array."""
    return s.values if isinstance(s, Events) else s


def scaled(s: Any, factor: Any) -> Any:
    """The same spikes with other values, so that they need not be searched for again."""
    if isinstance(s, Events):
        return eqx.tree_at(lambda e: e.values, s, s.values * factor)
    return s * factor
