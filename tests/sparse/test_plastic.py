"""Plastic updates against a dense matrix: by rows and columns, derivatives, batches, in place."""

import re
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fdyn.sparse import (
    COO,
    CSC,
    CSR,
    Dense,
    Events,
    FixedFanIn,
    FixedFanOut,
    OneToOne,
    SynapseIndex,
    find_events,
    update_on_post,
    update_on_pre,
    use_native,
)

N_PRE, N_POST = 12, 9
LOW, HIGH = -0.4, 0.6


def pairs(format, rng):
    """Rows and columns in the order of the weights; no pair twice."""
    if format is FixedFanOut:
        cols = np.stack([rng.permutation(N_POST)[:4] for _ in range(N_PRE)])
        return np.repeat(np.arange(N_PRE), 4), cols.ravel()
    if format is FixedFanIn:
        rows = np.stack([rng.permutation(N_PRE)[:4] for _ in range(N_POST)])
        return rows.ravel(), np.repeat(np.arange(N_POST), 4)
    rows, cols = np.nonzero(rng.random((N_PRE, N_POST)) < 0.4)
    if format is CSC:
        order = np.lexsort((rows, cols))
    else:
        order = rng.permutation(rows.size) if format is COO else np.arange(rows.size)
    return rows[order], cols[order]


def make(format, index_dtype="int32", seed=0):
    """A connectivity, and the row and column of every weight in the order of the layout."""
    rng = np.random.default_rng(seed)
    if format is Dense:
        rows, cols = (x.ravel() for x in np.indices((N_PRE, N_POST)))
        return Dense(1.0, n_pre=N_PRE, n_post=N_POST), rows, cols
    if format is OneToOne:
        return OneToOne(1.0, n=N_PRE), np.arange(N_PRE), np.arange(N_PRE)
    rows, cols = pairs(format, rng)
    kind = {"index_dtype": index_dtype}
    if format is FixedFanOut:
        conn = FixedFanOut(cols.reshape(N_PRE, -1), 1.0, n_post=N_POST, **kind)
    elif format is FixedFanIn:
        conn = FixedFanIn(rows.reshape(N_POST, -1), 1.0, n_pre=N_PRE, **kind)
    elif format is COO:
        conn = COO(rows, cols, 1.0, n_pre=N_PRE, n_post=N_POST, **kind)
    else:
        units, others, n = (rows, cols, N_PRE) if format is CSR else (cols, rows, N_POST)
        indptr = np.concatenate([[0], np.cumsum(np.bincount(units, minlength=n))])
        size = {"n_post": N_POST} if format is CSR else {"n_pre": N_PRE}
        conn = format(others, indptr, 1.0, **size, **kind)
    return conn, rows, cols


def dense_update(side, w, s, x, low, high):
    """The update of a whole matrix by NumPy, from the definition."""
    s, x = (s[:, None], x[None]) if side == "pre" else (s[None], x[:, None])
    return np.where(s != 0, np.minimum(np.maximum(w + s * x, low), high), w)


def operands(conn, layout, side, dtype=np.float64, seed=1):
    """Weights partly outside of the bounds, graded events of both signs, a factor."""
    rng = np.random.default_rng(seed)
    n_s, n_x = (conn.n_pre, conn.n_post) if side == "pre" else (conn.n_post, conn.n_pre)
    w = rng.normal(size=layout)
    s = rng.normal(size=n_s) * (rng.random(n_s) < 0.4)
    s[0], s[1] = -1.0, 0.0
    return w.astype(dtype), s.astype(dtype), rng.normal(size=n_x).astype(dtype)


def layout_of(conn, rows):
    if isinstance(conn, FixedFanOut):
        return conn.targets.shape
    if isinstance(conn, FixedFanIn):
        return conn.sources.shape
    return (N_PRE, N_POST) if isinstance(conn, Dense) else rows.shape


NEEDS_INDEX = {("pre", CSC), ("pre", FixedFanIn), ("pre", COO)}
NEEDS_INDEX |= {("post", CSR), ("post", FixedFanOut), ("post", COO)}
UPDATE = {"pre": update_on_pre, "post": update_on_post}
FORMATS = [CSR, CSC, COO, FixedFanOut, FixedFanIn, Dense, OneToOne]


