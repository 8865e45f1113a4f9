"""Construction, its errors, and the parts of the interface that are no products."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fdyn.sparse
from fdyn.sparse import CSR, AbstractConnectivity, Dense, FixedFanOut, OneToOne, from_coo

FAN_OUT = FixedFanOut([[0, 2], [1, 1]], [[1.0, 2.0], [3.0, 4.0]], n_post=3)
ROWS = CSR([0, 2, 1], [0, 2, 2, 3], [1.0, 2.0, 3.0], n_post=3)
ALL = Dense([[1.0, 2.0, 0.0], [3.0, 4.0, 0.0]])
PAIRS = OneToOne([1.0, 2.0])
EACH = pytest.mark.parametrize("conn", [FAN_OUT, ROWS, ALL, PAIRS], ids=lambda c: type(c).__name__)


@EACH
def test_dense_and_coordinates_agree(conn):
    rows, cols, weights = conn.to_coo()
    assert rows.shape == cols.shape == weights.shape == (conn.n_synapses,)
    dense = np.zeros(conn.shape)
    np.add.at(dense, (rows, cols), weights)
    np.testing.assert_array_equal(dense, conn.to_dense())
    np.testing.assert_array_equal(from_coo(rows, cols, weights, conn.shape).to_dense(), dense)


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
    with pytest.raises(ValueError, match="`g` has shape .*vmap"):
        conn @ jnp.zeros((2, conn.n_post))


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
        (lambda: Dense([[1.0]], n_pre=3), r"`weight` has shape \(1, 1\).* \(3, 1\)"),
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


def test_classes_are_abstract_or_final():
    assert AbstractConnectivity.__abstractmethods__
    for name in ("CSR", "Dense", "FixedFanOut", "OneToOne"):
        final = getattr(fdyn.sparse, name)
        assert final.__bases__ == (AbstractConnectivity,) and not final.__abstractmethods__
        assert not final.__subclasses__()
        overridden = vars(AbstractConnectivity).keys() & vars(final).keys()
        methods = {name for name in overridden if not name.startswith("__")}
        assert methods <= AbstractConnectivity.__abstractmethods__ | {"_abc_impl"}
