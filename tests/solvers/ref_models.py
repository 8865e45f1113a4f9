"""Small models for the reference cases: plain equations as a component, and a neuron on a circle.

All else in the cases is a model of the library.
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
    """dx/dt = f(t, x, p)."""

    f: Callable = eqx.field(static=True)
    x0: Array = eqx.field(converter=numbers)
    p: dict[str, Array] = eqx.field(converter=lambda p: {k: numbers(v) for k, v in p.items()})

    def init(self, *, key, dt):
        return State({"x": self.x0}, {})

    def flow(self, t, y, args):
        return {"x": self.f(t, y["x"], self.p)}

    def jump(self, t, y, args, *, dt, key):
        return y, args.mem, {}


class Theta(AbstractComponent):
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
        above = self.events(t, y, args)
        s = above >= 0 if args.fired is None else args.fired
        theta = jnp.where(s, y["theta"] - 2 * jnp.pi, y["theta"])
        return {"theta": theta}, args.mem, {"spike": s.astype(float)}
