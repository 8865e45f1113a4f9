"""Machine code for the bodies of user-written operators, called by XLA itself.

Imported only at the first use on a CPU, since it imports Numba.
"""
# Numba supplies the first argument of an intrinsic, which a type checker cannot know.
# pyright: reportCallIssue=false, reportPrivateImportUsage=false

import ctypes
import re
import warnings

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import NumbaError, NumbaWarning
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic

from ._event_op_check import check_count
from ._frame import (
    LAYOUT,
    argument,
    compile_handler,
    data,
    dim,
    handshake,
    helper,
    i64,
    pointer,
    rank,
    result,
)
from ._native import BodyError, read_header

_API = LAYOUT["XLA_FFI_CallFrame"]["api"]
# What an error is made with, in the structs of `xla/ffi/api/c_api.h`.
_API_STRUCT = (
    r"struct XLA_FFI_Api \{\s*size_t struct_size;\s*XLA_FFI_Extension_Base\* extension_start;\s*"
    r"XLA_FFI_Api_Version api_version;\s*const \w+\* internal_api;\s*"
    r"_XLA_FFI_API_STRUCT_FIELD\(XLA_FFI_Error_Create\);"
)
_ERROR_STRUCT = (
    r"struct XLA_FFI_Error_Create_Args \{\s*size_t struct_size;\s*"
    r"XLA_FFI_Extension_Base\* extension_start;\s*const char\* message;\s*"
    r"XLA_FFI_Error_Code errc;\s*\};"
)
_ERROR_CREATE = 48  # byte offset in the first
_ERROR_SIZE = 28  # bytes of the second
_INTERNAL = 13  # the error code


@intrinsic
def _read_only(typingctx, array):
    """The same array; to write to it does not compile."""

    def codegen(context, builder, signature, args):
        return impl_ret_borrowed(context, builder, signature.return_type, args[0])

    return array.copy(readonly=True)(array), codegen


@intrinsic
def _create_error(typingctx, function, message):
    """Address of an XLA error, made by the function at an address from a C string at another."""

    def codegen(context, builder, signature, args):
        word, half = ir.IntType(64), ir.IntType(32)
        struct = cgutils.alloca_once(builder, ir.LiteralStructType([word, word, word, half]))
        values = (ir.Constant(word, _ERROR_SIZE), ir.Constant(word, 0), args[1])
        for place, value in enumerate((*values, ir.Constant(half, _INTERNAL))):
            builder.store(value, cgutils.gep_inbounds(builder, struct, 0, place))
        kind = ir.FunctionType(word, [word])
        call = builder.inttoptr(args[0], kind.as_pointer())
        return builder.call(call, [builder.ptrtoint(struct, word)])

    return types.int64(types.int64, types.int64), codegen


@helper
def _batch_size(buffer, n_batch):
    size = 1
    for axis in range(n_batch):
        size *= dim(buffer, axis)
    return size


@helper
def _start(buffer, full, n_batch, position, width):
    """Address of a buffer's slice for a position in the batch of `full`; axes of 1 repeat."""
    offset, stride = 0, width
    for axis in range(n_batch, rank(buffer)):
        stride *= dim(buffer, axis)
    for axis in range(n_batch - 1, -1, -1):
        own = dim(buffer, axis)
        if own > 1:
            offset += (position % dim(full, axis)) * stride
        stride *= own
        position //= dim(full, axis)
    return data(buffer) + offset


def _compile_body(body, label, argtypes, n_statics):
    """The user's body as a Numba dispatcher that has been compiled for the types."""
    if not hasattr(body, "py_func"):
        body = _jit(body, cache=True)
    check_count(body.py_func, label, len(argtypes) - n_statics, n_statics)
    for attempt in (body, _jit(body.py_func, cache=False)):
        try:
            with warnings.catch_warnings():
                # Numba cannot cache everything; it then compiles anew in every process.
                warnings.filterwarnings("ignore", "Cannot cache", NumbaWarning)
                attempt.compile(argtypes)
            return attempt
        except Exception as error:
            # What the function has caught may be impossible to write to a cache.
            if isinstance(error, NumbaError) or attempt is not body:
                raise BodyError(
                    f"the Numba body of `{label}` does not compile. It gets arrays of NumPy "
                    "(inputs read-only) and plain numbers for inputs without axes, and may use "
                    f"what Numba supports in nopython mode. Numba says: {error}"
                ) from error
    return body


