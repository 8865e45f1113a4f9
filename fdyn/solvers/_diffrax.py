"""Any solver of diffrax as a fixed-step solver."""

from typing import Any, cast

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx
from jax import Array
from jax.flatten_util import ravel_pytree
from jaxtyping import PyTree

from .._misc import child_key
from ..components._base import AbstractComponent, Args, vector_field
from ._base import AbstractStepSolver
from ._newton import StepNewton
from ._noise import fine_enough, is_coefficient, on_path, processes, product

# Solvers of diffrax that take the drift and the noise as two terms.
_STOCHASTIC = (
    diffrax.AbstractSRK,
    diffrax.EulerHeun,
    diffrax.ItoMilstein,
    diffrax.StratonovichMilstein,
)
_LEVY_AREAS = (
    diffrax.BrownianIncrement,
    diffrax.SpaceTimeLevyArea,
    diffrax.SpaceTimeTimeLevyArea,
)


class Diffrax(AbstractStepSolver):
    r"""Any solver of diffrax, explicit, implicit or stochastic, with fixed steps.

    Explicit Runge-Kutta methods of high order (`diffrax.Dopri8()`), implicit ones for stiff models
    (`diffrax.Kvaerno5()`), stochastic ones (`diffrax.ShARK()`) with the Lévy areas that they need.
    Its noise is read as the solver reads it: in the sense of Itô by `diffrax.Euler` and
    `diffrax.ItoMilstein`, in that of Stratonovich by all others that take noise (where the noise
    is additive there is no difference). `order` is that of the solver for equations without noise,
    or its strong order if it is for noise only.

    The derivative at the end of a step is not used again at the start of the next, since inputs
    and memory change there. A solver that remembers earlier states (`diffrax.LeapfrogMidpoint`,
    `diffrax.ReversibleHeun`) starts anew where a jump has changed the state. The equations of an
    implicit step are solved with dense matrices over the whole state; where that does not
    converge, the state becomes NaN, which the driver reports.

    **Arguments:**

    - `solver`: an instance. Tolerances of an implicit solver's root finder that are left open are
      1e-8 (relative) and 1e-10 in double, 1e-5 and 1e-6 in single precision.
    - `brownian`: a Brownian path such as that of `brownian_path`, with the Lévy area that the
      solver needs; by default fresh increments, those of `EulerMaruyama`.

    **Raises:** `ValueError` for something else than a solver of diffrax, for one that wants the
    equation in parts (implicit-explicit, symplectic and Langevin methods), and for a model with
    noise where the solver is for none.

    ```python
    >>> import diffrax
    >>> from fdyn import simulate
    >>> from fdyn.components import LIF
    >>> run = simulate(LIF(1, v_init=-60.0), 20.0, dt=0.5, solver=Diffrax(diffrax.Tsit5()))
    >>> round(float(run.state.model.y["v"][0]), 4)  # -65 + 5 exp(-1)
    -63.1606

    ```

    **Source:** Kidger 2021, On Neural Differential Equations (thesis, Oxford), chapter 5.
    """

    solver: diffrax.AbstractSolver
    brownian: diffrax.AbstractBrownianPath | None = None

    def __check_init__(self):
        _check(self.solver)

    @property
    def order(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """That of the solver."""
        none: Any = None
        order = self.solver.strong_order if _is_stochastic(self.solver) else self.solver.order
        return cast(float, order(none))

    def init(self, model: AbstractComponent, state: Any, dt: float) -> PyTree:
        """Empty, or what a solver that remembers earlier states needs."""
        del dt
        remembers = isinstance(
            _inner(self.solver), diffrax.LeapfrogMidpoint | diffrax.ReversibleHeun
        )
        if not remembers or not jax.tree.leaves(state.y):
            return ()
        one = jnp.ones((), jnp.result_type(*jax.tree.leaves(state.y)))

        def first() -> PyTree:
            y, args, zero = state.y, Args(state.mem), 0 * one
            terms = terms_of(self.solver, model, zero, y, args, jax.random.key(0), None, one)
            return self.solver.init(terms, zero, one, y, args)

        blank = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), eqx.filter_eval_shape(first))
        return _Memory(blank, state.y, jnp.array(False))

    def step(
        self,
        model: AbstractComponent,
        t: Array,
        dt: Array,
        y: PyTree,
        args: Args,
        solver_state: PyTree,
        key: Array,
    ) -> tuple[PyTree, PyTree]:
        """One step of the solver."""
        if not jax.tree.leaves(y):
            return y, solver_state
        # Times within the step: in single precision t + dt - t is far from dt late in a run.
        start, end = jnp.zeros_like(dt), fine_enough(self.brownian, dt)
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            solver = closed(self.solver, jnp.result_type(*jax.tree.leaves(y)))
            terms = terms_of(solver, model, t, y, args, key, self.brownian, dt)
            stochastic = isinstance(solver, diffrax.AbstractSRK)

            def first() -> PyTree:
                try:
                    return solver.init(terms, start, end, y, args)
                except ValueError as e:
                    if not (stochastic and solver.tableau.is_additive_noise()):
                        raise
                    raise ValueError(
                        f"diffrax.{type(self.solver).__name__} is for additive noise, and the "
                        f"noise of this {type(model).__name__} depends on its state. Use "
                        "diffrax.SPaRK() (in the sense of Stratonovich)."
                    ) from e

            jumped: Any = True
            if isinstance(solver_state, _Memory):
                same = [
                    jnp.array_equal(a, b)
                    for a, b in zip(*map(jax.tree.leaves, (y, solver_state.y)), strict=True)
                ]
                jumped = ~(solver_state.started & jnp.all(jnp.stack(same)))
                inner = jax.lax.cond(jumped, first, lambda: solver_state.inner)
            else:
                inner = first()
            new, _, _, inner, result = solver.step(terms, start, end, y, args, inner, jumped)
            if isinstance(_inner(solver), diffrax.LeapfrogMidpoint):
                inner = (inner[0] - dt, inner[1])  # the time of the state it remembers
        if isinstance(self.solver, diffrax.AbstractImplicitSolver):
            ok = result == diffrax.RESULTS.successful
            new = jax.tree.map(lambda x: jnp.where(ok, x, jnp.nan), new)
        if isinstance(solver_state, _Memory):
            solver_state = _Memory(inner, new, jnp.array(True))
        return new, solver_state


