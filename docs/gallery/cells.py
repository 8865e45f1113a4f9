"""Recurrent cells and reservoirs: what they remember, and what they forecast."""

import jax
import jax.numpy as jnp
import numpy as np
from section import Panel, Section

from fdyn import simulate
from fdyn.components import (
    GRU,
    LRU,
    LSTM,
    NVAR,
    ConvLSTM,
    EchoState,
    LeakyRNN,
    Readout,
    VanillaRNN,
)
from fdyn.solvers import solve_dde, solve_ode

TITLE = "Recurrent cells and reservoirs"
INTRO = """
Networks that are trained. All but `LeakyRNN` live in discrete time: one step of `simulate` is one
update, whatever `dt`. They take `n_in` inputs, which need not be as many as they have units:
`inputs=` is then a number for all of them, or an array `[steps, n_in]`. Train them with
[`fdyn.fit`](fit.md) through `simulate`; the weights are leaves like all parameters. A cell is
driven through `inputs=`; projections may read its output but lead into none, since it has no
membrane.

A cell of your own is a class with two methods, `begin` and `update`:

```python
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from fdyn import simulate
from fdyn.components import AbstractCell


class Counter(AbstractCell):
    \"\"\"Adds up its input.\"\"\"

    size: int = eqx.field(default=1, static=True)
    n_in: int = eqx.field(default=1, static=True)

    def begin(self) -> dict[str, Any]:
        return {"total": jnp.zeros(1)}

    def update(self, mem, u):
        total = mem["total"] + u
        return {"total": total}, total


assert simulate(Counter(), 10.0, dt=1.0, inputs=0.5, record="h")["h"][-1, 0] == 5.0
```
"""

ECHO = """
Only a linear read-out is fitted, by ridge regression in one line of numpy. Then each runs on its
own output: below on a product of two waves; in the picture the echo state network on the series of
Mackey & Glass, the next-generation reservoir with its 28 features on that of Lorenz, after 400
samples.

```python
import jax
import numpy as np

from fdyn import simulate
from fdyn.components import EchoState, Readout

u = np.sin(0.2 * np.arange(800))[:, None] * np.cos(0.031 * np.arange(800))[:, None]
cell = EchoState(200, 1, leak=0.3, input_scale=0.2, key=jax.random.key(0))
h = np.asarray(simulate(cell, 600, dt=1.0, inputs=u[:600], record="h")["h"], float)
x, y = np.hstack([np.ones((600, 1)), u[:600], h])[100:], u[101:601]  # now, and a step later
w = np.linalg.solve(x.T @ x + 1e-6 * np.eye(x.shape[1]), x.T @ y)
model = Readout(cell, 1, bias=w[0], direct=w[1:2], weight=w[2:], feedback=True)
driven = simulate(model, 600, dt=1.0, inputs=u[:600], record="out")  # predicts the next value
free = simulate(model, 100, dt=1.0, state=driven.state, record="out")  # goes on by itself
assert abs(free["out"][:, 0] - u[601:701, 0]).max() < 0.1
```

`out` of step $k$ is the value of step $k+1$, so the target of the regression is the input one step
later. `state=` goes on where the driven run ended, and without `inputs=` the read-out then feeds
its last value back. Whether errors grow in that loop is up to the reservoir: a small `leak` and
`input_scale` keep its units in the range in which they were fitted, and `direct`, the weight of the
input itself, and `bias` take what is linear off them. Here the error after 198 steps is at most
0.0004; with `input_scale=0.2` alone 0.02, with `leak=0.3` alone 0.04 (0.09 without `direct` and
`bias`), with neither 0.12.

On exact data the reservoir of Lorenz needs a stronger ridge (1e-3) than in the paper (2.5e-6),
whose data have the error of a coarse integration, which acts like one.
"""

KEY = jax.random.key(0)


def draw_pulse(cell, name="h"):
    """What every unit makes of a pulse of three steps."""

    def draw(ax):
        u = np.zeros((60, 1))
        u[10:13] = 2.0
        rec = simulate(cell, 60.0, dt=1.0, inputs=u, record=name, progress=False)
        ax.axvspan(10, 13, color="0.9")
        ax.plot(rec.ts, rec[name], lw=0.8)
        ax.set(xlabel="time (steps)", ylabel=f"{name} (1)")

    return draw


