"""The structure of a flow, its diagonal and its blocks, against the dense Jacobian."""

import jax
import jax.numpy as jnp
import lineax as lx
import numpy as np
import pytest
from helpers import recurrent, squid
from jax.flatten_util import ravel_pytree

from fdyn import Args, vector_field
from fdyn.components import SuperSpike
from fdyn.solvers._jacobian import BlockLU, blocks_of, diagonal, jacobian, structure_of

W = np.array([[-1.0, 3.0, 0.5], [3.0, -1.0, 0.0], [2.0, 1.0, -2.0]])
SPIKE = SuperSpike()


def lorenz(y):
    a, b, c = y
    return jnp.stack([10 * (b - a), a * (28 - c) - b, a * b - 8 / 3 * c])


def flow_of(model, u):
    state = model.init(key=jax.random.key(0), dt=0.1)
    field = vector_field(model)
    bent = jax.tree.map(lambda x: x + jnp.linspace(0.01, 0.02, x.size), state.y)
    return (lambda y: field(0.0, y, Args(state.mem, u))), bent


def chain(y):
    """Compartments along the first axis, cells along the last."""
    v = y["v"]
    return {"v": jnp.pad(jnp.diff(v, axis=0), ((0, 1), (0, 0))) - v**3}


def mixed(y):
    """A coupled leaf, one that follows it unit by unit, one alone, and a number for all."""
    x = y["x"]
    return {
        "x": -x + W @ jnp.tanh(x),
        "follows": x - y["follows"],
        "alone": -(y["alone"] ** 2),
        "number": -3 * y["number"],
    }


def mixed_state():
    return {
        "x": jnp.array([0.1, 0.2, 0.3]),
        "follows": jnp.ones(3),
        "alone": jnp.arange(2.0),
        "number": jnp.array(2.0),
    }


def looping(y):
    return jax.lax.fori_loop(0, 2, lambda _, x: x**2, y)


def branching(y):
    """What decides has no derivative."""
    return jax.lax.cond(y.sum() > 0, lambda x: -x, lambda x: x**2, y)


def updating(y):
    return (-y).at[1].set(y[0] * y[2])


# Function, state, and what the blocks must be: units and rows of each.
CASES = {
    "populations": lambda: (*flow_of(squid(3), 5.0), {((3,), 4)}),
    "network": lambda: (*flow_of(recurrent(4), {}), {((4,), 3), ((4,), 2)}),
    "coupled": lambda: (lambda y: W @ y, jnp.arange(3.0), {((), 3)}),
    "mixed": lambda: (mixed, mixed_state(), {((), 6), ((2,), 1), ((), 1)}),
    "one cell": lambda: (lorenz, jnp.array([1.0, 2.0, 3.0]), {((), 3)}),
    "cells": lambda: (lorenz, jnp.arange(1.0, 7.0).reshape(3, 2), {((2,), 3)}),
    "compartments": lambda: (chain, {"v": jnp.arange(1.0, 13.0).reshape(4, 3)}, {((3,), 4)}),
    "trials": lambda: (lambda y: -(y**2), jnp.arange(6.0).reshape(2, 3), {((2, 3), 1)}),
    "a loop": lambda: (looping, jnp.ones(3), {((), 3)}),
    "branches": lambda: (branching, jnp.ones(3), {((3,), 1)}),
    "an update": lambda: (updating, jnp.ones((3, 2)), {((2,), 3)}),
    "a surrogate": lambda: (lambda y: SPIKE(y) - y, jnp.array([0.3, -0.2]), {((2,), 1)}),
    "constant": lambda: (lambda y: jnp.ones_like(y), jnp.ones(3), {((3,), 1)}),
}


@pytest.mark.parametrize("name", CASES)
def test_the_structure_is_the_finest_that_the_program_tells(name):
    f, y, expected = CASES[name]()
    found = structure_of(f, y)
    assert {(b.units, b.size) for b in found.blocks} == expected
    assert sorted(i for b in found.blocks for i in b.leaves) == list(range(len(found.shapes)))


