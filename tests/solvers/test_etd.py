"""Exponential integrators: where they are exact, and which linear part they take."""

import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fdyn import AbstractComponent, Affine, Args, State, simulate
from fdyn.solvers import ETD2, ETDRK4, RK4, ExponentialEuler, Heun
from fdyn.solvers._etd import phis

W = np.array([[-1.0, 3.0, 0.2], [3.0, -1.0, 0.0], [0.5, 2.0, -4.0]])


class Flow(AbstractComponent):
    """A component that is only a flow; the subclasses say which."""

    named: bool = True
    start: float = 1.0

    def init(self, *, key, dt):
        return State({"x": jnp.full(3, self.start)}, {})

    def jump(self, t, y, args, *, dt, key):
        return y, args.mem, {}


class Driven(Flow):
    """dx/dt = a x + c + d t + e t^2 with a different rate in each unit."""

    coefficients: tuple = (1.0, 0.0, 0.0)

    def flow(self, t, y, args):
        c, d, e = self.coefficients
        a, b = jnp.array([-2000.0, -2.0, 0.3]), c + d * t + e * t**2
        return {"x": Affine(a, b) if self.named else a * y["x"] + b}


def exact(a: float, coefficients: tuple, t: float) -> float:
    """In closed form: a polynomial that solves the equation, and what of the start decays."""
    c, d, e = coefficients
    p2 = -e / a
    p1 = (2 * p2 - d) / a
    p0 = (p1 - c) / a
    return p0 + p1 * t + p2 * t**2 + math.exp(a * t) * (1.0 - p0)


@pytest.mark.parametrize(
    ("solver", "coefficients"),
    [
        (ETD2(), (1.0, 0.5, 0.0)),
        (ETDRK4(), (1.0, 0.5, -2.0)),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in [
                (ExponentialEuler(), (1.0, 0.0, 0.0)),
                (ExponentialEuler(linear="diagonal"), (1.0, 0.0, 0.0)),
                (ETD2(linear="diagonal"), (1.0, 0.5, 0.0)),
                (ETDRK4(linear="diagonal"), (1.0, 0.5, -2.0)),
            ]
        ),
    ],
    ids=repr,
)
def test_exact_at_any_step_where_the_rest_is_a_polynomial_of_time(solver, coefficients):
    named = solver.linear == "affine"
    model = Driven(coefficients=coefficients, named=named)
    for dt in (0.01, 1.0, 2.0):
        x = simulate(model, 4.0, dt=dt, solver=solver).state.model.y["x"]
        expected = [exact(a, coefficients, 4.0) for a in (-2000.0, -2.0, 0.3)]
        np.testing.assert_allclose(x, expected, rtol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize(("solver", "other"), [(ETD2(), Heun()), (ETDRK4(), RK4())], ids=repr)
def test_a_leaf_without_linear_part_is_advanced_by_the_explicit_method(solver, other):
    class Bent(Flow):
        def flow(self, t, y, args):
            return {"x": jnp.sin(t) - y["x"] ** 2}

    ends = [simulate(Bent(), 1.0, dt=0.25, solver=s).state.model.y["x"] for s in (solver, other)]
    np.testing.assert_allclose(*ends, rtol=1e-14)


class Coupled(Flow):
    """dx/dt = W x, without a named linear part."""

    def flow(self, t, y, args):
        return {"x": jnp.asarray(W) @ y["x"]}


def test_the_diagonal_of_coupled_units_is_taken_not_the_sum_of_a_column():
    dt, x = 0.7, np.array([1.0, -2.0, 0.5])
    step = ExponentialEuler(linear="diagonal").step
    y, _ = step(Coupled(), jnp.array(0.0), jnp.array(dt), {"x": jnp.array(x)}, Args({}), (), None)
    z = dt * np.diag(W)
    np.testing.assert_allclose(y["x"], x + dt * np.expm1(z) / z * (W @ x), rtol=1e-14)


@pytest.mark.slow
def test_the_diagonal_keeps_a_stiff_leaf_stable_that_names_no_linear_part():
    class Relaxes(Flow):
        def flow(self, t, y, args):
            return {"x": 1000.0 * (jnp.tanh(0.5 - y["x"]))}

    model = Relaxes(start=0.0)
    for solver in (ExponentialEuler, ETD2, ETDRK4):
        at_rest = simulate(model, 10.0, dt=0.1, solver=solver(linear="diagonal"))
        np.testing.assert_allclose(at_rest.state.model.y["x"], 0.5, atol=1e-3)
    wild = simulate(model, 10.0, dt=0.1, solver=RK4(), record="x")
    assert abs(np.asarray(wild["x"])[-20:] - 0.5).max() > 1


def test_phi_functions_to_rounding():
    points = [0.0, *(s * 10.0**k for s in (-1, 1) for k in (-9, -3, -0.5, -0.001, 0.001, 0.8))]
    got = jax.jit(phis)(jnp.array(points))
    for k in (1, 2, 3):
        for z, value in zip(points, got[k - 1], strict=True):
            x, term, total = Fraction(z), Fraction(1, math.factorial(k)), Fraction(0)
            for j in range(60):
                total, term = total + term, term * x / (j + k + 1)
                term = term.limit_denominator(10**40)
            assert float(value) == pytest.approx(float(total), rel=4e-15), (k, z)
    far = np.array([-1e3, -1e6])
    first, second, _ = jax.jit(phis)(jnp.array(far))
    np.testing.assert_allclose(first, -1 / far, rtol=1e-15)
    np.testing.assert_allclose(second, -1 / far * (1 + 1 / far), rtol=1e-15)


def test_gradients_of_the_phi_functions_at_zero():
    for derivative in (jax.jacrev, jax.jacfwd):
        slopes = jax.jit(derivative(phis))(0.0)
        np.testing.assert_allclose(slopes, [1 / 2, 1 / 6, 1 / 24], rtol=1e-15)


@pytest.mark.parametrize("solver", [ExponentialEuler, ETD2, ETDRK4])
@pytest.mark.parametrize("linear", ["diag", "jacobian", None, True])
def test_an_unknown_linear_part_is_refused(solver, linear):
    with pytest.raises(ValueError, match=r"'linear' must be 'affine' .* or 'diagonal'"):
        solver(linear=linear)
