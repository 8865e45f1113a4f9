"""Parameters of a model: declared with default, unit and meaning; replaced."""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ._misc import is_quantity, is_traced, magnitude, nearest, own

M = TypeVar("M")
# What to do about a value that is no leaf of a model.
STATIC = (
    "Such a value is static: structure of the model, which neither learns nor is replaced. Make "
    "the module that holds it anew. A plain delay of a Projection is one: make a new Projection, "
    "or give it a FractionalDelay, whose '.delay.values' is a leaf."
)
_BOUNDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "positive": lambda x: x > 0,
    "non-negative": lambda x: x >= 0,
    "any": lambda x: x == x,
    "above absolute zero": lambda x: x > -273.15,
}


class _Converter:
    """Turns what a user passes for a parameter into a strongly typed array in its unit."""

    def __init__(self, unit: str, bound: str, optional: bool):
        # No temperature lies lower, whatever a model says.
        self.bound = "above absolute zero" if unit == "degC" else bound
        self.unit, self.optional = unit, optional
        self.field: Any = None

    def __call__(self, value: Any) -> Array | None:
        if value is None and self.optional:
            return None
        name = self.field.name
        value = magnitude(value, self.unit, name)
        try:
            # An explicit dtype: a weakly typed leaf would become strong after the first update
            # of an optimiser, and everything would compile a second time.
            array = own(value, jnp.result_type(float))
        except (TypeError, ValueError) as e:
            raise ValueError(
                f"'{name}' expects a number or an array in {self.unit!r}, got {value!r}."
            ) from e
        self.check(array)
        return array

    def check(self, array: Any) -> None:
        if not eqx.is_array(array) or is_traced(array):
            return
        values = np.asarray(array)
        bad = ~_BOUNDS[self.bound](values)
        if bad.any():
            wanted = "a number" if self.bound == "any" else f"{self.bound}"
            raise ValueError(
                f"'{self.field.name}' must be {wanted} (in {self.unit!r}), "
                f"got {np.unique(values[bad])[:3].tolist()}."
            )


def param(
    default: Any = dataclasses.MISSING,
    *,
    unit: str,
    doc: str,
    bound: str = "any",
    optional: bool = False,
) -> Any:
    """Declare a parameter of a model: a leaf of its pytree, so it can be fitted and swept.

    **Arguments:**

    - `default`: the value when none is given; left out, the parameter is required.
    - `unit`: unit in which plain numbers are understood, `"1"` for none. A quantity of a units
      library (anything with `.to(unit).magnitude`) is converted to it.
    - `doc`: what the parameter means.
    - `bound`: `"any"`, `"positive"`, `"non-negative"`, or, as of every `unit="degC"`, `"above
      absolute zero"`; checked at construction and by `replace`.
    - `optional`: whether `None` is a value too, as it is where it is the default.

    **Returns:** a dataclass field for the body of an `equinox.Module`. The stored value is an array
    of the default floating dtype with the shape of what was given (a scalar, or `[n]`).

    **Raises:** on construction of the model, `ValueError` for a wrong dimension, a value out of
    bounds, NaN, or what is no number.

    ```python
    >>> import equinox as eqx
    >>> class Leaky(eqx.Module):
    ...     tau: jax.Array = param(20.0, unit="ms", doc="time constant", bound="positive")
    >>> Leaky().tau.item(), Leaky(tau=5).tau.item()
    (20.0, 5.0)

    ```

    **Source:** none; a convention of this library.
    """
    if bound not in _BOUNDS:
        raise ValueError(f"bound must be one of {sorted(_BOUNDS)}, got {bound!r}.")
    convert = _Converter(unit, bound, optional or default is None)
    kwargs: dict[str, Any] = {} if default is dataclasses.MISSING else {"default": default}
    convert.field = eqx.field(converter=convert, metadata={"unit": unit, "doc": doc}, **kwargs)
    return convert.field


class AbstractParametric:
    """A module whose constructor answers a misspelt parameter with the nearest names."""

    def __new__(cls, *args: Any, **kwargs: Any):
        """A new object, unless a parameter does not exist."""
        known = _keywords(cls.__init__)
        for name in kwargs:
            if known is not None and name not in known:
                raise TypeError(f"{cls.__name__} has no parameter {name!r}. {nearest(name, known)}")
        return super().__new__(cls, *args, **kwargs)


@functools.cache
def _keywords(init: Any) -> tuple[str, ...] | None:
    """The names that a constructor takes, without `self`; `None` if it takes any."""
    _, *taken = inspect.signature(init).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in taken):
        return None
    return tuple(p.name for p in taken if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY))


