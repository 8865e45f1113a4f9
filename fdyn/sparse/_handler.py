"""Machine code for the sparse products, compiled by Numba and called by XLA itself.

Imported only at the first use on a CPU, since it imports Numba.
"""
# Numba supplies the first argument of an intrinsic, which a type checker cannot know.
# pyright: reportCallIssue=false

import numpy as np
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

_LINE = 64  # bytes of a cache line
_BLOCK = 2 * _LINE  # bytes of spikes tested at once
_CAPACITY = 1024  # active rows listed before they are worked off
_AHEAD = 3  # rows between the one fetched and the one used
_MAX_LINES = 16  # per row and array; the hardware prefetcher follows from there


# Not inlined by Numba: compiled once for all variants, and inlined by LLVM.
_helper = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)


def _load(builder, address, llvm_type, align):
    pointer = builder.inttoptr(address, llvm_type.as_pointer())
    return builder.load(pointer, align=align)


@intrinsic
def _i64(typingctx, address):
    def codegen(context, builder, signature, args):
        return _load(builder, args[0], ir.IntType(64), 4)

    return types.int64(types.int64), codegen


@intrinsic
def _i32(typingctx, address):
    def codegen(context, builder, signature, args):
        return _load(builder, args[0], ir.IntType(32), 4)

    return types.int32(types.int64), codegen


@intrinsic
def _pointer(typingctx, address, dtype):
    target = types.CPointer(dtype.dtype)

    def codegen(context, builder, signature, args):
        return builder.inttoptr(args[0], context.get_value_type(target))

    return target(types.int64, dtype), codegen


@intrinsic
def _stack_rows(typingctx):
    def codegen(context, builder, signature, args):
        return cgutils.alloca_once(builder, ir.IntType(32), size=_CAPACITY)

    return types.CPointer(types.int32)(), codegen


@intrinsic
def _prefetch(typingctx, address):
    def codegen(context, builder, signature, args):
        byte = ir.IntType(8).as_pointer()
        flag = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        hints = [ir.Constant(flag, hint) for hint in (0, 3, 1)]  # read, keep, data
        builder.call(function, [builder.inttoptr(args[0], byte), *hints])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@_helper
def _prefetch_span(start, stop):
    stop = min(stop, start + _MAX_LINES * _LINE)
    while start < stop:
        _prefetch(start)
        start += _LINE


@_helper
def _argument(frame, index):
    return _i64(_i64(frame + _ARGS) + 8 * index)


@_helper
def _dim(buffer, axis):
    """Size of an axis; negative axes count from the last."""
    rank = _i64(buffer + _RANK)
    return _i64(_i64(buffer + _DIMS) + 8 * (axis + rank if axis < 0 else axis))


@_helper
def _batch_dim(buffers, axis):
    """Size of a batch axis: the sizes of the three operands broadcast against each other."""
    return max(_dim(buffers[0], axis), _dim(buffers[1], axis), _dim(buffers[2], axis))


@_helper
def _batch_size(buffers, rank):
    """Number of products."""
    size = 1
    for axis in range(rank):
        size *= _batch_dim(buffers, axis)
    return size


@_helper
def _batch_offset(buffer, buffers, rank, position):
    """Number of a buffer's slice for product `position`; axes of size 1 are repeated."""
    offset, stride = 0, 1
    for axis in range(rank - 1, -1, -1):
        full, own = _batch_dim(buffers, axis), _dim(buffer, axis)
        if own > 1:
            offset += (position % full) * stride
        stride *= own
        position //= full
    return offset


@_helper
def _answer_metadata(frame, extension, major, minor):
    """Report the API version; left unset, XLA refuses the handler, if a struct is too small."""
    metadata = _i64(extension + _METADATA)
    if _i64(frame) >= _FRAME_SIZE and _i64(metadata) >= _METADATA_SIZE:
        _pointer(metadata + _MAJOR, types.int32)[0] = major
        _pointer(metadata + _MINOR, types.int32)[0] = minor
        _pointer(metadata + _TRAITS, types.int32)[0] = 0


