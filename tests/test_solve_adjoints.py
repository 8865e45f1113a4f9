"""`solve` to a steady state, and with the other adjoints of diffrax."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from fdyn import Affine, State, param, solve
from fdyn.components import LIF, AbstractComponent, MorrisLecar


class Relaxation(AbstractComponent):
    """dx/dt = b - a x from 1."""

    a: Array = param(0.5, unit="1/ms", doc="rate")
    b: Array = param(3.0, unit="1/ms", doc="drive")

    def init(self, *, key, dt):
        return State({"x": jnp.ones(1)}, {})

    def flow(self, t, y, args):
        return {"x": Affine(-self.a, self.b)}

    def jump(self, t, y, args, *, dt, key):
        return y, args.mem, {}


TIGHT = {"rtol": 1e-9, "atol": 1e-10}


def test_a_steady_state():
    sol = solve(Relaxation(), 1000.0, steady=True, **TIGHT)
    assert sol["x"].item() == pytest.approx(6.0 - 6.1e-9 / 0.5, abs=1e-9)
    # It stops where |f| = 2.5 exp(-t / 2) has fallen to atol + rtol |x|.
    assert float(sol.ts[0]) == pytest.approx(2 * np.log(2.5 / 6.1e-9), abs=0.2)
    assert float(sol.state.time) == sol.ts[0]


def test_no_steady_state_until_the_end():
    with pytest.raises(RuntimeError, match="no steady state was reached"):
        solve(Relaxation(), 5.0, steady=True)
    with pytest.raises(ValueError, match="leave out 'ts'"):
        solve(Relaxation(), 5.0, steady=True, ts=[1.0])
    with pytest.raises(ValueError, match="does not have: use diffrax.PID"):
        fixed = diffrax.ConstantStepSize()
        solve(Relaxation(), 5.0, steady=True, stepsize_controller=fixed, dt0=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("transform", [jax.jacrev, jax.jacfwd], ids=["reverse", "forward"])
def test_the_derivative_of_a_steady_state(transform):
    def rest(p):
        model = Relaxation(**p)
        adjoint = diffrax.ImplicitAdjoint()
        return solve(model, 1000.0, steady=True, adjoint=adjoint, max_steps=2000, **TIGHT)["x"][-1]

    # The rule of diffrax.ImplicitAdjoint multiplies whole and floating numbers.
    with jax.numpy_dtype_promotion("standard"):
        found = jax.jit(transform(rest))({"a": jnp.array(0.5), "b": jnp.array(3.0)})
    np.testing.assert_allclose(found["a"], [-12.0], rtol=1e-7)  # of b / a
    np.testing.assert_allclose(found["b"], [2.0], rtol=1e-7)


@pytest.mark.slow
def test_the_resting_potential_of_a_neuron_with_events():
    def rest(u, adjoint=diffrax.ImplicitAdjoint()):
        return solve(MorrisLecar(1), 4000.0, inputs=u, steady=True, adjoint=adjoint)["v"][-1, 0]

    slope = (rest(20.01) - rest(19.99)) / 0.02
    with jax.numpy_dtype_promotion("standard"):
        found = jax.jit(jax.grad(rest))(20.0)
    np.testing.assert_allclose(found, slope, rtol=1e-4)


@pytest.mark.slow
def test_an_adjoint_for_both_modes():
    def run(u):
        neuron = LIF(1, tau=20.0, v_rest=-65.0, v_th=-50.0, v_reset=-65.0, t_ref=2.0)
        options = {"max_events": 4, "max_steps": 500, "adjoint": diffrax.DirectAdjoint()}
        return solve(neuron, 40.0, inputs=u, **options, **TIGHT).spike_times("spike", 2)[0]

    u = 30.0
    slope = 20 * (1 / u - 1 / (u - 15))
    for transform in (jax.jacfwd, jax.jacrev):
        np.testing.assert_allclose(jax.jit(transform(run))(u), [slope, 2 * slope], rtol=1e-6)


def test_unfit_adjoints_are_refused():
    with pytest.raises(ValueError, match="is for steady states"):
        solve(Relaxation(), 5.0, adjoint=diffrax.ImplicitAdjoint())
    with pytest.raises(ValueError, match="'adjoint' must be one of.*solve_ode"):
        solve(Relaxation(), 5.0, adjoint=diffrax.BacksolveAdjoint())
