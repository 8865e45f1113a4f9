"""Plasticity: how weights change with the spikes, voltages and rates of both sides."""

import jax
import jax.numpy as jnp
import numpy as np
from section import Panel, Section

from fdyn import Network, Projection, Record, simulate
from fdyn.components import (
    BCM,
    COBA,
    CUBA,
    KHH,
    LIF,
    Args,
    ConductanceBased,
    Exponential,
    InhibitorySTDP,
    Leak,
    NaHH,
    Oja,
    PairSTDP,
    PoissonInput,
    RewardSTDP,
    Synapses,
    SynapticScaling,
    TripletSTDP,
    VoltageSTDP,
)
from fdyn.sparse import Dense, OneToOne

TITLE = "Plasticity"
INTRO = """
Rules by which the weights of a projection learn: `Projection(..., plasticity=...)`. The weights
then lie in the state, as `"EE.weight"`, and change where they lie: only the synapses of units that
fire are touched, unless a rule learns all the time. A presynaptic spike counts when it arrives; two
spikes at the same instant are no pair.

The weights over time, and the pair of units that each belongs to:

```python
import jax

from fdyn import Network, Projection, Record, simulate
from fdyn.components import CUBA, LIF, Exponential, PairSTDP, PoissonInput
from fdyn.sparse import fixed_probability

connect = fixed_probability(jax.random.key(0), 20, 2, p=0.5, weight=0.5)  # pA
rule = PairSTDP(a_plus=0.02, a_minus=0.021)  # within 0 and 1 pA
net = Network(
    {"in": PoissonInput(20, rate=20.0), "E": LIF(2)},
    {"s": Projection("in", "E", connect, Exponential(5.0), CUBA(), plasticity=rule)},
)
run = simulate(net, 1000.0, dt=0.5, inputs={"E": 18.0}, record=Record("s.weight", every=20))
times, weights = run.times("s.weight"), run["s.weight"]  # ms; [100, synapses]
pairs = connect.to_coo()  # column k of `weights` is from pairs.rows[k] to pairs.cols[k]
assert weights.shape == (100, len(pairs.rows)) and abs(weights[-1] - 0.5).max() > 0.01
```

[examples/stdp.py](../examples/stdp.py) runs the rule of Song, Miller & Abbott on a neuron with
1,000 inputs until its weights have parted into strong and weak ones.
"""


def draw_window(ax):
    """All lags at once: one presynaptic unit, postsynaptic ones that fire at other times."""
    lags = np.arange(-80, 81)
    pre, post = np.zeros((200, 1)), np.zeros((200, lags.size))
    pre[100], post[100 + lags, np.arange(lags.size)] = 1, 1
    inputs = {"a": jnp.asarray(1e9 * pre), "b": jnp.asarray(1e9 * post)}
    rules = {"additive": PairSTDP(), "Gütig, w = 0.8": PairSTDP(mu_plus=0.5, mu_minus=0.5)}
    for label, rule in rules.items():
        connect = Dense(0.8, n_pre=1, n_post=lags.size)
        p = Projection("a", "b", connect, Exponential(5.0), CUBA(), plasticity=rule)
        net = Network({"a": LIF(1, v_th=1e4), "b": LIF(lags.size, v_th=1e4)}, {"s": p})
        rec = simulate(net, 200.0, dt=1.0, inputs=inputs, record="s.weight")
        ax.plot(lags, 100 * (np.asarray(rec["s.weight"])[-1, 0] - 0.8), ".", ms=3, label=label)
    ax.axhline(0, color="0.7", lw=0.8)
    ax.set(xlabel="post after pre (ms)", ylabel="change of the weight (% of w_max)")
    ax.legend()


def draw_triplet(ax):
    """A unit on each side for every rate and order, which is made to spike 60 times."""
    rates, dt, shift = np.array([1.0, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0]), 0.5, 20
    n = rates.size
    pre, post = np.zeros((121000, 2 * n)), np.zeros((121000, 2 * n))
    for k, rate in enumerate(rates):
        at = 100 + (np.arange(60) * 1000 / rate / dt).astype(int)
        for unit, lag in ((k, shift), (n + k, -shift)):
            pre[at, unit], post[at + lag, unit] = 1, 1
    rule = TripletSTDP(a2_plus=5e-10, a3_plus=6.2e-3, a2_minus=7e-3, a3_minus=2.3e-4, tau_y=125.0)
    p = Projection("a", "b", OneToOne(1.0, n=2 * n), Exponential(5.0), CUBA(), plasticity=rule)
    net = Network({k: LIF(2 * n, v_th=1e4) for k in ("a", "b")}, {"s": p})
    inputs = {"a": jnp.asarray(1e9 * pre), "b": jnp.asarray(1e9 * post)}
    record = Record("s.weight", every=1000)
    rec = simulate(net, len(pre) * dt, dt=dt, inputs=inputs, record=record, progress=False)
    change = 100 * (np.asarray(rec["s.weight"])[-1] - 1)
    ax.plot(rates, change[:n], "o-", ms=3, label="pre 10 ms first")
    ax.plot(rates, change[n:], "o-", ms=3, label="post 10 ms first")
    ax.axhline(0, color="0.7", lw=0.8)
    ax.set(xlabel="rate of the pairs (Hz)", ylabel="change of the weight (%)")
    ax.legend()


