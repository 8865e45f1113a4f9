"""Laws of weights and delays."""

import jax
import jax.numpy as jnp
import numpy as np
import pint
import pytest

from fdyn.sparse import Normal, Uniform

LAWS = {
    "uniform": Uniform(-1.0, 3.0),
    "point": Uniform(2.0, 2.0),
    "normal": Normal(1.0, 2.0),
    "no spread": Normal(1.0, 0.0),
    "one bound": Normal(1.5, 1.0, low=0.2),
    "two bounds": Normal(0.0, 1.0, low=-0.5, high=2.0),
    "tail": Normal(0.0, 1.0, low=2.5),
}
EACH = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())


@EACH
def test_draws_follow_the_distribution_function(law):
    n = 20_000
    x = np.sort(law.sample(np.random.default_rng(7), (100, n // 100)).ravel())
    # Kolmogorov-Smirnov at a level of 1e-4: sup |F_n - F| < 2.23 / sqrt(n).
    above = np.arange(1, n + 1) / n - law.cdf(x)
    last_of_its_value = np.append(x[1:] != x[:-1], True)
    assert np.abs(above[last_of_its_value]).max() < 2.23 / np.sqrt(n)


def test_moments_and_bounds():
    x = LAWS["two bounds"].sample(np.random.default_rng(0), (50_000,))
    assert -0.5 <= x.min() < -0.49 and 1.98 < x.max() <= 2.0
    density = np.exp(-(np.array([0.5, 2.0]) ** 2) / 2) / np.sqrt(2 * np.pi)
    expected = (density[0] - density[1]) / (LAWS["normal"].cdf(5.0) - LAWS["normal"].cdf(0.0))
    assert abs(x.mean() - expected) < 4 * x.std() / np.sqrt(x.size)
    assert LAWS["no spread"].sample(np.random.default_rng(0), (2, 3)).tolist() == [[1.0] * 3] * 2


def test_distribution_function():
    np.testing.assert_allclose(LAWS["uniform"].cdf([-2, -1, 0, 3, 4]), [0, 0, 0.25, 1, 1])
    np.testing.assert_array_equal(LAWS["point"].cdf([1.9, 2.0]), [0, 1])
    np.testing.assert_allclose(LAWS["normal"].cdf([1.0, 3.0]), [0.5, 0.8413447460685429])
    np.testing.assert_allclose(LAWS["one bound"].cdf([0.1, 0.2, np.inf]), [0, 0, 1])


def test_parameters_are_leaves():
    assert len(jax.tree.leaves(LAWS["uniform"])) == 2
    moved = jax.tree.map(lambda x: x + 1, LAWS["uniform"])
    assert moved.low == 0.0 and moved.high == 4.0
    assert jax.jit(lambda low: Uniform(low, 1.0))(0.5).low == 0.5


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Uniform(2.0, 1.0), "low = 2.0 lies above high = 1.0"),
        (lambda: Uniform(np.nan, 1.0), "`low` is nan"),
        (lambda: Uniform(0.0, np.inf), "`high` is inf"),
        (lambda: Uniform([0.0], 1.0), r"`low` has shape \(1,\), expected a scalar"),
        (lambda: Normal(0.0, -1.0), "std = -1.0 is negative"),
        (lambda: Normal(0.0, 1.0, low=5.0), "leave a fraction"),
        (lambda: Normal(0.0, 1.0, low=1.0, high=-1.0), "leave a fraction"),
        (lambda: Normal(0.0, 0.0, low=1.0), "leave a fraction"),
        (lambda: Uniform(pint.Quantity(1.0, "ms"), 2.0), "`low` takes a plain number"),
        (
            lambda: jax.jit(lambda m: jnp.asarray(Normal(m, 1.0).sample(np.random, ())))(1.0),
            "outside jit",
        ),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()