def _jit(body, cache):
    # Without NumPy's error model a division by zero would raise.
    try:
        return numba.njit(error_model="numpy", cache=cache)(body)
    except RuntimeError:  # made in a notebook or a read-only place
        return numba.njit(error_model="numpy")(body)


def make_handler(name, body, label, inputs, outputs, in_place, statics, version):
    """Compile a body written with Numba into a handler of XLA's typed FFI.

    **Arguments:**

    - `name`: of the variant.
    - `body`: a Python function, or what `numba.njit` made of one.
    - `label`: what the user calls the operator.
    - `inputs`, `outputs`: dtype and number of axes of each, without the batch axes in front.
    - `in_place`: from the number of an input to that of the output with the same buffer.
    - `statics`: values handed over after the arrays.
    - `version`: the API version to report, `(major, minor)`.

    **Returns:** the address of the handler as an int, and what must be kept alive.
    """
    scope = {
        "carray": numba.carray, "data": data, "dim": dim, "pointer": pointer, "rank": rank,
        "read_only": _read_only, "batch_size": _batch_size, "start": _start, "argument": argument,
        "result": result, "create_error": _create_error, "i64": i64, "handshake": handshake,
    }  # fmt: skip
    lines, operands, argtypes = [], [], []

    def add(source, number, dtype, n_axes, writable):
        """One argument of the body: a number, or an array over a buffer's slice."""
        k = len(operands)
        scope[f"t{k}"] = numba.from_dtype(np.dtype(dtype))
        width = np.dtype(dtype).itemsize
        lines.append(f"b{k} = {source}(frame, {number})")
        place = f"pointer(start(b{k}, full, n_batch, position, {width}), t{k})"
        if not writable and n_axes == 0:
            operands.append(f"carray({place}, 1)[0]")
            argtypes.append(scope[f"t{k}"])
            return
        shape = "".join(f"dim(b{k}, {axis}), " for axis in range(-n_axes, 0))
        array = f"carray({place}, ({shape}))"
        operands.append(array if writable else f"read_only({array})")
        argtypes.append(types.Array(scope[f"t{k}"], n_axes, "C", readonly=not writable))

    for number, (dtype, n_axes) in enumerate(inputs):
        shared = number in in_place
        source = ("result", in_place[number]) if shared else ("argument", number)
        add(*source, dtype, n_axes, shared)
    for number, (dtype, n_axes) in enumerate(outputs):
        if number not in in_place.values():
            add("result", number, dtype, n_axes, True)
    for k, value in enumerate(statics):
        scope[f"s{k}"] = value
        operands.append(f"s{k}")
        argtypes.append(numba.typeof(value))

    scope["body"] = _compile_body(body, label, tuple(argtypes), len(statics))
    message = ctypes.create_string_buffer(
        f"the Numba body of `{label}` raised an exception; `{label}.check(...)` with the same "
        "arguments runs it in plain Python and shows it".encode()
    )
    scope["message"] = ctypes.addressof(message)
    scope["major"], scope["minor"] = version
    names = [f"x{k}" for k in range(len(operands))]
    call = f"body({', '.join(names)})"
    header = read_header()
    if re.search(_API_STRUCT, header) and re.search(_ERROR_STRUCT, header):
        create = f"create_error(i64(i64(frame + {_API}) + {_ERROR_CREATE}), message)"
        call = f"try:\n            {call}\n        except Exception:\n            return {create}"
    source = (
        "def handler(frame):\n"
        "    if handshake(frame, major, minor):\n"
        "        return 0\n"
        "    full = result(frame, 0)\n"
        f"    n_batch = rank(full) - {outputs[0][1]}\n"
        + "".join(f"    {line}\n" for line in lines)
        + "    for position in range(batch_size(full, n_batch)):\n"
        + "".join(f"        {n} = {x}\n" for n, x in zip(names, operands, strict=True))
        # Numba looks for an exception after every call within `try`, so there is but one.
        + f"        {call}\n"
        "    return 0\n"
    )
    # The number of operands differs from operator to operator, which Numba wants spelled out.
    exec(source, scope)
    address, compiled = compile_handler(scope["handler"], name)
    return address, (compiled, message, scope)
