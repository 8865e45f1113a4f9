"""What a model does without running it: equilibria, their stability, branches, phase planes."""

from ._bifurcation import BifurcationPoint as BifurcationPoint
from ._continuation import AbstractContinuation as AbstractContinuation
from ._continuation import Branch as Branch
from ._continuation import PseudoArclength as PseudoArclength
from ._continuation import continue_equilibria as continue_equilibria
from ._delay_stability import characteristic_roots as characteristic_roots
from ._delay_stability import hopf_delay as hopf_delay
from ._equilibria import Equilibria as Equilibria
from ._equilibria import equilibria as equilibria
from ._nullclines import Nullclines as Nullclines
from ._nullclines import nullclines as nullclines
from ._plane import FieldGrid as FieldGrid
from ._plane import field_on_grid as field_on_grid
from ._stability import classify as classify

__all__ = [
    "AbstractContinuation",
    "BifurcationPoint",
    "Branch",
    "Equilibria",
    "FieldGrid",
    "Nullclines",
    "PseudoArclength",
    "characteristic_roots",
    "classify",
    "continue_equilibria",
    "equilibria",
    "field_on_grid",
    "hopf_delay",
    "nullclines",
]
