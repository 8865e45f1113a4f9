"""The native handler: struct layout, handshake, and the way back to pure JAX."""

import ctypes
import importlib
import re
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fdyn.sparse import CSR, FixedFanOut, _native, find_events, use_native

C_TYPES = {
    "size_t": ctypes.c_size_t,
    "int64_t": ctypes.c_int64,
    "int": ctypes.c_int,
    "uint32_t": ctypes.c_uint32,
    "XLA_FFI_Handler_Traits": ctypes.c_uint32,
    "XLA_FFI_ExecutionStage": ctypes.c_int,
    "XLA_FFI_DataType": ctypes.c_int,
    "XLA_FFI_Extension_Type": ctypes.c_int,
}


@pytest.fixture
def fresh():
    """A process that has not used native products yet."""
    failed, registered = _native._State.failed, _native._State.registered
    _native._State.failed, _native._State.registered = False, {}
    yield
    _native._State.failed, _native._State.registered = failed, registered


def struct_from_header(name):
    """A ctypes structure with the fields that the installed header gives to a struct."""
    text = re.sub(r"//[^\n]*", "", _native.read_header())
    body = re.search(rf"struct {name} \{{(.*?)\}}", text, re.DOTALL).group(1)
    fields = []
    for declaration in filter(None, (part.strip() for part in body.split(";"))):
        kind, field = declaration.rsplit(maxsplit=1)
        if "*" in kind:
            fields.append((field, ctypes.c_void_p))
        elif kind in C_TYPES:
            fields.append((field, C_TYPES[kind]))
        else:
            fields.append((field, struct_from_header(kind)))
    return type(name, (ctypes.Structure,), {"_fields_": fields})


def test_layout_is_that_of_the_installed_header():
    layout = importlib.import_module("fdyn.sparse._frame").LAYOUT
    for name, offsets in layout.items():
        struct = struct_from_header(name)
        expected = {field: getattr(struct, field).offset for field in offsets}
        assert offsets == expected, name


@pytest.mark.parametrize("size, reported", [(0, (0, 0)), (None, (0, 1))])
def test_handshake(size, reported):
    """The version is reported if the structs are large enough, else XLA refuses the handler."""
    handler = importlib.import_module("fdyn.sparse._handler")
    address, keep = handler.make_handler(
        "fdyn_test_handshake", "g", False, ("float32", "int32"), False, False, (0, 1)
    )
    metadata = struct_from_header("XLA_FFI_Metadata")()
    metadata.struct_size = ctypes.sizeof(metadata) if size is None else size
    extension = struct_from_header("XLA_FFI_Metadata_Extension")()
    extension.extension_base.type = 1
    extension.metadata = ctypes.addressof(metadata)
    frame = struct_from_header("XLA_FFI_CallFrame")()
    frame.struct_size = ctypes.sizeof(frame)
    frame.extension_start = ctypes.addressof(extension)
    call = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(address)
    assert call(ctypes.addressof(frame)) == 0
    version = metadata.api_version
    assert (version.major_version, version.minor_version) == reported
    assert keep.address == address


def product():
    """A function that has not been compiled before."""
    conn = FixedFanOut(jnp.array([[0], [1]]), jnp.float32(2), n_post=2)
    return jax.jit(lambda s: s @ conn)


def test_native_is_used():
    s = jnp.ones(2, jnp.float32)
    assert "fdyn_sparse_g" in product().lower(s).compile().as_text()
    assert "fdyn_sparse_find" in jax.jit(find_events).lower(s).compile().as_text()
    with use_native(False):
        assert "fdyn_sparse_g" not in product().lower(s).compile().as_text()
    np.testing.assert_array_equal(product()(s), [2, 2])


def test_compiles_for_other_platforms():
    s = jax.ShapeDtypeStruct((2,), jnp.float32)
    for platform in ("cuda", "tpu"):
        text = product().trace(s).lower(lowering_platforms=(platform,)).as_text()
        assert "fdyn_sparse" not in text


def old_header():
    return "#define XLA_FFI_API_MAJOR 1\n#define XLA_FFI_API_MINOR 0\n"


def moved_field(text=None):
    text = _native.read_header() if text is None else text
    return text.replace("  int64_t rank;\n  int64_t* dims;", "  int64_t* dims;\n  int64_t rank;")


def fail(*args, **kwargs):
    raise ImportError("No module named 'numba'")


@pytest.mark.parametrize("cause", ["version", "layout", "no header", "no numba", "refused"])
def test_fallback_with_one_warning(cause, fresh, monkeypatch):
    text = moved_field()
    if cause == "version":
        monkeypatch.setattr(_native, "read_header", old_header)
    elif cause == "layout":
        monkeypatch.setattr(_native, "read_header", lambda: text)
    elif cause == "no header":
        monkeypatch.setattr(jax.ffi, "include_dir", lambda: "/nowhere")
    elif cause == "no numba":
        monkeypatch.setattr(_native.importlib, "import_module", fail)
    else:
        monkeypatch.setattr(jax.ffi, "register_ffi_target", fail)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            np.testing.assert_array_equal(product()(jnp.ones(2, jnp.float32)), [2, 2])
            found = jax.jit(lambda s: find_events(s))(jnp.array([0.0, 3.0], jnp.float32))
            assert (int(found.count), int(found.index[0])) == (1, 1)
        conn = CSR(np.array([1]), np.array([0, 1]), jnp.float32(3), n_post=2)
        np.testing.assert_array_equal(jax.jit(lambda s: s @ conn)(jnp.ones(1, jnp.float32)), [0, 3])
    assert [w.category for w in caught] == [RuntimeWarning]
    assert "pure JAX" in str(caught[0].message)


def test_choice_is_restored_after_an_error():
    with pytest.raises(KeyError), use_native(False):
        raise KeyError
    assert _native.native_enabled()


def test_eager_calls_follow_the_choice():
    conn = FixedFanOut(jnp.array([[0], [1]]), jnp.float32(2), n_post=2)
    for native in (True, False, True):
        with use_native(native):
            jaxpr = str(jax.make_jaxpr(lambda s: s @ conn)(jnp.ones(2, jnp.float32)))
            assert f"native={native}" in jaxpr
            np.testing.assert_array_equal(jnp.ones(2, jnp.float32) @ conn, [2, 2])
