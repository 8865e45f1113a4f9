"""The Jacobian of a flow in the blocks into which it falls: its diagonal, its blocks, their LU."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.scipy as jsp
import lineax as lx
import numpy as np
from jax import Array
from jaxtyping import PyTree

from ._structure import dependence

# So many directions are differentiated at once; more are taken in turn, which bounds the memory.
_AT_ONCE = 128

# LAPACK, to which the LU of JAX goes, is called unit by unit. Up to this many rows it is faster to
# write the elimination out for all units at once: 1,000 systems of 4 rows, 0.11 for 0.42 ms.
_SMALL = 4

Map = Callable[[PyTree], PyTree]


@dataclasses.dataclass(frozen=True)
class Block:
    """Leaves of the state that depend on each other, and nothing else on them or they on it.

    Along `axes` (counted from the end, lengths `units`) unit i of each leaf sees unit i of the
    others only, so that the Jacobian is one matrix `[size, size]` per unit; `sizes` says how many
    of its rows each leaf has. Without such axes it is one dense matrix.
    """

    leaves: tuple[int, ...]
    axes: tuple[int, ...]
    units: tuple[int, ...]
    sizes: tuple[int, ...]

    @property
    def size(self) -> int:
        """Rows of the matrix of one unit."""
        return sum(self.sizes)

    def pack(self, leaves: list[Array]) -> Array:
        """The leaves of this block (out of all leaves) as vectors, `[*units, size]`."""
        parts = [_to_rows(leaves[i], self.axes) for i in self.leaves]
        dtype = np.result_type(*(p.dtype for p in parts))
        return jnp.concatenate([p.astype(dtype) for p in parts], -1)

    def unpack(self, x: Array, leaves: list[Array]) -> list[Array]:
        """All leaves, those of this block replaced by the vectors `x`; the reverse of `pack`."""
        leaves, at = list(leaves), 0
        for i, size in zip(self.leaves, self.sizes, strict=True):
            old = leaves[i]
            leaves[i] = _from_rows(x[..., at : at + size], self.axes, old.shape).astype(old.dtype)
            at += size
        return leaves


@dataclasses.dataclass(frozen=True)
class Structure:
    """Which leaves depend on which. Made by `structure_of`; static, without arrays.

    `depends[i][j]` is `None` where leaf i of the derivative does not depend on leaf j of the
    state, else the axes (counted from the end) along which it does so index by index: all of them
    is an elementwise dependence, none a dense one. `blocks` is the finest partition of the leaves
    into such that do not depend on each other.
    """

    shapes: tuple[tuple[int, ...], ...]
    depends: tuple[tuple[tuple[int, ...] | None, ...], ...]
    blocks: tuple[Block, ...]


def structure_of(f: Map, y: PyTree) -> Structure:
    """The structure of the Jacobian of `f`, whose value is like its argument `y`.

    Read off the program of `f`, once per trace; no derivative is taken. What the program does not
    tell (a loop, an unknown primitive) counts as dense.

    Uses: `diagonal(f, y)`, `jacobian(f, y)`, and `BlockLU(structure)` as the linear solver of
    lineax or of a root finder of optimistix on functions of the same structure, such as
    `y - dt f(y) - c`.
    """
    shapes = tuple(jnp.shape(x) for x in jax.tree.leaves(y))
    found = dependence(f, y)
    n = len(shapes)
    if len(found) != n:
        raise ValueError(
            f"the derivative must have the leaves of the state, {n}, got {len(found)}."
        )
    rows = []
    for i, dep in enumerate(found):
        row: list[tuple[int, ...] | None] = [None] * n
        for j, pairs in dep.items():
            ends = {(a - len(shapes[j]), b - len(shapes[i])) for a, b in pairs}
            row[j] = tuple(sorted(a for a, b in ends if a == b))
        rows.append(tuple(row))
    depends = tuple(rows)
    groups = _connected(
        n, [(i, j) for i in range(n) for j in range(n) if depends[i][j] is not None]
    )
    return Structure(shapes, depends, tuple(_block(g, shapes, depends) for g in groups))


def _connected(n: int, edges: list[tuple[int, int]]) -> list[tuple[int, ...]]:
    group = list(range(n))
    for i, j in edges:
        group = [group[j] if g == group[i] else g for g in group]
    return [tuple(i for i in range(n) if group[i] == g) for g in dict.fromkeys(group)]


def _block(leaves: tuple[int, ...], shapes: tuple, depends: tuple) -> Block:
    rank = min(len(shapes[i]) for i in leaves)
    axes = set(range(-rank, 0))
    for i in leaves:
        axes = {a for a in axes if shapes[i][a] == shapes[leaves[0]][a]}
        for j in leaves:
            if depends[i][j] is not None:
                axes &= set(depends[i][j])
    ordered = tuple(sorted(axes))
    units = tuple(shapes[leaves[0]][a] for a in ordered)
    sizes = tuple(math.prod(shapes[i]) // max(math.prod(units), 1) for i in leaves)
    return Block(leaves, ordered, units, sizes)


def _rest(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a for a in range(-len(shape), 0) if a not in axes)


def _to_rows(x: Array, axes: tuple[int, ...], lead: int = 0) -> Array:
    """`[*lead, *shape]` to `[*lead, *units, rest]`."""
    inner = x.shape[lead:]
    order = (*axes, *_rest(inner, axes))
    x = jnp.transpose(x, (*range(lead), *(a + x.ndim for a in order)))
    return x.reshape(*x.shape[: lead + len(axes)], -1)


def _from_rows(x: Array, axes: tuple[int, ...], shape: tuple[int, ...]) -> Array:
    order = [a + len(shape) for a in (*axes, *_rest(shape, axes))]
    x = x.reshape([shape[a] for a in order])
    return jnp.transpose(x, [order.index(a) for a in range(len(order))])


def _directions(place: np.ndarray, like: Array, axes: tuple[int, ...]) -> Array:
    """For each row of `place`, which holds one entry per index of the other axes, a direction."""
    shape = like.shape
    inner = [1 if a in axes else shape[a] for a in range(-len(shape), 0)]
    x = jnp.asarray(place, like.dtype).reshape(len(place), *inner)
    return jnp.broadcast_to(x, (len(place), *shape))


def _apply(linear: Map, directions: PyTree, count: int) -> PyTree:
    if count <= _AT_ONCE:
        return jax.vmap(linear)(directions)
    return jax.lax.map(linear, directions, batch_size=_AT_ONCE)


def blocks_of(linear: Map, y: PyTree, structure: Structure) -> list[Array]:
    """The matrices `[*units, size, size]` of each block of a linear map on trees like `y`.

    All blocks are probed at the same time: the map is applied to as many directions as the
    largest block has rows.
    """
    leaves, treedef = jax.tree.flatten(y)
    count = max((b.size for b in structure.blocks), default=0)
    directions = list(leaves)
    for block in structure.blocks:
        at = 0
        for i, size in zip(block.leaves, block.sizes, strict=True):
            directions[i] = _directions(np.eye(count, size, -at), leaves[i], block.axes)
            at += size
    out = jax.tree.leaves(_apply(linear, jax.tree.unflatten(treedef, directions), count))
    matrices = []
    for block in structure.blocks:
        rows = [_to_rows(out[i][: block.size], block.axes, 1) for i in block.leaves]
        dtype = np.result_type(*(r.dtype for r in rows))
        columns = jnp.concatenate([r.astype(dtype) for r in rows], -1)
        matrices.append(jnp.moveaxis(columns, 0, -1))
    return matrices


def jacobian(f: Map, y: PyTree, structure: Structure | None = None) -> list[Array]:
    """The Jacobian of `f` at `y`, block by block: matrices `[*units, size, size]`.

    `Block.pack` and `Block.unpack` turn leaves into the vectors that these act on, and back.
    """
    structure = structure or structure_of(f, y)
    _, linear = jax.linearize(f, y)
    return blocks_of(linear, y, structure)


def diagonal(f: Map, y: PyTree, structure: Structure | None = None) -> PyTree:
    r"""The diagonal of the Jacobian, $\partial f_i/\partial y_i$ element by element, like `y`.

    Exact also where the units of a leaf are coupled. Leaves that do not see each other share one
    differentiation, so that a population of Hodgkin-Huxley neurons needs two; a leaf whose `n`
    units are coupled needs `n`.
    """
    structure = structure or structure_of(f, y)
    leaves, treedef = jax.tree.flatten(y)
    aligned = [structure.depends[i][i] for i in range(len(leaves))]
    rounds = _rounds(structure)
    count = sum(size for _, size in rounds)
    result = [jnp.zeros_like(x) for x in leaves]
    if not count:
        return jax.tree.unflatten(treedef, result)
    directions: list[Array] = [jnp.zeros((count, *x.shape), x.dtype) for x in leaves]
    starts, at = {}, 0
    for group, size in rounds:
        for i in group:
            starts[i] = at
            width = _width(structure.shapes[i], aligned[i])
            directions[i] = _directions(np.eye(count, width, -at), leaves[i], aligned[i] or ())
        at += size
    _, linear = jax.linearize(f, y)
    out = jax.tree.leaves(_apply(linear, jax.tree.unflatten(treedef, directions), count))
    for i, start in starts.items():
        axes, shape = aligned[i] or (), structure.shapes[i]
        width = _width(shape, axes)
        rows = _to_rows(out[i][start : start + width], axes, 1)
        result[i] = _from_rows(jnp.diagonal(rows, axis1=0, axis2=-1), axes, shape)
    return jax.tree.unflatten(treedef, result)


def _width(shape: tuple[int, ...], axes: tuple[int, ...] | None) -> int:
    return math.prod(shape[a] for a in _rest(shape, axes or ()))


def _rounds(structure: Structure) -> list[tuple[list[int], int]]:
    """Groups of leaves that do not see each other, each with the directions it needs."""
    depends = structure.depends
    todo = [i for i, row in enumerate(depends) if row[i] is not None]
    width = {i: _width(structure.shapes[i], depends[i][i]) for i in todo}
    groups: list[list[int]] = []
    for i in sorted(todo, key=lambda i: -width[i]):
        for group in groups:
            if all(depends[i][j] is None and depends[j][i] is None for j in group):
                group.append(i)
                break
        else:
            groups.append([i])
    return [(group, max(width[i] for i in group)) for group in groups]


class _Factors(eqx.Module):
    """The matrices of the blocks and what has been computed from them."""

    matrices: list[Array]
    factors: list[Any]


class _Elimination(eqx.Module):
    """Gaussian elimination with row exchanges, written out for all units at once."""

    rows: list[list[Array]]
    exchange: dict[str, Array]

    def solve(self, b: Array) -> Array:
        """The solutions for right-hand sides `[*units, size]`."""
        n = len(self.rows)
        x = [b[..., i] for i in range(n)]
        for p in range(n):
            for i in range(p + 1, n):
                x[p], x[i] = _exchanged(self.exchange[f"{p} {i}"], x[p], x[i])
                x[i] = x[i] - self.rows[i][p] * x[p]
        for p in reversed(range(n)):
            for j in range(p + 1, n):
                x[p] = x[p] - self.rows[p][j] * x[j]
            x[p] = x[p] / self.rows[p][p]
        return jnp.stack(x, -1)


def _exchanged(where: Array, a: Array, b: Array) -> tuple[Array, Array]:
    return jnp.where(where, b, a), jnp.where(where, a, b)


def _eliminate(m: Array) -> _Elimination:
    n = m.shape[-1]
    a = [[m[..., i, j] for j in range(n)] for i in range(n)]
    exchange = {}
    for p in range(n):
        for i in range(p + 1, n):
            larger = exchange[f"{p} {i}"] = jnp.abs(a[i][p]) > jnp.abs(a[p][p])
            for j in range(p, n):
                a[p][j], a[i][j] = _exchanged(larger, a[p][j], a[i][j])
            factor = a[i][p] / a[p][p]
            for j in range(p + 1, n):
                a[i][j] = a[i][j] - factor * a[p][j]
            a[i][p] = factor
    return _Elimination(a, exchange)


def _factorise(m: Array) -> Any:
    if m.ndim > 2 and m.shape[-1] <= _SMALL:
        return _eliminate(m)
    return jsp.linalg.lu_factor(m)


def _solve(m: Array, factor: Any, b: Array) -> Array:
    def apply(factor: Any, b: Array) -> Array:
        if isinstance(factor, _Elimination):
            return factor.solve(b)
        return jsp.linalg.lu_solve(factor, b[..., None])[..., 0]

    return jax.lax.custom_linear_solve(
        lambda x: jnp.einsum("...ij,...j->...i", m, x),
        b,
        lambda _, r: apply(factor, r),
        lambda _, r: apply(_factorise(jnp.swapaxes(m, -1, -2)), r),
    )


class BlockLU(lx.AbstractLinearSolver):
    """Solves linear systems whose matrix falls into blocks, one small dense system per unit.

    A linear solver for lineax and the root finders of optimistix: the operator is probed in as
    many directions as the largest block has rows, and each block is factorised.

    **Arguments:** `structure`: from `structure_of`; the operator must not couple more than it
    names (the identity may be added).
    """

    structure: Structure = eqx.field(static=True)

    def init(self, operator: lx.AbstractLinearOperator, options: dict[str, Any]) -> _Factors:
        """The factors of the blocks of an operator."""
        del options
        like = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), operator.in_structure())
        return self.factorise(blocks_of(operator.mv, like, self.structure))

    def factorise(self, matrices: list[Array]) -> _Factors:
        """The factors of given blocks, such as those of `jacobian`."""
        # The matrices keep their derivative, the factors need none.
        factors = [_factorise(jax.lax.stop_gradient(m)) for m in matrices]
        return _Factors(matrices, factors)

    def compute(
        self, state: _Factors, vector: PyTree, options: dict[str, Any]
    ) -> tuple[PyTree, lx.RESULTS, dict[str, Any]]:
        """The solution for one right-hand side."""
        del options
        return self.solve(state, vector), lx.RESULTS.successful, {}

    def solve(self, state: _Factors, vector: PyTree) -> PyTree:
        """The solution, without the report that lineax wants.

        Its derivative is a solution with the same factors: nothing differentiates an elimination.
        """
        leaves, treedef = jax.tree.flatten(vector)
        for block, m, factor in zip(
            self.structure.blocks, state.matrices, state.factors, strict=True
        ):
            x = _solve(m, jax.lax.stop_gradient(factor), block.pack(leaves))
            leaves = block.unpack(x, leaves)
        return jax.tree.unflatten(treedef, leaves)

    def transpose(
        self, state: _Factors, options: dict[str, Any]
    ) -> tuple[_Factors, dict[str, Any]]:
        """The factors of the transposed operator."""
        del options
        return self.factorise([jnp.swapaxes(m, -1, -2) for m in state.matrices]), {}

    def conj(self, state: _Factors, options: dict[str, Any]) -> tuple[_Factors, dict[str, Any]]:
        """Real matrices only, so nothing changes."""
        del options
        return state, {}

    def assume_full_rank(self) -> bool:
        """LU needs a matrix that can be inverted."""
        return True
