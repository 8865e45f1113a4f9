"""Primitives that are each other's derivatives: a form of three arguments, linear in each.

Of a form $T(w, s, g)$ there are three products, each adding to an accumulator what the form yields
with one argument taken away. So the cotangent of either factor of one is another of the three, at
every order.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array

from ._axes import alike

# The argument that a product is in the place of -> the two that it multiplies.
FACTORS = {"g": "ws", "s": "wg", "w": "sg"}
_NAMES = {"g": "scatter", "s": "gather", "w": "outer"}


class Trilinear:
    """The three products of one kind of pattern.

    Operands are the accumulator, the two factors and whatever else defines the pattern, ending
    with a list of events of two arrays if the parameter `listed` says so; no derivative makes use
    of that list, lest backpropagation keeps it.

    **Arguments:** `name`: of the primitives; `static`: the names of their parameters, of which
    one is `listed`.
    """

    def __init__(self, name: str, static: tuple[str, ...]):
        self._primitives = {role: Primitive(f"{name}_{_NAMES[role]}") for role in FACTORS}
        self._static = static

    def bind(self, role: str, *operands: Array, **params: Any) -> Array:
        """The product with role `role`: the accumulator plus what the factors yield."""
        return self._primitives[role].bind(*alike(operands), **params)

    def define(
        self, abstract: Callable, lowerings: Mapping[str | None, Callable], batch: Callable
    ) -> None:
        """Give the rules, each a function of the role and the operands.

        **Arguments:** `abstract`: checks the operands, returns the type of the accumulator;
        `lowerings`: platform -> what computes the product there, `None` for any other;
        `batch`: the rule of `jax.vmap`.
        """
        for role, primitive in self._primitives.items():
            primitive.def_impl(jax.jit(primitive.bind, static_argnames=self._static))
            primitive.def_abstract_eval(partial(abstract, role))
            ad.primitive_jvps[primitive] = partial(self._jvp, role)
            ad.primitive_transposes[primitive] = partial(self._transpose, role)
            batching.primitive_batchers[primitive] = partial(batch, role)
            for platform, rule in lowerings.items():
                lowering = mlir.lower_fun(partial(rule, role), multiple_results=False)
                mlir.register_lowering(primitive, lowering, platform=platform)

    def one_by_one(self, role: str, operands: list[Array], mapped: tuple, params: dict) -> Array:
        """The products of a batch in a loop; the first axis of `mapped` operands is the batch."""
        return _one_by_one(operands, self, role, mapped, tuple(params.items()))

    def _jvp(self, role, primals, tangents, *, listed, **params):
        d_acc, d_a, d_b, *_ = tangents
        out = self.bind(role, *primals, listed=listed, **params)
        _, a, b, *rest = primals[: len(primals) - 2 * listed]
        bind = partial(self.bind, role, listed=False, **params)
        tangent = ad.instantiate_zeros(d_acc)
        if type(d_a) is not ad.Zero:
            tangent = bind(tangent, d_a, b, *rest)
        if type(d_b) is not ad.Zero:
            tangent = bind(tangent, a, d_b, *rest)
        return out, tangent

    def _transpose(self, role, cotangent, acc, a, b, *rest, listed, **params):
        result = [cotangent if ad.is_undefined_primal(acc) else None, None, None]
        nothing = [None] * len(rest)
        if type(cotangent) is ad.Zero:
            return [*result, *nothing]
        rest = rest[: len(rest) - 2 * listed]
        values = dict(zip(FACTORS[role], (a, b), strict=True), **{role: cotangent})
        for place, wanted in enumerate(FACTORS[role], start=1):
            if ad.is_undefined_primal(values[wanted]):
                aval = values[wanted].aval
                factors = (values[factor] for factor in FACTORS[wanted])
                zeros = jnp.zeros(aval.shape, aval.dtype)
                result[place] = self.bind(wanted, zeros, *factors, *rest, listed=False, **params)
        return [*result, *nothing]


# Compiled as a function of its own, lest each call outside of jit compiles its loop again.
@partial(jax.jit, static_argnums=(1, 2, 3, 4), inline=True)
def _one_by_one(operands, form, role, mapped, params):
    def one(xs):
        xs = iter(xs)
        each = (next(xs) if m else x for x, m in zip(operands, mapped, strict=True))
        return form.bind(role, *each, **dict(params))

    return jax.lax.map(one, [x for x, m in zip(operands, mapped, strict=True) if m])


def batch_in_front(args: Any, axes: Any) -> tuple[list[Array], tuple[bool, ...]]:
    """The operands with their batch axis first, and which of them have one."""
    front = [
        x if axis is None else jnp.moveaxis(x, axis, 0) for x, axis in zip(args, axes, strict=True)
    ]
    return front, tuple(axis is not None for axis in axes)
