"""The squid axon, ready made."""

from typing import Any

from .._channels._hodgkin_huxley import KHH, NaHH
from .._channels._leak import Leak
from ._conductance import ConductanceBased


def hodgkin_huxley(size: int, *, phi: Any = 1.0, **membrane: Any) -> ConductanceBased:
    r"""The squid axon: a `ConductanceBased` neuron with `NaHH`, `KHH` and `Leak`.

    $$c\,\dot v = g_{Na} m^3 h (e_{Na} - v) + g_K n^4 (e_K - v) + g_L (e_L - v) + u$$

    **Arguments:** `size`: number of neurons; `phi`: temperature factor of the gates, 1 at 6.3 °C,
    `3 ** ((T - 6.3) / 10)` at T; `membrane`: further arguments of `ConductanceBased`, such as
    `v_th` or `sigma`. Other conductances: `replace(model, lambda m: m.channels["na"].g, 100.0)`.

    **Returns:** the neuron, whose channels are called `na`, `k` and `leak`.

    ```python
    >>> sorted(hodgkin_huxley(3).channels)
    ['k', 'leak', 'na']

    ```

    **Source:** Hodgkin & Huxley 1952, J. Physiol. 117:500, eq. 26, in the sign of today and with
    the rest at -65 mV.
    """
    channels = {"na": NaHH(phi=phi), "k": KHH(phi=phi), "leak": Leak()}
    return ConductanceBased(size, channels, **membrane)