def dense(f, y):
    flat, unravel = ravel_pytree(y)
    return jax.jacfwd(lambda v: ravel_pytree(f(unravel(v)))[0])(flat)


@pytest.mark.parametrize(
    "name", [c if c in ("mixed",) else pytest.param(c, marks=pytest.mark.slow) for c in CASES]
)
def test_diagonal_and_solutions_are_those_of_the_dense_jacobian(name):
    f, y, _ = CASES[name]()
    structure = structure_of(f, y)

    @jax.jit
    def everything(y):
        full = dense(f, y)
        flat, unravel = ravel_pytree(jax.tree.map(lambda x: x + 1.0, y))
        system = jnp.eye(flat.size) - 0.3 * full
        shape = jax.eval_shape(lambda: y)
        apply = lambda z: unravel(system @ ravel_pytree(z)[0])  # noqa: E731
        operator = lx.FunctionLinearOperator(apply, shape)
        ways = []
        for op, matrix in ((operator, system), (operator.transpose(), system.T)):
            x = lx.linear_solve(op, unravel(flat), BlockLU(structure)).value
            ways.append((ravel_pytree(x)[0], jnp.linalg.solve(matrix, flat)))
        return ways, (ravel_pytree(diagonal(f, y))[0], jnp.diagonal(full))

    ways, slopes = everything(y)
    for got, expected in (*ways, slopes):
        np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-11)


def test_the_diagonal_of_coupled_units_is_no_sum_of_columns():
    """The published failure of exponential Euler elsewhere: -1 + 3 in the place of -1."""
    w = jnp.array([[-1.0, 3.0], [3.0, -1.0]])
    np.testing.assert_array_equal(diagonal(lambda y: w @ y, jnp.ones(2)), [-1.0, -1.0])


def test_an_exchange_of_rows_is_made_where_a_pivot_is_zero():
    matrices = [jnp.array([[[0.0, 1.0, 0.0], [2.0, 0.0, 1.0], [0.0, 0.0, 3.0]]] * 2)]
    structure = structure_of(lambda y: y + y[::-1], jnp.ones((3, 2)))
    b = jnp.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    lu = BlockLU(structure)
    x = lu.solve(lu.factorise(matrices), b)
    np.testing.assert_allclose(x, np.linalg.solve(np.asarray(matrices[0][0]), b), rtol=1e-14)


@pytest.mark.slow
def test_blocks_of_more_rows_than_are_probed_at_once():
    n = 150
    w = jax.random.normal(jax.random.key(0), (n, n))
    f = lambda y: {"x": jnp.tanh(w @ y["x"]), "z": -(y["z"] ** 2)}  # noqa: E731
    y = {"x": jnp.linspace(-0.1, 0.1, n), "z": jnp.ones(3)}
    big, small = jax.jit(lambda y: jacobian(f, y))(y)
    np.testing.assert_allclose(big, jax.jacfwd(lambda x: jnp.tanh(w @ x))(y["x"]), atol=1e-12)
    np.testing.assert_allclose(small, np.full((3, 1, 1), -2.0))
    slopes = jax.jit(lambda y: diagonal(f, y))(y)
    np.testing.assert_allclose(slopes["x"], jnp.diagonal(big), atol=1e-12)


@pytest.mark.slow
def test_a_population_of_any_size_takes_as_many_directions_as_a_neuron_has_leaves():
    f, y = flow_of(squid(7), 5.0)
    taken = []

    def linear(v):
        taken.append(v)
        return jax.jvp(f, (y,), (v,))[1]

    (matrices,) = blocks_of(linear, y, structure_of(f, y))
    assert matrices.shape == (7, 4, 4) and len(taken) == 1
    assert {x.shape for x in jax.tree.leaves(taken[0])} == {(7,)}  # under vmap over four
