"""Construction, its errors, and the parts of the interface that are no products."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pint
import pytest

from fdyn import replace
from fdyn.components import LIF
from fdyn.sparse import (
    CSR,
    Dense,
    FixedFanOut,
    OneToOne,
    fixed_in_degree,
    fixed_out_degree,
    fixed_probability,
    from_coo,
    from_dense,
)
from fdyn.sparse._ops import contract

FAN_OUT = FixedFanOut([[0, 2], [1, 1]], [[1.0, 2.0], [3.0, 4.0]], n_post=3)
ROWS = CSR([0, 2, 1], [0, 2, 2, 3], [1.0, 2.0, 3.0], n_post=3)
ALL = Dense([[1.0, 2.0, 0.0], [3.0, 4.0, 0.0]])
PAIRS = OneToOne([1.0, 2.0])
EACH = pytest.mark.parametrize("conn", [FAN_OUT, ROWS, ALL, PAIRS], ids=lambda c: type(c).__name__)


@EACH
def test_dense_and_coordinates_agree(conn):
    edges = conn.to_coo()
    assert edges.rows.shape == edges.cols.shape == (conn.n_synapses,)
    dense = np.zeros(conn.shape)
    np.add.at(dense, (edges.rows, edges.cols), edges.weight)
    np.testing.assert_array_equal(dense, conn.to_dense())
    again = from_coo(edges.rows, edges.cols, edges.weight, conn.shape)
    np.testing.assert_array_equal(again.to_dense(), dense)


def test_dense_values():
    np.testing.assert_array_equal(FAN_OUT.to_dense(), [[1, 0, 2], [0, 7, 0]])
    np.testing.assert_array_equal(ROWS.to_dense(), [[1, 0, 2], [0, 0, 0], [0, 3, 0]])
    np.testing.assert_array_equal(PAIRS.to_dense(), [[1, 0], [0, 2]])


@EACH
def test_only_weights_train(conn):
    trainable = jax.tree.leaves(eqx.filter(conn, eqx.is_inexact_array))
    assert len(trainable) == 1 and trainable[0] is conn.weight
    s = jnp.ones_like(conn.weight, shape=conn.n_pre)
    gradient = eqx.filter_grad(lambda conn: jnp.sum(s @ conn))(conn)
    np.testing.assert_array_equal(gradient.weight, jnp.ones_like(conn.weight))


@EACH
def test_survives_transforms_and_ensembles(conn):
    assert jax.tree.map(lambda _: None, conn).n_pre == conn.n_pre
    arrays, rest = eqx.partition(conn, eqx.is_inexact_array)
    s = jnp.ones_like(conn.weight, shape=conn.n_pre)
    np.testing.assert_array_equal(s @ eqx.combine(arrays, rest), s @ conn)
    ensemble = eqx.tree_at(lambda c: c.weight, conn, jnp.stack([conn.weight, 2 * conn.weight]))
    axes = jax.tree.map(lambda x: 0 if x is conn.weight else None, conn)
    both = eqx.filter_vmap(lambda conn, s: s @ conn, in_axes=(axes, None))(ensemble, s)
    np.testing.assert_allclose(both, jnp.stack([s @ conn, 2 * (s @ conn)]))


@EACH
def test_other_weights_may_be_given(conn):
    y = jnp.zeros_like(conn.weight, shape=conn.n_post)
    s = jnp.ones_like(conn.weight, shape=conn.n_pre)
    np.testing.assert_allclose(conn.accumulate(y, s, -conn.weight), -(s @ conn))
    np.testing.assert_allclose(
        conn.accumulate(y, s, weight=jnp.ones_like(y, shape=())).sum(), conn.n_synapses
    )
    with pytest.raises(ValueError, match="`weight` has shape"):
        conn.accumulate(y, s, jnp.ones(17))


@EACH
def test_wrong_vectors(conn):
    y, s = jnp.zeros(conn.n_post), jnp.zeros(conn.n_pre)
    with pytest.raises(ValueError, match=r"`s` has shape \(9,\), expected \(\d,\)"):
        conn.accumulate(y, jnp.zeros(9))
    with pytest.raises(ValueError, match="`y` has shape"):
        conn.accumulate(jnp.zeros(9), s)
    with pytest.raises(ValueError, match="`s` has shape"):
        jnp.zeros(9) @ conn
    with pytest.raises(ValueError, match=r"`g` has shape \(7, 2\), .* \(\d, m\) for a batch"):
        conn @ jnp.zeros((7, 2))
    with pytest.raises(ValueError, match=r"`s` has shape \(2, 9\), .* \(..., \d\) for a batch"):
        jnp.zeros((2, 9)) @ conn
    with pytest.raises(ValueError, match="same leading axes"):
        conn.accumulate(y, jnp.zeros((4, conn.n_pre)))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: FixedFanOut([[0, 3]], 1.0, n_post=3), "`targets` .* to 3, expected from 0 to 2"),
        (lambda: FixedFanOut([[-1]], 1.0, n_post=3), "`targets` has entries from -1"),
        (lambda: FixedFanOut([[0.5]], 1.0, n_post=3), "`targets` is float.*expected integers"),
        (lambda: FixedFanOut([0, 1], 1.0, n_post=3), r"`targets` .*shape \(2,\), .* 2 axes"),
        (lambda: FixedFanOut([[0]], [1.0], n_post=3), r"`weight` has shape \(1,\).* \(1, 1\)"),
        (lambda: FixedFanOut([[0]], 1.0, n_post=-3), "`n_post` is -3"),
        (lambda: CSR([0, 5], [0, 2], 1.0, n_post=3), "`indices` .* to 5, expected from 0 to 2"),
        (lambda: CSR([0, 1], [0, 1], 1.0, n_post=3), "`indptr` goes from 0 to 1.* 2"),
        (lambda: CSR([0, 1], [1, 2], 1.0, n_post=3), "`indptr` goes from 1 to 2"),
        (lambda: CSR([0, 1], [0, 2, 1, 2], 1.0, n_post=3), "`indptr` falls from 2 to 1 at row 1"),
        (lambda: CSR([], [], 1.0, n_post=3), "`indptr` has shape"),
        (lambda: CSR([0, 1], [0, 2], [1.0], n_post=3), r"`weight` has shape \(1,\).* \(2,\)"),
        (lambda: Dense(1.0, n_pre=3), "`weight` has shape .* n_post=None"),
        (lambda: Dense([[1.0, 2.0]], n_pre=3, n_post=3), r"`weight` has shape \(1, 2\).* \(3, 3\)"),
        (lambda: OneToOne(1.0), "together with n"),
        (lambda: OneToOne([1.0], n=2), r"`weight` has shape \(1,\).* \(2,\)"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_dtypes_are_strong():
    default = jnp.result_type(float)
    for conn in (FixedFanOut([[0]], 1, n_post=1), CSR([0], [0, 1], 1.0, n_post=1), OneToOne([1])):
        assert conn.weight.dtype == default and not conn.weight.weak_type
    assert FixedFanOut([[0]], np.float32(1), n_post=1).weight.dtype == jnp.float32
    assert FAN_OUT.targets.dtype == ROWS.indices.dtype == ROWS.indptr.dtype == jnp.int32


def test_may_be_made_under_jit():
    @jax.jit
    def f(indices, indptr, weight):
        conn = CSR(indices, indptr, weight, n_post=3)
        return jnp.ones_like(weight, shape=3) @ conn

    np.testing.assert_array_equal(f(ROWS.indices, ROWS.indptr, ROWS.weight), [1, 3, 2])


def replaced(conn, where, value):
    """A leaf changed past all constructors, as optimisers and tree surgery do."""
    return eqx.tree_at(where, conn, value, is_leaf=lambda x: x is None)


@pytest.mark.parametrize(
    ("conn", "weight"),
    [
        (FixedFanOut(np.zeros((20, 3), int), 1.0, n_post=1), jnp.ones(3)),
        (CSR([0, 1, 0], [0, 2, 3], 1.0, n_post=2), jnp.ones(2)),
        (Dense(jnp.ones((4, 3))), jnp.ones((4, 2))),
        (OneToOne(1.0, n=5), jnp.ones(2)),
    ],
)
def test_a_weight_of_the_wrong_shape_never_reaches_a_product(conn, weight):
    broken = replaced(conn, lambda c: c.weight, weight)
    for product in (
        lambda: jnp.ones(conn.n_pre) @ broken,
        lambda: broken @ jnp.ones(conn.n_post),
        lambda: broken.accumulate(jnp.zeros(conn.n_post), jnp.ones(conn.n_pre)),
    ):
        with pytest.raises(ValueError, match="`weight` has shape"):
            product()


@pytest.mark.parametrize("dtype", ["int32", "int8", "bool"])
def test_whole_numbers_as_weights_count_as_numbers(dtype):
    for conn in (
        CSR([0, 1, 0], [0, 2, 3], [1.0, 2.0, 3.0], n_post=2),
        FixedFanOut([[0, 1], [0, 1]], np.ones((2, 2)), n_post=2),
        Dense(jnp.ones((2, 2))),
    ):
        weight = jnp.arange(1, 1 + conn.weight.size).reshape(conn.weight.shape).astype(dtype)
        changed = replaced(conn, lambda c: c.weight, weight)
        right = replaced(conn, lambda c: c.weight, weight.astype(conn.weight.dtype))
        for s in (jnp.array([1.0, 10.0]), jnp.array([1, 10])):
            np.testing.assert_array_equal(s @ changed, s @ right)
            assert (s @ changed).dtype == jnp.float64
        np.testing.assert_array_equal(changed @ jnp.ones(2), right @ jnp.ones(2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CSR([0, 1], [0, 1, 2], [1.0, np.nan], n_post=2), "is nan of synapse 1, expected"),
        (lambda: CSR([0, 1], [0, 1, 2], [[np.inf], [2.0]], n_post=2), "is inf of row 0, expected"),
        (lambda: FixedFanOut([[0], [1]], [[1.0, -np.inf]], n_post=2), "is -inf of column 1"),
        (lambda: Dense([[1.0, 2.0], [np.nan, 1.0]]), r"is nan of synapse \(1, 0\), expected"),
        (lambda: OneToOne(jnp.array(np.inf, "bfloat16"), n=3), "is inf for all synapses"),
    ],
)
def test_weights_are_finite(make, message):
    with pytest.raises(ValueError, match="`weight` " + message):
        make()


def test_products_take_values_of_one_dtype_and_one_batch():
    x, index = jnp.ones(2), jnp.array([[0], [1]])
    with pytest.raises(ValueError, match="float64, int32, float64 by a pattern of int64, expected"):
        contract("g", x, jnp.ones((2, 1), "int32"), x, index)
    with pytest.raises(ValueError, match="a pattern of float64, expected"):
        contract("g", x, jnp.ones((2, 1)), x, index.astype(float))
    for ring in (jnp.ones(2), jnp.ones((3, 2))):
        with pytest.raises(ValueError, match="number of batch axes in front of each"):
            contract("g", ring, jnp.ones(()), jnp.ones((2, 2)), index)


def test_a_stack_of_connectivities_needs_vmap():
    targets = jnp.array([[[0], [1]], [[1], [0]]], jnp.int32)
    one = FixedFanOut(targets[0], 1.0, n_post=2)
    stack = replaced(one, lambda c: c.targets, targets)
    s = jnp.array([1.0, 3.0])
    with pytest.raises(ValueError, match="vmap"):
        s @ stack
    axes = replaced(jax.tree.map(lambda _: None, one), lambda c: c.targets, 0)
    found = jax.vmap(lambda c: s @ c, in_axes=(axes,))(stack)
    np.testing.assert_array_equal(found, [[1.0, 3.0], [3.0, 1.0]])


def test_replaced_indices_are_checked():
    conn = FixedFanOut([[0], [1]], 1.0, n_post=2)
    with pytest.raises(ValueError, match="from 0 to 1"):
        replace(conn, lambda c: c.targets, [[0], [2]])
    with pytest.raises(ValueError, match="whole numbers"):
        replace(conn, lambda c: c.targets, [[0.7], [1.0]])


def aligned(array):
    """A numpy array at an address that JAX would share."""
    memory = np.empty(array.nbytes + 64, np.uint8)
    start = -memory.ctypes.data % 64
    view = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def test_what_is_made_from_numpy_does_not_change_with_it():
    weight, targets = aligned(np.ones((64, 4))), aligned(np.zeros((64, 4), np.int32))
    conn = FixedFanOut(targets, weight, n_post=2)
    rest = aligned(np.full(64, -60.0))
    neurons = LIF(64, v_rest=rest)
    weight[:], targets[:], rest[:] = 7.0, 1, 0.0
    assert float(conn.weight[0, 0]) == 1.0 and int(conn.targets[0, 0]) == 0
    assert float(neurons.v_rest[0]) == -60.0


U = pint.UnitRegistry()


@pytest.mark.parametrize(
    "make",
    [
        lambda: OneToOne(2.0 * U.nS, n=3),
        lambda: Dense(np.ones((2, 3)) * U.uS),
        lambda: CSR([0, 1], [0, 1, 2], [1.0, 2.0] * U.nS, n_post=2),
        lambda: FixedFanOut([[0], [1]], 1.0 * U.mV, n_post=2),
        lambda: from_coo([0, 1], [1, 0], [1.0, 2.0] * U.nS, (2, 2)),
        lambda: from_dense(np.eye(2) * U.nS),
        lambda: fixed_out_degree(jax.random.key(0), 3, 3, 1, 2.0 * U.nS),
        lambda: fixed_in_degree(jax.random.key(0), 3, 3, 1, 2.0 * U.nS),
        lambda: fixed_probability(jax.random.key(0), 3, 3, 0.5, 2.0 * U.nS),
        lambda: PAIRS.accumulate(jnp.zeros(2), jnp.ones(2), weight=[1.0, 2.0] * U.nS),
    ],
)
def test_a_weight_with_a_unit_is_refused(make):
    with pytest.raises(ValueError, match="plain numbers.*weights carry no unit; got <Quantity"):
        make()
