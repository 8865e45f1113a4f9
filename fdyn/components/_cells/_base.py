"""Recurrent cells: models in discrete time that learn."""

import abc
import dataclasses
from typing import Any, ClassVar, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from ..._misc import check_key
from ...sparse import AbstractConnectivity, Dense
from .._base import AbstractPopulation, Affine, Args, State, check_size


class AbstractCell(AbstractPopulation):
    r"""A recurrent cell: one update at every step of the time grid, whatever its length.

    $$m_{k+1}, h_{k+1} = F(m_k, u_k)$$

    The input $u$ has `n_in` entries, the output $h$ has `size`; without an input $u = 0$. A member
    writes `begin` and `update`. It has no flow, so it runs under `simulate` with any solver, and
    the gradient flows through all its steps.

    **Source:** Elman 1990, Cogn. Sci. 14:179, for networks with a memory of their last step.
    """

    units: ClassVar[dict[str, str]] = {"h": "1"}

    n_in: eqx.AbstractVar[int]

    @abc.abstractmethod
    def begin(self) -> dict[str, Array]:
        """The memory before the first step."""

    @abc.abstractmethod
    def update(self, mem: dict[str, Array], u: Array) -> tuple[dict[str, Array], Array]:
        """The memory after an input `u`, `[n_in]`, and the output `h`, `[size]`."""

    def init(self, *, key: Array, dt: float) -> State:
        """The memory before the first step."""
        del key, dt
        return State({}, self.begin())

    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """No flow."""
        del t, y, args
        return {}

    @final
    def jump(
        self, t: Array, y: dict, args: Args, *, dt: Array, key: Array
    ) -> tuple[dict, dict, dict]:
        """One update."""
        del t, dt, key
        mem, h = self.update(args.mem, as_vector(args.u, self.n_in, type(self).__name__))
        return y, mem, {"h": h}


def as_vector(u: Any, n_in: int, owner: str) -> Array:
    """An input as a vector: nothing is zero, a number is the same for all entries."""
    if isinstance(u, Affine):
        raise ValueError(
            f"{owner}: the input is a number or a vector [{n_in}], not an Affine: there is no "
            "voltage that a conductance could act on."
        )
    u = jnp.zeros((), jnp.result_type(float)) if u is None else jnp.asarray(u)
    if u.shape not in ((), (n_in,)):
        raise ValueError(f"{owner}: the input must have shape ({n_in},), got {u.shape}.")
    return jnp.broadcast_to(u, (n_in,))


def n_in_field() -> Any:
    """The field that holds the number of inputs (static)."""
    return eqx.field(static=True, converter=lambda n: check_size(n, "n_in"))


def check_vectors(module: Any) -> None:
    """Every declared parameter is a scalar or has one entry per unit."""
    for f in dataclasses.fields(module):
        value = getattr(module, f.name)
        if "unit" in f.metadata and value is not None and value.shape not in ((), (module.size,)):
            raise ValueError(
                f"{type(module).__name__}: '{f.name}' must be a scalar or have shape "
                f"({module.size},), got an array of shape {value.shape}."
            )


def check_link(conn: Any, n_pre: int, n_post: int, owner: str, name: str) -> None:
    """A connectivity of this shape, without delays."""
    if not isinstance(conn, AbstractConnectivity):
        raise ValueError(
            f"{owner}: '{name}' must be a connectivity of fdyn.sparse, such as Dense(weights), "
            f"got {type(conn).__name__}."
        )
    if conn.shape != (n_pre, n_post):
        raise ValueError(
            f"{owner}: '{name}' must lead from {n_pre} to {n_post} units, got {conn.shape}."
        )
    if conn.delay is not None:
        raise ValueError(f"{owner}: '{name}' must have no delay; a cell acts once per step.")


def keys_for(key: Any, n: int, owner: str) -> Array:
    """Random keys of which weights are drawn."""
    if key is None:
        raise ValueError(
            f"{owner}: give a random key from which its weights are drawn, for example "
            f"{owner}(..., key=jax.random.key(0))."
        )
    check_key(key)
    return jax.random.split(key, n)


def uniform(key: Array, n_pre: int, n_post: int, bound: float) -> Dense:
    """Weights drawn from -`bound` to `bound`."""
    shape, dtype = (n_pre, n_post), jnp.result_type(float)
    return Dense(jax.random.uniform(key, shape, dtype, -bound, bound))
