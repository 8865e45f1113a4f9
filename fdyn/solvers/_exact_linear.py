"""The exact propagator of linear flows."""

import dataclasses
import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import jax.scipy as jsp
from jax import Array
from jaxtyping import PyTree

from .._misc import exprel
from .._tree import leaf_paths
from ..components._base import AbstractComponent, Args, vector_field
from ._base import AbstractOneStepSolver, require_no_noise
from ._jacobian import Block, Structure, blocks_of, structure_of
from ._structure import dependence


class ExactLinear(AbstractOneStepSolver):
    r"""Exact, at any step, where the flow is linear in the whole state.

    $$\dot y = A y + b:\qquad y_{n+1} = y_n + \Delta t\,\varphi_1(A\,\Delta t)\,(A y_n + b),\quad
      \varphi_1(Z) = \textstyle\sum_k Z^k/(k+1)!$$

    $A$ and $b$ may depend on parameters, inputs and what is refractory, and are constant during a
    step. For leaky integrate-and-fire neurons with exponential currents (`CUBA`): unlike
    `ExponentialEuler` it does not hold the currents for a step. Between spikes nothing errs but
    rounding, so the step limits only when spikes are seen; with `LIF(interpolate=True)` not even
    that, save for interpolation.

    Where one variable of a unit drives another that drives no third (a current a membrane) the
    propagator is in closed form; a step then takes two to three times that of exponential Euler.
    Where steps are short beside all time constants `RK4` is as accurate and cheaper. Other
    couplings take a matrix exponential at every step: of one small matrix per unit where units do
    not see each other, of one of all units where they do, which is for small systems.

    **Raises:** `ValueError` for a flow that is not linear (with conductances, a voltage times a
    conductance is not), that depends on time itself, or has noise.

    ```python
    >>> from fdyn import Network, Projection, simulate
    >>> from fdyn.components import CUBA, LIF, Exponential
    >>> from fdyn.sparse import OneToOne
    >>> current = Projection("a", "a", OneToOne(1.0, n=1), Exponential(5.0, g_init=30.0), CUBA())
    >>> net = Network({"a": LIF(1, tau=20.0, v_rest=-65.0)}, {"aa": current})
    >>> rec = simulate(net, 10.0, dt=5.0, solver=ExactLinear(), record="a.v")
    >>> round(float(rec["a.v"][-1, 0]), 4)  # -65 + 10 (exp(-1/2) - exp(-2))
    -60.288

    ```

    **Source:** Rotter & Diesmann 1999, Biol. Cybern. 81:381, section 3; divided differences: Higham
    2008, Functions of Matrices, section 4.6.
    """

    order: ClassVar[float] = math.inf

    def step(
        self,
        model: AbstractComponent,
        t: Array,
        dt: Array,
        y: PyTree,
        args: Args,
        solver_state: PyTree,
        key: Array,
    ) -> tuple[PyTree, PyTree]:
        """One step of the method."""
        del key
        require_no_noise(self, model, t, y, args)

        def field(y: PyTree) -> PyTree:
            return vector_field(model)(t, y, args)

        _check_linear(model, t, y, args)
        structure = structure_of(field, y)
        leaves, treedef = jax.tree.flatten(y)
        f, linear = jax.linearize(field, y)
        rates, new = jax.tree.leaves(f), list(leaves)
        for block in structure.blocks:
            drives = _drives(block, structure)
            if drives is None:
                (a,) = blocks_of(linear, y, dataclasses.replace(structure, blocks=(block,)))
                moved = _by_matrix_exponential(a * dt, block.pack(rates))
                new = block.unpack(block.pack(new) + dt * moved, new)
                continue
            columns = {}
            for j in block.leaves:
                unit = [jnp.full_like(x, 1.0 if i == j else 0.0) for i, x in enumerate(leaves)]
                columns[j] = jax.tree.leaves(linear(jax.tree.unflatten(treedef, unit)))
            for i, sources in drives.items():
                x = dt * columns[i][i]
                moved = exprel(x) * rates[i]
                # An off-diagonal element of phi_1(Z) is that of Z times a divided difference.
                for j in sources:
                    between = exprel_difference(x, dt * columns[j][j])
                    moved = moved + dt * columns[j][i] * between * rates[j]
                new[i] = leaves[i] + dt * moved
        return jax.tree.unflatten(treedef, new), solver_state


