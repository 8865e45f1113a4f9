"""Inputs that are made of another one: the rate of spike trains, what an encoder encodes."""

import abc
from typing import Any, ClassVar, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._misc import child_key, is_traced
from ..._param import param
from .._base import Args, State
from ._base import AbstractInput, ConstantInput

UNITS_OF_SPIKES: dict[str, str] = {"spike": "1", "source": "unit of the input"}


class AbstractEncoder(AbstractInput):
    """An input that turns numbers, or another input, into spikes.

    **State:** that of the other input, as `source`. **Output:** `spike`, `[size]`.

    **Source:** none; a convention of this library.
    """

    units: ClassVar[dict[str, str]] = UNITS_OF_SPIKES

    @abc.abstractmethod
    def source(self) -> AbstractInput:
        """What is turned into spikes."""

    @abc.abstractmethod
    def start(self, dt: float) -> dict:
        """The memory of the code itself at the start; `dt` in ms."""

    @abc.abstractmethod
    def encode(self, x: Array, mem: dict, *, dt: Array, key: Array) -> tuple[dict, Array]:
        """The memory and the spikes of a step with the value `x` of the source."""

    @final
    def init(self, *, key: Array, dt: float) -> State:
        """The states of the source and of the code."""
        state = self.source().init(key=child_key(key, "source"), dt=dt)
        return State({"source": state.y}, {"source": state.mem, "code": self.start(dt)})

    @final
    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """The flow of the source."""
        return {"source": self.source().flow(t, y["source"], Args(args.mem["source"]))}

    @final
    def diffusion(self, t: Array, y: dict, args: Args) -> dict | None:
        """The noise of the source."""
        noise = self.source().diffusion(t, y["source"], Args(args.mem["source"]))
        return None if noise is None else {"source": noise}

    @final
    def jump(
        self, t: Array, y: dict, args: Args, *, dt: Array, key: Array
    ) -> tuple[dict, dict, dict]:
        """The spikes of this step."""
        inner, old = Args(args.mem["source"]), y["source"]
        k = child_key(key, "source")
        y, mem, out = self.source().jump(t, old, inner, dt=dt, key=k)
        (x,) = out.values()
        code, spikes = self.encode(x, args.mem["code"], dt=dt, key=child_key(key, "code"))
        return {"source": y}, {"source": mem, "code": code}, {"spike": spikes}


class _Converter:
    """What `param` makes of numbers; inputs stay as they are."""

    def __init__(self, convert: Any):
        self.convert = convert

    def __call__(self, value: Any) -> Any:
        return value if isinstance(value, AbstractInput) else self.convert(value)

    def check(self, value: Any) -> None:
        self.convert.check(value)


def param_or_input(*, unit: str, doc: str, bound: str = "any") -> Any:
    """Declare a parameter that may also be an input, such as a signal."""
    convert = _Converter(param(unit=unit, doc=doc, bound=bound).metadata["converter"])
    # A field gets its name when the class is made, which the inner converter asks for.
    convert.convert.field = eqx.field(converter=convert, metadata={"unit": unit, "doc": doc})
    return convert.convert.field


def check_source(module: Any, name: str, size: int) -> None:
    """A source has one number for all units, one for each, or is an input of their number."""
    value = getattr(module, name)
    if isinstance(value, AbstractInput):
        if value.size != size:
            raise ValueError(
                f"{type(module).__name__}: the {type(value).__name__} given as {name!r} must have "
                f"size {size}, got {value.size}."
            )
    elif value.shape not in ((), (size,)):
        raise ValueError(
            f"{type(module).__name__}: {name!r} must be a scalar, have shape ({size},), or be an "
            f"input of that size; got shape {value.shape}."
        )


def as_source(value: Any, size: int) -> AbstractInput:
    """Numbers as a constant input."""
    return value if isinstance(value, AbstractInput) else ConstantInput(size, value)


class Range(eqx.Module):
    """The values that an encoder has a code for, from `low` to `high`, or below it."""

    name: str = eqx.field(static=True)
    low: Any
    high: Any
    below: bool = eqx.field(default=False, static=True)

    def outside(self, x: Any) -> Any:
        """Where a value has no code, as NaN and infinity have none."""
        within = (x >= self.low) & ((x < self.high) if self.below else (x <= self.high))
        return ~(within & (abs(x) < jnp.inf))

    def check(self, module: Any) -> None:
        """Refuse numbers without a code."""
        x = getattr(module, self.name)
        if isinstance(x, AbstractInput) or is_traced((x, self.low, self.high)):
            return
        x = np.asarray(x)
        bad = np.asarray(self.outside(x))
        if bad.any():
            found = np.unique(x[bad])[:3].tolist() if x.ndim else [x.item()]
            raise ValueError(f"{type(module).__name__}: '{self.name}' {self._must}, got {found}.")

    def checked(self, module: Any, x: Array) -> Array:
        """The value of an input, which is known in the run only."""
        if not isinstance(getattr(module, self.name), AbstractInput):
            return x
        message = f"{type(module).__name__}: '{self.name}' {self._must}; its input has left them."
        return eqx.error_if(x, jnp.any(self.outside(x)), message)

    @property
    def _must(self) -> str:
        if is_traced((self.low, self.high)):
            return "must lie within its limits"
        low, high = (np.asarray(x).tolist() for x in (self.low, self.high))
        if high == np.inf:
            return f"must be finite and at least {low:g}"
        return f"must lie from {low:g} to {'below ' if self.below else ''}{high:g}"
