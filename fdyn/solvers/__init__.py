"""Solvers: fixed steps for `fdyn.simulate`, and ways in for equations given as plain functions."""

from ._adams import AdamsBashforthMoulton as AdamsBashforthMoulton
from ._base import AbstractStepSolver as AbstractStepSolver
from ._delay_rk4 import DelayRK4 as DelayRK4
from ._diffrax import Diffrax as Diffrax
from ._etd import ETD2 as ETD2
from ._etd import ETDRK4 as ETDRK4
from ._euler_maruyama import EulerMaruyama as EulerMaruyama
from ._exact_linear import ExactLinear as ExactLinear
from ._exponential_euler import ExponentialEuler as ExponentialEuler
from ._fast_l1 import FastL1 as FastL1
from ._fractional import AbstractFractionalSolver as AbstractFractionalSolver
from ._grunwald_letnikov import GrunwaldLetnikov as GrunwaldLetnikov
from ._implicit import BackwardEuler as BackwardEuler
from ._implicit import CrankNicolson as CrankNicolson
from ._l1 import L1 as L1
from ._milstein import Milstein as Milstein
from ._mittag_leffler import mittag_leffler as mittag_leffler
from ._noise import brownian_path as brownian_path
from ._rosenbrock import RODAS3 as RODAS3
from ._rosenbrock import RODAS4 as RODAS4
from ._runge_kutta import RK2 as RK2
from ._runge_kutta import RK3 as RK3
from ._runge_kutta import RK4 as RK4
from ._runge_kutta import RK38 as RK38
from ._runge_kutta import SSPRK3 as SSPRK3
from ._runge_kutta import Euler as Euler
from ._runge_kutta import Heun as Heun
from ._runge_kutta import Midpoint as Midpoint
from ._runge_kutta import Ralston as Ralston
from ._solve_dde import solve_dde as solve_dde
from ._solve_fde import solve_fde as solve_fde
from ._solve_ode import solve_ode as solve_ode
from ._solve_sde import solve_sde as solve_sde
from ._stochastic_heun import StochasticHeun as StochasticHeun
from ._strang import StrangSplitting as StrangSplitting
from ._trajectory import Trajectory as Trajectory

__all__ = [
    "AbstractFractionalSolver",
    "AbstractStepSolver",
    "AdamsBashforthMoulton",
    "BackwardEuler",
    "CrankNicolson",
    "DelayRK4",
    "Diffrax",
    "ETD2",
    "ETDRK4",
    "Euler",
    "EulerMaruyama",
    "ExactLinear",
    "ExponentialEuler",
    "FastL1",
    "GrunwaldLetnikov",
    "Heun",
    "L1",
    "Midpoint",
    "Milstein",
    "RK2",
    "RK3",
    "RK38",
    "RK4",
    "RODAS3",
    "RODAS4",
    "Ralston",
    "SSPRK3",
    "StochasticHeun",
    "StrangSplitting",
    "Trajectory",
    "brownian_path",
    "mittag_leffler",
    "solve_dde",
    "solve_fde",
    "solve_ode",
    "solve_sde",
]