def parameters(module: Any) -> Iterator[tuple[str, dataclasses.Field, Any]]:
    """Every parameter declared in a tree of modules, as (path, field, value)."""
    yield from _walk((), module)


def _walk(path: tuple[str, ...], node: Any) -> Iterator[tuple[str, dataclasses.Field, Any]]:
    if isinstance(node, eqx.Module):
        for f in dataclasses.fields(node):
            value = getattr(node, f.name)
            # A parameter may also take a module, such as a signal, with parameters of its own.
            if "unit" in f.metadata and not isinstance(value, eqx.Module):
                yield ".".join((*path, f.name)), f, value
            else:
                yield from _walk((*path, f.name), value)
    elif isinstance(node, dict):
        for k, value in node.items():
            yield from _walk((*path, str(k)), value)
    elif isinstance(node, list | tuple):
        for k, value in enumerate(node):
            yield from _walk((*path, str(k)), value)


def replace(model: M, where: Callable[[M], Any], value: Any) -> M:
    """A copy of `model` with the parameters that `where` selects replaced.

    Unlike `equinox.tree_at` it keeps the dtype of the old leaf (so nothing compiles again),
    converts quantities, and checks what the constructors check: bounds, shapes, indices.

    **Arguments:**

    - `model`: any pytree of modules.
    - `where`: function from the model to one leaf, or to a tuple or list of leaves.
    - `value`: the new leaf, or as many values as leaves were selected.

    **Returns:** the changed copy; `model` itself stays as it was.

    **Raises:** `ValueError` where a value is out of its parameter's bounds, has a wrong unit or one
    where none is declared, where the number of values differs from the number of leaves, and where
    what is selected is static, or is a module and the value an array.

    ```python
    >>> from fdyn.components import LIF
    >>> neuron = LIF(10)
    >>> replace(neuron, lambda m: m.tau, 10.0).tau.item()
    10.0

    ```

    **Source:** none; a convention of this library.
    """
    old = where(model)
    many = isinstance(old, list | tuple)
    values = list(value) if many else [value]
    leaves = list(old) if many else [old]
    if len(values) != len(leaves):
        raise ValueError(f"replace: {len(leaves)} leaves selected, {len(values)} values given.")
    fields = {id(v): (path, f) for path, f, v in parameters(model)}
    known = {id(x) for x in jax.tree.leaves(model)}
    new = []
    for leaf, v in zip(leaves, values, strict=True):
        _check_selected(leaf, v, id(leaf) in known)
        path, field = fields.get(id(leaf), (None, None))
        if field is not None:
            v = magnitude(v, field.metadata["unit"], path or "")
        elif is_quantity(v):
            raise ValueError(
                "replace takes a plain number where no unit is declared, such as the weight of a "
                f"connectivity (in the unit of the synapse that it drives); got {v!r}."
            )
        if eqx.is_array(leaf) and not isinstance(v, eqx.Module):
            if jnp.issubdtype(leaf.dtype, jnp.integer) and not _whole(v):
                raise ValueError(f"replace: a leaf of {leaf.dtype} needs whole numbers, got {v!r}.")
            v = own(v, leaf.dtype)
        if field is not None:
            field.metadata["converter"].check(v)
        new.append(v)
    changed = eqx.tree_at(where, model, tuple(new) if many else new[0], is_leaf=lambda x: x is None)
    _check_again(changed)
    return changed


def _check_selected(node: Any, value: Any, is_leaf: bool) -> None:
    if isinstance(node, bool | int | float | str) and not is_leaf:
        raise ValueError(f"replace: 'where' selects {node!r}, which is no leaf. {STATIC}")
    number = eqx.is_array_like(value) or isinstance(value, list) or is_quantity(value)
    if isinstance(node, eqx.Module) and number:
        kind = type(node).__name__
        names = [f.name for f in dataclasses.fields(node) if eqx.is_array(getattr(node, f.name))]
        raise ValueError(
            f"replace: 'where' selects a whole {kind}, which an array cannot replace. Select one "
            f"of its arrays, {names}, or give a {kind}."
        )


def _whole(value: Any) -> bool:
    dtype = value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype
    return jnp.issubdtype(dtype, jnp.integer)


def _check_again(node: Any) -> None:
    """The checks that each module makes of itself when it is constructed, from the leaves up."""
    if isinstance(node, eqx.Module):
        for f in dataclasses.fields(node):
            _check_again(getattr(node, f.name))
        for kind in reversed(type(node).__mro__):
            if "__check_init__" in vars(kind):
                vars(kind)["__check_init__"](node)
    elif isinstance(node, dict | list | tuple):
        for child in node.values() if isinstance(node, dict) else node:
            _check_again(child)