def _check_linear(model: AbstractComponent, t: Any, y: PyTree, args: Args) -> None:
    def field(y: PyTree) -> PyTree:
        return vector_field(model)(t, y, args)

    def slope(y: PyTree) -> PyTree:
        ones = jax.tree.map(jnp.ones_like, y)
        return jax.jvp(field, (y,), (ones,))[1]

    kind, paths = type(model).__name__, leaf_paths(y)
    jumps = _jumps(jax.make_jaxpr(field)(y).jaxpr, [(True, False)] * len(paths))
    curved = [bool(d) for d in dependence(slope, y, smooth=False)]
    bent = [p for p, c, (_, j) in zip(paths, curved, jumps, strict=True) if c or j]
    if bent:
        raise ValueError(
            f"ExactLinear is for flows that are linear in the state, but in this {kind} that of "
            f"{bent[0]!r} is not: its slope changes with the state, as that of a membrane with "
            "conductances (COBA) does. Use fdyn.solvers.ExponentialEuler() or RK4()."
        )
    time = jnp.asarray(t, jnp.result_type(float))
    found = dependence(lambda t: vector_field(model)(t, y, args), time, smooth=False)
    moving = [p for p, d in zip(paths, found, strict=True) if d]
    if moving:
        raise ValueError(
            f"ExactLinear is for flows that do not change during a step, but in this {kind} that "
            f"of {moving[0]!r} depends on time itself. Drive it through 'inputs', which are held "
            "for a step, or use fdyn.solvers.RK4()."
        )


def _jumps(jaxpr: Any, inputs: list[tuple[bool, bool]]) -> list[tuple[bool, bool]]:
    """Of each result, whether the state enters it smoothly, and whether through a comparison or
    by rounding, which leaves no trace in a derivative."""
    known = dict(zip(jaxpr.invars, inputs, strict=True))
    for eqn in jaxpr.eqns:
        # Literals have no hash, and nothing enters through them.
        found = [
            (False, False) if hasattr(v, "val") else known.get(v, (False, False))
            for v in eqn.invars
        ]
        inner = [eqn.params[k] for k in ("jaxpr", "call_jaxpr") if k in eqn.params]
        if inner and len(eqn.invars) == len(getattr(inner[0], "jaxpr", inner[0]).invars):
            outs = _jumps(getattr(inner[0], "jaxpr", inner[0]), found)
        else:
            smooth, step = any(s for s, _ in found), any(j for _, j in found)
            rounds = eqn.primitive.name in ("ceil", "floor", "round", "sign")
            outs = [
                (False, step or smooth)
                if rounds or not jnp.issubdtype(v.aval.dtype, jnp.inexact)
                else (smooth, step)
                for v in eqn.outvars
            ]
        known.update(zip(eqn.outvars, outs, strict=True))
    return [
        (False, False) if hasattr(v, "val") else known.get(v, (False, False)) for v in jaxpr.outvars
    ]


def _drives(block: Block, structure: Structure) -> dict[int, list[int]] | None:
    """For each leaf, those that drive it unit by unit; `None` where one of those is driven itself,
    or units see each other."""
    shapes = {structure.shapes[i] for i in block.leaves}
    if len(shapes) > 1 or any(size != 1 for size in block.sizes):
        return None
    drives = {
        i: [j for j in block.leaves if j != i and structure.depends[i][j] is not None]
        for i in block.leaves
    }
    chained = any(drives[j] for sources in drives.values() for j in sources)
    return None if chained else drives


def exprel_difference(x: Array, y: Array) -> Array:
    r"""$(\varphi_1(x) - \varphi_1(y))/(x - y)$ of $\varphi_1(x) = (e^x - 1)/x$; at $x = y$ the
    derivative, with finite gradients everywhere."""
    # phi_1 is itself a divided difference of the exponential, at 0 and x, so this one is that at
    # 0, x and y, in any order. Dividing by the one farthest from 0 keeps what cancels small.
    swap = jnp.abs(x) < jnp.abs(y)
    far, near = jnp.where(swap, y, x), jnp.where(swap, x, y)
    border, terms = 0.7, (8 if jnp.finfo(x.dtype).bits <= 32 else 16)
    small = jnp.abs(far) < border
    a, b = jnp.where(small, far, 0), jnp.where(small, near, 0)
    homogeneous, power, series = jnp.ones_like(a), jnp.ones_like(b), jnp.full_like(a, 0.5)
    for k in range(1, terms):
        power = power * b
        homogeneous = homogeneous * a + power
        series = series + homogeneous / math.factorial(k + 2)
    a, b = jnp.where(small, 1, far), jnp.where(small, 0, near)
    return jnp.where(small, series, (jnp.exp(b) * exprel(a - b) - exprel(b)) / a)


def _by_matrix_exponential(z: Array, f: Array) -> Array:
    r"""$\varphi_1(Z) f$, the last column of the exponential of $Z$ with $f$ beside it."""
    size = f.shape[-1]
    whole = jnp.zeros((*f.shape[:-1], size + 1, size + 1), f.dtype)
    whole = whole.at[..., :size, :size].set(z).at[..., :size, size].set(f)
    return jsp.linalg.expm(whole)[..., :size, size]
