"""Equilibria against closed forms, an independent root finder and reference cases."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
import pytest
from cases import case
from normal_forms import Arctan, Fold, Hopf, Linear
from scipy.optimize import brentq

from fdyn import Affine, Args, Network, State, vector_field
from fdyn.analyze import classify, equilibria
from fdyn.components import (
    KHH,
    LIF,
    AbstractNeuron,
    ConductanceBased,
    ConstantInput,
    Leak,
    MorrisLecar,
    NaHH,
    PoissonInput,
)

RATE = jnp.array(5.0)
TRACES: list[int] = []


def root(f, low, high) -> float:
    found: Any = brentq(f, low, high, xtol=1e-13)
    return found


def squid(n=1):
    return ConductanceBased(n, {"na": NaHH(), "k": KHH(), "leak": Leak()})


def hh_steady_current(v):
    """The Hodgkin-Huxley current at rest, written out from the equations of 1952."""
    am, bm = 0.1 * (v + 40) / (1 - np.exp(-(v + 40) / 10)), 4 * np.exp(-(v + 65) / 18)
    ah, bh = 0.07 * np.exp(-(v + 65) / 20), 1 / (1 + np.exp(-(v + 35) / 10))
    an, bn = 0.01 * (v + 55) / (1 - np.exp(-(v + 55) / 10)), 0.125 * np.exp(-(v + 65) / 80)
    m, h, n = am / (am + bm), ah / (ah + bh), an / (an + bn)
    return 120 * m**3 * h * (v - 50) + 36 * n**4 * (v + 77) + 0.3 * (v + 54.387), (m, h, n)


@pytest.mark.parametrize(
    "values, kind",
    [
        ([-1.0, -2.0], "stable node"),
        ([1.0, 2.0], "unstable node"),
        ([-1 + 2j, -1 - 2j], "stable focus"),
        ([0.1 + 2j, 0.1 - 2j], "unstable focus"),
        ([-1.0, 2.0], "saddle"),
        ([-1 + 1j, -1 - 1j, 2.0], "saddle-focus"),
        ([-9 + 1j, -9 - 1j, -1.0, 2.0], "saddle"),
        ([0.0, -1.0], "non-hyperbolic"),
        ([1e-12 + 2j, 1e-12 - 2j], "non-hyperbolic"),
        ([-9 + 1j, -9 - 1j, -1.0], "stable node"),
    ],
)
def test_kinds(values, kind):
    assert classify(values) == kind
    assert classify(values[::-1]) == kind


def test_linear_system():
    eigenvalues = np.array([-0.5 + 3j, -0.5 - 3j, -2.0, 1.5])
    blocks = np.array([[-0.5, 3.0, 0, 0], [-3.0, -0.5, 0, 0], [0, 0, -2.0, 0], [0, 0, 0, 1.5]])
    basis = np.random.default_rng(0).normal(size=(4, 4))
    a, b = basis @ blocks @ np.linalg.inv(basis), np.arange(1.0, 5.0)
    found = equilibria(
        Linear(*map(jnp.asarray, (a, b, np.zeros(4)))), box={"x": (-9.0, 9.0)}, n_guesses=5
    )
    assert len(found) == 1 and found.converged == found.attempts == 5
    np.testing.assert_allclose(found.y["x"][0], -np.linalg.solve(a, b), rtol=1e-8)
    want = sorted(eigenvalues, key=lambda x: (-x.real, -x.imag))
    np.testing.assert_allclose(found.eigenvalues[0], want, rtol=1e-8)
    assert found.kinds == ("saddle-focus",) and not found.stable[0]


def test_both_roots_of_the_fold_normal_form():
    found = equilibria(Fold(jnp.zeros(1)), inputs=-4.0, box={"x": (-5.0, 5.0)}, n_guesses=16)
    np.testing.assert_allclose(found.y["x"][:, 0], [-2.0, 2.0], rtol=1e-9)
    np.testing.assert_allclose(found.eigenvalues[:, 0], [-4.0, 4.0], rtol=1e-9)
    assert found.kinds == ("stable node", "unstable node")
    assert (found.residuals <= 4e-11).all() and found.status.ok


def test_no_root_is_said():
    with pytest.raises(RuntimeError, match="none of 8 guesses.*0.5"):
        equilibria(Fold(), inputs=0.5, box={"x": (-5.0, 5.0)}, n_guesses=8)
    found = equilibria(Fold(), inputs=0.5, box={"x": (-5.0, 5.0)}, n_guesses=8, throw=False)
    assert len(found) == 0 and not found.status.ok and found.y["x"].shape == (0,)


@pytest.mark.parametrize("current", [0.0, 6.0, 20.0])
def test_hodgkin_huxley_rest(current):
    v = root(lambda v: hh_steady_current(v)[0] - current, -80.0, -41.0)
    found = equilibria(squid(), inputs=current)
    np.testing.assert_allclose(found.y["v"], [[v]], rtol=1e-10)
    gates = hh_steady_current(v)[1]
    for path, want in zip((("na", "m"), ("na", "h"), ("k", "n")), gates, strict=True):
        np.testing.assert_allclose(found.y[path[0]][path[1]], [[want]], rtol=1e-9)
    if current == 0:
        assert abs(v + 64.996) < 1e-3


def test_hodgkin_huxley_rest_loses_stability():
    # Hopf at about 9.78 uA/cm^2, Rinzel & Miller 1980, Math. Biosci. 49:27.
    kinds = [equilibria(squid(), inputs=i).stable.all() for i in (9.0, 10.5)]
    assert kinds == [True, False]


def test_the_three_equilibria_below_the_saddle_node():
    p = case("an_ml_snic_set")["parameters"]
    model = MorrisLecar(1, phi=p["phi"], g_ca=p["gCa"], v3=p["V3"], v4=p["V4"])
    found = equilibria(model, inputs=20.0, box={"v": (-80.0, 60.0), "w": (0.0, 1.0)})

    def balance(v):
        m, w = (1 + np.tanh((v + 1.2) / 18)) / 2, (1 + np.tanh((v - 12) / 17.4)) / 2
        return 20.0 - 2 * (v + 60) - 4 * m * (v - 120) - 8 * w * (v + 84)

    grid = np.linspace(-80, 60, 2000)
    change = np.flatnonzero(np.diff(np.sign(balance(grid))))
    roots = [root(balance, grid[k], grid[k + 1]) for k in change]
    assert len(roots) == 3
    np.testing.assert_allclose(found.y["v"][:, 0], roots, rtol=1e-9)
    assert found.kinds[0] == "stable node" and found.kinds[1] == "saddle"


@pytest.mark.slow
def test_one_input_per_unit_and_networks():
    model = MorrisLecar(2)
    currents = ConstantInput(2, jnp.array([0.0, 40.0]))
    both = equilibria(model, inputs=currents)
    ones = [equilibria(MorrisLecar(1), inputs=i).y["v"].item() for i in (0.0, 40.0)]
    np.testing.assert_allclose(both.y["v"][0], ones, rtol=1e-9)
    net = Network({"A": MorrisLecar(1), "B": LIF(1)})
    found = equilibria(net, inputs={"A": 40.0, "B": 3.0})
    np.testing.assert_allclose(found.y["A"]["v"][0, 0], ones[1], rtol=1e-9)
    np.testing.assert_allclose(found.y["B"]["v"][0, 0], -62.0, rtol=1e-9)
    assert found.eigenvalues.shape == (1, 3)


def test_guesses_and_state():
    model = Fold(jnp.zeros(1))
    found = equilibria(model, inputs=-1.0, guesses={"x": jnp.array([[0.9], [1.1], [-0.8]])})
    np.testing.assert_allclose(found.y["x"][:, 0], [-1.0, 1.0], rtol=1e-9)
    start = State({"x": jnp.array([1.3])}, {})
    np.testing.assert_allclose(equilibria(model, inputs=-1.0, state=start).y["x"], [[1.0]])


def test_a_root_is_where_the_vector_field_is_zero():
    model = squid()
    found = equilibria(model, inputs=5.0)
    mem = model.init(key=jax.random.key(0), dt=0.1).mem
    y = jax.tree.map(lambda x: x[0], found.y)
    rate = vector_field(model)(0.0, y, Args(mem, jnp.asarray(5.0)))
    assert max(float(jnp.abs(x).max()) for x in jax.tree.leaves(rate)) <= found.residuals[0] + 1e-14


@pytest.mark.slow
def test_single_precision(float32):
    v = root(lambda v: hh_steady_current(v)[0], -80.0, -41.0)
    found = equilibria(squid())
    assert found.y["v"].dtype == jnp.float32
    np.testing.assert_allclose(found.y["v"], [[v]], rtol=1e-5)


def test_a_guess_from_which_newton_diverges_still_leads_to_the_root():
    newton = optx.Newton(rtol=1e-10, atol=1e-10)
    assert len(equilibria(Arctan(), solver=newton, throw=False)) == 0
    found = equilibria(Arctan())
    np.testing.assert_allclose(found.y["x"], [[0.0]], atol=1e-10)
    np.testing.assert_allclose(found.eigenvalues, [[-1.0]], rtol=1e-9)


class Counted(AbstractNeuron):
    """x' = -x + u, which counts how often it is traced."""

    size: int = 1

    def init(self, *, key, dt):
        return State({"v": jnp.zeros(1)}, {})

    def potential(self, y):
        return y["v"]

    def flow(self, t, y, args):
        TRACES.append(1)
        return {"v": Affine(-1.0, args.u)}

    def jump(self, t, y, args, *, dt, key):
        return y, args.mem, {}


