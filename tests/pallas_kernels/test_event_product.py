"""The kernel of the event product: values step by step in JAX, lowering for both accelerators."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import lower_for
from numpy.testing import assert_allclose, assert_array_equal

from pallas_kernels import event_product, event_product_reference

CALLS = {"gpu": "__gpu$xla.gpu.triton", "tpu": "tpu_custom_call"}
PLATFORMS = {"gpu": "cuda", "tpu": "tpu"}


@partial(jax.jit, static_argnames="backend")
def step_by_step(*args, backend, **kwargs):
    return event_product(*args, backend=backend, interpret=True, **kwargs)


def problem(n_pre, k, n_post, *, layout="fan_out", per_synapse=True, active=0.4, dtype="float32"):
    """y, weight, s, targets and, for rows of any length, where they begin."""
    rng = np.random.default_rng(n_pre * k)
    n = n_pre * k
    targets = rng.integers(-1, n_post + 1, n)  # some are out of range
    weight = rng.normal(size=n) if per_synapse else np.array(0.5)
    s = (rng.random(n_pre) < active) * rng.normal(size=n_pre)
    shape = (n_pre, k) if layout == "fan_out" else (n,)
    arrays = [
        jnp.asarray(rng.normal(size=n_post), dtype),
        jnp.asarray(weight.reshape(shape) if per_synapse else weight, dtype),
        jnp.asarray(s, dtype),
        jnp.asarray(targets.reshape(shape), "int32"),
    ]
    if layout == "csr":
        cuts = np.sort(rng.integers(0, n + 1, n_pre - 1))  # some rows are empty
        arrays.append(jnp.asarray(np.r_[0, cuts, n], "int32"))
    return arrays


def by_hand(y, weight, s, targets, row_start=None, shift=0):
    y, weight, s, targets = (np.array(x, "float64") for x in (y, weight, s, targets))
    n_synapses = targets.size
    if row_start is None:
        row_start = np.arange(s.size + 1) * (n_synapses // s.size)
    weight = np.broadcast_to(weight.ravel() if weight.ndim else weight, n_synapses)
    for i in range(s.size):
        for p in range(int(row_start[i]), int(row_start[i + 1])):
            target = int(targets.ravel()[p])
            if 0 <= target < y.size:
                y[(target + shift) % y.size] += s[i] * weight[p]
    return y


CASES = {
    "fan_out": dict(n_pre=12, k=7, n_post=20),
    "scalar": dict(n_pre=12, k=7, n_post=20, layout="csr", per_synapse=False),
    "csr": dict(n_pre=12, k=7, n_post=20, layout="csr"),
    "several blocks of targets": dict(n_pre=4, k=30, n_post=300),
    "long rows": dict(n_pre=3, k=1100, n_post=150),
    "long csr": dict(n_pre=3, k=700, n_post=150, layout="csr"),
    "none active": dict(n_pre=12, k=7, n_post=20, active=0.0),
    "one synapse": dict(n_pre=1, k=1, n_post=1, active=1.0),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_kernels_compute_the_sum(case):
    args = problem(**case)
    expected = by_hand(*args)
    reference = jax.jit(event_product_reference)(*args)
    assert_allclose(reference, expected, rtol=1e-5, atol=2e-5)
    for backend in CALLS:
        y = step_by_step(*args, backend=backend)
        assert y.dtype == args[0].dtype
        assert_allclose(y, expected, rtol=1e-5, atol=2e-5, err_msg=backend)


@pytest.mark.parametrize("shift", [0, 1, 19])
def test_targets_on_a_circle(shift):
    args = problem(**CASES["fan_out"])
    turned = dict(shift=jnp.asarray(shift, "int32"))
    expected = by_hand(*args, shift=shift)
    assert_allclose(event_product_reference(*args, **turned), expected, rtol=1e-5, atol=1e-5)
    for backend in CALLS:
        y = step_by_step(*args, **turned, backend=backend)
        assert_allclose(y, expected, rtol=1e-5, atol=1e-5, err_msg=backend)


@pytest.mark.parametrize("backend", CALLS)
def test_a_given_list_of_rows_is_what_is_read(backend):
    y, weight, s, targets = problem(n_pre=12, k=7, n_post=20, active=1.0)
    some = (jnp.asarray([2, 5, 7, *range(9)], "int32"), jnp.asarray(3, "int32"))
    expected = by_hand(y, weight, np.where(np.isin(np.arange(12), [2, 5, 7]), s, 0), targets)
    got = step_by_step(y, weight, s, targets, rows=some, backend=backend)
    assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_double_precision_on_a_gpu():
    args = problem(**CASES["csr"], dtype="float64")
    y = step_by_step(*args, backend="gpu")
    assert_allclose(y, by_hand(*args), rtol=1e-13)


def test_targets_that_meet_all_count():
    targets = jnp.zeros((2, 5), "int32")
    args = (jnp.zeros(1, "float32"), jnp.ones((2, 5), "float32"), jnp.ones(2, "float32"), targets)
    for backend in CALLS:
        assert_array_equal(step_by_step(*args, backend=backend), [10.0])


def test_more_rows_than_fit_into_the_lists_of_a_tpu(monkeypatch):
    monkeypatch.setattr("pallas_kernels._common.ITEMS", 4)
    for layout in ("fan_out", "csr"):
        args = problem(n_pre=13, k=3, n_post=20, active=0.8, layout=layout)
        y = step_by_step(*args, backend="tpu")
        assert_allclose(y, by_hand(*args), rtol=1e-5, atol=1e-5)


def test_more_programs_than_rows_and_more_rows_than_programs(monkeypatch):
    monkeypatch.setattr("pallas_kernels._common.PROGRAMS", 3)
    args = problem(n_pre=13, k=3, n_post=20, active=0.8)
    y = step_by_step(*args, backend="gpu")
    assert_allclose(y, by_hand(*args), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("backend", CALLS)
@pytest.mark.parametrize("case", ["fan_out", "scalar", "csr", "long rows"])
def test_the_kernels_lower(backend, case):
    args = problem(**CASES[case])
    shift = jnp.asarray(1, "int32")
    text = lower_for(PLATFORMS[backend], partial(event_product, backend=backend), *args)
    assert CALLS[backend] in text
    turned = partial(event_product, backend=backend, shift=shift)
    assert CALLS[backend] in lower_for(PLATFORMS[backend], turned, *args)


def test_the_kernels_lower_in_other_precisions(float32):
    args = problem(**CASES["csr"])
    for backend, platform in PLATFORMS.items():
        text = lower_for(platform, partial(event_product, backend=backend), *args)
        assert CALLS[backend] in text


def test_double_precision_lowers_for_a_gpu():
    args = problem(**CASES["fan_out"], dtype="float64")
    assert CALLS["gpu"] in lower_for("cuda", partial(event_product, backend="gpu"), *args)


def test_what_a_back_end_does_not_take():
    args = problem(**CASES["fan_out"], dtype="float64")
    with pytest.raises(ValueError, match="TPU takes values of float32, not of float64"):
        event_product(*args, backend="tpu")
    args = problem(**CASES["fan_out"], dtype="float16")
    with pytest.raises(ValueError, match="GPU takes values of float32 or float64, not of float16"):
        event_product(*args, backend="gpu")
    *args, targets = problem(**CASES["fan_out"])
    with pytest.raises(ValueError, match="`targets` of int32, not of int64"):
        event_product(*args, targets.astype("int64"), backend="gpu")
    with pytest.raises(ValueError, match="backend is 'cpu', expected one of gpu, tpu"):
        event_product(*args, targets, backend="cpu")


def test_nothing_to_do():
    y = jnp.ones(3, "float32")
    none = jnp.zeros((2, 0), "float32"), jnp.ones(2, "float32"), jnp.zeros((2, 0), "int32")
    for backend in CALLS:
        assert_array_equal(event_product(y, *none, backend=backend), y)