def draw_voltage(ax):
    """A spike of the postsynaptic neuron 10 ms after or before the presynaptic one."""
    dt, steps = 0.05, 2400
    channels = {"na": NaHH(), "k": KHH(), "leak": Leak(g=0.3, e=-54.4)}
    rule = VoltageSTDP(a_minus=2e-4, a_plus=1e-4, theta_minus=-66.0, theta_plus=-45.0, v_rest=-65.0)
    p = Projection("a", "b", OneToOne(0.5, n=2), Exponential(0.1), CUBA(), plasticity=rule)
    net = Network(
        {"a": LIF(2, v_th=1e4), "b": ConductanceBased(2, channels, v_init=-65.0)}, {"s": p}
    )
    pre, current = np.zeros((steps, 2)), np.zeros((steps, 2))
    pre[800], current[[*range(1000, 1020)], 0], current[[*range(600, 620)], 1] = 1, 40.0, 40.0
    inputs = {"a": jnp.asarray(1e9 * pre), "b": jnp.asarray(current)}
    rec = simulate(net, steps * dt, dt=dt, inputs=inputs, record=["s.weight", "b.v"])
    for k, label in enumerate(("post after pre", "post before pre")):
        ax.plot(rec.ts, np.asarray(rec["s.weight"])[:, k], color=f"C{k}", label=label)
    ax.axvline(800 * dt, color="0.6", lw=0.8, ls=":")
    ax.set(xlabel="time (ms)", ylabel="weight")
    ax.legend()


def draw_inhibitory(ax):
    """Units with too much excitation, brought to 5 Hz by inhibition."""
    rule = InhibitorySTDP(eta=0.03, rho0=5.0)
    inhibition = Dense(0.0, n_pre=50, n_post=20)
    p = Projection("in", "E", inhibition, Exponential(10.0), COBA(-80.0), plasticity=rule)
    net = Network({"in": PoissonInput(50, 10.0), "E": LIF(20, sigma=4.0, t_ref=5.0)}, {"s": p})
    rec = simulate(net, 20000.0, dt=0.5, inputs={"E": 20.0}, record=["E.spike", "s.weight"])
    spikes = np.asarray(rec["E.spike"]).reshape(40, -1, 20).mean((1, 2))
    ax.plot(np.arange(40) / 2 + 0.25, spikes / 0.5e-3)
    ax.axhline(5.0, color="0.6", ls=":", label="aim")
    ax.set(xlabel="time (s)", ylabel="mean rate (Hz)")
    ax.legend()


def draw_reward(ax):
    """Pairs of spikes, and a reward a second later."""
    dt, steps = 1.0, 8000
    pre, post, reward = (np.zeros((steps, 1)) for _ in range(3))
    pre[500:600:20], post[505:605:20], reward[1500] = 1, 1, 1
    rule = RewardSTDP("r.spike", a_plus=3e-4, a_minus=3e-4, tau_d=200.0)
    p = Projection("a", "b", Dense([[0.2]]), Exponential(5.0), CUBA(), plasticity=rule)
    nodes = {k: LIF(1, v_th=1e4) for k in ("a", "b", "r")}
    net = Network(nodes, {"s": p})
    inputs = {k: jnp.asarray(1e9 * x) for k, x in zip("abr", (pre, post, reward), strict=True)}
    names = ["s.weight", "s.plasticity.d", "s.plasticity.eligibility", "s.plasticity.factor"]
    rec = simulate(net, steps * dt, dt=dt, inputs=inputs, record=names)
    d, w = np.asarray(rec[names[1]])[:, 0], np.asarray(rec[names[0]])[:, 0, 0]
    c = np.asarray(rec[names[2]])[:, 0, 0] * np.asarray(rec[names[3]])
    s = rec.ts / 1000
    ax.plot(s, c / c.max(), lw=1, label="eligibility (scaled)")
    ax.plot(s, d / d.max(), lw=1, label="reward (scaled)")
    ax.plot(s, (w - w[0]) / (w[-1] - w[0]), lw=2, label="change of the weight (scaled)")
    ax.set(xlabel="time (s)", ylabel="part of the largest value")
    ax.legend()