def case(side, format, dtype=np.float64, index_dtype="int32"):
    """The function of weights, events and factor; the operands; the oracle of flat weights."""
    conn, rows, cols = make(format, index_dtype)
    w, s, x = operands(conn, layout_of(conn, rows), side, dtype)
    target = SynapseIndex(conn, by=side) if (side, format) in NEEDS_INDEX else conn

    def oracle(w, s, x, low=LOW, high=HIGH):
        matrix = np.full((conn.n_pre, conn.n_post), np.nan, dtype)
        matrix[rows, cols] = w.ravel()
        bounds = []
        for bound in (low, high):
            full = np.zeros_like(matrix)
            full[rows, cols] = np.broadcast_to(bound, w.shape).ravel()
            bounds.append(full)
        return dense_update(side, matrix, s, x, *bounds)[rows, cols].reshape(w.shape)

    return partial(UPDATE[side], target), (w, s, x), oracle


both_sides = pytest.mark.parametrize("side", ["pre", "post"])
every_format = pytest.mark.parametrize("format", FORMATS)


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@every_format
@both_sides
def test_equals_the_dense_update(side, format, dtype, native):
    update, (w, s, x), oracle = case(side, format, dtype)
    rtol = 1e-6 if dtype == np.float32 else 1e-14
    with use_native(native):
        run = jax.jit(lambda w, s, x: update(w, s, x, low=LOW, high=HIGH))
        new = np.asarray(run(w, s, x))
        expected = oracle(w, s, x)
        assert new.dtype == dtype and new.shape == w.shape
        np.testing.assert_allclose(new, expected, rtol=rtol, atol=rtol)
        # What does not belong to an active unit stays bit for bit, also outside of the bounds.
        still = expected == w
        assert 0 < still.sum() < w.size and np.any((w < LOW) | (w > HIGH), where=still)
        np.testing.assert_array_equal(new[still], w[still])
        assert np.any(expected == dtype(LOW)) and np.any(expected == dtype(HIGH))


@pytest.mark.slow
@pytest.mark.parametrize(
    "side, format", [("pre", CSR), ("pre", FixedFanOut), ("post", CSR), ("post", FixedFanIn)]
)
def test_indices_of_64_bits(side, format):
    update, (w, s, x), oracle = case(side, format, index_dtype="int64")
    new = update(w, s, x, low=LOW, high=HIGH)
    np.testing.assert_allclose(new, oracle(w, s, x), rtol=1e-14, atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("power", [0.0, 0.4, 1.0, 2.0])
@every_format
@both_sides
def test_changes_that_depend_on_the_weight(side, format, power, native):
    update, (w, s, x), _ = case(side, format)
    _, rows, cols = make(format)
    w.flat[3] = HIGH  # at the origin, where nothing changes
    for origin in (HIGH, np.random.default_rng(4).normal(size=w.shape)):
        flat, o = w.ravel(), np.broadcast_to(origin, w.shape).ravel()
        a, b = (s[rows], x[cols]) if side == "pre" else (s[cols], x[rows])
        moved = flat + a * b * np.sign(flat - o) * abs(flat - o) ** power
        expected = np.where(a != 0, np.clip(moved, LOW, HIGH), flat).reshape(w.shape)
        with use_native(native):
            run = jax.jit(lambda w, o: update(w, s, x, low=LOW, high=HIGH, origin=o, power=power))
            np.testing.assert_allclose(run(w, origin), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.slow
@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 1.5])
def test_derivatives_of_changes_that_depend_on_the_weight(power):
    update, (w, s, x), _ = case("post", CSR)

    def loss(w, origin, power):
        return jnp.sum(update(w, s, x, origin=origin, power=power) ** 2)

    for v in (1.0, 0.3):
        gradient = jax.jit(jax.grad(loss, (0, 1, 2)))(w, v, power)
        h, e = 1e-6, np.zeros(w.shape)
        e[5] = h
        # Powers cannot be negative, so at zero the difference is one-sided.
        back = min(h, power)
        slopes = (
            (loss(w + e, v, power) - loss(w - e, v, power)) / (2 * h),
            (loss(w, v + h, power) - loss(w, v - h, power)) / (2 * h),
            (loss(w, v, power + h) - loss(w, v, power - back)) / (h + back),
        )
        found = (gradient[0][5], *gradient[1:])
        np.testing.assert_allclose(found, slopes, rtol=1e-4, atol=1e-7)
    # At the origin, and with none within reach.
    flat = jnp.full(w.shape, 0.25)
    assert all(np.isfinite(g).all() for g in jax.grad(loss, (0, 1, 2))(flat, 0.25, power))
    assert all(np.isfinite(g).all() for g in jax.grad(loss, (0, 2))(flat, np.inf, 0.0))


