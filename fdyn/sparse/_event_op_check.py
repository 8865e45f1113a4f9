"""Whether the bodies of a user-written operator agree."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from ._native import BodyError


def compare(what: str, found: Sequence, expected: Sequence, tolerance: float | None) -> None:
    """`AssertionError` where outputs lie further apart than the part `tolerance` of the largest."""
    for number, (one, other) in enumerate(zip(found, expected, strict=True)):
        one, other = np.asarray(one), np.asarray(other)
        part = tolerance or 0
        if tolerance is None and jnp.issubdtype(other.dtype, jnp.inexact):
            part = 1e3 * float(jnp.finfo(other.dtype).eps)
        allowed = part * np.abs(other[np.isfinite(other)]).max(initial=0)
        near = np.isclose(one, other, rtol=0, atol=allowed, equal_nan=True)
        if not near.all():
            at = tuple(int(i) for i in np.argwhere(~near)[0])
            raise AssertionError(
                f"output {number} by {what} is {one[at]} at {at}, {other[at]} by the reference; "
                f"{(~near).sum()} of {near.size} elements differ"
            )


def check_count(body: Callable, label: str, n_arrays: int, n_statics: int) -> None:
    """`BodyError` unless a body for Numba takes as many arguments as it is given."""
    parameters = inspect.signature(body).parameters
    if len(parameters) != n_arrays + n_statics:
        raise BodyError(
            f"the Numba body of `{label}` takes {len(parameters)} arguments "
            f"({', '.join(parameters)}), expected {n_arrays + n_statics}: the inputs, the outputs "
            "that are not updated in place" + (", and the static options" if n_statics else "")
        )


def run_in_python(
    body: Callable, arrays: Sequence, outs: Sequence, in_place: Mapping[int, int], options: dict
) -> list[Any]:
    """The outputs of a body for Numba, not compiled; what it leaves unwritten is NaN, or 1."""
    results: list[Any] = [np.empty(out.shape, out.dtype) for out in outs]
    for out in results:
        out.fill(np.nan if jnp.issubdtype(out.dtype, jnp.inexact) else 1)
    inputs = []
    for number, array in enumerate(arrays):
        x = np.array(array)
        if number in in_place:
            results[in_place[number]] = x
        else:
            x.flags.writeable = False
        inputs.append(x if x.ndim or number in in_place else x[()])
    fresh = [x for number, x in enumerate(results) if number not in in_place.values()]
    with np.errstate(all="ignore"):
        body(*inputs, *fresh, **options)
    return results
