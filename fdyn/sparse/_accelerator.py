"""The kernels for GPU and TPU: chosen by the user, as none has run on hardware yet."""

import contextlib
from collections.abc import Callable
from functools import wraps

import jax
import jax.numpy as jnp
from jaxtyping import Array

import pallas_kernels

# Part of what JAX caches a compiled function by.
_pallas = jax.make_user_context(False)
BACKENDS = {"cuda": "gpu", "rocm": "gpu", "tpu": "tpu"}


def use_pallas(enabled: bool) -> contextlib.AbstractContextManager:
    """Choose the Pallas kernels, or the pure JAX reference, on a GPU or TPU.

    The default is the reference: the kernels are checked against it step by step and lower for
    both kinds of accelerator, but have not yet run on one. What a kernel does not take (other
    dtypes, 64-bit indices) goes to the reference. On the CPU nothing changes. A function that
    `jax.jit` compiled under one choice is compiled anew under the other.

    **Arguments:**

    - `enabled`: `True` selects the kernels, `False` the reference.

    **Returns:** a context manager.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.sparse import FixedFanOut, use_pallas
    >>> conn = FixedFanOut(jnp.array([[1]]), 2.0, n_post=2)
    >>> with use_pallas(True):
    ...     print(jnp.ones(1) @ conn)
    [0. 2.]

    ```

    **Source:** none; a convention of this library.
    """
    return _pallas(bool(enabled))


def accelerated(platform: str, product: Callable) -> Callable:
    """What computes the sparse products on an accelerator: `product`, or a kernel in its place."""
    if not _pallas.value:
        return product
    backend = BACKENDS[platform]

    def kernel(role: str, pattern: tuple[Array, ...], **operands):
        acc = operands["acc"]
        takes = role == "g" and not pallas_kernels.why_not(backend, acc.dtype, *pattern)
        if not takes or not acc.size:
            return product(role, pattern, **operands)
        shift, index = operands.get("shift"), operands.get("index")
        return pallas_kernels.event_product(
            *(acc, operands["a"], operands["b"], *pattern),
            rows=None if index is None else (index, operands["count"]),
            shift=None if shift is None else shift % jnp.asarray(acc.size, shift.dtype),
            backend=backend,
        )

    return kernel


def accelerated_update(platform: str, reference: Callable) -> Callable:
    """The body of a plastic update on an accelerator: the kernel, or what it stands in for."""
    backend = BACKENDS[platform]

    @wraps(reference)
    def body(w, s, x, low, high, origin, power, index, count, partners, *rest, scaled):
        arrays = (w, s, x, low, high, index, count, partners, *rest)
        positions, row_start = (None, None, *rest)[-2:]
        reason = pallas_kernels.why_not(
            backend, w.dtype, partners, row_start, positions=positions, resident=x.size
        )
        if not _pallas.value or reason or low.size > 1 or high.size > 1 or scaled:
            law = (low, high, origin, power)
            return reference(w, s, x, *law, index, count, partners, *rest, scaled=scaled)
        return kernel(*arrays)

    @jax.custom_batching.sequential_vmap
    def kernel(w, s, x, low, high, index, count, partners, *rest):
        positions, row_start = (None, None, *rest)[-2:]
        return pallas_kernels.plastic_update(
            *(w, s, x, partners, row_start),
            low=low.reshape(()),
            high=high.reshape(()),
            positions=positions,
            rows=(index, count),
            backend=backend,
        )

    return body


def accelerated_generation(platform: str, reference: Callable) -> Callable:
    """What computes the products of a procedural pattern: `reference`, or a kernel in its place.

    There is one for the scatter without delays at a probability that is the same everywhere.
    """
    if not _pallas.value:
        return reference
    backend = BACKENDS[platform]

    def kernel(role, plan, pattern, acc, a, b, turn, events):
        special = role != "g" or plan.grid is not None or plan.delay != "none"
        if special or pallas_kernels.why_not(backend, acc.dtype, resident=acc.size):
            return reference(role, plan, pattern, acc, a, b, turn, events)
        return pallas_kernels.procedural_product(
            *(acc, a, b, pattern.numbers),
            law=plan.law,
            block=plan.block,
            rows=events,
            shift=None if turn is None else turn % jnp.int32(max(acc.size, 1)),
            backend=backend,
        )

    return kernel
