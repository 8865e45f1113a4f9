"""How machine code reads the call frame of XLA's typed FFI, for all native handlers.

Imported only at the first use on a CPU, since it imports Numba.
"""
# Numba supplies the first argument of an intrinsic, which a type checker cannot know.
# pyright: reportCallIssue=false

from collections.abc import Callable
from typing import cast

from llvmlite import ir
from numba import cfunc, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

# Byte offsets in the structs of `xla/ffi/api/c_api.h`; every one begins with its own size.
LAYOUT = {
    "XLA_FFI_CallFrame": {
        "struct_size": 0, "extension_start": 8, "api": 16, "ctx": 24, "stage": 32,
        "args": 40, "rets": 80, "attrs": 120,
    },
    "XLA_FFI_Args": {"struct_size": 0, "extension_start": 8, "size": 16, "types": 24, "args": 32},
    "XLA_FFI_Rets": {"struct_size": 0, "extension_start": 8, "size": 16, "types": 24, "rets": 32},
    "XLA_FFI_Attrs": {
        "struct_size": 0, "extension_start": 8, "size": 16, "types": 24, "names": 32, "attrs": 40,
    },
    "XLA_FFI_Buffer": {
        "struct_size": 0, "extension_start": 8, "dtype": 16, "data": 24, "rank": 32, "dims": 40,
    },
    "XLA_FFI_Extension_Base": {"struct_size": 0, "type": 8, "next": 16},
    "XLA_FFI_Metadata_Extension": {"extension_base": 0, "metadata": 24},
    "XLA_FFI_Metadata": {"struct_size": 0, "api_version": 8, "traits": 32},
    "XLA_FFI_Api_Version": {
        "struct_size": 0, "extension_start": 8, "major_version": 16, "minor_version": 20,
    },
}  # fmt: skip

_FRAME = LAYOUT["XLA_FFI_CallFrame"]
_ARGS = _FRAME["args"] + LAYOUT["XLA_FFI_Args"]["args"]
_RETS = _FRAME["rets"] + LAYOUT["XLA_FFI_Rets"]["rets"]
_DATA = LAYOUT["XLA_FFI_Buffer"]["data"]
_RANK = LAYOUT["XLA_FFI_Buffer"]["rank"]
_DIMS = LAYOUT["XLA_FFI_Buffer"]["dims"]
_EXTENSION = _FRAME["extension_start"]
_EXTENSION_TYPE = LAYOUT["XLA_FFI_Extension_Base"]["type"]
_METADATA = LAYOUT["XLA_FFI_Metadata_Extension"]["metadata"]
_VERSION = LAYOUT["XLA_FFI_Metadata"]["api_version"]
_MAJOR = _VERSION + LAYOUT["XLA_FFI_Api_Version"]["major_version"]
_MINOR = _VERSION + LAYOUT["XLA_FFI_Api_Version"]["minor_version"]
_TRAITS = LAYOUT["XLA_FFI_Metadata"]["traits"]
_METADATA_TYPE = 1
_FRAME_SIZE = _FRAME["attrs"] + 48
_METADATA_SIZE = _TRAITS + 4

# Not inlined by Numba: compiled once for all variants, and inlined by LLVM.
helper = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)


def _load(builder, address, llvm_type, align):
    place = builder.inttoptr(address, llvm_type.as_pointer())
    return builder.load(place, align=align)


@intrinsic
def i64(typingctx, address):
    def codegen(context, builder, signature, args):
        return _load(builder, args[0], ir.IntType(64), 4)

    return types.int64(types.int64), codegen


@intrinsic
def i32(typingctx, address):
    def codegen(context, builder, signature, args):
        return _load(builder, args[0], ir.IntType(32), 4)

    return types.int32(types.int64), codegen


@intrinsic
def pointer(typingctx, address, dtype):
    target = types.CPointer(dtype.dtype)

    def codegen(context, builder, signature, args):
        return builder.inttoptr(args[0], context.get_value_type(target))

    return target(types.int64, dtype), codegen


@intrinsic
def prefetch(typingctx, address):
    def codegen(context, builder, signature, args):
        byte = ir.IntType(8).as_pointer()
        flag = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        hints = [ir.Constant(flag, hint) for hint in (0, 3, 1)]  # read, keep, data
        builder.call(function, [builder.inttoptr(args[0], byte), *hints])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@helper
def argument(frame, index):
    """Address of the buffer of an argument."""
    return i64(i64(frame + _ARGS) + 8 * index)


@helper
def dim(buffer, axis):
    """Size of an axis; negative axes count from the last."""
    return i64(i64(buffer + _DIMS) + 8 * (axis + i64(buffer + _RANK) if axis < 0 else axis))


@helper
def result(frame, index):
    """Address of the buffer of a result."""
    return i64(i64(frame + _RETS) + 8 * index)


@helper
def data(buffer):
    """Address of the first element of a buffer."""
    return i64(buffer + _DATA)


@helper
def rank(buffer):
    """Number of axes of a buffer."""
    return i64(buffer + _RANK)


@helper
def handshake(frame, major, minor):
    """Whether XLA asks what the handler is rather than for work; the answer is then given.

    That is the API version; left unset, as it is if a struct is too small, XLA refuses the handler.
    """
    extension = i64(frame + _EXTENSION)
    if extension == 0 or i32(extension + _EXTENSION_TYPE) != _METADATA_TYPE:
        return False
    metadata = i64(extension + _METADATA)
    if i64(frame) >= _FRAME_SIZE and i64(metadata) >= _METADATA_SIZE:
        pointer(metadata + _MAJOR, types.int32)[0] = major
        pointer(metadata + _MINOR, types.int32)[0] = minor
        pointer(metadata + _TRAITS, types.int32)[0] = 0
    return True


def compile_handler(handler: Callable, name: str) -> tuple[int, object]:
    """Compile a function of a call frame's address into a handler.

    **Arguments:**

    - `handler`: a Python function that Numba can compile, int64 to int64; 0 means success.
    - `name`: distinct for every variant, which keeps them apart in Numba's cache and symbol table.

    **Returns:** the address of the handler as an int, and the compiled callback that must be kept
    alive as long as the handler is.
    """
    handler.__qualname__ = handler.__name__ = name
    signature = types.int64(types.int64)
    options = {"error_model": "numpy", "fastmath": {"contract", "reassoc"}}
    try:
        compiled = cfunc(signature, cache=True, **options)(handler)
    except RuntimeError:  # no directory that a cache could be written to
        compiled = cfunc(signature, **options)(handler)
    return cast(int, compiled.address), compiled
