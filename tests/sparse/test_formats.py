"""Products of every format, with every shape of weight, equal dense ones."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from all_formats import KINDS, WEIGHTS, make

from fdyn.sparse import (
    COO,
    CSC,
    CSR,
    FixedFanIn,
    FixedFanOut,
    find_events,
    pre2post,
    pre2syn,
    syn2post,
    use_native,
)

# Each pair is compiled, so not all of them: weights per row or column are the same code for all.
PAIRS = [(kind, "synapse") for kind in KINDS]
PAIRS += [(kind, "row") for kind in ("fan_out", "fan_in", "csr", "csc")]
PAIRS += [("fan_in", "scalar"), ("csc", "column"), ("coo", "scalar")]


def vectors(case, dtype, seed=1):
    rng = np.random.default_rng(seed)
    s = rng.normal(size=(2, 3, case.n_pre)) * (rng.random((2, 3, case.n_pre)) < 0.6)
    y, g = rng.normal(size=(2, 2, 3, case.n_post))
    return tuple(jnp.asarray(x, dtype) for x in (y, s, g))


def everything(into, onto, weight, y, s, g):
    """Values, batches and derivatives of `y + s @ W` and `W @ g`, given as functions."""
    one = weight, y[0, 0], s[0, 0], g[0, 0]

    def smooth(weight, y, s, g):
        return jnp.sum(jnp.tanh(into(weight, y, s))) + jnp.sum(jnp.tanh(onto(weight, g)))

    gradient = jax.grad(smooth, (0, 1, 2, 3))
    return {
        "values": (into(*one[:3]), onto(weight, g[0, 0])),
        "batch": (into(weight, y[0], s[0]), onto(weight, g[0].T)),
        "more axes": (into(weight, y, s), onto(weight, jnp.swapaxes(g, 1, 2))),
        "derivatives": jax.jvp(gradient, one, one),
        "of a batch": gradient(weight, y[0], s[0], g[0].T),
        "vmap": jax.vmap(gradient, (0, None, 0, None))(
            jnp.stack([weight, 2 * weight, -weight]), y[0, 0], s[0], g[0, 0]
        ),
    }


@pytest.mark.parametrize("kind, weights", PAIRS)
def test_equal_to_dense(kind, weights):
    dtype = "float32" if weights == "synapse" else "float64"
    with jax.enable_x64(dtype == "float64"):
        case = make(kind, weights, dtype)

        def replaced(weight):
            return eqx.tree_at(lambda c: c.weight, case.conn, weight)

        @jax.jit
        def both(weight, y, s, g):
            return (
                everything(
                    lambda w, y, s: replaced(w).accumulate(y, s),
                    lambda w, g: replaced(w) @ g,
                    *(weight, y, s, g),
                ),
                everything(
                    lambda w, y, s: y + s @ case.matrix(w),
                    lambda w, g: case.matrix(w) @ g,
                    *(weight, y, s, g),
                ),
            )

        sparse, dense = both(case.conn.weight, *vectors(case, dtype))
        tolerance = 1e-11 if dtype == "float64" else 3e-5
        compare = partial(np.testing.assert_allclose, rtol=tolerance, atol=tolerance)
        jax.tree.map(compare, sparse, dense)
        assert {x.dtype for x in jax.tree.leaves(sparse)} == {jnp.dtype(dtype)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_dense_matrix_and_views(kind, weights):
    case = make(kind, weights)
    matrix = case.matrix(case.conn.weight)
    np.testing.assert_allclose(case.conn.to_dense(), matrix, atol=1e-15)
    turned = case.conn.T
    assert turned.shape == case.conn.shape[::-1] and turned.n_synapses == case.conn.n_synapses
    np.testing.assert_allclose(turned.to_dense(), matrix.T, atol=1e-15)
    assert jax.tree.structure(turned.T) == jax.tree.structure(case.conn)
    jax.tree.map(np.testing.assert_array_equal, turned.T, case.conn)


def test_views_share_their_arrays():
    for kind in ("fan_out", "fan_in", "csr", "csc", "coo", "one_to_one"):
        conn = make(kind, "synapse", delay=np.ones).conn
        mine = {x.unsafe_buffer_pointer() for x in jax.tree.leaves(conn)}
        assert mine == {x.unsafe_buffer_pointer() for x in jax.tree.leaves(conn.T)}, kind


def test_the_turned_formats_are_each_others():
    pairs = {"fan_out": FixedFanIn, "fan_in": FixedFanOut, "csr": CSC, "csc": CSR, "coo": COO}
    for kind, turned in pairs.items():
        assert type(make(kind, "scalar").conn.T) is turned


def test_one_weight_per_row_is_not_taken_for_one_per_synapse():
    """Where both have the same shape after the turn, the weights are spread over the synapses."""
    weight = jnp.array([[1.0], [2.0], [4.0]])
    conn = FixedFanIn([[2, 0, 1]], weight, n_pre=3)
    np.testing.assert_array_equal(conn.to_dense(), weight)
    np.testing.assert_array_equal(conn.T.to_dense(), weight.T)
    np.testing.assert_array_equal(jnp.array([1.0]) @ conn.T, [1, 2, 4])
    csr = CSR([2, 0, 1], [0, 1, 2, 3], weight, n_post=3)
    assert csr.to_fixed_fan_in().weight.shape == (3, 1)
    np.testing.assert_array_equal(csr.to_fixed_fan_in().to_dense(), csr.to_dense())
    np.testing.assert_array_equal(csr.to_dense(), [[0, 0, 1], [2, 0, 0], [0, 4, 0]])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weights", ["row", "synapse"])
def test_events_in_place_of_spikes(kind, weights):
    case = make(kind, weights)
    _, s, _ = vectors(case, "float64")
    matrix = case.matrix(case.conn.weight)
    for spikes in (s[0, 0], s):
        events = find_events(spikes)
        np.testing.assert_allclose(events @ case.conn, spikes @ matrix, atol=1e-14)
    y = jnp.ones((case.n_post,))
    gradient = jax.grad(lambda s: jnp.sum(case.conn.accumulate(y, find_events(s)) ** 2))(s[0, 0])
    expected = jax.grad(lambda s: jnp.sum((y + s @ matrix) ** 2))(s[0, 0])
    np.testing.assert_allclose(gradient, expected, atol=1e-13)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16(kind):
    case = make(kind, "synapse", "bfloat16")
    s = jnp.ones(case.n_pre, jnp.bfloat16)
    found = s @ case.conn
    assert found.dtype == jnp.bfloat16
    exact = np.asarray(case.matrix(case.conn.weight.astype("float32"))).sum(axis=0)
    size = np.abs(np.asarray(case.matrix(jnp.abs(case.conn.weight).astype("float32")))).sum(axis=0)
    # Each of the additions may round by 2^-8 of what has been summed.
    assert (abs(np.asarray(found, "float32") - exact) <= case.n_pre * 2**-8 * size).all()


@pytest.mark.parametrize("native", [True, False])
def test_rows_without_spikes_are_not_read_with_one_weight_per_row(native):
    conn = FixedFanOut([[0], [9]], jnp.array([[2.0], [3.0]]), n_post=10)
    with use_native(native):
        gradient = jax.grad(
            lambda w: jnp.sum(eqx.tree_at(lambda c: c.weight, conn, w).accumulate(jnp.ones(10), s))
        )
        s = jnp.array([0.0, 2.0])
        np.testing.assert_array_equal(s @ conn, [0] * 9 + [6])
        np.testing.assert_array_equal(gradient(conn.weight), [[0], [2]])


@pytest.mark.parametrize("kind", ["fan_in", "csc", "coo"])
def test_traced_index_out_of_range_is_left_out(kind):
    @jax.jit
    def f(units, x):
        if kind == "fan_in":
            conn = FixedFanIn(units[:, None], jnp.ones(()), n_pre=2)
        elif kind == "csc":
            conn = CSC(units, jnp.arange(4, dtype="int32"), jnp.ones(()), n_pre=2)
        else:
            conn = COO(units, jnp.arange(3, dtype="int32"), jnp.ones(()), n_pre=2, n_post=3)
        return x @ conn, conn @ jnp.ones(3)

    units = jnp.array([1, 5, -1], "int32")
    into, onto = f(units, jnp.array([10.0, 20.0]))
    np.testing.assert_array_equal(into, [20, 0, 0])
    np.testing.assert_array_equal(onto, [0, 1])


@pytest.mark.parametrize("kind", ["csr", "coo", "fan_in"])
def test_traced_index_out_of_range_is_left_out_of_everything(kind):
    """Of the matrix, the reductions and the arrivals, and of what is done on the host later."""
    delay = jnp.array([0.0, 0.25, 0.0, 0.25])

    @jax.jit
    def make(units):
        if kind == "csr":
            return CSR(units, jnp.array([0, 3, 4], "int32"), 1.0, n_post=2, delay=delay)
        if kind == "coo":
            cols = jnp.array([0, 0, 1, 1], "int32")
            return COO(units, cols, 1.0, n_pre=2, n_post=2, delay=delay)
        layout = units.reshape(2, 2), delay.reshape(2, 2)
        return FixedFanIn(layout[0], 1.0, n_pre=2, delay=layout[1])

    def values(conn, s):
        route, _ = conn.route(0.25, longest=0.25)
        ring = conn.deposit(jnp.zeros(6), s, route, 0)
        return s @ conn, s @ conn.to_dense(), pre2post(conn, s), pre2post(conn, s, "max"), ring

    s, units = jnp.array([3.0, 5.0]), jnp.array([1, -1, 2, 0], "int32")
    # Rows and columns of the two synapses that are in range.
    pairs = {"csr": ([0, 1], [1, 0]), "coo": ([1, 0], [0, 1]), "fan_in": ([1, 0], [0, 1])}[kind]
    right = COO(*pairs, 1.0, n_pre=2, n_post=2, delay=jnp.array([0.0, 0.25]))
    conn, expected = make(units), values(right, s)
    for found in (jax.jit(lambda u: values(make(u), s))(units), values(conn, s)):
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, b)
    softmax = syn2post(conn, pre2syn(conn, s), "softmax").ravel()
    np.testing.assert_array_equal(softmax, [1, 0, 0, 1])
    for other in (conn.to_coo(), conn.to_csr(), conn.to_csc(), conn[:, :], conn.T.T):
        np.testing.assert_array_equal(other.to_dense(), right.to_dense())


@pytest.mark.parametrize("kind", ["fan_out", "fan_in", "csr", "csc", "coo"])
def test_indices_of_64_bits(kind):
    narrow, wide = make(kind, "synapse").conn, make(kind, "synapse", index_dtype="int64").conn
    for conn, name in ((narrow, "int32"), (wide, "int64")):
        whole = [x for x in jax.tree.leaves(conn) if jnp.issubdtype(x.dtype, jnp.integer)]
        assert whole and {x.dtype.name for x in whole} == {name}
        for other in (conn.T, conn.to_csr(), conn.to_csc(), conn.to_coo(), conn[1:, :]):
            whole = [x for x in jax.tree.leaves(other) if jnp.issubdtype(x.dtype, jnp.integer)]
            assert {x.dtype.name for x in whole} == {name}
    if kind in ("fan_in", "csr"):  # one of each pair, for each is compiled
        s, g = jnp.arange(1.0, 1.0 + wide.n_pre), jnp.arange(1.0, 1.0 + wide.n_post)
        np.testing.assert_allclose(s @ wide, s @ narrow.to_dense(), rtol=1e-13)
        np.testing.assert_allclose(wide @ g, narrow.to_dense() @ g, rtol=1e-13)


def test_indices_of_64_bits_need_double_precision(float32):
    with pytest.raises(ValueError, match="jax_enable_x64"):
        FixedFanOut([[0]], 1.0, n_post=1, index_dtype="int64")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FixedFanIn([[0, 3]], 1.0, n_pre=3), "`sources` .* to 3, expected from 0 to 2"),
        (lambda: FixedFanIn([[-1]], 1.0, n_pre=3), "`sources` has entries from -1"),
        (lambda: FixedFanIn([0], 1.0, n_pre=3), "`sources` .* 2 axes"),
        (lambda: FixedFanIn([[0, 1]], [1.0], n_pre=3), r"`weight` has shape \(1,\).* \(1, 2\)"),
        (lambda: FixedFanIn([[0]], 1.0, n_pre=-1), "`n_pre` is -1"),
        (lambda: CSC([0, 5], [0, 2], 1.0, n_pre=3), "`indices` .* to 5, expected from 0 to 2"),
        (lambda: CSC([0, 1], [0, 1], 1.0, n_pre=3), "`indptr` goes from 0 to 1.* 2"),
        (lambda: CSC([0, 1], [0, 2, 1, 2], 1.0, n_pre=3), "`indptr` falls from 2 to 1"),
        (lambda: CSC([0, 1], [0, 2], [[1.0, 2.0]], n_pre=3), r"`weight` has shape \(1, 2\)"),
        (lambda: COO([0], [0, 1], 1.0, n_pre=2, n_post=2), r"`rows` has shape \(1,\) and `cols`"),
        (lambda: COO([2], [0], 1.0, n_pre=2, n_post=2), "`rows` has entries from 2 to 2"),
        (lambda: COO([0], [-1], 1.0, n_pre=2, n_post=2), "`cols` has entries from -1 to -1"),
        (lambda: COO([0.5], [0], 1.0, n_pre=2, n_post=2), "`rows` is float.*expected integers"),
        (lambda: COO([0], [0], 1.0, n_pre=2, n_post=2, index_dtype="int8"), "`index_dtype` is"),
        (lambda: COO([0], [0], 1.0, n_pre=2, n_post=2, delay=[1.0, 2.0]), "`delay` has shape"),
        (lambda: COO([0], [0], 1.0, n_pre=2, n_post=2, delay=-1.0), "`delay` has -1.0 ms"),
        (lambda: COO([0], [0], 1.0, n_pre=2, n_post=2, delay=np.inf), "`delay` has inf ms"),
        (lambda: COO([0], [0], 1.0, n_pre=2, n_post=2, delay=np.nan), "`delay` has nan ms"),
        (lambda: COO([2**31], [0], 1.0, n_pre=2, n_post=2), "expected from 0 to 2147483647"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()
