"""Recurrent cells and reservoirs in the conformance table."""

import jax
import jax.numpy as jnp
from row import Row

from fdyn import components as comp
from fdyn.sparse import Dense

KEY = jax.random.key(0)


def half(n: int) -> Dense:
    """Every unit acts on every other one."""
    return Dense(jnp.full((n, n), 0.5 / n))


def leaky(n, v):
    links = {"recurrent": half(n), "input": half(n), "sign": [1] * (n - 1) + [-1]}
    return comp.LeakyRNN(n, n, **links, tau=v(20.0), bias=v(0.1), x_init=v(0.3))


def cell(kind: type, make, n_in=lambda n: n) -> Row:
    return Row(kind, make, lambda n: jnp.full(n_in(n), 0.3), coupled=True, flows=False)


ROWS = [
    cell(
        comp.VanillaRNN,
        lambda n, v: comp.VanillaRNN(n, n, recurrent=half(n), input=half(n), bias=v(0.1)),
    ),
    cell(comp.GRU, lambda n, v: comp.GRU(n, n, h_init=v(0.1), key=KEY)),
    cell(comp.LSTM, lambda n, v: comp.LSTM(n, n, h_init=v(0.1), c_init=v(0.2), key=KEY)),
    cell(comp.ConvLSTM, lambda n, v: comp.ConvLSTM((n,), 1, 1, key=KEY)),
    cell(
        comp.EchoState,
        lambda n, v: comp.EchoState(n, n, leak=v(0.5), bias=v(0.1), h_init=v(0.2), key=KEY),
    ),
    cell(comp.NVAR, lambda n, v: comp.NVAR(1, delays=n, order=(), constant=False), lambda n: 1),
    cell(comp.LRU, lambda n, v: comp.LRU(n, n, 2 * n, key=KEY)),
    Row(comp.LeakyRNN, leaky, lambda n: jnp.full(n, 0.3), coupled=True),
    Row(
        comp.LeakyRNN,
        lambda n, v: comp.LeakyRNN(
            n, n, recurrent=half(n), input=half(n), sigma=v(0.2), x_init=0.3
        ),
        lambda n: jnp.full(n, 0.3),
        random=True,
        coupled=True,
        name="LeakyRNN, noisy",
    ),
    Row(
        comp.Readout,
        lambda n, v: comp.Readout(leaky(n, v), n, weight=jnp.eye(n), bias=v(0.1), feedback=True),
        lambda n: jnp.full(n, 0.3),
        coupled=True,
    ),
]
