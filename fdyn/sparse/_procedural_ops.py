r"""The three products of a procedural pattern, closed under transposition.

All are the form $T(w, s, g) = \sum_{ij} P_{ij}\,(w_0 + w_1 \varphi_{ij})\, s_i\, g_j$ with one
argument taken away, added to an accumulator of the shape of that argument, where the pattern
$P_{ij} \in \{0, 1\}$ and the random part $\varphi_{ij}$ of the weights are generated anew in each
product:

| primitive | role | yields |
|---|---|---|
| scatter | `"g"` | $y_j + \sum_i P_{ij} (w_0 + w_1 \varphi_{ij}) s_i$ |
| gather | `"s"` | $x_i + \sum_j P_{ij} (w_0 + w_1 \varphi_{ij}) g_j$ |
| outer | `"w"` | $u_0 + \sum_{ij} P_{ij} s_i g_j$, $u_1 + \sum_{ij} P_{ij} \varphi_{ij} s_i g_j$ |

So the cotangent of either factor is one of the other two, at every order. Batches are worked off
one after the other.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ._accelerator import BACKENDS, accelerated_generation
from ._native import native_enabled, native_target
from ._procedural_reference import Pattern, Plan, n_blocks, reference
from ._trilinear import FACTORS, Trilinear, batch_in_front

_NATIVE = ("float32", "float64")  # dtypes with native products
_products = Trilinear("procedural", ("plan", "native", "shifted", "listed"))


def generate(
    role: str,
    plan: Plan,
    pattern: Pattern,
    acc: Array,
    a: Array,
    b: Array,
    *,
    shift: Array | None = None,
    events: tuple[Array, Array] | None = None,
) -> Array:
    """`acc` + the product with role `role` of the factors `a` and `b`.

    **Arguments:**

    - `role`: `"g"` (factors weights, spikes), `"s"` (weights, postsynaptic values) or `"w"`
        (spikes, postsynaptic values).
    - `plan`, `pattern`: what the synapses are generated from.
    - `acc`: what the product is added to; written in place inside a loop on the CPU.
    - `a`, `b`: the factors, of the accumulator's dtype: coefficients of the weights `[1]` for
        constant ones, else `[2]`; spikes `[n_pre]`; postsynaptic values `[n_slots * n_post]`.
    - `shift`: an integer; the postsynaptic vector is a circle, and place `j` stands for
        `(j + shift) mod` its length.
    - `events`: the rows with `s != 0`, int32 `[n_pre]`, and how many they are, int32 `[]`, for
        the roles `"g"` and `"w"`; else they are searched for. Derivatives make no use of them.

    **Returns:** an array like `acc`.
    """
    arrays = [x for x in pattern if x is not None]
    more = [] if shift is None else [jnp.asarray(shift).astype(jnp.int32)]
    return _products.bind(
        role,
        *(acc, a, b, *arrays, *more, *(events or ())),
        plan=plan,
        shifted=shift is not None,
        listed=events is not None,
        native=native_enabled(),
    )


def _sort(operands, plan, shifted, listed):
    """The pattern, the shift and the list of events among the operands behind the factors."""
    n_arrays = 2 if plan.grid is None else 6
    rest = list(operands[3 + n_arrays :])
    turn = rest.pop(0) if shifted else None
    return Pattern(*operands[3 : 3 + n_arrays]), turn, tuple(rest) if listed else None


def _abstract(role, *operands, plan, shifted, listed, native):
    # The handler trusts these shapes; a leaf that was replaced has not been through a constructor.
    acc, a, b = operands[:3]
    pattern, turn, events = _sort(operands, plan, shifted, listed)
    values = dict(zip(role + FACTORS[role], (acc, a, b), strict=True))
    if not acc.dtype == a.dtype == b.dtype or not jnp.issubdtype(acc.dtype, jnp.inexact):
        raise ValueError(
            f"accumulator of {acc.dtype} and factors of {a.dtype} and {b.dtype}, expected floating "
            "numbers of one kind"
        )
    _check_pattern(plan, pattern, turn)
    n_weights = 1 if plan.law == "constant" else 2
    if "w" in values and values["w"].shape != (n_weights,):
        raise ValueError(f"coefficients of shape {values['w'].shape}, expected {(n_weights,)}")
    if "g" in values:
        (size,) = values["g"].shape
        if size % max(plan.n_post, 1) or (plan.delay == "none" and size != plan.n_post):
            raise ValueError(f"postsynaptic vector of {size}, expected {plan.n_post} per slot")
    if events is not None and "s" in values:
        index, count = events
        given = index.shape, index.dtype, count.shape, count.dtype
        if given != (values["s"].shape, jnp.int32, (), jnp.int32):
            raise ValueError(
                f"a list of events of {index.dtype} {index.shape} and a count of {count.dtype} "
                f"{count.shape}, expected int32 {values['s'].shape} and ()"
            )
    return acc


def _check_pattern(plan: Plan, pattern: Pattern, turn: Array | None) -> None:
    ranks = tuple(x.ndim for x in pattern if x is not None)
    if pattern.numbers.shape != (7,) or ranks not in ((1, 1), (1, 1, 2, 1, 1, 1)):
        raise ValueError(
            f"the pattern has arrays of {ranks} axes; a stack of connectivities needs jax.vmap"
        )
    if pattern.lines is not None and pattern.lines.shape[1] != 6:
        raise ValueError(f"lines of shape {pattern.lines.shape}, expected six numbers for each")
    if plan.delay == "distance" and pattern.arrival.shape != pattern.table.shape:
        raise ValueError(
            f"{pattern.arrival.size} delays for {pattern.table.size} distances, expected one each"
        )
    kinds = dict.fromkeys(Pattern._fields, "uint32") | {
        "row_centre": "int32",
        "col_centre": "int32",
    }
    for name, kind in kinds.items():
        array = getattr(pattern, name)
        if array is not None and array.dtype != kind:
            raise ValueError(f"{name} of {array.dtype}, expected {kind}")
    if turn is not None and (turn.shape, turn.dtype) != ((), jnp.int32):
        raise ValueError(f"a shift of {turn.dtype} {turn.shape}, expected int32 ()")


def _batch(role, args, axes, **params):
    front, mapped = batch_in_front(args, axes)
    return _products.one_by_one(role, front, mapped, params), 0


def _lower_reference(role, *operands, plan, shifted, listed, native):
    pattern, turn, events = _sort(operands, plan, shifted, listed)
    acc, a, b = operands[:3]
    return reference(role, plan, pattern, acc, a, b, turn, events)


def _lower_accelerator(platform, role, *operands, plan, shifted, listed, native):
    product = accelerated_generation(platform, reference)
    pattern, turn, events = _sort(operands, plan, shifted, listed)
    acc, a, b = operands[:3]
    return product(role, plan, pattern, acc, a, b, turn, events)


def _lower_cpu(role, *operands, plan, shifted, listed, native):
    acc = operands[0]
    pattern, _, _ = _sort(operands, plan, shifted, listed)
    target = None
    if (
        native
        and acc.dtype.name in _NATIVE
        and plan.n_post
        and operands[{"g": 2}.get(role, 0)].size
    ):
        axes = 0 if plan.grid is None else 1 + (plan.grid[0] > 1)
        variant = (
            role, plan.law, plan.delay, axes, plan.periodic, shifted, listed, acc.dtype.name,
        )  # fmt: skip
        name = "_".join(("fdyn_procedural", *(str(part).lower() for part in variant)))
        target = native_target(name, "_procedural_handler", *variant)
    if target is None:
        return _lower_reference(
            role, *operands, plan=plan, shifted=shifted, listed=listed, native=native
        )
    per_line = n_blocks(pattern, plan)[1]
    sizes = jnp.asarray(
        np.array([plan.block, plan.n_post, *(plan.grid or (0, 0)), per_line], np.int32)
    )
    call = jax.ffi.ffi_call(target, jax.typeof(acc), input_output_aliases={0: 0})
    return call(*operands, sizes)


_products.define(
    _abstract,
    {None: _lower_reference, "cpu": _lower_cpu}
    | {platform: partial(_lower_accelerator, platform) for platform in BACKENDS},
    _batch,
)
