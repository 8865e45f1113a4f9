"""Release: what becomes of a spike before it reaches the synapses."""

import abc
from typing import Any, ClassVar

import equinox as eqx
from jax import Array

from ..._param import AbstractParametric
from .._base import Args, State


class AbstractRelease(AbstractParametric, eqx.Module):
    """What a presynaptic spike releases: the role of short-term plasticity and of failures.

    One state per presynaptic unit; the spikes that have waited for the delay of the projection go
    through it before they reach the connectivity.

    **Source:** Tsodyks & Markram 1997, PNAS 94:719, in which the response of a synapse is its
    absolute strength times the part that a spike uses.
    """

    units: ClassVar[dict[str, str]] = {}

    @abc.abstractmethod
    def init(self, n: int) -> State:
        """The state of `n` presynaptic units."""

    @abc.abstractmethod
    def flow(self, y: dict[str, Array], args: Args) -> dict[str, Any]:
        """The derivative between spikes, each leaf an array or an `Affine`."""

    @abc.abstractmethod
    def release(
        self, y: dict[str, Array], args: Args, s: Array, *, dt: Array, key: Array
    ) -> tuple[dict[str, Array], dict[str, Array], Array]:
        """`(y, mem, s)`: the state after the spikes `s` of one step, and what they amount to."""
