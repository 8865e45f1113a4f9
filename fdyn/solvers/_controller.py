"""Sizes and numbers of steps: what a call may say of them, and the controller of adaptive ones."""

from typing import Any

import diffrax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jax import Array
from jaxtyping import PyTree

from .._grid import as_time
from .._misc import is_traced, magnitude


def worst(x: PyTree) -> Array:
    """The largest absolute value, infinite where there is NaN.

    The error of a step to infinity, divided by its size, is NaN: the next step would be of length
    NaN instead of a shorter one.
    """
    value = optx.max_norm(x)
    return jnp.where(jnp.isnan(value), jnp.inf, value)


def step_size(given: Any, dtype: Any, name: str = "dt") -> Array | None:
    """The first step that is given, positive and finite, or none; it may be traced."""
    if given is None:
        return None
    value = magnitude(given, "ms", name)
    return jnp.asarray(value if is_traced(value) else as_time(value, name), dtype)


def step_limit(given: Any, name: str = "max_steps") -> int:
    """A number of steps that memory and counters can hold."""
    whole = isinstance(given, int | np.integer) and not isinstance(given, bool)
    if not whole or not 0 < given < 2**31:
        raise ValueError(f"'{name}' must be a positive whole number, got {given!r}.")
    return int(given)


def check_fixed(method: Any, dt: Any, given: dict[str, Any], other: str) -> None:
    """A fixed-step method needs `dt`, and none of what an adaptive one such as `other` takes."""
    unfit = [name for name, value in given.items() if value is not None]
    if unfit or dt is None:
        raise ValueError(
            f"{type(method).__name__} takes fixed steps: "
            + (f"{unfit} do not apply. Leave them out" if unfit else "give their size as dt=...")
            + f", or use an adaptive method such as {other}."
        )


def stiff_advice(solver: diffrax.AbstractSolver, dtype: Any) -> str:
    """What to try where the steps of a solver have become too small or too many."""
    if not isinstance(solver, diffrax.AbstractImplicitSolver):
        return "an implicit solver such as diffrax.Kvaerno5() for stiff equations"
    if jnp.finfo(dtype).bits <= 32:
        return "double precision: jax.config.update('jax_enable_x64', True)"
    return "another implicit solver of diffrax, such as Kvaerno3() or Kvaerno5()"


def controller(
    given: diffrax.AbstractStepSizeController | None,
    rtol: Any,
    atol: Any,
    solver: diffrax.AbstractSolver,
    dtype: Any = None,
) -> diffrax.AbstractStepSizeController:
    """The given one, or one that holds the error of a step below the tolerances.

    The tolerances are 1e-7 and 1e-9, in single precision 1e-5 and 1e-7, where they are `None`.
    """
    if given is not None:
        if rtol is not None or atol is not None:
            raise ValueError(
                "'rtol' and 'atol' belong to the stepsize_controller that is given: set them there."
            )
        return given
    dtype = jnp.result_type(float) if dtype is None else jnp.dtype(dtype)
    usual = (1e-7, 1e-9) if dtype == jnp.float64 else (1e-5, 1e-7)
    tolerances = [
        given if given is not None else x for given, x in zip((rtol, atol), usual, strict=True)
    ]
    for name, value in zip(("rtol", "atol"), tolerances, strict=True):
        if not is_traced(value) and not value > 0:
            raise ValueError(f"'{name}' must be positive, got {value!r}.")
    # Arrays, since other tolerances must not compile anew; the worst variable counts, since the
    # accuracy of a neuron must not depend on how many others there are.
    rtol, atol = (jnp.asarray(x, dtype) for x in tolerances)
    # Measured on Hodgkin-Huxley spikes: with an integral controller alone an implicit solver
    # rejects every second step, with this one every fifth; an explicit one is better off without.
    p, i = (0.4, 0.3) if isinstance(solver, diffrax.AbstractImplicitSolver) else (0.0, 1.0)
    return diffrax.PIDController(
        rtol=rtol,
        atol=atol,
        norm=worst,
        pcoeff=jnp.asarray(p, dtype),
        icoeff=jnp.asarray(i, dtype),
    )
