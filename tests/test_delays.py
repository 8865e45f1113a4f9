"""Delays: of projections, of single synapses, and between the steps."""

import heapq
import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import assert_close, assert_identical, slope

from fdyn import Network, Projection, load, replace, save, simulate, solve
from fdyn._delay import make_ring, push, read
from fdyn.components import (
    COBA,
    CUBA,
    LIF,
    AbstractPopulation,
    AbstractSynapse,
    Exponential,
    PoissonInput,
    State,
)
from fdyn.fit import fit
from fdyn.sparse import (
    COO,
    CSR,
    Dense,
    FixedFanOut,
    FractionalDelay,
    OneToOne,
    Procedural,
    Uniform,
    find_events,
    fixed_out_degree,
    fixed_probability,
)

DT, TAU = 0.1, 5.0


def onto(connect, pre="in", post="out", **kwargs) -> Projection:
    return Projection(pre, post, connect, Exponential(TAU), CUBA(), **kwargs)


def pulses(step: int, n: int = 60) -> np.ndarray:
    """A current that makes a LIF at rest spike in this step only."""
    return np.where(np.arange(n) == step, 5000.0, 0.0)


def pair(connect, **kwargs) -> Network:
    return Network({"in": LIF(1), "out": LIF(1)}, {"p": onto(connect, **kwargs)})


class Wave(AbstractPopulation):
    """A smooth graded signal."""

    size: int = eqx.field(static=True, default=1)

    def init(self, *, key, dt):
        return State((), ())

    def flow(self, t, y, args):
        return ()

    def jump(self, t, y, args, *, dt, key):
        return (), (), {"x": wave(t) * jnp.ones(self.size)}


def wave(t):
    return jnp.sin(t * 0.3) ** 2


# --- against an independent simulation -----------------------------------------------------------


def events_by_queue(edges, n, current, steps, axon):
    """LIF neurons that send events over single synapses through one queue."""
    outgoing = [[] for _ in range(n)]
    for i, j, w, d in edges:
        outgoing[i].append((j, w, round(d / DT)))
    queue, order, v, g = [], itertools.count(), np.full(n, -65.0), np.zeros(n)
    spikes, trace = np.zeros((steps, n)), np.zeros((steps, n))
    for step in range(steps):
        rest = -65.0 + current + g
        v = rest + (v - rest) * np.exp(-DT / 20.0)
        g = g * np.exp(-DT / TAU)
        fired = np.flatnonzero(v >= -50.0)
        v[fired] = -65.0
        spikes[step, fired] = 1
        for i in fired:
            for j, w, wait in outgoing[i]:
                heapq.heappush(queue, (step + axon + wait, next(order), j, w))
        while queue and queue[0][0] == step:
            _, _, j, w = heapq.heappop(queue)
            g[j] += w
        trace[step] = g
    return spikes, trace


