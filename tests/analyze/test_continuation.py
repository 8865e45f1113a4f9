"""Branches: folds and Hopf points against reference cases and normal forms."""

import jax.numpy as jnp
import numpy as np
import pytest
from cases import case
from normal_forms import Fold, Hopf, Linear, NeutralSaddle

from fdyn import Network, State
from fdyn.analyze import PseudoArclength, continue_equilibria
from fdyn.components import KHH, ConductanceBased, Leak, MorrisLecar, NaHH

SETS = {"an_ml_hopf_set": (-60.0, 300.0), "an_ml_snic_set": (-60.0, 150.0)}


def model_of(name, **changed):
    p = case(name)["parameters"]
    given = {
        "c": p["C"], "g_l": p["gL"], "e_l": p["VL"], "e_ca": p["VCa"], "g_k": p["gK"],
        "e_k": p["VK"], "v1": p["V1"], "v2": p["V2"], "g_ca": p["gCa"], "v3": p["V3"],
        "v4": p["V4"], "phi": p["phi"],
    }  # fmt: skip
    return MorrisLecar(1, **{**given, **changed})


def check(points, values, p_rtol):
    assert [x.kind for x in points] == [v["type"] for v in values]
    for point, want in zip(points, values, strict=True):
        np.testing.assert_allclose(point.parameter, want["p"], rtol=p_rtol)
        state = [point.y["v"].item(), point.y["w"].item()]
        np.testing.assert_allclose(state, want["x"], rtol=p_rtol)
        if want["type"] == "hopf":
            np.testing.assert_allclose(point.omega, want["omega"], rtol=p_rtol)
            ends = np.sort_complex(point.eigenvalues)
            np.testing.assert_allclose(ends, [-1j * want["omega"], 1j * want["omega"]], rtol=1e-6)
        else:
            assert np.abs(point.eigenvalues).min() < 1e-8


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("backward", [False, True], ids=["up", "down"])
def test_morris_lecar(name, backward):
    low, high = SETS[name]
    span = (high, low) if backward else (low, high)
    branch = continue_equilibria(model_of(name), span)
    value, tolerance = case(name)["value"], case(name)["tolerance"]["p_rtol"]
    assert tolerance == 1e-6
    check(branch.points[:: -1 if backward else 1], value, tolerance)
    assert branch.status.ok and branch.name == "input"
    np.testing.assert_allclose(branch.parameter[[0, -1]], span, rtol=1e-12)


def test_stability_changes_at_the_points_and_nowhere_else():
    branch = continue_equilibria(model_of("an_ml_snic_set"), (-60.0, 150.0))
    changes = np.flatnonzero(np.diff(branch.stable))
    assert changes.tolist() == [branch.points[0].index, branch.points[2].index]
    unstable = (np.real(branch.eigenvalues) > 0).sum(axis=1)
    a, b, c = (x.index for x in branch.points)
    assert set(unstable[: a + 1]) == {0} and set(unstable[a + 1 : b + 1]) == {1}
    assert set(unstable[b + 1 : c + 1]) == {2} and set(unstable[c + 1 :]) == {0}
    assert set(branch.kinds[a + 1 : b + 1]) == {"saddle"}


