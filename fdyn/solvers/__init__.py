"""Fixed-step solvers for `fdyn.simulate`; adaptive ones are diffrax's, through `fdyn.solve`."""

from ._base import AbstractStepSolver as AbstractStepSolver
from ._euler_maruyama import EulerMaruyama as EulerMaruyama
from ._exponential_euler import ExponentialEuler as ExponentialEuler
from ._runge_kutta import RK4 as RK4
from ._runge_kutta import Euler as Euler
from ._runge_kutta import Heun as Heun

__all__ = [
    "AbstractStepSolver",
    "Euler",
    "EulerMaruyama",
    "ExponentialEuler",
    "Heun",
    "RK4",
]
