"""A row of the conformance table; each `rows_<family>.py` has those of one family."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from fdyn import components as comp

N = 3
Vary = Callable[[float], Any]


def no_variation(x: float) -> float:
    return x


def vector(x: float) -> np.ndarray:
    return x * (1 + 0.05 * np.arange(N))


@dataclasses.dataclass(frozen=True)
class Row:
    """A component as the suite builds it.

    `make(n, vary)` builds it with `n` units, and `vary` spreads a parameter over them; `u(n)` is an
    input with which nothing spikes within 20 steps of 0.05 ms. Rows that are not `quick` are
    checked by the slow tests; `flows` is false where there is no flow, and `coupled` true where the
    units act on each other, so that one alone does something else. `units(n)` is the number of
    units where it is not `n`, and `tables` are parameters that are no scalars or vectors.
    """

    covers: type
    make: Callable[[int, Vary], Any]
    u: Callable[[int], Any] = lambda n: None
    random: bool = False
    name: str = ""
    quick: bool = False
    flows: bool = True
    coupled: bool = False
    units: Callable[[int], int] = lambda n: n
    tables: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name or self.covers.__name__


def hard_lif(n: int, **kwargs) -> comp.LIF:
    """A neuron whose surrogate derivative vanishes, so that gradients are those of the values."""
    return comp.LIF(n, spike=comp.SuperSpike(1e9), **kwargs)