def draw_scaling(ax):
    rule = SynapticScaling(beta=2e-4, rate=5.0, tau=500.0, every=10.0)
    p = Projection(
        "in", "E", Dense(0.15, n_pre=100, n_post=2), Exponential(5.0), CUBA(), plasticity=rule
    )
    cells = LIF(2, t_ref=5.0, v_th=jnp.array([-50.0, -58.0]))
    net = Network({"in": PoissonInput(100, 20.0), "E": cells}, {"s": p})
    rec = simulate(net, 20000.0, dt=0.5, record="E.spike")
    spikes = np.asarray(rec["E.spike"]).reshape(80, -1, 2).mean(1) / 0.5e-3
    for k, label in enumerate(("threshold -50 mV", "threshold -58 mV")):
        # In windows of 3 s, since the spikes of a single unit are few.
        rate = np.convolve(spikes[:, k], np.ones(12) / 12, "valid")
        ax.plot(1.5 + np.arange(rate.size) / 4, rate, label=label)
    ax.axhline(5.0, color="0.6", ls=":", label="aim")
    ax.set(xlabel="time (s)", ylabel="rate in 3 s (Hz)")
    ax.legend()


def on_rates(rule, w, x, y_of, dt, flow=None, y=None):
    """The course of the weights of one linear unit under inputs `x`."""
    conn = Dense(np.zeros(w.shape, np.float32))
    synapses = Synapses(conn, conn, (rule.w_min, rule.w_max))

    def step(carry, x):
        w, state = carry
        u = {"pre": x, "post": y_of(x @ w)}
        w, *_ = rule.learn(w, state, Args({}, u), None, None, synapses=synapses, dt=dt)
        rates = rule.flow(state, Args({}, u))
        state = {k: state[k] + dt * f(state[k]) for k, f in rates.items()}
        return (w, state), (w[:, 0], u["post"][0])

    return jax.jit(lambda w, x: jax.lax.scan(step, (w, y or {}), x)[1])(w, x)


def draw_oja(ax):
    rng = np.random.default_rng(0)
    angle = np.radians(30)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    x = jnp.asarray((rng.normal(size=(4000, 2)) * [1.5, 0.5]) @ turn, jnp.float32)
    w, _ = on_rates(Oja(eta=5e-3), jnp.array([[-0.3], [0.8]]), x, lambda y: y, 1.0)
    ax.plot(*x[::8].T, ".", color="0.8", ms=3)
    ax.plot(*np.asarray(w).T, "C0", lw=1.5)
    ax.plot([-np.cos(angle), np.cos(angle)], [-np.sin(angle), np.sin(angle)], "k:", lw=1)
    ax.set(xlabel="weight and input 1", ylabel="weight and input 2", xlim=(-2, 2), ylim=(-2, 2))
    ax.set_aspect("equal")


def draw_bcm(ax):
    x = jnp.tile(jnp.array([[1.0, 0.2], [0.2, 1.0]]), (10000, 1))
    rule, start = BCM(eta=2e-3, tau=50.0, w_min=-1.0), {"theta": jnp.ones(1)}
    w, _ = on_rates(rule, jnp.array([[0.55], [0.5]]), x, lambda y: jnp.maximum(y, 0), 1.0, y=start)
    response = np.asarray(w) @ np.array([[1.0, 0.2], [0.2, 1.0]])
    for k in range(2):
        ax.plot(np.arange(len(w)) / 1000, response[:, k], label=f"to input {k + 1}")
    ax.set(xlabel="time (s)", ylabel="response")
    ax.legend()


SECTIONS = [
    Section(
        "Timing of spikes",
        "Left: the change that one pair of spikes makes. Then: 60 pairs, over their rate, with the "
        "full model of visual cortex (Pfister & Gerstner 2006). Right: one pair with a "
        "Hodgkin-Huxley neuron, whose voltage is what counts.",
        [
            Panel("PairSTDP", draw_window),
            Panel("TripletSTDP", draw_triplet),
            Panel("VoltageSTDP", draw_voltage),
        ],
    ),
    Section(
        "Balance and reward",
        "Inhibition that brings units to 5 Hz (dotted); excitatory weights that are scaled to the "
        "same; and a reward that comes a second after the pairs of spikes.",
        [
            Panel("InhibitorySTDP", draw_inhibitory),
            Panel("SynapticScaling", draw_scaling),
            Panel("RewardSTDP", draw_reward),
        ],
    ),
    Section(
        "Rates",
        "Oja: the weights (blue) tend to the direction in which the inputs (grey) vary most, with "
        "length 1. BCM: of two inputs that alternate the unit chooses one.",
        [Panel("Oja", draw_oja), Panel("BCM", draw_bcm)],
    ),
]
