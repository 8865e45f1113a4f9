"""Characteristic roots and Hopf delays, against the characteristic function itself."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fdyn import AbstractComponent, Network, State, param, simulate
from fdyn.analyze import characteristic_roots, continue_equilibria, equilibria, hopf_delay
from fdyn.solvers import DelayRK4


class _Flow(AbstractComponent):
    start: eqx.AbstractVar[jax.Array]

    def init(self, *, key, dt):
        return State({"x": self.start}, {})

    def jump(self, t, y, args, *, dt, key):
        return y, args.mem, {}


class Linear(_Flow):
    """x' = a x + b x(t - 1) + c x(t - tau)."""

    a: jax.Array = param(unit="1/ms", doc="matrix")
    b: jax.Array = param(unit="1/ms", doc="matrix")
    c: jax.Array = param(unit="1/ms", doc="matrix")
    tau: jax.Array = param(0.3, unit="ms", doc="delay")
    start: jax.Array = param((0.0, 0.0), unit="1", doc="initial state")

    def flow(self, t, y, args):
        now, one, other = y["x"], args.hist(1.0, "x"), args.hist(self.tau, "x")
        return {"x": self.a @ now + self.b @ one + self.c @ other}


class Feedback(_Flow):
    """x' = -r x(t - tau (1 + x^2)) (1 + x): the delay depends on the state, the root is 0 or -1."""

    r: jax.Array = param(1.0, unit="1/ms", doc="rate")
    tau: jax.Array = param(1.0, unit="ms", doc="delay")
    start: jax.Array = param((0.01,), unit="1", doc="initial state")

    def flow(self, t, y, args):
        x = y["x"]
        return {"x": -self.r * args.hist(self.tau * (1 + x**2), "x") * (1 + x)}


class Neutral(_Flow):
    """x' = -x + q x'(t - 1)."""

    q: jax.Array = param(0.4, unit="1", doc="weight")
    start: jax.Array = param((0.0,), unit="1", doc="initial state")

    def flow(self, t, y, args):
        return {"x": -y["x"] + self.q * args.hist.derivative(1.0, "x")}


@pytest.fixture(scope="module")
def linear():
    a, b, c = 0.7 * np.random.default_rng(3).standard_normal((3, 2, 2))
    return Linear(a=a, b=b, c=c)


def count(function, low, high, top):
    """Zeros in a box by the argument principle: how often the value winds around zero."""
    corners = [low - 1j * top, high - 1j * top, high + 1j * top, low + 1j * top]
    edges = [
        a + (b - a) * np.linspace(0, 1, 4000, endpoint=False)
        for a, b in zip(corners, [*corners[1:], corners[0]], strict=True)
    ]
    values = np.array([function(z) for z in np.concatenate([*edges, corners[:1]])])
    turn = np.angle(values[1:] / values[:-1])
    assert abs(turn).max() < 1
    return round(turn.sum() / (2 * np.pi))


@pytest.mark.slow
def test_the_rightmost_roots_are_all_there(linear):
    def delta(z):
        a, b, c = (np.asarray(x) for x in (linear.a, linear.b, linear.c))
        return np.linalg.det(z * np.eye(2) - a - b * np.exp(-z) - c * np.exp(-0.3 * z))

    roots = characteristic_roots(linear, n=8)
    assert abs(np.array([delta(z) for z in roots])).max() < 1e-8
    assert (np.diff(roots.real) <= 1e-12).all()
    # Between the last two that differ there is a line right of which no other root lies.
    apart = max(i for i in range(1, 8) if roots.real[i - 1] - roots.real[i] > 1e-3)
    line = (roots.real[apart - 1] + roots.real[apart]) / 2
    assert count(delta, line, 4.0, 40.0) == apart


@pytest.mark.slow
def test_a_neutral_equation():
    roots = characteristic_roots(Neutral(), n=5)
    left = roots * (1 - 0.4 * np.exp(-roots)) + 1
    assert abs(left).max() < 1e-8
    assert roots.real.max() < 0


@pytest.mark.slow
def test_solutions_grow_like_the_rightmost_root():
    """The envelope of a run, at its maxima."""
    model = Feedback(tau=2.0, start=[1e-6])
    roots = characteristic_roots(model, n=2)
    k = roots[0]
    assert k == pytest.approx(-np.exp(-2.0 * k), abs=1e-10) and k.real > 0
    run = simulate(model, 40.0, dt=0.1, solver=DelayRK4(3.0), record="x")
    x = run["x"][:, 0]
    tops = np.flatnonzero((x[1:-1] > x[:-2]) & (x[1:-1] > x[2:])) + 1
    growth = np.log(x[tops[-1]] / x[tops[-2]]) / (run.ts[tops[-1]] - run.ts[tops[-2]])
    assert growth == pytest.approx(k.real, rel=0.02)
    period = run.ts[tops[-1]] - run.ts[tops[-2]]
    assert period == pytest.approx(2 * np.pi / abs(k.imag), rel=0.02)


@pytest.mark.slow
def test_the_kind_of_an_equilibrium_is_that_with_its_delays():
    """r tau = pi / 2 is where it changes; the Jacobian alone would say stable at any delay.

    Of infinitely many roots only finitely many are on the right, so what is unstable is a saddle.
    """
    kinds = {}
    for tau in (0.2, 1.4, 1.8):
        found = equilibria(Feedback(tau=tau))
        kinds[tau] = found.kinds[0]
        assert found.eigenvalues.shape == (1, 4)
    assert kinds == {0.2: "stable node", 1.4: "stable focus", 1.8: "saddle-focus"}
    with pytest.raises(ValueError, match="delays.*hopf_delay"):
        continue_equilibria(Feedback(), (1.0, 2.0), where=lambda m: m.tau)


@pytest.mark.slow
def test_the_hopf_delay_of_a_node_of_a_network():
    """The delay depends on the state, which at an equilibrium does not count: r tau = pi / 2."""
    net = Network({"a": Feedback(r=0.5)})
    point = hopf_delay(net, (1.0, 5.0), where=lambda m: m.nodes["a"].tau, points=6)
    assert point.parameter == pytest.approx(np.pi, rel=1e-9)
    assert point.omega == pytest.approx(0.5, rel=1e-9)
    assert abs(point.eigenvalues[0].real) < 1e-9 and point.kind == "hopf"


def test_without_delays_they_are_the_eigenvalues_of_the_jacobian():
    class Plain(_Flow):
        start: jax.Array = param((0.0, 0.0), unit="1", doc="initial state")

        def flow(self, t, y, args):
            return {"x": jnp.array([[-1.0, 2.0], [-2.0, -1.0]]) @ y["x"]}

    np.testing.assert_allclose(characteristic_roots(Plain()), [-1 + 2j, -1 - 2j], atol=1e-12)


def test_bad_input(linear):
    with pytest.raises(ValueError, match="'n' must be a positive number"):
        characteristic_roots(linear, n=0)
    with pytest.raises(ValueError, match="two increasing delays"):
        hopf_delay(linear, (2.0, 1.0), where=lambda m: m.tau)
    with pytest.raises(ValueError, match="two or more points"):
        hopf_delay(linear, (1.0, 2.0), where=lambda m: m.tau, points=1)
    with pytest.raises(ValueError, match="must be finite and not negative"):
        characteristic_roots(Linear(a=-np.eye(2), b=np.eye(2), c=np.eye(2), tau=-1.0))


@pytest.mark.slow
def test_no_crossing_is_an_error():
    with pytest.raises(RuntimeError, match="no pair of roots crosses"):
        hopf_delay(Feedback(), (0.1, 1.0), where=lambda m: m.tau, points=3)
