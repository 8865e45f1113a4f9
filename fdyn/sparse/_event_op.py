"""Operators written by users: a reference in JAX, and faster bodies where they run."""

import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial, update_wrapper
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.typing import ArrayLike

from .._misc import nearest
from ._axes import alike, aval_like, over_batch
from ._event_op_check import check_count, compare, run_in_python
from ._native import native_enabled, native_target, use_native

_ACCELERATORS = ("cuda", "rocm", "tpu")
_KINDS = {"b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (4, 8), "c": (8, 16)}  # in bytes
_numbers = itertools.count()


def event_op(
    fn: Callable | None = None, *, in_place: Mapping[str, int] | None = None
) -> "Any | Callable[[Callable], Any]":
    r"""Make an operator of a function, to which faster bodies for single platforms can be added.

    The decorated function is the **reference**: it says in JAX what the operator computes. It is
    what runs where there is nothing better, what the derivatives are taken of, and what the other
    bodies are checked against. The operator is called like the function, and works under
    `jax.jit`, `jax.vmap`, `jax.jvp`, `jax.grad`, `jax.lax.scan` and whatever else transforms
    functions. Decorators of the operator add to it:

    - `@op.cpu`: the same for the CPU, as a function that Numba can compile, plain or already
        wrapped by `numba.njit`. XLA calls its machine code directly. It gets NumPy arrays and
        returns nothing: first the inputs, read-only, or as plain numbers if they have no axes;
        those named by `in_place` are to be written into; then the other outputs, to be filled.
    - `@op.accelerator("cuda")`, also `"rocm"`, `"tpu"`, or several: the same in JAX, made for
        accelerators, for instance by a Pallas kernel. Signature and results as the reference.
    - `@op.def_jvp`: the derivative, if that of the reference will not do, with the contract of
        `jax.custom_jvp`: `rule(primals, tangents)` returns outputs and their tangents.
    - `op.check(*args)` runs all bodies that can run here and compares them.

    **Arguments:**

    - `fn`: the reference, from arrays to an array or a tuple of arrays, without side effects.
        Keyword-only arguments are static options: hashable values that every body is given.
    - `in_place`: name of an argument -> number of the output that replaces it; shape and dtype
        are the same. In the carry of a loop it is updated where it lies. Default: none.

    **Returns:** the operator; without `fn`, the decorator.

    **Raises:** `ValueError` if `in_place` or a body's signature does not fit the reference.
    Calls raise `TypeError` for what is no array, and `ValueError` if the outputs are not as
    `in_place` needs them, or the Numba body does not compile.

    ```python
    >>> import jax, jax.numpy as jnp
    >>> @event_op(in_place={"y": 0})
    ... def deposit(y, s, targets):
    ...     return y.at[targets].add(s[:, None])
    >>> @deposit.cpu
    ... def _(y, s, targets):
    ...     for i in range(s.size):
    ...         if s[i] != 0:
    ...             for k in range(targets.shape[1]):
    ...                 y[targets[i, k]] += s[i]
    >>> s, targets = jnp.array([0.0, 2.0]), jnp.array([[0, 1], [1, 2]])
    >>> print(deposit(jnp.ones(3), s, targets))
    [1. 3. 3.]
    >>> print(jax.grad(lambda s: deposit(jnp.ones(3), s, targets)[2])(s))
    [0. 1.]

    ```

    **Source:** none; a convention of this library.
    """
    if fn is None:
        return lambda fn: event_op(fn, in_place=in_place)
    return EventOp(fn, in_place or {})


class EventOp:
    """An operator made by `event_op`, which describes it."""

    def __init__(self, reference: Callable, in_place: Mapping[str, int]):
        update_wrapper(self, reference)
        # Without one of its own, `help` would describe this class.
        self.__doc__ = reference.__doc__ or "An operator made by `event_op`; it has no docstring."
        self._label = getattr(reference, "__name__", "operator")
        self._reference = reference
        self._signature = inspect.signature(reference)
        kinds = {name: p.kind for name, p in self._signature.parameters.items()}
        for name, kind in kinds.items():
            if kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
                raise ValueError(f"`{self._label}` has `{name}` of any number; name each argument")
        self._options = [n for n, k in kinds.items() if k is inspect.Parameter.KEYWORD_ONLY]
        self._names = [name for name in kinds if name not in self._options]
        if not self._names:
            raise ValueError(f"`{self._label}` takes no array; an operator needs one")
        for name in in_place:
            if name not in self._names:
                raise ValueError(
                    f"`in_place` of `{self._label}` names `{name}`, which is no array argument. "
                    + nearest(name, self._names)
                )
        if len(set(in_place.values())) < len(in_place):
            raise ValueError(f"`in_place` of `{self._label}` gives one output to two arguments")
        self._in_place = {self._names.index(name): out for name, out in in_place.items()}
        self._cpu: Callable | None = None
        self._accelerators: dict[str, Callable] = {}
        self._rule: Callable | None = None
        self._targets: dict[Any, str] = {}
        self._traced = jax.jit(self._listed, static_argnames=self._options)
        self._primitive = Primitive(f"event_op_{self._label}")
        self._primitive.multiple_results = True
        self._define()

    def __call__(self, *args: ArrayLike, **kwargs: Any) -> Any:
        """The outputs, by the best body for the platform."""
        arrays, static = self._bind(args, kwargs)
        native = native_enabled()
        outs = self._primitive.bind(*alike(arrays), n_batch=0, static=static, native=native)
        return self._pack(outs, arrays, static)

    def __repr__(self) -> str:
        bodies = ["reference", *(["cpu"] if self._cpu else []), *self._accelerators]
        return f"<event_op {self._label}{self._signature}: {', '.join(bodies)}>"

    # --- what is added to it --------------------------------------------------------------------

    def cpu(self, body: Callable) -> Callable:
        """Add the body for the CPU, which Numba compiles."""
        self._check_options(getattr(body, "py_func", body), "Numba")
        self._cpu = body
        return body

    def accelerator(self, *platforms: str) -> Callable[[Callable], Callable]:
        """Add the body for `"cuda"`, `"rocm"` or `"tpu"`."""
        for platform in platforms or ("",):
            if platform not in _ACCELERATORS:
                raise ValueError(f"no accelerator {platform!r}. {nearest(platform, _ACCELERATORS)}")

        def add(body: Callable) -> Callable:
            self._check_options(body, "accelerator")
            for platform in platforms:
                self._accelerators[platform] = body
                lowering = mlir.lower_fun(partial(self._lower_accelerator, platform))
                mlir.register_lowering(self._primitive, lowering, platform=platform)
            return body

        return add

    def def_jvp(self, rule: Callable) -> Callable:
        """Give the derivative: `rule(primals, tangents)` -> outputs, their tangents."""
        self._rule = rule
        return rule

    def _check_options(self, body: Callable, kind: str) -> None:
        parameters = inspect.signature(body).parameters.values()
        options = {p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}
        if options != set(self._options):
            wanted = ", ".join(self._options)
            raise ValueError(
                f"the {kind} body of `{self._label}` has the static options {sorted(options)}, "
                f"expected those of the reference, {sorted(self._options)}"
                + (f", as keyword-only arguments, after a star: (..., *, {wanted})" * bool(wanted))
            )
        n_arrays = len(parameters) - len(options)
        if n_arrays < len(self._names) or (kind != "Numba" and n_arrays > len(self._names)):
            raise ValueError(
                f"the {kind} body of `{self._label}` takes {n_arrays} arrays, expected those of "
                f"the reference, {', '.join(self._names)}"
                + (", and its outputs that are not in place" if kind == "Numba" else "")
            )

    def check(self, *args: ArrayLike, tolerance: float | None = None, **kwargs: Any) -> None:
        r"""Compare all bodies that can run here with the reference, on the given arguments.

        The body for the CPU runs twice: as plain Python, slowly, where an index out of range, a
        write to an input or an element of an output left unwritten shows; and compiled.

        **Arguments:**

        - `args`, `kwargs`: of a call of the operator.
        - `tolerance`: largest difference as a part of the largest entry of an output. Default: a
            thousand times the rounding error of the dtype.

        **Raises:** `AssertionError` if outputs differ, `ValueError` if the body takes another
        number of arguments than it is given, and what the body raises.
        """
        arrays, static = self._bind(args, kwargs)
        outs, _ = self._outline(arrays, static)
        with use_native(False):
            reference = self._primitive.bind(*arrays, n_batch=0, static=static, native=False)
        if self._cpu is not None:
            options = {name: value for name, value, _ in static}
            body = getattr(self._cpu, "py_func", self._cpu)
            n_fresh = len(outs) - len(self._in_place)
            check_count(body, self._label, len(arrays) + n_fresh, len(options))
            found = run_in_python(body, arrays, outs, self._in_place, options)
            compare(f"`{self._label}` as plain Python", found, reference, tolerance)
        found = self._primitive.bind(*arrays, n_batch=0, static=static, native=native_enabled())
        where = f"`{self._label}` as compiled for {jax.default_backend()}"
        compare(where, found, reference, tolerance)

    # --- from the call to the primitive ---------------------------------------------------------

    def _bind(self, args, kwargs) -> tuple[list[jax.Array], tuple]:
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(
                f"`{self._label}{self._signature}` was called otherwise: {error}"
            ) from None
        bound.apply_defaults()
        arrays, static = [], []
        for name in self._names:
            try:
                arrays.append(jnp.asarray(bound.arguments[name]))
            except (TypeError, ValueError):
                raise TypeError(
                    f"`{name}` of `{self._label}` is {bound.arguments[name]!r}, expected an array "
                    "or a number; what is neither goes into a keyword-only argument"
                ) from None
        for name in self._options:
            value = bound.arguments[name]
            try:
                hash(value)
            except TypeError:
                raise TypeError(
                    f"the static option `{name}` of `{self._label}` is {value!r}, expected "
                    "something hashable; arrays go into positional arguments"
                ) from None
            static.append((name, value, type(value)))  # 1, 1.0 and True are equal
        return arrays, tuple(static)

    def _listed(self, *args, **options):
        """The reference, its results as a list after a check of what they are."""
        outs = self._reference(*args, **options)
        listed = list(outs) if isinstance(outs, tuple) else [outs]
        for out in listed:
            if not isinstance(out, jax.Array | np.ndarray):
                raise TypeError(
                    f"the reference of `{self._label}` returns {out!r}, expected an array or a "
                    "tuple of arrays"
                )
        return (listed,) if isinstance(outs, tuple) else listed

    def _outline(self, avals: Sequence, static: tuple):
        """Shapes of the reference's results, and whether they are a tuple; cached by JAX."""
        shapes = [
            jax.ShapeDtypeStruct(a.shape, a.dtype, weak_type=getattr(a, "weak_type", False))
            for a in avals
        ]
        traced = self._traced.trace(*shapes, **{name: value for name, value, _ in static})
        if traced.jaxpr.effects:
            raise ValueError(
                f"the reference of `{self._label}` has side effects "
                f"({', '.join(map(str, traced.jaxpr.effects))}), which an operator cannot have"
            )
        outs = traced.out_info
        is_tuple = isinstance(outs, tuple)
        outs = outs[0] if is_tuple else outs
        if not outs:
            raise ValueError(f"the reference of `{self._label}` returns no array")
        for number, out in self._in_place.items():
            found = outs[out] if 0 <= out < len(outs) else None
            aval = avals[number]
            if found is None or (found.shape, found.dtype) != (aval.shape, aval.dtype):
                what = "missing" if found is None else f"{found.dtype}{list(found.shape)}"
                raise ValueError(
                    f"`in_place` of `{self._label}` puts output {out} in place of "
                    f"`{self._names[number]}`, {aval.dtype}{list(aval.shape)}, but that output "
                    f"is {what}; it must have the same shape and dtype"
                )
        return outs, is_tuple

    def _pack(self, outs, arrays, static):
        return tuple(outs) if self._outline(arrays, static)[1] else outs[0]

    # --- the rules of the primitive -------------------------------------------------------------

    def _define(self) -> None:
        primitive = self._primitive
        params = ("n_batch", "static", "native")
        primitive.def_impl(jax.jit(primitive.bind, static_argnames=params))
        primitive.def_abstract_eval(self._abstract)
        ad.primitive_jvps[primitive] = self._jvp
        batching.primitive_batchers[primitive] = self._batch
        mlir.register_lowering(primitive, mlir.lower_fun(self._lower_reference))
        mlir.register_lowering(primitive, mlir.lower_fun(self._lower_cpu), platform="cpu")

    def _abstract(self, *avals, n_batch, static, native=True):
        core = [ShapedArray(a.shape[n_batch:], a.dtype, weak_type=a.weak_type) for a in avals]
        batch = np.broadcast_shapes(*(a.shape[:n_batch] for a in avals))
        outs, _ = self._outline(core, static)
        return [aval_like(avals[0], batch + out.shape, out.dtype) for out in outs]

    def _run(self, body: Callable, args, n_batch: int, static: tuple) -> list:
        """The outputs of a JAX body over all batch axes, as a list."""

        def fn(*args):
            outs = body(*args, **{name: value for name, value, _ in static})
            return list(outs) if isinstance(outs, tuple) else [outs]

        return over_batch(fn, args, n_batch)

    def _jvp(self, primals, tangents, *, n_batch, static, native):
        def is_live(x):
            return type(x) is not ad.Zero and x.dtype != jax.dtypes.float0

        live = [is_live(tangent) for tangent in tangents]
        if self._rule is not None:
            outs, d_outs = self._by_rule(primals, tangents, live, n_batch, static)
        else:
            outs = self._primitive.bind(*primals, n_batch=n_batch, static=static, native=native)

            def reference(*moving):
                rest = iter(moving)
                args = [next(rest) if m else x for m, x in zip(live, primals, strict=True)]
                return self._run(self._reference, args, n_batch, static)

            _, d_outs = jax.jvp(
                reference,
                [x for m, x in zip(live, primals, strict=True) if m],
                [x for m, x in zip(live, tangents, strict=True) if m],
            )
        zeros = [ad.Zero(jax.typeof(out).to_tangent_aval()) for out in outs]
        return outs, [d if is_live(d) else zero for d, zero in zip(d_outs, zeros, strict=True)]

    def _by_rule(self, primals, tangents, live, n_batch, static):
        """Outputs and tangents by the user's rule; what has no tangent gets zeros."""
        n = len(primals)
        smooth = [_is_smooth(x) for x in primals]
        moving = [
            tangent if is_live else jnp.zeros_like(primal)
            for primal, tangent, is_live, m in zip(primals, tangents, live, smooth, strict=True)
            if m
        ]

        def fn(*args):
            primals, rest = args[:n], iter(args[n:])
            tangents = [
                next(rest) if m else np.zeros(np.shape(x), jax.dtypes.float0)
                for x, m in zip(primals, smooth, strict=True)
            ]
            options = {name: value for name, value, _ in static}
            outs, d_outs = self._rule(tuple(primals), tuple(tangents), **options)  # pyright: ignore
            if not isinstance(outs, tuple):
                outs, d_outs = (outs,), (d_outs,)
            # Tangents of integers are of a dtype that cannot be batched.
            pairs = zip(outs, d_outs, strict=True)
            return [*outs, *(d for out, d in pairs if _is_smooth(out))]

        results = over_batch(fn, [*primals, *moving], n_batch)
        n_outs = len(self._abstract(*map(jax.typeof, primals), n_batch=n_batch, static=static))
        outs, rest = results[:n_outs], iter(results[n_outs:])
        no_tangent = np.zeros((), jax.dtypes.float0)
        return outs, [next(rest) if _is_smooth(out) else no_tangent for out in outs]

    def _batch(self, args, axes, *, n_batch, **params):
        mapped = [axis is not None for axis in axes]
        size = next(x.shape[axis] for x, axis in zip(args, axes, strict=True) if axis is not None)
        front = [
            x[None] if axis is None else jnp.moveaxis(x, axis, 0)
            for x, axis in zip(args, axes, strict=True)
        ]
        if size == 1:
            mapped = [True] * len(args)
        for number in self._in_place:
            if not mapped[number]:
                front[number] = jnp.broadcast_to(front[number], (size, *front[number].shape[1:]))
        outs = self._primitive.bind(*front, n_batch=n_batch + 1, **params)
        return outs, [0] * len(outs)

    # --- lowering -------------------------------------------------------------------------------

    def _lower_reference(self, *args, n_batch, static, native):
        return self._run(self._reference, args, n_batch, static)

    def _lower_accelerator(self, platform, *args, n_batch, static, native):
        if not native:
            return self._run(self._reference, args, n_batch, static)
        outs = self._run(self._accelerators[platform], args, n_batch, static)
        expected = self._abstract(*map(jax.typeof, args), n_batch=n_batch, static=static)
        found = [(out.shape, out.dtype) for out in outs]
        if found != [(aval.shape, aval.dtype) for aval in expected]:
            raise ValueError(
                f"the {platform} body of `{self._label}` returns {_show(outs)}, expected "
                f"{_show(expected)} as from the reference"
            )
        return outs

    def _lower_cpu(self, *args, n_batch, static, native):
        avals = [jax.typeof(x) for x in args]
        outs = self._abstract(*avals, n_batch=n_batch, static=static)
        target = None
        if native and self._cpu is not None and all(map(_is_plain, (*avals, *outs))):
            target = self._target(avals, outs, n_batch, static)
        if target is None:
            return self._run(self._reference, args, n_batch, static)
        shapes = [jax.ShapeDtypeStruct(out.shape, out.dtype) for out in outs]
        call = jax.ffi.ffi_call(target, shapes, input_output_aliases=self._in_place)
        batch = outs[0].shape[:n_batch]
        whole = [
            jnp.broadcast_to(x, batch + x.shape[n_batch:]) if number in self._in_place else x
            for number, x in enumerate(args)
        ]
        return call(*whole)

    def _target(self, avals, outs, n_batch, static) -> str | None:
        inputs = tuple((aval.dtype.name, aval.ndim - n_batch) for aval in avals)
        outputs = tuple((aval.dtype.name, aval.ndim - n_batch) for aval in outs)
        key = self._cpu, inputs, outputs, static
        name = self._targets.setdefault(key, f"fdyn_event_op_{self._label}_{next(_numbers)}")
        values = {name: value for name, value, _ in static}
        body: Any = getattr(self._cpu, "py_func", self._cpu)
        parameters = inspect.signature(body).parameters
        statics = tuple(values[name] for name in parameters if name in values)
        return native_target(
            name, "_event_op_handler", self._cpu, self._label, inputs, outputs, self._in_place,
            statics,
        )  # fmt: skip


def _is_plain(aval) -> bool:
    """Whether Numba knows the dtype."""
    dtype = aval.dtype
    return isinstance(dtype, np.dtype) and dtype.itemsize in _KINDS.get(dtype.kind, ())


def _is_smooth(x) -> bool:
    return jnp.issubdtype(x.dtype, jnp.inexact)


def _show(arrays) -> str:
    return ", ".join(f"{x.dtype}{list(x.shape)}" for x in arrays)
