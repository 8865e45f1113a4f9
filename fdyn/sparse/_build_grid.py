"""Units on grids: positions, neighbourhoods, and the pattern of all pairs."""

import itertools
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Array, Key

from ._build_common import Values, as_sizes, check_lengths, make_csr, per_synapse
from ._checks import as_size
from ._csr import CSR
from ._dense import Dense
from ._fixed_fan import FixedFanOut


def grid_positions(
    shape: int | Sequence[int], spacing: float | Sequence[float] = 1.0
) -> np.ndarray:
    """Positions of units on a regular grid, the last axis running fastest.

    With `period = shape * spacing` the grid closes to a ring or a torus.

    **Arguments:**

    - `shape`: number of units along each axis; an `int` is a line.
    - `spacing`: distance of neighbours, one for all axes or one for each, plain numbers in a unit
        of your choice. Default: 1.

    **Returns:** a numpy array `[n, dimensions]` of float64.

    **Raises:** `ValueError` if a number of units is no `int` or negative, or for quantities with
    units.

    ```python
    >>> from fdyn.sparse import grid_positions
    >>> grid_positions((2, 2), 0.5).tolist()
    [[0.0, 0.0], [0.0, 0.5], [0.5, 0.0], [0.5, 0.5]]

    ```

    **Source:** none; a convention of this library.
    """
    shape = _shape(shape)
    check_lengths(spacing, "spacing")
    indices = np.indices(shape).reshape(len(shape), -1).T
    return indices * np.broadcast_to(np.asarray(spacing, np.float64), (len(shape),))


def grid_neighbours(
    shape: int | Sequence[int],
    weight: Values,
    *,
    radius: float = 1,
    norm: Literal["city_block", "chessboard", "euclidean"] = "chessboard",
    periodic: bool | Sequence[bool] = False,
    delay: Values | None = None,
    autapses: bool = False,
    key: Key[Array, ""] | None = None,
) -> CSR:
    r"""Connect every unit of a grid, of any dimension, with those within a radius.

    $$i \to j \iff |x_i - x_j| \le \text{radius}$$

    In two dimensions and with radius 1, the norm `"city_block"` gives the 4 neighbours of von
    Neumann, `"chessboard"` the 8 of Moore. A pair that a periodic grid joins on several ways
    around has one synapse.

    **Arguments:**

    - `shape`: number of units along each axis, the last axis running fastest; an `int` is a line.
    - `weight`: a scalar, a law such as `Normal` (with a `key`), a function that is given the
        Euclidean distances `[n_synapses]` in steps of the grid, or one weight per synapse,
        `[n_synapses]`.
    - `radius`: in steps of the grid. Default: 1.
    - `norm`: how distance is measured: `"city_block"`, the sum over the axes, `"chessboard"`, the
        largest of them, or `"euclidean"`. Default: `"chessboard"`.
    - `periodic`: whether the grid closes, one for all axes or one for each. Default: `False`.
    - `delay`: in ms, given like `weight`. Default: `None`, no delay of its own.
    - `autapses`: whether each unit is its own neighbour. Default: `False`.
    - `key`: a `jax.random` key, for laws. Default: `None`.

    **Returns:** a `CSR` with sorted rows and without parallel synapses.

    **Raises:** `ValueError` for an unknown norm, a negative radius, a shape that is none, or a
    weight or delay of another shape.

    ```python
    >>> from fdyn.sparse import grid_neighbours
    >>> grid_neighbours((3, 3), 1.0).indices[:3].tolist()  # of the unit in the corner
    [1, 3, 4]
    >>> grid_neighbours((3, 3), 1.0, norm="city_block", periodic=True).n_synapses
    36

    ```

    **Source:** the neighbourhoods of cellular automata, Toffoli & Margolus 1987, Cellular
    Automata Machines, section 7.
    """
    shape = _shape(shape)
    if norm not in ("city_block", "chessboard", "euclidean"):
        raise ValueError(f'`norm` is {norm!r}, expected "city_block", "chessboard" or "euclidean"')
    if not 0 <= radius < np.inf:
        raise ValueError(f"`radius` is {radius}, expected a number of steps that is not negative")
    flags = [periodic] * len(shape) if isinstance(periodic, bool) else list(periodic)
    if len(flags) != len(shape):
        raise ValueError(
            f"`periodic` is {periodic}, expected one bool, or one for each of {len(shape)} axes"
        )
    steps = _steps(shape, flags, radius, norm, autapses)
    coordinates = np.indices(shape, np.int32).reshape(len(shape), -1)
    n = coordinates.shape[1]
    targets = np.empty((n, len(steps)), np.int32)
    for k, step in enumerate(steps):
        index, inside = np.zeros(n, np.int32), np.ones(n, bool)
        for x, move, size, wraps in zip(coordinates, step, shape, flags, strict=True):
            x = x + np.int32(move)
            if wraps:
                x = np.where(x < 0, x + size, np.where(x >= size, x - size, x))
            else:
                inside &= (x >= 0) & (x < size)
            index = index * np.int32(size) + x
        targets[:, k] = np.where(inside, index, n)
    targets.sort(axis=1)  # what lies outside comes last
    exists = targets < n
    counts = exists.sum(axis=1)
    indices = targets[exists]

    def distance() -> np.ndarray:
        rows = np.repeat(np.arange(n), counts)
        total = np.zeros(indices.size)
        for x, size, wraps in zip(coordinates, shape, flags, strict=True):
            gap = np.abs(x[rows] - x[indices])
            total += (np.minimum(gap, size - gap) if wraps else gap) ** 2.0
        return np.sqrt(total)

    return make_csr(indices, counts, n, weight, delay, key, distance)


