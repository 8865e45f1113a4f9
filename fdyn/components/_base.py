"""The component protocol: a hybrid dynamical system with a flow and a jump."""

import abc
import operator
from collections.abc import Callable
from typing import Any, ClassVar, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import PyTree

from .._param import AbstractParametric
from ._history import AbstractHistory, NoHistory


class State(eqx.Module):
    """The state of a component; it mirrors the tree of the model.

    **Arguments:**

    - `y`: floating leaves that the flow integrates, in the units of the component.
    - `mem`: all else: refractory clocks, delay rings, weights that learn.
    - `solver`: the memory of the solver; empty for one-step methods.

    ```python
    >>> State({"v": 1.0}, {}).solver
    ()

    ```

    **Source:** none; a convention of this library.
    """

    y: PyTree
    mem: PyTree
    solver: PyTree = ()


class Args(eqx.Module):
    """What is constant during one step.

    **Arguments:**

    - `mem`: the discrete part of the state.
    - `u`: the input, already delayed and summed by the parent; an array, an `Affine` in the
      voltage, or a dictionary of those for a network; `None` for no input.
    - `fired`: which events a driver has located (a mask like the value of `events`); `None` on
      a time grid, where the component itself tests for a crossing.
    - `hist`: the past of the state, `hist(lag)` being the state `lag` ms ago, where the solver
      keeps it; see `AbstractHistory`.

    ```python
    >>> Args({}, None).fired is None
    True

    ```

    **Source:** none; a convention of this library.
    """

    mem: PyTree
    u: PyTree = None
    fired: PyTree = None
    hist: AbstractHistory = NoHistory()


class CommonNoise(eqx.Module):
    r"""Coefficients of noise from Wiener processes that several leaves or units have in common.

    $$dy = f\,dt + \sum_{k=1}^m g_k\,dW_k$$

    It stands in the value of `diffusion` in the place of one leaf, of a subtree, or of the whole.
    One process (`m = 1`) is scalar noise, more are general noise; a plain array in the place of a
    leaf is diagonal noise, with a process of its own for every element.

    **Arguments:** `g`: like the leaves it stands for, each `[..., m]` with one more axis at the
    end, unit/sqrt(ms).

    ```python
    >>> import jax.numpy as jnp
    >>> CommonNoise({"v": jnp.ones((10, 1))}).g["v"].shape  # ten units, one process
    (10, 1)

    ```

    **Source:** Kloeden & Platen 1992, Numerical Solution of SDEs, eq. 4.5.1.
    """

    g: PyTree


class Affine(eqx.Module):
    r"""The derivative $a y + b$ of one leaf, or a current $a v + b$, its linear part kept apart.

    It makes exponential Euler exact for every conditionally linear leaf. Affines add to and
    subtract from each other and arrays, and scale by numbers.

    **Arguments:** `a`: rate, 1/ms (or conductance with negative sign); `b`: the rest; arrays that
    broadcast to the leaf.

    ```python
    >>> f = Affine(-2.0, 6.0) + 4.0
    >>> f(5.0)
    0.0

    ```

    **Source:** the linear part of exponential integrators, Hochbruck & Ostermann 2010, Acta
    Numerica 19:209.
    """

    a: Any
    b: Any

    # Lets `numpy_array * affine` come here instead of making an array of objects.
    __array_ufunc__ = None

    def __call__(self, y: Any) -> Any:
        """The derivative at `y`."""
        return self.a * y + self.b

    def __add__(self, other: Any) -> "Affine":
        other = as_affine(other)
        return Affine(_add(self.a, other.a), _add(self.b, other.b))

    __radd__ = __add__

    def __neg__(self) -> "Affine":
        return Affine(-self.a, -self.b)

    def __sub__(self, other: Any) -> "Affine":
        return self + -as_affine(other)

    def __rsub__(self, other: Any) -> "Affine":
        return -self + other

    def __mul__(self, factor: Any) -> "Affine":
        return Affine(self.a * factor, self.b * factor)

    __rmul__ = __mul__

    def __truediv__(self, factor: Any) -> "Affine":
        return self * (1 / factor)


