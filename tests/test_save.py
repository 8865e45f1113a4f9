"""`save` and `load`: nothing changes on the way through a file, and damage is found."""

import json
import os
import struct
import sys
import types

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fdyn import Network, Projection, State, load, save, simulate
from fdyn.components import COBA, LIF, Exponential, PoissonInput
from fdyn.solvers import EulerMaruyama
from fdyn.sparse import fixed_probability


def double(x):
    return 2 * x


class Anything(eqx.Module):
    """A module with fields of every kind."""

    dynamic: object
    static: object = eqx.field(static=True, default=None)


def through(path, *args, **kwargs):
    save(path / "file.fdyn", *args, **kwargs)
    return load(path / "file.fdyn")


def same(a, b) -> None:
    """The same tree, with the same kinds of arrays, bit for bit."""
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        if isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            assert jax.random.key_impl(x) == jax.random.key_impl(y)
            x, y = jax.random.key_data(x), jax.random.key_data(y)
        if isinstance(x, jax.Array | np.ndarray | np.generic):
            assert isinstance(x, jax.Array) == isinstance(y, jax.Array)
            assert x.dtype == y.dtype and x.shape == y.shape
            assert np.asarray(x).tobytes() == np.asarray(y).tobytes()
        else:
            assert type(x) is type(y) and repr(x) == repr(y)


def network() -> Network:
    """Delay rings, random input and noise."""
    w = fixed_probability(jax.random.key(1), 20, 10, 0.5, weight=0.3)
    back = fixed_probability(jax.random.key(2), 10, 10, 0.5, weight=0.2)
    return Network(
        {"in": PoissonInput(20, rate=100.0), "E": LIF(10, sigma=2.0, t_ref=1.0)},
        {
            "in_E": Projection("in", "E", w, Exponential(5.0), COBA(0.0), delay=1.5),
            "E_E": Projection("E", "E", back, Exponential(3.0), COBA(0.0), delay=0.7),
        },
    )


def test_a_run_goes_on_from_a_file_bit_for_bit(tmp_path):
    net, kwargs = network(), {"dt": 0.1, "solver": EulerMaruyama(), "record": ["E.v", "E.spike"]}
    kwargs |= {"inputs": {"E": 12.0}}
    whole = simulate(net, 40.0, key=jax.random.key(7), **kwargs)
    first = simulate(net, 20.0, key=jax.random.key(7), **kwargs)
    found = through(tmp_path, net, state=first.state)
    same(found.model, net)
    same(found.state, first.state)
    second = simulate(found.model, 20.0, state=found.state, **kwargs)
    assert whole["E.spike"].sum() > 0
    for name in ("E.v", "E.spike"):
        joined = np.concatenate([first[name], second[name]])
        assert joined.tobytes() == np.asarray(whole[name]).tobytes()
    same(second.state, whole.state)


def test_every_kind_of_field_survives(tmp_path):
    fields = {
        "f64": jnp.array([1.0, -0.0, jnp.nan, jnp.inf, 5e-324]),
        "f32": jnp.array([[1.5], [2.5]], jnp.float32),
        "bf16": jnp.array([1.0, 3.0], jnp.bfloat16),
        "complex": jnp.array(1.0 + 2.0j),
        "int": jnp.arange(3),
        "int8": jnp.array(-5, jnp.int8),
        "bool": jnp.array([True, False]),
        "empty": jnp.zeros((0, 3)),
        "numpy": np.arange(6.0).reshape(2, 3).T,
        "numpy16": np.array(2.0, np.float16),
        "scalar": np.float32(0.1),
        "key": jax.random.key(3),
        "keys": jax.random.split(jax.random.key(4, impl="rbg"), 3),
        "raw_key": jax.random.PRNGKey(0),
        "none": None,
        "list": [1, 2.5, "text", (True, None), {"a": jnp.ones(2)}],
        "floats": (0.1, float("inf"), -0.0),
        "nested": Anything(Anything(jnp.ones(1), static="inner")),
        "function": double,
        "activation": jax.nn.relu,
        "dotted.key": {"a.b": jnp.ones(1), "a": {"b": jnp.zeros(1)}},
    }
    static = (1, "two", 3.0, None, (4, [5]), double, slice(1, None, 2), 1 + 2j, np.dtype("float32"))
    model = Anything(fields, static=static)
    found = through(tmp_path, model, meta={"note": ["a", 1, None, 0.1]})
    same(found.model, model)
    assert found.model.static == static and found.model.dynamic["function"] is double
    assert list(found.model.dynamic) == list(fields)
    assert found.state is None and found.meta == {"note": ["a", 1, None, 0.1]}


def test_units_and_versions_can_be_read_without_fdyn(tmp_path):
    model = LIF(2)
    state = model.init(key=jax.random.key(0), dt=0.1)
    save(tmp_path / "a.fdyn", model, state=state)
    raw = (tmp_path / "a.fdyn").read_bytes()
    (n,) = struct.unpack("<Q", raw[:8])
    top = json.loads(raw[8 : 8 + n])
    header = json.loads(top["__metadata__"]["fdyn"])
    assert header["units"]["model.tau"] == "ms" and header["units"]["state.v"] == "mV"
    assert (header["format"], header["fdyn"]) == (1, sys.modules["fdyn"].__version__)
    assert top["state.y.v"]["dtype"] == "F64" and "pickle" not in str(top)


