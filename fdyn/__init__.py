"""fdyn: brain dynamics on JAX. One model definition simulates, learns and can be analysed."""

from . import components as components
from . import solvers as solvers
from . import sparse as sparse
from ._network import Network as Network
from ._param import param as param
from ._param import replace as replace
from ._projection import Projection as Projection
from ._record import Record as Record
from ._record import Recording as Recording
from ._record import Spikes as Spikes
from ._save import load as load
from ._save import save as save
from ._simulate import RunState as RunState
from ._simulate import simulate as simulate
from ._solution import Solution as Solution
from ._solve import solve as solve
from ._summary import summary as summary
from .components import AbstractComponent as AbstractComponent
from .components import Affine as Affine
from .components import Args as Args
from .components import State as State
from .components import vector_field as vector_field

__all__ = [
    "AbstractComponent",
    "Affine",
    "Args",
    "Network",
    "Projection",
    "Record",
    "Recording",
    "RunState",
    "Solution",
    "Spikes",
    "State",
    "components",
    "load",
    "param",
    "replace",
    "save",
    "simulate",
    "solve",
    "solvers",
    "sparse",
    "summary",
    "vector_field",
]

__version__ = "0.1.0"