def _add(x: Any, y: Any) -> Any:
    # A literal zero stands for "no such part": dropping it here keeps the traced graph small.
    if isinstance(x, float) and x == 0.0:
        return y
    if isinstance(y, float) and y == 0.0:
        return x
    return x + y


def as_affine(u: Any) -> Affine:
    r"""An input in the form $a v + b$, so that a model can take nothing, arrays and conductances.

    Nothing is $0 v + 0$, an array $u$ is $0 v + u$, an `Affine` stays as it is.

    **Arguments:** `u`: what a component gets as `args.u`: `None`, a number or an array in the unit
    of its input, or an `Affine`.

    **Returns:** an `Affine`; add it to the derivative of the leaf that the input drives.

    ```python
    >>> f = Affine(-0.5, 6.0)
    >>> (f + as_affine(None))(10.0), (f + as_affine(3.0))(10.0)
    (1.0, 4.0)
    >>> (f + as_affine(Affine(-0.25, 3.0)))(10.0)
    1.5

    ```

    **Source:** none; a convention of this library.
    """
    if u is None:
        return Affine(0.0, 0.0)
    return u if isinstance(u, Affine) else Affine(0.0, u)


def is_affine(x: Any) -> bool:
    """Whether a node of a tree of derivatives is an `Affine`, hence a leaf of that tree."""
    return isinstance(x, Affine)


class AbstractComponent(AbstractParametric, eqx.Module):
    """A hybrid dynamical system: a smooth flow, and a jump at the instants of a grid or of events.

    A model author writes `init`, `flow` and `jump`, and where they apply the hooks `diffusion`,
    `held`, `events` and `timer`. `step` is derived from them and final. Components hold parameters,
    never state. `units` names the unit of each state variable and output.

    **Source:** hybrid systems in the sense of Goebel, Sanfelice & Teel 2009, IEEE Control Syst.
    Mag. 29:28.
    """

    units: ClassVar[dict[str, str]] = {}

    @abc.abstractmethod
    def init(self, *, key: Array, dt: float) -> State:
        """The initial state; `dt` (ms) only sizes delay rings."""

    @abc.abstractmethod
    def flow(self, t: Array, y: PyTree, args: Args) -> PyTree:
        """The derivative of `y` at `t` (ms): like `y`, each leaf dy/dt or an `Affine`."""

    @abc.abstractmethod
    def jump(
        self, t: Array, y: PyTree, args: Args, *, dt: Array, key: Array
    ) -> tuple[PyTree, PyTree, PyTree]:
        """Threshold, reset, arrivals, learning at `t`: `(y, mem, out)`.

        `dt` (ms) is the time since the last jump; `out` is a dictionary of named outputs. `args.u`
        is the whole input as in `flow`, in a network with that of the synapses at this instant.
        """

    # These hooks, `activity` and `kick` are the only concrete methods that a subclass may override.
    def diffusion(self, t: Array, y: PyTree, args: Args) -> PyTree | None:
        """The coefficient of white noise, like `y`, in unit/sqrt(ms).

        An array stands for independent noise of each element, `None` for none, `CommonNoise` for
        Wiener processes that elements share.
        """
        del t, y, args
        return None

    def held(self, y: PyTree, args: Args) -> PyTree | None:
        """Masks like `y` of what stays where it is (a refractory period); `None` for nothing.

        Solvers with a memory need it: in an equation of fractional order a derivative of zero does
        not mean rest.
        """
        del y, args
        return None

    def events(self, t: Array, y: PyTree, args: Args) -> PyTree:
        """Functions of the state that cross zero upward at an event; `()` without events."""
        del t, y, args
        return ()

    def timer(self, mem: PyTree) -> Array:
        """Time (ms) until the earliest clock in `mem` runs out; infinite without clocks."""
        del mem
        return jnp.array(jnp.inf)

    @final
    def step(
        self, state: State, u: PyTree = None, *, t: Array, dt: Array, key: Array, solver: Any
    ) -> tuple[State, PyTree]:
        """One step of a time grid: the solver carries `y` along the flow, then the jump.

        **Arguments:** `state`; `u`: input during the step; `t`: time at its start, ms; `dt`: its
        length, ms; `key`: random key of this step; `solver`: from `fdyn.solvers`.

        **Returns:** the state at `t + dt` and the outputs stamped `t + dt`.
        """
        args = Args(state.mem, u)
        noise_key, jump_key = jax.random.split(key)
        y, memory = solver.step(self, t, dt, state.y, args, state.solver, noise_key)
        y, mem, out = self.jump(t + dt, y, args, dt=dt, key=jump_key)
        return State(y, mem, memory), out


