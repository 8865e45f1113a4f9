"""What every component promises, checked on every public one.

Channels, synapses, outputs and surrogates are checked inside the smallest component with one.
"""

import inspect
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rows_cells
import rows_channels
import rows_inputs
import rows_neurons
import rows_plasticity
import rows_rates
import rows_synapses
from helpers import assert_close
from row import N, Row, no_variation, vector

import fdyn
from fdyn import Args, Network, State, summary, vector_field
from fdyn import components as comp
from fdyn import solvers as sol
from fdyn._param import parameters

# One of each kind; tests/solvers/test_solver_conformance.py has all of them.
ROWS = [
    *rows_cells.ROWS,
    *rows_channels.ROWS,
    *rows_inputs.ROWS,
    *rows_neurons.ROWS,
    *rows_plasticity.ROWS,
    *rows_rates.ROWS,
    *rows_synapses.ROWS,
]
SOLVERS = [sol.ExponentialEuler, sol.RK4, sol.EulerMaruyama]
ROLES = (
    comp.AbstractComponent,
    comp.AbstractChannel,
    comp.AbstractIon,
    comp.AbstractSynapse,
    comp.AbstractOutput,
    comp.AbstractRelease,
    comp.AbstractPlasticity,
    comp.AbstractReset,
    comp.AbstractSurrogate,
)


def marked(rows):
    return [r if r.quick else pytest.param(r, marks=pytest.mark.slow) for r in rows]


every_row = pytest.mark.parametrize("row", marked(ROWS), ids=str)
DT = 0.05


def public(*roles: type) -> set[type]:
    """All concrete classes of these roles in the public name space."""
    found = {
        x
        for module in (fdyn, comp)
        for x in vars(module).values()
        if inspect.isclass(x) and issubclass(x, roles) and not x.__name__.startswith("Abstract")
    }
    return found


def solver_of(row: Row) -> Any:
    return sol.EulerMaruyama() if row.random else sol.ExponentialEuler()


def start(model, dt=DT, spread=0.02):
    """The initial state, its leaves moved apart so that no two units are the same."""
    state = model.init(key=jax.random.key(0), dt=dt)

    def move(x):
        return x * (1 + spread * jnp.arange(1, x.shape[0] + 1, dtype=x.dtype) / x.shape[0])

    return State(jax.tree.map(move, state.y), state.mem)


@eqx.filter_jit
def steps(model, state, u, key, solver, n, dt=DT):
    def body(state, i):
        t = i.astype(jnp.result_type(float)) * dt
        return model.step(state, u, t=t, dt=dt, key=jax.random.fold_in(key, i), solver=solver)

    return jax.lax.scan(body, state, jnp.arange(n, dtype=jnp.int32))


def three_steps(model, state, u, key, solver, dt=DT):
    """Not compiled, which for so few steps is faster by far."""
    dt, out = jnp.asarray(dt), None
    for i in range(3):
        k = jax.random.fold_in(key, i)
        state, out = model.step(state, u, t=i * dt, dt=dt, key=k, solver=solver)
    return state, out


def describe(tree):
    return jax.tree.map(lambda x: (jnp.shape(x), str(jnp.result_type(x))), tree)


def test_no_public_component_is_missing():
    assert public(*ROLES) - {row.covers for row in ROWS} == set()


@every_row
def test_a_step_keeps_structure_shapes_and_dtypes(row):
    model = row.make(N, no_variation)
    state = start(model)
    kwargs = {"t": jnp.array(0.0), "dt": jnp.array(DT), "key": jax.random.key(1)}
    new, out = model.step(state, row.u(N), solver=solver_of(row), **kwargs)
    assert describe(new) == describe(state)
    assert out and all(x.shape == (row.units(N),) for x in jax.tree.leaves(out))
    _, no_input = model.step(state, solver=solver_of(row), **kwargs)
    assert describe(no_input) == describe(out)


@every_row
def test_the_flow_is_like_the_state(row):
    model = row.make(N, vector)
    state = start(model)
    args = Args(state.mem, row.u(N))
    is_rate = lambda x: isinstance(x, comp.Affine)  # noqa: E731
    rates = model.flow(jnp.array(0.0), state.y, args)
    assert jax.tree.structure(rates, is_leaf=is_rate) == jax.tree.structure(state.y)
    for r, y in zip(jax.tree.leaves(rates, is_leaf=is_rate), jax.tree.leaves(state.y), strict=True):
        value = r(y) if is_rate(r) else r
        assert jnp.shape(value) == y.shape and jnp.result_type(value) == y.dtype
    field = vector_field(model)(jnp.array(0.0), state.y, args)
    assert describe(field) == describe(state.y)


FLOWING = [r for r in ROWS if not r.random and r.flows]