@every_format
@both_sides
def test_bounds_per_synapse_and_none(side, format):
    update, (w, s, x), oracle = case(side, format)
    np.testing.assert_allclose(update(w, s, x), oracle(w, s, x, -np.inf, np.inf), rtol=1e-14)
    low = np.random.default_rng(2).uniform(-1, 0, w.shape)
    new = update(w, s, x, low=low, high=low + 0.5)
    np.testing.assert_allclose(new, oracle(w, s, x, low, low + 0.5), rtol=1e-14)


@both_sides
@pytest.mark.parametrize("format", [CSR, FixedFanOut, Dense, OneToOne])
def test_transposition_swaps_the_two(side, format):
    conn, rows, _ = make(format)
    w, s, x = operands(conn, layout_of(conn, rows), "pre")
    turned = w.T if format is Dense else w
    new = update_on_post(conn.T, turned, s, x, low=LOW)
    expected = update_on_pre(conn, w, s, x, low=LOW)
    np.testing.assert_array_equal(new.T if format is Dense else new, expected)


@pytest.mark.parametrize("native", [True, False])
def test_lists_of_events(native):
    """`Events` in place of the spikes; an entry of the list whose value is zero does nothing."""
    update, (w, s, x), oracle = case("post", CSR)
    with use_native(native):
        events = find_events(s)
        np.testing.assert_allclose(update(w, events, x), oracle(w, s, x, -np.inf, np.inf))
        silent = type(events)(0 * events.values, events.index, events.count)
        np.testing.assert_array_equal(update(w, silent, x, low=0.0), w)


@pytest.mark.slow
@pytest.mark.parametrize(
    "side, format", [("pre", CSR), ("post", FixedFanOut), ("pre", FixedFanOut), ("post", Dense)]
)
def test_derivatives(side, format):
    update, (w, s, x), _ = case(side, format)
    conn, rows, cols = make(format)

    def plain(w, s, x):
        s, x = (s[rows], x[cols]) if side == "pre" else (s[cols], x[rows])
        flat = w.ravel()
        return jnp.where(s != 0, jnp.clip(flat + s * x, LOW, HIGH), flat).reshape(w.shape)

    def bounded(w, s, x):
        return update(w, s, x, low=LOW, high=HIGH)

    factor = np.random.default_rng(3).normal(size=w.shape)

    def loss(f, w, s, x):
        return jnp.sum(factor * f(w, s, x) ** 2)

    actual, expected = (
        jax.jit(jax.grad(partial(loss, f), (0, 1, 2)))(w, s, x) for f in (bounded, plain)
    )
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)
    assert np.any(np.asarray(actual[0]) == 0) and np.any(np.asarray(actual[1]) != 0)
    tangents = jax.random.normal(jax.random.key(0), w.shape), jnp.ones(s.shape), jnp.ones(x.shape)
    _, a = jax.jvp(bounded, (w, s, x), tangents)
    _, b = jax.jvp(plain, (w, s, x), tangents)
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


