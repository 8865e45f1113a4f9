"""Input components: what drives a model from outside, as nodes or through `inputs=`."""

import abc
from collections.abc import Iterator
from typing import Any, ClassVar, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..._misc import child_key, is_quantity, is_traced
from ..._param import param
from .._base import AbstractPopulation, Args, State, check_shapes, size_field

UNITS: dict[str, str] = {"value": "unit of the input"}


class AbstractInput(AbstractPopulation):
    r"""A population that makes its one output by itself: signals, noise, spike trains, encoders.

    Through `inputs=` of a driver its output is the input of what it drives, read at the start of
    each step; as a node of a network it is read by projections, at the end of each step. Inputs
    add, subtract, multiply and divide, with each other and with numbers or arrays `[size]`:
    `2.0 * Sinusoid(8) + OrnsteinUhlenbeck(8)`. Noise in such an expression is drawn for itself, so
    `noise + noise` are two processes.

    **Raises:** `ValueError` where inputs of different sizes are combined.

    **Source:** none; a convention of this library.
    """

    # Lets `numpy_array * signal` come here instead of making an array of objects.
    __array_ufunc__ = None

    def __add__(self, other: Any) -> "AbstractInput":
        return _pair(_Sum, self, _as_input(other, self.size))

    def __radd__(self, other: Any) -> "AbstractInput":
        return _pair(_Sum, _as_input(other, self.size), self)

    def __mul__(self, other: Any) -> "AbstractInput":
        return _pair(_Product, self, _as_input(other, self.size))

    def __rmul__(self, other: Any) -> "AbstractInput":
        return _pair(_Product, _as_input(other, self.size), self)

    def __truediv__(self, other: Any) -> "AbstractInput":
        return _pair(_Quotient, self, _as_input(other, self.size))

    def __rtruediv__(self, other: Any) -> "AbstractInput":
        return _pair(_Quotient, _as_input(other, self.size), self)

    def __neg__(self) -> "AbstractInput":
        return self * -1.0

    def __sub__(self, other: Any) -> "AbstractInput":
        return self + -_as_input(other, self.size)

    def __rsub__(self, other: Any) -> "AbstractInput":
        return _as_input(other, self.size) + -self


class AbstractStatelessInput(AbstractInput):
    """An input without state of its own: only its output, made anew every step.

    **Source:** none; a convention of this library.
    """

    def init(self, *, key: Array, dt: float) -> State:
        """No state."""
        del key, dt
        return State({}, {})

    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """No flow."""
        del t, y, args
        return {}


class AbstractSignal(AbstractStatelessInput):
    r"""A function of time, $u_i(t)$: called with a time (ms) it returns `[size]`.

    `fdyn.solve` starts anew at the `breaks` of a signal, where it jumps or bends. On a time grid a
    jump counts as reached within a millionth of a step, which forgives the rounding of decimal
    fractions. **Output:** `value`, `[size]`.

    **Source:** none; a convention of this library.
    """

    units: ClassVar[dict[str, str]] = UNITS

    @abc.abstractmethod
    def at(self, t: Array, edge: Array) -> Array:
        """The value at `t`, where a jump has come if `edge` (ms) has reached it; `[size]`."""

    @abc.abstractmethod
    def breaks(self, t0: Any, t1: Any) -> Any:
        """The times (ms) between `t0` and `t1`, and maybe others, at which it is not smooth."""

    @final
    def __call__(self, t: Any) -> Array:
        """The value at `t` (ms), `[size]`."""
        t = jnp.asarray(t, jnp.result_type(float))
        return jnp.broadcast_to(self.at(t, t), (self.size,))

    @final
    def jump(
        self, t: Array, y: dict, args: Args, *, dt: Array, key: Array
    ) -> tuple[dict, dict, dict]:
        """The value at `t` as output."""
        del key
        value = self.at(t, t + slack(t, dt))
        return y, args.mem, {"value": jnp.broadcast_to(value, (self.size,))}


def slack(t: Array, dt: Array) -> Array:
    """How far (ms) a time on the grid may be off by rounding."""
    return jnp.maximum(1e-6 * dt, 4 * jnp.finfo(t.dtype).eps * jnp.abs(t))


