"""What tests/test_networks.py states of Brian2: python make_networks.py (needs brian2).

CUBA, six seeds: rate (Hz) and mean coefficient of variation. Synfire chain: the fraction of four
volleys of `a` spikes and spread `sigma` (ms) that reach the last group.
"""

import brian2 as b  # pyright: ignore[reportMissingImports]
import numpy as np

b.prefs.codegen.target = "numpy"


def cuba(seed: int) -> tuple[float, float]:
    b.start_scope()
    b.seed(seed)
    equations = """
    dv/dt = (ge + gi - (v + 49*mV)) / (20*ms) : volt (unless refractory)
    dge/dt = -ge / (5*ms) : volt
    dgi/dt = -gi / (10*ms) : volt
    """
    group = b.NeuronGroup(
        4000,
        equations,
        threshold="v > -50*mV",
        reset="v = -60*mV",
        refractory=5 * b.ms,
        method="exact",
    )
    group.v = "-60*mV + 10*mV*rand()"
    excitatory = b.Synapses(group, group, on_pre="ge += 1.62*mV")
    excitatory.connect("i < 3200", p=0.02)
    inhibitory = b.Synapses(group, group, on_pre="gi -= 9*mV")
    inhibitory.connect("i >= 3200", p=0.02)
    monitor = b.SpikeMonitor(group)
    b.run(1 * b.second)
    gaps = [np.diff(np.asarray(t)) for t in monitor.spike_trains().values() if len(t) >= 3]
    return monitor.num_spikes / 4000, float(np.mean([g.std() / g.mean() for g in gaps]))


def survives(a: int, sigma: float, seed: int) -> bool:
    b.start_scope()
    b.seed(seed)
    np.random.seed(seed)
    equations = """
    dv/dt = (-(v + 70*mV) + x) / (10*ms) : volt (unless refractory)
    dx/dt = (-x + y) / (0.325*ms) : volt
    dy/dt = -y / (0.325*ms) + 25.27*mV/ms + 39.24*mV/ms**0.5*xi : volt
    """
    chain = b.NeuronGroup(
        1000,
        equations,
        threshold="v > -55*mV",
        reset="v = -70*mV",
        refractory=1 * b.ms,
        method="euler",
        dt=0.05 * b.ms,
    )
    times = (60 + sigma * np.random.randn(a)) * b.ms
    volley = b.SpikeGeneratorGroup(a, np.arange(a), times, dt=0.05 * b.ms)
    onward = b.Synapses(chain, chain, on_pre="y += 4.86*mV", delay=5 * b.ms)
    before = np.repeat(np.arange(900), 100)
    after = (np.arange(900) // 100 + 1)[:, None] * 100 + np.arange(100)
    onward.connect(i=before, j=after.ravel())
    first = b.Synapses(volley, chain, on_pre="y += 4.86*mV")
    first.connect("j < 100")
    monitor = b.SpikeMonitor(chain)
    chain.v = "-70*mV + 15*mV*rand()"
    b.run(140 * b.ms)
    return int(((monitor.i >= 900) & (monitor.t / b.ms > 105)).sum()) > 50


if __name__ == "__main__":
    for seed in range(6):
        print("cuba: {:.2f} Hz, CV {:.2f}".format(*cuba(seed)))
    # The kinds that the test uses, and then those around the border.
    tested = ((65, 0), (95, 2), (110, 3), (35, 0), (50, 4))
    others = ((50, 0), (60, 0), (50, 2), (65, 2), (65, 3), (80, 3), (65, 4), (80, 4), (95, 4))
    for a, sigma in tested + others:
        print(
            f"synfire: a = {a}, sigma = {sigma}:",
            np.mean([survives(a, sigma, s) for s in range(4)]),
        )
