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
from ._cells._conv_lstm import ConvLSTM as ConvLSTM
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
from ._channels._base import AbstractSteadyStateChannel as AbstractSteadyStateChannel
from ._channels._bazhenov import KDRBazhenov as KDRBazhenov
from ._channels._bazhenov import NaBazhenov as NaBazhenov
from ._channels._bazhenov import NaPTimofeev as NaPTimofeev
from ._channels._destexhe import CANDestexhe as CANDestexhe
from ._channels._destexhe import IhDestexhe as IhDestexhe
from ._channels._destexhe import KAHPDestexhe as KAHPDestexhe
from ._channels._hodgkin_huxley import KHH as KHH
from ._channels._hodgkin_huxley import NaHH as NaHH
from ._channels._huguenard_mccormick import CaTHuguenardMcCormick as CaTHuguenardMcCormick
from ._channels._huguenard_mccormick import IhHuguenardMcCormick as IhHuguenardMcCormick
from ._channels._huguenard_mccormick import KA1HuguenardMcCormick as KA1HuguenardMcCormick
from ._channels._huguenard_mccormick import KA2HuguenardMcCormick as KA2HuguenardMcCormick
from ._channels._huguenard_mccormick import KK2AHuguenardMcCormick as KK2AHuguenardMcCormick
from ._channels._huguenard_mccormick import KK2BHuguenardMcCormick as KK2BHuguenardMcCormick
from ._channels._huguenard_prince import CaTHuguenardPrince as CaTHuguenardPrince
from ._channels._inoue_strowbridge import CaLInoueStrowbridge as CaLInoueStrowbridge
from ._channels._inoue_strowbridge import CANInoueStrowbridge as CANInoueStrowbridge
from ._channels._leak import GHKLeak as GHKLeak
from ._channels._leak import Leak as Leak
from ._channels._markov import AbstractMarkovChannel as AbstractMarkovChannel
from ._channels._mccormick_huguenard import CaHTMcCormickHuguenard as CaHTMcCormickHuguenard
from ._channels._pospischil import CaTPospischil as CaTPospischil
from ._channels._reuveni import CaHTReuveni as CaHTReuveni
from ._channels._traub_miles import KTraubMiles as KTraubMiles
from ._channels._traub_miles import NaTraubMiles as NaTraubMiles
from ._channels._yamada import KMYamada as KMYamada
from ._history import AbstractHistory as AbstractHistory
from ._history import ConstantHistory as ConstantHistory
from ._inputs._base import AbstractInput as AbstractInput
from ._inputs._base import AbstractSignal as AbstractSignal
from ._inputs._base import AbstractStatelessInput as AbstractStatelessInput
from ._inputs._base import ConstantInput as ConstantInput
from ._inputs._chirp import Chirp as Chirp
from ._inputs._delta import DeltaEncoder as DeltaEncoder
from ._inputs._latency import LatencyEncoder as LatencyEncoder
from ._inputs._ornstein_uhlenbeck import OrnsteinUhlenbeck as OrnsteinUhlenbeck
from ._inputs._phase import PhaseEncoder as PhaseEncoder
from ._inputs._poisson import PoissonInput as PoissonInput
from ._inputs._poisson_encoder import PoissonEncoder as PoissonEncoder
from ._inputs._population import PopulationEncoder as PopulationEncoder
from ._inputs._pulses import Pulses as Pulses
from ._inputs._ramp import Ramp as Ramp
from ._inputs._relay import Relay as Relay
from ._inputs._sampled import Sampled as Sampled
from ._inputs._sinusoid import Sinusoid as Sinusoid
from ._inputs._source import AbstractEncoder as AbstractEncoder
from ._inputs._spike_times import SpikeTimes as SpikeTimes
from ._inputs._square import Square as Square
from ._inputs._steps import Steps as Steps
from ._inputs._white_noise import WhiteNoise as WhiteNoise
from ._ions._base import AbstractIon as AbstractIon
from ._ions._base import IonState as IonState
from ._ions._base import ghk_current as ghk_current
from ._ions._base import nernst as nernst
from ._ions._fixed import FixedIon as FixedIon
from ._ions._fixed import NernstIon as NernstIon
from ._ions._fixed import calcium as calcium
from ._ions._fixed import potassium as potassium
from ._ions._fixed import sodium as sodium
from ._ions._shell import FirstOrderIon as FirstOrderIon
from ._ions._shell import IonShell as IonShell
from ._neurons._alif import ALIF as ALIF
from ._neurons._base import AbstractCrossingNeuron as AbstractCrossingNeuron
from ._neurons._base import AbstractResetNeuron as AbstractResetNeuron
from ._neurons._conductance import ConductanceBased as ConductanceBased
from ._neurons._exponential import AdEx as AdEx
from ._neurons._exponential import ExponentialIF as ExponentialIF
from ._neurons._fitzhugh_nagumo import FitzHughNagumo as FitzHughNagumo
from ._neurons._gif import GIF as GIF
from ._neurons._glif import GLIF as GLIF
from ._neurons._hindmarsh_rose import HindmarshRose as HindmarshRose
from ._neurons._hodgkin_huxley import hodgkin_huxley as hodgkin_huxley
from ._neurons._izhikevich import Izhikevich as Izhikevich
from ._neurons._leaky import LeakyIntegrator as LeakyIntegrator
from ._neurons._lif import LIF as LIF
from ._neurons._morris_lecar import MorrisLecar as MorrisLecar
from ._neurons._pinsky_rinzel import PinskyRinzel as PinskyRinzel
from ._neurons._quadratic import QIF as QIF
from ._neurons._quadratic import AdaptiveQIF as AdaptiveQIF
from ._neurons._reset import AbstractReset as AbstractReset
from ._neurons._reset import HardReset as HardReset
from ._neurons._reset import PartialReset as PartialReset
from ._neurons._reset import SoftReset as SoftReset
from ._neurons._spike_response import SpikeResponse as SpikeResponse
from ._neurons._wang_buzsaki import WangBuzsaki as WangBuzsaki
from ._plasticity._base import AbstractPlasticity as AbstractPlasticity
from ._plasticity._base import Synapses as Synapses
from ._plasticity._inhibitory import InhibitorySTDP as InhibitorySTDP
from ._plasticity._pair import PairSTDP as PairSTDP
from ._plasticity._rate import BCM as BCM
from ._plasticity._rate import Oja as Oja
from ._plasticity._reward import RewardSTDP as RewardSTDP
from ._plasticity._scaling import SynapticScaling as SynapticScaling
from ._plasticity._triplet import TripletSTDP as TripletSTDP
from ._plasticity._voltage import VoltageSTDP as VoltageSTDP
from ._rates._balloon import BalloonWindkessel as BalloonWindkessel
from ._rates._base import AbstractRate as AbstractRate
from ._rates._electrodes import Electrodes as Electrodes
from ._rates._epileptor import Epileptor as Epileptor
from ._rates._jansen_rit import JansenRit as JansenRit
from ._rates._kuramoto import Kuramoto as Kuramoto
from ._rates._kuramoto import SineOutput as SineOutput
from ._rates._kuramoto import SineSynapse as SineSynapse
from ._rates._montbrio_pazo_roxin import MontbrioPazoRoxin as MontbrioPazoRoxin
from ._rates._stuart_landau import StuartLandau as StuartLandau
from ._rates._theta import ThetaNeuron as ThetaNeuron
from ._rates._threshold_linear import ThresholdLinear as ThresholdLinear
from ._rates._van_der_pol import VanDerPol as VanDerPol
from ._rates._wilson_cowan import WilsonCowan as WilsonCowan
from ._rates._wong_wang import WongWang as WongWang
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
    "ALIF",
    "AMPA",
    "AbstractCell",
    "AbstractChannel",
    "AbstractComponent",
    "AbstractCrossingNeuron",
    "AbstractEncoder",
    "AbstractGatedChannel",
    "AbstractHistory",
    "AbstractInput",
    "AbstractIon",
    "AbstractMarkovChannel",
    "AbstractNeuron",
    "AbstractOutput",
    "AbstractPlasticity",
    "AbstractPopulation",
    "AbstractPulseSynapse",
    "AbstractRate",
    "AbstractRelease",
    "AbstractReset",
    "AbstractResetNeuron",
    "AbstractSignal",
    "AbstractStatelessInput",
    "AbstractSteadyStateChannel",
    "AbstractSurrogate",
    "AbstractSynapse",
    "Activity",
    "AdEx",
    "AdaptiveQIF",
    "Affine",
    "Alpha",
    "Args",
    "Arrivals",
    "BCM",
    "BalloonWindkessel",
    "CANDestexhe",
    "CANInoueStrowbridge",
    "COBA",
    "CUBA",
    "CaHTMcCormickHuguenard",
    "CaHTReuveni",
    "CaLInoueStrowbridge",
    "CaTHuguenardMcCormick",
    "CaTHuguenardPrince",
    "CaTPospischil",
    "Chirp",
    "CommonNoise",
    "ConductanceBased",
    "ConstantHistory",
    "ConstantInput",
    "ConvLSTM",
    "Delta",
    "DeltaEncoder",
    "Diffusive",
    "DualExponential",
    "EchoState",
    "Electrodes",
    "Epileptor",
    "Exponential",
    "ExponentialIF",
    "FirstOrderIon",
    "FitzHughNagumo",
    "FixedIon",
    "GABAA",
    "GABAB",
    "GHKLeak",
    "GIF",
    "GLIF",
    "GRU",
    "Graded",
    "HardReset",
    "HindmarshRose",
    "IhDestexhe",
    "IhHuguenardMcCormick",
    "InhibitorySTDP",
    "IonShell",
    "IonState",
    "Izhikevich",
    "JansenRit",
    "KA1HuguenardMcCormick",
    "KA2HuguenardMcCormick",
    "KAHPDestexhe",
    "KDRBazhenov",
    "KHH",
    "KK2AHuguenardMcCormick",
    "KK2BHuguenardMcCormick",
    "KMYamada",
    "KTraubMiles",
    "Kuramoto",
    "LIF",
    "LRU",
    "LSTM",
    "LatencyEncoder",
    "Leak",
    "LeakyIntegrator",
    "LeakyRNN",
    "MgBlock",
    "MontbrioPazoRoxin",
    "MorrisLecar",
    "NMDA",
    "NMDAKinetic",
    "NVAR",
    "NaBazhenov",
    "NaHH",
    "NaPTimofeev",
    "NaTraubMiles",
    "NernstIon",
    "Oja",
    "OrnsteinUhlenbeck",
    "PairSTDP",
    "PartialReset",
    "PhaseEncoder",
    "PinskyRinzel",
    "PoissonEncoder",
    "PoissonInput",
    "PopulationEncoder",
    "Pulses",
    "QIF",
    "Ramp",
    "Readout",
    "Relay",
    "RewardSTDP",
    "Sampled",
    "SineOutput",
    "SineSynapse",
    "Sinusoid",
    "SoftReset",
    "SpikeResponse",
    "SpikeTimes",
    "Square",
    "State",
    "Steps",
    "StochasticRelease",
    "StuartLandau",
    "SuperSpike",
    "Synapses",
    "SynapticScaling",
    "ThetaNeuron",
    "ThresholdLinear",
    "TripletSTDP",
    "TsodyksMarkram",
    "VanDerPol",
    "VanillaRNN",
    "VoltageSTDP",
    "WangBuzsaki",
    "WhiteNoise",
    "WilsonCowan",
    "WongWang",
    "as_affine",
    "calcium",
    "ghk_current",
    "hodgkin_huxley",
    "nernst",
    "potassium",
    "sodium",
    "vector_field",
]
