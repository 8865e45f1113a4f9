"""Spikes together with the list of the units that fired."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import batching, mlir
from jax.typing import ArrayLike
from jaxtyping import Array, Inexact, Int32

from ._native import native_enabled, native_target

_FIND = Primitive("sparse_find_events")
_FIND.multiple_results = True


class Events(eqx.Module):
    r"""Spikes $s$ and where they are not zero; made by `find_events`.

    A connectivity takes it in place of `s`, and does not search the spikes again: worth while
    where one population drives several projections.

    **Arguments:**

    - `values`: the spikes, `[..., n]`.
    - `index`: units with a spike in rising order, int32 `[..., n]`; what stands behind the last
        one has no meaning.
    - `count`: how many they are, int32 `[...]`.

    Derivatives are those in `values`; backpropagation keeps no list.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.sparse import Events
    >>> spikes = Events(jnp.array([0.0, 1.0]), jnp.array([1, 0], "int32"), jnp.int32(1))
    >>> int(spikes.count)
    1

    ```

    **Source:** none; a convention of this library.
    """

    values: Inexact[Array, "*batch n"]
    index: Int32[Array, "*batch n"]
    count: Int32[Array, "*batch"]


def find_events(s: ArrayLike) -> Events:
    r"""List the units that fired.

    $$\{i : s_i \ne 0\}$$

    **Arguments:**

    - `s`: spikes, `[..., n]`; graded or of either sign, or booleans.

    **Returns:** `Events`, one list per row of `s`.

    **Raises:** `ValueError` if `s` has no axis.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.sparse import OneToOne, find_events
    >>> spikes = find_events(jnp.array([0.0, 2.0, 0.0, 1.0]))
    >>> print(spikes.index[: spikes.count])
    [1 3]
    >>> print(spikes @ OneToOne(10.0, n=4))
    [ 0. 20.  0. 10.]

    ```

    **Source:** none; a convention of this library.
    """
    s = jnp.asarray(s)
    if s.ndim == 0:
        raise ValueError("`s` has shape (), expected (..., n)")
    if not jnp.issubdtype(s.dtype, jnp.inexact):
        s = s.astype(jnp.result_type(float))
    # Which units fired has no derivative; only the values have.
    index, count = _FIND.bind(jax.lax.stop_gradient(s), native=native_enabled())
    return Events(s, index, count[..., 0])


def _abstract(s, native):
    # Both have the axes of `s`, so that what is known of those still holds.
    kind = partial(s.update, dtype=jnp.dtype("int32"), weak_type=False)
    return kind(), kind(shape=(*s.shape[:-1], 1))


def _search(s: Array) -> tuple[Array, Array]:
    if s.ndim > 1:
        return jax.vmap(_search)(s)
    index = jnp.nonzero(s, size=s.shape[0], fill_value=0)[0]
    return index.astype(jnp.int32), jnp.sum(s != 0, keepdims=True, dtype=jnp.int32)


def _lower_reference(s, native):
    return _search(s)


def _lower_cpu(s, native):
    target = None
    if native and s.dtype.name in ("float32", "float64") and s.size:
        name = f"fdyn_sparse_find_{s.dtype.name}"
        target = native_target(name, "_events_handler", s.dtype.name)
    if target is None:
        return _search(s)
    kind = jax.typeof(s)
    return jax.ffi.ffi_call(target, _abstract(kind, native))(s)


def _batch(args, axes, native):
    (s,), (axis,) = args, axes
    return _FIND.bind(jnp.moveaxis(s, axis, 0), native=native), (0, 0)


_FIND.def_impl(jax.jit(_FIND.bind, static_argnames="native"))
_FIND.def_abstract_eval(_abstract)
batching.primitive_batchers[_FIND] = _batch
for _rule, _platform in ((_lower_reference, None), (_lower_cpu, "cpu")):
    mlir.register_lowering(_FIND, mlir.lower_fun(_rule), platform=_platform)