def terms_of(
    solver: diffrax.AbstractSolver,
    model: AbstractComponent,
    t: Array,
    y: PyTree,
    args: Args,
    key: Array,
    brownian: diffrax.AbstractBrownianPath | None,
    dt: Array,
) -> Any:
    """The flow and the noise of a model from `t` on, as a solver of diffrax takes them.

    Without a Brownian path the increments, over steps of `dt`, are fresh ones.
    """
    drift = diffrax.ODETerm(_Field(model, t))
    noise = model.diffusion(t, y, args)
    stochastic = _is_stochastic(solver)
    if noise is None and not stochastic:
        return drift
    name = f"diffrax.{type(_inner(solver)).__name__}"
    known = (diffrax.AbstractItoSolver, diffrax.AbstractStratonovichSolver)
    if not isinstance(solver, known):
        raise ValueError(
            f"Diffrax({name}()) is for equations without noise, but this {type(model).__name__} "
            "has some (its diffusion is not None). Use a stochastic solver such as "
            "diffrax.ShARK() (additive noise) or diffrax.SPaRK(), or EulerMaruyama()."
        )
    area = levy_area(solver)
    if brownian is None and isinstance(solver, diffrax.HalfSolver):
        # It asks for the same path over the step and over its halves.
        needed = {} if noise is None else processes(noise, y)
        brownian = diffrax.VirtualBrownianTree(t, t + dt, dt / 4, needed, key, levy_area=area)
    elif brownian is not None and not issubclass(brownian.levy_area, _least(solver)):
        raise ValueError(
            f"{name} needs a Brownian path with levy_area=diffrax.{area.__name__}, got "
            f"diffrax.{brownian.levy_area.__name__}."
        )
    flat = isinstance(_inner(solver), diffrax.ItoMilstein)
    return diffrax.MultiTerm(drift, _Noise(model, t, y, args, brownian, key, area, flat))


class _Memory(eqx.Module):
    """What a solver remembers, and the state that it left behind."""

    inner: PyTree
    y: PyTree
    started: Array


class _Field(eqx.Module):
    """The flow of a model from `t` on."""

    model: AbstractComponent
    t: Array

    def __call__(self, s: Any, y: PyTree, args: Args) -> PyTree:
        return vector_field(self.model)(self.t + s, y, args)


