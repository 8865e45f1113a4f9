"""The native products of the CPU: checks that they can run, and hands them to XLA once."""

import contextlib
import ctypes
import importlib
import pathlib
import re
import threading
import warnings
from collections.abc import Iterator

import jax
import jax.ffi

_MAJOR = 0

# The structs the handlers read, up to the last field they need.
_STRUCTS = {
    "XLA_FFI_CallFrame": "size_t struct_size; XLA_FFI_Extension_Base* extension_start; "
    "const XLA_FFI_Api* api; XLA_FFI_ExecutionContext* ctx; XLA_FFI_ExecutionStage stage; "
    "XLA_FFI_Args args; XLA_FFI_Rets rets; XLA_FFI_Attrs attrs;",
    "XLA_FFI_Args": "size_t struct_size; XLA_FFI_Extension_Base* extension_start; "
    "int64_t size; XLA_FFI_ArgType* types; void** args;",
    "XLA_FFI_Rets": "size_t struct_size; XLA_FFI_Extension_Base* extension_start; "
    "int64_t size; XLA_FFI_RetType* types; void** rets;",
    "XLA_FFI_Attrs": "size_t struct_size; XLA_FFI_Extension_Base* extension_start; "
    "int64_t size; XLA_FFI_AttrType* types; XLA_FFI_ByteSpan** names; void** attrs;",
    "XLA_FFI_Buffer": "size_t struct_size; XLA_FFI_Extension_Base* extension_start; "
    "XLA_FFI_DataType dtype; void* data; int64_t rank; int64_t* dims;",
    "XLA_FFI_Extension_Base": "size_t struct_size; XLA_FFI_Extension_Type type; "
    "struct XLA_FFI_Extension_Base* next;",
    "XLA_FFI_Metadata_Extension": "XLA_FFI_Extension_Base extension_base; "
    "XLA_FFI_Metadata* metadata;",
    "XLA_FFI_Metadata": "size_t struct_size; XLA_FFI_Api_Version api_version; "
    "XLA_FFI_Handler_Traits traits;",
    "XLA_FFI_Api_Version": "size_t struct_size; XLA_FFI_Extension_Base* extension_start; "
    "int major_version; int minor_version;",
}
# What minor version 5 (jaxlib 0.12) calls otherwise, in the names of minor version 3 (0.10).
_RENAMED = {
    "XLA_FFI_InternalExtension": "XLA_FFI_Extension_Base",
    "XLA_FFI_InternalExtension_Type": "XLA_FFI_Extension_Type",
    "XLA_FFI_InvokeContext": "XLA_FFI_ExecutionContext",
}
# Args, Rets and Attrs lie inside the frame, so a field added to them would move what follows.
_CLOSED = ("XLA_FFI_Args", "XLA_FFI_Rets", "XLA_FFI_Attrs", "XLA_FFI_Api_Version")


class BodyError(ValueError):
    """A user's machine code cannot be made; an error of the user's, so no reason to fall back."""


class _State:
    """What the process has found out; XLA's own table of targets is as global."""

    enabled = True
    failed = False
    registered: dict[str, object] = {}
    lock = threading.RLock()


@contextlib.contextmanager
def use_native(enabled: bool) -> Iterator[None]:
    """Choose between the native products and the pure JAX reference on the CPU.

    It acts while a function is **traced**: a function that `jax.jit` has compiled keeps the
    implementation it was traced with.

    **Arguments:**

    - `enabled`: `False` selects the reference, `True` the native product where it works.

    **Returns:** a context manager.

    ```python
    >>> import jax.numpy as jnp
    >>> from fdyn.sparse import CSR, use_native
    >>> conn = CSR(jnp.array([1]), jnp.array([0, 1]), 2.0, n_post=2)
    >>> with use_native(False):
    ...     print(jnp.ones(1) @ conn)
    [0. 2.]

    ```

    **Source:** none; a convention of this library.
    """
    before = _State.enabled
    _State.enabled = enabled
    try:
        yield
    finally:
        _State.enabled = before


def native_enabled() -> bool:
    """Whether calls traced now may use the native product."""
    return _State.enabled


def parse_header(text: str) -> tuple[int, int]:
    """API version of a `c_api.h`; `ValueError` unless its structs lie as the handlers expect."""
    version = {
        name: int(number)
        for name, number in re.findall(r"#define XLA_FFI_API_(MAJOR|MINOR) (\d+)", text)
    }
    if version.keys() != {"MAJOR", "MINOR"} or version["MAJOR"] != _MAJOR:
        raise ValueError(f"the XLA FFI has API version {version}, expected major {_MAJOR}")
    text = re.sub(r"//[^\n]*", "", text)
    for name, expected in _STRUCTS.items():
        found = re.search(rf"struct {name} \{{(.*?)\}}", text, re.DOTALL)
        fields = " ".join(found.group(1).split()) if found else ""
        same = fields == expected if name in _CLOSED else fields.startswith(expected)
        if not same:
            raise ValueError(f"struct {name} has fields `{fields}`, expected `{expected}`")
    return version["MAJOR"], version["MINOR"]


def read_header() -> str:
    """Text of the FFI header that the installed jaxlib carries, in the names of one version."""
    text = (pathlib.Path(jax.ffi.include_dir()) / "xla/ffi/api/c_api.h").read_text()
    for new, old in _RENAMED.items():
        text = re.sub(rf"\b{new}\b", old, text)
    return text


def _capsule(address: int) -> object:
    new = ctypes.pythonapi.PyCapsule_New
    new.restype = ctypes.py_object
    new.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
    return new(address, b"xla._CUSTOM_CALL_TARGET", None)


def native_target(name: str, module: str, *variant) -> str | None:
    """Name of an FFI target of the CPU, compiled and registered at its first use.

    **Arguments:**

    - `name`: of the target, distinct for every variant.
    - `module`: the module of this package that makes it, imported only now as it imports Numba;
        its `make_handler(name, *variant, version)` returns the address of the handler and the
        compiled object that must be kept alive.
    - `variant`: what `make_handler` is told.

    **Returns:** `name`, or `None` if there is no native code: with one warning in the life of the
    process, if Numba is missing or XLA's FFI is not as expected.
    """
    with _State.lock:
        if _State.failed:
            return None
        if name not in _State.registered:
            try:
                version = parse_header(read_header())
                maker = importlib.import_module(f"fdyn.sparse.{module}")
                address, compiled = maker.make_handler(name, *variant, version)
                jax.ffi.register_ffi_target(name, _capsule(address), platform="cpu")
                _State.registered[name] = compiled
            except BodyError:
                raise
            except Exception as error:  # whatever it is, the reference still gives the result
                _State.failed = True
                warnings.warn(
                    "fdyn.sparse: native products are not available, slower pure JAX ones take "
                    f"their place. Cause: {type(error).__name__}: {error}",
                    RuntimeWarning,
                    stacklevel=2,
                )
                return None
    return name
