"""One format turned into another, slices, scipy, and what becomes of weights and delays."""

import importlib

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pint
import pytest
import scipy.sparse
from all_formats import KINDS, WEIGHTS, make
from hypothesis import given, settings
from hypothesis import strategies as st

from fdyn import replace, summary
from fdyn.components import LIF
from fdyn.sparse import (
    COO,
    CSC,
    CSR,
    Dense,
    FixedFanIn,
    FixedFanOut,
    FractionalDelay,
    OneToOne,
    from_coo,
    from_dense,
    from_scipy,
)
from fdyn.sparse._edges import lexical_order


def count_up(layout):
    """A delay of its own for each synapse."""
    return np.arange(1.0, 1.0 + np.prod(layout)).reshape(layout)


def synapses(case):
    """All synapses as sorted (row, column, weight, delay), from what the case was made of."""
    w = np.asarray(case.conn.weight)
    if w.ndim == 2 and w.shape != case.layout:
        w = w[case.rows, 0] if w.shape[1] == 1 else w[0, case.cols]
    w = np.broadcast_to(w, case.layout).ravel() if w.ndim == 0 else w.ravel()
    d = count_up(case.layout).ravel()
    return sorted(zip(case.rows.tolist(), case.cols.tolist(), w.tolist(), d.tolist(), strict=True))


def listed(conn):
    """The same from a `CSR`, row by row."""
    found = []
    for i in range(conn.n_pre):
        for p in range(int(conn.indptr[i]), int(conn.indptr[i + 1])):
            w, j = np.asarray(conn.weight), int(conn.indices[p])
            w = w[p] if w.ndim == 1 else np.broadcast_to(w, conn.shape)[i, j]
            d = conn.delay.values if isinstance(conn.delay, FractionalDelay) else conn.delay
            found.append((i, j, float(w), float(d[p])))
    return found


@pytest.mark.parametrize("weights", ["scalar", "row", "synapse"])
@pytest.mark.parametrize("kind", KINDS)
def test_weights_and_delays_go_with_their_synapses(kind, weights):
    case = make(kind, weights, delay=count_up)
    ways = [case.conn, case.conn.to_coo(), case.conn.to_csc(), case.conn.to_coo().T.to_csr().T]
    ways += [case.conn.to_csc().to_coo().T.T, case.conn.T.to_csr().T, case.conn[:, :]]
    for conn in ways:
        csr = conn.to_csr()
        assert type(csr) is CSR
        assert sorted(listed(csr)) == synapses(case)
        assert [x[:2] for x in listed(csr)] == sorted(x[:2] for x in synapses(case))
        # What is one for all, or one per row, stays so.
        assert csr.weight.shape == (() if weights == "scalar" else case.conn.to_csr().weight.shape)


def test_equal_lengths():
    case = make("fan_out", "synapse", delay=count_up)
    again = case.conn.to_csc().to_fixed_fan_out()
    assert type(again) is FixedFanOut and sorted(listed(again.to_csr())) == synapses(case)
    case = make("fan_in", "synapse", delay=count_up)
    again = case.conn.to_csr().to_fixed_fan_in()
    assert type(again) is FixedFanIn and sorted(listed(again.to_csr())) == synapses(case)
    with pytest.raises(ValueError, match="the rows have from 0 to .* FixedFanOut needs as many"):
        make("csr", "synapse").conn.to_fixed_fan_out()
    with pytest.raises(ValueError, match="the columns have from 0 to .* FixedFanIn needs"):
        make("csc", "synapse").conn.to_fixed_fan_in()


def test_parallel_synapses_keep_their_order():
    conn = COO([1, 0, 1, 1], [1, 0, 1, 0], [1.0, 2.0, 3.0, 4.0], n_pre=2, n_post=2)
    assert conn.to_csr().weight.tolist() == [2, 4, 1, 3]
    assert conn.to_csc().weight.tolist() == [2, 4, 1, 3]
    assert conn.to_csc().to_csr().indptr.tolist() == [0, 1, 4]


@given(
    st.integers(1, 5),
    st.integers(1, 5),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=12),
    st.lists(st.sampled_from(["to_coo", "to_csr", "to_csc", "T"]), max_size=5),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_any_way_keeps_all_synapses(n_pre, n_post, pairs, way):
    rows, cols = np.array(pairs, int).reshape(-1, 2).T % np.array([[n_pre], [n_post]])
    each = np.arange(1.0, 1.0 + rows.size)
    conn = COO(rows, cols, each, n_pre=n_pre, n_post=n_post, delay=each / 8)
    for step in way:
        conn = conn.T if step == "T" else getattr(conn, step)()
    conn = conn.T if way.count("T") % 2 else conn
    expected = zip(rows.tolist(), cols.tolist(), each.tolist(), (each / 8).tolist(), strict=True)
    assert sorted(listed(conn.to_csr())) == sorted(expected)