class _Noise(diffrax.AbstractTerm):
    """The noise of a model from `t` on."""

    model: AbstractComponent
    t: Array
    y: PyTree
    args: Args
    path: diffrax.AbstractBrownianPath | None
    key: Array
    area: Any = eqx.field(static=True)
    # Whether all increments are to be one vector, as diffrax.ItoMilstein needs them.
    flat: bool = eqx.field(static=True)

    def vf(self, t: Array, y: PyTree, args: Args) -> PyTree:  # pyright: ignore
        """The coefficients."""
        noise = self.model.diffusion(self.t + t, y, args)

        def spread(g: Any, part: Any) -> Any:
            return g if is_coefficient(g) else jnp.broadcast_to(g, part.shape)

        return jax.tree.map(spread, noise, y, is_leaf=is_coefficient)

    def contr(self, t0: Array, t1: Array, use_levy: bool = False) -> Any:  # pyright: ignore
        """The increments of the Wiener processes, with their Lévy areas if asked for."""
        needed, dt = self.needed(), t1 - t0
        if self.path is not None:
            found = on_path(self.path, needed, self.t + t0, dt, levy=use_levy)
            return ravel_pytree(found)[0] if self.flat else found

        def draw(part: str, variance: float) -> dict[str, Array]:
            key = child_key(self.key, part) if part else self.key
            return {
                p: jnp.sqrt(dt * variance).astype(s.dtype)
                * jax.random.normal(child_key(key, p), s.shape, s.dtype)
                for p, s in needed.items()
            }

        parts = {"W": draw("", 1.0)}
        if not use_levy:
            return ravel_pytree(parts["W"])[0] if self.flat else parts["W"]
        # The variances of the space-time and the space-time-time Lévy area.
        if self.area is not diffrax.BrownianIncrement:
            parts["H"] = draw("space-time area", 1 / 12)
        if self.area is diffrax.SpaceTimeTimeLevyArea:
            parts["K"] = draw("space-time-time area", 1 / 720)
        return self.area(dt=dt, **parts)

    def prod(self, vf: PyTree, control: Any) -> PyTree:
        """Coefficients times increments."""
        if self.flat:
            zeros = {p: jnp.zeros(s.shape, s.dtype) for p, s in self.needed().items()}
            control = ravel_pytree(zeros)[1](control)
        return product(vf, control, self.y)

    def needed(self) -> dict[str, jax.ShapeDtypeStruct]:
        """The Wiener processes of the model."""
        noise = self.model.diffusion(self.t, self.y, self.args)
        return {} if noise is None else processes(noise, self.y)


def _inner(solver: Any) -> Any:
    """The solver inside of wrappers."""
    while isinstance(solver, diffrax.HalfSolver):
        solver = solver.solver
    return solver


def _is_stochastic(solver: Any) -> bool:
    return isinstance(_inner(solver), _STOCHASTIC)


def levy_area(solver: Any) -> Any:
    """What a solver needs to know of a Brownian path besides its increments."""
    return next(area for area in _LEVY_AREAS if issubclass(area, _least(solver)))


def _least(solver: Any) -> Any:
    return getattr(_inner(solver), "minimal_levy_area", diffrax.AbstractBrownianIncrement)


def _check(solver: Any) -> None:
    if not isinstance(solver, diffrax.AbstractSolver):
        raise ValueError(
            "Diffrax: 'solver' must be a solver of diffrax such as diffrax.Tsit5() (an instance); "
            f"got {solver!r}."
        )
    if not _is_stochastic(solver):
        check_terms(solver, "Diffrax")


def check_terms(solver: Any, what: str) -> None:
    """A solver for an equation in one part."""
    if _inner(solver).term_structure is not diffrax.AbstractTerm:
        noise = " (flow and noise; see solve_sde)" if _is_stochastic(solver) else ""
        raise ValueError(
            f"{what}: diffrax.{type(_inner(solver)).__name__} wants the equation in several "
            f"parts{noise}, and the flow here is one. Use a solver for one term, such as "
            "diffrax.Tsit5(), or diffrax.Kvaerno5() for stiff equations."
        )


def closed(solver: Any, dtype: Any) -> Any:
    """The solver with what `diffeqsolve` would fill in."""
    inner: Any = _inner(solver)
    if isinstance(inner, diffrax.AbstractRungeKutta | diffrax.AbstractSRK):
        if inner.scan_kind is None:
            # The kind that can be differentiated forwards and backwards.
            kind = "bounded" if isinstance(inner, diffrax.AbstractRungeKutta) else "lax"
            inner = eqx.tree_at(lambda s: s.scan_kind, inner, kind, is_leaf=lambda x: x is None)
    if isinstance(inner, diffrax.AbstractImplicitSolver):
        double = jnp.finfo(dtype).bits > 32
        usual: dict[str, Any] = {"norm": optx.max_norm}
        usual |= {"rtol": 1e-8, "atol": 1e-10} if double else {"rtol": 1e-5, "atol": 1e-6}
        for name, value in usual.items():
            # What a step size controller would fill in is a mark, neither number nor function.
            found = getattr(inner.root_finder, name)
            if not (callable(found) or eqx.is_array_like(found)):
                where = lambda s, name=name: getattr(s.root_finder, name)  # noqa: E731
                inner = eqx.tree_at(where, inner, value)
        if isinstance(inner.root_finder, diffrax.VeryChord):
            # It gives up after two iterations, since an adaptive step can be taken again; with
            # steps of 0.01 ms it does so on the upstroke of a Hodgkin-Huxley spike.
            given = {name: getattr(inner.root_finder, name) for name in usual}
            newton = StepNewton(**given, linear_solver=inner.root_finder.linear_solver)
            inner = eqx.tree_at(lambda s: s.root_finder, inner, newton)
    wrapped = isinstance(solver, diffrax.HalfSolver)
    return diffrax.HalfSolver(cast(Any, inner)) if wrapped else inner
