"""The loop: gradient of a loss, update of the optimiser, again."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jaxtyping import PyTree
from tqdm import tqdm

from .._record import Status
from .._select import put_leaves, select
from ._trainable import Bound, bounds_of, from_free, project, to_free

M = TypeVar("M")


class FitState(eqx.Module):
    """All that a fit needs, besides the model, to go on where it ended.

    `optimiser`: the state of the optimiser; `step`: steps made.

    ```python
    >>> FitState((), 10).step
    10

    ```

    **Source:** none; a convention of this library.
    """

    optimiser: PyTree
    step: int


class Fitted(eqx.Module):
    """What `fit` returns.

    `model`: with what was trained replaced, and all else as it was; `losses`: the loss before each
    update, `[steps]`; `status`: whether everything stayed finite, and if not at which step it did
    not; `state`: to go on with, `fit(..., state=result.state)`.

    ```python
    >>> import optax
    >>> from fdyn.components import LIF
    >>> goal = lambda model, data, key: (model.v_th + 40.0) ** 2
    >>> found = fit(goal, LIF(1), optimiser=optax.sgd(0.25), steps=30, where=lambda m: m.v_th)
    >>> found.status.ok, found.losses.shape, round(found.model.v_th.item(), 3)
    (True, (30,), -40.0)

    ```

    **Source:** none; a convention of this library.
    """

    model: Any
    losses: np.ndarray
    status: Status
    state: FitState


@eqx.filter_jit
def _update(
    loss: Callable,
    optimiser: optax.GradientTransformation,
    numbers: tuple[int, ...],
    bounds: tuple[Bound, ...],
    model: Any,
    free: list[Array],
    memory: PyTree,
    data: PyTree,
    key: Array,
) -> tuple[Array, Array, list[Array], PyTree]:
    """The loss, whether it and its gradient are finite, and what comes after the update."""

    def of(free: list[Array]) -> Array:
        value = loss(put_leaves(model, numbers, from_free(free, bounds)), data, key)
        if jnp.shape(value) != ():
            raise ValueError(
                f"the loss must be one number, got an array of shape {jnp.shape(value)}. "
                "Take its mean."
            )
        return value

    value, gradient = jax.value_and_grad(of)(free)
    # Optax mixes counts and floating numbers; strict promotion, if set, is meant for models.
    with jax.numpy_dtype_promotion("standard"):
        updates, memory = optimiser.update(gradient, memory, free)
    new: Any = project(optax.apply_updates(free, updates), bounds)  # pyright: ignore
    finite = jnp.stack([jnp.all(jnp.isfinite(x)) for x in (value, *gradient)])
    return value, jnp.all(finite), new, memory


def fit(
    loss: Callable[[M, Any, Array], Array],
    model: M,
    data: Any = None,
    *,
    optimiser: optax.GradientTransformation,
    steps: int,
    where: Callable[[M], Any],
    key: Array | None = None,
    state: FitState | None = None,
    progress: bool = True,
    throw: bool = True,
) -> Fitted:
    r"""Make a loss of a model small by gradient descent on some of its parameters.

    The loss is any function of the model that JAX can differentiate; inside of it `simulate` is a
    scan through which the gradient flows (backpropagation through time), past spikes by their
    surrogate derivative.

    A parameter stays within its declared bound. A positive one is moved in its logarithm: it
    cannot leave, and one learning rate suits time constants of 1 and of 100 ms. A non-negative
    one may become zero and leave it again, which no smooth map allows, so it is moved as it is
    and set to zero where an update made it negative. The same holds for the values of a
    `FractionalDelay`, which stay between 0 and its `maximum`.

    **Arguments:**

    - `loss`: function `(model, data, key)` to one number.
    - `model`: any pytree of modules.
    - `data`: what the loss is given: a pytree of arrays, the same at every step, or an iterator
      with one for each step, such as `minibatches(...)`.
    - `optimiser`: of optax, for example `optax.adam(1e-2)`.
    - `steps`: number of updates.
    - `where`: what trains: function from the model to a parameter, a part of the model, or a list
      of those. All other leaves stay the same, bit for bit.
    - `key`: random key, `jax.random.key(0)`; step i gets `fold_in(key, i)`.
    - `state`: `.state` of an earlier fit, to go on exactly.
    - `progress`: show a bar with the loss after two seconds.
    - `throw`: raise where the loss or its gradient is not finite; otherwise the result holds the
      last model whose loss and gradient were finite, and `.status` says at which step it ended.

    **Returns:** a `Fitted`. The same `loss` and `optimiser` with other values compile only once.

    **Raises:** `ValueError` where `where` selects no parameter, the loss is no scalar, or the
    iterator ends too early; `FloatingPointError` for what is not finite.

    ```python
    >>> import jax.numpy as jnp, optax
    >>> from fdyn import simulate
    >>> from fdyn.components import LIF
    >>> from fdyn.fit import mean_squared_error
    >>> def loss(neuron, target, key):
    ...     v = simulate(neuron, 20.0, dt=0.5, inputs=10.0, record="v")["v"]
    ...     return mean_squared_error(v, target)
    >>> target = simulate(LIF(1, tau=10.0), 20.0, dt=0.5, inputs=10.0, record="v")["v"]
    >>> adam = optax.adam(0.1)
    >>> found = fit(loss, LIF(1), target, optimiser=adam, steps=120, where=lambda m: m.tau)
    >>> round(found.model.tau.item(), 1)
    10.0

    ```

    **Source:** backpropagation through time, Werbos 1990, Proc. IEEE 78:1550; surrogate gradients,
    Neftci, Mostafa & Zenke 2019, IEEE Signal Process. Mag. 36:51.
    """
    numbers = select(model, where)
    bounds = bounds_of(model, numbers)
    leaves = jax.tree.leaves(model)
    free = to_free([leaves[i] for i in numbers], bounds)
    memory = optimiser.init(free) if state is None else state.optimiser  # pyright: ignore
    first = 0 if state is None else state.step
    key = jax.random.key(0) if key is None else key
    # The last parameters whose loss is known to be finite.
    good, losses, status = (free, memory), [], Status(True)
    with tqdm(total=steps, disable=not progress, delay=2, unit="step", leave=False) as bar:
        for i in range(first, first + steps):
            batch = _next(data, i - first, steps)
            now = jax.random.fold_in(key, i)
            value, finite, new, new_memory = _update(
                loss, optimiser, numbers, bounds, model, free, memory, batch, now
            )
            if not finite:
                status = _diverged(i, float(value))
                free, memory = (free, memory) if np.isfinite(value) else good
                break
            losses.append(float(value))
            good, free, memory = (free, memory), new, new_memory
            bar.update()
            bar.set_postfix(loss=f"{losses[-1]:.4g}", refresh=False)
    if throw and not status.ok:
        raise FloatingPointError(status.message)
    if losses:
        model = put_leaves(model, numbers, from_free(free, bounds))
    return Fitted(model, np.array(losses), status, FitState(memory, first + len(losses)))


def _next(data: Any, i: int, steps: int) -> Any:
    if isinstance(data, Iterator):
        try:
            data = next(data)
        except StopIteration:
            raise ValueError(f"'data' ended after {i} of {steps} steps.") from None
    # A plain number would be a constant of the compiled step, which would then compile for each.
    numbers = (bool, int, float, np.ndarray)
    return jax.tree.map(lambda x: jnp.asarray(x) if isinstance(x, numbers) else x, data)


def _diverged(step: int, value: float) -> Status:
    what = "the loss" if not np.isfinite(value) else "the gradient of the loss"
    return Status(
        False,
        message=f"{what} was no longer finite at step {step}. Try a smaller learning rate, or "
        "optax.clip_by_global_norm. With throw=False the last good model is returned.",
    )
