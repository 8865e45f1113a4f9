"""The reference cases of delay equations."""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from cases import case
from jax import Array
from reference_rows import Row, covers

from fdyn import AbstractComponent, State, param
from fdyn.analyze import characteristic_roots, hopf_delay
from fdyn.solvers import DelayRK4, solve_dde


def _row(name, solver, values, of="", key="atol"):
    """The largest error over all times and variables, absolute or relative as the case says."""
    expected = np.asarray(_values(name), float)
    found = np.asarray(values, float).reshape(expected.shape)
    gap = np.abs(found - expected)
    if key == "rtol":
        gap = gap / np.abs(expected)
    return Row(solver, float(gap.max()), case(name)["tolerance"][key], of)


def _values(name):
    value = case(name)["value"]
    return value["value"] if isinstance(value, dict) else value


def _run(name, f, history, args=None, start=0.0, delays=(), dt=None, span=None, **options):
    """With Tsit5 and, where `dt` is given, with DelayRK4."""
    times = case(name)["parameters"]["t"]
    ts = [start, *(eval(t) if isinstance(t, str) else t for t in times)]
    options = {"rtol": 1e-9, "atol": 1e-11, **options}
    key = next(k for k in case(name)["tolerance"] if k in ("atol", "rtol"))
    rows = []
    traj = solve_dde(f, history, ts, args, delays=delays, **options)
    rows.append(_row(name, "solve_dde, Tsit5", traj.ys[1:], key=key))
    if dt is not None:
        traj = solve_dde(f, history, ts, args, DelayRK4(span), dt=dt, delays=delays)
        rows.append(_row(name, f"DelayRK4, dt = {dt:g}", traj.ys[1:], key=key))
    return rows


@covers("dde_linear_unit")
def linear_unit():
    return _run("dde_linear_unit", lambda t, y, a, h: -h(1.0), 1.0, delays=1.0, dt=0.02, span=1.0)


@covers("dde_linear_ab")
def linear_ab():
    p = case("dde_linear_ab")["parameters"]
    return _run(
        "dde_linear_ab",
        lambda t, y, a, h: a["a"] * y + a["b"] * h(1.0),
        lambda t: 1 + t,
        {"a": p["a"], "b": p["b"]},
        delays=1.0,
        dt=0.02,
        span=1.0,
    )


@covers("dde_wille_baker")
def wille_baker():
    def f(t, y, args, hist):
        a, b = hist(1.0), hist(0.2)
        return jnp.stack([a[0], a[0] + b[1], y[1]])

    one = jnp.ones(3)
    return _run("dde_wille_baker", f, one, delays=[1.0, 0.2], rtol=1e-10, dt=0.01, span=1.0)


@covers("dde_mackey_glass_17")
def mackey_glass():
    def f(t, x, args, hist):
        past = hist(args["tau"])
        return args["beta"] * past / (1 + past ** args["n"]) - args["gamma"] * x

    p = {k: v for k, v in case("dde_mackey_glass_17")["parameters"].items() if k != "t"}
    return _run("dde_mackey_glass_17", f, 1.2, p, delays=p["tau"], dt=0.05, span=17.0)


@covers("dde_hutchinson")
def hutchinson():
    r = case("dde_hutchinson")["parameters"]["r"]
    f = lambda t, y, r, h: r * y * (1 - h(1.0))  # noqa: E731
    return _run("dde_hutchinson", f, 0.5, r, delays=1.0, dt=0.01, span=1.0)


@covers("dde_wilson_cowan")
def wilson_cowan():
    p = {k: v for k, v in case("dde_wilson_cowan")["parameters"].items() if k != "t"}

    def f(t, y, p, hist):
        s = lambda z: 1 / (1 + jnp.exp(-p["beta"] * z))  # noqa: E731
        first, second = hist(p["t1"]), hist(p["t2"])
        u = s(p["th_u"] + p["a"] * first[0] + p["b"] * second[1])
        v = s(p["th_v"] + p["c"] * second[0] + p["d"] * first[1])
        return jnp.stack([u - y[0], p["al"] * (v - y[1])])

    start = jnp.array([0.3, 0.4])
    return _run("dde_wilson_cowan", f, start, p, delays=[p["t1"], p["t2"]], dt=0.01, span=0.75)


@covers("dde_feldstein_neves")
def feldstein_neves():
    def f(t, y, args, hist):
        return hist(t - (y - np.sqrt(2) + 1)) / (2 * jnp.sqrt(t))

    return _run("dde_feldstein_neves", f, 1.0, start=1.0)


