"""`use_pallas`: which products become kernels on an accelerator, and that they get it right."""

import inspect
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import accelerator_mesh, lower_for
from jax.sharding import PartitionSpec
from numpy.testing import assert_allclose

import pallas_kernels
from fdyn.sparse import (
    FixedFanOut,
    Procedural,
    SynapseIndex,
    find_events,
    split_post,
    update_on_post,
    update_on_pre,
    use_pallas,
)
from fdyn.sparse._accelerator import accelerated, accelerated_generation, accelerated_update
from fdyn.sparse._procedural_reference import reference as generation
from fdyn.sparse._reference import product

RNG = np.random.default_rng(0)
FAN_OUT = FixedFanOut(
    RNG.integers(0, 9, (5, 3)), jnp.asarray(RNG.normal(size=(5, 3)), "float32"), n_post=9
)
CSR = FAN_OUT.to_csr()
SPIKES = jnp.asarray([0.0, 1.0, 0.0, -2.0, 0.5], "float32")
TRACE = jnp.asarray(RNG.normal(size=9), "float32")
RANDOM = Procedural(jax.random.key(0), 5, 9, 0.4, jnp.float32(1.5))
BOUNDS = dict(low=jnp.float32(-1), high=jnp.float32(1))

PROGRAMS = {
    "fan_out": (lambda s: s @ FAN_OUT, SPIKES),
    "csr": (lambda s: s @ CSR, SPIKES),
    "events": (lambda s: find_events(s) @ CSR, SPIKES),
    "batch": (lambda s: s @ FAN_OUT, jnp.stack([SPIKES, -SPIKES])),
    "loop": (
        lambda s: jax.lax.scan(lambda y, _: (FAN_OUT.accumulate(y, s), None), TRACE, length=3)[0],
        SPIKES,
    ),
    "gradient": (jax.grad(lambda s: jnp.sum(jnp.sin(s @ CSR))), SPIKES),
    "procedural": (lambda s: s @ RANDOM, SPIKES),
    "update": (lambda s: update_on_pre(CSR, CSR.weight, s, TRACE, **BOUNDS), SPIKES),
    "updates": (
        jax.vmap(lambda s: update_on_pre(FAN_OUT, FAN_OUT.weight, s, TRACE, **BOUNDS)),
        jnp.stack([SPIKES, -SPIKES]),
    ),
}
CALLS = {"cuda": "__gpu$xla.gpu.triton", "tpu": "tpu_custom_call"}


@pytest.mark.parametrize("platform", CALLS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_kernels_are_used_where_the_user_says_so(platform, name):
    fn, s = PROGRAMS[name]
    call = CALLS[platform]
    assert call not in lower_for(platform, fn, s)  # the reference is what runs by default
    with use_pallas(True):
        assert call in lower_for(platform, fn, s)
        with use_pallas(False):
            assert call not in lower_for(platform, fn, s)


def test_what_a_kernel_does_not_take_goes_to_the_reference():
    index = SynapseIndex(CSR, by="post")

    def double(w, s):
        return FixedFanOut(FAN_OUT.targets, w, n_post=9).accumulate(jnp.zeros(9), s)

    def columns(s):
        return update_on_post(index, CSR.weight, s, SPIKES, **BOUNDS)

    wide = FAN_OUT.weight.astype("float64"), SPIKES.astype("float64")
    with use_pallas(True):
        for fn, args in ((double, wide), (columns, (TRACE,))):
            assert CALLS["cuda"] in lower_for("cuda", fn, *args)
            assert CALLS["tpu"] not in lower_for("tpu", fn, *args)


def test_a_compiled_function_follows_the_choice():
    traced = []

    @jax.jit
    def fn(s):
        traced.append(1)
        return s @ FAN_OUT

    plain = fn(SPIKES)
    with use_pallas(True):
        assert_allclose(fn(SPIKES), plain)  # on the CPU nothing changes
        fn(SPIKES)
    fn(SPIKES)
    assert len(traced) == 2


@pytest.mark.parametrize("platform", CALLS)
def test_shards_are_kernels_too(platform):
    mesh = accelerator_mesh(platform, post=3)
    parts, by_post = split_post(FAN_OUT, 3), PartitionSpec("post")

    @partial(jax.shard_map, mesh=mesh, in_specs=(PartitionSpec(), by_post), out_specs=by_post)
    def fn(s, part):
        return s @ jax.tree.map(lambda x: x[0], part)

    with use_pallas(True):
        assert CALLS[platform] in lower_for(platform, fn, SPIKES, parts)


# --- values: the kernels step by step, as the lowering calls them -------------------------------


@pytest.fixture
def step_by_step(monkeypatch):
    for name in ("event_product", "plastic_update", "procedural_product"):
        kernel = partial(getattr(pallas_kernels, name), interpret=True)
        monkeypatch.setattr(pallas_kernels, name, kernel)
    with use_pallas(True):
        yield


@pytest.mark.slow
@pytest.mark.parametrize("platform", CALLS)
@pytest.mark.parametrize("shift", [None, 20])
def test_the_product_of_the_lowering(platform, shift, step_by_step):
    values = dict(acc=TRACE, a=CSR.weight, b=SPIKES)
    if shift is not None:  # any number: the vector is a circle
        values["shift"] = jnp.asarray(shift, "int32")
        values |= dict(index=jnp.asarray([1, 3, 4, 0, 0], "int32"), count=jnp.asarray(3, "int32"))
    pattern = (CSR.indices, CSR.indptr)
    kernel = accelerated(platform, product)
    assert kernel is not product
    got = kernel("g", pattern, **values)
    assert_allclose(got, product("g", pattern, **values), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("platform", CALLS)
def test_the_update_of_the_lowering(platform, step_by_step):
    def reference(w, s, x, low, high, origin, power, index, count, partners, indptr, *, scaled):
        assert scaled, "the kernel takes this"
        return w

    body = accelerated_update(platform, reference)
    assert list(inspect.signature(body).parameters)[-2:] == ["indptr", "scaled"]
    law = (jnp.full((1,), x, "float32") for x in (-1, 1, 0))
    events = find_events(SPIKES)
    args = (*law, jnp.float32(1), events.index, events.count, CSR.indices, CSR.indptr)
    got = body(CSR.weight, SPIKES, TRACE, *args, scaled=False)
    assert_allclose(body(CSR.weight, SPIKES, TRACE, *args, scaled=True), CSR.weight)
    expected = update_on_pre(CSR, CSR.weight, SPIKES, TRACE, **BOUNDS)
    assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_the_generation_of_the_lowering(step_by_step):
    plan, pattern = RANDOM._plan("constant"), RANDOM._pattern()
    one = jnp.asarray([1.5], "float32")
    events = find_events(SPIKES)
    args = ("g", plan, pattern, TRACE, one, SPIKES)
    rest = (jnp.asarray(20, "int32"), (events.index, events.count))
    got = accelerated_generation("cuda", generation)(*args, *rest)
    assert_allclose(got, generation(*args, *rest), rtol=1e-5, atol=1e-6)
    assert_allclose(generation(*args, None, None) - TRACE, SPIKES @ RANDOM, rtol=1e-5, atol=1e-6)
