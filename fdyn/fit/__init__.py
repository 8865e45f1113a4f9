"""Fitting: what trains, losses, and the loop. Any optimiser of optax, any loss of a simulation."""

from ._batches import minibatches as minibatches
from ._fit import FitState as FitState
from ._fit import Fitted as Fitted
from ._fit import fit as fit
from ._losses import cross_entropy as cross_entropy
from ._losses import mean_squared_error as mean_squared_error
from ._losses import rate_penalty as rate_penalty
from ._trainable import trainable as trainable

__all__ = [
    "FitState",
    "Fitted",
    "cross_entropy",
    "fit",
    "mean_squared_error",
    "minibatches",
    "rate_penalty",
    "trainable",
]
