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

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array

from ._native import native_enabled, native_target
from ._reference import reference

_NATIVE = ("float32", "float64")  # dtypes with native products
_FACTORS = {"g": "ws", "s": "wg", "w": "sg"}
_PRIMITIVES = {
    "g": Primitive("sparse_scatter"),
    "s": Primitive("sparse_gather"),
    "w": Primitive("sparse_outer"),
}


def contract(role: str, acc: Array, a: Array, b: Array, *pattern: Array) -> Array:
    """`acc` + the product with role `role` of the factors `a` and `b`.

    **Arguments:**

    - `role`: `"g"` (factors weights, spikes), `"s"` (weights, post-synaptic values) or `"w"`
        (spikes, post-synaptic values).
    - `acc`: what the product is added to; written in place inside a loop on the CPU.
    - `a`, `b`: the factors, of the accumulator's dtype.
    - `pattern`: the targets, int32 `[n_pre, k]`; or the targets, int32 `[n_synapses]`, and the
        row pointers, int32 `[n_pre + 1]`.

    **Returns:** an array like `acc`.
    """
    return _PRIMITIVES[role].bind(acc, a, b, *pattern, native=native_enabled())


def _core_axes(role: str, acc, a, b, targets) -> dict[str, int]:
    """Number of axes of acc, a and b that are not batch axes."""
    by_role = dict(zip(role + _FACTORS[role], (acc, a, b), strict=True))
    rank = (by_role["s"] if role != "s" else by_role["g"]).ndim - 1
    w = by_role["w"].ndim - rank
    axes = {"w": w, "s": 1, "g": 1}
    return {name: axes[r] for name, r in zip(("acc", "a", "b"), role + _FACTORS[role], strict=True)}


def _abstract(role, acc, a, b, *pattern, native):
    # The handler trusts these shapes; a leaf that was replaced has not been through a constructor.
    targets = pattern[0]
    ranks = tuple(x.ndim for x in pattern)
    if ranks not in ((2,), (1, 1)):
        raise ValueError(
            f"the pattern of synapses has arrays of {ranks} axes, expected targets [n_pre, k], or "
            "indices [n_synapses] and indptr [n_pre + 1]; a stack of connectivities needs jax.vmap"
        )
    values = dict(zip(role + _FACTORS[role], (acc, a, b), strict=True))
    core = dict(
        zip(role + _FACTORS[role], _core_axes(role, acc, a, b, targets).values(), strict=True)
    )
    weight = values["w"].shape[values["w"].ndim - core["w"] :]
    if weight not in ((), targets.shape):
        raise ValueError(
            f"`weight` has shape {weight}, expected () for one weight of all synapses or "
            f"{targets.shape} for one per synapse"
        )
    n_pre = targets.shape[0] if len(pattern) == 1 else pattern[1].shape[0] - 1
    if "s" in values and values["s"].shape[-1] != n_pre:
        raise ValueError(f"spikes for {values['s'].shape[-1]} units, expected {n_pre}")
    return acc


def _jvp(role, primals, tangents, **params):
    acc, a, b, *pattern = primals
    d_acc, d_a, d_b, *_ = tangents
    bind = partial(_PRIMITIVES[role].bind, **params)
    out = bind(acc, a, b, *pattern)
    tangent = ad.instantiate_zeros(d_acc)
    if type(d_a) is not ad.Zero:
        tangent = bind(tangent, d_a, b, *pattern)
    if type(d_b) is not ad.Zero:
        tangent = bind(tangent, a, d_b, *pattern)
    return out, tangent


def _transpose(role, cotangent, acc, a, b, *pattern, **params):
    result = [cotangent if ad.is_undefined_primal(acc) else None, None, None]
    if type(cotangent) is ad.Zero:
        return [*result, *(None for _ in pattern)]
    values = dict(zip(_FACTORS[role], (a, b), strict=True), **{role: cotangent})
    for place, wanted in enumerate(_FACTORS[role], start=1):
        if ad.is_undefined_primal(values[wanted]):
            aval = values[wanted].aval
            factors = (values[factor] for factor in _FACTORS[wanted])
            zeros = jnp.zeros(aval.shape, aval.dtype)
            result[place] = _PRIMITIVES[wanted].bind(zeros, *factors, *pattern, **params)
    return [*result, *(None for _ in pattern)]


def _batch(role, args, axes, **params):
    bind = partial(_PRIMITIVES[role].bind, **params)
    front = [
        x if axis is None else jnp.moveaxis(x, axis, 0) for x, axis in zip(args, axes, strict=True)
    ]
    mapped = [axis is not None for axis in axes]
    size = next(x.shape[0] for x, is_mapped in zip(front, mapped, strict=True) if is_mapped)
    if any(mapped[3:]):

        def one(xs):
            xs = iter(xs)
            return bind(*(next(xs) if m else x for x, m in zip(front, mapped, strict=True)))

        return jax.lax.map(one, [x for x, m in zip(front, mapped, strict=True) if m]), 0
    acc, a, b = (
        x if is_mapped else x[None] for x, is_mapped in zip(front[:3], mapped[:3], strict=True)
    )
    if not mapped[0]:
        acc = jnp.broadcast_to(acc, (size, *acc.shape[1:]))
    return bind(acc, a, b, *front[3:]), 0


def _lower_reference(role, acc, a, b, *pattern, native):
    return reference(role, _core_axes(role, acc, a, b, pattern[0]), acc, a, b, *pattern)


def _lower_cpu(role, acc, a, b, *pattern, native):
    core = _core_axes(role, acc, a, b, pattern[0])
    w_axes = dict(zip(role + _FACTORS[role], core.values(), strict=True))["w"]
    target = None
    if native and acc.dtype.name in _NATIVE and all(x.size for x in (acc, a, b, pattern[0])):
        variant = role, w_axes > 0, len(pattern) == 1, acc.dtype.name
        kind, layout = "synapse" if w_axes else "scalar", "fan_out" if len(pattern) == 1 else "csr"
        name = f"fdyn_sparse_{role}_{kind}_{layout}_{acc.dtype.name}"
        target = native_target(name, "_handler", *variant)
    if target is None:
        return reference(role, core, acc, a, b, *pattern)
    call = jax.ffi.ffi_call(
        target, jax.ShapeDtypeStruct(acc.shape, acc.dtype), input_output_aliases={0: 0}
    )
    return call(acc, a, b, *pattern)


def _define(role: str, primitive: Primitive) -> None:
    primitive.def_impl(jax.jit(primitive.bind, static_argnames="native"))
    primitive.def_abstract_eval(partial(_abstract, role))
    ad.primitive_jvps[primitive] = partial(_jvp, role)
    ad.primitive_transposes[primitive] = partial(_transpose, role)
    batching.primitive_batchers[primitive] = partial(_batch, role)
    for rule, platform in ((_lower_reference, None), (_lower_cpu, "cpu")):
        lowering = mlir.lower_fun(partial(rule, role), multiple_results=False)
        mlir.register_lowering(primitive, lowering, platform=platform)


for _role, _primitive in _PRIMITIVES.items():
    _define(_role, _primitive)
