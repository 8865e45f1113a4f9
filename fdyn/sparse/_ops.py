r"""The three products of a sparse pattern, closed under transposition.

All are the form $T(w, s, g) = \sum_i \sum_{k \in \text{row } i} w_{ik}\, s_i\, g_{j(k)}$ with one
argument taken away, added to an accumulator of the shape of that argument:

| primitive | role | yields |
|---|---|---|
| scatter | `"g"` | $y_j + \sum_{ik: j(k)=j} w_{ik} s_i$ |
| gather | `"s"` | $x_i + \sum_k w_{ik} g_{j(k)}$ |
| outer | `"w"` | $u_{ik} + s_i g_{j(k)}$, summed over the synapses if the weight is a scalar |

So the cotangent of either factor is one of the other two, at every order. Batch axes stand in
front of each operand, of equal number; those of size 1 broadcast, and where the accumulator's
size is 1 the products are summed. A pattern that is itself batched is worked off in a loop.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array

from ._accelerator import BACKENDS, accelerated
from ._events import Events
from ._native import native_enabled, native_target
from ._reference import product, reference
from ._trilinear import FACTORS, Trilinear, batch_in_front

_NATIVE = ("float32", "float64")  # dtypes with native products
_products = Trilinear("sparse", ("native", "shifted", "listed"))


def contract(
    role: str,
    acc: Array,
    a: Array | Events,
    b: Array | Events,
    *pattern: Array,
    shift: ArrayLike | None = None,
) -> Array:
    """`acc` + the product with role `role` of the factors `a` and `b`.

    **Arguments:**

    - `role`: `"g"` (factors weights, spikes), `"s"` (weights, postsynaptic values) or `"w"`
        (spikes, postsynaptic values).
    - `acc`: what the product is added to; written in place inside a loop on the CPU.
    - `a`, `b`: the factors, of the accumulator's dtype; the spikes as an array or as `Events`.
        Derivatives make no use of the list in those.
    - `pattern`: the targets, int32 or int64 `[n_pre, k]`; or the targets `[n_synapses]` and the
        row pointers `[n_pre + 1]`, either of them int32 or int64.
    - `shift`: an integer; the postsynaptic vector is a circle, and target `j` stands for the
        place `(j + shift) mod n_post`.

    **Returns:** an array like `acc`.
    """
    listed = [(x.index, x.count) for x in (a, b) if isinstance(x, Events)]
    a, b = (x.values if isinstance(x, Events) else x for x in (a, b))
    more = () if shift is None else (jnp.asarray(shift).astype(pattern[0].dtype),)
    return _products.bind(
        role,
        *(acc, a, b, *pattern, *more, *(listed[0] if listed else ())),
        shifted=shift is not None,
        listed=bool(listed),
        native=native_enabled(),
    )


class _Operands(NamedTuple):
    """What a product works on, and the number of axes of each that are not batch axes."""

    values: dict[str, Array]
    pattern: tuple[Array, ...]
    core: dict[str, int]


def _sort(role: str, operands, shifted: bool, listed: bool) -> _Operands:
    """Give each operand of a primitive its name."""
    acc, a, b, *rest = operands
    n_pattern = len(rest) - shifted - 2 * listed
    names = ["shift"] * shifted + ["index", "count"] * listed
    values = dict(zip(role + FACTORS[role], (acc, a, b), strict=True))
    rank = values["s" if role != "s" else "g"].ndim - 1
    core = {"s": 1, "g": 1, "w": values["w"].ndim - rank if "w" in values else 0}
    extra = dict(zip(names, rest[n_pattern:], strict=True))
    return _Operands(
        {"acc": acc, "a": a, "b": b, **extra},
        tuple(rest[:n_pattern]),
        {
            **{n: core[r] for n, r in zip(("acc", "a", "b"), role + FACTORS[role], strict=True)},
            **{n: int(n == "index") for n in names},
        },
    )


def _abstract(role, *operands, native, shifted, listed):
    # The handler trusts these shapes; a leaf that was replaced has not been through a constructor.
    named = _sort(role, operands, shifted, listed)
    acc, pattern = operands[0], named.pattern
    targets = pattern[0]
    ranks = tuple(x.ndim for x in pattern)
    if ranks not in ((2,), (1, 1)):
        raise ValueError(
            f"the pattern of synapses has arrays of {ranks} axes, expected targets [n_pre, k], or "
            "indices [n_synapses] and indptr [n_pre + 1]; a stack of connectivities needs jax.vmap"
        )
    values = dict(zip(role + FACTORS[role], operands[:3], strict=True))
    batch = acc.ndim - named.core["acc"]
    weight = values["w"].shape[batch:]
    if weight not in ((), targets.shape):
        raise ValueError(
            f"`weight` has shape {weight}, expected () for one weight of all synapses or "
            f"{targets.shape} for one per synapse"
        )
    dtypes = [x.dtype.name for x in operands[:3]]
    numbers = [*pattern, *([named.values["shift"]] if shifted else [])]
    if len(set(dtypes)) > 1 or not all(jnp.issubdtype(x.dtype, jnp.integer) for x in numbers):
        raise ValueError(
            f"a product of {', '.join(dtypes)} by a pattern of "
            f"{', '.join(x.dtype.name for x in numbers)}, expected values of one dtype, and "
            "integers as the pattern"
        )
    batches = [x.shape[: x.ndim - named.core[name]] for name, x in named.values.items()]
    sizes = zip(*batches, strict=False)
    if len({len(x) for x in batches}) > 1 or any(len({*along} - {1}) > 1 for along in sizes):
        raise ValueError(
            f"operands of shapes {[x.shape for x in named.values.values()]}, expected the same "
            "number of batch axes in front of each, of equal size or 1; batches need jax.vmap"
        )
    n_pre = targets.shape[0] if len(pattern) == 1 else pattern[1].shape[0] - 1
    if "s" in values and values["s"].shape[-1] != n_pre:
        raise ValueError(f"spikes for {values['s'].shape[-1]} units, expected {n_pre}")
    if listed:
        index, count = named.values["index"], named.values["count"]
        if index.shape[-1:] != (n_pre,) or (index.dtype, count.dtype) != (jnp.int32, jnp.int32):
            raise ValueError(
                f"a list of events of {index.dtype} {index.shape} and a count of {count.dtype}, "
                f"expected int32 [{n_pre}] and int32"
            )
    return acc


def _batch(role, args, axes, **params):
    front, mapped = batch_in_front(args, axes)
    n_extra = params["shifted"] + 2 * params["listed"]
    at_pattern = slice(3, len(front) - n_extra)
    if any(mapped[at_pattern]):
        return _products.one_by_one(role, front, mapped, params), 0
    size = next(x.shape[0] for x, is_mapped in zip(front, mapped, strict=True) if is_mapped)
    pattern = front[at_pattern]
    front = [x if is_mapped else x[None] for x, is_mapped in zip(front, mapped, strict=True)]
    if not mapped[0]:
        front[0] = jnp.broadcast_to(front[0], (size, *front[0].shape[1:]))
    operands = *front[:3], *pattern, *front[at_pattern.stop :]
    return _products.bind(role, *operands, **params), 0


def _lower_reference(role, *operands, native, shifted, listed):
    return reference(role, *_sort(role, operands, shifted, listed))


def _lower_accelerator(platform, role, *operands, native, shifted, listed):
    named = _sort(role, operands, shifted, listed)
    return reference(role, *named, accelerated(platform, product))


def _lower_cpu(role, *operands, native, shifted, listed):
    values, pattern, core = _sort(role, operands, shifted, listed)
    acc = operands[0]
    per_synapse = dict(zip(role + FACTORS[role], core.values(), strict=False))["w"] > 0
    target = None
    if native and acc.dtype.name in _NATIVE and all(x.size for x in operands):
        layout = "fan_out" if len(pattern) == 1 else "csr"
        types = tuple(x.dtype.name for x in (acc, *pattern))
        name = "_".join(
            ("fdyn_sparse", role, "synapse" if per_synapse else "scalar", layout, *types)
            + ("shifted",) * shifted
            + ("listed",) * listed
        )
        target = native_target(name, "_handler", role, per_synapse, types, shifted, listed)
    if target is None:
        return reference(role, values, pattern, core)
    result = jax.typeof(acc)
    call = jax.ffi.ffi_call(target, result, input_output_aliases={0: 0})
    return call(*operands)


_products.define(
    _abstract,
    {None: _lower_reference, "cpu": _lower_cpu}
    | {platform: partial(_lower_accelerator, platform) for platform in BACKENDS},
    _batch,
)
