"""Settings of all tests: double precision, and nothing promoted or warned about in silence."""

from pathlib import Path

import jax
import pytest

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# Scripts that made stored data: they need the simulators that they ran.
collect_ignore_glob = ["data/make_*.py"]


@pytest.fixture
def float32():
    """The default precision of JAX, for one test."""
    jax.config.update("jax_enable_x64", False)
    yield
    jax.config.update("jax_enable_x64", True)


def pytest_collection_modifyitems(items):
    # Every model has an example of its own to compile: with the slow tests, as its conformance is.
    for item in items:
        if isinstance(item, pytest.DoctestItem) and "fdyn/components/_" in item.nodeid:
            item.add_marker(pytest.mark.slow)


def pytest_runtest_teardown(item):
    # Every compiled program maps memory, and Linux lets a process map some 65,000 pieces of it;
    # XLA crashes beyond. They are counted now and then, for counting takes time too.
    item.session.stash[_COUNT] = count = item.session.stash.get(_COUNT, 0) + 1
    if count % 20 == 0 and _MAPS.exists() and _MAPS.read_bytes().count(b"\n") > 40_000:
        jax.clear_caches()


_COUNT = pytest.StashKey[int]()
_MAPS = Path("/proc/self/maps")
