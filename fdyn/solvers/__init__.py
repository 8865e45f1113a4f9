"""Solvers: fixed steps for `fdyn.simulate`, and ways in for equations given as plain functions."""

from ._base import AbstractStepSolver as AbstractStepSolver
from ._etd import ETD2 as ETD2
from ._etd import ETDRK4 as ETDRK4
from ._euler_maruyama import EulerMaruyama as EulerMaruyama
from ._exact_linear import ExactLinear as ExactLinear
from ._exponential_euler import ExponentialEuler as ExponentialEuler
from ._runge_kutta import RK2 as RK2
from ._runge_kutta import RK3 as RK3
from ._runge_kutta import RK4 as RK4
from ._runge_kutta import RK38 as RK38
from ._runge_kutta import SSPRK3 as SSPRK3
from ._runge_kutta import Euler as Euler
from ._runge_kutta import Heun as Heun
from ._runge_kutta import Midpoint as Midpoint
from ._runge_kutta import Ralston as Ralston
from ._solve_ode import solve_ode as solve_ode
from ._trajectory import Trajectory as Trajectory

__all__ = [
    "AbstractStepSolver",
    "ETD2",
    "ETDRK4",
    "Euler",
    "EulerMaruyama",
    "ExactLinear",
    "ExponentialEuler",
    "Heun",
    "Midpoint",
    "RK2",
    "RK3",
    "RK38",
    "RK4",
    "Ralston",
    "SSPRK3",
    "Trajectory",
    "solve_ode",
]