@given(
    st.integers(1, 6),
    st.sampled_from([3, 2**20, 2**31 - 1, 2**40]),
    st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 2**40)), max_size=30),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_lexical_order(least, bound, pairs):
    rows, cols = np.array(pairs, np.int64).reshape(-1, 2).T % np.array([[least], [bound]])
    order = lexical_order((rows, least), (cols, bound))
    np.testing.assert_array_equal(order, np.lexsort((cols, rows)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_slices_are_those_of_the_matrix(kind, weights):
    case = make(kind, weights, delay=count_up)
    n_pre, n_post = case.conn.shape
    matrix = np.asarray(case.matrix(case.conn.weight))
    mask = np.arange(n_post) % 2 == 0
    for pre, post in [
        (slice(None), slice(None)),
        (slice(1, 4), slice(None)),
        (slice(None), slice(None, None, -2)),
        ([4, 0, 3], slice(1, 3)),
        (np.array([-1, 0]), mask),
        ([], mask),
        (slice(5, 5), np.zeros(n_post, bool)),
    ]:
        part = case.conn[pre, post]
        expected = matrix[np.r_[pre].astype(int)] if isinstance(pre, list) else matrix[pre]
        assert part.shape == expected[:, post].shape
        # Through scipy, which compiles nothing for each of the many shapes.
        found = part.to_scipy().toarray()
        np.testing.assert_allclose(found, expected[:, post], atol=1e-15)
        assert part.delay is None or np.size(part.delay) == part.n_synapses
    delays = {(i, j, d) for i, j, _, d in synapses(case)}
    for i, j, _, d in listed(case.conn[[4, 0, 3], 1:3].to_csr()):
        assert ([4, 0, 3][i], j + 1, d) in delays


def test_a_slice_keeps_the_format_where_that_can_hold_it():
    kinds = {"csr": CSR, "csc": CSC, "coo": COO, "dense": Dense}
    for kind, cls in kinds.items():
        assert type(make(kind, "synapse").conn[1:3, [0, 2]]) is cls
    assert type(make("fan_out", "synapse").conn[1:3, :]) is FixedFanOut
    assert type(make("fan_out", "synapse").conn[:, 1:3]) is CSR
    assert type(make("fan_in", "synapse").conn[:, 1:3]) is FixedFanIn
    assert type(make("fan_in", "synapse").conn[1:3, :]) is CSC
    assert type(make("one_to_one", "synapse").conn[1:3, 1:3]) is CSR


@pytest.mark.parametrize(
    ("units", "message"),
    [
        ((slice(None), [0, 5]), "`post` has units from 0 to 5, expected below 5"),
        (([-8], slice(None)), "`pre` has units from -8"),
        (([1, 2, 1], slice(None)), "`pre` takes unit 1 more than once"),
        (([1, -6], slice(None)), "`pre` takes unit 1 more than once"),
        ((slice(None), np.ones(4, bool)), r"mask of `post` has shape \(4,\), expected \(5,\)"),
        ((3, slice(None)), r"`pre` is int64 of shape \(\), expected a slice, a mask"),
        (([0.5], slice(None)), "`pre` is float64"),
        (slice(None), r"expected conn\[pre, post\]"),
        (slice(None, 2), r"got conn\[:2\]; .* write conn\[:2, :\]"),
        ([1, 2], r"got conn\[\[1, 2\]\]; .* write conn\[\[1, 2\], :\]"),
        ((slice(1, 9, 2), 0, 1), r"got conn\[1:9:2, 0, 1\]; .* write conn\[1:9:2, :\]"),
    ],
)
def test_wrong_slices(units, message):
    with pytest.raises(IndexError, match=message):
        make("csr", "synapse").conn[units]


# --- scipy --------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("kind", KINDS)
def test_to_scipy_and_back(kind, weights):
    case = make(kind, weights)
    matrix = case.conn.to_scipy()
    assert matrix.format == (kind if kind in ("csr", "csc") else "coo")
    assert matrix.nnz == case.conn.n_synapses  # parallel ones apart
    np.testing.assert_allclose(matrix.toarray(), case.matrix(case.conn.weight), atol=1e-15)
    again = from_scipy(matrix)
    assert type(again) is {"csr": CSR, "csc": CSC, "coo": COO}[matrix.format]
    np.testing.assert_array_equal(again.to_dense(), matrix.toarray())
    matrix.data[:] = 0.0  # its own memory
    np.testing.assert_allclose(case.conn.to_dense(), case.matrix(case.conn.weight), atol=1e-15)


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "bsr", "lil", "dok", "dia"])
@pytest.mark.parametrize("new", [True, False])
def test_from_every_format_of_scipy(form, new):
    dense = np.array([[0, 2.0, 0, 1.5], [0, 0, 0, 0], [-1.0, 0, 0, 4.0]])
    array = (scipy.sparse.coo_array if new else scipy.sparse.coo_matrix)(dense).asformat(form)
    conn = from_scipy(array)
    np.testing.assert_array_equal(conn.to_dense(), dense)
    assert conn.n_synapses == 4 or form == "dia"