@pytest.mark.parametrize(
    ("row", "solver"),
    [
        r if r[0].quick else pytest.param(*r, marks=pytest.mark.slow)
        for r in [
            *((r, sol.ExponentialEuler) for r in FLOWING),
            *((r, s) for r in FLOWING if r.name == "Network" for s in SOLVERS[1:]),
        ]
    ],
    ids=lambda x: x.__name__ if isinstance(x, type) else str(x),
)
def test_a_step_tends_to_the_vector_field(row, solver):
    model = row.make(N, vector)
    state = start(model)
    # Far from rest, so that the second derivative does not vanish.
    start_y = jax.tree.map(lambda y: y * 0.9, state.y)
    field = vector_field(model)(jnp.array(0.0), start_y, Args(state.mem, row.u(N)))

    def error(dt):
        kwargs = {"t": jnp.array(0.0), "key": jax.random.key(1), "solver": solver()}
        new, _ = model.step(State(start_y, state.mem), row.u(N), dt=jnp.array(dt), **kwargs)
        gap = jax.tree.map(lambda a, b, f: jnp.abs((a - b) / dt - f).max(), new.y, start_y, field)
        return max(float(x) for x in jax.tree.leaves(gap))

    coarse, fine = error(1e-3), error(5e-4)
    size = max(float(jnp.abs(f).max()) for f in jax.tree.leaves(field))
    # Euler's step, also that of a flow without linear parts, is the field itself; what is left is
    # the rounding of the difference.
    if solver is sol.EulerMaruyama or coarse < 1e-9 * size:
        assert coarse < 1e-9 * size
    else:
        assert coarse / fine == pytest.approx(2, abs=0.05) and coarse < 0.1 * size


@pytest.mark.parametrize("row", [r for r in ROWS if "noise" in r.name], ids=str)
def test_the_noise_has_its_strength(row):
    model = row.make(N, vector)
    state = start(model)
    g = model.diffusion(jnp.array(0.0), state.y, Args(state.mem))["v"]
    drift = vector_field(model)(jnp.array(0.0), state.y, Args(state.mem))["v"]
    keys = jax.random.split(jax.random.key(5), 2000)

    def one(key):
        t, dt = jnp.array(0.0), jnp.array(DT)
        new, _ = model.step(state, t=t, dt=dt, key=key, solver=sol.EulerMaruyama())
        return (new.y["v"] - state.y["v"] - DT * drift) / jnp.sqrt(DT)

    x = np.asarray(jax.jit(jax.vmap(one))(keys))
    g = np.broadcast_to(g, (N,))
    assert (abs(x.mean(0)) < 4 * g / np.sqrt(2000)).all()
    assert (abs(x.std(0) - g) < 4 * g / np.sqrt(2 * 2000)).all()
    correlation = np.corrcoef(x.T)[np.triu_indices(N, 1)]
    assert (abs(correlation) < 4 / np.sqrt(2000)).all()


@pytest.mark.parametrize("row", [r for r in ROWS if "noise" in r.name], ids=str)
def test_a_solver_without_noise_refuses_a_model_with_noise(row):
    with pytest.raises(ValueError, match="RK4.*noise.*EulerMaruyama"):
        fdyn.simulate(row.make(N, no_variation), 1.0, dt=0.1, solver=sol.RK4())


@every_row
def test_every_state_variable_and_output_has_a_unit(row):
    model = row.make(N, no_variation)
    state = start(model)
    t, dt = jnp.array(0.0), jnp.array(DT)
    new, out = model.step(state, t=t, dt=dt, key=jax.random.key(1), solver=solver_of(row))

    def missing(holder, tree, path=()):
        if isinstance(holder, Network):
            parts = {**holder.nodes, **holder.projections}
            return [m for k, x in tree.items() for m in missing(parts[k], x, (*path, k))]
        nested = [k for k in tree if isinstance(tree[k], dict)]
        inner = {
            k: getattr(holder, k) for k in nested if isinstance(getattr(holder, k, None), ROLES)
        }
        inner |= getattr(holder, "channels", {})
        if "ions" in tree and "ions" not in inner:
            tree = dict(tree)
            ions = [
                m for k, x in tree.pop("ions").items() for m in missing(holder.ions[k], x, (k,))
            ]
            return ions + missing(holder, tree, path)
        units = getattr(holder, "synapse", holder).units
        lost = [(*path, k) for k in tree if k not in inner and not units.get(k)]
        return lost + [m for k in tree if k in inner for m in missing(inner[k], tree[k], (k,))]

    assert missing(model, new.y) + missing(model, out) == []


@every_row
def test_jit_changes_nothing(row):
    model = row.make(N, vector)
    state = start(model)
    u, key = row.u(N), jax.random.key(2)

    def one(state):
        t, dt = jnp.array(0.3), jnp.array(DT)
        return model.step(state, u, t=t, dt=dt, key=key, solver=solver_of(row))

    assert_close(one(state), jax.jit(one)(state))


def part(tree, *index):
    return jax.tree.map(lambda x: x[index], tree)


