"""The kernel of the plastic update: values step by step in JAX, and lowering."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import lower_for
from numpy.testing import assert_allclose, assert_array_equal

from pallas_kernels import plastic_update, plastic_update_reference

CALLS = {"gpu": "__gpu$xla.gpu.triton", "tpu": "tpu_custom_call"}
PLATFORMS = {"gpu": "cuda", "tpu": "tpu"}
BOUNDS = (-0.5, 0.8)


def bounds(dtype="float32"):
    return dict(low=jnp.asarray(BOUNDS[0], dtype), high=jnp.asarray(BOUNDS[1], dtype))


@partial(jax.jit, static_argnames="backend")
def step_by_step(*args, backend, **kwargs):
    return plastic_update(*args, backend=backend, interpret=True, **kwargs)


def problem(n_pre, k, n_post, *, layout="fan_out", active=0.5, dtype="float32"):
    """weight, s, x, targets and, for rows of any length, where they begin."""
    rng = np.random.default_rng(n_pre * k)
    n = n_pre * k
    shape = (n_pre, k) if layout == "fan_out" else (n,)
    arrays = [
        jnp.asarray(rng.normal(size=shape), dtype),  # many lie outside the bounds
        jnp.asarray((rng.random(n_pre) < active) * rng.normal(size=n_pre), dtype),
        jnp.asarray(rng.normal(size=n_post), dtype),
        jnp.asarray(rng.integers(-1, n_post + 1, shape), "int32"),  # some are out of range
    ]
    if layout == "csr":
        cuts = np.sort(rng.integers(0, n + 1, n_pre - 1))  # some rows are empty
        arrays.append(jnp.asarray(np.r_[0, cuts, n], "int32"))
    return arrays


def by_hand(weight, s, x, targets, row_start=None):
    w, s, x = (np.array(a, "float64") for a in (weight, s, x))
    flat, targets = w.reshape(-1), np.ravel(targets)
    if row_start is None:
        row_start = np.arange(s.size + 1) * (targets.size // s.size)
    for i in np.flatnonzero(s):
        for p in range(int(row_start[i]), int(row_start[i + 1])):
            if 0 <= targets[p] < x.size:
                flat[p] = np.clip(flat[p] + s[i] * x[targets[p]], *BOUNDS)
    return w


CASES = {
    "fan_out": dict(n_pre=12, k=7, n_post=20),
    "csr": dict(n_pre=12, k=7, n_post=20, layout="csr"),
    "several blocks of targets": dict(n_pre=4, k=30, n_post=300),
    "long rows": dict(n_pre=3, k=1100, n_post=150),
    "none active": dict(n_pre=12, k=7, n_post=20, active=0.0),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_kernels_learn_within_bounds(case):
    args = problem(**case)
    expected = by_hand(*args)
    reference = jax.jit(plastic_update_reference)(*args, **bounds())
    assert_allclose(reference, expected, rtol=1e-5, atol=1e-6)
    for backend in CALLS:
        w = step_by_step(*args, **bounds(), backend=backend)
        assert (w.dtype, w.shape) == (args[0].dtype, args[0].shape)
        assert_allclose(w, expected, rtol=1e-5, atol=1e-6, err_msg=backend)


@pytest.mark.parametrize("backend", CALLS)
def test_silent_rows_stay_even_outside_the_bounds(backend):
    args = problem(**CASES["fan_out"])
    w, silent = np.asarray(args[0]), np.asarray(args[1]) == 0
    assert (np.abs(w[silent]) > 1).any() and not silent.all()
    got = step_by_step(*args, **bounds(), backend=backend)
    assert_array_equal(got[silent], w[silent])
    assert (got[~silent] != w[~silent]).any()


@pytest.mark.parametrize("layout", ["fan_out", "csr"])
def test_more_rows_than_fit_into_the_lists_of_a_tpu(monkeypatch, layout):
    # Rows of one batch and of the next share pieces: both must be kept.
    monkeypatch.setattr("pallas_kernels._common.ITEMS", 4)
    args = problem(n_pre=13, k=3, n_post=20, active=0.8, layout=layout)
    w = step_by_step(*args, **bounds(), backend="tpu")
    assert_allclose(w, by_hand(*args), rtol=1e-5, atol=1e-6)


def test_weights_that_lie_elsewhere():
    # The columns of a matrix of which the rows are stored.
    _, s, x, sources, row_start = problem(**CASES["csr"])
    rng = np.random.default_rng(5)
    positions = rng.permutation(sources.size).astype("int32")
    weight = jnp.asarray(rng.normal(size=sources.size), "float32")
    expected = np.array(weight)
    expected[positions] = by_hand(weight[positions], s, x, sources, row_start)
    args = weight.reshape(12, 7), s, x, sources, row_start
    moved = dict(positions=jnp.asarray(positions), **bounds())
    assert_allclose(plastic_update_reference(*args, **moved).ravel(), expected, rtol=1e-5)
    assert_allclose(step_by_step(*args, **moved, backend="gpu").ravel(), expected, rtol=1e-5)
    assert CALLS["gpu"] in lower_for("cuda", partial(plastic_update, backend="gpu", **moved), *args)
    with pytest.raises(ValueError, match="TPU takes weights in the order of the rows"):
        plastic_update(*args, **moved, backend="tpu")


@pytest.mark.parametrize("backend", CALLS)
def test_a_listed_row_without_a_spike_stays(backend):
    args = problem(**CASES["none active"])
    rows = jnp.arange(12, dtype="int32"), jnp.asarray(12, "int32")
    assert_array_equal(step_by_step(*args, **bounds(), rows=rows, backend=backend), args[0])


def test_double_precision_on_a_gpu():
    args = problem(**CASES["csr"], dtype="float64")
    w = step_by_step(*args, **bounds("float64"), backend="gpu")
    assert_allclose(w, by_hand(*args), rtol=1e-14, atol=1e-15)
    update = partial(plastic_update, backend="gpu", **bounds("float64"))
    assert CALLS["gpu"] in lower_for("cuda", update, *args)


@pytest.mark.parametrize("backend", CALLS)
@pytest.mark.parametrize("case", ["fan_out", "csr", "long rows"])
def test_the_kernels_lower(backend, case):
    update = partial(plastic_update, backend=backend, **bounds())
    assert CALLS[backend] in lower_for(PLATFORMS[backend], update, *problem(**CASES[case]))


def test_the_kernels_lower_without_double_precision(float32):
    for backend, platform in PLATFORMS.items():
        update = partial(plastic_update, backend=backend, **bounds())
        assert CALLS[backend] in lower_for(platform, update, *problem(**CASES["csr"]))


def test_what_a_back_end_does_not_take():
    args = problem(**CASES["fan_out"], dtype="float64")
    with pytest.raises(ValueError, match="TPU takes values of float32, not of float64"):
        plastic_update(*args, **bounds("float64"), backend="tpu")
    weight, s, x, targets = problem(**CASES["fan_out"])
    with pytest.raises(ValueError, match="at most 262,144 postsynaptic units, not 300,000"):
        plastic_update(weight, s, jnp.zeros(300_000, x.dtype), targets, **bounds(), backend="tpu")