def test_one_weight_per_column_of_a_single_column():
    """Of shape (1, 1), which is not the one per row."""
    full = np.full((4, 1), 2.0)
    csr = CSR([0, 0, 0, 0], np.arange(5), [[2.0]], n_post=1)
    fan = FixedFanIn([[0, 1, 2, 3]], [[2.0]], n_pre=4)
    for conn in (csr, csr.to_csc(), csr.to_coo(), Dense([[2.0]], n_pre=4, n_post=1), fan):
        np.testing.assert_array_equal(conn.to_scipy().toarray(), full)
        np.testing.assert_array_equal(conn.to_dense(), full)
        np.testing.assert_array_equal(conn[1:3, :].to_dense(), full[1:3])
        np.testing.assert_array_equal(conn.T.to_dense(), full.T)
        assert float((jnp.array([1.0, 2.0, 0.0, 1.0]) @ conn)[0]) == 8.0


def test_from_scipy_keeps_what_is_stored():
    twice = scipy.sparse.coo_array(([1.0, 2.0, 0.0], ([0, 0, 1], [1, 1, 0])), shape=(2, 2))
    conn = from_scipy(twice, delay=[1.0, 2.0, 3.0])
    assert conn.n_synapses == 3 and conn.delay.tolist() == [1, 2, 3]
    np.testing.assert_array_equal(conn.to_dense(), [[0, 3], [0, 0]])
    twice.sum_duplicates()
    assert from_scipy(twice).n_synapses == 2
    whole = scipy.sparse.csr_array(np.eye(2, dtype=int))
    assert from_scipy(whole).weight.dtype == jnp.result_type(float)
    assert from_scipy(whole.astype("float32")).weight.dtype == jnp.float32


def test_from_scipy_takes_nothing_else():
    for wrong in (np.eye(2), [[1.0]], None, jnp.eye(2)):
        with pytest.raises(ValueError, match="expected a matrix or array of scipy.sparse"):
            from_scipy(wrong)


