"""The spectral radius of a connectivity."""

from typing import TypeVar

import equinox as eqx
import numpy as np

from ..._misc import is_traced
from ...sparse import AbstractConnectivity

C = TypeVar("C", bound=AbstractConnectivity)


def spectral_radius(conn: AbstractConnectivity) -> float:
    """The largest absolute eigenvalue, from all eigenvalues of the dense matrix."""
    return float(np.abs(np.linalg.eigvals(np.asarray(conn.to_dense(), np.float64))).max())


def with_radius(conn: C, radius: float, owner: str) -> C:
    """The connectivity with all weights scaled by one factor, so that it has this radius."""
    if is_traced(conn):
        raise ValueError(
            f"{owner}: its weights are scaled to their spectral radius when it is made, which "
            "cannot be traced. Make it outside of jit, vmap and grad, or give "
            "spectral_radius=None, which takes 'recurrent' as it is."
        )
    if not eqx.is_array(conn.weight):
        raise ValueError(
            f"{owner}: the weights of this {type(conn).__name__} follow from a law and cannot be "
            "scaled; give spectral_radius=None, which takes them as they are."
        )
    now = spectral_radius(conn)
    if not now > 0:
        raise ValueError(
            f"{owner}: the recurrent weights have a spectral radius of 0 (no unit acts back on "
            "itself by any way), so no factor makes it another. Give more synapses, or "
            "spectral_radius=None, which takes them as they are."
        )
    return eqx.tree_at(lambda c: c.weight, conn, conn.weight * (radius / now))
