"""Hodgkin-Huxley neurons, alone and in a small network: in fdyn, and written out for scipy.

The two share parameters and nothing else, so that each can check the other.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array
from scipy.integrate import solve_ivp

from fdyn import Network, Projection
from fdyn.components import (
    COBA,
    KHH,
    AbstractChannel,
    Affine,
    ConductanceBased,
    Exponential,
    Leak,
    NaHH,
)
from fdyn.sparse import Dense

TAU = 5.0  # of the synapses, ms
EVALUATIONS = [0]


class Counter(AbstractChannel):
    """A channel without a current, which counts how often the flow is evaluated."""

    def init(self, v: Array, ions: dict[str, Any]) -> dict[str, Array]:
        """No state."""
        return {}

    def flow(self, v: Array, y: dict[str, Array], ions: dict[str, Any]) -> dict[str, Any]:
        """No state."""
        return {}

    def current(self, v: Array, y: dict[str, Array], ions: dict[str, Any]) -> Affine:
        """None; counts."""
        jax.debug.callback(_tick)
        return Affine(0.0, 0.0)


def _tick() -> None:
    EVALUATIONS[0] += 1


class Problem(NamedTuple):
    """`drive` (uA/cm^2) of `n` neurons, whose spikes act through `weights` (mS/cm^2, pre by post)
    on conductances with a reversal potential of 0 mV; without weights a single neuron."""

    name: str
    duration: float
    drive: np.ndarray
    weights: np.ndarray | None
    start: np.ndarray

    @property
    def n(self) -> int:
        """Number of neurons."""
        return self.drive.size

    def model(self, counted: bool = False) -> Any:
        """The model of fdyn."""
        channels: dict[str, AbstractChannel] = {"na": NaHH(), "k": KHH(), "leak": Leak()}
        if counted:
            channels["z"] = Counter()
        neurons = ConductanceBased(self.n, channels, v_init=self.start)
        if self.weights is None:
            return neurons
        synapses = Projection("E", "E", Dense(self.weights), Exponential(TAU), COBA(e=0.0))
        return Network({"E": neurons}, {"EE": synapses})

    def path(self, name: str) -> str:
        """Where the model keeps a variable of its neurons."""
        return name if self.weights is None else f"E.{name}"

    def inputs(self) -> Any:
        """A constant current per neuron."""
        drive = jax.numpy.asarray(self.drive)
        affine = Affine(0.0 * drive, drive)
        return affine if self.weights is None else {"E": affine}

    def field(self) -> Callable[[float, np.ndarray], np.ndarray]:
        """The flow, as scipy takes it: rows are v, m, h, n, g."""
        n, drive = self.n, self.drive

        def f(t: float, flat: np.ndarray) -> np.ndarray:
            del t
            EVALUATIONS[0] += 1
            v, m, h, k, g = flat.reshape(5, n)
            out = np.empty((5, n))
            out[0] = drive - 120 * m**3 * h * (v - 50) - 36 * k**4 * (v + 77)
            out[0] -= 0.3 * (v + 54.387) + g * v
            for row, x, (alpha, beta) in zip((1, 2, 3), (m, h, k), rates(v), strict=True):
                out[row] = alpha * (1 - x) - beta * x
            out[4] = -g / TAU
            return out.ravel()

        return f


def rates(v: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Opening and closing rates of m, h and n, 1/ms."""
    return [
        (0.1 * trap(v + 40), 4 * np.exp(-(v + 65) / 18)),
        (0.07 * np.exp(-(v + 65) / 20), 1 / (1 + np.exp(-(v + 35) / 10))),
        (0.01 * trap(v + 55), 0.125 * np.exp(-(v + 65) / 80)),
    ]


def trap(u: np.ndarray) -> np.ndarray:
    """u / (1 - exp(-u / 10))."""
    safe = np.where(np.abs(u) < 1e-7, 1.0, u)
    return np.where(np.abs(u) < 1e-7, 10.0 + u / 2, safe / -np.expm1(-safe / 10))


def neuron(duration: float) -> Problem:
    """One neuron that fires regularly."""
    return Problem("one neuron", duration, np.array([10.0]), None, np.array([-65.0]))


def network(duration: float, n: int = 10) -> Problem:
    """Neurons of different drives that excite each other."""
    rng = np.random.default_rng(4)
    weights = np.where(rng.random((n, n)) < 0.4, rng.uniform(0.01, 0.03, (n, n)), 0.0)
    np.fill_diagonal(weights, 0.0)
    start = rng.uniform(-75.0, -62.0, n)
    return Problem(f"network of {n}", duration, rng.uniform(7.0, 14.0, n), weights, start)


class Answer(NamedTuple):
    """Voltages `[times, n]`, and the spike times (ms) of each neuron."""

    v: np.ndarray
    spikes: list[np.ndarray]


def by_scipy(problem: Problem, method: str, rtol: float, grid: np.ndarray) -> Answer:
    """The solution by scipy, which starts anew after each spike that others feel."""
    n, field = problem.n, problem.field()
    v = problem.start
    gates = [a / (a + b) for a, b in rates(v)]
    y = np.concatenate([v, *gates, np.zeros(n)])
    stops = problem.weights is not None
    events = [_crossing(i, stops) for i in range(n)]
    t, kept, spikes = 0.0, np.empty((grid.size, n)), [[] for _ in range(n)]
    while t < problem.duration:
        here = grid > t
        sol = solve_ivp(
            field,
            (t, problem.duration),
            y,
            method,
            t_eval=grid[here],
            events=events,
            rtol=rtol,
            atol=rtol * 1e-2,
        )
        if sol.status < 0:
            raise RuntimeError(f"{method}: {sol.message}")
        made = len(sol.t)
        if made:
            kept[np.flatnonzero(here)[:made]] = sol.y[:n].T
        fired = [i for i in range(n) if sol.t_events[i].size]
        for i in fired:
            spikes[i] += sol.t_events[i].tolist()
        if sol.status == 0:
            break
        (i,) = (i for i in fired if sol.t_events[i][-1] == max(sol.t_events[j][-1] for j in fired))
        t, y = float(sol.t_events[i][-1]), sol.y_events[i][-1].copy()
        y[4 * n :] += problem.weights[i]  # pyright: ignore[reportOptionalSubscript]
        # Past zero, or the same crossing would be found again.
        y[i] += 1e-9
    return Answer(kept, [np.array(s) for s in spikes])


def _crossing(i: int, terminal: bool) -> Any:
    def event(t: float, y: np.ndarray) -> float:
        del t
        return y[i]

    event.direction, event.terminal = 1.0, terminal  # pyright: ignore[reportFunctionMemberAccess]
    return event