def test_without_scipy_it_says_what_to_install(monkeypatch):
    def fail(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(ImportError, match="pip install scipy"):
        make("csr", "synapse").conn.to_scipy()


# --- lists and matrices -------------------------------------------------------------------------


def test_from_coo_takes_delays_and_weights_per_row():
    conn = from_coo([1, 0, 1], [0, 1, 1], [[2.0], [3.0]], (2, 2), delay=[1.0, 2.0, 3.0])
    assert listed(conn) == [(0, 1, 2.0, 2.0), (1, 0, 3.0, 1.0), (1, 1, 3.0, 3.0)]


def test_from_dense_leads_from_sparse_matrices_to_from_scipy():
    with pytest.raises(ValueError, match="is csr_array, a sparse .* from_scipy takes it"):
        from_dense(scipy.sparse.csr_array(np.eye(3)))


def test_from_dense_takes_a_matrix_of_delays():
    weights, delays = np.array([[0.0, 2.0], [3.0, 0.0]]), np.array([[9.0, 1.0], [2.0, 9.0]])
    assert listed(from_dense(weights, delay=delays)) == [(0, 1, 2.0, 1.0), (1, 0, 3.0, 2.0)]
    assert from_dense(weights, delay=1.5).delay.shape == ()
    assert from_dense(weights, delay=FractionalDelay(delays)).delay.values.tolist() == [1, 2]
    with pytest.raises(ValueError, match=r"`delay` has shape \(3,\)"):
        from_dense(weights, delay=[1.0, 2.0, 3.0])


@pytest.mark.parametrize("way", ["to_csr", "to_csc", "to_coo", "T", "slice"])
def test_gradients_go_through(way):
    case = make("coo", "synapse")
    s = jnp.arange(1.0, 1.0 + case.n_pre)

    def loss(weight):
        conn = eqx.tree_at(lambda c: c.weight, case.conn, weight)
        if way == "T":
            return jnp.sum((conn.T @ s) ** 2)
        other = conn[:, :] if way == "slice" else getattr(conn, way)()
        return jnp.sum((s @ other) ** 2)

    expected = jax.grad(lambda w: jnp.sum((s @ case.matrix(w)) ** 2))(case.conn.weight)
    np.testing.assert_allclose(jax.jit(jax.grad(loss))(case.conn.weight), expected, rtol=1e-12)


# --- delays -------------------------------------------------------------------------------------


def test_fractional_delays_stay_fractional():
    case = make("fan_out", "synapse", delay=lambda layout: FractionalDelay(count_up(layout), 99.0))
    for conn in (case.conn.T.T, case.conn.to_csc().to_csr(), case.conn[[1, 2], :]):
        assert isinstance(conn.delay, FractionalDelay) and conn.delay.maximum == 99.0
    assert sorted(listed(case.conn.to_csc().to_csr())) == synapses(case)


def test_round_delays():
    delay = np.array([0.0, 0.01, 0.14, 0.16, 0.24, 7.04])
    for given_delay in (delay, FractionalDelay(delay), delay.astype("float32")):
        conn = OneToOne(1.0, n=6, delay=given_delay).round_delays(0.1)
        np.testing.assert_allclose(conn.delay, [0, 0.1, 0.1, 0.2, 0.2, 7.0], rtol=1e-6)
        assert conn.delay.dtype == getattr(given_delay, "dtype", np.float64)
    assert OneToOne(1.0, n=6).round_delays(0.1).delay is None
    assert OneToOne(1.0, n=6, delay=0.26).round_delays(0.1).delay.shape == ()
    for wrong in (0.0, -0.1, np.nan):
        with pytest.raises(ValueError, match="'dt' must be"):
            conn.round_delays(wrong)


def test_a_replaced_delay_is_checked():
    conn = CSR([0], [0, 1], 1.0, n_post=1, delay=1.0)
    assert replace(conn, lambda c: c.delay, 2).delay.item() == 2.0
    with pytest.raises(ValueError, match="`delay` has -1.0 ms"):
        replace(conn, lambda c: c.delay, -1.0)
    wrong = replace(conn, lambda c: c.delay, [1.0, 2.0])  # its shape is, where it is used
    for use in (wrong.to_csc, wrong.to_coo, lambda: wrong[:, :], lambda: wrong.T):
        with pytest.raises(ValueError, match=r"`delay` has shape \(2,\), expected \(\) .* \(1,\)"):
            use()


def test_a_delay_has_a_unit():
    units = pint.UnitRegistry()
    assert OneToOne(1.0, n=2, delay=2000 * units.us).delay.item() == 2.0
    with pytest.raises(ValueError, match="'delay' is measured in 'ms'"):
        OneToOne(1.0, n=2, delay=2 * units.mV)


def test_the_summary_shows_size_and_memory():
    one = FixedFanOut(np.zeros((1000, 40), int), np.float32(1), n_post=3)
    other = make("csr", "scalar", "float32", delay=lambda n: np.ones(n, "float32")).conn
    text = summary({"b": one, "a": [other]})
    table = [line.split() for line in text.split("\n\n")[1].splitlines()]
    assert table == [
        ["path", "format", "shape", "synapses", "memory"],
        ["a.0", "CSR", "7x5", "14", str(14 * 4 + 8 * 4 + 4 + 14 * 4), "B"],
        ["b", "FixedFanOut", "1000x3", "40000", "160", "kB"],
    ]
    assert "format" not in summary(LIF(3))


def test_memory():
    conn = FixedFanOut(np.zeros((10, 4), int), np.float32(1), n_post=3, delay=np.float32(1))
    assert conn.nbytes == 10 * 4 * 4 + 4 + 4
    assert conn.T.nbytes == conn.nbytes
    assert Dense(np.ones((3, 4))).nbytes == 3 * 4 * 8


@pytest.mark.parametrize("conn", [OneToOne(1.0, n=3), from_dense(np.eye(3))], ids=["one", "csr"])
def test_what_is_no_product_says_what_is(conn):
    with pytest.raises(TypeError, match="s @ a @ b sends s through both"):
        conn @ conn
    for scale in (lambda: 2 * conn, lambda: conn * 2, lambda: np.ones(3) * conn):
        with pytest.raises(TypeError, match="scale its weights with fdyn.replace"):
            scale()
