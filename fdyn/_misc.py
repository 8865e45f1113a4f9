"""Small helpers that everything else stands on: safe rate functions, names, hashes."""

import difflib
import functools
import inspect
import math
import zlib
from collections.abc import Iterable
from typing import Any, TypeGuard

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax import Array

# More known names than this are not listed where some are near.
_MAX_NAMES = 12


def exprel(x: Array) -> Array:
    r"""The relative exponential $(e^x - 1)/x$, equal to 1 at $x = 0$, with a finite gradient there.

    **Arguments:** `x`: array of any shape, dimensionless.

    **Returns:** array of the shape of `x`.

    ```python
    >>> import jax, jax.numpy as jnp
    >>> float(exprel(jnp.array(0.0))), float(jax.grad(exprel)(jnp.array(0.0)))
    (1.0, 0.5)

    ```

    **Source:** the function $\varphi_1$ of Hochbruck & Ostermann 2010, Acta Numerica 19:209,
    eq. 2.10.
    """
    numerator, denominator = _exprel_fraction(x)
    # The division comes last, because XLA computes a division once but repeats the cheap
    # operations before it for everything that uses the result.
    return numerator / denominator


def _exprel_fraction(x: Array) -> tuple[Array, Array]:
    # Near 0 the series; its number of terms brings the remainder at the border below rounding.
    # Away from it the plain form, since exp vectorises better than expm1 (1.5 times on
    # Hodgkin-Huxley rates). Argument and result are both selected: a gradient also flows
    # through the branch not taken.
    border, terms = 0.35, (8 if jnp.finfo(x.dtype).bits <= 32 else 15)
    small = jnp.abs(x) < border
    series = jnp.asarray(1 / math.factorial(terms), x.dtype)
    for k in range(terms - 1, 0, -1):
        series = series * x + 1 / math.factorial(k)
    safe = jnp.where(small, 1, x)
    return jnp.where(small, series, jnp.exp(safe) - 1), safe


def vtrap(x: Array, y: Array | float) -> Array:
    r"""The rate factor $x/(e^{x/y} - 1)$, equal to $y$ at its removable singularity $x = 0$.

    **Arguments:** `x`: voltage difference, mV, any shape; `y`: slope, mV, broadcastable to `x`.

    **Returns:** array of the shape of `x`, mV.

    ```python
    >>> import jax.numpy as jnp
    >>> float(vtrap(jnp.array(0.0), 10.0))
    10.0

    ```

    **Source:** the rate functions of Hodgkin & Huxley 1952, J. Physiol. 117:500, eqs. 12 and 20.
    """
    # Beyond 80 the value is below 1e-32; left to grow, exp overflows and the gradient is NaN.
    numerator, denominator = _exprel_fraction(jnp.minimum(x / y, 80))
    return y * denominator / numerator


def stable_hash(name: str) -> int:
    """A 31-bit hash of a name that is the same in every process (the builtin one is salted)."""
    return zlib.crc32(name.encode()) & 0x7FFFFFFF


def child_key(key: Array, name: str) -> Array:
    """The random key that a parent hands to its child of this name."""
    return jax.random.fold_in(key, stable_hash(name))


def check_key(key: Any) -> None:
    """One random key, typed or of the older kind."""
    dtype, shape = getattr(key, "dtype", None), getattr(key, "shape", None)
    if dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key) and shape == ():
        return
    if dtype == jnp.uint32 and shape == (2,):
        return
    given = f"{type(key).__name__} {key!r}" if dtype is None else f"{dtype}{list(shape or ())}"
    raise ValueError(
        "'key' must be one random key, for example jax.random.key(0) (for several trials use "
        f"jax.vmap over keys); got {given}."
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence that names the known names: of many, the nearest to a mistaken one only."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    if close and len(known) > _MAX_NAMES:
        return f"Did you mean {', '.join(map(repr, close))}? ({len(known)} names are known.)"
    if close:
        return f"Did you mean {', '.join(map(repr, close))}? Known: {', '.join(known)}."
    return f"Known: {', '.join(known) if known else '(none)'}."


def is_traced(tree: Any) -> bool:
    """Whether a transformation (jit, vmap, grad) is looking at any leaf of `tree`."""
    return any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(tree))


def under_trace(functions: Iterable[Any] = ()) -> bool:
    """Whether this is called inside a transformation that makes even constants abstract (jit).

    Or inside one (grad, vmap) of which one of `functions` has caught a traced value.
    """
    return is_traced(jnp.zeros(())) or any(map(_caught, functions))


def _caught(fn: Any, seen: tuple[int, ...] = ()) -> bool:
    cells: list[Any] = []
    if inspect.isfunction(fn):
        cells += inspect.getclosurevars(fn).nonlocals.values()
        cells += [*(fn.__defaults__ or ()), *(fn.__kwdefaults__ or {}).values()]
    elif inspect.ismethod(fn):
        cells += [fn.__self__, fn.__func__, *getattr(fn.__self__, "__dict__", {}).values()]
    elif isinstance(fn, functools.partial):
        cells += [fn.func, *fn.args, *fn.keywords.values()]
    elif callable(fn) and hasattr(fn, "__dict__"):
        cells += vars(fn).values()
    seen = (*seen, id(fn))
    return any(is_traced(c) or (id(c) not in seen and _caught(c, seen)) for c in cells)


def own(value: Any, dtype: Any) -> Array:
    """`value` as an array of JAX that nobody else can write to.

    On the CPU `jnp.asarray` may share the memory of a numpy array, whose owner could then change
    a model that is meant to be immutable.
    """
    copy = isinstance(value, np.ndarray)
    return jnp.array(value, dtype=dtype, copy=True) if copy else jnp.asarray(value, dtype=dtype)


def is_quantity(value: Any) -> TypeGuard[Any]:
    """Whether `value` is a quantity of a units library such as pint."""
    return hasattr(value, "to") and hasattr(value, "magnitude")


def magnitude(value: Any, unit: str, name: str) -> Any:
    """The number behind `value` in `unit`; a plain number is taken to be in `unit` already."""
    if not is_quantity(value):
        return value
    try:
        return value.to("dimensionless" if unit == "1" else unit).magnitude
    except Exception as e:  # every units library has its own exception for a wrong dimension
        raise ValueError(f"'{name}' is measured in {unit!r} and cannot take {value!r}: {e}") from e
