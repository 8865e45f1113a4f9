"""Losses: what a fit makes small."""

import jax.numpy as jnp
import optax
from jax import Array
from jax.typing import ArrayLike


def mean_squared_error(trace: Array, target: ArrayLike) -> Array:
    r"""The mean squared error of a trace, $\frac1N \sum_k (x_k - \hat x_k)^2$.

    **Arguments:** `trace`: any shape; `target`: of the same shape and unit.

    **Returns:** a scalar, in the square of the unit.

    **Raises:** `ValueError` where the shapes differ: nothing is broadcast, which would compare
    every row with every other.

    ```python
    >>> import jax.numpy as jnp
    >>> float(mean_squared_error(jnp.array([1.0, 2.0]), [1.0, 4.0]))
    2.0

    ```

    **Source:** Gauss 1809, Theoria Motus, section 179.
    """
    target = jnp.asarray(target, trace.dtype)
    if trace.shape != target.shape:
        raise ValueError(
            f"the target must have the shape of the trace, {trace.shape}, got {target.shape}."
        )
    return jnp.mean((trace - target) ** 2)


def cross_entropy(logits: Array, labels: ArrayLike) -> Array:
    r"""The mean cross-entropy of a read-out, $-\log \mathrm{softmax}(z)_c$ for the true class $c$.

    **Arguments:** `logits`: read-outs, `[..., classes]`, without unit; `labels`: the number of the
    true class, whole numbers, `[...]`.

    **Returns:** a scalar, nats.

    ```python
    >>> import jax.numpy as jnp
    >>> round(float(cross_entropy(jnp.zeros((5, 4)), jnp.arange(5) % 4)), 4)  # log 4
    1.3863

    ```

    **Source:** `optax.softmax_cross_entropy_with_integer_labels`, averaged; Bishop 2006, Pattern
    Recognition and Machine Learning, eq. 4.108.
    """
    labels = jnp.asarray(labels)
    if labels.shape != logits.shape[:-1] or not jnp.issubdtype(labels.dtype, jnp.integer):
        raise ValueError(
            f"'labels' must be whole numbers of shape {logits.shape[:-1]}, one for each row of "
            f"'logits', got {labels.dtype} of shape {labels.shape}."
        )
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, labels))


def rate_penalty(spikes: Array, dt: ArrayLike, low: float = 0.0, high: float = 50.0) -> Array:
    r"""A penalty on neurons that fire less than `low` or more than `high`.

    $$\frac1N \sum_i \left[\max(l - r_i, 0)^2 + \max(r_i - h, 0)^2\right] / h^2$$
    with $r_i$ the rate of neuron $i$ over the first axis.

    **Arguments:** `spikes`: `[steps, ...]`; `dt`: ms; `low`, `high`: Hz, 0 and 50.

    **Returns:** a scalar without unit.

    ```python
    >>> import jax.numpy as jnp
    >>> spikes = jnp.ones((10, 1))  # 10 spikes in 100 ms: 100 Hz
    >>> float(rate_penalty(spikes, 10.0, high=50.0))
    1.0

    ```

    **Source:** Cramer et al. 2022, IEEE Trans. Neural Netw. Learn. Syst. 33:2744, eqs. 11-12, on
    rates of neurons and in relative terms.
    """
    rate = jnp.mean(spikes, axis=0) / jnp.asarray(dt, spikes.dtype) * 1000
    outside = jnp.maximum(low - rate, 0) ** 2 + jnp.maximum(rate - high, 0) ** 2
    return jnp.mean(outside) / high**2