@every_row
def test_vmap_over_trials_is_a_loop(row):
    model = row.make(N, vector)
    keys = jax.random.split(jax.random.key(7), 3)
    state = start(model)
    trials = jax.tree.map(lambda y: jnp.stack([y, 1.01 * y, 1.02 * y]), state.y)

    @jax.jit
    def run(key, y):
        t, dt = jnp.array(0.0), jnp.array(DT)
        start = State(y, state.mem)
        return model.step(start, row.u(N), t=t, dt=dt, key=key, solver=solver_of(row))

    batched = jax.vmap(run)(keys, trials)
    for i in range(3):
        assert_close(part(batched, i), run(keys[i], part(trials, i)))
    if row.random:
        new, out = (
            np.asarray(jax.tree.leaves(x) or [np.zeros(3)]) for x in (batched[0].y, batched[1])
        )
        assert not (new[0, 0] == new[0, 1]).all() or not (out[0, 0] == out[0, 1]).all()


@pytest.mark.parametrize("row", marked(r for r in ROWS if not (r.random or r.coupled)), ids=str)
def test_n_units_are_n_single_units(row):
    def run(model, n):
        state = model.init(key=jax.random.key(0), dt=DT)
        return steps(model, state, row.u(n), jax.random.key(0), solver_of(row), 20)

    state, out = run(row.make(N, vector), N)
    for i in range(N):
        unit = slice(i, i + 1)
        alone, alone_out = run(row.make(1, lambda x, unit=unit: vector(x)[unit]), 1)
        assert_close(part(state.y, unit), alone.y)
        assert_close(part(out, slice(None), unit), alone_out)


@every_row
def test_gradients_are_finite_and_those_of_the_function(row):
    model = row.make(N, vector)
    dynamic, static = eqx.partition(model, eqx.is_inexact_array)

    def losses(dynamic):
        m = eqx.combine(dynamic, static)
        start = m.init(key=jax.random.key(0), dt=DT)
        ends = three_steps(m, start, row.u(N), jax.random.key(3), solver_of(row))
        total = [sum(jnp.sum(x**2) for x in jax.tree.leaves(e)) for e in (ends[0].y, ends[1])]
        return jnp.stack([jnp.asarray(x, float) for x in total])

    _, back = jax.vjp(losses, dynamic)
    gradient, of_output = back(jnp.array([1.0, 0.0]))[0], back(jnp.array([0.0, 1.0]))[0]
    assert all(np.isfinite(g).all() for g in jax.tree.leaves((gradient, of_output)))
    if jax.tree.leaves(model.init(key=jax.random.key(0), dt=DT).y):
        # Of the state, along one direction, against a central difference; no unit spikes. A small
        # parameter, such as a concentration, changes by little.
        h = 1e-5
        way = jax.tree.map(lambda x: jnp.minimum(jnp.where(x == 0, 1, jnp.abs(x)), 1), dynamic)
        ahead = losses(jax.tree.map(lambda x, d: x + h * d, dynamic, way))
        behind = losses(jax.tree.map(lambda x, d: x - h * d, dynamic, way))
        products = jax.tree.map(lambda g, d: float((g * d).sum()), gradient, way)
        slope = sum(jax.tree.leaves(products))
        assert slope == pytest.approx(float(ahead[0] - behind[0]) / (2 * h), rel=1e-5)
        assert slope != 0


@every_row
def test_single_precision_stays_single_and_agrees_with_double(row):
    def run():
        model = row.make(N, vector)
        u = jax.tree.map(lambda x: jnp.asarray(x, float), row.u(N))
        state = start(model)
        dt = jnp.asarray(DT, float)
        return state, *three_steps(model, state, u, jax.random.key(0), solver_of(row), dt)

    double = run()
    jax.config.update("jax_enable_x64", False)
    try:
        state, end, out = run()
    finally:
        jax.config.update("jax_enable_x64", True)
    assert describe(end) == describe(state)
    leaves = [x for x in jax.tree.leaves((end, out)) if x.dtype.kind == "f"]
    assert leaves and {str(x.dtype) for x in leaves} == {"float32"}
    if not row.random:  # a key draws other numbers in another precision
        for a, b in zip(jax.tree.leaves(double[1].y), jax.tree.leaves(end.y), strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)


@every_row
def test_parameters_are_scalars_or_vectors(row):
    scalar, spread = row.make(N, no_variation), row.make(N, vector)
    vectors = [p for k, _, p in parameters(spread) if p is not None and k not in row.tables]
    assert all(p.shape in ((), (N,)) for p in vectors)
    if any(p is not None and p.shape == (N,) for _, _, p in parameters(spread)):
        assert len(list(parameters(scalar))) == len(list(parameters(spread)))
        with pytest.raises(ValueError, match="shape"):
            wrong = row.make(N + 1, vector)
            wrong.init(key=jax.random.key(0), dt=DT)


@every_row
def test_the_summary_names_every_parameter(row):
    model = row.make(N, vector)
    text, *_ = summary(model).split("\n\n")  # a table of connectivities may follow
    for path, field, value in parameters(model):
        if value is not None:
            (line,) = [x for x in text.splitlines() if x.split()[0] == path]
            assert field.metadata["unit"] in line and field.metadata["doc"] in line
            shape = "x".join(map(str, value.shape)) or "scalar"
            assert shape in line.split()
