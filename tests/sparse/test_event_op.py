"""Operators of users: every body gives the same, under every transformation, and in place."""

import importlib.util
import pydoc
import re
import warnings
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fdyn.sparse import CSR, _native, event_op, use_native

N, K = 12, 3
TRACES = []  # one entry per trace of the reference


@event_op(in_place={"y": 0})
def deposit(y, w, s, targets, *, power=1):
    """Adds `s**power * w` to the targets of a row; also the number of active rows and a sum."""
    TRACES.append(power)
    moved = y.at[targets].add(s[:, None] ** power * w)
    return moved, jnp.sum(s != 0, dtype=jnp.int32), jnp.sum(s * s)


@deposit.cpu
def _(y, w, s, targets, n, total, *, power):
    n[()], total[()] = 0, 0
    for i in range(s.size):
        if s[i] != 0:
            n[()] += 1
            total[()] += s[i] ** 2
            for k in range(targets.shape[1]):
                y[targets[i, k]] += s[i] ** power * w[i, k]


@deposit.accelerator("cuda", "tpu")
def _(y, w, s, targets, *, power):
    outs = y.at[targets].add(s[:, None] ** power * w), jnp.sum(s != 0, dtype=jnp.int32)
    return *outs, jnp.sum(s * s) + 0 * jnp.sum(jnp.cos(s))  # a mark to be known by


