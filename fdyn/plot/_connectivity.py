"""Connectivities as pictures of their matrices."""

from typing import Any, Literal

import numpy as np

from ._axes import get_axes


def connectivity(
    conn: Any,
    *,
    show: Literal["weight", "delay"] = "weight",
    pixels: int = 250,
    colorbar: bool = True,
    ax: Any = None,
) -> Any:
    r"""The matrix of a connectivity: a row for every presynaptic unit, from the top.

    A matrix that is larger than the picture is averaged in blocks: weights over all pairs of a
    block, those without a synapse as 0, so that its colours tell how dense it is; delays over the
    synapses of a block. What has no synapse stays white.

    **Arguments:**

    - `conn`: a connectivity of `fdyn.sparse`. It is listed synapse by synapse, never as a matrix.
    - `show`: `"weight"` or `"delay"`. Default: `"weight"`.
    - `pixels`: largest number of blocks on either side, 250.
    - `colorbar`: whether a scale is drawn beside the picture. Default: `True`.
    - `ax`: matplotlib axes; those of a new figure by default.

    **Returns:** the axes.

    **Raises:** `ValueError` for another `show`, delays where there are none, a connectivity
    without units, or `pixels` below 1; `ImportError` without matplotlib.

    ```python
    >>> from fdyn import plot
    >>> from fdyn.sparse import grid_neighbours
    >>> ax = plot.connectivity(grid_neighbours(5, 0.5, periodic=True))
    >>> ax.images[0].get_array()[0].filled(0).tolist()
    [0.0, 0.5, 0.0, 0.0, 0.5]

    ```

    **Source:** none; a convention of the field.
    """
    if show not in ("weight", "delay"):
        raise ValueError(f'\'show\' must be "weight" or "delay", got {show!r}.')
    if pixels < 1:
        raise ValueError(f"'pixels' must be a positive number, got {pixels!r}.")
    if 0 in conn.shape:
        raise ValueError(f"the connectivity has shape {conn.shape}, so there is nothing to draw.")
    coo = conn.to_coo()
    image = _delays(coo, pixels) if show == "delay" else _weights(coo, pixels)
    ax = get_axes(ax)
    filled = image.filled(0.0)
    low, high = float(filled.min()), float(filled.max())
    if show == "weight" and low < 0:
        scale = {"cmap": "RdBu_r", "vmin": -max(-low, high), "vmax": max(-low, high)}
    else:
        # Not from white, so that the least of what there is can be seen.
        scale = {"cmap": "viridis_r" if show == "delay" else _blues(), "vmin": 0.0, "vmax": high}
    n_pre, n_post = conn.shape
    drawn = ax.imshow(
        image,
        extent=(-0.5, n_post - 0.5, n_pre - 0.5, -0.5),
        interpolation="nearest",
        aspect="equal" if n_pre == n_post else "auto",
        **scale,
    )
    ax.set(xlabel="postsynaptic unit", ylabel="presynaptic unit")
    if colorbar:
        label = "delay (ms)" if show == "delay" else "weight"
        ax.figure.colorbar(
            drawn, ax=ax, label=label if image.shape == conn.shape else f"mean {label}"
        )
    return ax


def _blues() -> Any:
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    return ListedColormap(colormaps["Blues"](np.linspace(0.15, 1.0, 256)))


def _blocks(coo: Any, pixels: int) -> tuple[np.ndarray, tuple[int, int], np.ndarray]:
    """The block of every synapse, the shape of the picture, and the pairs in each block."""
    shape, edges, index = [], [], []
    for units, n in ((coo.rows, coo.n_pre), (coo.cols, coo.n_post)):
        blocks = min(n, pixels)
        shape.append(blocks)
        index.append(np.asarray(units, np.int64) * blocks // n)
        edges.append(-(-np.arange(blocks + 1) * n // blocks))
    pairs = np.outer(*(np.diff(e) for e in edges))
    return index[0] * shape[1] + index[1], (shape[0], shape[1]), pairs


def _weights(coo: Any, pixels: int) -> np.ma.MaskedArray:
    block, shape, pairs = _blocks(coo, pixels)
    weight = np.asarray(coo.weight, np.float64)
    weight = weight[np.asarray(coo.rows), 0] if weight.ndim == 2 else weight
    total = np.bincount(block, np.broadcast_to(weight, block.shape), minlength=pairs.size)
    count = np.bincount(block, minlength=pairs.size)
    return np.ma.masked_where(count.reshape(shape) == 0, total.reshape(shape) / pairs)


def _delays(coo: Any, pixels: int) -> np.ma.MaskedArray:
    if coo.delay is None:
        raise ValueError("the connectivity has no delays; give its builder a 'delay'.")
    block, shape, pairs = _blocks(coo, pixels)
    delay = np.asarray(getattr(coo.delay, "values", coo.delay), np.float64)
    total = np.bincount(block, np.broadcast_to(delay, block.shape), minlength=pairs.size)
    count = np.bincount(block, minlength=pairs.size)
    mean = (total / np.maximum(count, 1)).reshape(shape)
    return np.ma.masked_where(count.reshape(shape) == 0, mean)