def draw_grid(ax):
    cell = ConvLSTM((40,), 1, 1, width=5, key=jax.random.key(2))
    u = np.zeros((60, 40))
    u[10:13, 15:20] = 4.0
    h = simulate(cell, 60.0, dt=1.0, inputs=u, record="h", progress=False)["h"]
    image = ax.imshow(np.asarray(h).T, aspect="auto", origin="lower", extent=(0, 60, 0, 40))
    ax.figure.colorbar(image, ax=ax, label="h (1)")
    ax.set(xlabel="time (steps)", ylabel="place (index)")


def draw_dale(ax):
    cell = LeakyRNN(60, 1, sign=[1] * 48 + [-1] * 12, tau=10.0, key=KEY)
    u = np.zeros((300, 1))
    u[50:150] = 1.0
    r = np.asarray(simulate(cell, 300.0, dt=1.0, inputs=u, record="r", progress=False)["r"])
    ax.axvspan(50, 150, color="0.9")
    ax.plot(r[:, :48].mean(1), label="excitatory, mean")
    ax.plot(r[:, 48:].mean(1), label="inhibitory, mean")
    ax.set(xlabel="time (ms)", ylabel="r (1)")
    ax.legend()


def draw_dale_weights(ax):
    cell = LeakyRNN(60, 1, sign=[1] * 48 + [-1] * 12, key=KEY)
    modes = np.linalg.eigvals(np.asarray(cell.weights))
    turn = np.linspace(0, 2 * np.pi, 200)
    ax.plot(np.cos(turn), np.sin(turn), color="0.8")
    ax.plot(modes.real, modes.imag, ".")
    ax.set(xlabel="real part (1)", ylabel="imaginary part (1)", aspect="equal")


def draw_ring(ax):
    turn = np.linspace(0, 2 * np.pi, 200)
    ax.plot(np.cos(turn), np.sin(turn), color="0.8")
    for r_min, r_max, phase in ((0.0, 1.0, 2 * np.pi), (0.9, 0.99, 1.0)):
        cell = LRU(1, 1, 100, r_min=r_min, r_max=r_max, max_phase=phase, key=KEY)
        modes = np.asarray(cell.eigenvalues)
        ax.plot(modes.real, modes.imag, ".", ms=3, label=f"{r_min:g} to {r_max:g}")
    ax.set(xlabel="real part (1)", ylabel="imaginary part (1)", aspect="equal")
    ax.legend(title="radius", loc="center left", bbox_to_anchor=(1.0, 0.5))


def draw_impulse(ax):
    u = np.zeros((200, 1))
    u[0] = 1.0
    for r_max in (0.9, 0.99, 0.999):
        cell = LRU(1, 1, 50, r_min=r_max - 0.05, r_max=r_max, max_phase=0.3, key=KEY)
        h, _ = cell.parallel(jnp.asarray(u, jnp.result_type(float)))
        # The first value is the direct way from the input, which dwarfs the rest.
        ax.plot(np.arange(1, 200), h[1:], label=f"{r_max:g}")
    ax.set(xlabel="time (steps)", ylabel="h (1)")
    ax.legend(title="largest radius")