def operands(dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    y, w = rng.normal(size=N), rng.normal(size=(N, K))
    s = rng.normal(size=N) * (rng.random(N) < 0.3)
    targets = rng.integers(0, N, (N, K))
    return *(jnp.asarray(x, dtype) for x in (y, w, s)), jnp.asarray(targets, jnp.int32)


def dense(y, w, s, targets, power=1):
    """The same by NumPy."""
    y = np.array(y)
    np.add.at(y, np.asarray(targets), np.asarray(s)[:, None] ** power * np.asarray(w))
    return y, np.count_nonzero(s), np.sum(np.asarray(s) ** 2)


def close(actual, expected, rtol=1e-12):
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


# --- values -------------------------------------------------------------------------------------


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("dtype, rtol", [(np.float32, 1e-5), (np.float64, 1e-12)])
def test_values(native, dtype, rtol):
    args = operands(dtype)
    with use_native(native):
        for power in (1, 3):
            outs = deposit(*args, power=power)  # eager
            close(outs, dense(*args, power), rtol)
            close(jax.jit(lambda *args, p=power: deposit(*args, power=p))(*args), outs, rtol)
    assert [out.dtype.name for out in outs] == [np.dtype(dtype).name, "int32", np.dtype(dtype).name]
    assert [out.shape for out in outs] == [(N,), (), ()]


def test_default_precision(float32):
    args = operands(np.float32)
    close(deposit(*args), dense(*args), 1e-5)
    deposit.check(*args, power=2)


def test_arguments_by_name_and_numbers():
    @event_op
    def scale(x, factor=2.0):
        return x * factor

    @scale.cpu
    def _(x, factor, out):
        out[:] = x * factor

    x = jnp.arange(3.0, dtype=jnp.float32)
    np.testing.assert_array_equal(scale(factor=3, x=x), [0, 3, 6])
    assert scale(x).dtype == jnp.float32  # a Python number has no precision of its own
    np.testing.assert_array_equal(scale([1.0, 2.0]), [2, 4])


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int32", "uint64", "complex64"])
def test_dtypes(dtype):
    @event_op
    def pick(x, where, number):
        return x[where], number

    @pick.cpu
    def _(x, where, number, out, same):
        same[()] = number
        for k in range(where.size):
            out[k] = x[where[k]]

    values = np.array([1, 0, 1, 1]) if dtype == "bool" else np.array([1, 2, 3, 100])
    x, where = jnp.asarray(values, dtype), jnp.array([3, 1], jnp.int32)
    out, same = jax.jit(pick)(x, where, x[0])
    np.testing.assert_array_equal(out, values[[3, 1]].astype(dtype))
    assert out.dtype == dtype and same == x[0] and same.dtype == dtype
    text = jax.jit(pick).lower(x, where, x[0]).as_text()
    assert "fdyn_event_op_pick" in text


def test_what_numba_does_not_know_is_left_to_the_reference():
    @event_op
    def double(x):
        return x + x

    @double.cpu
    def _(x, out):
        out[:] = x + x

    assert double(jnp.ones(2, jnp.bfloat16)).tolist() == [2, 2]
    assert "fdyn_event_op" not in jax.jit(double).lower(jnp.ones(2, jnp.bfloat16)).as_text()


def test_empty():
    y, w, s, targets = operands()
    outs = deposit(y, w[:0], s[:0], targets[:0])
    close(outs, (y, 0, 0))
    outs = jax.vmap(partial(deposit, y, w), (0, None))(jnp.zeros((0, N)), targets)
    assert outs[0].shape == (0, N)


def test_static_options_are_told_apart():
    @event_op
    def kind(x, *, option):
        return x + (10 if isinstance(option, bool) else 20 if isinstance(option, int) else 30)

    x = jnp.zeros(1)
    assert [float(kind(x, option=o)[0]) for o in (True, 1, 1.0)] == [10, 20, 30]


@pytest.mark.parametrize("option, expected", [("plus", 3), ("minus", -1), (None, 0)])
def test_options_that_are_no_numbers(option, expected):
    @event_op
    def combine(x, y, *, option=None):
        return {"plus": x + y, "minus": x - y, None: 0 * x}[option]

    @combine.cpu
    def _(x, y, out, *, option):
        for i in range(x.size):
            if option is None:
                out[i] = 0
            else:
                out[i] = x[i] + y[i] if option == "plus" else x[i] - y[i]

    combine.check(jnp.ones(2), 2 * jnp.ones(2), option=option)
    np.testing.assert_array_equal(combine(jnp.ones(2), 2 * jnp.ones(2), option=option), expected)


# --- transformations ----------------------------------------------------------------------------


def test_derivatives():
    y, w, s, targets = operands()

    def loss(op, y, w, s):
        return jnp.sum(op(y, w, s, targets, power=2)[0] ** 2)

    def plain(y, w, s, targets, power):
        return (y.at[targets].add(s[:, None] ** power * w),)

    for derivative in (jax.grad, jax.hessian):
        actual, expected = (
            jax.jit(derivative(partial(loss, op), (0, 1, 2)))(y, w, s) for op in (deposit, plain)
        )
        for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
    tangents = jax.jvp(lambda s: deposit(y, w, s, targets), (s,), (jnp.ones(N),))[1]
    np.testing.assert_allclose(tangents[2], 2 * jnp.sum(s))
    assert tangents[1].dtype == jax.dtypes.float0  # of the number of active rows


@pytest.mark.slow
@pytest.mark.parametrize("native", [True, False])
def test_vmap(native):
    y, w, s, targets = operands()
    many_w, many_s = jnp.stack([w, 2 * w]), jnp.stack([s, -s, 0 * s, s + 1], axis=1)
    with use_native(native):
        over_s = jax.vmap(partial(deposit, y), (None, 1, None))
        over_both = jax.jit(jax.vmap(over_s, (0, None, None)))(many_w, many_s, targets)
        over_s = jax.jit(over_s)(w, many_s, targets)
        one = jax.vmap(lambda s: deposit(y, w, s, targets))(s[None])
        gradient = jax.vmap(jax.grad(lambda s: deposit(y, w, s, targets)[0][3]), in_axes=1)(many_s)
        turned = jax.grad(lambda s: jnp.sum(jax.vmap(lambda s: deposit(y, w, s, targets)[0][3])(s)))
        assert over_s[0].shape == (4, N) and over_s[1].shape == (4,)
        for b in range(4):
            close([x[b] for x in over_s], dense(y, w, many_s[:, b], targets))
            for a in range(2):
                close([x[a, b] for x in over_both], dense(y, many_w[a], many_s[:, b], targets))
        close([x[0] for x in one], dense(y, w, s, targets))
        np.testing.assert_allclose(gradient, turned(many_s.T), rtol=1e-12)
        np.testing.assert_allclose(
            gradient[1], jnp.sum(jnp.where(targets == 3, w, 0), axis=1), rtol=1e-12
        )


def test_vmap_copies_only_what_is_batched():
    y, w, s, targets = operands()
    batched = jax.vmap(lambda s: deposit(y, w, s, targets))
    text = jax.jit(batched).lower(jnp.stack([s, s])).as_text()
    call = next(line for line in text.splitlines() if "fdyn_event_op_deposit" in line)
    kinds = re.findall(r"tensor<([^>]*)>", call.split(" : (")[1].split(" -> ")[0])
    assert kinds == [f"2x{N}xf64", f"1x{N}x{K}xf64", f"2x{N}xf64", f"1x{N}x{K}xi32"]


def test_own_derivative():
    @event_op
    def spike(v, gain):
        return (v > 0).astype(v.dtype), jnp.argmax(v)

    @spike.cpu
    def _(v, gain, out, first):
        first[()] = np.argmax(v)
        for i in range(v.size):
            out[i] = 1.0 if v[i] > 0 else 0.0

    @spike.def_jvp
    def _(primals, tangents):
        (v, gain), (dv, _) = primals, tangents
        out, first = spike(v, gain)
        return (out, first), (dv * gain / (1 + jnp.abs(v)) ** 2, np.zeros((), jax.dtypes.float0))

    v = jnp.array([-1.0, 0.5, 3.0])
    expected = 2.0 / (1 + np.abs(v)) ** 2
    np.testing.assert_allclose(jax.grad(lambda v: jnp.sum(spike(v, 2.0)[0]))(v), expected)
    many = jax.vmap(jax.grad(lambda v: jnp.sum(spike(v, 2.0)[0])))(jnp.stack([v, v]))
    np.testing.assert_allclose(many, np.stack([expected, expected]))
    summed = jax.grad(lambda v: jnp.sum(jax.vmap(lambda v: spike(v, 2.0)[0])(v)))
    np.testing.assert_allclose(summed(jnp.stack([v, v])), np.stack([expected, expected]))
    assert spike(v, 2.0)[1] == 2


def test_shard_map():
    """Operands that differ between shards and such that do not, and the gradient for either."""
    y, w, s, targets = operands()
    mesh = jax.make_mesh((1,), ("rows",), axis_types=(jax.sharding.AxisType.Auto,))
    rows, every = jax.sharding.PartitionSpec("rows"), jax.sharding.PartitionSpec()

    @partial(jax.shard_map, mesh=mesh, in_specs=(every, rows, rows, rows), out_specs=every)
    def sharded(y, w, s, targets):
        added = deposit(jnp.zeros(N), w, s, targets)[0] + 0 * deposit(y, w, s, targets)[0]
        return y + jax.lax.psum(added, "rows")

    np.testing.assert_allclose(jax.jit(sharded)(y, w, s, targets), dense(y, w, s, targets)[0])
    both = [
        jax.jit(jax.grad(lambda y, s, f=f: jnp.sum(f(y, w, s, targets) ** 2), (0, 1)))(y, s)
        for f in (sharded, lambda *args: deposit(*args)[0])
    ]
    for a, b in zip(*both, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


# --- in place, and once -------------------------------------------------------------------------


def test_in_place_in_a_loop():
    """The compiled loop hands the carry to the operator, and copies it nowhere."""
    n = 4_000_000
    w, targets = jnp.ones((2, 2), jnp.float32), jnp.array([[0, 3], [1, n - 1]], jnp.int32)

    @partial(jax.jit, donate_argnums=0)
    def run(y, raster):
        def step(y, s):
            return deposit(y, w, s, targets)[0], None

        return jax.lax.scan(step, y, raster)[0]

    compiled = run.lower(jnp.zeros(n, jnp.float32), jnp.ones((1000, 2), jnp.float32)).compile()
    text = compiled.as_text()
    (call,) = [line for line in text.splitlines() if "custom-call(" in line]
    assert "output_to_operand_aliasing={{0}: (0, {})}" in call
    assert not re.search(r"= f32\[4000000\]\S* copy\(", text)
    y = compiled(jnp.zeros(n, jnp.float32), jnp.ones((1000, 2), jnp.float32))
    assert [float(y[i]) for i in (0, 1, 2, 3, n - 1)] == [1e3, 1e3, 0, 1e3, 1e3]


def test_a_donated_argument_is_not_copied():
    n = 1_000_000
    w, targets = jnp.ones((1, 1), jnp.float32), jnp.zeros((1, 1), jnp.int32)
    args = jnp.zeros(n, jnp.float32), w, jnp.ones(1, jnp.float32), targets
    for donated in ((), (0,)):
        text = jax.jit(deposit, donate_argnums=donated).lower(*args).compile().as_text()
        copies = re.search(r"= f32\[1000000\]\S* copy\(", text)
        assert (copies is None) == bool(donated)


def test_an_operand_still_needed_is_not_overwritten():
    y, w, s, targets = operands()
    before = np.array(y)

    @jax.jit
    def twice(y):
        return deposit(y, w, s, targets)[0], deposit(y, w, 2 * s, targets)[0], y

    once, double, same = twice(y)
    np.testing.assert_array_equal(y, before)
    np.testing.assert_array_equal(same, before)
    np.testing.assert_allclose(2 * (once - before), double - before, atol=1e-12)


def test_a_second_run_traces_nothing():
    y, w, s, targets = operands()
    run = jax.jit(lambda y, s: jax.vmap(lambda s: deposit(y, w, s, targets)[0])(s))
    gradient = jax.jit(jax.grad(lambda w: deposit(y, w, s, targets)[2]))

    def all_of_it():
        run(y, jnp.stack([s, s]))
        gradient(w)
        deposit(y, w, s, targets)  # eager

    all_of_it()
    known = len(TRACES)
    all_of_it()
    assert len(TRACES) == known and known > 0


# --- platforms ----------------------------------------------------------------------------------


def test_every_platform_gets_its_body():
    args = operands(np.float32)
    traced = jax.jit(deposit).trace(*args)
    for platform in ("cuda", "tpu"):
        assert "stablehlo.cosine" in traced.lower(lowering_platforms=(platform,)).as_text()
    for platform in ("cpu", "rocm"):
        assert "stablehlo.cosine" not in traced.lower(lowering_platforms=(platform,)).as_text()
    with use_native(False):
        traced = jax.jit(lambda *args: deposit(*args)).trace(*args)
        assert "stablehlo.cosine" not in traced.lower(lowering_platforms=("cuda",)).as_text()
        assert "fdyn_event_op" not in traced.lower().as_text()
    assert "reference, cpu, cuda, tpu" in repr(deposit)


def test_an_accelerator_body_must_return_what_the_reference_does():
    @event_op
    def double(x):
        return x + x

    @double.accelerator("cuda")
    def _(x):
        return (x + x)[:1]

    with pytest.raises(ValueError, match=r"cuda body of `double` returns float64\[1\], expected f"):
        jax.jit(double).trace(jnp.ones(2)).lower(lowering_platforms=("cuda",))


def test_without_numba_the_reference_takes_over(monkeypatch):
    def fail(*args):
        raise ImportError("No module named 'numba'")

    monkeypatch.setattr(_native._State, "failed", False)
    monkeypatch.setattr(_native._State, "registered", {})
    monkeypatch.setattr(_native.importlib, "import_module", fail)
    args = operands()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            close(jax.jit(lambda *args: deposit(*args, power=2))(*args), dense(*args, 2))
    assert [w.category for w in caught] == [RuntimeWarning]


@pytest.mark.slow
def test_a_body_without_a_file():
    """As in a notebook, where Numba finds no place for a cache."""
    scope = {"event_op": event_op, "jnp": jnp}
    exec(
        "@event_op\ndef double(x):\n    return x + x\n"
        "@double.cpu\ndef _(x, out):\n    out[:] = 2 * x\n",
        scope,
    )
    np.testing.assert_array_equal(scope["double"](jnp.ones(2)), [2, 2])


def test_a_body_compiled_by_the_user():
    numba = pytest.importorskip("numba")

    @event_op
    def double(x):
        return x + x

    double.cpu(numba.njit(lambda x, out: out.fill(2 * x[0])))
    np.testing.assert_array_equal(double(jnp.ones(2)), [2, 2])
    double.check(jnp.ones(2))


# --- the example --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def example():
    path = Path(__file__).parents[2] / "examples/event_op.py"
    spec = importlib.util.spec_from_file_location("event_op_example", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_depression_is_that_of_its_reference(example):
    rng = np.random.default_rng(0)
    y, x, last = rng.random(5), rng.random(8), 90 * rng.random(8)
    s = rng.random(8) * (rng.random(8) < 0.5)
    args = *map(jnp.asarray, (y, x, last, s)), 100.0, jnp.asarray(rng.integers(0, 5, (8, 3)))
    example.depressing.check(*args, 0.3, 0.5, 200.0)
    in_x = jax.grad(
        lambda x: jnp.sum(example.depressing(args[0], x, *args[2:], 0.3, 0.5, 200.0)[0])
    )
    expected = 3 * 0.3 * 0.5 * s * np.exp((last - 100) / 200)
    np.testing.assert_allclose(in_x(args[1]), expected, rtol=1e-12)


def test_depression_settles_where_the_closed_form_says(example):
    """Regular trains: the release per spike is the fixed point of depletion and recovery."""
    trains = example.spike_trains(2000, seed=0)[:, : len(example.RATES) * example.UNITS]
    y = np.asarray(jax.jit(example.run)(jnp.asarray(trains)), float)
    released = y[1:] - example.DECAY * y[:-1]
    spikes = trains[1:].reshape(-1, len(example.RATES), example.UNITS).mean(axis=2)
    late = slice(1200, None)
    measured = released[late].sum(axis=0)[2:] / spikes[late].sum(axis=0)[2:]  # 10 Hz and more
    np.testing.assert_allclose(measured, example.closed_form(example.RATES)[0][2:], rtol=0.01)


# --- mistakes -----------------------------------------------------------------------------------


def doubled():
    @event_op
    def double(x):
        return x + x

    return double


def test_a_body_that_does_not_compile():
    double = doubled()

    @double.cpu
    def _(x, out):
        out[:] = unknown(x)  # noqa: F821  # pyright: ignore

    with pytest.raises(ValueError, match=r"(?s)Numba body of `double` does not compile.*unknown"):
        double(jnp.ones(2))
    # Others are none the worse for it.
    s = jnp.ones(1)
    conn = CSR(np.array([1]), np.array([0, 1]), 3.0, n_post=2)
    assert "fdyn_sparse" in jax.jit(lambda s: s @ conn).lower(s).as_text()


def test_a_body_may_not_write_to_its_inputs():
    double = doubled()

    @double.cpu
    def _(x, out):
        x[0] = 1
        out[:] = 2 * x

    with pytest.raises(ValueError, match=r"(?s)does not compile.*(readonly|immutable)"):
        double(jnp.ones(2))
    with pytest.raises(ValueError, match="read-only"):
        double.check(jnp.ones(2))


def test_an_exception_in_a_body_ends_the_computation():
    double = doubled()

    @double.cpu
    def _(x, out):
        if x[0] < 0:
            raise ValueError("negative")
        out[:] = 2 * x

    run = jax.jit(double)
    np.testing.assert_array_equal(run(jnp.ones(2)), [2, 2])
    with pytest.raises(Exception, match=r"Numba body of `double` raised an exception.*check"):
        jax.block_until_ready(run(-jnp.ones(2)))
    with pytest.raises(ValueError, match="negative"):
        double.check(-jnp.ones(2))
    np.testing.assert_array_equal(run(jnp.ones(2)), [2, 2])


def wrong(x, out):
    out[:] = 3 * x


def unwritten(x, out):
    out[0] = 2 * x[0]


def out_of_range(x, out):
    out[:] = 2 * x
    out[x.size] = 0


@pytest.mark.parametrize(
    "body, error, match",
    [
        (wrong, AssertionError, r"plain Python is 3.0 at \(0,\), 2.0 by the reference; 2 of 2"),
        (unwritten, AssertionError, r"nan at \(1,\), 2.0 by the reference; 1 of 2"),
        (out_of_range, IndexError, "out of bounds"),
    ],
)
def test_check_finds_mistakes(body, error, match):
    double = doubled()
    double.cpu(body)
    with pytest.raises(error, match=match):
        double.check(jnp.ones(2))


def test_check_runs_the_compiled_body_too():
    double, value = doubled(), 5

    @double.cpu
    def _(x, out):
        out[:] = value

    double(jnp.ones(2))  # to Numba, what a function has caught is a constant from here on
    value = 2
    with pytest.raises(AssertionError, match=r"compiled for cpu is 5.0 at \(0,\), 2.0"):
        double.check(jnp.ones(2))


def test_help_describes_the_operator_and_not_its_class():
    text = pydoc.plain(pydoc.render_doc(deposit))
    assert "deposit(y, w, s, targets, *, power=1)" in text and "targets of a row" in text
    bare = pydoc.plain(pydoc.render_doc(event_op(lambda x, *, a: x)))
    assert "<lambda>(x, *, a)" in bare and "no docstring" in bare and "Methods" not in bare


def test_mistakes_of_declaration():
    with pytest.raises(ValueError, match="names `x`, which is no array argument. Known: w, y"):
        event_op(in_place={"x": 0})(lambda y, w: y)
    with pytest.raises(ValueError, match="names `a`"):
        event_op(in_place={"a": 0})(lambda y, *, a: y)
    with pytest.raises(ValueError, match="gives one output to two"):
        event_op(in_place={"y": 0, "w": 0})(lambda y, w: y)
    with pytest.raises(ValueError, match="takes no array"):
        event_op(lambda *, a: a)
    with pytest.raises(ValueError, match="`args` of any number"):
        event_op(lambda *args: args[0])
    op = event_op(lambda x, *, a: x)
    with pytest.raises(
        ValueError, match=r"static options \[\], expected those of the ref.*\['a'\]"
    ):
        op.cpu(lambda x, out: None)
    with pytest.raises(ValueError, match=r"keyword-only arguments, after a star: \(..., \*, a\)"):
        op.cpu(lambda x, out, a: None)
    op.cpu(lambda x, *, a: None)  # where is the output?
    with pytest.raises(ValueError, match=r"takes 2 arguments \(x, a\), expected 3.*the static"):
        op.check(jnp.ones(2), a=1)
    with pytest.raises(ValueError, match="takes 2 arrays, expected those of the reference, x"):
        op.accelerator("tpu")(lambda x, y, *, a: x)
    with pytest.raises(ValueError, match="no accelerator 'gpu'. .*Known: cuda, rocm, tpu"):
        op.accelerator("gpu")
    double = doubled()
    double.cpu(lambda x, out, more: None)
    with pytest.raises(ValueError, match=r"takes 3 arguments \(x, out, more\), expected 2"):
        double(jnp.ones(2))


def test_mistakes_of_calls():
    double, op = doubled(), event_op(lambda x, *, a: x)
    with pytest.raises(TypeError, match=r"`double\(x\)` was called otherwise"):
        double(jnp.ones(2), 3)
    with pytest.raises(TypeError, match="`x` of `double` is 'text', expected an array or a number"):
        double("text")
    with pytest.raises(TypeError, match=r"option `a` of `<lambda>` is \[1\], expected something h"):
        op(jnp.ones(2), a=[1])
    for outs in (lambda x: {"x": x}, lambda x: (x, 1.0), lambda x: None):
        with pytest.raises(TypeError, match="expected an array or a tuple of arrays"):
            event_op(outs)(jnp.ones(2))
    with pytest.raises(ValueError, match="returns no array"):
        event_op(lambda x: ())(jnp.ones(2))
    with pytest.raises(ValueError, match="side effects"):
        event_op(lambda x: (jax.debug.print("{}", x), x)[1])(jnp.ones(2))


@pytest.mark.parametrize(
    "fn, found",
    [
        (lambda y: y[:1], r"float64\[1\]"),
        (lambda y: y.astype(jnp.float32), r"float32\[2\]"),
    ],
)
def test_in_place_needs_the_same_shape_and_dtype(fn, found):
    op = event_op(in_place={"y": 0})(fn)
    with pytest.raises(ValueError, match=rf"in place of `y`, float64\[2\], .* is {found}; it must"):
        op(jnp.ones(2))
    with pytest.raises(ValueError, match="output 1 in place of `y`.*that output is missing"):
        event_op(in_place={"y": 1})(lambda y: y)(jnp.ones(2))
