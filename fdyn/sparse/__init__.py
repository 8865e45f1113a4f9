"""Connectivities and their event-driven products."""

from ._accelerator import use_pallas as use_pallas
from ._base import AbstractConnectivity as AbstractConnectivity
from ._build_graph import power_law_cluster as power_law_cluster
from ._build_graph import scale_free as scale_free
from ._build_graph import scale_free_dual as scale_free_dual
from ._build_graph import small_world as small_world
from ._build_grid import all_to_all as all_to_all
from ._build_grid import grid_neighbours as grid_neighbours
from ._build_grid import grid_positions as grid_positions
from ._build_modular import modular as modular
from ._build_random import fixed_in_degree as fixed_in_degree
from ._build_random import fixed_out_degree as fixed_out_degree
from ._build_random import fixed_probability as fixed_probability
from ._build_random import fixed_total_number as fixed_total_number
from ._build_space import distance_dependent as distance_dependent
from ._build_space import gaussian as gaussian
from ._build_table import from_networkx as from_networkx
from ._build_table import from_table as from_table
from ._convert import from_coo as from_coo
from ._convert import from_dense as from_dense
from ._convert import from_scipy as from_scipy
from ._coo import COO as COO
from ._csr import CSC as CSC
from ._csr import CSR as CSR
from ._delay import FractionalDelay as FractionalDelay
from ._dense import Dense as Dense
from ._event_op import event_op as event_op
from ._events import Events as Events
from ._events import find_events as find_events
from ._fixed_fan import FixedFanIn as FixedFanIn
from ._fixed_fan import FixedFanOut as FixedFanOut
from ._law import AbstractLaw as AbstractLaw
from ._law import Normal as Normal
from ._law import Uniform as Uniform
from ._native import use_native as use_native
from ._one_to_one import OneToOne as OneToOne
from ._plastic import update_on_post as update_on_post
from ._plastic import update_on_pre as update_on_pre
from ._procedural import Procedural as Procedural
from ._procedural_space import ByDistance as ByDistance
from ._reduce import pre2post as pre2post
from ._reduce import pre2syn as pre2syn
from ._reduce import syn2post as syn2post
from ._shard import split_post as split_post
from ._synapse_index import SynapseIndex as SynapseIndex

__all__ = [
    "AbstractConnectivity",
    "AbstractLaw",
    "ByDistance",
    "COO",
    "CSC",
    "CSR",
    "Dense",
    "Events",
    "FixedFanIn",
    "FixedFanOut",
    "FractionalDelay",
    "Normal",
    "OneToOne",
    "Procedural",
    "SynapseIndex",
    "Uniform",
    "all_to_all",
    "distance_dependent",
    "event_op",
    "find_events",
    "fixed_in_degree",
    "fixed_out_degree",
    "fixed_probability",
    "fixed_total_number",
    "from_coo",
    "from_dense",
    "from_networkx",
    "from_scipy",
    "from_table",
    "gaussian",
    "grid_neighbours",
    "grid_positions",
    "modular",
    "power_law_cluster",
    "pre2post",
    "pre2syn",
    "scale_free",
    "scale_free_dual",
    "small_world",
    "split_post",
    "syn2post",
    "update_on_post",
    "update_on_pre",
    "use_native",
    "use_pallas",
]