@pytest.mark.parametrize(
    ("message", "model"),
    [
        (r"'model.dynamic.f' holds <function <lambda>", Anything({"f": lambda x: x})),
        ("'model.static' holds .*system", Anything(1, os.system)),
        ("'model.dynamic.0' is a set", Anything([{1}])),
        ("'model.dynamic' is an array of dtype object", Anything(np.array([None]))),
        ("'model.dynamic' is an array of dtype >f8", Anything(np.ones(1, ">f8"))),
        ("'model.dynamic' is a object", Anything(object())),
    ],
)  # fmt: skip
def test_what_cannot_be_saved_is_named(tmp_path, message, model):
    with pytest.raises(ValueError, match=message):
        save(tmp_path / "a.fdyn", model)
    assert list(tmp_path.iterdir()) == []


def test_a_local_class_and_wrong_arguments_cannot_be_saved(tmp_path):
    class Local(eqx.Module):
        x: int

    for message, args, kwargs in (
        ("'model' holds .*Local", (Local(1),), {}),
        ("'model' must be an equinox.Module", ([1],), {}),
        ("'state' must be a State", (LIF(1),), {"state": {"v": 1}}),
        ("what JSON can hold", (LIF(1),), {"meta": {"a": jnp.ones(1)}}),
        ("back changed from JSON", (LIF(1),), {"meta": {1: (2,)}}),
    ):
        with pytest.raises(ValueError, match=message):
            save(tmp_path / "a.fdyn", *args, **kwargs)
    with pytest.raises(ValueError, match="is being traced"):
        jax.jit(lambda x: save(tmp_path / "a.fdyn", Anything(x)))(1.0)


def test_double_precision_is_not_cut_down(tmp_path, float32):
    jax.config.update("jax_enable_x64", True)
    save(tmp_path / "wide.fdyn", LIF(1))
    save(tmp_path / "numpy.fdyn", Anything(np.ones(2)))
    jax.config.update("jax_enable_x64", False)
    with pytest.raises(ValueError, match=r"'model.tau' is of dtype float64, .*jax_enable_x64"):
        load(tmp_path / "wide.fdyn")
    assert load(tmp_path / "numpy.fdyn").model.dynamic.dtype == np.float64
    narrow = through(tmp_path, LIF(1)).model
    assert narrow.tau.dtype == np.float32


def test_damaged_files(tmp_path):
    file = tmp_path / "a.fdyn"
    save(file, LIF(3), state=State({"v": jnp.arange(3.0)}, {}))
    whole = file.read_bytes()
    cases = {
        "cut short": whole[:-5],
        "cut short in the header": whole[:100],
        "empty": b"",
        "of another kind": b"not a model" * 100,
        "a bit of an array": whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:],
        "a bit of the structure": whole.replace(b"LIF", b"LIG"),
    }
    for what, data in cases.items():
        file.write_bytes(data)
        with pytest.raises(ValueError, match="not a whole safetensors file|is damaged"):
            load(file)
            pytest.fail(what)
    from safetensors.numpy import save_file

    save_file({"x": np.ones(1)}, file)
    with pytest.raises(ValueError, match="not written by fdyn"):
        load(file)
    with pytest.raises(FileNotFoundError, match="no file"):
        load(tmp_path / "none")


def test_a_newer_format(tmp_path, monkeypatch):
    monkeypatch.setattr("fdyn._save._FORMAT", 2)
    save(tmp_path / "a.fdyn", LIF(1))
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"has format 2 .* reads formats up to 1. Update fdyn"):
        load(tmp_path / "a.fdyn")


def test_classes_that_are_missing_or_have_changed(tmp_path, monkeypatch):
    module = types.ModuleType("someones_models")
    code = "import equinox as eqx\nclass Mine(eqx.Module):\n    x: int\n"
    exec(code, module.__dict__)
    monkeypatch.setitem(sys.modules, "someones_models", module)
    save(tmp_path / "a.fdyn", module.Mine(3))
    assert load(tmp_path / "a.fdyn").model.x == 3
    exec(code + "    y: int = 0\n", module.__dict__)
    with pytest.raises(ValueError, match=r"'someones_models:Mine' at 'model' have .*\['y'\]"):
        load(tmp_path / "a.fdyn")
    monkeypatch.delitem(sys.modules, "someones_models")
    with pytest.raises(ValueError, match="'Mine' of the module 'someones_models'.*Import"):
        load(tmp_path / "a.fdyn")


@pytest.mark.parametrize(
    "name",
    ["os:system", "posix:system", "builtins:eval", "fdyn._save:os.system", "json:loads",
     "fdyn._save:load", "numpy:ndarray", "not_there:Thing"],
)  # fmt: skip
def test_a_file_cannot_name_what_is_no_module_class(tmp_path, monkeypatch, name):
    with monkeypatch.context() as m:
        m.setattr("fdyn._save._name_of", lambda x, path: name)
        save(tmp_path / "a.fdyn", Anything(1))
    with pytest.raises(ValueError, match="is not there|is no equinox.Module"):
        load(tmp_path / "a.fdyn")


def test_an_old_file_survives_a_failed_write(tmp_path, monkeypatch):
    file = tmp_path / "a.fdyn"
    save(file, LIF(1, tau=7.0))

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        save(file, LIF(1, tau=8.0))
    assert load(file).model.tau.item() == 7.0
    assert list(tmp_path.iterdir()) == [file]
