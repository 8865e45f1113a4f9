"""How a run ended."""

from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PyTree

from .._tree import path_str


class Status(eqx.Module):
    """How a run ended.

    `ok`; and where it is not: `time` (ms) at which something was first not finite, the `leaf` of
    the state, and a `message` that says what to do.
    """

    ok: Any
    time: float = eqx.field(static=True, default=float("nan"))
    leaf: str = eqx.field(static=True, default="")
    message: str = eqx.field(static=True, default="")


def not_finite(y: PyTree) -> list[str]:
    """The leaves of a state that are not finite."""
    return [
        path_str(k) or "y"
        for k, x in jax.tree_util.tree_leaves_with_path(y)
        if not np.isfinite(np.asarray(x)).all()
    ]


def status_of_start(y: PyTree, t: Any, throw: bool) -> Status | None:
    """The end of a run that has no valid start; nothing where the start is finite."""
    bad = not_finite(y)
    if not bad:
        return None
    message = (
        f"the state is not finite at the start, t = {float(t):g}: {bad[0]!r}"
        + (f", also {bad[1:]}" if bad[1:] else "")
        + ". Look at y0."
    )
    if throw:
        raise FloatingPointError(message)
    return Status(False, float(t), bad[0], message)
