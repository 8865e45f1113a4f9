"""Models and states in one file: safetensors for the arrays, JSON for the structure, no pickle."""

import dataclasses
import hashlib
import importlib
import json
import os
import re
import sys
import uuid
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from . import _tree
from ._misc import is_traced
from ._network import unit_of
from ._param import parameters
from ._simulate import RunState
from .components import AbstractComponent, State

_FORMAT = 1
# The dtypes that safetensors knows; arrays of others are kept as their bytes.
_NATIVE = {"bool", *(f"{u}int{n}" for u in ("", "u") for n in (8, 16, 32, 64)), "float16",
           "float32", "float64"}  # fmt: skip
_WIDE = {"float64", "int64", "uint64", "complex128"}
_KIND = "kind"


class Saved(NamedTuple):
    """What `load` found in a file: the `model`, the `state` and the `meta` data."""

    model: Any
    state: Any
    meta: Any


def save(path: str | Path, model: Any, *, state: Any = None, meta: Any = None) -> None:
    """Write a model, and a state to go on from, into one file.

    The file is in the safetensors format: arrays bit for bit under readable names, and in the
    header the structure as JSON (classes and functions by their names), the units, and the versions
    of the format and of fdyn. It is written under another name first and then renamed, so that an
    older file of this name is replaced as a whole or not at all.

    **Arguments:**

    - `path`: the file; by custom it ends in `.fdyn`.
    - `model`: a component, a `Network`, or any `equinox.Module`. Its fields may hold arrays of JAX
      or NumPy, random keys, modules, dictionaries, lists, tuples, slices, numbers, text, `None`,
      and functions that are defined at the top level of a module.
    - `state`: the `State` of the model, the `.state` of a recording or solution, or `None`.
    - `meta`: anything that JSON can hold, for example a dictionary of notes.

    **Raises:** `ValueError` for what cannot be saved, such as a lambda, naming the field.

    ```python
    >>> import tempfile
    >>> from pathlib import Path
    >>> from fdyn import load, simulate
    >>> from fdyn.components import LIF
    >>> model = LIF(3, tau=10.0)
    >>> rec = simulate(model, 20.0, dt=0.1, inputs=20.0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(Path(folder) / "lif.fdyn", model, state=rec.state, meta={"note": "first"})
    ...     found = load(Path(folder) / "lif.fdyn")
    >>> found.model.tau.item(), float(found.state.time), found.meta["note"]
    (10.0, 20.0, 'first')

    ```

    **Source:** none; a convention of this library.
    """
    if not isinstance(model, eqx.Module):
        raise ValueError(f"save: 'model' must be an equinox.Module, got {type(model).__name__}.")
    if not isinstance(state, State | RunState | None):
        raise ValueError(
            f"save: 'state' must be a State, a RunState or None, got {type(state).__name__}."
        )
    arrays: dict[str, np.ndarray] = {}
    header = json.dumps(
        {
            "format": _FORMAT,
            "fdyn": _version(),
            "model": _encode(model, "model", arrays),
            "state": _encode(state, "state", arrays),
            "meta": _check_meta(meta),
            "units": _units(model, state),
        },
        allow_nan=False,
    )
    data = to_bytes(arrays, {"fdyn": header, "sha256": _checksum(header, arrays)})
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def load(path: str | Path) -> Saved:
    """Read what `save` has written.

    The model is rebuilt from the file alone. Nothing in it is executed: classes must be subclasses
    of `equinox.Module`, and both they and functions are taken from fdyn or from modules that are
    already imported; import the module that defines your own before loading. What the classes
    check at construction is not checked again.

    **Arguments:** `path`: the file.

    **Returns:** a named tuple `(model, state, meta)`; the state is `None` where none was saved.

    **Raises:** `FileNotFoundError`; `ValueError` for a file that is damaged, not of fdyn, or of a
    newer format, that needs a class which is not there, or double precision where it is off.

    ```python
    >>> from fdyn import load
    >>> load("no such file")
    Traceback (most recent call last):
    ...
    FileNotFoundError: load: there is no file 'no such file'.

    ```

    **Source:** none; a convention of this library.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"load: there is no file {str(path)!r}.")
    try:
        with safe_open(path, framework="numpy") as file:
            meta = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as e:
        raise ValueError(
            f"load: {str(path)!r} is not a whole safetensors file: it is damaged, cut short, or of "
            f"another kind ({e})."
        ) from e
    if "fdyn" not in meta:
        raise ValueError(f"load: {str(path)!r} is a safetensors file, but was not written by fdyn.")
    try:
        header = json.loads(meta["fdyn"])
        found, version = header["format"], header["fdyn"]
    except (ValueError, KeyError, TypeError) as e:
        raise ValueError(f"load: the header of {str(path)!r} is damaged ({e!r}).") from e
    if found > _FORMAT:
        raise ValueError(
            f"load: {str(path)!r} has format {found} and was written by fdyn {version}; this is "
            f"fdyn {_version()}, which reads formats up to {_FORMAT}. Update fdyn."
        )
    if meta.get("sha256") != _checksum(meta["fdyn"], arrays):
        raise ValueError(f"load: {str(path)!r} is damaged: its content does not fit its checksum.")
    model = _decode(header["model"], "model", arrays)
    return Saved(model, _decode(header["state"], "state", arrays), header["meta"])


def _encode(x: Any, path: str, arrays: dict[str, np.ndarray]) -> Any:
    """A tree as JSON; the arrays in it go to `arrays` under their paths."""
    if x is None or type(x) in (bool, int, str):
        return x
    if type(x) in (float, complex):
        return {_KIND: type(x).__name__, "value": repr(x)}
    if type(x) is slice:
        parts = [_encode(v, path, arrays) for v in (x.start, x.stop, x.step)]
        return {_KIND: "slice", "items": parts}
    if type(x) in (list, tuple):
        items = [_encode(v, f"{path}.{i}", arrays) for i, v in enumerate(x)]
        return {_KIND: type(x).__name__, "items": items}
    if type(x) is dict:
        return {
            _KIND: "dict",
            "keys": [_encode(k, f"a key of {path}", arrays) for k in x],
            "items": [_encode(v, f"{path}.{k}", arrays) for k, v in x.items()],
        }
    if isinstance(x, eqx.Module):
        fields = {
            f.name: _encode(getattr(x, f.name), f"{path}.{f.name}", arrays)
            for f in dataclasses.fields(x)
        }
        return {_KIND: "module", "name": _name_of(type(x), path), "fields": fields}
    if is_traced(x):
        raise ValueError(f"save: {path!r} is being traced; save outside of jit, grad and vmap.")
    if isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
        impl = jax.random.key_impl(x)
        if not isinstance(impl, str):
            raise ValueError(f"save: {path!r} is a random key of an unnamed kind, {impl!r}.")
        return {_KIND: "key", "impl": impl} | _put(jax.random.key_data(x), path, arrays)
    for kind, types in (("jax", jax.Array), ("numpy", np.ndarray), ("scalar", np.generic)):
        if isinstance(x, types):
            return {_KIND: kind} | _put(x, path, arrays)
    if isinstance(x, np.dtype):
        return {_KIND: "dtype", "name": x.name}
    if callable(x):
        return {_KIND: "function", "name": _name_of(x, path)}
    raise ValueError(
        f"save: {path!r} is a {type(x).__name__}, which cannot be saved. Use arrays, modules, "
        "dictionaries, lists, tuples, numbers, text, or functions at the top level of a module."
    )


def _decode(x: Any, path: str, arrays: dict[str, np.ndarray]) -> Any:
    if not isinstance(x, dict):
        return x
    kind = x.get(_KIND)
    if kind == "float":
        return float(x["value"])
    if kind == "complex":
        return complex(x["value"])
    if kind in ("list", "tuple", "slice"):
        items = [_decode(v, f"{path}.{i}", arrays) for i, v in enumerate(x["items"])]
        return {"list": list, "tuple": tuple, "slice": lambda v: slice(*v)}[kind](items)
    if kind == "dict":
        keys = [_decode(k, path, arrays) for k in x["keys"]]
        return {k: _decode(v, f"{path}.{k}", arrays) for k, v in zip(keys, x["items"], strict=True)}
    if kind == "module":
        return _module(x, path, arrays)
    if kind in ("jax", "key", "numpy", "scalar"):
        return _array(x, kind, path, arrays)
    if kind == "dtype":
        return jnp.dtype(x["name"])
    if kind == "function":
        found = _resolve(x["name"], path)
        if not callable(found) or isinstance(found, type):
            raise ValueError(f"load: {path!r} needs the function {x['name']!r}, which is none.")
        return found
    raise ValueError(f"load: {path!r} is of the unknown kind {kind!r}.")


def _module(x: dict, path: str, arrays: dict[str, np.ndarray]) -> eqx.Module:
    cls = _resolve(x["name"], path)
    if not (isinstance(cls, type) and issubclass(cls, eqx.Module)):
        raise ValueError(f"load: {path!r} needs {x['name']!r}, which is no equinox.Module.")
    known, found = {f.name for f in dataclasses.fields(cls)}, set(x["fields"])
    if known != found:
        more, less = sorted(found - known), sorted(known - found)
        raise ValueError(
            f"load: the fields of {x['name']!r} at {path!r} have changed since it was saved: the "
            f"file has {more or 'no'} more and lacks {less or 'none'}."
        )
    module = object.__new__(cls)
    for name, value in x["fields"].items():
        object.__setattr__(module, name, _decode(value, f"{path}.{name}", arrays))
    return module


def _put(x: Any, path: str, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    array = np.array(x, order="C", copy=True)
    dtype = array.dtype
    if dtype.kind in "OSUMm" or not dtype.isnative or dtype.names is not None:
        raise ValueError(
            f"save: {path!r} is an array of dtype {dtype}; only numbers in the byte order of this "
            "machine can be saved."
        )
    entry: dict[str, Any] = {"array": path, "dtype": dtype.name}
    if dtype.name not in _NATIVE:
        entry["shape"] = list(array.shape)
        array = np.frombuffer(array.tobytes(), np.uint8)
    # Keys with dots make paths ambiguous.
    while entry["array"] in arrays:
        entry["array"] += "'"
    arrays[entry["array"]] = array
    return entry


def _array(x: dict, kind: str, path: str, arrays: dict[str, np.ndarray]) -> Any:
    array, dtype = arrays[x["array"]], x["dtype"]
    if "shape" in x:
        array = np.frombuffer(array.tobytes(), jnp.dtype(dtype)).reshape(x["shape"]).copy()
    if kind == "numpy":
        return array
    if kind == "scalar":
        return array[()]
    if dtype in _WIDE and not jax.config.jax_enable_x64:  # pyright: ignore[reportAttributeAccessIssue]
        raise ValueError(
            f"load: {path!r} is of dtype {dtype}, but JAX has double precision off and would "
            'cut it down. Call jax.config.update("jax_enable_x64", True) first.'
        )
    if kind == "key":
        return jax.random.wrap_key_data(jnp.asarray(array), impl=x["impl"])
    return jnp.asarray(array)


def _name_of(x: Any, path: str) -> str:
    """`module:qualified.name` of a class or function, under which it is found again."""
    module, name = getattr(x, "__module__", None), getattr(x, "__qualname__", None)
    full = f"{module}:{name}"
    if module and name and "<" not in name:
        try:
            if _resolve(full, path) is x:
                return full
        except ValueError:
            pass
    raise ValueError(
        f"save: {path!r} holds {x!r}, which cannot be found by its name again. Lambdas and what is "
        "defined inside of functions cannot be saved, nor functions of the standard library: use "
        "a class or a function at the top level of a module, or an equinox.Module with __call__."
    )


def _resolve(full: str, path: str) -> Any:
    """What has this name, in fdyn or in a module that is imported already."""
    module, _, name = full.partition(":")
    top = module.partition(".")[0]
    missing = ValueError(
        f"load: {path!r} needs {name!r} of the module {module!r}, which is not there. "
        "Import the module that defines it before loading."
    )
    # Functions of the standard library could do harm when a model calls them.
    if top in sys.stdlib_module_names and top != "math":
        raise missing
    found: Any = sys.modules.get(module)
    if top == "fdyn" and re.fullmatch(r"fdyn(\.\w+)*", module):
        try:
            found = importlib.import_module(module)
        except ImportError as e:
            raise missing from e
    for part in name.split("."):
        found = getattr(found, part, None)
    # Not by way of what the module itself has imported.
    if (getattr(found, "__module__", None), getattr(found, "__qualname__", None)) != (module, name):
        raise missing
    return found


def _units(model: Any, state: Any) -> dict[str, str]:
    """Units of all parameters and state variables, for whoever reads the file otherwise."""
    units = {f"model.{path}": f.metadata["unit"] for path, f, v in parameters(model)}
    y = state.model.y if isinstance(state, RunState) else getattr(state, "y", None)
    if isinstance(model, AbstractComponent):
        units |= {f"state.{p}": unit_of(model, _tree.split(p)) for p in _tree.leaf_paths(y)}
    return units


def _check_meta(meta: Any) -> Any:
    try:
        same = json.loads(json.dumps(meta, allow_nan=False)) == meta
    except (TypeError, ValueError) as e:
        raise ValueError(f"save: 'meta' must be what JSON can hold: {e}.") from e
    if not same:
        raise ValueError(
            "save: 'meta' would come back changed from JSON: use lists in the place of tuples, and "
            "text for the keys of dictionaries."
        )
    return meta


def _checksum(header: str, arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256(header.encode())
    for name, x in sorted(arrays.items()):
        digest.update(f"{name} {x.dtype} {x.shape}".encode())
        digest.update(np.ascontiguousarray(x).data)
    return digest.hexdigest()


def _version() -> str:
    return sys.modules["fdyn"].__version__
