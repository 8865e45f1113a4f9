"""Reductions between units and synapses equal loops over the synapses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from all_formats import KINDS, make

from fdyn.sparse import COO, CSR, Procedural, pre2post, pre2syn, syn2post

REDUCE = {
    "sum": (np.sum, 0.0),
    "prod": (np.prod, 1.0),
    "max": (np.max, -np.inf),
    "min": (np.min, np.inf),
    "mean": (np.mean, 0.0),
}


def values_of(case, *lead, seed=3):
    return np.random.default_rng(seed).normal(size=(*lead, *case.layout))


@pytest.mark.parametrize("kind", KINDS)
def test_each_synapse_gets_its_unit(kind):
    case = make(kind, "scalar")
    x = np.random.default_rng(0).normal(size=(2, case.n_pre))
    expected = x[:, case.rows].reshape(2, *case.layout)
    np.testing.assert_array_equal(pre2syn(case.conn, x), expected)
    np.testing.assert_array_equal(pre2syn(case.conn, x[0]), expected[0])
    y = np.random.default_rng(1).normal(size=case.n_post)
    np.testing.assert_array_equal(
        pre2syn(case.conn.T, y).ravel(), y[case.cols] if kind != "dense" else np.repeat(y, 7)
    )


# How the synapses are found is one matter, what is done with them another.
@pytest.mark.parametrize(
    "kind, reduce", [(k, "sum") for k in KINDS] + [("fan_in", r) for r in REDUCE]
)
def test_synapses_onto_units(kind, reduce):
    case = make(kind, "scalar")
    values = values_of(case, 2)
    together, neutral = REDUCE[reduce]
    flat = values.reshape(2, -1)
    for empty in (None, -7.5):
        nothing = neutral if empty is None else empty
        expected = [
            [
                together(v[case.cols == j]) if (case.cols == j).any() else nothing
                for j in range(case.n_post)
            ]
            for v in flat
        ]
        found = syn2post(case.conn, values, reduce, empty=empty)
        np.testing.assert_allclose(found, expected, rtol=1e-13)
    np.testing.assert_allclose(syn2post(case.conn, values[0], reduce, empty=empty), expected[0])


@pytest.mark.parametrize("kind", ["csc", "fan_out"])
def test_softmax(kind):
    case = make(kind, "scalar")
    values = values_of(case, 2) * 3 + 800  # exp of these overflows
    found = np.asarray(syn2post(case.conn, values, "softmax"))
    assert found.shape == values.shape
    found, flat = found.reshape(2, -1), values.reshape(2, -1)
    for j in range(case.n_post):
        e = np.exp(flat[:, case.cols == j] - 800)
        np.testing.assert_allclose(found[:, case.cols == j], e / e.sum(1, keepdims=True))


def loop(case, v, reduce):
    """The same by jnp, unit by unit, which JAX differentiates by its own rules."""
    parts = [v.ravel()[np.flatnonzero(case.cols == j)] for j in range(case.n_post)]
    if reduce == "softmax":
        softmax = jnp.concatenate([jax.nn.softmax(p) for p in parts])
        order = np.concatenate([np.flatnonzero(case.cols == j) for j in range(case.n_post)])
        return jnp.zeros(v.size).at[order].set(softmax)
    kinds = {"sum": jnp.sum, "prod": jnp.prod, "max": jnp.max, "min": jnp.min, "mean": jnp.mean}
    return jnp.stack([kinds[reduce](p) for p in parts if p.size])


@pytest.mark.slow
@pytest.mark.parametrize("reduce", [*REDUCE, "softmax"])
def test_gradients(reduce):
    case = make("csr", "scalar")
    values = values_of(case)
    values[3] = 0.0  # a product must not divide by it
    filled = np.isin(np.arange(case.n_post), case.cols)

    def onto(v):
        y = syn2post(case.conn, v, reduce)
        return y.ravel() if reduce == "softmax" else y[np.flatnonzero(filled)]

    @jax.jit
    def both(v):
        one, other = (
            lambda v: jnp.sum(jnp.sin(onto(v))),
            lambda v: jnp.sum(jnp.sin(loop(case, v, reduce))),
        )
        return tuple((jax.grad(f)(v), jax.jvp(jax.grad(f), (v,), (v,))[1]) for f in (one, other))

    found, expected = both(jnp.asarray(values))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-13), found, expected)
    if reduce != "softmax":
        gradient = jax.grad(lambda v: jnp.sum(syn2post(case.conn, v, reduce, empty=1.0)))(values)
        assert np.isfinite(gradient).all()


def test_ties_share_the_gradient():
    conn = COO([0, 1, 2], [0, 0, 0], 1.0, n_pre=3, n_post=2)
    gradient = jax.grad(lambda v: syn2post(conn, v, "max")[0])(jnp.array([2.0, 2.0, 1.0]))
    np.testing.assert_array_equal(gradient, [0.5, 0.5, 0.0])


@pytest.mark.slow
def test_batches_by_vmap():
    case = make("csc", "scalar")
    values = values_of(case, 3)
    for reduce in ("prod", "max", "mean", "softmax"):
        found = jax.vmap(lambda v, r=reduce: syn2post(case.conn, v, r))(values)
        np.testing.assert_allclose(found, syn2post(case.conn, values, reduce), rtol=1e-13)


def test_pre_to_post():
    conn = CSR([0, 2, 0], [0, 2, 3], 5.0, n_post=3)
    x = jnp.array([[1.0, 7.0], [2.0, 3.0]])
    np.testing.assert_array_equal(pre2post(conn, x), [[8, 0, 1], [5, 0, 2]])
    np.testing.assert_array_equal(pre2post(conn, x, "prod"), [[7, 1, 1], [6, 1, 2]])
    np.testing.assert_array_equal(pre2post(conn, x[0], "max", empty=0.0), [7, 0, 1])
    np.testing.assert_array_equal(5 * pre2post(conn, x), x @ conn)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32", "bool"])
def test_dtypes(dtype, float32):
    conn = CSR([0, 2, 0], [0, 2, 3], 1.0, n_post=3)
    x = jnp.array([1, 0]).astype(dtype)
    assert pre2syn(conn, x).dtype == dtype
    expected = dtype if dtype in ("float32", "bfloat16") else "float32"
    for reduce in (*REDUCE, "softmax"):
        assert syn2post(conn, pre2syn(conn, x), reduce).dtype == expected, reduce


def test_no_synapse():
    conn = COO([], [], 1.0, n_pre=2, n_post=2)
    for reduce, (_, neutral) in REDUCE.items():
        np.testing.assert_array_equal(pre2post(conn, jnp.ones(2), reduce), [neutral] * 2)


@pytest.mark.parametrize(
    ("make_it", "message"),
    [
        (lambda c: pre2syn(c, jnp.ones(9)), r"`x` has shape \(9,\), expected \(..., 7\)"),
        (lambda c: pre2syn(c, 1.0), r"`x` has shape \(\)"),
        (lambda c: syn2post(c, jnp.ones(7)), r"`values` has shape \(7,\), expected \(..., 7, 3\)"),
        (lambda c: syn2post(c, jnp.ones((7, 3)), "maximum"), "'maximum'. Did you mean 'max'"),
        (lambda c: syn2post(c, jnp.ones((7, 3)), "softmax", empty=0.0), "`empty` has no meaning"),
        (lambda c: pre2post(c, jnp.ones(7), "softmax"), "'softmax'.* one value per synapse"),
    ],
)
def test_errors(make_it, message):
    with pytest.raises(ValueError, match=message):
        make_it(make("fan_out", "scalar").conn)


def test_what_lists_no_synapses_has_no_values_of_synapses():
    conn = Procedural(jax.random.key(0), 4, 3, 0.5, weight=1.0)
    with pytest.raises(ValueError, match="Procedural has no list of synapses.*to_csr"):
        pre2syn(conn, jnp.ones(4))
    x = jnp.arange(4.0)
    np.testing.assert_allclose(pre2post(conn.to_csr(), x), x @ conn)
