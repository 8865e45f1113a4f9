"""Which leaves of a derivative depend on which leaves of the state, and along which axes."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

# What a value depends on: for each leaf of the state, the pairs (axis of the leaf, axis of the
# value) along which element i of the value sees element i of the leaf only.
Dependence = dict[int, frozenset[tuple[int, int]]]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ELEMENTWISE = _words(
    """abs acos acosh add add_any and asin asinh atan atan2 atanh cbrt ceil clamp copy copy_p cos
    convert_element_type cosh digamma div eq erf erf_inv erfc exp exp2 expm1 floor ge gt
    integer_pow is_finite le lgamma log log1p logistic lt max min mul ne neg nextafter not or
    polygamma pow reduce_precision rem round rsqrt select_n sign sin sinh sqrt square sub tan tanh
    xor"""
)
_REDUCTIONS = _words("reduce_sum reduce_max reduce_min reduce_prod reduce_and reduce_or")
_RUNNING = _words("cumsum cumprod cummax cummin cumlogsumexp")
_CALLS = _words("jit pjit closed_call core_call checkpoint remat remat2")
# Their derivative is given apart from their program, which may round or compare (surrogates).
_OWN_DERIVATIVE = _words("custom_jvp_call custom_vjp_call")


def dependence(f: Callable[[PyTree], PyTree], y: PyTree, smooth: bool = True) -> list[Dependence]:
    """What each leaf of `f(y)` depends on, read off the program of `f` (which is traced once).

    Only what carries a derivative counts; without `smooth` also what is compared or rounded. A
    primitive that is not known here is taken to mix all elements, so the answer may name too much,
    never too little.
    """
    leaves = jax.tree.leaves(y)
    closed = jax.make_jaxpr(f)(y)
    identity = [{i: frozenset((a, a) for a in range(jnp.ndim(x)))} for i, x in enumerate(leaves)]
    return _read(closed.jaxpr, identity, smooth)


def _read(jaxpr: Any, inputs: list[Dependence], smooth: bool = True) -> list[Dependence]:
    known: dict[Any, Dependence] = dict(zip(jaxpr.invars, inputs, strict=True))

    def of(v: Any) -> Dependence:
        return {} if hasattr(v, "val") else known.get(v, {})

    for eqn in jaxpr.eqns:
        deps = [of(v) for v in eqn.invars]
        outs = [{}] * len(eqn.outvars)
        if any(deps):
            outs = _through(eqn, deps, smooth)
        for v, d in zip(eqn.outvars, outs, strict=True):
            # Booleans and integers have no derivative.
            known[v] = {} if smooth and not jnp.issubdtype(v.aval.dtype, jnp.inexact) else d
    return [of(v) for v in jaxpr.outvars]


def _merge(deps: list[Dependence]) -> Dependence:
    merged: Dependence = {}
    for d in deps:
        for leaf, pairs in d.items():
            merged[leaf] = merged[leaf] & pairs if leaf in merged else pairs
    return merged


def _moved(dep: Dependence, where: dict[int, int]) -> Dependence:
    """The dependence after axis `a` of the value has become axis `where[a]`."""
    return {
        leaf: frozenset((a, where[b]) for a, b in pairs if b in where)
        for leaf, pairs in dep.items()
    }


def _through(eqn: Any, deps: list[Dependence], smooth: bool) -> list[Dependence]:
    name, params = eqn.primitive.name, eqn.params
    if name in _CALLS | _OWN_DERIVATIVE:
        inner = next(params[k] for k in ("jaxpr", "call_jaxpr", "fun_jaxpr") if k in params)
        return _read(getattr(inner, "jaxpr", inner), deps, smooth and name in _CALLS)
    if name == "cond" and not deps[0]:
        branches = [_read(b.jaxpr, deps[1:], smooth) for b in params["branches"]]
        return [_merge(list(found)) for found in zip(*branches, strict=True)]
    shapes = [v.aval.shape for v in eqn.invars]
    maps = _axes(name, params, shapes, eqn.outvars[0].aval.shape)
    out = _merge([_moved(d, m) for d, m in zip(deps, maps, strict=True)])
    return [out] * len(eqn.outvars)


def _axes(name: str, params: dict, shapes: list, out: tuple[int, ...]) -> list[dict[int, int]]:
    """For each operand, which of its axes become which axes of the result, index by index."""
    first = shapes[0]
    if name in _ELEMENTWISE:
        return [{a: a for a in range(len(out))} if s == out else {} for s in shapes]
    rest: list[dict[int, int]] = [{} for _ in shapes[1:]]
    if name == "broadcast_in_dim":
        to = params["broadcast_dimensions"]
        return [{a: b for a, b in enumerate(to) if first[a] == out[b]}, *rest]
    if name in ("reshape", "squeeze", "expand_dims"):
        return [_reshaped(first, out), *rest]
    if name == "transpose":
        return [{a: b for b, a in enumerate(params["permutation"])}]
    if name == "slice":
        whole = params["strides"] is None or all(s == 1 for s in params["strides"])
        return [_unchanged(first, out) if whole else {}]
    if name == "dynamic_slice":
        return [_unchanged(first, out), *rest]
    if name == "dynamic_update_slice":
        return [_unchanged(first, out), _unchanged(shapes[1], out), *rest[1:]]
    if name == "rev":
        return [{a: a for a in range(len(out)) if a not in params["dimensions"]}]
    if name in ("concatenate", "sort", "split") or name in _RUNNING:
        across = params.get("dimension", params.get("axis"))
        return [{a: a for a in range(len(s)) if a != across} for s in shapes]
    if name == "stack":
        return [{a: a + (a >= params["axis"]) for a in range(len(s))} for s in shapes]
    if name == "pad":
        config = params["padding_config"]
        return [{a: a for a, c in enumerate(config) if tuple(c) == (0, 0, 0)}, *rest]
    if name in _REDUCTIONS:
        kept = [a for a in range(len(first)) if a not in params["axes"]]
        return [{a: b for b, a in enumerate(kept)}]
    if name == "dot_general":
        return _contracted(params["dimension_numbers"], shapes)
    if name == "gather":
        return [_gathered(params, first), *rest]
    if name.startswith("scatter"):
        return [{a: a for a in range(len(out))}, {}, _scattered(params, out, shapes[2])]
    return [{} for _ in shapes]


def _unchanged(shape: tuple[int, ...], out: tuple[int, ...]) -> dict[int, int]:
    return {a: a for a, (s, o) in enumerate(zip(shape, out, strict=True)) if s == o}


def _reshaped(shape: tuple[int, ...], out: tuple[int, ...]) -> dict[int, int]:
    # The index along an axis follows from the position in memory, by its length and its stride.
    def where(s: tuple[int, ...]) -> list[tuple[int, int]]:
        return [(n, math.prod(s[a + 1 :])) for a, n in enumerate(s)]

    found = {key: b for b, key in enumerate(where(out))}
    return {a: found[key] for a, key in enumerate(where(shape)) if key in found and key[0] > 1}


def _contracted(numbers: Any, shapes: list) -> list[dict[int, int]]:
    contracted, batch = numbers
    counter = itertools.count(len(batch[0]))
    maps = []
    for shape, sums, shared in zip(shapes, contracted, batch, strict=True):
        axes = {a: b for b, a in enumerate(shared)}
        axes |= {a: next(counter) for a in range(len(shape)) if a not in (*sums, *shared)}
        maps.append(axes)
    return maps


def _gathered(params: dict, shape: tuple[int, ...]) -> dict[int, int]:
    numbers, sizes = params["dimension_numbers"], params["slice_sizes"]
    gone = {*numbers.collapsed_slice_dims, *numbers.operand_batching_dims}
    kept = [a for a in range(len(shape)) if a not in gone]
    places = zip(kept, numbers.offset_dims, strict=True)
    return {a: b for a, b in places if sizes[a] == shape[a]}


def _scattered(params: dict, out: tuple[int, ...], updates: tuple[int, ...]) -> dict[int, int]:
    numbers = params["dimension_numbers"]
    gone = {*numbers.inserted_window_dims, *numbers.operand_batching_dims}
    kept = [a for a in range(len(out)) if a not in gone]
    places = zip(numbers.update_window_dims, kept, strict=True)
    return {a: b for a, b in places if updates[a] == out[b]}
