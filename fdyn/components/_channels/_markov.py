"""Channels whose states and transitions form a Markov scheme."""

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from .._base import Affine
from .._ions._base import IonState
from ._base import AbstractChannel, ohm


class AbstractMarkovChannel(AbstractChannel):
    r"""A channel as a Markov scheme, $I = g \sum_s o_s\,P_s\,(e - v)$,
    $\dot P_s = \sum_r (k_{rs} P_r - k_{sr} P_s)$.

    A member declares `states`, of which the first is not stored but is what the others leave of 1,
    so that probability is conserved by every solver; `conducting`, the states that conduct, each
    with its share of `g`; and writes `transitions`. It names the units of all states but the first.

    **State:** all states but the first, each like the voltage.

    **Raises:** `ValueError` for a transition between states that there are not.

    **Source:** Colquhoun & Hawkes 1977, Proc. R. Soc. Lond. B 199:231; Destexhe, Mainen &
    Sejnowski 1994, J. Comput. Neurosci. 1:195, eq. 3.
    """

    g: eqx.AbstractVar[Array]
    e: eqx.AbstractVar[Array | None]
    states: eqx.AbstractClassVar[tuple[str, ...]]
    conducting: eqx.AbstractClassVar[dict[str, float]]

    @abc.abstractmethod
    def transitions(
        self, v: Array, ions: dict[str, IonState]
    ) -> dict[tuple[str, str], Array | float]:
        """The rate (1/ms) of each transition, as `{(from, to): rate}`."""

    def init(self, v: Array, ions: dict[str, IonState]) -> dict[str, Array]:
        """The stationary distribution."""
        k = self._checked(v, ions)
        names = self.states[1:]
        first = self.states[0]
        # Of dP/dt = 0 with P_first = 1 - sum of the others.
        rows = []
        for s in names:
            row = [k.get((r, s), 0.0) - k.get((first, s), 0.0) for r in names]
            row[names.index(s)] = self._linear(s, k)
            rows.append([jnp.broadcast_to(jnp.asarray(x, v.dtype), v.shape) for x in row])
        matrix = jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)
        gain = [jnp.broadcast_to(jnp.asarray(k.get((first, s), 0.0)), v.shape) for s in names]
        p = jnp.linalg.solve(matrix, -jnp.stack(gain, axis=-1)[..., None])[..., 0]
        return {s: p[..., i] for i, s in enumerate(names)}

    def flow(self, v: Array, y: dict[str, Array], ions: dict[str, IonState]) -> dict[str, Any]:
        """What comes and goes."""
        k = self._checked(v, ions)
        first = self.states[0]
        rates = {}
        for s in self.states[1:]:
            others = [r for r in self.states[1:] if r != s]
            gain = sum(k[r, s] * y[r] for r in others if (r, s) in k)
            if (first, s) in k:
                gain = gain + k[first, s] * (1 - sum(y[r] for r in others))
            rates[s] = Affine(self._linear(s, k), gain)
        return rates

    def current(self, v: Array, y: dict[str, Array], ions: dict[str, IonState]) -> Affine:
        """Ohm's law with the probability of the states that conduct."""
        del v
        p = {**y, self.states[0]: 1 - sum(y.values())}
        return ohm(self, self.g * sum(x * p[s] for s, x in self.conducting.items()), ions)

    def _linear(self, s: str, k: dict) -> Any:
        # The first state is one minus the others, so what comes from it also falls with P_s.
        return -sum(rate for (r, _), rate in k.items() if r == s) - k.get((self.states[0], s), 0.0)

    def _checked(self, v: Array, ions: dict[str, IonState]) -> dict:
        k = self.transitions(v, ions)
        for pair in k:
            if len(pair) != 2 or pair[0] == pair[1] or not set(pair) <= set(self.states):
                raise ValueError(
                    f"{type(self).__name__}: a transition leads from one of {list(self.states)} to "
                    f"another, as ('closed', 'open'); got {pair!r}."
                )
        return k
