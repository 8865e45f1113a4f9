"""Inputs and encoders in the conformance table."""

from collections.abc import Callable
from typing import Any

from row import Row

from fdyn import components as comp


def signal(covers: type, make: Callable[[int, Any], Any], **kwargs: Any) -> Row:
    return Row(covers, make, flows=False, **kwargs)


ROWS = [
    signal(comp.ConstantInput, lambda n, v: comp.ConstantInput(n, v(2.0))),
    signal(
        comp.Steps,
        lambda n, v: comp.Steps(n, [0.0, 0.1], [v(2.0), v(1.0)]),
        tables=("starts", "values"),
    ),
    signal(comp.Ramp, lambda n, v: comp.Ramp(n, v(1.0), v(3.0), v(-1.0), v(0.5))),
    signal(comp.Sinusoid, lambda n, v: comp.Sinusoid(n, v(2.0), v(40.0), v(0.3))),
    signal(comp.Square, lambda n, v: comp.Square(n, v(2.0), v(40.0), v(0.3), v(0.1))),
    signal(comp.Chirp, lambda n, v: comp.Chirp(n, v(10.0), v(50.0), v(100.0), v(2.0), v(1.0))),
    signal(
        comp.Chirp,
        lambda n, v: comp.Chirp(n, v(10.0), v(10.0), v(100.0), logarithmic=True),
        name="Chirp of one frequency",
    ),
    signal(comp.Pulses, lambda n, v: comp.Pulses(n, v(0.01), v(0.5), v(2.0), v(1.0))),
    signal(
        comp.Sampled,
        lambda n, v: comp.Sampled(n, [0.0, 0.1, 2.0], [v(2.0), v(1.0), v(3.0)]),
        tables=("ts", "values"),
    ),
    signal(
        comp.Sampled,
        lambda n, v: comp.Sampled(n, [0.0, 0.1, 2.0], [v(2.0), v(1.0), v(3.0)], "cubic"),
        tables=("ts", "values"),
        name="Sampled by cubics",
    ),
    signal(comp.SpikeTimes, lambda n, v: comp.SpikeTimes(n, [[0.05]] * n, amplitude=v(2.0))),
    signal(comp.Relay, lambda n, v: comp.Relay(n)),
    Row(comp.WhiteNoise, lambda n, v: comp.WhiteNoise(n, v(2.0), v(1.0)), random=True, flows=False),
    Row(comp.PoissonInput, lambda n, v: comp.PoissonInput(n, v(2e4), v(2.0)), random=True),
    Row(
        comp.PoissonInput,
        lambda n, v: comp.PoissonInput(n, v(1e4) * (1.5 + comp.Sinusoid(n))),
        random=True,
        name="PoissonInput with a signal as rate",
    ),
    Row(
        comp.OrnsteinUhlenbeck,
        lambda n, v: comp.OrnsteinUhlenbeck(n, mean=v(2.0), sigma=v(0.5), tau=v(5.0)),
        random=True,
        quick=True,
    ),
    Row(
        comp.AbstractInput,
        lambda n, v: v(2.0) * comp.Sinusoid(n) - comp.OrnsteinUhlenbeck(n, mean=v(2.0)),
        random=True,
        name="a product and a difference",
    ),
    Row(comp.PoissonEncoder, lambda n, v: comp.PoissonEncoder(n, v(0.5), v(2e4)), random=True),
    signal(comp.LatencyEncoder, lambda n, v: comp.LatencyEncoder(n, v(0.5), t_first=0.05)),
    signal(comp.PhaseEncoder, lambda n, v: comp.PhaseEncoder(n, v(0.5))),
    signal(
        comp.DeltaEncoder,
        lambda n, v: comp.DeltaEncoder(2 * n, comp.Sinusoid(n, v(2.0)), v(0.1)),
        units=lambda n: 2 * n,
        coupled=True,
    ),
    signal(
        comp.PopulationEncoder,
        lambda n, v: comp.PopulationEncoder(4 * n, v(0.5), 0.0, 1.0, fields=4),
        units=lambda n: 4 * n,
        coupled=True,
    ),
]
