"""Learning rules against loops over synapses and spikes in NumPy, and against what papers state."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fdyn import Network, Projection, Record, Spikes, replace, simulate, solve
from fdyn import components as comp
from fdyn.components import CUBA, LIF, Exponential, PairSTDP, TripletSTDP
from fdyn.sparse import (
    COO,
    CSC,
    Dense,
    FixedFanIn,
    FixedFanOut,
    OneToOne,
    Procedural,
    from_dense,
)

DT, T, N_PRE, N_POST = 0.5, 400, 4, 3


def trains(seed=0, p=0.08, steps=T, n_pre=N_PRE, n_post=N_POST):
    """Spikes of both sides, of which some fall together: `[steps, n]`."""
    rng = np.random.default_rng(seed)
    return [(rng.random((steps, n)) < p).astype(float) for n in (n_pre, n_post)]


def weights(seed=1):
    return np.random.default_rng(seed).uniform(0.3, 0.7, (N_PRE, N_POST))


def network(rule, connect, **kwargs):
    """Neurons that spike when they are made to, and never because of their synapses."""
    kwargs = {"delay": 0.0, **kwargs}
    p = Projection("a", "b", connect, Exponential(5.0), CUBA(), plasticity=rule, **kwargs)
    nodes = {n: LIF(m, v_th=1e4) for n, m in (("a", connect.n_pre), ("b", connect.n_post))}
    return Network({**nodes, "r": LIF(1, v_th=1e4)}, {"ab": p})


def drive(pre, post, reward=None):
    reward = np.zeros((len(pre), 1)) if reward is None else reward
    return {name: jnp.asarray(1e9 * x) for name, x in zip("abr", (pre, post, reward), strict=True)}


def learned(rule, w, pre, post, reward=None, dt=DT, **kwargs):
    """The weights after every step."""
    net = network(rule, w if hasattr(w, "n_pre") else Dense(w), **kwargs)
    inputs = drive(pre, post, reward)
    return np.asarray(simulate(net, len(pre) * dt, dt=dt, inputs=inputs, record="ab.weight")[
        "ab.weight"
    ])  # fmt: skip


class Trace:
    """One that decays, and is read before the spikes of an instant."""

    def __init__(self, tau, n, dt=DT, nearest=False):
        self.x, self.decay, self.nearest = np.zeros(n), np.exp(-dt / tau), nearest

    def read(self):
        self.x = self.x * self.decay
        return self.x

    def add(self, s, size=1.0):
        self.x = np.where(s > 0, 1.0, self.x) if self.nearest else self.x + size * s


def pair_loop(w, pre, post, mu=(0.0, 0.0), nearest=False, a=(0.1, 0.06), tau=(15.0, 25.0)):
    w, out = w.copy(), []
    x, y = Trace(tau[0], N_PRE, nearest=nearest), Trace(tau[1], N_POST, nearest=nearest)
    for s, z in zip(pre, post, strict=True):
        up, down = x.read(), y.read()
        for i in range(w.shape[0]):
            for j in range(w.shape[1]):
                if s[i]:
                    w[i, j] = max(w[i, j] - a[1] * w[i, j] ** mu[1] * down[j], 0.0)
                if z[j]:
                    w[i, j] = min(w[i, j] + a[0] * (1 - w[i, j]) ** mu[0] * up[i], 1.0)
        x.add(s)
        y.add(z)
        out.append(w.copy())
    return np.array(out)


PAIR = {"tau_plus": 15.0, "tau_minus": 25.0, "a_plus": 0.1, "a_minus": 0.06}
FORMS = {"additive": (0, 0), "multiplicative": (1, 1), "van Rossum": (0, 1), "Gütig": (0.4, 0.4)}


def slow(*args):
    return pytest.param(*args, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    "form, nearest",
    [
        ("additive", False),
        *(slow(f, f == "van Rossum") for f in list(FORMS)[1:]),
        slow("additive", True),
    ],
)
def test_pairs_against_a_loop(form, nearest):
    (pre, post), w, (plus, minus) = trains(), weights(), FORMS[form]
    rule = PairSTDP(**PAIR, mu_plus=plus, mu_minus=minus, nearest=nearest)
    expected = pair_loop(w, pre, post, FORMS[form], nearest)
    np.testing.assert_allclose(learned(rule, w, pre, post), expected, rtol=1e-9, atol=1e-12)
    assert (pre.any() and post.any()) and ((pre.sum(1) > 0) & (post.sum(1) > 0)).any()
    if form == "additive" and not nearest:
        assert expected.min() == 0 and expected.max() == 1  # both bounds are reached


@pytest.mark.slow
def test_the_change_is_the_sum_of_the_window_over_all_pairs():
    """Additive, within the bounds: each pair counts by its distance in time alone."""
    (pre, post), w = trains(3, 0.03), weights()
    rule = PairSTDP(**{**PAIR, "a_plus": 1e-3, "a_minus": 2e-3})
    k = np.arange(T) * DT
    lag = k[None, :] - k[:, None]  # post minus pre
    window = np.where(lag > 0, 1e-3 * np.exp(-lag / 15), -2e-3 * np.exp(lag / 25)) * (lag != 0)
    np.testing.assert_allclose(
        learned(rule, w, pre, post)[-1], w + pre.T @ window @ post, rtol=1e-10
    )


@pytest.mark.slow
def test_a_delay_shifts_the_presynaptic_spikes_and_anti_hebbian_turns_the_window():
    (pre, post), w = trains(), weights()
    late = np.concatenate([np.zeros((6, N_PRE)), pre[:-6]])
    found = learned(PairSTDP(**PAIR), w, pre, post, delay=6 * DT)
    np.testing.assert_allclose(found, pair_loop(w, late, post), rtol=1e-9, atol=1e-12)

    turned = {**PAIR, "a_plus": -0.1, "a_minus": -0.06}
    found = 1 - learned(PairSTDP(**turned, mu_plus=0.7), 1 - w, pre, post)
    np.testing.assert_allclose(found, pair_loop(w, pre, post, (0.7, 0.0)), rtol=1e-9, atol=1e-12)


def triplet_loop(w, pre, post, p, nearest, dt=DT):
    w, out = w.copy(), []
    names = {"r1": "tau_plus", "r2": "tau_x", "o1": "tau_minus", "o2": "tau_y"}
    n = {"r": pre.shape[1], "o": post.shape[1]}
    t = {k: Trace(p[tau], n[k[0]], dt, nearest) for k, tau in names.items()}
    for s, z in zip(pre, post, strict=True):
        r1, r2, o1, o2 = (t[k].read() for k in names)
        down = np.outer(p["a2_minus"] + p["a3_minus"] * r2, o1)
        w = np.where(s[:, None] > 0, w - down, w)
        up = np.outer(r1, p["a2_plus"] + p["a3_plus"] * o2)
        w = np.where(z[None] > 0, w + up, w)
        for k in names:
            t[k].add(s if k[0] == "r" else z)
        out.append(w.copy())
    return np.array(out)


FULL = {
    "a2_plus": 5e-10, "a3_plus": 6.2e-3, "a2_minus": 7e-3, "a3_minus": 2.3e-4,
    "tau_plus": 16.8, "tau_minus": 33.7, "tau_x": 101.0, "tau_y": 125.0,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("nearest", [False, True])
def test_triplets_against_a_loop(nearest):
    (pre, post), w = trains(), 2 + weights()
    found = learned(TripletSTDP(**FULL, nearest=nearest), w, pre, post)
    np.testing.assert_allclose(found, triplet_loop(w, pre, post, FULL, nearest), rtol=1e-9)


@pytest.mark.slow
def test_the_frequency_protocol_of_visual_cortex():
    """The data of Sjöström et al. 2001 as table 1 of Pfister & Gerstner 2006 has them: relative
    changes (and their standard errors) after 60 pairs."""
    data = {
        (0.1, 10): (-0.04, 0.05), (0.1, -10): (-0.29, 0.08), (10, 10): (0.14, 0.1),
        (10, -10): (-0.41, 0.11), (20, 10): (0.29, 0.14), (20, -10): (-0.34, 0.1),
        (40, 10): (0.53, 0.11), (40, -10): (0.56, 0.32), (50, 10): (0.56, 0.26),
        (50, -10): (0.75, 0.19),
    }  # fmt: skip
    dt, steps, n = 0.5, 12200, len(data)
    pre, post = np.zeros((steps, n)), np.zeros((steps, n))
    for unit, (rate, lag) in enumerate(data):
        # At 0.1 Hz nothing is left of one pair at the next, so that one counts 60 times.
        at = 50 + (np.arange(1 if rate == 0.1 else 60) * 1000 / rate / dt).astype(int)
        pre[at, unit], post[at + round(lag / dt), unit] = 1, 1
    net = network(TripletSTDP(**FULL), OneToOne(1.0, n=n))
    record = Record("ab.weight", every=100)
    rec = simulate(net, steps * dt, dt=dt, inputs=drive(pre, post), record=record)
    pairs = np.where(pre.sum(0) == 1, 60, 1)
    change = pairs * (np.asarray(rec["ab.weight"])[-1] - 1)
    found = dict(zip(data, change, strict=True))
    z = np.array([(found[k] - mean) / error for k, (mean, error) in data.items()])
    # In the paper, the mean square of the deviations in standard errors is about 0.3.
    assert 0.25 < np.mean(z**2) < 0.4, found
    assert found[50, -10] > 0.3 > 0 > found[20, -10]


def spiking_voltage(post, dt):
    """The neuron of Clopath et al. 2010 (their table 1): an adaptive exponential one with a spike
    of 2 ms, made to fire, whose threshold jumps and which has an afterdepolarisation."""
    u, w, z, v_t, left, out = -70.6, 0.0, 0.0, -50.4, 0, []
    for fires in post:
        if fires:
            left = round(2 / dt) + 1
        if left:
            left -= 1
            u = 33.0
            if not left:
                u, w, z, v_t = -49.6, w + 0.805, 400.0, 30.4
        else:
            u += dt / 281 * (-30 * (u + 70.6) + 60 * np.exp((u - v_t) / 2) - w + z)
            w += dt / 144 * (4 * (u + 70.6) - w)
        z -= dt / 40 * z
        v_t -= dt / 50 * (v_t + 50.4)
        out.append(u)
    assert max(out) == 33 and np.diff(np.array(out) == 33, prepend=False).sum() == 2 * np.sum(post)
    return np.array(out)


@pytest.mark.slow
def test_pairs_of_spikes_change_the_voltage_based_weights_as_in_visual_cortex():
    """The data of Sjöström et al. 2001 (relative change and its standard error) with the protocol
    and parameters of Clopath et al. 2010, figure 2: 50 pairs at 0.1 Hz, else 15 times 5 pairs.

    Only the order post-pre is compared in numbers. The equations as they are printed let a spike
    itself raise the filtered voltage, on which pre-post depends; the authors' program reads that
    with a delay, which takes the potentiation at low rates away.
    """
    data = {0.1: (-0.29, 0.08), 10: (-0.41, 0.11), 20: (-0.34, 0.1), 40: (0.56, 0.32),
            50: (0.75, 0.19)}  # fmt: skip
    dt, steps = 0.1, 6000
    pre, u = np.zeros((2, steps, 2, len(data)))
    for unit, rate in enumerate(data):
        at = 500 + (np.arange(1 if rate == 0.1 else 5) * 1000 / rate / dt).astype(int)
        for order, lag in enumerate((100, -100)):
            post = np.zeros(steps)
            post[at + lag] = 1
            pre[at, order, unit], u[:, order, unit] = 1, spiking_voltage(post, dt)
    pre, u = pre.reshape(steps, -1), u.reshape(steps, -1)
    n = 2 * len(data)
    # So quick that it is where it is driven to.
    follower = LIF(n, tau=1e-3, v_rest=-70.6, v_init=-70.6, v_th=1e4)
    p = Projection(
        "a", "b", OneToOne(0.5, n=n), Exponential(5.0), plasticity=comp.VoltageSTDP()
    )  # fmt: skip
    net = Network({"a": LIF(n, v_th=1e4), "b": follower}, {"ab": p})
    inputs = {"a": jnp.asarray(1e9 * pre), "b": jnp.asarray(u + 70.6)}
    rec = simulate(net, steps * dt, dt=dt, inputs=inputs, record=["b.v", Record("ab.weight")])
    # The current of the synapses adds less than 1 mV.
    np.testing.assert_allclose(rec["b.v"], u, atol=1.0)
    times = np.where(np.array([*data]) == 0.1, 50, 15)
    change = times * (np.asarray(rec["ab.weight"])[-1].reshape(2, -1) / 0.5 - 1)
    before, after = change
    assert (before > 0).all() and (np.diff(before) > 0).all() and (before > after).all()
    assert (after[:3] < 0).all() and (after[3:] > 0).all()
    z = [(x - mean) / error for x, (mean, error) in zip(after, data.values(), strict=True)]
    assert (np.abs(z) < [1, 1, 1, 2, 2]).all()


@pytest.mark.slow
def test_inhibition_brings_each_unit_to_its_rate():
    """Too much excitation at first. In equilibrium the depression at presynaptic spikes makes up
    for the potentiation, so that the rate is alpha / (2 tau) = rho0 (Vogels et al. 2011), if one
    inhibitory unit has little effect: with 80 of them instead of 400 it is 7 % above."""
    target, n_inhibitory = jnp.repeat(jnp.array([5.0, 12.0]), 12), 400
    rule = comp.InhibitorySTDP(eta=0.004, rho0=target)
    inhibition = Dense(0.0, n_pre=n_inhibitory, n_post=24)
    p = Projection("i", "e", inhibition, Exponential(10.0), comp.COBA(-80.0), plasticity=rule)
    cells = LIF(24, sigma=4.0, t_ref=5.0)
    net = Network({"i": comp.PoissonInput(n_inhibitory, 10.0), "e": cells}, {"ie": p})
    rec = simulate(
        net, 24000.0, dt=0.5, inputs={"e": 25.0}, record=Spikes("e.spike"), key=jax.random.key(1)
    )
    spikes = rec.spikes("e.spike")
    times, units = np.asarray(spikes.times), np.asarray(spikes.index)

    def rate(some, start, stop):
        inside = (times >= start) & (times < stop) & np.isin(units, some)
        return inside.sum() / len(some) / (stop - start) * 1000

    for some, rho0 in ((range(12), 5.0), (range(12, 24), 12.0)):
        assert rate(some, 0, 200) > 2 * rho0
        assert rate(some, 12000, 24000) == pytest.approx(rho0, rel=0.05)


@pytest.mark.slow
def test_competition_parts_the_weights_and_makes_the_neuron_irregular():
    """Song, Miller & Abbott 2000, figure 2, in a shorter run with a twice larger amplitude: most
    weights end near one of the bounds, the rate falls and the intervals become irregular."""
    g_max, n = 0.015, 1000
    rule = PairSTDP(a_plus=0.01 * g_max, a_minus=0.0105 * g_max, w_max=g_max)
    start = np.random.default_rng(0).uniform(0, g_max, (n, 1))
    excite = Projection("x", "c", Dense(start), Exponential(5.0), comp.COBA(0.0), plasticity=rule)
    inhibit = Projection(
        "y", "c", Dense(0.05, n_pre=200, n_post=1), Exponential(5.0), comp.COBA(-70.0)
    )
    cell = LIF(1, tau=20.0, v_rest=-70.0, v_th=-54.0, v_reset=-60.0)
    nodes = {"x": comp.PoissonInput(n, 20.0), "y": comp.PoissonInput(200, 10.0), "c": cell}
    net = Network(nodes, {"excite": excite, "inhibit": inhibit})
    rec = simulate(net, 1e5, dt=1.0, record=Spikes("c.spike"), key=jax.random.key(0))
    times = np.asarray(rec.spikes("c.spike").times)

    def measured(start, stop):
        intervals = np.diff(times[(times >= start) & (times < stop)])
        return 1000 / intervals.mean(), intervals.std() / intervals.mean()

    (early, regular), (late, irregular) = measured(0, 5e3), measured(9e4, 1e5)
    assert early > 100 and late < 25 and regular < 0.5 and irregular > 0.7
    w = np.asarray(rec.state.model.mem["excite"]["weight"])[:, 0] / g_max
    counts = np.histogram(w, 10, (0, 1))[0]
    assert counts[0] > 0.35 * n and counts[-1] > 1.3 * counts[5:9].mean()
    assert w.min() >= 0 and w.max() <= 1


@pytest.mark.slow
def test_inhibitory_plasticity_against_a_loop():
    (pre, post), w = trains(), weights()
    eta, tau, rho = 0.02, 20.0, np.array([5.0, 20.0, 60.0])
    found = learned(comp.InhibitorySTDP(eta, rho, tau, w_max=0.9), w, pre, post)
    x, y, out = Trace(tau, N_PRE), Trace(tau, N_POST), []
    for s, z in zip(pre, post, strict=True):
        a, b = x.read(), y.read()
        for i in range(N_PRE):
            for j in range(N_POST):
                if s[i]:
                    w[i, j] = np.clip(w[i, j] + eta * (b[j] - 2 * rho[j] * 1e-3 * tau), 0, 0.9)
                if z[j]:
                    w[i, j] = np.clip(w[i, j] + eta * a[i], 0, 0.9)
        x.add(s)
        y.add(z)
        out.append(w.copy())
    np.testing.assert_allclose(found, out, rtol=1e-9, atol=1e-12)


def reward_loop(w, pre, post, reward, p, every=1):
    w, out, c, d, dose = w.copy(), [], np.zeros((N_PRE, N_POST)), 0.0, 0.0
    x, y = Trace(p["tau_plus"], N_PRE), Trace(p["tau_minus"], N_POST)
    for k, (s, z, m) in enumerate(zip(pre, post, reward[:, 0], strict=True), 1):
        a, b = x.read(), y.read()
        c *= np.exp(-DT / p["tau_c"])
        d = d * np.exp(-DT / p["tau_d"]) + m
        dose += (d - p["baseline"]) * DT
        if k % every == 0:
            w, dose = np.clip(w + c * dose, 0, 1), 0.0
        c += np.outer(p["a_plus"] * a, z) - np.outer(s, p["a_minus"] * b)
        x.add(s)
        y.add(z)
        out.append(w.copy())
    return np.array(out)


@pytest.mark.slow
@pytest.mark.parametrize("every", [None, 4.0])
def test_reward_against_a_loop(every):
    (pre, post), w = trains(), weights()
    reward = (np.random.default_rng(5).random((T, 1)) < 0.02).astype(float)
    p = {"tau_plus": 15.0, "tau_minus": 25.0, "a_plus": 0.01, "a_minus": 0.012, "tau_c": 100.0}
    p |= {"tau_d": 30.0, "baseline": 0.1}
    found = learned(comp.RewardSTDP("r.spike", **p, every=every), w, pre, post, reward)
    expected = reward_loop(w, pre, post, reward, p, 1 if every is None else round(every / DT))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    assert abs(expected[-1] - w).max() > 0.05


@pytest.mark.slow
def test_scaling_against_the_closed_form():
    """A regular train: between spikes the mean rate decays, and the weights are its exponential."""
    pre, post = trains(p=0.0)
    post[100::50, 0] = 1
    post[100::20, 1] = 1
    w, tau, beta, target = weights(), 300.0, 1e-4, 10.0
    rule = comp.SynapticScaling(beta, target, tau, every=10 * DT)
    found = learned(rule, w, pre, post)
    rate, total = np.full(N_POST, target), np.zeros(N_POST)
    for k, z in enumerate(post, 1):
        rate = rate * np.exp(-DT / tau)
        total += beta * (target - rate) * DT
        rate = rate + 1000 * z / tau
        if k % 10 == 0:
            np.testing.assert_allclose(found[k - 1], w * np.exp(total), rtol=1e-9)
    growth = found[-1, 0] / w[0]
    assert growth[1] < growth[0] < growth[2] and growth[2] > 1


@pytest.mark.slow
def test_voltage_against_a_loop():
    """With the voltage of a conductance-based neuron, which has the shape of its spikes."""
    steps, dt = 1500, 0.05
    pre, _ = trains(2, 0.004, steps)
    channels = {"na": comp.NaHH(), "k": comp.KHH(), "leak": comp.Leak(g=0.3, e=-54.4)}
    cells = comp.ConductanceBased(N_POST, channels, v_init=-65.0)
    p = {"a_minus": 1e-3, "a_plus": 2e-3, "theta_minus": -66.0, "theta_plus": -45.0}
    rule = comp.VoltageSTDP(**p, v_rest=-65.0, u_ref=30.0, tau_mean=50.0)
    w = weights()
    net = Network(
        {"a": LIF(N_PRE, v_th=1e4), "b": cells},
        {"ab": Projection("a", "b", Dense(w), Exponential(5.0), CUBA(), plasticity=rule)},
    )
    current = jnp.broadcast_to(jnp.array([8.0, 12.0, 2.0]), (steps, N_POST))
    inputs = {"a": jnp.asarray(1e9 * pre), "b": current}
    rec = simulate(net, steps * dt, dt=dt, inputs=inputs, record=["ab.weight", "b.v"])
    u = np.asarray(rec["b.v"])
    # Between two points the filters see the voltage at the first one, as the solver does.
    before = np.concatenate([np.full((1, N_POST), -65.0), u[:-1]])
    x = Trace(15.0, N_PRE, dt)
    minus, plus, mean = np.full(N_POST, -65.0), np.full(N_POST, -65.0), np.zeros(N_POST)
    out = []
    for k in range(steps):
        trace = x.read()
        minus = before[k] + (minus - before[k]) * np.exp(-dt / 10)
        plus = before[k] + (plus - before[k]) * np.exp(-dt / 7)
        mean = before[k] + 65 + (mean - before[k] - 65) * np.exp(-dt / 50)
        a_minus = 1e-3 * mean**2 / 30
        down = np.outer(pre[k], a_minus * np.maximum(minus + 66, 0))
        w = np.maximum(w - down, 0)
        gate = np.maximum(u[k] + 45, 0) * np.maximum(plus + 66, 0)
        w = w + 2e-3 * dt * np.outer(trace, gate)
        x.add(pre[k], 1 / 15)
        out.append(w)
    np.testing.assert_allclose(rec["ab.weight"], out, rtol=1e-8, atol=1e-12)
    assert (u.max(0) > 0).any() and abs(out[-1] - weights()).max() > 0.05


# --- rules of rates -------------------------------------------------------------------------------


def rate_step(rule, w, x, y, state, dt):
    conn = Dense(np.zeros(w.shape))
    synapses = comp.Synapses(conn, conn, (rule.w_min, rule.w_max))
    args = comp.Args({}, {"pre": x, "post": y})
    return rule.learn(w, state, args, None, None, synapses=synapses, dt=dt)[:2]


@pytest.mark.slow
def test_oja_finds_the_first_principal_component():
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    mixing = np.diag([3.0, 1.5, 1.0, 1.0, 0.5]) @ turn
    x = jnp.asarray(rng.normal(size=(20000, 5)) @ mixing)
    rule = comp.Oja(eta=1e-3, alpha=4.0)

    @jax.jit
    def run(w):
        def step(w, x):
            return rate_step(rule, w, x, x @ w, {}, 0.2)[0], None

        return jax.lax.scan(step, w, x)[0]

    w = np.asarray(run(jnp.full((5, 1), 0.1)))[:, 0]
    assert abs(w @ turn[0]) / np.linalg.norm(w) > 0.995
    assert np.linalg.norm(w) == pytest.approx(0.5, rel=0.03)


@pytest.mark.slow
def test_bcm_becomes_selective_and_its_threshold_settles_at_the_selected_response():
    """Two inputs that alternate: at the stable fixed points one response is twice `y0`, the other
    zero (Intrator & Cooper 1992: the response to the chosen one of K equally likely is K)."""
    inputs = jnp.asarray([[1.0, 0.2], [0.2, 1.0]])
    rule = comp.BCM(eta=2e-3, tau=50.0, y0=1.0)

    @jax.jit
    def run(w):
        def step(carry, k):
            w, theta = carry
            y = jnp.maximum(inputs[k % 2] @ w, 0)
            flow = rule.flow({"theta": theta}, comp.Args({}, {"post": y}))["theta"]
            w, _ = rate_step(rule, w, inputs[k % 2], y, {"theta": theta}, 1.0)
            return (w, theta + flow(theta)), None

        return jax.lax.scan(step, (w, jnp.ones(1)), jnp.arange(40000))[0]

    free = eqx.tree_at(lambda r: r.w_min, rule, jnp.array(-jnp.inf))
    rule = free
    w, theta = run(jnp.array([[0.55], [0.5]]))
    y = np.sort(np.asarray(inputs @ w)[:, 0])
    assert y == pytest.approx([0.0, 2.0], abs=0.05) and float(theta[0]) == pytest.approx(2, abs=0.1)


# --- in a projection ------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csr", CSC, COO, FixedFanOut, FixedFanIn])
def test_every_format_learns_like_the_dense_matrix(kind):
    (pre, post), w = trains(), weights()
    mask = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]]) > 0
    if kind is FixedFanIn:
        mask = np.array([[1, 0, 1], [1, 1, 0], [0, 1, 0], [0, 0, 1]]) > 0
    conn = from_dense(jnp.asarray(np.where(mask, w, 0)))
    if kind != "csr":
        to = {CSC: "to_csc", COO: "to_coo", FixedFanOut: "to_fixed_fan_out"}
        conn = getattr(conn, to.get(kind, "to_fixed_fan_in"))()
    found = learned(PairSTDP(**PAIR, mu_plus=0.5), conn, pre, post)
    expected = pair_loop(w, pre, post, (0.5, 0.0))[-1]
    edges = conn._edges(np)
    np.testing.assert_allclose(found[-1].ravel(), expected[edges.rows, edges.cols], rtol=1e-9)


@pytest.mark.slow
def test_the_synapses_use_the_weights_and_one_weight_for_all_becomes_one_each():
    """The conductance of each arrival is that of the weight before it learns at that instant."""
    pre, post = trains()
    conn = from_dense(jnp.ones((N_PRE, N_POST)))
    net = network(PairSTDP(**PAIR), eqx.tree_at(lambda c: c.weight, conn, jnp.array(0.5)))
    rec = simulate(net, T * DT, dt=DT, inputs=drive(pre, post), record=["ab.weight", "ab.g"])
    w = np.asarray(rec["ab.weight"]).reshape(T, N_PRE, N_POST)
    before = np.concatenate([np.full((1, N_PRE, N_POST), 0.5), w[:-1]])
    g, expected = np.zeros(N_POST), []
    for s, now in zip(pre, before, strict=True):
        g = g * np.exp(-DT / 5) + s @ now
        expected.append(g)
    np.testing.assert_allclose(rec["ab.g"], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_release_does_not_change_what_counts_as_a_spike():
    class Half(comp.AbstractRelease):
        def init(self, n):
            return comp.State({}, {})

        def flow(self, y, args):
            return {}

        def release(self, y, args, s, *, dt, key):
            return y, args.mem, s / 2

    (pre, post), w = trains(), weights()
    found = learned(PairSTDP(**PAIR), w, pre, post, release=Half())
    np.testing.assert_allclose(found, pair_loop(w, pre, post), rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_trials_chunks_and_gradients():
    (pre, post), w = trains(steps=60), weights()
    net = network(PairSTDP(**PAIR, mu_plus=1.0, mu_minus=1.0), Dense(w))
    inputs = drive(pre, post)

    def end(a_plus, w, pre=inputs["a"]):
        m = eqx.tree_at(
            lambda m: (m.projections["ab"].plasticity.a_plus, m.projections["ab"].connect.weight),
            net,
            (a_plus, w),
        )
        run = simulate(m, 30.0, dt=DT, inputs={**inputs, "a": pre}, record=Record("ab.weight"))
        return run["ab.weight"][-1]

    # Chunks.
    whole = simulate(net, 30.0, dt=DT, inputs=inputs, record="ab.weight")["ab.weight"]
    parts = simulate(net, 30.0, dt=DT, inputs=inputs, record="ab.weight", chunk=7)["ab.weight"]
    np.testing.assert_array_equal(whole, parts)
    # Trials that differ in their spikes and weights.
    many = jnp.stack([inputs["a"], jnp.roll(inputs["a"], 5, 0)]), jnp.stack([w, 0.5 * w])
    batch = jax.vmap(lambda s, w: end(0.05, w, s))(*many)
    for k in range(2):
        np.testing.assert_allclose(batch[k], end(0.05, many[1][k], many[0][k]), rtol=1e-12)
    # The gradient through learning, with respect to rule and weights.
    loss = jax.jit(lambda a, w: jnp.sum(end(a, w) ** 2))
    gradient = jax.grad(loss, (0, 1))(jnp.array(0.05), jnp.asarray(w))
    h, e = 1e-6, np.zeros(w.shape)
    e[1, 2] = h
    slopes = [
        (loss(0.05 + h, w) - loss(0.05 - h, w)) / (2 * h),
        (loss(0.05, w + e) - loss(0.05, w - e)) / (2 * h),
    ]
    np.testing.assert_allclose([gradient[0], gradient[1][1, 2]], slopes, rtol=1e-6)


@pytest.mark.slow
def test_the_weights_learn_in_place():
    """Neither the arrivals nor the updates make a copy of the weights within the loop."""
    conn = from_dense(jnp.asarray(weights())).to_fixed_fan_out()
    model = network(PairSTDP(), conn, delay=DT)
    from fdyn.solvers import ExponentialEuler

    state = model.init(key=jax.random.key(0), dt=DT)
    dynamic, static = eqx.partition(model, eqx.is_array)

    @jax.jit
    def run(dynamic, state, pre, post):
        model = eqx.combine(dynamic, static)

        def body(state, s):
            kwargs = {"t": jnp.array(0.0), "dt": jnp.array(DT), "key": jax.random.key(0)}
            u = {"a": s[0], "b": s[1]}
            return model.step(state, u, solver=ExponentialEuler(), **kwargs)[0], None

        return jax.lax.scan(body, state, (pre, post))[0]

    pre, post = (jnp.asarray(x) for x in trains())
    text = run.lower(dynamic, state, 1e9 * pre, 1e9 * post).compile().as_text()
    inside = [x for x in text.split("\n\n") if "event_op" in x and "ENTRY" not in x]
    assert inside and not any(f"f64[{N_PRE},{N_POST}]{{1,0}} copy(" in x for x in inside)


@pytest.mark.slow
def test_the_adaptive_route_learns_at_the_very_spikes():
    """Two neurons that fire regularly: the traces at their spikes are known."""
    rule = PairSTDP(tau_plus=20.0, tau_minus=30.0, a_plus=1e-3, a_minus=2e-3)
    p = Projection("a", "b", Dense([[0.0001]]), Exponential(5.0), CUBA(), plasticity=rule)
    net = Network({"a": LIF(1), "b": LIF(1)}, {"ab": p})
    sol = solve(net, 100.0, inputs={"a": 25.0, "b": 30.0})
    w = 1e-4
    pre, post = (sol.spikes(f"{k}.spike").times for k in "ab")
    for t, side in sorted([(t, 0) for t in pre] + [(t, 1) for t in post]):
        if side:
            w = min(w + 1e-3 * sum(np.exp((s - t) / 20) for s in pre if s < t), 1)
        else:
            w = max(w - 2e-3 * sum(np.exp((s - t) / 30) for s in post if s < t), 0)
    assert len(pre) > 3 and len(post) > 4
    assert float(sol.state.model.mem["ab"]["weight"][0, 0]) == pytest.approx(w, rel=1e-6)


@pytest.mark.parametrize("kind", ["to_fixed_fan_out", "to_coo", "to_csc"])
def test_other_synapses_cannot_take_the_place_of_those_that_learn(kind):
    """The list by which synapses are found is that of the old ones."""

    def listed(mask):
        return getattr(from_dense(jnp.asarray(mask, float) / 2), kind)()

    old, new = [[1, 1, 0], [0, 1, 1]], [[1, 0, 1], [1, 1, 0]]
    net = network(PairSTDP(), listed(old))

    def where(net):
        return net.projections["ab"].connect

    start = {"key": jax.random.key(0), "dt": DT}
    weights = replace(net, lambda m: where(m).weight, 0.25 + 0 * where(net).weight)
    assert float(weights.init(**start).mem["ab"]["weight"].min()) == 0.25
    eqx.tree_at(where, net, listed(old)).init(**start)
    for changed in (eqx.tree_at(where, net, listed(new)), replace(net, where, listed(new))):
        with pytest.raises(ValueError, match="'a' -> 'b': its connectivity was replaced by one wi"):
            changed.init(**start)
    # Another format, which would need another list.
    with pytest.raises(ValueError, match="make a new Projection. Weights alone can be replaced"):
        eqx.tree_at(where, net, from_dense(jnp.asarray(old) / 2)).init(**start)
    # Without plasticity any connectivity may be replaced.
    fixed = network(None, listed(old))
    eqx.tree_at(where, fixed, listed(new)).init(**start)


# --- mistakes -------------------------------------------------------------------------------------


def make(rule=None, connect=None, **kwargs):
    return network(rule or PairSTDP(), OneToOne(0.5, n=2) if connect is None else connect, **kwargs)


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: PairSTDP(w_min=1.0, w_max=1.0), "'w_min' must be a scalar below 'w_max', got 1"),
        (lambda: PairSTDP(w_max=[1.0, 2.0]), "'w_min' must be a scalar below"),
        (lambda: PairSTDP(mu_plus=0.5, w_max=np.inf), "w_min and w_max must be finite; got mu_plu"),
        (lambda: PairSTDP(mu_minus=-1.0), "'mu_minus' must be non-negative"),
        (lambda: TripletSTDP(tau_x=0.0), "'tau_x' must be positive"),
        (lambda: comp.RewardSTDP(3), "'modulator' must be the path of an output"),
        (
            lambda: comp.RewardSTDP("r", tau_c=10.0, every=101.0),
            r"'every' must be at most ten times 'tau_c' \(10.0 ms\).*got 101.0 ms",
        ),
        (
            lambda: make(PairSTDP(w_max=0.4)),
            "weights of 'connect' must lie within w_min = 0",
        ),
        (lambda: make(PairSTDP(tau_plus=[1.0, 2.0, 3.0])), r"'tau_plus' must be a scalar or have"),
        (lambda: make(PairSTDP(a_plus=[1.0, 2.0])), "'a_plus' must be a scalar, got an array"),
        (lambda: make(connect=OneToOne(0.5, n=2, delay=[1.0, 2.0])), "needs one delay of all syna"),
        (lambda: make(comp.Oja()), "learns from the activity of both sides, so 'synapse' must be"),
        (
            lambda: make(connect=Procedural(jax.random.key(0), 2, 2, probability=0.5, weight=0.5)),
            "needs stored weights, but the syna",
        ),
        (lambda: make(comp.RewardSTDP("x.spike")), "modulator: .*'x.spike'"),
    ],
)
def test_mistakes(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.slow
def test_mistakes_that_a_run_finds():
    with pytest.raises(ValueError, match="SynapticScaling of the projection 'ab' changes the wei"):
        solve(make(comp.SynapticScaling()), 1.0)
