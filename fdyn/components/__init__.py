"""The building blocks of models; one file per model family."""

from ._base import AbstractComponent as AbstractComponent
from ._base import AbstractNeuron as AbstractNeuron
from ._base import AbstractPopulation as AbstractPopulation
from ._base import Affine as Affine
from ._base import Args as Args
from ._base import CommonNoise as CommonNoise
from ._base import State as State
from ._base import as_affine as as_affine
from ._base import vector_field as vector_field
from ._cells._base import AbstractCell as AbstractCell
from ._cells._echo_state import EchoState as EchoState
from ._cells._gated import GRU as GRU
from ._cells._gated import LSTM as LSTM
from ._cells._leaky import LeakyRNN as LeakyRNN
from ._cells._lru import LRU as LRU
from ._cells._nvar import NVAR as NVAR
from ._cells._readout import Readout as Readout
from ._cells._vanilla import VanillaRNN as VanillaRNN
from ._channels._base import AbstractChannel as AbstractChannel
from ._channels._base import AbstractGatedChannel as AbstractGatedChannel
from ._channels._hodgkin_huxley import KHH as KHH
from ._channels._hodgkin_huxley import NaHH as NaHH
from ._channels._leak import Leak as Leak
from ._channels._traub_miles import KTraubMiles as KTraubMiles
from ._channels._traub_miles import NaTraubMiles as NaTraubMiles
from ._history import AbstractHistory as AbstractHistory
from ._history import ConstantHistory as ConstantHistory
from ._inputs._base import AbstractStatelessInput as AbstractStatelessInput
from ._inputs._constant import ConstantInput as ConstantInput
from ._inputs._ornstein_uhlenbeck import OrnsteinUhlenbeck as OrnsteinUhlenbeck
from ._inputs._poisson import PoissonInput as PoissonInput
from ._neurons._conductance import ConductanceBased as ConductanceBased
from ._neurons._lif import LIF as LIF
from ._neurons._morris_lecar import MorrisLecar as MorrisLecar
from ._plasticity._base import AbstractPlasticity as AbstractPlasticity
from ._surrogate import AbstractSurrogate as AbstractSurrogate
from ._surrogate import SuperSpike as SuperSpike
from ._synapses._activity import Activity as Activity
from ._synapses._alpha import Alpha as Alpha
from ._synapses._base import AbstractSynapse as AbstractSynapse
from ._synapses._base import Arrivals as Arrivals
from ._synapses._delta import Delta as Delta
from ._synapses._diffusive import Diffusive as Diffusive
from ._synapses._dual_exponential import DualExponential as DualExponential
from ._synapses._exponential import Exponential as Exponential
from ._synapses._gaba_b import GABAB as GABAB
from ._synapses._graded import Graded as Graded
from ._synapses._kinetic import AMPA as AMPA
from ._synapses._kinetic import GABAA as GABAA
from ._synapses._mg_block import MgBlock as MgBlock
from ._synapses._nmda import NMDA as NMDA
from ._synapses._nmda_kinetic import NMDAKinetic as NMDAKinetic
from ._synapses._output import COBA as COBA
from ._synapses._output import CUBA as CUBA
from ._synapses._output import AbstractOutput as AbstractOutput
from ._synapses._pulse import AbstractPulseSynapse as AbstractPulseSynapse
from ._synapses._release import AbstractRelease as AbstractRelease
from ._synapses._stochastic_release import StochasticRelease as StochasticRelease
from ._synapses._tsodyks_markram import TsodyksMarkram as TsodyksMarkram

__all__ = [
    "AMPA",
    "AbstractCell",
    "AbstractChannel",
    "AbstractComponent",
    "AbstractGatedChannel",
    "AbstractHistory",
    "AbstractNeuron",
    "AbstractOutput",
    "AbstractPlasticity",
    "AbstractPopulation",
    "AbstractPulseSynapse",
    "AbstractRelease",
    "AbstractStatelessInput",
    "AbstractSurrogate",
    "AbstractSynapse",
    "Activity",
    "Affine",
    "Alpha",
    "Args",
    "Arrivals",
    "COBA",
    "CUBA",
    "CommonNoise",
    "ConductanceBased",
    "ConstantHistory",
    "ConstantInput",
    "Delta",
    "Diffusive",
    "DualExponential",
    "EchoState",
    "Exponential",
    "GABAA",
    "GABAB",
    "GRU",
    "Graded",
    "KHH",
    "KTraubMiles",
    "LIF",
    "LRU",
    "LSTM",
    "Leak",
    "LeakyRNN",
    "MgBlock",
    "MorrisLecar",
    "NMDA",
    "NMDAKinetic",
    "NVAR",
    "NaHH",
    "NaTraubMiles",
    "OrnsteinUhlenbeck",
    "PoissonInput",
    "Readout",
    "State",
    "StochasticRelease",
    "SuperSpike",
    "TsodyksMarkram",
    "VanillaRNN",
    "as_affine",
    "vector_field",
]