def test_every_point_of_a_branch_is_an_equilibrium():
    branch = continue_equilibria(model_of("an_ml_hopf_set"), (-60.0, 300.0))
    v = branch.y["v"][:, 0]
    m, w = (1 + jnp.tanh((v + 1.2) / 18)) / 2, (1 + jnp.tanh((v - 2) / 30)) / 2
    current = 2 * (v + 60) + 4.4 * m * (v - 120) + 8 * w * (v + 84)
    np.testing.assert_allclose(branch.parameter, current, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("h_max", [0.01, 0.05, 0.2])
def test_the_points_do_not_depend_on_the_steps(h_max):
    branch = continue_equilibria(
        model_of("an_ml_snic_set"), (-60.0, 150.0), method=PseudoArclength(h_max=h_max)
    )
    check(branch.points, case("an_ml_snic_set")["value"], 1e-9)


def test_fold_normal_form():
    branch = continue_equilibria(Fold(jnp.array([-1.0])), (-1.0, 1.0))
    (fold,) = branch.points
    assert fold.kind == "fold" and abs(fold.parameter) < 1e-12 and abs(fold.y["x"][0]) < 1e-9
    np.testing.assert_allclose(branch.parameter[[0, -1]], [-1.0, -1.0])
    np.testing.assert_allclose(branch.y["x"][[0, -1], 0], [-1.0, 1.0], rtol=1e-9)
    np.testing.assert_allclose(branch.parameter, -(branch.y["x"][:, 0] ** 2), atol=1e-9)


@pytest.mark.slow
def test_hopf_normal_form_over_a_parameter():
    branch = continue_equilibria(Hopf(), (-1.0, 1.5), where=lambda m: m.mu)
    (hopf,) = branch.points
    assert branch.name == "mu" and hopf.kind == "hopf"
    assert abs(hopf.parameter) < 1e-10 and hopf.omega is not None
    np.testing.assert_allclose(hopf.omega, 0.7, rtol=1e-9)
    np.testing.assert_allclose(np.real(branch.eigenvalues)[:, 0], branch.parameter, atol=1e-9)


def test_a_neutral_saddle_is_no_hopf_point():
    branch = continue_equilibria(NeutralSaddle(), (-0.5, 0.5), where=lambda m: m.mu)
    sums = np.real(branch.eigenvalues).sum(axis=1)
    assert sums[0] < 0 < sums[-1]
    assert branch.points == ()


@pytest.mark.slow
def test_hodgkin_huxley_in_a_network():
    # Hopf points of the 1952 equations, Hassard 1978, J. Theor. Biol. 71:401: 9.7796 and 154.527.
    squid = ConductanceBased(1, {"na": NaHH(), "k": KHH(), "leak": Leak(e=jnp.array(-54.4))})
    branch = continue_equilibria(Network({"E": squid}), (0.0, 180.0), path="E")
    assert [x.kind for x in branch.points] == ["hopf", "hopf"]
    np.testing.assert_allclose([x.parameter for x in branch.points], [9.78, 154.5], rtol=2e-3)
    assert branch.name == "input E"


@pytest.mark.slow
def test_other_inputs_stay():
    net = Network({"A": MorrisLecar(1), "B": MorrisLecar(1)})
    branch = continue_equilibria(net, (80.0, 110.0), path="A", inputs={"B": 30.0})
    (hopf,) = branch.points
    np.testing.assert_allclose(hopf.parameter, 93.85761837372546, rtol=1e-9)
    assert np.ptp(branch.y["B"]["v"]) < 1e-9
    with pytest.raises(ValueError, match="varies"):
        continue_equilibria(net, (80.0, 110.0), path="A", inputs={"A": 30.0})


def test_a_branch_that_cannot_go_on_says_so():
    with pytest.raises(RuntimeError, match="no equilibrium found at 1"):
        continue_equilibria(Fold(), (1.0, 2.0))
    part = continue_equilibria(MorrisLecar(1), (0.0, 300.0), max_points=5, throw=False)
    assert len(part) == 5 and not part.status.ok and "max_points" in part.status.message
    none = continue_equilibria(Fold(), (1.0, 2.0), throw=False)
    assert not none.status.ok


def test_arguments_are_checked():
    model = MorrisLecar(1)
    with pytest.raises(ValueError, match="span"):
        continue_equilibria(model, (1.0, 1.0))
    with pytest.raises(ValueError, match="one parameter"):
        continue_equilibria(model, (1.0, 2.0), where=lambda m: [m.phi, m.g_k])
    with pytest.raises(ValueError, match="select parameters"):
        continue_equilibria(model, (1.0, 2.0), where=lambda m: m.size)
    with pytest.raises(ValueError, match="h_min"):
        PseudoArclength(h_init=0.1)
    with pytest.raises(ValueError, match="no 'B'. Known: A"):
        continue_equilibria(Network({"A": model}), (1.0, 2.0), path="B")


def test_start_from_a_given_state():
    start = State({"x": jnp.array([1.1])}, {})
    branch = continue_equilibria(Fold(), (-1.0, 1.0), state=start)
    np.testing.assert_allclose(branch.y["x"][0], [1.0], rtol=1e-9)


def test_a_flow_that_is_linear_has_a_straight_branch():
    a = jnp.array([[-1.0, 0.5], [0.0, -2.0]])
    model = Linear(a, jnp.zeros(2), jnp.zeros(2))
    branch = continue_equilibria(model, (0.0, 3.0), where=lambda m: m.b)
    assert branch.points == ()
    want = np.outer(branch.parameter, -np.linalg.solve(a, np.ones(2)))
    np.testing.assert_allclose(branch.y["x"], want, atol=1e-9)