def all_to_all(
    n_pre: int,
    n_post: int,
    weight: Values,
    *,
    delay: Values | None = None,
    autapses: bool = True,
    key: Key[Array, ""] | None = None,
) -> Dense | FixedFanOut:
    r"""Connect every pair.

    **Arguments:**

    - `n_pre`, `n_post`: number of units.
    - `weight`: a scalar, a law such as `Normal` (with a `key`), or one weight per synapse:
        `[n_pre, n_post]`, or `[n, n - 1]` without autapses.
    - `delay`: in ms, given like `weight`. Default: `None`, no delay of its own.
    - `autapses`: whether $i \to i$ is a synapse. Default: `True`.
    - `key`: a `jax.random` key, for laws. Default: `None`.

    **Returns:** a `Dense`; without autapses a `FixedFanOut`, which has no synapse $i \to i$ at all
    rather than one of weight 0 that could learn.

    **Raises:** `ValueError` for `autapses=False` with `n_pre != n_post`, or a weight or delay of
    another shape.

    ```python
    >>> from fdyn.sparse import all_to_all
    >>> print(all_to_all(3, 3, 1.0, autapses=False).to_dense())
    [[0. 1. 1.]
     [1. 0. 1.]
     [1. 1. 0.]]

    ```

    **Source:** none; a definition.
    """
    n_pre, n_post = as_sizes(n_pre, n_post, autapses)
    shape = (n_pre, n_post if autapses else max(n_post - 1, 0))
    w = per_synapse(weight, "weight", shape, key)
    d = per_synapse(delay, "delay", shape, key)
    if autapses:
        return Dense(w, n_pre=n_pre, n_post=n_post, delay=d)
    targets = np.broadcast_to(np.arange(shape[1], dtype=np.int32), shape)
    targets = targets + (targets >= np.arange(n_pre, dtype=np.int32)[:, None])
    return FixedFanOut(targets, w, n_post=n_post, delay=d)


def _shape(shape: int | Sequence[int]) -> tuple[int, ...]:
    sizes = tuple(shape) if isinstance(shape, Sequence) else (shape,)
    if not sizes:
        raise ValueError("`shape` is empty, expected the number of units along each axis")
    sizes = tuple(as_size(n, "shape") for n in sizes)
    as_size(int(np.prod([float(n) for n in sizes])), "shape")
    return sizes


def _steps(shape, flags, radius: float, norm: str, autapses: bool) -> list[tuple[int, ...]]:
    """The steps that lead to the neighbours, on a periodic axis each place once."""
    reach = int(radius)
    axes = []
    for size, wraps in zip(shape, flags, strict=True):
        most = min(reach, max(size - 1, 0))
        low, high = (-min(most, (size - 1) // 2), min(most, size // 2)) if wraps else (-most, most)
        axes.append(range(low, high + 1))
    order = {"city_block": 1, "chessboard": np.inf, "euclidean": 2}[norm]
    return [
        step
        for step in itertools.product(*axes)
        if np.linalg.norm(step, order) <= radius * (1 + 1e-12) and (autapses or any(step))
    ]