def ridge(x, y, strength):
    """Linear regression with a penalty, in double precision."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    return np.linalg.solve(x.T @ x + strength * np.eye(x.shape[1]), x.T @ y)


def mackey_glass(t, x, tau, hist):
    """The equation of Mackey & Glass 1977."""
    past = hist(tau)
    return 0.2 * past / (1 + past**10) - 0.1 * x


def draw_mackey_glass(ax):
    series = solve_dde(mackey_glass, 1.2, np.arange(0.0, 1800.0), 17.0, delays=17.0)
    u = np.asarray(series.ys)[200:, None] - 1
    n = 1200
    bias = jax.random.uniform(jax.random.key(1), (300,), minval=-0.5, maxval=0.5)
    cell = EchoState(300, 1, spectral_radius=1.1, leak=0.3, input_scale=0.5, bias=bias, key=KEY)
    h = np.asarray(simulate(cell, n, dt=1.0, inputs=u[:n], record="h", progress=False)["h"])
    w = ridge(np.concatenate([np.ones((n, 1)), u[:n], h], 1)[100:], u[101 : n + 1], 1e-6)
    model = Readout(cell, 1, weight=w[2:], direct=w[1:2], bias=w[0], feedback=True)
    warm = simulate(model, n, dt=1.0, inputs=u[:n], progress=False)
    free = simulate(model, 300.0, dt=1.0, state=warm.state, record="out", progress=False)
    ax.plot(np.arange(300), u[n + 1 : n + 301, 0] + 1, color="0.6", lw=2, label="Mackey-Glass")
    ax.plot(np.arange(300), free["out"][:, 0] + 1, "C3", label="reservoir, on its own")
    ax.set(xlabel="time (steps)", ylabel="x (1)", ylim=(0.3, 1.7))
    ax.legend(loc="upper center", ncols=2)


def lorenz(t, x, args):
    """The equations of Lorenz 1963."""
    a, b, c = x
    return jnp.stack([10 * (b - a), a * (28 - c) - b, a * b - 8 / 3 * c])


def draw_lorenz(ax):
    dt, n = 0.025, 400
    times = dt * np.arange(1100)
    start = jnp.array([17.7, 12.9, 43.9])
    u = np.asarray(solve_ode(lorenz, start, times, rtol=1e-5, atol=1e-5).ys)[200:]
    cell = NVAR(3)
    h = simulate(cell, n, dt=1.0, inputs=u[:n], record="h", progress=False)["h"]
    w = ridge(h[1:], u[2 : n + 1] - u[1:n], 1e-3)
    model = Readout(cell, 3, weight=w, direct=np.eye(3), feedback=True)
    warm = simulate(model, n, dt=1.0, inputs=u[:n], progress=False)
    free = simulate(model, 400.0, dt=1.0, state=warm.state, record="out", progress=False)["out"]
    since = 0.9056 * dt * np.arange(400)
    ax.plot(since, u[n + 1 : n + 401, 0], color="0.6", lw=2, label="Lorenz")
    ax.plot(since, free[:, 0], "C3", label="reservoir, on its own")
    ax.set(xlabel="time (Lyapunov times)", ylabel="x (1)", ylim=(-22, 28))
    ax.legend(loc="upper center", ncols=2)


SECTIONS = [
    Section(
        "Cells",
        "A pulse (grey) into eight units as they are drawn, before any training: all forget it "
        "within some twenty steps; the last picture has a grid of 40 places. The gated cells are "
        "those of `equinox`; here they take the same inputs, records and fits as everything else.",
        [
            Panel("VanillaRNN", draw_pulse(VanillaRNN(8, 1, key=KEY))),
            Panel("GRU", draw_pulse(GRU(8, 1, key=KEY))),
            Panel("LSTM", draw_pulse(LSTM(8, 1, key=KEY), "c"), "LSTM, cell states"),
            Panel("ConvLSTM", draw_grid, "ConvLSTM, a pulse at places 15 to 19"),
        ],
    ),
    Section(
        "Leaky networks and Dale's law",
        "Rate units in continuous time, 48 of which excite and 12 inhibit. The weights that are "
        "drawn balance, and have a spectral radius of 1.",
        [
            Panel("LeakyRNN", draw_dale, "LeakyRNN, a step of the input"),
            Panel("LeakyRNN", draw_dale_weights, "LeakyRNN, eigenvalues of the weights"),
        ],
    ),
    Section(
        "Linear recurrent units",
        "Where the modes begin says how long the memory is: $\\ln(1/2)/\\ln|\\lambda|$ steps until "
        "half is forgotten, 69 for $|\\lambda| = 0.99$.",
        [
            Panel("LRU", draw_ring, "LRU, modes of two rings"),
            Panel("LRU", draw_impulse, "LRU, response to an impulse"),
        ],
    ),
    Section(
        "Reservoirs",
        ECHO,
        [
            Panel(("EchoState", "Readout"), draw_mackey_glass, "EchoState with a Readout"),
            Panel("NVAR", draw_lorenz, "NVAR with a Readout"),
        ],
    ),
]
