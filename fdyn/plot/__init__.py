"""Pictures of recordings and analyses. Every function takes axes, draws, and returns them."""

from ._branch import branch as branch
from ._connectivity import connectivity as connectivity
from ._phase import phase_plane as phase_plane
from ._spikes import population_rate as population_rate
from ._spikes import raster as raster
from ._traces import traces as traces

__all__ = [
    "branch",
    "connectivity",
    "phase_plane",
    "population_rate",
    "raster",
    "traces",
]