@covers("dde_pantograph")
def pantograph():
    p = case("dde_pantograph")["parameters"]
    f = lambda t, y, p, h: p["a"] * h(t - p["q"] * t)  # noqa: E731
    return _run("dde_pantograph", f, 1.0, {"a": p["a"], "q": p["q"]}, rtol=1e-10)


@covers("dde_neutral_hnw")
def neutral():
    f = lambda t, y, a, h: y + h(1.0) - 2 * h.derivative(1.0)  # noqa: E731
    return _run("dde_neutral_hnw", f, lambda t: -t, delays=1.0, dt=0.02, span=1.0)


@covers("dde_kermack_mckendrick")
def kermack_mckendrick():
    def f(t, y, args, hist):
        one, ten = hist(1.0)[1], hist(10.0)[1]
        return jnp.stack([-y[0] * one + ten, y[0] * one - y[1], y[1] - ten])

    start = jnp.array([5.0, 0.1, 1.0])
    return _run("dde_kermack_mckendrick", f, start, delays=[1.0, 10.0], dt=0.02, span=10.0)


class Flow(AbstractComponent):
    """A flow with one delay that varies and other parameters, from `start`."""

    tau: Array = param(1.0, unit="ms", doc="delay")
    rate: Callable = eqx.field(static=True, default=lambda y, hist, tau: y)
    start: tuple[float, ...] = eqx.field(static=True, default=(0.0,))

    def init(self, *, key, dt):
        return State({"y": jnp.array(self.start)}, {})

    def flow(self, t, y, args):
        return {"y": self.rate(y["y"], lambda lag: args.hist(lag, "y"), self.tau)}

    def jump(self, t, y, args, *, dt, key):
        return y, args.mem, {}


def _relative(name, solver, pairs):
    """One row of each quantity, `pairs` from its name to what was found."""
    value, tolerance = case(name)["value"], case(name)["tolerance"]["rtol"]
    return [
        Row(solver, abs(found / value[what] - 1), tolerance, what) for what, found in pairs.items()
    ]


@covers("dde_char_roots")
def char_roots():
    model = Flow(rate=lambda y, hist, tau: -hist(tau))
    expected = [complex(x["re"], x["im"]) for x in case("dde_char_roots")["value"]]
    found = characteristic_roots(model, n=6)[::2]
    error = float(np.abs(found - np.array(expected)).max())
    return [Row("characteristic_roots", error, case("dde_char_roots")["tolerance"]["atol"])]


def _hopf(rate, span, start=(0.0,)):
    return hopf_delay(Flow(rate=rate, start=start), span, where=lambda m: m.tau, points=12)


@covers("dde_hopf_scalar")
def hopf_scalar():
    p = case("dde_hopf_scalar")["parameters"]
    point = _hopf(lambda y, hist, tau: -p["a"] * y - p["b"] * hist(tau), (0.1, 2.0))
    plain = _hopf(lambda y, hist, tau: -hist(tau), (1.0, 2.0))
    found = {"tau_c": point.parameter, "omega": point.omega, "tau_c_01": plain.parameter}
    return _relative("dde_hopf_scalar", "hopf_delay", found)


@covers("dde_hopf_mackey_glass")
def hopf_mackey_glass():
    p = case("dde_hopf_mackey_glass")["parameters"]

    def rate(y, hist, tau):
        past = hist(tau)
        return p["beta"] * past / (1 + past ** p["n"]) - p["gamma"] * y

    point = _hopf(rate, (1.0, 10.0), (1.1,))
    found = {"x": float(point.y["y"][0]), "tau_c": point.parameter, "omega": point.omega}
    return _relative("dde_hopf_mackey_glass", "hopf_delay", found)


@covers("dde_hopf_wilson_cowan")
def hopf_wilson_cowan():
    p = case("dde_hopf_wilson_cowan")["parameters"]

    def rate(y, hist, tau):
        s = lambda z: 1 / (1 + jnp.exp(-p["beta"] * z))  # noqa: E731
        u, v = y
        past = hist(tau)
        du = -u + s(p["th_u"] + p["a"] * u + p["b"] * past[1])
        dv = -v + s(p["th_v"] + p["c"] * past[0] + p["d"] * v)
        return jnp.stack([du, p["al"] * dv])

    point = _hopf(rate, (0.0, 1.0), (0.2, 0.3))
    u, v = (float(x) for x in point.y["y"])
    found = {"u": u, "v": v, "tau_c": point.parameter, "omega": point.omega}
    return _relative("dde_hopf_wilson_cowan", "hopf_delay", found)
