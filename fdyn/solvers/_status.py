"""How a run ended."""

from typing import Any

import equinox as eqx


class Status(eqx.Module):
    """How a run ended.

    `ok`; and where it is not: `time` (ms) at which something was first not finite, the `leaf` of
    the state, and a `message` that says what to do.
    """

    ok: Any
    time: float = eqx.field(static=True, default=float("nan"))
    leaf: str = eqx.field(static=True, default="")
    message: str = eqx.field(static=True, default="")
