"""What goes together in a projection."""

from typing import Any

import equinox as eqx
import numpy as np

from ._misc import is_traced
from .components import (
    CUBA,
    AbstractOutput,
    AbstractPlasticity,
    AbstractRelease,
    AbstractSynapse,
)
from .components._plasticity._base import check_rule
from .sparse import AbstractConnectivity, FractionalDelay, Procedural
from .sparse._delay import is_common


def check(p: Any) -> None:
    """`ValueError` unless the parts go together; at `init` too, since they can be replaced."""
    _check_parts(p)
    _check_align(p)
    _check_delta(p)
    if p.plasticity is not None:
        _check_plasticity(p, p.plasticity)


def _check_align(p: Any) -> None:
    align, synapse = p._align, p.synapse
    if align not in ("pre", "post", None):
        raise ValueError(f"Projection: 'align' must be 'pre', 'post' or None, got {align!r}.")
    if align == "post" and (synapse.graded or not synapse.linear):
        why = "driven by the activity of" if synapse.graded else "not linear in the spikes of"
        raise ValueError(
            f"Projection: a {type(synapse).__name__} is {why} the presynaptic units, so its "
            "state is held there: leave out 'align', or take 'pre'."
        )


def _check_parts(p: Any) -> None:
    for name, kind, optional in (
        ("connect", AbstractConnectivity, False),
        ("synapse", AbstractSynapse, False),
        ("output", AbstractOutput, False),
        ("release", AbstractRelease, True),
        ("plasticity", AbstractPlasticity, True),
    ):
        value = getattr(p, name)
        if not isinstance(value, kind) and not (optional and value is None):
            raise ValueError(
                f"Projection: '{name}' must be an {kind.__name__}, got {type(value).__name__}."
            )
    if p._part is not None and p._part.values.shape != ():
        raise ValueError(
            "Projection: 'delay' is one for all synapses, got a FractionalDelay of shape "
            f"{p._part.values.shape}. A delay per synapse belongs to the connectivity."
        )
    own = p.connect.delay
    spread = isinstance(own, FractionalDelay) and is_common(own)
    sites = getattr(p.release, "sites", None)
    if sites is not None and (p._part is not None or spread):
        raise ValueError(
            f"Projection: a {type(p.release).__name__} with sites draws once for each spike, "
            "which a FractionalDelay sends in two parts: take a delay that is a multiple of dt."
        )
    if p.synapse.graded and p.release is not None:
        raise ValueError(
            f"Projection: 'release' acts on spikes, but a {type(p.synapse).__name__} is "
            "driven by the activity of the presynaptic units."
        )
    if p.output.diffusive and p.plasticity is not None:
        raise ValueError(f"Projection: the weights of a {type(p.output).__name__} cannot learn.")


def _check_delta(p: Any) -> None:
    if not p.kicks:
        return
    if p.at_pre or not isinstance(p.output, CUBA):
        raise ValueError(
            "Projection: a Delta synapse makes the potential jump, so it takes neither "
            "'output' nor align='pre'."
        )
    if p._part is not None or isinstance(p.connect.delay, FractionalDelay):
        raise ValueError(
            "Projection: a Delta synapse acts at the points of the grid; take delays that are "
            "multiples of dt instead of a FractionalDelay."
        )
    own = p.connect.delay
    if eqx.is_array(own) and own.ndim and not is_traced(own) and (np.asarray(own) <= 0).any():
        raise ValueError(
            "Projection: the delays of the synapses of a Delta synapse must be positive; a "
            "spike cannot act on the threshold of its own instant."
        )


def _check_plasticity(p: Any, rule: AbstractPlasticity) -> None:
    name, own = type(rule).__name__, p.connect.delay
    if isinstance(p.connect, Procedural):
        raise ValueError(
            f"Projection: a {name} needs stored weights, but the synapses of a Procedural are "
            "generated at every use: list them, for example with to_csr()."
        )
    if rule.graded != p.synapse.graded:
        what = "the activity of both sides" if rule.graded else "spikes"
        kind = "" if rule.graded else "not "
        raise ValueError(
            f"Projection: a {name} learns from {what}, so 'synapse' must {kind}be graded (such "
            f"as Activity), got {type(p.synapse).__name__}."
        )
    if rule.graded and p.delayed:
        raise ValueError(
            f"Projection: a {name} compares the activities of both sides at the same instant: "
            "leave out the delay."
        )
    if own is not None and not is_common(own):
        raise ValueError(
            f"Projection: a {name} needs one delay of all synapses, since a presynaptic spike "
            "counts when it arrives. Give 'delay' here instead of delays to the connectivity, "
            "or make one projection for each delay."
        )
    check_rule(rule, p.connect)