def test_new_inputs_and_guesses_do_not_compile_again():
    box = {"v": (-1.0, 1.0)}
    equilibria(Counted(), inputs=1.0, box=box, n_guesses=4)
    before = len(TRACES)
    found = equilibria(Counted(), inputs=2.0, box={"v": (0.0, 1.0)}, n_guesses=4)
    assert before > 0 and len(TRACES) == before
    np.testing.assert_allclose(found.y["v"], [[2.0]])


def test_errors_name_what_is_wrong():
    model = MorrisLecar(1)
    with pytest.raises(ValueError, match="box.*'vv'.*Did you mean 'v'"):
        equilibria(model, box={"vv": (0.0, 1.0)})
    with pytest.raises(ValueError, match="not both"):
        equilibria(model, box={"v": (0.0, 1.0)}, guesses={"v": jnp.zeros(1)})
    with pytest.raises(ValueError, match="one more axis"):
        equilibria(model, guesses={"v": jnp.zeros((2, 1))})
    for drive in (jnp.sin, PoissonInput(1, rate=RATE)):
        with pytest.raises(ValueError, match="constant in time"):
            equilibria(model, inputs=drive)
    with pytest.raises(ValueError, match="no flow"):
        equilibria(PoissonInput(3, rate=RATE))
    assert len(equilibria(Hopf())) == 1
