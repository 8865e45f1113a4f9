"""Connectivities and their event-driven products."""

from ._base import AbstractConnectivity as AbstractConnectivity
from ._build_random import fixed_in_degree as fixed_in_degree
from ._build_random import fixed_out_degree as fixed_out_degree
from ._build_random import fixed_probability as fixed_probability
from ._build_random import fixed_total_number as fixed_total_number
from ._convert import from_coo as from_coo
from ._convert import from_dense as from_dense
from ._coo import COO as COO
from ._csr import CSC as CSC
from ._csr import CSR as CSR
from ._delay import FractionalDelay as FractionalDelay
from ._dense import Dense as Dense
from ._event_op import event_op as event_op
from ._events import Events as Events
from ._events import find_events as find_events
from ._fixed_fan_out import FixedFanIn as FixedFanIn
from ._fixed_fan_out import FixedFanOut as FixedFanOut
from ._law import AbstractLaw as AbstractLaw
from ._law import Normal as Normal
from ._law import Uniform as Uniform
from ._native import use_native as use_native
from ._one_to_one import OneToOne as OneToOne
from ._plastic import update_on_post as update_on_post
from ._plastic import update_on_pre as update_on_pre
from ._shard import split_post as split_post
from ._synapse_index import SynapseIndex as SynapseIndex
