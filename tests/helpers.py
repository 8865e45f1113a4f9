"""What several test files share."""

import contextlib
import warnings
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jax import monitoring
from jax.sharding import AbstractDevice, AbstractMesh, AxisType, use_abstract_mesh

from fdyn import Network, Projection
from fdyn.components import (
    COBA,
    LIF,
    ConductanceBased,
    Exponential,
    PoissonInput,
    hodgkin_huxley,
)
from fdyn.sparse import OneToOne, fixed_probability

_TRACE = "/jax/core/compile/jaxpr_trace_duration"
_COMPILE = "/jax/core/compile/backend_compile_duration"


def squid(n: int = 1, **kwargs) -> ConductanceBased:
    """The neuron of Hodgkin & Huxley 1952."""
    return hodgkin_huxley(n, **kwargs)


def recurrent(n: int = 8) -> Network:
    """Everything a run can hold: random input, delays, refractoriness, recurrence."""
    key = jax.random.key(3)
    w = fixed_probability(key, n, n, 0.5, weight=2.0)
    return Network(
        {"in": PoissonInput(n, rate=200.0), "E": LIF(n, t_ref=1.0), "I": LIF(n, tau=10.0)},
        {
            "in_E": Projection("in", "E", OneToOne(4.0, n=n), Exponential(5.0), COBA(0.0)),
            "E_I": Projection("E", "I", w, Exponential(5.0), COBA(0.0), delay=0.7),
            "I_E": Projection("I", "E", w, Exponential(8.0), COBA(-80.0), delay=0.1),
        },
    )


def slope(steps, errors) -> float:
    """The order of convergence: slope of a line through the logarithms."""
    return float(np.polyfit(np.log(steps), np.log(errors), 1)[0])


def assert_identical(a, b) -> None:
    """Two trees agree bit for bit, NaN included."""
    leaves_a, leaves_b = jax.tree.leaves(a), jax.tree.leaves(b)
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(leaves_a, leaves_b, strict=True):
        if isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            x, y = jax.random.key_data(x), jax.random.key_data(y)
        assert np.asarray(x).dtype == np.asarray(y).dtype
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))


def assert_close(a, b, rtol: float = 1e-12, atol: float = 1e-12) -> None:
    """Two trees agree to rounding."""
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=rtol, atol=atol)


@contextlib.contextmanager
def counting() -> Iterator[dict[str, int]]:
    """Counts of what JAX traces and compiles inside the block."""
    counts = {"traces": 0, "compilations": 0}

    def listen(event: str, duration: float, **kwargs) -> None:
        del duration, kwargs
        counts["traces"] += event == _TRACE
        counts["compilations"] += event == _COMPILE

    monitoring.register_event_duration_secs_listener(listen)
    try:
        yield counts
    finally:
        monitoring.unregister_event_duration_listener(listen)


def spike_steps(spikes, unit: int = 0) -> list[int]:
    """The numbers of the rows of a dense recording at which a unit spikes."""
    return np.flatnonzero(np.asarray(spikes)[:, unit]).tolist()


def accelerator_mesh(platform: str, **axes: int) -> AbstractMesh:
    """A mesh of accelerators that this host does not have, by default of a single one."""
    kind = AbstractDevice(device_kind="NVIDIA H100 80GB HBM3", num_cores=132, platform="gpu")
    kinds = (AxisType.Auto,) * len(axes)
    device = kind if platform == "cuda" else None
    return AbstractMesh(tuple(axes.values()), tuple(axes), axis_types=kinds, abstract_device=device)


def lower_for(platform: str, fn, *args) -> str:
    """The program of `jax.jit(fn)` for `"cuda"` or `"tpu"`, made on a host that has neither."""
    with use_abstract_mesh(accelerator_mesh(platform)), warnings.catch_warnings():
        # From jax 0.12 on the Triton back end of Pallas is deprecated.
        warnings.filterwarnings("ignore", ".*Triton", DeprecationWarning)
        return jax.jit(fn).trace(*args).lower(lowering_platforms=(platform,)).as_text()
