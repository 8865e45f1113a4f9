"""Systems whose equilibria and bifurcations are known in closed form."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from fdyn import AbstractComponent, Args, State, param


class _Smooth(AbstractComponent):
    """Without jumps; starts at `start`."""

    start: eqx.AbstractVar[Array]

    def init(self, *, key, dt) -> State:
        del key, dt
        return State({"x": self.start}, {})

    def jump(self, t, y, args, *, dt, key) -> tuple[Any, Any, Any]:
        return y, args.mem, {}


class Linear(_Smooth):
    """x' = a x + b."""

    a: Array = param(unit="1/ms", doc="matrix")
    b: Array = param(unit="1/ms", doc="offset")
    start: Array = param(unit="1", doc="initial state")

    def flow(self, t, y, args: Args) -> dict:
        return {"x": self.a @ y["x"] + self.b}


class Fold(_Smooth):
    """x' = u + x^2: equilibria at -+sqrt(-u), a fold at u = 0."""

    start: Array = param(-1.0, unit="1", doc="initial state")

    def flow(self, t, y, args: Args) -> dict:
        return {"x": args.u + y["x"] ** 2}


class Hopf(_Smooth):
    """x' = mu x - w y - x r^2, y' = w x + mu y - y r^2, z' = z_rate z: a Hopf point at mu = 0."""

    mu: Array = param(-1.0, unit="1/ms", doc="distance from the Hopf point")
    w: Array = param(0.7, unit="rad/ms", doc="angular frequency")
    z_rate: Array = param(-2.0, unit="1/ms", doc="rate of the third variable")
    start: Array = param((0.1, 0.1, 0.1), unit="1", doc="initial state")

    def flow(self, t, y, args: Args) -> dict:
        a, b, c = y["x"]
        r2 = a**2 + b**2
        da, db = self.mu * a - self.w * b - a * r2, self.w * a + self.mu * b - b * r2
        return {"x": jnp.stack([da, db, self.z_rate * c])}


class NeutralSaddle(_Smooth):
    """x' = (1 + mu) x, y' = -y: eigenvalues of opposite sign and equal size at mu = 0."""

    mu: Array = param(-0.5, unit="1/ms", doc="distance from the neutral saddle")
    start: Array = param((0.0, 0.0), unit="1", doc="initial state")

    def flow(self, t, y, args: Args) -> dict:
        a, b = y["x"]
        return {"x": jnp.stack([(1 + self.mu) * a, -b])}


class Arctan(_Smooth):
    """x' = -arctan(x): Newton's method diverges from |x| > 1.39."""

    start: Array = param((3.0,), unit="1", doc="initial state")

    def flow(self, t, y, args: Args) -> dict:
        return {"x": -jnp.arctan(y["x"])}
