"""Axes that an operator knows nothing of: those of a batch and those of shards."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array


def over_batch(fn: Callable, args: Sequence, n_batch: int) -> list:
    """`fn` from arrays to a list of them, mapped over leading axes; those of size 1 repeat."""
    if n_batch == 0:
        return fn(*args)
    axes = [None if x.shape[0] == 1 else 0 for x in args]
    rest = [x[0] if axis is None else x for x, axis in zip(args, axes, strict=True)]

    def inner(*args):
        return over_batch(fn, args, n_batch - 1)

    if all(axis is None for axis in axes):
        return [jnp.asarray(out)[None] for out in inner(*rest)]
    return jax.vmap(inner, in_axes=axes)(*rest)


def alike(arrays: Sequence[Array]) -> list[Array]:
    """The same arrays, made to differ over the same axes of a `shard_map`.

    Between shards a primitive of ours takes no others.
    """
    axes = frozenset().union(*map(_varying, arrays))
    if not axes:
        return list(arrays)
    return [jax.lax.pcast(x, tuple(sorted(axes - _varying(x))), to="varying") for x in arrays]


def _varying(x: Array) -> frozenset:
    """The axes of a `shard_map` over which an array differs."""
    kind = jax.typeof(x)
    held = getattr(kind, "manual_axis_type", None)  # jax 0.10; `vma` elsewhere
    return getattr(kind, "vma", frozenset()) if held is None else held.varying


def aval_like(aval: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """An abstract array that differs over the same axes of a `shard_map` as `aval`."""
    return aval.update(shape=shape, dtype=dtype, weak_type=False)