class _AbstractPair(AbstractInput):
    """Two inputs at a time; its state has a part for each."""

    left: AbstractInput
    right: AbstractInput

    units: ClassVar[dict[str, str]] = {**UNITS, "left": UNITS["value"], "right": UNITS["value"]}

    def __check_init__(self):
        left, right = self.left, self.right
        if left.size != right.size:
            raise ValueError(
                f"a {type(left).__name__} of size {left.size} and a {type(right).__name__} of size "
                f"{right.size} cannot be combined: give both one size."
            )

    @property
    def size(self) -> int:
        """That of both."""
        return self.left.size

    @abc.abstractmethod
    def join(self, left: Array, right: Array) -> Array:
        """The output made of both."""

    def __call__(self, t: Any) -> Array:
        """The value at `t` (ms) where both are functions of time, `[size]`."""
        t = jnp.asarray(t, jnp.result_type(float))
        return jnp.broadcast_to(self.at(t, t), (self.size,))

    def at(self, t: Array, edge: Array) -> Array:
        """As of a signal."""
        return self.join(as_signal(self.left).at(t, edge), as_signal(self.right).at(t, edge))

    def init(self, *, key: Array, dt: float) -> State:
        """The states of both."""
        parts = {
            name: part.init(key=child_key(key, name), dt=dt) for name, part in self._parts().items()
        }
        return State(*({k: getattr(s, what) for k, s in parts.items()} for what in ("y", "mem")))

    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """The flows of both."""
        return {k: p.flow(t, y[k], Args(args.mem[k])) for k, p in self._parts().items()}

    def diffusion(self, t: Array, y: dict, args: Args) -> dict | None:
        """The noise of both."""
        noise = {k: p.diffusion(t, y[k], Args(args.mem[k])) for k, p in self._parts().items()}
        return None if all(g is None for g in noise.values()) else noise

    def jump(
        self, t: Array, y: dict, args: Args, *, dt: Array, key: Array
    ) -> tuple[dict, dict, dict]:
        """What is made of the outputs of both."""
        y, mem, values = dict(y), dict(args.mem), []
        for k, part in self._parts().items():
            y[k], mem[k], out = part.jump(t, y[k], Args(mem[k]), dt=dt, key=child_key(key, k))
            (value,) = out.values()
            values.append(value)
        return y, mem, {"value": self.join(*values)}

    def _parts(self) -> dict[str, AbstractInput]:
        return {"left": self.left, "right": self.right}


def _pair(kind: Any, left: AbstractInput, right: AbstractInput) -> AbstractInput:
    return kind(left, right)


class _Sum(_AbstractPair):
    def join(self, left: Array, right: Array) -> Array:
        return left + right


class _Product(_AbstractPair):
    def join(self, left: Array, right: Array) -> Array:
        return left * right


class _Quotient(_AbstractPair):
    def join(self, left: Array, right: Array) -> Array:
        return left / right


class ConstantInput(AbstractSignal):
    r"""An input that does not change, $u_i = a_i$, for example one current per neuron.

    **Arguments:** `size`: number of units; `amplitude`: scalar or `[size]`, in the unit of the
    input of what it drives. **Output:** `value`, `[size]`.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn import simulate
    >>> from fdyn.components import LIF
    >>> current = ConstantInput(3, jnp.array([10.0, 20.0, 30.0]))
    >>> simulate(LIF(3), 100.0, dt=0.1, inputs=current, record="spike")["spike"].sum(0).tolist()
    [0.0, 3.0, 7.0]

    ```

    **Source:** none; a definition.
    """

    size: int = size_field()
    amplitude: Array = param(unit="1", doc="amplitude, in the unit of the input")

    def __check_init__(self):
        check_shapes(self, self.size)

    def at(self, t: Array, edge: Array) -> Array:
        """The amplitude."""
        del t, edge
        return self.amplitude

    def breaks(self, t0: Any, t1: Any) -> Any:
        """None."""
        del t0, t1
        return ()


def _as_input(value: Any, size: int) -> AbstractInput:
    if isinstance(value, AbstractInput):
        return value
    if is_quantity(value):
        raise ValueError(f"inputs carry no unit and combine with plain numbers; got {value!r}.")
    try:
        return ConstantInput(size, value)
    except ValueError as e:
        raise ValueError(
            f"an input combines with inputs, numbers and arrays of shape ({size},); got {value!r}."
        ) from e


def as_signal(value: AbstractInput) -> Any:
    """An input that is a function of time."""
    if not hasattr(value, "at"):
        raise ValueError(
            f"a {type(value).__name__} is no function of time: it is random or has a state of its "
            "own."
        )
    return value


def signals_in(tree: Any) -> Iterator[AbstractSignal]:
    """The signals of which an input is made."""
    is_signal = lambda x: isinstance(x, AbstractSignal)  # noqa: E731
    return filter(is_signal, jax.tree.leaves(tree, is_leaf=is_signal))


def known(signal: AbstractSignal, *times: Any) -> None:
    """Refuse to list what repeats without end where period or limits are only known later."""
    if is_traced((signal, times)):
        raise ValueError(
            f"solve: how often a {type(signal).__name__} jumps must be known, and inside of jit, "
            "vmap and grad neither its parameters nor the duration are. Give them as numbers, or "
            "an input with a fixed number of jumps such as Steps."
        )


def between(period: Any, first: Any, t0: Any, t1: Any) -> np.ndarray:
    """The times `first + k * period` from `t0` to `t1`, of every unit."""
    found = [np.zeros(0)]
    for p, f in np.broadcast(np.atleast_1d(period), np.atleast_1d(first)):
        found.append(f + p * np.arange(np.ceil((t0 - f) / p), np.floor((t1 - f) / p) + 1))
    return np.unique(np.concatenate(found))
