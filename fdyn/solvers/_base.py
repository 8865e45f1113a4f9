"""The interface of a fixed-step solver."""

import abc
from typing import Any

import equinox as eqx
from jax import Array
from jaxtyping import PyTree

from ..components._base import AbstractComponent, Args


class AbstractStepSolver(eqx.Module):
    """Carries the continuous part of a state along the flow of a model by one step.

    `order` is the order of convergence in `dt` (the strong order for a stochastic method).

    **Source:** none; a convention of this library.
    """

    order: eqx.AbstractClassVar[float]

    @abc.abstractmethod
    def init(self, model: AbstractComponent, state: Any, dt: float) -> PyTree:
        """The memory of the solver; `()` for a one-step method."""

    @abc.abstractmethod
    def step(
        self,
        model: AbstractComponent,
        t: Array,
        dt: Array,
        y: PyTree,
        args: Args,
        solver_state: PyTree,
        key: Array,
    ) -> tuple[PyTree, PyTree]:
        """`y` at `t + dt` (ms) and the new memory; `args.u` is constant during the step."""


class AbstractOneStepSolver(AbstractStepSolver):
    """A solver without memory."""

    def init(self, model: AbstractComponent, state: Any, dt: float) -> tuple:
        """Nothing to remember."""
        del model, state, dt
        return ()


_FOR_NOISE = (
    "Use fdyn.solvers.ExponentialEuler(), EulerMaruyama() or Milstein(), or StochasticHeun() in "
    "the sense of Stratonovich."
)


def require_no_noise(
    solver: AbstractStepSolver,
    model: AbstractComponent,
    t: Array,
    y: PyTree,
    args: Args,
    advice: str = _FOR_NOISE,
) -> None:
    """Refuse to integrate a model with noise by a method that would leave the noise out."""
    if model.diffusion(t, y, args) is not None:
        raise ValueError(
            f"{type(solver).__name__} is for equations without noise, but this "
            f"{type(model).__name__} has some (its diffusion is not None). {advice}"
        )
