"""Where within a step of a time grid a voltage has crossed its threshold."""

import equinox as eqx
import jax.numpy as jnp
from jax import Array


class Parabola(eqx.Module):
    r"""A voltage within the step that ends now, $p(w) = v_1 - v_1' w + q w^2$, `w` ms ago.

    It goes through the values at both ends and has the slope of the flow at the later one: all
    that is known without a second evaluation of the flow. Its error is of third order.
    """

    end: Array
    slope: Array
    curve: Array
    span: Array

    @classmethod
    def through(cls, start: Array, end: Array, slope: Array | None, span: Array) -> "Parabola":
        """From the voltages (mV) at the ends of the last `span` ms and the `slope` (mV/ms) now.

        Without a slope it is a straight line. An empty span is taken for a constant.
        """
        width = jnp.where(span > 0, span, jnp.ones_like(span))
        mean = (end - start) / width
        if slope is None:
            slope = mean
        return cls(end, slope, (slope - mean) / width, span)

    def __call__(self, w: Array) -> Array:
        """The voltage (mV) `w` ms ago."""
        return self.end + w * (w * self.curve - self.slope)

    def since(self, level: Array, crossed: Array) -> Array:
        """How long ago (ms) it has crossed `level` (mV) upward; zero where not `crossed`.

        What was above the level from the start has crossed it there.
        """
        over = self.end - level
        inside = crossed & (self(self.span) < level)
        # Both results are selected: a gradient also flows through the branch not taken.
        slope, curve, over = (
            jnp.where(inside, x, safe)
            for x, safe in ((self.slope, 1.0), (self.curve, 0.0), (over, 0.0))
        )
        # The nearer root, in the form in which nothing cancels.
        root = slope**2 - 4 * curve * over
        below = slope + jnp.sqrt(jnp.where(root > 0, root, jnp.ones_like(root)))
        w = jnp.where(below > 0, 2 * over / jnp.where(below > 0, below, 1.0), 0.0)
        return jnp.where(inside, jnp.minimum(w, self.span), jnp.where(crossed, self.span, 0.0))
