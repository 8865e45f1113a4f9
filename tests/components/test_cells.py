"""Recurrent cells: equal to their equations written out, trained, and fed with wrong things."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import assert_close

from fdyn import Affine, Network, replace, simulate, summary
from fdyn import components as comp
from fdyn.fit import fit, mean_squared_error
from fdyn.solvers import EulerMaruyama
from fdyn.sparse import Dense, OneToOne, fixed_probability

KEY = jax.random.key(0)
U = np.random.default_rng(0).normal(size=(6, 2))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_hand(cell, step, state):
    """The outputs of an update written in numpy, for the inputs `U`."""
    outputs = []
    for u in U:
        state, h = step(state, u)
        outputs.append(h)
    return np.array(outputs)


@eqx.filter_jit
def at_once(cell, u, mem=None):
    return cell.parallel(u, mem)


def outputs(cell):
    mem, out = cell.begin(), []
    for u in jnp.asarray(U):
        mem, h = cell.update(mem, u)
        out.append(h)
    return np.array(out)


@pytest.mark.slow
def test_vanilla_is_its_equation():
    cell = comp.VanillaRNN(4, 2, bias=0.2, h_init=0.5, key=KEY)
    w, w_in = np.asarray(cell.recurrent.weight), np.asarray(cell.input.weight)

    def step(h, u):
        # Entry by entry, from row to column.
        new = []
        for j in range(4):
            drive = sum(h[i] * w[i, j] for i in range(4)) + u[0] * w_in[0, j] + u[1] * w_in[1, j]
            new.append(np.tanh(drive + 0.2))
        return new, new

    assert_close(outputs(cell), by_hand(cell, step, [0.5] * 4))


@pytest.mark.slow
def test_gru_is_its_equation():
    cell = comp.GRU(4, 2, h_init=0.3, key=KEY)
    wi, wh = np.asarray(cell.cell.weight_ih), np.asarray(cell.cell.weight_hh)
    b, b_n = np.asarray(cell.cell.bias), np.asarray(cell.cell.bias_n)

    def step(h, u):
        r = sigmoid(wi[:4] @ u + b[:4] + wh[:4] @ h)
        z = sigmoid(wi[4:8] @ u + b[4:8] + wh[4:8] @ h)
        n = np.tanh(wi[8:] @ u + b[8:] + r * (wh[8:] @ h + b_n))
        new = z * h + (1 - z) * n
        return new, new

    assert_close(outputs(cell), by_hand(cell, step, np.full(4, 0.3)))


@pytest.mark.slow
def test_lstm_is_its_equation():
    cell = comp.LSTM(3, 2, h_init=0.3, c_init=-0.2, key=KEY)
    wi, wh = np.asarray(cell.cell.weight_ih), np.asarray(cell.cell.weight_hh)
    bias = np.asarray(cell.cell.bias)

    def step(state, u):
        h, c = state
        i, f, g, o = (wi @ u + wh @ h + bias).reshape(4, 3)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        return (h, c), h

    assert_close(outputs(cell), by_hand(cell, step, (np.full(3, 0.3), np.full(3, -0.2))))


@pytest.mark.slow
def test_a_saturated_lstm_keeps_what_it_has():
    cell = comp.LSTM(3, 2, c_init=0.7, key=KEY)
    # Input gate shut, forget gate open: the constant error carousel.
    bias = jnp.concatenate([jnp.full(3, -1e3), jnp.full(3, 1e3), jnp.zeros(6)])
    cell = replace(cell, lambda c: c.cell.bias, bias)
    mem = cell.begin()
    for u in jnp.asarray(U):
        mem, _ = cell.update(mem, u)
    assert_close(mem["c"], np.full(3, 0.7))


@pytest.mark.slow
def test_an_lstm_on_one_place_is_an_lstm():
    grid = comp.ConvLSTM((1,), 2, 3, width=1, key=KEY)
    weight = grid.conv.weight[:, :, 0]
    plain = replace(
        comp.LSTM(3, 2, key=KEY),
        lambda c: [c.cell.weight_ih, c.cell.weight_hh, c.cell.bias],
        [weight[:, :2], weight[:, 2:], grid.conv.bias[:, 0]],
    )
    assert_close(outputs(grid), outputs(plain))


@pytest.mark.slow
def test_an_lstm_on_a_grid_moves_with_its_input():
    cell = comp.ConvLSTM((9, 9), 1, 2, key=KEY)

    def after_two_steps(row, column):
        u = jnp.zeros((9, 9)).at[row, column].set(1.0).ravel()
        mem, _ = cell.update(cell.begin(), u)
        return np.asarray(cell.update(mem, u)[1]).reshape(2, 9, 9)

    rest = after_two_steps(0, 0)[:, 6, 6]
    here, there = after_two_steps(3, 4), after_two_steps(4, 5)
    # Within the reach of two kernels; the borders are out of it.
    assert_close(here[:, 1:6, 2:7], there[:, 2:7, 3:8])
    assert abs(here[:, 3, 4] - rest).max() > 1e-3
    assert_close(here[:, 6, 6], rest)


# --- the leaky network --------------------------------------------------------------------------

SIGN = [1, 1, 1, 1, -1]


@pytest.mark.slow
def test_a_leaky_network_is_that_of_song_under_euler():
    cell = comp.LeakyRNN(5, 2, sign=SIGN, tau=10.0, bias=0.1, x_init=0.4, key=KEY)
    w, w_in = np.abs(cell.recurrent.weight), np.asarray(cell.input.weight)
    rec = simulate(cell, 12.0, dt=2.0, inputs=U, solver=EulerMaruyama(), record=["x", "r"])
    x, alpha = np.full(5, 0.4), 0.2
    for k, u in enumerate(U):
        r = np.maximum(x, 0)
        drive = np.array([sum(s * w[i, j] * r[i] for i, s in enumerate(SIGN)) for j in range(5)])
        x = (1 - alpha) * x + alpha * (drive + u @ w_in + 0.1)
        assert_close(rec["x"][k], x)
        assert_close(rec["r"][k], np.maximum(x, 0))


@pytest.mark.slow
def test_a_fixed_point_of_a_linear_network():
    cell = comp.LeakyRNN(5, 1, bias=np.arange(1.0, 6.0), activation=lambda x: x, key=KEY)
    cell = replace(cell, lambda c: c.recurrent.weight, 0.5 * cell.recurrent.weight)
    rec = simulate(cell, 6000.0, dt=1.0, record="x")
    exact = np.linalg.solve(np.eye(5) - np.asarray(cell.weights).T, np.arange(1.0, 6.0))
    np.testing.assert_allclose(rec["x"][-1], exact, rtol=1e-6)


@pytest.mark.slow
def test_the_noise_of_a_leaky_network():
    cell = comp.LeakyRNN(400, 1, recurrent=OneToOne(0.0, n=400), sigma=0.3, tau=5.0, key=KEY)
    rec = simulate(cell, 400.0, dt=0.5, record="x")
    x = np.asarray(rec["x"])[100:]
    # 400 units over 70 correlation times; exponential Euler has the right variance up to dt/tau.
    assert x.std() == pytest.approx(0.3, rel=0.06)
    lag = 10  # one time constant
    assert np.mean(x[:-lag] * x[lag:]) / x.var() == pytest.approx(np.exp(-1), abs=0.05)


@pytest.mark.slow
def test_dales_law_holds_by_construction():
    cell = comp.LeakyRNN(40, 2, sign=[1] * 32 + [-1] * 8, key=KEY)
    w = np.asarray(cell.weights)
    assert (w[:32] >= 0).all() and (w[32:] <= 0).all()
    assert abs(np.linalg.eigvals(w)).max() == pytest.approx(1, rel=1e-9)
    # Excitation and inhibition balance on average.
    assert abs(w.sum(0).mean()) < 0.1 * w[:32].sum(0).mean()
    # Whatever the weights are.
    wild = replace(cell, lambda c: c.recurrent.weight, -cell.recurrent.weight + 0.1)
    assert (np.asarray(wild.weights)[:32] >= 0).all()


@pytest.mark.slow
def test_training_keeps_dales_law_and_what_is_not_there():
    links = fixed_probability(jax.random.key(1), 20, 20, 0.3, 0.1, autapses=False)
    links = replace(links, lambda c: c.weight, jnp.full(links.n_synapses, 0.1))
    sign = np.array([1] * 16 + [-1] * 4)
    cell = comp.LeakyRNN(
        20, 1, sign=sign, tau=10.0, recurrent=links, activation=jax.nn.softplus, key=KEY
    )
    model = comp.Readout(cell, 1, weight=jnp.full((20, 1), 0.1))

    def loss(model, data, key):
        out = simulate(model, 60.0, dt=2.0, inputs=1.0, record="out", progress=False)["out"]
        return mean_squared_error(out, data)

    target = jnp.sin(0.3 * jnp.arange(30.0))[:, None]
    done = fit(
        loss, model, target, optimiser=optax.adam(0.02), steps=150,
        where=lambda m: [m.population.recurrent.weight, m.population.input.weight, m.weight],
        progress=False,
    )  # fmt: skip
    assert done.losses[-1] < 0.5 * done.losses[0]
    before, after = (np.asarray(m.population.weights) for m in (model, done.model))
    assert (after * sign[:, None] >= 0).all() and ((before == 0) <= (after == 0)).all()
    moved = np.abs(after - before)[before != 0]
    assert (moved > 0).mean() > 0.9
    # Some would have changed their sign.
    assert (np.asarray(done.model.population.recurrent.weight) < 0).any()


@pytest.mark.slow
def test_the_gradient_of_the_weights_is_that_of_the_function():
    cell = comp.LeakyRNN(5, 2, sign=SIGN, tau=10.0, x_init=0.4, key=KEY)

    def end(w):
        model = replace(cell, lambda c: c.recurrent.weight, w)
        return jnp.sum(simulate(model, 12.0, dt=2.0, inputs=U, record="x")["x"][-1] ** 2)

    w = cell.recurrent.weight
    gradient = np.asarray(jax.grad(end)(w))
    h = 1e-6
    for i, j in ((0, 1), (4, 2), (3, 3)):
        slope = (end(w.at[i, j].add(h)) - end(w.at[i, j].add(-h))) / (2 * h)
        assert gradient[i, j] == pytest.approx(float(slope), rel=1e-5)
    # More inhibition of positive rates lowers what is above zero.
    assert np.sign(gradient[4, 4]) == -np.sign(gradient[3, 4])


# --- the linear recurrent unit ------------------------------------------------------------------


@pytest.mark.slow
def test_the_modes_lie_in_their_ring():
    cell = comp.LRU(2, 2, 200, r_min=0.6, r_max=0.9, max_phase=0.5, key=KEY)
    modes = np.asarray(cell.eigenvalues)
    assert 0.6 < abs(modes).min() < 0.62 and 0.88 < abs(modes).max() < 0.9
    assert np.angle(modes).min() > 0 and 0.48 < np.angle(modes).max() < 0.5
    # Uniform in area: half of them outside of the radius that halves the ring.
    assert (abs(modes) > np.sqrt((0.36 + 0.81) / 2)).mean() == pytest.approx(0.5, abs=0.1)


@pytest.mark.slow
def test_the_impulse_response_is_a_sum_of_powers():
    cell = comp.LRU(3, 2, 5, key=KEY)
    lam = np.asarray(cell.eigenvalues)
    b = (np.asarray(cell.b_re) + 1j * np.asarray(cell.b_im)) * np.sqrt(1 - abs(lam) ** 2)
    c = np.asarray(cell.c_re) + 1j * np.asarray(cell.c_im)
    u = np.zeros((7, 2))
    u[0, 1] = 1.0
    h, _ = at_once(cell, u)
    for k in range(7):
        exact = ((b[1] * lam**k) @ c).real + (np.asarray(cell.d)[1] if k == 0 else 0)
        assert_close(h[k], exact)


@pytest.mark.slow
def test_at_once_and_step_by_step_are_the_same():
    cell = comp.LRU(3, 2, 5, r_min=0.5, key=KEY)
    mem, _ = cell.update(cell.begin(), jnp.array([0.3, -0.4]))
    h, end = at_once(cell, U, mem)
    for k, u in enumerate(jnp.asarray(U)):
        mem, one = cell.update(mem, u)
        assert_close(h[k], one)
    assert_close(end, mem)


@pytest.mark.slow
def test_white_noise_in_white_noise_out():
    # With gamma = sqrt(1 - |lambda|^2) every mode has the variance of its drive, |b|^2.
    cell = comp.LRU(1, 1, 20, r_min=0.8, r_max=0.99, key=KEY)
    u = np.random.default_rng(1).normal(size=(20_000, 1))
    drive = np.asarray(cell.b_re**2 + cell.b_im**2)[0]

    eye, zero = jnp.eye(20), jnp.zeros((20, 20))
    power = np.zeros(20)
    # All modes as outputs, first their real and then their imaginary parts.
    for c_re, c_im in ((eye, zero), (zero, eye)):
        bare = comp.LRU(20, 1, 20, key=KEY)
        bare = replace(
            bare,
            lambda c: [c.nu, c.theta, c.gamma_log, c.b_re, c.b_im, c.c_re, c.c_im, c.d],
            [cell.nu, cell.theta, cell.gamma_log, cell.b_re, cell.b_im, c_re, c_im, 0 * bare.d],
        )
        power += np.mean(np.asarray(at_once(bare, u)[0])[1000:] ** 2, axis=0)
    np.testing.assert_allclose(power, drive, rtol=0.15)


# --- read-out, training -------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["VanillaRNN", "GRU", "LSTM", "LRU"])
def test_cells_learn_a_sum_with_delays(kind):
    key = jax.random.key(3)
    more = {"n_state": 16, "r_min": 0.5} if kind == "LRU" else {}
    cell = getattr(comp, kind)(16, 1, **more, key=key)
    model = comp.Readout(cell, 1)
    u = jax.random.uniform(jax.random.key(4), (200, 1))
    delayed = jnp.pad(u, ((4, 0), (0, 0)))
    target = delayed[3:203] + delayed[1:201]  # u of one and of three steps ago

    def loss(model, data, key):
        out = simulate(model, 200.0, dt=1.0, inputs=data[0], record="out", progress=False)["out"]
        return mean_squared_error(out[10:], data[1][10:])

    done = fit(
        loss, model, (u, target), optimiser=optax.adam(0.02), steps=300,
        where=lambda m: m, progress=False,
    )  # fmt: skip
    # The best without a memory is the mean, whose error is the variance.
    relative = done.losses[-1] / float(jnp.var(target[10:]))
    assert relative < 0.05, relative


@pytest.mark.slow
def test_a_readout_of_spiking_neurons():
    model = comp.Readout(comp.LIF(3), 2, weight=[[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]], bias=0.5)
    rec = simulate(model, 50.0, dt=0.1, inputs=30.0, record=["out", "population.v"])
    alone = simulate(comp.LIF(3), 50.0, dt=0.1, inputs=30.0, record=["spike", "v"])
    spikes = np.asarray(alone["spike"])
    assert spikes.sum() > 3
    assert_close(rec["out"], spikes @ np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]]) + 0.5)
    assert_close(rec["population.v"], alone["v"])
    assert rec.unit("population.v") == "mV"


# --- inputs and mistakes ------------------------------------------------------------------------


@pytest.mark.slow
def test_inputs_have_the_width_of_the_cell():
    cell = comp.VanillaRNN(3, 2, key=KEY)
    by_array = simulate(cell, 4.0, dt=1.0, inputs=np.full((4, 2), 0.5), record="h")["h"]
    for inputs in (0.5, lambda t: jnp.full(2, 0.5), comp.ConstantInput(2, 0.5)):
        assert_close(simulate(cell, 4.0, dt=1.0, inputs=inputs, record="h")["h"], by_array)
    net = Network({"rnn": cell, "other": comp.VanillaRNN(3, 1, key=KEY)})
    rec = simulate(net, 4.0, dt=1.0, inputs={"rnn": 0.5}, record=["rnn.h", "other.h"])
    assert_close(rec["rnn.h"], by_array)
    assert float(jnp.abs(rec["other.h"]).max()) == 0.0
    for inputs in (np.ones((4, 3)), comp.ConstantInput(3, 0.5), lambda t: jnp.ones(3)):
        with pytest.raises(ValueError, match="input"):
            simulate(cell, 4.0, dt=1.0, inputs=inputs)


def test_the_summary_lists_the_weights():
    text = summary(comp.Readout(comp.VanillaRNN(3, 2, key=KEY), 1))
    assert "population.recurrent" in text and "2x3" in text and "weight" in text


MISTAKES = {
    "no key": (lambda: comp.GRU(3, 2), "random key"),
    "no inputs": (lambda: comp.GRU(3, 0, key=KEY), "'n_in' must be a positive integer"),
    "shape": (
        lambda: comp.VanillaRNN(3, 2, recurrent=Dense(np.eye(4)), key=KEY),
        "'recurrent' must lead from 3 to 3",
    ),
    "array": (lambda: comp.VanillaRNN(3, 2, input=np.eye(2), key=KEY), r"Dense\(weights\)"),
    "delay": (
        lambda: comp.EchoState(
            3, 2, recurrent=Dense(np.eye(3), delay=1.0), spectral_radius=None, key=KEY
        ),
        "no delay",
    ),
    "bias": (lambda: comp.VanillaRNN(3, 2, bias=[1.0, 2.0], key=KEY), r"shape \(3,\)"),
    "sign": (lambda: comp.LeakyRNN(3, 2, sign=[1, 0, -1], key=KEY), "1 or -1"),
    "signs": (lambda: comp.LeakyRNN(3, 2, sign=[1, -1], key=KEY), "1 or -1"),
    "tau": (lambda: comp.LeakyRNN(3, 2, tau=0.0, key=KEY), "'tau' must be positive"),
    "radius": (lambda: comp.EchoState(3, 2, spectral_radius=-1.0, key=KEY), "'spectral_radius'"),
    "nilpotent": (
        lambda: comp.EchoState(3, 2, recurrent=Dense(np.triu(np.ones((3, 3)), 1)), key=KEY),
        "spectral radius of 0",
    ),
    "leak": (lambda: comp.EchoState(3, 2, leak=1.5, key=KEY), "at most 1"),
    "traced": (
        lambda: jax.vmap(lambda k: comp.EchoState(3, 2, key=k).bias)(jax.random.split(KEY, 2)),
        "cannot be traced",
    ),
    "order": (lambda: comp.NVAR(2, order=1), "'order' must be the degree"),
    "delays": (lambda: comp.NVAR(2, delays=0), "'delays' must be a positive integer"),
    "ring": (lambda: comp.LRU(2, 2, 4, r_min=0.9, r_max=0.5, key=KEY), "ring"),
    "series": (lambda: comp.LRU(2, 2, 4, key=KEY).parallel(np.ones((5, 3))), r"\[steps, 2\]"),
    "readout": (
        lambda: comp.Readout(comp.GRU(3, 2, key=KEY), 1, weight=np.ones((2, 1))),
        r"'weight' must have shape \(3, 1\)",
    ),
    "feedback": (
        lambda: comp.Readout(comp.GRU(3, 2, key=KEY), 1, feedback=True),
        "'size' must be that of the input",
    ),
    "conductance": (
        lambda: comp.NVAR(2).jump(0.0, {}, comp.Args({}, Affine(1.0, 0.0)), dt=1.0, key=KEY),
        "not an Affine",
    ),
}


SLOW = ("traced", "series", "readout", "feedback")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in MISTAKES]
)
def test_mistakes_are_refused(name):
    make, message = MISTAKES[name]
    with pytest.raises(ValueError, match=message):
        make()
