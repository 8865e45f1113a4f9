"""The noise of a model: paths for plain equations, coefficients and solvers that do not fit."""

from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fdyn import AbstractComponent, State, simulate
from fdyn.components import LIF, CommonNoise
from fdyn.solvers import DelayRK4, EulerMaruyama, brownian_path, solve_sde

KEY = jax.random.key(1)


class Walk(AbstractComponent):
    """dx = g dW, twice, with the value of `diffusion` that a test gives; or with a delay."""

    noise: object = None
    delayed: bool = False

    def init(self, *, key, dt):
        return State({"x": jnp.zeros(3), "z": jnp.zeros(2)}, {})

    def flow(self, t, y, args):
        past = args.hist(1.0) if self.delayed else y
        return jax.tree.map(lambda x: -x, past)

    def diffusion(self, t, y, args):
        return self.noise

    def jump(self, t, y, args, *, dt, key):
        return y, args.mem, {"x_out": y["x"]}


def ends(y0, g, path, dt):
    """At the end of a walk from `y0`, along a path."""
    still = lambda t, y, args: jax.tree.map(jnp.zeros_like, y)  # noqa: E731
    method = EulerMaruyama(path)
    return jax.tree.map(
        lambda y: y[-1], solve_sde(still, g, y0, [0.0, 2.0], method=method, key=KEY, dt=dt).ys
    )


@pytest.mark.slow
def test_a_path_of_a_plain_equation_is_the_same_at_every_step():
    """A walk ends where its Wiener process does, whatever the step."""
    g = lambda t, y, args: 0.7  # noqa: E731
    path = brownian_path(jnp.ones(3), 2.0, 0.25, KEY)
    w: Any = path.evaluate(0.0, 2.0)
    assert float(abs(w[""]).min()) > 0
    for dt in (2.0, 0.5):
        np.testing.assert_allclose(ends(jnp.ones(3), g, path, dt), 1 + 0.7 * w[""], rtol=1e-12)


def test_a_path_has_the_processes_of_the_leaves_that_it_is_made_of():
    path = brownian_path({"x": jnp.zeros(3), "z": [1, 2j]}, 2.0, 0.25, KEY)
    assert {k: (s.shape, str(s.dtype)) for k, s in path.shape.items()} == {
        "x": ((3,), "float64"),
        "z.0": ((), "float64"),
        "z.1": ((), "float64"),
    }


@pytest.mark.slow
def test_a_path_of_zeros_in_the_place_of_common_noise_has_its_processes():
    y0 = {"x": jnp.zeros(3), "z": jnp.zeros(())}
    g = lambda t, y, args: {"x": CommonNoise(jnp.ones((3, 2))), "z": None}  # noqa: E731
    shared = brownian_path({"x": jnp.zeros(2)}, 2.0, 0.25, KEY)
    found, w = ends(y0, g, shared, 0.5), cast(Any, shared.evaluate(0.0, 2.0))
    np.testing.assert_allclose(found["x"], jnp.full(3, w["x"].sum()), rtol=1e-12)
    assert found["z"] == 0


@pytest.mark.parametrize("wrong", [LIF, "LIF", {}], ids=str)
def test_a_path_of_something_else_is_refused(wrong):
    with pytest.raises(ValueError, match="component or network, or the initial state"):
        brownian_path(wrong, 2.0, 0.25, KEY)


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        (jnp.ones(3), r"bare array of shape \(3,\).*'x': \*.*like it.*None.*CommonNoise"),
        (0.5, r"bare array of shape \(\).*'x': \*"),
        ({"x": jnp.ones(3)}, r"must be like the state.*'x': \*, 'z': \*.*got .*'x': \*"),
        ({"x": jnp.ones(2), "z": None}, r"at 'x' has shape \(2,\).*state has \(3,\)"),
    ],
    ids=["array", "number", "missing", "shape"],
)
def test_a_diffusion_of_wrong_structure_is_refused(noise, message):
    for use in (
        lambda: simulate(Walk(noise), 1.0, dt=0.5, solver=EulerMaruyama()),
        lambda: brownian_path(Walk(noise), 2.0, 0.25, KEY),
    ):
        with pytest.raises(ValueError, match=message):
            use()


def test_noise_together_with_delays_is_said_to_have_no_solver():
    """Neither refusal sends to a solver that refuses in turn."""
    model = Walk({"x": jnp.ones(3), "z": None}, delayed=True)
    for solver in (DelayRK4(1.0), EulerMaruyama()):
        with pytest.raises(ValueError, match="both noise and delays have no solver yet"):
            simulate(model, 1.0, dt=0.5, solver=solver)