@pytest.mark.slow
@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("format", [CSR, FixedFanOut, Dense])
@both_sides
def test_vmap(side, format, native):
    update, (w, s, x), oracle = case(side, format)
    many_w, many_s = np.stack([w, -w, 2 * w]), np.stack([s, np.roll(s, 1), 0 * s])
    for axes in ((0, None), (None, 0), (0, 0)):
        with use_native(native):
            mapped = jax.vmap(lambda w, s: update(w, s, x, low=LOW, high=HIGH), axes)
            new = mapped(w if axes[0] is None else many_w, s if axes[1] is None else many_s)
        for b in range(3):
            one_w, one_s = w if axes[0] is None else many_w[b], s if axes[1] is None else many_s[b]
            np.testing.assert_allclose(new[b], oracle(one_w, one_s, x), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("format", [FixedFanOut, CSR])
def test_in_place_in_a_loop(format):
    """Both updates on the weights in the carry: no copy of them in the compiled loop."""
    conn, rows, _ = make(format)
    index = SynapseIndex(conn, by="post")
    w = jnp.zeros(layout_of(conn, rows))
    rng = np.random.default_rng(0)
    pre, post = (jnp.asarray(rng.random((50, n)) < 0.1, float) for n in (N_PRE, N_POST))

    @partial(jax.jit, donate_argnums=0)
    def run(w, pre, post):
        def step(w, spikes):
            s_pre, s_post = spikes
            w = update_on_pre(conn, w, s_pre, -jnp.ones(N_POST), low=-3.0)
            return update_on_post(index, w, s_post, jnp.ones(N_PRE), high=2.0), None

        return jax.lax.scan(step, w, (pre, post))[0]

    compiled = run.lower(w, pre, post).compile()
    text = compiled.as_text()
    calls = [line for line in text.splitlines() if "custom-call(" in line and "event_op" in line]
    assert len(calls) == 2 and all("output_to_operand_aliasing" in call for call in calls)
    sizes = ",".join(map(str, w.shape))
    assert not re.search(rf"= f64\[{sizes}\]\S* copy\(", text)

    expected = np.zeros(w.shape)
    _, rows, cols = make(format)
    for s_pre, s_post in zip(np.asarray(pre), np.asarray(post), strict=True):
        flat = expected.reshape(-1)
        flat = np.where(s_pre[rows] != 0, np.maximum(flat - s_pre[rows], -3), flat)
        flat = np.where(s_post[cols] != 0, np.minimum(flat + s_post[cols], 2), flat)
        expected = flat.reshape(w.shape)
    np.testing.assert_array_equal(compiled(w, pre, post), expected)
    assert expected.min() == -3 and expected.max() == 2


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("bad", [-1, 7, 2**31 - 1])
def test_indices_out_of_range_under_jit_touch_nothing(bad, native):
    """No constructor has seen them; the weights of such synapses stay."""

    @jax.jit
    def run(targets):
        conn = FixedFanOut(targets, 1.0, n_post=3)
        return update_on_pre(conn, jnp.zeros((2, 2)), jnp.ones(2), jnp.ones(3))

    with use_native(native):
        new = run(jnp.array([[0, bad], [bad, 2]]))
    np.testing.assert_array_equal(new, [[1, 0], [0, 1]])


@pytest.mark.parametrize("native", [True, False])
def test_a_weight_that_is_no_number_stays_so(native):
    conn = CSR(np.array([0, 1]), np.array([0, 2]), 1.0, n_post=2)
    with use_native(native):
        w = jnp.array([jnp.nan, 1.0])
        new = jax.jit(lambda w: update_on_pre(conn, w, jnp.ones(1), jnp.ones(2), low=0.0, high=9.0))
        np.testing.assert_array_equal(new(w), [np.nan, 2.0])


# --- the index ----------------------------------------------------------------------------------


@pytest.mark.parametrize("format", [CSR, CSC, COO, FixedFanOut, FixedFanIn])
@both_sides
def test_index_lists_the_synapses_of_each_unit(side, format):
    conn, rows, cols = make(format)
    index = SynapseIndex(conn, by=side)
    units, others = (rows, cols) if side == "pre" else (cols, rows)
    n = conn.n_pre if side == "pre" else conn.n_post
    assert index.indptr.shape == (n + 1,)
    for unit in range(n):
        part = slice(int(index.indptr[unit]), int(index.indptr[unit + 1]))
        np.testing.assert_array_equal(index.positions[part], np.flatnonzero(units == unit))
        np.testing.assert_array_equal(index.partners[part], others[units == unit])


def test_units_without_synapses():
    conn = CSR(np.array([3, 3]), np.array([0, 0, 2, 2]), 1.0, n_post=5)
    index = SynapseIndex(conn, by="post")
    new = update_on_post(index, jnp.zeros(2), jnp.ones(5), jnp.array([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(new, [2, 2])
    empty = CSR(np.array([], int), np.array([0, 0]), 1.0, n_post=2)
    assert update_on_pre(empty, jnp.zeros(0), jnp.ones(1), jnp.ones(2)).shape == (0,)
    index = SynapseIndex(empty, by="post")
    assert update_on_post(index, jnp.zeros(0), jnp.ones(2), jnp.ones(1)).shape == (0,)


# --- mistakes -----------------------------------------------------------------------------------


def test_mistakes():
    conn, rows, _ = make(CSR)
    w, s, x = jnp.zeros(rows.size), jnp.ones(N_PRE), jnp.ones(N_POST)
    index = SynapseIndex(conn, by="post")
    with pytest.raises(ValueError, match=r'given a CSR, .* takes SynapseIndex\(conn, by="post"\)'):
        update_on_post(conn, w, x, s)
    with pytest.raises(ValueError, match="given a SynapseIndex by 'post'"):
        update_on_pre(index, w, s, x)
    with pytest.raises(ValueError, match=r"`weight` has shape \(\), expected \(\d+,\): each syn"):
        update_on_pre(conn, 1.0, s, x)
    with pytest.raises(ValueError, match="`weight` is int"):
        update_on_pre(conn, w.astype(int), s, x)
    with pytest.raises(ValueError, match=r"`s_pre` has shape \(9,\), expected \(12,\)"):
        update_on_pre(conn, w, x, s)
    with pytest.raises(ValueError, match=r"`x_pre` has shape \(9,\), expected \(12,\)"):
        update_on_post(index, w, x, x)
    with pytest.raises(ValueError, match=r"`low` has shape \(2,\)"):
        update_on_pre(conn, w, s, x, low=jnp.zeros(2))
    with pytest.raises(ValueError, match="expected `low` <= `high`, given low = 1.0, high = 0.0"):
        update_on_pre(conn, w, s, x, low=1.0, high=0.0)
    with pytest.raises(ValueError, match=r"`origin` has shape \(2,\)"):
        update_on_pre(conn, w, s, x, origin=jnp.zeros(2))
    for power in (-1.0, np.nan, jnp.ones(2)):
        with pytest.raises(ValueError, match="`power` is .*, expected one number from 0 on"):
            update_on_pre(conn, w, s, x, origin=0.0, power=power)
    with pytest.raises(ValueError, match="`by` is 'column'"):
        SynapseIndex(conn, by="column")
    with pytest.raises(ValueError, match="a Dense has no list of synapses"):
        SynapseIndex(Dense(jnp.ones((2, 2))), by="post")
    with pytest.raises(ValueError, match="outside of jax.jit"):
        jax.jit(lambda conn: SynapseIndex(conn, by="post").indptr)(conn)


SMALL = CSR(jnp.array([0, 1, 1]), jnp.array([0, 2, 3]), 1.0, n_post=2)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"low": np.nan}, "expected `low` <= `high`"),
        ({"high": np.array([1.0, np.nan, 1.0])}, "expected `low` <= `high`"),
        ({"s": jnp.ones(2, "complex128")}, "`s_pre` is complex128"),
        ({"x": jnp.ones(2, "complex64")}, "`x_post` is complex64"),
        ({"s": Events(jnp.ones(2), jnp.zeros(3, "int32"), jnp.int32(2))}, r"int32 \(3,\)"),
        ({"s": Events(jnp.ones(2), jnp.zeros(2, "int32"), jnp.ones(1, "int32"))}, r"int32 \(1,\)"),
        ({"s": Events(jnp.ones(2), jnp.zeros(2, "int64"), jnp.int32(2))}, "an index of int64"),
        (
            {"conn": eqx.tree_at(lambda c: c.indptr, SMALL, jnp.array([0, 3]))},
            r"the pattern of synapses has arrays of shapes .*, expected integers of .*\(3,\)\)",
        ),
        (
            {"conn": eqx.tree_at(lambda c: c.indices, SMALL, jnp.array([0.0, 1.0, 1.0]))},
            "expected integers",
        ),
    ],
)
def test_what_is_refused_before_machine_code_sees_it(change, message):
    given = {"conn": SMALL, "s": jnp.ones(2), "x": jnp.ones(2), "low": 0.0, "high": 9.0, **change}
    conn, s, x, low, high = given.values()
    with pytest.raises(ValueError, match=message):
        update_on_pre(conn, jnp.ones(3), s, x, low=low, high=high)


def test_a_negative_count_lists_no_event():
    none = Events(jnp.ones(2), jnp.array([0, 1], "int32"), jnp.int32(-1))
    with use_native(True):
        np.testing.assert_array_equal(
            update_on_pre(SMALL, jnp.ones(3), none, jnp.ones(2)), np.ones(3)
        )
