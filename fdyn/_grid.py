"""The time grid: whole numbers of steps."""

import math
from typing import Any

import numpy as np

from ._misc import is_traced, magnitude


def steps_of(time: float, dt: float, what: str) -> int:
    """How many steps of `dt` (ms) fill `time` (ms), which must be a whole number of them."""
    steps = round(time / dt)
    # 1e-6 of a step forgives the rounding of decimal fractions such as 0.3 / 0.1, nothing else.
    if not math.isclose(time / dt, steps, rel_tol=1e-9, abs_tol=1e-6):
        raise ValueError(
            f"{what} is {time:g} ms, which is no multiple of dt = {dt:g} ms: "
            f"the nearest are {math.floor(time / dt) * dt:g} and {math.ceil(time / dt) * dt:g} ms."
        )
    return steps


def as_time(value: Any, name: str, *, zero: bool = False) -> float:
    """A time in ms from a number or a quantity; positive, or zero where that makes sense."""
    value = magnitude(value, "ms", name)
    if isinstance(value, bool | np.bool_ | str):
        raise ValueError(f"'{name}' must be a number of ms, got {value!r}.")
    if getattr(value, "dtype", None) == np.float32 and not is_traced(value):
        value = str(np.float32(value))  # 0.1, not 0.10000000149
    try:
        time = float(value)
    except ValueError as e:
        raise ValueError(f"'{name}' must be a number of ms, got {value!r}.") from e
    except TypeError as e:  # a tracer: its value is not known while the program is traced
        raise ValueError(
            f"'{name}' must be a known number of ms, because it sets how many steps are made; "
            f"got {value!r}."
        ) from e
    if not (time > 0 or (zero and time == 0)) or math.isinf(time):
        bound = "zero or a positive" if zero else "a positive"
        raise ValueError(f"'{name}' must be {bound}, finite number of ms, got {time}.")
    return time
