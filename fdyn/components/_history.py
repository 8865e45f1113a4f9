"""The past of a state, as the flow of a model with delays sees it."""

import abc
from typing import Any

import equinox as eqx
from jax import Array
from jaxtyping import PyTree


class AbstractHistory(eqx.Module):
    r"""The past of a state: `hist(lag)` is $y(t - \mathrm{lag})$.

    One flow serves simulation (the past that was), equilibria (a past that never changes) and
    characteristic roots (a past that grows exponentially): only the history differs.

    **Source:** none; a convention of this library.
    """

    @abc.abstractmethod
    def __call__(self, lag: Any, name: str | None = None) -> PyTree:
        """The state `lag` (ms) ago.

        **Arguments:** `lag`: ms; a number, or an array that broadcasts against the leaf, one lag
        per element; `name`: path of a single leaf such as `"v"`; the whole state by default.

        **Returns:** like the state, or like the leaf broadcast against `lag`.
        """

    @abc.abstractmethod
    def derivative(self, lag: Any, name: str | None = None) -> PyTree:
        """The derivative of the state `lag` (ms) ago, per ms, for neutral equations."""

    @abc.abstractmethod
    def child(self, name: str) -> "AbstractHistory":
        """The past of one entry of the state, which a network hands to its node."""


class NoHistory(AbstractHistory):
    """The history of a model that nobody keeps: using it is an error that says what to do."""

    def __call__(self, lag: Any, name: str | None = None) -> PyTree:
        """Raises `ValueError`."""
        raise ValueError(
            "the flow asks for the past of the state, but this solver keeps none. Use "
            "fdyn.solvers.DelayRK4(span=...) in simulate, or fdyn.solvers.solve_dde."
        )

    def derivative(self, lag: Any, name: str | None = None) -> Array:
        """Raises `ValueError`."""
        return self(lag, name)

    def child(self, name: str) -> "NoHistory":
        """The same."""
        del name
        return self