@pytest.mark.parametrize("axon", [0, 7])
def test_a_network_is_what_single_synapses_and_a_queue_of_events_make_of_it(axon):
    n, steps, rng = 12, 1500, np.random.default_rng(0)
    base = fixed_probability(jax.random.key(1), n, n, 0.5, weight=1.0)
    w = rng.uniform(-2.0, 4.0, base.n_synapses)
    d = rng.integers(0, 41, base.n_synapses) * DT
    assert d.min() == 0 and d.max() == 4.0
    conn = CSR(base.indices, base.indptr, w, n_post=n, delay=d)
    current = np.linspace(15, 25, n)
    net = Network({"E": LIF(n)}, {"p": onto(conn, "E", "E", delay=axon * DT)})
    inputs = {"E": np.broadcast_to(current, (steps, n))}
    run = simulate(net, steps * DT, dt=DT, inputs=inputs, record=["E.spike", "p.g"])
    rows = np.repeat(np.arange(n), np.diff(np.asarray(base.indptr)))
    edges = zip(rows, np.asarray(base.indices), w, d, strict=True)
    spikes, g = events_by_queue(edges, n, current, steps, axon)
    assert 50 < spikes.sum() < 2000
    np.testing.assert_array_equal(run["E.spike"], spikes)
    np.testing.assert_allclose(run["p.g"], g, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("steps", [0, 1, 2, 20])
@pytest.mark.parametrize("axon", [0, 3])
def test_the_delay_of_a_synapse_is_met_to_the_step(steps, axon):
    # A second synapse keeps the ring from being as long as the first delay.
    conn = COO([0, 0], [0, 1], 1.0, n_pre=1, n_post=2, delay=[steps * DT, 2.5])
    net = Network({"in": LIF(1), "out": LIF(2)}, {"p": onto(conn, delay=axon * DT)})
    run = simulate(net, 6.0, dt=DT, inputs={"in": pulses(7)}, record=["p.g", "in.spike"])
    assert np.flatnonzero(run["in.spike"]).tolist() == [7]
    g, arrival = run["p.g"][:, 0], 7 + steps + axon
    assert (g[:arrival] == 0).all() and g[arrival] == 1.0
    course = np.exp(-np.arange(60 - arrival) * DT / TAU)
    np.testing.assert_allclose(g[arrival:], course, rtol=1e-12)


def test_equal_delays_of_all_synapses_are_the_delay_of_the_projection():
    n = 8
    w = fixed_out_degree(jax.random.key(1), n, n, 4, np.linspace(1, 3, 4 * n).reshape(n, 4))

    def run(delay_of_synapses, delay):
        conn = FixedFanOut(w.targets, w.weight, n_post=n, delay=delay_of_synapses)
        net = Network({"E": LIF(n)}, {"p": onto(conn, "E", "E", delay=delay)})
        current = np.broadcast_to(np.linspace(15, 19, n), (600, n))
        return simulate(net, 60.0, dt=DT, inputs={"E": current}, record=["E.v", "E.spike"])

    pre = run(None, 1.7)
    assert pre["E.spike"].sum() > 5
    for other in (run(np.full((n, 4), 1.7), 0.0), run(np.full((n, 4), 0.5), 1.2), run(1.7, 0.0)):
        np.testing.assert_array_equal(other["E.spike"], pre["E.spike"])
        np.testing.assert_allclose(other["E.v"], pre["E.v"], rtol=1e-12)


# --- one ring per population ---------------------------------------------------------------------


def test_projections_from_one_population_share_a_ring():
    delays = {"a": 0.0, "b": 0.3, "c": 2.0, "d": 2.0}
    nodes = {"in": LIF(1), "out": LIF(1)}
    net = Network(nodes, {k: onto(OneToOne(1.0, n=1), delay=d) for k, d in delays.items()})
    state = net.init(key=jax.random.key(0), dt=DT)
    assert {k: r["values"].shape for k, r in state.mem["rings"].items()} == {"in": (21, 1)}
    assert not any("ring" in state.mem[k] for k in delays)
    run = simulate(net, 6.0, dt=DT, inputs={"in": pulses(7)}, record=[f"{k}.g" for k in delays])
    for k, d in delays.items():
        assert np.flatnonzero(run[f"{k}.g"])[0] == 7 + round(d / DT)
    # Without delays nothing is kept.
    plain = Network(nodes, {"a": onto(OneToOne(1.0, n=1))})
    assert "rings" not in plain.init(key=jax.random.key(0), dt=DT).mem
    with pytest.raises(ValueError, match="the name 'rings'"):
        Network({"rings": LIF(1)})


@pytest.mark.parametrize("kind", ["pre", "post", "fractional"])
def test_rings_are_written_in_place(kind):
    """XLA copies the ring on entering the loop, and never within."""
    n, steps = 64, 20
    targets = np.arange(n * 4).reshape(n, 4) % n
    delay = np.arange(n * 4).reshape(n, 4) % (steps + 1) * DT
    conn = FixedFanOut(targets, 1.0, n_post=n, delay=None)
    if kind != "pre":
        delay = delay if kind == "post" else FractionalDelay(delay)
        conn = FixedFanOut(targets, 1.0, n_post=n, delay=delay)
    p = onto(conn, "E", "E", delay=steps * DT if kind == "pre" else 0.0)
    net = Network({"E": LIF(n)}, {"p": p})
    mem = net.init(key=jax.random.key(0), dt=DT).mem
    ring = mem["rings"]["E"]["values"] if kind == "pre" else mem["p"]["ring"]

    def body(_, mem):
        spikes = jnp.where(mem["x"] > 0.5, 1.0, 0.0)
        if kind == "pre":
            rings = {"E": push(mem["rings"]["E"], spikes)}
            y = read(rings["E"], mem["p"]["timing"].lag)
            return {**mem, "rings": rings, "x": mem["x"] + y}
        y, own, _ = p.receive(
            {"g": mem["x"]},
            mem["p"],
            find_events(spikes),
            None,
            None,
            dt=jnp.array(DT),
            key=jax.random.key(0),
        )
        return {**mem, "p": own, "x": y["g"]}

    loop = jax.jit(lambda m: jax.lax.fori_loop(0, 100, body, m))
    text = loop.lower({**mem, "x": jnp.linspace(0, 1, n)}).compile().as_text()
    shape = ",".join(map(str, ring.shape))
    inside = [
        line
        for part in text.split("\n\n")
        if not part.lstrip().startswith("ENTRY")
        for line in part.splitlines()
        if f"f64[{shape}]" in line.split(" copy(")[0] and " copy(" in line
    ]
    assert not inside, inside
    assert f"f64[{shape}]" in text


# --- arrivals ------------------------------------------------------------------------------------


def reference(ring, rows, cols, w, steps, s, head, part=None):
    """A scatter over all synapses."""
    out = jnp.asarray(ring)
    depth = out.shape[0]
    for extra, share in ((0, 1.0),) if part is None else ((0, 1 - part), (1, part)):
        out = out.at[(head + steps + extra) % depth, cols].add(w * share * s[rows])
    return out


LISTS = {
    "CSR": lambda c: c.to_csr(),
    "CSC": lambda c: c.to_csc(),
    "COO": lambda c: c.to_coo(),
    "FixedFanOut": lambda c: c.to_fixed_fan_out(),
    "FixedFanIn": lambda c: c.T.to_fixed_fan_out().T,
}


@pytest.mark.parametrize("name", [*LISTS, "Dense", "OneToOne"])
@pytest.mark.parametrize("fractional", [False, True])
def test_every_format_deposits_like_a_scatter(name, fractional):
    rng = np.random.default_rng(3)
    n_pre, n_post, k, head = 6, 6, 3, 2
    if name == "Dense":
        rows, cols = (x.ravel() for x in np.indices((n_pre, n_post)))
    elif name == "OneToOne":
        rows = cols = np.arange(n_pre)
    else:
        # Permutations give every unit as many synapses on both sides.
        rows = np.tile(np.arange(n_pre), k)
        cols = np.concatenate([rng.permutation(n_post) for _ in range(k)])
    w = rng.normal(size=rows.size)
    lag = rng.uniform(0, 5, rows.size) if fractional else np.arange(rows.size) % 6
    whole = np.floor(lag).astype(int)
    delay = FractionalDelay(lag * DT, maximum=0.5) if fractional else lag * DT
    if name == "Dense":
        shape = (n_pre, n_post)
        delay = (
            FractionalDelay(delay.values.reshape(shape), 0.5)
            if fractional
            else delay.reshape(shape)
        )
        conn = Dense(w.reshape(shape), delay=delay)
    elif name == "OneToOne":
        conn = OneToOne(w, delay=delay)
    else:
        conn = LISTS[name](COO(rows, cols, w, n_pre=n_pre, n_post=n_post, delay=delay))
    assert type(conn).__name__ == name
    route, most = conn.route(DT)
    assert most == 5
    depth = most + 2
    ring = rng.normal(size=(depth, n_post))
    s = np.where(rng.random(n_pre) < 0.6, rng.normal(size=n_pre), 0.0)
    expected = reference(ring, rows, cols, w, whole, s, head, lag - whole if fractional else None)

    def deposit(ring, s, head, **kwargs):
        return conn.deposit(ring.reshape(-1), s, route, head, **kwargs).reshape(depth, n_post)

    ring, s = jnp.asarray(ring), jnp.asarray(s)
    for spikes in (s, find_events(s)):
        np.testing.assert_allclose(deposit(ring, spikes, head), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(deposit(ring, s, head, weight=conn.weight * 2), 2 * expected - ring)
    # Derivatives: the map is bilinear in spikes and weights.
    cotangent = jnp.asarray(rng.normal(size=ring.shape))

    def of(w, s):
        return jnp.sum(cotangent * deposit(ring, s, head, weight=w))

    def of_reference(w, s):
        part = lag - whole if fractional else None
        return jnp.sum(cotangent * reference(ring, rows, cols, w, whole, s, head, part))

    into = np.asarray(conn._edges(np).weight).reshape(-1)
    order = np.array([np.flatnonzero(w == x)[0] for x in into])
    dw, ds = jax.grad(of, (0, 1))(conn.weight, s)
    dw_ref, ds_ref = jax.grad(of_reference, (0, 1))(jnp.asarray(w), s)
    np.testing.assert_allclose(np.asarray(dw).reshape(-1), dw_ref[order], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(ds, ds_ref, rtol=1e-10, atol=1e-12)
    batch = jax.vmap(deposit, (0, 0, None))(jnp.stack([ring, 2 * ring]), jnp.stack([s, -s]), head)
    np.testing.assert_allclose(batch[0], expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(batch[1], deposit(2 * ring, -s, head), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [(), (4, 1), (1, 3)])
def test_weights_shared_by_synapses_are_deposited_too(shape):
    rng = np.random.default_rng(0)
    w = jnp.asarray(rng.normal(size=shape))
    delay = rng.integers(0, 4, (4, 3)) * DT
    conn = Dense(w, n_pre=4, n_post=3, delay=delay).to_csr()
    full = Dense(np.broadcast_to(w, (4, 3)), delay=delay)
    s = jnp.asarray([1.0, 0.0, -0.5, 2.0])
    rings = []
    for c in (conn, full):
        route, most = c.route(DT)
        rings.append(c.deposit(jnp.zeros((most + 2) * 3), s, route, 1))
    np.testing.assert_allclose(rings[0], rings[1], rtol=1e-13)


def test_a_ring_in_single_precision(float32):
    del float32
    conn = OneToOne([1.0, 2.0], delay=[0.3, 12.7])
    net = Network({"in": LIF(2), "out": LIF(2)}, {"p": onto(conn)})
    run = simulate(net, 15.0, dt=DT, inputs={"in": pulses(7, 150)}, record="p.g")
    assert run.state.model.mem["p"]["ring"].dtype == jnp.float32
    assert run.state.model.mem["p"]["timing"].route.targets.dtype == jnp.int32
    assert [np.flatnonzero(run["p.g"][:, k])[0] for k in (0, 1)] == [10, 134]


# --- runs ----------------------------------------------------------------------------------------


def delayed(n: int = 8) -> Network:
    """Every kind of delay at once."""
    rng = np.random.default_rng(5)
    w = fixed_out_degree(jax.random.key(3), n, n, 4, 2.0)
    d = rng.integers(1, 20, (n, 4)) * DT
    some = FixedFanOut(w.targets, 2.0, n_post=n, delay=d)
    between = FixedFanOut(w.targets, 2.0, n_post=n, delay=FractionalDelay(d * 0.97))
    return Network(
        {"in": PoissonInput(n, rate=200.0), "E": LIF(n, t_ref=1.0), "I": LIF(n, tau=10.0)},
        {
            "in_E": Projection("in", "E", OneToOne(4.0, n=n), Exponential(5.0), COBA(0.0)),
            "E_I": Projection("E", "I", some, Exponential(5.0), COBA(0.0), 0.7),
            "E_E": Projection("E", "E", between, Exponential(5.0), COBA(0.0)),
            "I_E": Projection("I", "E", w, Exponential(8.0), COBA(-80.0), FractionalDelay(0.33)),
        },
    )


@pytest.mark.slow
def test_runs_with_rings_go_on_exactly_in_chunks_from_states_and_from_files(tmp_path):
    net = delayed()
    kwargs = {"dt": DT, "inputs": {"E": 15.0}, "record": ["E.v", "I.spike"]}
    whole = simulate(net, 25.0, chunk=250, **kwargs)
    assert whole["I.spike"].sum() > 5
    assert_identical(simulate(net, 25.0, chunk=7, **kwargs), whole)
    first = simulate(net, 10.3, **kwargs)
    save(tmp_path / "x", net, state=first.state)
    loaded = load(tmp_path / "x")
    for model, state in ((net, first.state), loaded[:2]):
        second = simulate(model, 14.7, state=state, **kwargs)
        np.testing.assert_array_equal(second["E.v"], whole["E.v"][103:])
        assert_identical(second.state, whole.state)


@pytest.mark.slow
def test_batches_are_loops_and_a_jitted_model_is_the_plain_one():
    net, keys = delayed(), jax.random.split(jax.random.key(4), 3)

    def run(net, key):
        return simulate(net, 10.0, dt=DT, key=key, inputs={"E": 15.0}, record="E.v")["E.v"]

    single = [run(net, k) for k in keys]
    batch = jax.vmap(run, (None, 0))(net, keys)
    assert_close(list(batch), single, rtol=1e-9)
    # The delays are traced here; how long the rings are is not.
    assert_close(eqx.filter_jit(run)(net, keys[0]), single[0], rtol=1e-9)
    delays = jnp.array([0.1, 0.25, 0.33])

    def with_delay(d):
        return run(eqx.tree_at(lambda m: m.projections["I_E"].delay.values, net, d), keys[0])

    for v, d in zip(jax.vmap(with_delay)(delays), delays, strict=True):
        np.testing.assert_allclose(v, with_delay(d), rtol=1e-9)


def test_a_state_does_not_hold_delays_that_the_model_has_no_more():
    def net(*delays):
        return Network({"in": LIF(2), "out": LIF(2)}, {"p": onto(OneToOne(1.0, n=2, delay=delays))})

    start = simulate(net(2.0, 0.5), 1.0, dt=DT).state
    run = simulate(net(0.5, 2.0), 6.0, dt=DT, inputs={"in": pulses(7)}, record="p.g", state=start)
    assert [np.flatnonzero(run["p.g"][:, k])[0] for k in (0, 1)] == [12, 27]


# --- between the steps ---------------------------------------------------------------------------


def arrivals(net, steps=40, dt=DT, **kwargs):
    return simulate(net, steps * dt, dt=dt, record="p.g", **kwargs)["p.g"][:, 0]


FRACTIONAL = {
    "projection": lambda d: pair(OneToOne(1.0, n=1), delay=FractionalDelay(d, maximum=3.0)),
    "one synapse": lambda d: pair(OneToOne(1.0, n=1, delay=FractionalDelay(d, maximum=3.0))),
    "per synapse": lambda d: pair(
        OneToOne(1.0, n=1, delay=FractionalDelay(jnp.asarray(d)[None], maximum=3.0))
    ),
}


@pytest.mark.parametrize("where", FRACTIONAL)
@pytest.mark.parametrize("d", [0.0, 0.04, 1.0, 1.53, 2.96, 3.0])
def test_a_spike_between_two_steps_is_split_and_its_mean_arrival_is_exact(where, d):
    inputs = {"in": pulses(5, 40)}
    g = arrivals(FRACTIONAL[where](d), inputs=inputs)
    came = np.diff(g, prepend=0.0) + (1 - np.exp(-DT / TAU)) * np.append(0.0, g[:-1])
    k = np.arange(40) - 5
    assert came.sum() == pytest.approx(1.0, rel=1e-12)
    assert (came * k).sum() * DT == pytest.approx(d, abs=1e-12)
    whole, part = round(np.floor(d / DT + 1e-9)), d / DT - np.floor(d / DT + 1e-9)
    assert came[5 + whole] == pytest.approx(1 - part, abs=1e-9)
    if part > 1e-6:
        assert came[6 + whole] == pytest.approx(part, abs=1e-9)
    assert np.count_nonzero(abs(came) > 1e-12) == (2 if part > 1e-6 else 1)


@pytest.mark.slow
@pytest.mark.parametrize("where", FRACTIONAL)
def test_the_gradient_for_a_delay_is_the_closed_form_and_the_finite_difference(where):
    def end(d):
        return arrivals(FRACTIONAL[where](d), inputs={"in": pulses(5, 40)})[-1]

    d, h = jnp.array(1.53), 1e-4
    grad = jax.grad(end)(d)
    since = (39 - 5) * DT
    early, late = (np.exp(-(since - k * DT) / TAU) for k in (15, 16))
    assert grad == pytest.approx((late - early) / DT, rel=1e-10)
    assert grad == pytest.approx((end(d + h) - end(d - h)) / (2 * h), rel=1e-6)
    assert jax.jvp(end, (d,), (1.0,))[1] == pytest.approx(float(grad), rel=1e-10)
    # The exact response e^{-(t - d) / tau} grows by 1 / tau of itself: within the step.
    assert grad == pytest.approx(np.exp(-(since - 1.53) / TAU) / TAU, rel=0.5 * DT / TAU)


def delay_line(ring, lag, rows):
    def step(ring, row):
        ring = push(ring, row)
        return ring, read(ring, lag)

    return jax.lax.scan(step, ring, rows)[1]


@pytest.mark.slow
def test_the_order_of_interpolation():
    """Second order for signals and their response to spikes, first for the derivative."""
    steps = np.array([0.3, 0.1, 0.05, 0.025])
    errors = {"signal": [], "spike": [], "gradient": []}
    for dt in steps:
        d, t = 20.25 * 0.3, np.arange(0, 30, dt)
        ring, lag = make_ring(round(d / dt) + 2, 1), jnp.asarray(d / dt)
        lag = jnp.floor(lag) + 0.25  # the same part of a step at every dt
        late = t - float(lag) * dt
        seen = delay_line(ring, lag, jnp.asarray(wave(t))[:, None])
        errors["signal"].append(abs(seen[:, 0] - wave(late))[late > dt].max())
        near = np.exp(0.25 * dt / TAU)
        split = 0.75 + 0.25 * np.exp(dt / TAU)
        errors["spike"].append(split / near - 1)
        errors["gradient"].append(abs((np.exp(dt / TAU) - 1) / dt / (near / TAU) - 1))
    assert slope(steps, errors["signal"]) == pytest.approx(2, abs=0.15)
    assert slope(steps, errors["spike"]) == pytest.approx(2, abs=0.15)
    assert slope(steps, errors["gradient"]) == pytest.approx(1, abs=0.15)


def test_the_gradients_of_single_delays():
    rng = np.random.default_rng(2)
    d = jnp.asarray(rng.uniform(0.1, 1.9, (3, 2)))
    target = jnp.asarray(rng.normal(size=2))

    def loss(d):
        conn = Dense(jnp.ones((3, 2)), delay=FractionalDelay(d, maximum=2.0))
        net = Network({"in": LIF(3), "out": LIF(2)}, {"p": onto(conn)})
        inputs = {"in": np.roll(np.eye(40, 3) * 5000.0, 4, axis=0)}
        return jnp.sum(target * simulate(net, 4.0, dt=DT, inputs=inputs, record="p.g")["p.g"][-1])

    grad = jax.jit(jax.grad(loss))(d)
    value = jax.jit(loss)
    for i, j in np.ndindex(3, 2):
        e = jnp.zeros((3, 2)).at[i, j].set(1e-5)
        difference = float(value(d + e) - value(d - e)) / 2e-5
        assert float(grad[i, j]) == pytest.approx(difference, rel=1e-5)
    assert (abs(grad) > 1e-4).all()


@pytest.mark.slow
def test_the_slope_of_a_squared_error_is_that_of_the_continuous_delay_if_the_signal_has_no_jumps():
    h = 0.4  # ms: over so long a difference the interpolation at both ends cancels

    def slopes(record, dt):
        steps = round(12 / dt)
        pulse = np.where(np.arange(steps) == round(1 / dt), 500.0 / dt, 0.0)

        def signal(d):
            net = pair(OneToOne(1.0, n=1), delay=FractionalDelay(d, maximum=4.0))
            return simulate(net, 12.0, dt=dt, inputs={"in": pulse}, record=record)[record]

        target = signal(1.37)
        loss = jax.jit(lambda d: jnp.mean((signal(d) - target) ** 2))
        grad = jax.vmap(jax.grad(loss))(2.0 + dt * jnp.array([0.0, 0.25, 0.5, 0.75]))
        return grad, float(loss(2.0 + h) - loss(2.0 - h)) / (2 * h)

    errors = []
    for dt in (0.2, 0.1, 0.05):
        grad, true = slopes("out.v", dt)
        errors.append(float(abs(grad / true - 1).max()))
    assert errors[-1] < 0.1 and errors[0] > 1.5 * errors[1] > 2 * errors[2]
    # Conductances jump: within each step there is a minimum, however short the step.
    for dt in (0.2, 0.05):
        grad, true = slopes("p.g", dt)
        assert true > 0 and grad[0] < 0


@pytest.mark.parametrize("where", FRACTIONAL)
def test_a_delay_is_learnt(where):
    def response(net):
        net = Network({"in": Wave(), "out": LIF(1)}, net.projections)
        return simulate(net, 30.0, dt=0.25, record="p.g")["p.g"]

    target = response(FRACTIONAL[where](2.37))
    net = Network({"in": Wave(), "out": LIF(1)}, FRACTIONAL[where](1.1).projections)

    def leaf(net):
        p = net.projections["p"]
        return (p.delay if where == "projection" else p.connect.delay).values

    def loss(net, target, key):
        return jnp.mean((response(net) - target) ** 2)

    found = fit(loss, net, target, optimiser=optax.adam(0.1), steps=150, where=leaf, progress=False)
    assert leaf(found.model).item() == pytest.approx(2.37, abs=0.01)
    assert found.losses[-1] < 1e-4 * found.losses[0]


# --- mistakes ------------------------------------------------------------------------------------


def test_delays_off_the_grid_are_errors_that_name_the_synapse():
    for conn in (OneToOne(1.0, n=4, delay=[0.1, 0.2, 0.25, 0.31]),):
        for form in (conn, conn.to_csr(), conn.to_coo()):
            net = Network({"in": LIF(4), "out": LIF(4)}, {"p": onto(form)})
            match = r"connectivity of the projection 'in' -> 'out' of synapse 2 is 0.25 ms.*0.2 and"
            with pytest.raises(ValueError, match=match):
                simulate(net, 1.0, dt=DT)
            rounded = Network(net.nodes, {"p": onto(form.round_delays(DT))})
            simulate(rounded, DT, dt=DT)
    with pytest.raises(ValueError, match="of synapse 0 is 0.02 ms"):
        simulate(pair(OneToOne(1.0, n=1, delay=[0.02])), 1.0, dt=DT)
    with pytest.raises(ValueError, match=r"connectivity of the .* is 0.02 ms"):
        simulate(pair(OneToOne(1.0, n=1, delay=0.02)), 1.0, dt=DT)


@pytest.mark.filterwarnings("ignore:.*error_if.*")
def test_delays_beyond_their_bounds():
    for bad in (-0.1, 3.2, np.nan):
        with pytest.raises(ValueError, match="between 0 and the maximum of 3 ms"):
            FractionalDelay(bad, maximum=3.0)
        for where, make in FRACTIONAL.items():
            net = make(1.0)
            p = net.projections["p"]
            at = (lambda m: m.projections["p"].delay.values) if where == "projection" else (
                lambda m: m.projections["p"].connect.delay.values
            )  # fmt: skip
            del p
            moved = eqx.tree_at(at, net, jnp.full_like(at(net), bad))
            with pytest.raises(ValueError, match=r"between 0 and the maximum.*number 0"):
                simulate(moved, 1.0, dt=DT)
            with pytest.raises(Exception, match="negative or beyond its maximum of 3 ms"):
                jax.block_until_ready(eqx.filter_jit(lambda m: arrivals(m))(moved))
    with pytest.raises(ValueError, match="'maximum' must be given"):
        jax.jit(FractionalDelay)(1.0)
    with pytest.raises(ValueError, match=r"'delay' is one for all synapses.*\(2,\)"):
        pair(OneToOne(1.0, n=1), delay=FractionalDelay([1.0, 2.0]))


def test_traced_delays_keep_to_the_ring_that_was_made_for_them():
    net = pair(OneToOne(1.0, n=1, delay=[2.0]))

    def run(delay):
        changed = eqx.tree_at(lambda m: m.projections["p"].connect.delay, net, delay)
        return arrivals(changed, inputs={"in": pulses(5, 40)})

    assert np.flatnonzero(jax.jit(run)(jnp.array([1.0])))[0] == 15
    for bad in (2.1, 1.05, -1.0):
        with pytest.raises(Exception, match="no multiple of dt = 0.1 ms, negative, or beyond 2 ms"):
            jax.block_until_ready(jax.jit(run)(jnp.array([bad])))
    with pytest.raises(ValueError, match="is traced, but its longest value"):
        jax.jit(lambda d: arrivals(pair(OneToOne(1.0, n=1, delay=d))))(jnp.array([1.0]))


def test_what_is_deposited_fits():
    conn = CSR([0, 1, 2, 3, 0], [0, 4, 5], 1.0, n_post=4, delay=[0.0, 0.25, 0.5, 0.25, 0.0])
    (route, most), s = conn.route(0.25), jnp.ones(2)
    assert most == 2
    other = CSR([0, 1, 2, 3], [0, 4, 4], 1.0, n_post=4, delay=np.zeros(4)).route(0.25)[0]
    short = CSR([0, 1, 2, 3, 0], [0, 4, 5], 1.0, n_post=3 + 2, delay=np.zeros(5)).route(0.25)[0]
    generated = Procedural(jax.random.key(0), 2, 4, 1.0, delay=0.25).route(0.25)[0]
    for ring, spikes, by, message in [
        (12, jnp.ones((2, 2)), route, r"`s` has shape \(2, 2\), expected \(2,\)"),
        (12, find_events(jnp.ones((2, 2))), route, r"`s` has shape \(2, 2\), expected \(2,\)"),
        (12, jnp.ones(3), route, r"`s` has shape \(3,\), expected \(2,\)"),
        (8, s, route, r"shape \(8,\), expected .* at least 3 rows"),
        (13, s, route, r"shape \(13,\), expected one axis of D \* 4 places"),
        ((3, 4), s, route, r"shape \(3, 4\), expected one axis"),
        (12, s, other, r"route is one of \(2, 4, \(4,\)\), expected .* 5 synapses"),
        (12, s, short, r"route is one of \(2, 5, \(5,\)\), expected .* 2 and 4 units"),
        (12, s, generated, "route is GeneratedRoute, expected"),
    ]:
        with pytest.raises(ValueError, match=message):
            conn.deposit(jnp.zeros(ring), spikes, by, 0)


@pytest.mark.parametrize("delay", [1e12, FractionalDelay(1e12)])
def test_a_delay_of_more_steps_than_can_be_counted(delay):
    with pytest.raises(ValueError, match=r"1e\+13 steps of 0.1 ms are too many"):
        CSR([0], [0, 1], 1.0, n_post=1, delay=delay).route(0.1)


def test_a_ring_too_large_for_its_indices():
    conn = CSR([0], [0, 1], 1.0, n_post=3_000_000, delay=[100.0])
    with pytest.raises(ValueError, match=r"1001 steps of 3000000 units.*index_dtype='int64'"):
        conn.route(0.1)
    wide = CSR([0], [0, 1], 1.0, n_post=3_000_000, delay=[100.0], index_dtype="int64")
    assert wide.route(0.1)[0].targets.tolist() == [3_000_000_000]


def test_replacing_a_fractional_delay_checks_it():
    net = FRACTIONAL["per synapse"](1.0)
    where = lambda m: m.projections["p"].connect.delay.values  # noqa: E731
    assert replace(net, where, np.array([2.0])).projections["p"].connect.delay.values.item() == 2.0
    with pytest.raises(ValueError, match="maximum of 3 ms, got 4 ms"):
        replace(net, where, np.array([4.0]))


def test_what_cannot_replace_a_delay_says_what_can():
    def delay(m):
        return m.projections["p"].delay

    def loss(m, data, key):
        return m.projections["p"].synapse.tau

    for plain in (pair(OneToOne(1.0, n=1), delay=2.0), pair(OneToOne(1.0, n=1))):
        with pytest.raises(ValueError, match="no leaf.*new Projection, or give it a FractionalDel"):
            replace(plain, delay, 3.0)
        with pytest.raises(ValueError, match="got [02].0.*new Projection, or give it a Fractional"):
            fit(loss, plain, optimiser=optax.sgd(0.1), steps=1, where=delay)
    net = pair(OneToOne(1.0, n=1), delay=FractionalDelay(2.0, maximum=3.0))
    with pytest.raises(ValueError, match=r"a whole FractionalDelay.*\['values'\]"):
        jax.grad(lambda d: delay(replace(net, delay, d)).values)(1.0)
    with pytest.raises(ValueError, match="a whole FractionalDelay"):
        replace(net, delay, 1.0)
    assert delay(replace(net, delay, FractionalDelay(1.0, maximum=3.0))).values == 1.0
    assert jax.grad(lambda d: delay(replace(net, lambda m: delay(m).values, d)).values)(1.0) == 1.0


def test_a_procedural_connectivity_deposits_what_its_list_does():
    n = 30
    made = Procedural(jax.random.key(2), n, n, 0.3, 2.0, delay=Uniform(0.5, 2.5)).round_delays(DT)

    def spikes(conn):
        net = Network({"E": LIF(n)}, {"p": onto(conn, "E", "E")})
        current = np.broadcast_to(np.linspace(14, 26, n), (400, n))
        return simulate(net, 40.0, dt=DT, inputs={"E": current}, record="E.spike")["E.spike"]

    found = spikes(made)
    assert found.sum() > 20
    np.testing.assert_array_equal(found, spikes(made.to_csr()))


def test_the_adaptive_route_refuses_delays_by_name():
    for net, what in (
        (pair(OneToOne(1.0, n=1), delay=1.5), "a delay of 1.5 ms"),
        (pair(OneToOne(1.0, n=1), delay=FractionalDelay(1.5)), "a delay, and"),
        (pair(OneToOne(1.0, n=1, delay=[1.5])), "delays in its connectivity"),
    ):
        with pytest.raises(ValueError, match=f"projection 'p' has {what}"):
            solve(net, 1.0)


@pytest.mark.parametrize("delay", [None, [0.3, 0.3]])
def test_arrivals_add_and_scale_like_an_array(delay):
    class Scaled(AbstractSynapse):
        def init(self, n):
            return State({"g": jnp.zeros(n), "x": jnp.zeros(n)}, {})

        def flow(self, y, args):
            return {"g": jnp.zeros_like(y["g"]), "x": jnp.zeros_like(y["x"])}

        def receive(self, y, args, arrivals, *, dt, key):
            return {"g": y["g"] + arrivals, "x": y["x"] + 2.0 * (arrivals * 3.0)}, args.mem

        def conductance(self, y, args):
            return y["g"]

    w = OneToOne([1.0, 2.0], delay=delay).to_csr()
    p = Projection("in", "out", w, Scaled(), CUBA())
    net = Network({"in": LIF(2), "out": LIF(2, v_th=1e3)}, {"p": p})
    run = simulate(net, 6.0, dt=DT, inputs={"in": pulses(7)}, record=["p.g", "p.x"])
    np.testing.assert_array_equal(run["p.g"][-1], [1.0, 2.0])
    np.testing.assert_array_equal(run["p.x"], 6 * run["p.g"])