@_helper
def _collect(s, address, width, mask, i, n, rows):
    """List the active rows from the `i`-th on: where to go on, and how many were found."""
    block = _BLOCK // width
    count = 0
    while i + block <= n and count + block <= _CAPACITY:
        bits = 0
        for word in range(_BLOCK // 8):
            bits |= _i64(address + i * width + 8 * word)
        if bits & mask:
            for j in range(i, i + block):
                rows[count] = j
                count += 1 if s[j] != 0 else 0
        i += block
    if i + block > n:
        while i < n and count < _CAPACITY:
            rows[count] = i
            count += 1 if s[i] != 0 else 0
            i += 1
    return i, count


def make_handler(role, per_synapse, fan_out, dtype, version):
    """Compile one variant of the product into a handler of XLA's typed FFI.

    The operands are the accumulator, the two factors, the targets and, unless `fan_out`, the
    row pointers; the one result shares its buffer with the accumulator.

    **Arguments:**

    - `role`: what the product yields: `"g"` post-synaptic sums, `"s"` pre-synaptic ones, `"w"`
        weights.
    - `per_synapse`: whether each synapse has its own weight.
    - `fan_out`: whether all rows have the same length, given by the shape of the targets.
    - `dtype`: `"float32"` or `"float64"`.
    - `version`: the API version to report, `(major, minor)`.

    **Returns:** the address of the handler as an int, to be wrapped in a capsule, and the
    compiled callback that must be kept alive as long as the handler is.
    """
    major, minor = version
    real = types.float32 if dtype == "float32" else types.float64
    width = np.dtype(dtype).itemsize
    # All bits but the signs, so that -0.0 is no spike.
    mask = 0x7FFFFFFF_7FFFFFFF if dtype == "float32" else 0x7FFFFFFF_FFFFFFFF
    to_post, to_pre, to_weight = role == "g", role == "s", role == "w"
    # Operand numbers of the weights, the pre- and the post-synaptic vector.
    at_w, at_s, at_g = {"g": (1, 2, 0), "s": (1, 0, 2), "w": (0, 1, 2)}[role]

    def handler(frame):
        extension = _i64(frame + _EXTENSION)
        if extension != 0:
            if _i32(extension + _EXTENSION_TYPE) == _METADATA_TYPE:
                _answer_metadata(frame, extension, major, minor)
                return 0
        acc = _argument(frame, 0)
        buffers = (acc, _argument(frame, 1), _argument(frame, 2))
        targets = _argument(frame, 3)
        post_of = _pointer(_i64(targets + _DATA), types.int32)
        post_address = _i64(targets + _DATA)
        n_pre = _dim(buffers[at_s], -1)
        n_post = _dim(buffers[at_g], -1)
        rank = _i64(buffers[at_s] + _RANK) - 1
        if fan_out:
            pitch = _dim(targets, 1)
            n_synapses = n_pre * pitch
            rows_address = 0
            row_start = _pointer(0, types.int32)
        else:
            pitch = 0
            n_synapses = _dim(targets, 0)
            rows_address = _i64(_argument(frame, 4) + _DATA)
            row_start = _pointer(rows_address, types.int32)
        n_weights = n_synapses if per_synapse else 1
        rows = _stack_rows()

        # XLA copies the accumulator if it may not be overwritten, so the two are one buffer.
        result = _i64(_i64(frame + _RETS))
        result_data = _i64(result + _DATA)

        for position in range(_batch_size(buffers, rank)):
            w_data = result_data if to_weight else _i64(buffers[at_w] + _DATA)
            s_data = result_data if to_pre else _i64(buffers[at_s] + _DATA)
            g_data = result_data if to_post else _i64(buffers[at_g] + _DATA)
            if rank > 0:
                w_data += _batch_offset(buffers[at_w], buffers, rank, position) * n_weights * width
                s_data += _batch_offset(buffers[at_s], buffers, rank, position) * n_pre * width
                g_data += _batch_offset(buffers[at_g], buffers, rank, position) * n_post * width
            w = _pointer(w_data, real)
            s = _pointer(s_data, real)
            g = _pointer(g_data, real)
            total = real(0)

            i = 0
            while i < n_pre:
                if to_pre:
                    count = min(_CAPACITY, n_pre - i)
                    for k in range(count):
                        rows[k] = i + k
                    i += count
                else:
                    i, count = _collect(s, s_data, width, mask, i, n_pre, rows)

                for k in range(count):
                    if k + _AHEAD < count:
                        row = np.int64(rows[k + _AHEAD])
                        if fan_out:
                            lo, hi = row * pitch, (row + 1) * pitch
                        else:
                            ahead = min(k + 2 * _AHEAD, count - 1)
                            _prefetch(rows_address + 4 * np.int64(rows[ahead]))
                            lo, hi = np.int64(row_start[row]), np.int64(row_start[row + 1])
                        _prefetch_span(post_address + 4 * lo, post_address + 4 * hi)
                        if per_synapse:
                            _prefetch_span(w_data + width * lo, w_data + width * hi)
                    row = np.int64(rows[k])
                    if fan_out:
                        lo, hi = row * pitch, (row + 1) * pitch
                    else:
                        lo, hi = np.int64(row_start[row]), np.int64(row_start[row + 1])
                        # Indices that no constructor has seen (made under jit) stay harmless.
                        lo, hi = max(lo, 0), min(hi, n_synapses)

                    if to_post:
                        value = s[row] if per_synapse else s[row] * w[0]
                        for p in range(lo, hi):
                            j = np.uint32(post_of[p])
                            if j < n_post:
                                g[j] += value * w[p] if per_synapse else value
                    elif to_pre:
                        value = real(0)
                        for p in range(lo, hi):
                            j = np.uint32(post_of[p])
                            if j < n_post:
                                value += w[p] * g[j] if per_synapse else g[j]
                        s[row] += value if per_synapse else value * w[0]
                    elif per_synapse:
                        value = s[row]
                        for p in range(lo, hi):
                            j = np.uint32(post_of[p])
                            if j < n_post:
                                w[p] += value * g[j]
                    else:
                        value = real(0)
                        for p in range(lo, hi):
                            j = np.uint32(post_of[p])
                            if j < n_post:
                                value += g[j]
                        total += s[row] * value
            if to_weight and not per_synapse:
                w[0] += total
        return 0

    # Distinct names keep the variants apart in Numba's cache and symbol table.
    kind = "synapse" if per_synapse else "scalar"
    handler.__qualname__ = handler.__name__ = (
        f"fdyn_sparse_{role}_{kind}_{'fan_out' if fan_out else 'csr'}_{dtype}"
    )
    signature = types.int64(types.int64)
    options = {"error_model": "numpy", "fastmath": {"contract", "reassoc"}}
    try:
        compiled = cfunc(signature, cache=True, **options)(handler)
    except RuntimeError:  # no directory that a cache could be written to
        compiled = cfunc(signature, **options)(handler)
    return compiled.address, compiled
