"""Rate functions near their singularities, names, the time grid."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fdyn._grid import as_time, steps_of
from fdyn._misc import child_key, exprel, nearest, stable_hash, vtrap


def points():
    near = np.concatenate([10.0 ** np.arange(-300, 0, 20), np.linspace(1e-3, 0.6, 200), [1, 5, 40]])
    return np.concatenate([-near[::-1], [0.0], near])


@pytest.mark.parametrize(("precision", "tolerance"), [("float64", 1e-14), ("float32", 1.5e-6)])
def test_exprel_and_its_derivative(precision, tolerance):
    x = points().astype(precision)
    wide = x.astype(np.longdouble)
    small = abs(wide) < 0.1
    safe = np.where(small, 1, wide)
    series = sum(wide**k / np.prod(np.arange(1, k + 2, dtype=np.longdouble)) for k in range(14))
    value = np.where(small, series, np.expm1(safe) / safe)
    np.testing.assert_allclose(exprel(jnp.asarray(x)), value.astype(float), rtol=tolerance)
    dseries = sum(
        k * wide ** (k - 1) / np.prod(np.arange(1, k + 2, dtype=np.longdouble))
        for k in range(1, 15)
    )
    slope = np.where(small, dseries, (np.exp(safe) * (safe - 1) + 1) / safe**2)
    mine = jax.vmap(jax.grad(exprel))(jnp.asarray(x))
    np.testing.assert_allclose(mine, slope.astype(float), rtol=100 * tolerance)


def test_exprel_far_out():
    x = jnp.array([-1e3, -50.0, 50.0])
    np.testing.assert_allclose(exprel(x), [1e-3, 0.02, np.expm1(50.0) / 50], rtol=1e-12)


def test_vtrap_is_smooth_through_its_singularity():
    x = jnp.linspace(-1e-3, 1e-3, 101)
    exact = 10 - x / 2 + x**2 / 120
    np.testing.assert_allclose(vtrap(x, 10.0), exact, rtol=1e-13)
    np.testing.assert_allclose(
        jax.vmap(jax.grad(lambda x: vtrap(x, 10.0)))(x), -0.5 + x / 60, rtol=1e-9
    )
    far = jnp.array([-400.0, 300.0])
    np.testing.assert_allclose(vtrap(far, 10.0), far / np.expm1(np.asarray(far) / 10), rtol=1e-12)


def test_names_hash_alike_in_every_process():
    code = "from fdyn._misc import stable_hash; print(stable_hash('E'), stable_hash('V1.I'))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == [str(stable_hash("E")), str(stable_hash("V1.I"))]
    names = [f"n{i}" for i in range(1000)]
    assert len({stable_hash(n) for n in names}) == 1000
    key = jax.random.key(0)
    a, b = (jax.random.key_data(child_key(key, n)) for n in ("E", "I"))
    assert (a != b).any()


def test_nearest_names():
    assert nearest("Exk", ["Inh", "Exc"]) == "Did you mean 'Exc'? Known: Exc, Inh."
    assert nearest("zzz", ["Inh"]) == "Known: Inh." and nearest("a", []) == "Known: (none)."
    many = [f"V{i}.Exc" for i in range(12)] + ["LGN.relay"]
    assert nearest("LGN.rely", many) == "Did you mean 'LGN.relay'? (13 names are known.)"
    assert nearest("zzz", many) == f"Known: {', '.join(sorted(many))}."
    assert "Known: " in nearest("LGN.rely", many[1:])


@pytest.mark.parametrize("dt", [0.1, 0.025, 1 / 3, 0.01, 2.0**-7])
def test_whole_numbers_of_steps(dt):
    for n in (0, 1, 3, 7, 999, 123456):
        assert steps_of(n * dt, dt, "x") == n
    for off in (0.5, 0.01, 1e-4):
        with pytest.raises(ValueError, match="x is .* no multiple of dt"):
            steps_of((7 + off) * dt, dt, "x")


def test_times():
    assert as_time(3, "x") == 3.0 and as_time(0, "x", zero=True) == 0
    with pytest.raises(ValueError, match="'x' must be a positive"):
        as_time(0, "x")
    with pytest.raises(ValueError, match="'x' must be a known number"):
        jax.jit(lambda t: as_time(t, "x"))(1.0)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_vtrap_has_a_finite_gradient_far_from_its_singularity(dtype):
    x = jnp.array([-1e4, 1e4], dtype)
    slope = jax.vmap(jax.grad(lambda x: vtrap(x, 5.0)))(x)
    np.testing.assert_allclose(slope, [-1.0, 0.0], atol=1e-6)


def test_a_time_in_single_precision_is_the_decimal_it_was_meant_to_be():
    assert as_time(np.float32(0.1), "dt") == 0.1
    assert as_time(jnp.float32(0.025), "dt") == 0.025


@pytest.mark.parametrize("value", [True, np.bool_(True), "10"])
def test_a_time_is_a_number(value):
    with pytest.raises(ValueError, match="'dt' must be a number of ms"):
        as_time(value, "dt")
