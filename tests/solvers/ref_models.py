"""Small models for the reference cases: equations, and neurons with a reset, written as components.

They are written from the equations of the cases, independently of the models of the library.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from fdyn import State, param
from fdyn.components import AbstractComponent


def numbers(x: Any) -> Array:
    return jnp.asarray(x, jnp.result_type(float))


class Pulse(eqx.Module):
    """An input of this amplitude for on <= t < off; its numbers are leaves and do not retrace."""

    amplitude: Array
    on: Array
    off: Array

    def __call__(self, t):
        return jnp.where((t >= self.on) & (t < self.off), self.amplitude, 0.0)


def pulse(amplitude: float, on: float, off: float = jnp.inf) -> Pulse:
    return Pulse(numbers(amplitude), numbers(on), numbers(off))


class Equation(AbstractComponent):
    """dx/dt = f(t, x, p), whose events are upward crossings of zero of the first variable."""

    f: Callable = eqx.field(static=True)
    x0: Array = eqx.field(converter=numbers)
    p: dict[str, Array] = eqx.field(converter=lambda p: {k: numbers(v) for k, v in p.items()})
    watch: bool = eqx.field(static=True, default=False)

    def init(self, *, key, dt):
        return State({"x": self.x0}, {})

    def flow(self, t, y, args):
        return {"x": self.f(t, y["x"], self.p)}

    def events(self, t, y, args):
        return y["x"][:1] if self.watch else ()

    def jump(self, t, y, args, *, dt, key):
        out = {"spike": args.fired.astype(float)} if self.watch and args.fired is not None else {}
        return y, args.mem, out


class AbstractReset(AbstractComponent):
    """A neuron of two variables whose events come with a reset; on a grid it is tested there."""

    def spiking(self, t, y, args):
        above = self.events(t, y, args)
        return above >= 0 if args.fired is None else args.fired


class Izhikevich(AbstractReset):
    a: Array = param(0.02, unit="1/ms", doc="rate of recovery")
    b: Array = param(0.2, unit="1/ms", doc="coupling")
    c: Array = param(-65.0, unit="mV", doc="reset")
    d: Array = param(8.0, unit="mV/ms", doc="jump of the recovery")
    v0: Array = param(-65.0, unit="mV", doc="start")
    u0: Array = param(-13.0, unit="mV/ms", doc="start")

    def init(self, *, key, dt):
        return State({"v": self.v0[None], "u": self.u0[None]}, {})

    def flow(self, t, y, args):
        v, u = y["v"], y["u"]
        return {
            "v": 0.04 * v**2 + 5 * v + 140 - u + args.u,
            "u": self.a * (self.b * v - u),
        }

    def events(self, t, y, args):
        return y["v"] - 30

    def jump(self, t, y, args, *, dt, key):
        s = self.spiking(t, y, args)
        y = {"v": jnp.where(s, self.c, y["v"]), "u": jnp.where(s, y["u"] + self.d, y["u"])}
        return y, args.mem, {"spike": s.astype(float)}


class AdEx(AbstractReset):
    p: dict[str, Array] = eqx.field(converter=lambda p: {k: numbers(v) for k, v in p.items()})
    x0: Array = eqx.field(converter=numbers)

    def init(self, *, key, dt):
        return State({"v": self.x0[:1], "w": self.x0[1:]}, {})

    def flow(self, t, y, args):
        p, v, w = self.p, y["v"], y["w"]
        rise = p["gL"] * p["DT"] * jnp.exp((v - p["VT"]) / p["DT"])
        return {
            "v": (-p["gL"] * (v - p["EL"]) + rise - w + args.u) / p["C"],
            "w": (p["a"] * (v - p["EL"]) - w) / p["tauw"],
        }

    def events(self, t, y, args):
        return y["v"] - self.p["Vcut"]

    def jump(self, t, y, args, *, dt, key):
        s, p = self.spiking(t, y, args), self.p
        y = {"v": jnp.where(s, p["Vr"], y["v"]), "w": jnp.where(s, y["w"] + p["b"], y["w"])}
        return y, args.mem, {"spike": s.astype(float)}


class QIF(AbstractReset):
    """tau dv/dt = v^2 + u from `v_reset` to `v_peak`."""

    tau: Array = param(10.0, unit="ms", doc="time constant")
    v_peak: Array = param(10.0, unit="1", doc="peak")
    v_reset: Array = param(-5.0, unit="1", doc="reset and start")
    size: int = eqx.field(static=True, default=1)

    def init(self, *, key, dt):
        return State({"v": jnp.broadcast_to(self.v_reset, (self.size,))}, {})

    def flow(self, t, y, args):
        return {"v": (y["v"] ** 2 + args.u) / self.tau}

    def events(self, t, y, args):
        return y["v"] - self.v_peak

    def jump(self, t, y, args, *, dt, key):
        s = self.spiking(t, y, args)
        return {"v": jnp.where(s, self.v_reset, y["v"])}, args.mem, {"spike": s.astype(float)}


class Theta(AbstractReset):
    """The quadratic neuron from -infinity to infinity as v = tan(theta / 2), in closed form smooth:
    tau dtheta/dt = 1 - cos(theta) + (1 + cos(theta)) u."""

    tau: Array = param(10.0, unit="ms", doc="time constant")
    size: int = eqx.field(static=True, default=1)

    def init(self, *, key, dt):
        return State({"theta": numbers(jnp.full(self.size, -jnp.pi))}, {})

    def flow(self, t, y, args):
        c = jnp.cos(y["theta"])
        return {"theta": (1 - c + (1 + c) * args.u) / self.tau}

    def events(self, t, y, args):
        return y["theta"] - jnp.pi

    def jump(self, t, y, args, *, dt, key):
        s = self.spiking(t, y, args)
        theta = jnp.where(s, y["theta"] - 2 * jnp.pi, y["theta"])
        return {"theta": theta}, args.mem, {"spike": s.astype(float)}