def vector_field(model: AbstractComponent) -> Callable[[Any, PyTree, Args], PyTree]:
    """The flow of a model as a plain function, for diffrax, root finding and continuation.

    **Arguments:** `model`: any component.

    **Returns:** `f(t, y, args)`, whose value is like `y`, in the unit of `y` per ms.

    ```python
    >>> import jax
    >>> from fdyn.components import LIF
    >>> neuron = LIF(1, tau=20.0, v_rest=-60.0)
    >>> state = neuron.init(key=jax.random.key(0), dt=0.1)
    >>> vector_field(neuron)(0.0, {"v": state.y["v"] + 20.0}, Args(state.mem))["v"].tolist()
    [-1.0]

    ```

    **Source:** none; the identity flow = vector field.
    """

    def field(t: Any, y: PyTree, args: Args) -> PyTree:
        def collapse(r: Any, x: Array) -> Array:
            return jnp.broadcast_to(r(x) if is_affine(r) else r, x.shape)

        return jax.tree.map(collapse, model.flow(t, y, args), y, is_leaf=is_affine)

    return field


class AbstractPopulation(AbstractComponent):
    """A component of `size` like units, whose outputs are arrays of shape `[size]`.

    **Source:** none; a convention of this library.
    """

    size: eqx.AbstractVar[int]


class AbstractNeuron(AbstractPopulation):
    """A population that synapses can act on: units with a membrane potential, or of a rate model.

    **Source:** none; a convention of this library.
    """

    @abc.abstractmethod
    def potential(self, y: PyTree) -> Array:
        """The membrane potential, mV, or what else the outputs of synapses see, `[size]`."""

    def activity(self, y: PyTree) -> Array:
        """What graded synapses see, `[size]`; the potential unless a model says otherwise."""
        return self.potential(y)

    def kick(self, y: PyTree, args: Args, dv: Array) -> PyTree:
        """The state after a jump of the potential by `dv` (mV, `[size]`); lost where it is held."""
        if "v" not in y:
            raise ValueError(
                f"a Delta synapse makes the potential 'v' jump, which {type(self).__name__} has "
                "not: use another synapse."
            )
        masks = self.held(y, args)
        held = masks.get("v") if isinstance(masks, dict) else None
        return {**y, "v": y["v"] + (dv if held is None else jnp.where(held, 0, dv))}


def check_size(size: Any, name: str = "size") -> int:
    """Field converter: a population has a positive whole number of units."""
    try:
        number = 0 if isinstance(size, bool) else operator.index(size)
    except TypeError:
        number = 0
    if number < 1:
        raise ValueError(f"'{name}' must be a positive integer, got {size!r}.")
    return number


def size_field() -> Any:
    """The field that holds the number of units of a population (static)."""
    return eqx.field(static=True, converter=check_size)


def check_kind(module: Any, name: str, kind: type) -> None:
    """A field holds a component of its role."""
    value = getattr(module, name)
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIO" else "a"
        raise ValueError(
            f"{type(module).__name__}: '{name}' must be {article} {kind.__name__}, got {value!r}."
        )


def check_shapes(module: Any, size: int, where: str = "") -> None:
    """Every parameter array of a population is a scalar or has its size."""
    for leaf in jax.tree.leaves(eqx.filter(module, eqx.is_array)):
        if leaf.shape not in ((), (size,)):
            raise ValueError(
                f"{where}{type(module).__name__}: a parameter must be a scalar or have shape "
                f"({size},), "
                f"got an array of shape {leaf.shape}."
            )


def spread(x: Array, size: int) -> Array:
    """A parameter as the state of `size` units."""
    return jnp.broadcast_to(x, (size,))
