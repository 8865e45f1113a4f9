"""Strang splitting: its order on coupled and self-coupled models, its groups, its stability."""

import jax
import numpy as np
import pytest
from helpers import slope, squid
from jax.flatten_util import ravel_pytree
from scipy.integrate import solve_ivp

from fdyn import Affine, Args, Network, Projection, simulate, vector_field
from fdyn.components import COBA, LIF, Exponential, MorrisLecar
from fdyn.solvers import ExponentialEuler, Heun, StrangSplitting, solve_ode
from fdyn.solvers._strang import _groups
from fdyn.sparse import Dense

DTS = [0.01, 0.005, 0.0025]


def coupled():
    """Two neurons of Hodgkin and Huxley, each with a conductance that has started already."""
    w = Dense(np.zeros((2, 2)))
    return Network(
        {"E": squid(2, v_init=np.array([-65.0, -60.0]), v_th=1000.0)},
        {"s": Projection("E", "E", w, Exponential(3.0, g_init=0.2), COBA(0.0))},
    )


def free():
    """Neurons that do not reach their threshold: a product of two variables, v g."""
    w = Dense(np.zeros((2, 2)))
    return Network(
        {"E": LIF(2, v_th=1000.0)},
        {"s": Projection("E", "E", w, Exponential(3.0, g_init=5.0), COBA(0.0))},
    )


def end_of(model, t, u):
    """The state at `t` by scipy."""
    state = model.init(key=jax.random.key(0), dt=0.1)
    flat, unravel = ravel_pytree(state.y)
    field = jax.jit(
        lambda y: ravel_pytree(vector_field(model)(0.0, unravel(y), Args(state.mem, u)))[0]
    )
    sol = solve_ivp(
        lambda _, y: np.asarray(field(y)), (0, t), flat, "DOP853", rtol=1e-11, atol=1e-12
    )
    return sol.y[:, -1]


@pytest.mark.parametrize(
    ("model", "t", "u"),
    [
        (squid(1), 2.0, 20.0),
        pytest.param(coupled(), 2.0, {"E": 10.0}, marks=pytest.mark.slow),
        (MorrisLecar(1), 8.0, 100.0),
        pytest.param(free(), 8.0, {"E": 10.0}, marks=pytest.mark.slow),
    ],
    ids=["Hodgkin-Huxley", "network", "Morris-Lecar", "conductances"],
)
def test_order_two(model, t, u):
    """Of Morris & Lecar the voltage is not linear in itself; in a network groups mix parts."""
    exact, errors = end_of(model, t, u), []
    for dt in DTS:
        end = simulate(model, t, dt=dt, inputs=u, solver=StrangSplitting()).state.model.y
        errors.append(abs(np.asarray(ravel_pytree(end)[0]) - exact).max())
    assert StrangSplitting().order == 2
    assert slope(DTS, errors) == pytest.approx(2, abs=0.15)


def test_groups():
    """The voltages of a network move in one turn, all gates and conductances in the other."""
    #        v         m    h    w (another voltage) x (its gate)
    sees = [{0, 1, 2}, {0}, {0}, {3, 4}, {3, 0}]
    assert _groups(sees) == [[0, 3], [1, 2, 4]]
    assert _groups([{1}, {2}, {0}]) == [[0], [1], [2]]
    assert _groups([set(), {1}]) == [[0, 1]]


def test_where_one_group_is_all_it_is_exact_in_one_turn():
    neuron = LIF(2, v_init=-55.0, v_th=1000.0)
    v = simulate(neuron, 30.0, dt=30.0, inputs=5.0, solver=StrangSplitting()).state.model.y["v"]
    np.testing.assert_allclose(v, -60 + 5 * np.exp(-1.5), rtol=1e-13)


@pytest.mark.slow
def test_it_stays_stable_where_an_explicit_method_does_not():
    """At a step of 0.1 ms the sodium gate of the squid axon has a rate of up to 20 per ms."""
    spikes = {
        type(solver): simulate(
            squid(1), 100.0, dt=0.1, inputs=10.0, solver=solver, record="spike", throw=False
        )
        for solver in (StrangSplitting(), ExponentialEuler(), Heun())
    }
    assert spikes[StrangSplitting].status.ok and spikes[StrangSplitting]["spike"].sum() == 7
    assert spikes[ExponentialEuler].status.ok
    v = spikes[Heun].state.model.y["v"]
    assert not spikes[Heun].status.ok or abs(float(v[0])) > 1000


@pytest.mark.slow
def test_complex_states_are_carried_on_without_a_warning():
    """y' = (i - 0.1) z, z' = 0.2 i z + i y, where each is held in the turn of the other."""

    def f(t, y, args):
        return {"y": (1j - 0.1) * y["z"], "z": Affine(0.2j, 1j * y["y"])}

    y0, errors, dts = {"y": 1.0 + 0j, "z": 0.5j}, [], [0.1, 0.05]
    vectors = np.linalg.eig(np.array([[0, 1j - 0.1], [1j, 0.2j]]))
    modes = np.linalg.solve(vectors[1], np.array([1.0, 0.5j]))
    exact = vectors[1] @ (np.exp(vectors[0]) * modes)
    for dt in dts:
        end = solve_ode(f, y0, [0.0, 1.0], None, StrangSplitting(), dt=dt).ys
        errors.append(abs(np.array([end["y"][-1], end["z"][-1]]) - exact).max())
    assert slope(dts, errors) == pytest.approx(2, abs=0.1)


def test_noise_is_refused():
    with pytest.raises(ValueError, match="without noise"):
        simulate(squid(1, sigma=1.0), 1.0, dt=0.1, solver=StrangSplitting())
