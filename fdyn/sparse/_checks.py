"""Checks of what a user hands over, with errors that say what was expected."""

import importlib
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array

from .._misc import is_quantity, own


def positions(units: Any, n: int, name: str) -> np.ndarray | None:
    """Which units a slice, a mask or integers select; `None` for all in their order."""
    if isinstance(units, slice):
        chosen = range(n)[units]
        whole = chosen == range(n)
        return None if whole else np.arange(chosen.start, chosen.stop, chosen.step, dtype=np.int64)
    units = np.asarray(units)
    if units.dtype == bool:
        if units.shape != (n,):
            raise IndexError(f"the mask of `{name}` has shape {units.shape}, expected {(n,)}")
        return np.flatnonzero(units)
    if units.ndim != 1 or not (units.size == 0 or np.issubdtype(units.dtype, np.integer)):
        raise IndexError(
            f"`{name}` is {units.dtype} of shape {units.shape}, expected a slice, a mask, or "
            "integers with 1 axis"
        )
    units = units.astype(np.int64)
    if units.size and not -n <= units.min() <= units.max() < n:
        raise IndexError(
            f"`{name}` has units from {units.min()} to {units.max()}, expected below {n}"
        )
    units = np.where(units < 0, units + n, units)
    twice = np.flatnonzero(np.bincount(units, minlength=n) > 1)
    if twice.size:
        raise IndexError(f"`{name}` takes unit {twice[0]} more than once, expected once at most")
    return units


def as_weight(weight: ArrayLike, layout: tuple[int, ...], shape: tuple[int, int]) -> Array:
    """Strongly typed floating weight, of one of the shapes of an attribute `weight`."""
    check_plain(weight, "weight")
    dtype = getattr(weight, "dtype", None)
    if dtype is None or not jnp.issubdtype(dtype, jnp.inexact):
        dtype = jnp.result_type(float)
    weight = own(weight, jax.dtypes.canonicalize_dtype(dtype))
    per_row, per_column = (shape[0], 1), (1, shape[1])
    if weight.shape not in ((), per_row, per_column, layout):
        raise ValueError(
            f"`weight` has shape {weight.shape}, expected () for one weight of all synapses, "
            f"{per_row} for one per row, {per_column} for one per column, "
            + (
                f"or {layout} for one per synapse"
                if layout
                else "or a law; one per synapse needs stored synapses, such as those of `to_csr()`"
            )
        )
    return weight


def check_finite(weight: Array, layout: tuple[int, ...]) -> None:
    """`ValueError` for a weight that is NaN or infinite; traced ones pass unseen."""
    if isinstance(weight, jax.core.Tracer):
        return
    known = np.asarray(weight)
    bad = ~np.isfinite(known)
    if not bad.any():
        return
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    place = "for all synapses"
    if known.shape == layout and layout:
        place = f"of synapse {first[0] if len(first) == 1 else first}"
    elif known.ndim:
        place = f"of row {first[0]}" if known.shape[1] == 1 else f"of column {first[1]}"
    raise ValueError(
        f"`weight` is {known[first]} {place}, expected finite numbers: any other would reach the "
        "units behind it even where there is no spike"
    )


def check_plain(weight: Any, name: str) -> None:
    """Refuse a quantity, of which only the number would be kept, whatever its unit."""
    if is_quantity(weight):
        raise ValueError(
            f"`{name}` takes plain numbers in the unit of the synapse that it drives, since "
            f"weights carry no unit; got {weight!r}"
        )


def as_indices(indices: ArrayLike, ndim: int, name: str, index_dtype: str = "int32") -> Array:
    """Integer array of `ndim` axes as `index_dtype`, else `ValueError`."""
    if index_dtype not in ("int32", "int64"):
        raise ValueError(f"`index_dtype` is {index_dtype!r}, expected 'int32' or 'int64'")
    if index_dtype == "int64" and jax.dtypes.canonicalize_dtype(np.int64) != np.int64:
        raise ValueError(
            "`index_dtype` is 'int64', which JAX holds only in double precision: call "
            "jax.config.update('jax_enable_x64', True) first, or take 'int32'"
        )
    indices = indices if isinstance(indices, jax.Array) else np.asarray(indices)
    if indices.ndim != ndim or not (
        jnp.issubdtype(indices.dtype, jnp.integer) or indices.size == 0
    ):
        raise ValueError(
            f"`{name}` is {indices.dtype} of shape {indices.shape}, "
            f"expected integers with {ndim} axes"
        )
    check_range(indices, 0, np.iinfo(index_dtype).max, name)
    return own(indices, index_dtype)


def check_range(indices: Array | np.ndarray, low: int, high: int, name: str) -> None:
    """`ValueError` unless all entries lie in `[low, high]`; traced arrays pass unseen."""
    if isinstance(indices, jax.core.Tracer) or indices.size == 0:
        return
    values = np.asarray(indices)
    least, most = int(values.min()), int(values.max())
    if least < low or most > high:
        raise ValueError(
            f"`{name}` has entries from {least} to {most}, expected from {low} to {high}"
        )


def as_size(n: int, name: str) -> int:
    """A number of units, else `ValueError`."""
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or not 0 <= n < 2**31:
        raise ValueError(f"`{name}` is {n!r}, expected an int from 0 to {2**31 - 1}")
    return int(n)


def import_extra(module: str, why: str) -> Any:
    """A module that a plain install does not bring, else an `ImportError` with what to do."""
    try:
        return importlib.import_module(module)
    except ImportError as e:
        package = module.split(".")[0]
        raise ImportError(f"{why} needs {package}: pip install {package}") from e
