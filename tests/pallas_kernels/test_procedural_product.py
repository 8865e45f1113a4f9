"""The kernel of the procedural product: the same matrix as that of fdyn, bit for bit; lowering."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import lower_for
from numpy.testing import assert_allclose, assert_array_equal

from fdyn.sparse import Normal, Procedural, Uniform
from pallas_kernels import procedural_product, procedural_product_reference

CALLS = {"gpu": "__gpu$xla.gpu.triton", "tpu": "tpu_custom_call"}
PLATFORMS = {"gpu": "cuda", "tpu": "tpu"}
N_PRE = 20


@partial(jax.jit, static_argnames=("backend", "law", "block"))
def step_by_step(*args, **kwargs):
    return procedural_product(*args, interpret=True, **kwargs)


def numbers_of(conn: Procedural):
    """What the kernels are told of a connectivity."""
    words = jax.random.key_data(conn.key), conn.first, conn.gaps
    return jnp.concatenate([*words, jnp.full((1,), conn.autapses, "uint32")])


def make(*sizes, weight=1.0, seed=1, **kwargs):
    return Procedural(jax.random.key(seed), *sizes, weight, **kwargs)


# Sums of these over any subset of the rows differ, and are exact in single precision.
ROWS_AS_BITS = jnp.asarray(2.0 ** np.arange(N_PRE), "float32")
CONNECTIVITIES = {
    "sparse": lambda: make(N_PRE, 3000, 0.01),
    "dense": lambda: make(N_PRE, 200, 0.7),
    "complete": lambda: make(N_PRE, 9, 1.0),
    "empty": lambda: make(N_PRE, 50, 0.0),
    "many blocks": lambda: make(N_PRE, 500, 0.05, block=2),
    "one unit": lambda: make(N_PRE, 1, 0.5),
    "a part": lambda: make(900, 900, 0.3, autapses=False)[107 : 107 + N_PRE, 33:817],
}


def summed(conn, s):
    """The product by way of the list of synapses that fdyn makes on the host."""
    stored = conn.to_csr()
    rows = np.repeat(np.arange(N_PRE), np.diff(stored.indptr))
    weights = np.broadcast_to(np.asarray(stored.weight), rows.shape)
    y = np.zeros(conn.n_post)
    np.add.at(y, np.asarray(stored.indices), weights * np.asarray(s, "float64")[rows])
    return y


@pytest.mark.slow
@pytest.mark.parametrize("name", CONNECTIVITIES)
def test_the_pattern_is_that_of_fdyn(name):
    conn = CONNECTIVITIES[name]()
    expected = summed(conn, ROWS_AS_BITS)
    assert (name == "empty") == (not expected.any())
    y, one = jnp.zeros(conn.n_post, "float32"), jnp.ones(1, "float32")
    args = (y, one, ROWS_AS_BITS, numbers_of(conn))
    options = dict(law="constant", block=conn.block)
    assert_array_equal(jax.jit(partial(procedural_product_reference, **options))(*args), expected)
    if name == "a part":
        for backend in CALLS:
            got = step_by_step(*args, **options, backend=backend)
            assert_array_equal(got, expected, err_msg=backend)


@pytest.mark.parametrize(
    ("law", "backend", "dtype"),
    [
        ("uniform", None, "float32"),
        ("normal", "gpu", "float64"),
        pytest.param("normal", "tpu", "float32", marks=pytest.mark.slow),
    ],
)
def test_random_weights_are_those_of_fdyn(law, backend, dtype):
    weight = Uniform(-0.5, 2.0) if law == "uniform" else Normal(-0.5, 2.5)
    conn = make(N_PRE, 400, 0.1, weight=weight)
    s = jnp.asarray((np.arange(N_PRE) % 3 == 0) * np.linspace(-1, 2, N_PRE), dtype)
    y = jnp.linspace(0, 1, 400, dtype=dtype)
    args = (y, jnp.asarray([-0.5, 2.5], dtype), s, numbers_of(conn))
    options = dict(law=law, block=conn.block)
    reference = jax.jit(partial(procedural_product_reference, **options))(*args)
    assert_allclose(reference, np.asarray(y) + summed(conn, s), rtol=1e-5, atol=1e-5)
    if backend:
        got = step_by_step(*args, **options, backend=backend)
        assert got.dtype == y.dtype
        assert_allclose(got, reference, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("backend", CALLS)
def test_rows_and_shift(backend, monkeypatch):
    monkeypatch.setattr("pallas_kernels._common.PROGRAMS", 2)
    monkeypatch.setattr("pallas_kernels._procedural_product.ITEMS", 2)
    conn = make(N_PRE, 300, 0.2)
    some = jnp.asarray([1, 4, 19, *range(17)], "int32"), jnp.asarray(3, "int32")
    s = ROWS_AS_BITS * jnp.zeros(N_PRE, "float32").at[some[0][:3]].set(1.0)
    y, one = jnp.zeros(300, "float32"), jnp.ones(1, "float32")
    shift = jnp.asarray(37, "int32")
    options = dict(law="constant", block=conn.block, backend=backend)
    got = step_by_step(y, one, ROWS_AS_BITS, numbers_of(conn), **options, rows=some, shift=shift)
    assert_array_equal(got, np.roll(summed(conn, s), 37))


@pytest.mark.parametrize("backend", CALLS)
@pytest.mark.parametrize("law", ["constant", "normal"])
def test_the_kernels_lower(backend, law):
    conn = make(N_PRE, 3000, 0.05)
    c = jnp.ones(1 if law == "constant" else 2, "float32")
    args = (jnp.zeros(3000, "float32"), c, ROWS_AS_BITS, numbers_of(conn))
    product = partial(procedural_product, law=law, block=conn.block, backend=backend)
    assert CALLS[backend] in lower_for(PLATFORMS[backend], product, *args)


def test_the_kernels_lower_without_double_precision(float32):
    conn = make(N_PRE, 3000, 0.05)
    args = (jnp.zeros(3000), jnp.ones(2), ROWS_AS_BITS, numbers_of(conn))
    for backend, platform in PLATFORMS.items():
        product = partial(procedural_product, law="uniform", block=conn.block, backend=backend)
        assert CALLS[backend] in lower_for(platform, product, *args)


def test_what_a_back_end_does_not_take():
    conn = make(N_PRE, 100, 0.1)
    s, numbers = ROWS_AS_BITS, numbers_of(conn)
    y, one = jnp.zeros(100, "float32"), jnp.ones(1, "float32")
    options = dict(law="constant", block=16, backend="tpu")
    with pytest.raises(ValueError, match="law 'normal' with .1,. coefficients"):
        procedural_product(y, one, s, numbers, **{**options, "law": "normal"})
    with pytest.raises(ValueError, match="block is 12, expected a power of two"):
        procedural_product(y, one, s, numbers, **{**options, "block": 12})
    with pytest.raises(ValueError, match="TPU takes values of float32, not of float64"):
        procedural_product(y.astype("float64"), one, s, numbers, **options)
    with pytest.raises(ValueError, match="at most 262,144 postsynaptic units, not 300,000"):
        procedural_product(jnp.zeros(300_000, "float32"), one, s, numbers, **options)
