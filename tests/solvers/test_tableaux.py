"""The order conditions of every tableau, in numbers: no run, no tolerance but rounding."""

import numpy as np
import pytest

from fdyn import solvers
from fdyn.solvers import RK2, RODAS3, RODAS4

EXPLICIT = [
    solvers.Euler(),
    solvers.Midpoint(),
    solvers.Heun(),
    solvers.Ralston(),
    RK2(),
    RK2(beta=0.3),
    RK2(beta=1.7),
    solvers.RK3(),
    solvers.SSPRK3(),
    solvers.RK4(),
    solvers.RK38(),
]


def lower(rows) -> np.ndarray:
    """Rows below the diagonal as a square matrix."""
    full = np.zeros((len(rows), len(rows)))
    for i, row in enumerate(rows):
        full[i, : len(row)] = row
    return full


def conditions(b, a, beta) -> list[tuple[int, float]]:
    """The order of each condition, and what is missing to it (Hairer & Wanner 1996, table IV.7.1).

    With `beta = a` those of an explicit Runge-Kutta method (Hairer, Norsett & Wanner 1993, table
    II.2.1).
    """
    one = np.ones(len(b))
    alpha, sums = a @ one, beta @ one
    return [
        (1, b @ one - 1),
        (2, b @ sums - 1 / 2),
        (3, b @ alpha**2 - 1 / 3),
        (3, b @ beta @ sums - 1 / 6),
        (4, b @ alpha**3 - 1 / 4),
        (4, b @ (alpha * (a @ sums)) - 1 / 8),
        (4, b @ beta @ alpha**2 - 1 / 12),
        (4, b @ beta @ beta @ sums - 1 / 24),
    ]


def check(found: list[tuple[int, float]], order: int, rounding: float) -> None:
    met = [missing for k, missing in found if k <= order]
    assert np.abs(met).max() < rounding, met
    if order < 4:
        # No higher order than is claimed, or the class would be a better one than it says.
        assert max(abs(missing) for k, missing in found if k == order + 1) > 1e-3


@pytest.mark.parametrize("solver", EXPLICIT, ids=repr)
def test_order_conditions_of_explicit_methods(solver):
    rows, b, c = solver.tableau
    a = lower(rows)
    np.testing.assert_allclose(a.sum(1), c, atol=1e-15)
    check(conditions(np.array(b), a, a), solver.order, 1e-15)


@pytest.mark.parametrize("solver", [RODAS3(), RODAS4()], ids=repr)
def test_order_conditions_of_rosenbrock_methods(solver):
    tab = solver.tableau
    stages = len(tab.m)
    # Back from the form without products with the Jacobian to the coefficients of the theory.
    gamma = np.linalg.inv(np.eye(stages) / tab.diagonal - lower(tab.c))
    a, b = lower(tab.a) @ gamma, np.array(tab.m) @ gamma
    beta = a + gamma
    np.testing.assert_allclose(np.diag(gamma), tab.diagonal, rtol=1e-14)
    np.testing.assert_allclose(a.sum(1), tab.alpha, atol=1e-14)
    np.testing.assert_allclose(gamma.sum(1), tab.gamma, atol=1e-14)
    check(conditions(b, a, beta), solver.order, 1e-14)
    # Stiffly accurate: the end is the last stage of the linear problem.
    np.testing.assert_allclose(beta[-1], b, atol=1e-14)


def test_the_methods_of_order_two_are_one_family():
    for beta, solver in ((1 / 2, solvers.Midpoint()), (2 / 3, solvers.Ralston())):
        assert RK2(beta).tableau == solver.tableau
    assert RK2(1.0).tableau == solvers.Heun().tableau
    assert RK2() == RK2(2 / 3)


@pytest.mark.parametrize("beta", [0.0, -0.5, float("nan"), float("inf"), "half", True, None])
def test_a_place_of_the_second_stage_that_makes_no_method_is_refused(beta):
    with pytest.raises(ValueError, match=r"RK2: 'beta' must be a positive number"):
        RK2(beta=beta)
