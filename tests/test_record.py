"""Records: what is kept, under which name, at which times."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import squid

from fdyn import AbstractComponent, Network, Record, Spikes, State, simulate
from fdyn._record import Store, find_spikes
from fdyn._solution import Solution
from fdyn.components import LIF, ConstantInput, PoissonInput

DT = 0.1
DRIVE = ConstantInput(5, [0.0, 20.0, 30.0, 100.0, 300.0])


def run(record, duration=30.0, **kwargs):
    kwargs = {"inputs": DRIVE, **kwargs}
    return simulate(LIF(5), duration, dt=DT, record=record, **kwargs)


@pytest.fixture(scope="module")
def dense():
    return run(["v", "spike"])


@pytest.mark.parametrize(
    "index",
    [
        [0, 3], [3, 0, 3], [-1], np.array([2]), 4,
        slice(1, 4), slice(None), slice(None, None, -2), slice(7, 9),
    ],
    ids=str,
)  # fmt: skip
def test_subsets(index, dense):
    columns = [index] if isinstance(index, int) else index
    np.testing.assert_array_equal(run(Record("v", index=index))["v"], dense["v"][:, columns])


@pytest.mark.parametrize("every", [1, 3, 300, 301])
def test_intervals_and_their_times(every, dense):
    kept = run(Record("v", every=every))
    np.testing.assert_array_equal(kept["v"], dense["v"][every - 1 :: every])
    np.testing.assert_array_equal(kept.times("v"), dense.ts[every - 1 :: every])


def test_reducers_on_a_subset(dense):
    for reduce in ("mean", "sum", "max", "min"):
        kept = run(Record("v", index=[1, 4], every=50, reduce=reduce))
        windows = dense["v"][:, [1, 4]].reshape(6, 50, 2)
        np.testing.assert_allclose(kept["v"], getattr(windows, reduce)(1), rtol=1e-13)


def test_spikes_are_counted_over_windows_and_the_whole_run(dense):
    record = {
        "window": Record("spike", every=100, reduce="sum"),
        "run": Record("spike", every=None, reduce="sum"),
        "rate": Record("spike", every=None, reduce="mean"),
        "flag": Record("spike", every=None, reduce="max"),
    }
    kept = run(record)
    count = dense["spike"].sum(0)
    assert count.sum() > 10
    np.testing.assert_array_equal(kept["window"].sum(0), count)
    np.testing.assert_array_equal(kept["run"], count[None])
    np.testing.assert_allclose(kept["rate"][0], count / 300)
    np.testing.assert_array_equal(kept["flag"][0], count > 0)
    np.testing.assert_array_equal(kept.times("run"), dense.ts[-1:])
    np.testing.assert_allclose(kept.times("window"), [10.0, 20.0, 30.0])


def test_functions_see_time_state_and_outputs(dense):
    kept = run(
        {
            "t": lambda t, state, out: t,
            "mean v": lambda t, state, out: state.y["v"].mean(),
            "clock": Record(lambda t, state, out: state.mem["refractory"], every=30),
            "count": Record(lambda t, state, out: out["spike"].sum(), every=None, reduce="sum"),
        }
    )
    np.testing.assert_allclose(kept["t"], dense.ts, rtol=1e-14)
    np.testing.assert_allclose(kept["mean v"], dense["v"].mean(1), rtol=1e-14)
    assert kept["clock"].shape == (10, 5) and kept["count"][0] == dense["spike"].sum()
    assert kept.unit("mean v") == "-"


def test_times_and_indices_are_the_dense_spikes(dense):
    for chunk in (None, 7):
        times, index = run(Spikes("spike"), chunk=chunk).spikes("spike")
        row, column = np.nonzero(dense["spike"])
        np.testing.assert_array_equal(times, dense.ts[row])
        np.testing.assert_array_equal(index, column)
    again = dense.spikes("spike")
    np.testing.assert_array_equal(again.times, times)
    np.testing.assert_array_equal(again.index, index)


@pytest.mark.parametrize("shape", [(0, 3), (5, 0), (1, 1), (7, 9), (16, 4), (33,), (4, 2, 3)])
def test_spikes_are_found_whatever_the_shape(shape):
    flags = np.random.default_rng(0).random(shape) < 0.3
    row, index = find_spikes(flags)
    expected = np.nonzero(flags.reshape(shape[0], -1 if flags.size else 0))
    np.testing.assert_array_equal(row, expected[0])
    np.testing.assert_array_equal(index, expected[1])


def test_a_stream_holds_what_memory_would(tmp_path, dense):
    record = ["v", Record("refractory", every=7, reduce="mean"), Spikes("spike")]
    memory = run(record)
    kept = run(record, stream=tmp_path / "new" / "folder", chunk=32)
    for name in ("v", "refractory"):
        on_disk = np.load(tmp_path / "new" / "folder" / f"{name}.npy", mmap_mode="r")
        np.testing.assert_array_equal(on_disk, memory[name])
        np.testing.assert_array_equal(kept[name], memory[name])
        assert isinstance(kept[name], np.memmap)
    np.testing.assert_array_equal(kept.spikes("spike").times, memory.spikes("spike").times)


def test_a_stream_never_writes_over_an_earlier_one(tmp_path):
    first = run("v", stream=tmp_path)
    before = np.array(first["v"])
    with pytest.raises(ValueError, match=r"v.npy' exists.*another folder"):
        run(["refractory", "v"], stream=tmp_path, state=first.state)
    assert not (tmp_path / "refractory.npy").exists()
    np.testing.assert_array_equal(first["v"], before)
    with pytest.raises(ValueError, match="'stream'.*jit"):
        jax.jit(lambda: run("v", stream=tmp_path / "other")["v"])()


@pytest.mark.parametrize("bad", [0, 1, 57])
@pytest.mark.parametrize("throw", [True, False])
def test_a_stream_that_ends_early_holds_the_valid_rows_only(tmp_path, bad, throw):
    def current(t):
        return jnp.where(t > (bad - 0.5) * DT, jnp.nan, 20.0)

    def go(**more):
        record = ["v", Record("refractory", every=5)]
        return simulate(LIF(3), 10.0, dt=DT, inputs=current, record=record, chunk=16, **more)

    if throw:
        with pytest.raises(FloatingPointError):
            go(stream=tmp_path)
    else:
        kept, memory = go(stream=tmp_path, throw=False), go(throw=False)
        for name in ("v", "refractory"):
            np.testing.assert_array_equal(kept[name], memory[name])
    assert np.load(tmp_path / "v.npy").shape == (bad, 3)
    assert np.isfinite(np.load(tmp_path / "v.npy")).all()
    assert np.load(tmp_path / "refractory.npy").shape == (bad // 5, 3)


def test_a_stream_that_is_interrupted_holds_the_chunks_before(tmp_path, monkeypatch):
    whole = run("v")["v"]
    take = Store.take

    def stop(self, buffers, start, n):
        if start >= 32:
            raise KeyboardInterrupt
        take(self, buffers, start, n)

    monkeypatch.setattr(Store, "take", stop)
    with pytest.raises(KeyboardInterrupt):
        run("v", stream=tmp_path, chunk=16)
    np.testing.assert_array_equal(np.load(tmp_path / "v.npy"), whole[:32])


def test_units_by_path():
    net = Network({"A": Network({"E": squid()}), "in": PoissonInput(2, 1.0)})
    paths = {"A.E.v": "mV", "A.E.na.m": "1", "A.E.spike": "1", "A.E.clock": "ms", "in.spike": "1"}
    kept = simulate(net, 1.0, dt=DT, record=list(paths))
    assert {p: kept.unit(p) for p in paths} == paths


def test_a_state_an_output_and_the_memory_are_found_in_this_order():
    class Same(AbstractComponent):
        def init(self, *, key, dt):
            return State({"x": jnp.zeros(1)}, {"x": jnp.full(1, 2.0), "z": jnp.full(1, 3)})

        def flow(self, t, y, args):
            return {"x": 0 * y["x"]}

        def jump(self, t, y, args, *, dt, key):
            return y, args.mem, {"x": jnp.ones(1), "z": jnp.full(1, 4.0), "flat": jnp.array(1.0)}

    kept = simulate(Same(), 1.0, dt=DT, record=["x", "z", "flat"])
    assert kept["x"][0] == 0 and kept["z"][0] == 4 and kept["flat"].shape == (10,)
    assert kept.spikes("flat").index.tolist() == [0] * 10


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: run("vv"), "no 'vv'. Did you mean 'v'.*Known: refractory, spike, v"),
        (lambda: run(""), "record: there is no ''"),
        (lambda: run(["v", "v"]), "'v' is recorded twice.*names"),
        (lambda: run(["v", Record("v", every=2)]), "'v' is recorded twice"),
        (lambda: run([lambda t, s, o: t]), "a recorded function needs a name"),
        (lambda: run(3), "'source' must be a path or a function, got 3"),
        (lambda: Spikes(lambda t, s, o: t), "Spikes: 'source' must be a path"),
        (lambda: Record("v", every=0), "'every'.*0"),
        (lambda: Record("v", every=1.5), "'every'.*1.5"),
        (lambda: Record("v", every=True), "'every'"),
        (lambda: Record("v", every="2"), "'every'.*'2'"),
        (lambda: Record("v", reduce="median"), "'reduce' must be one of.*max.*median"),
        (lambda: Record("v", index=[0.5]), "'index' must hold whole numbers.*0.5"),
        (lambda: Record("v", index="first"), "'index' must hold whole numbers.*first"),
        (lambda: run(Record("v", index=[0, 5])), r"record 'v': index \[5\] is out of range for 5"),
        (lambda: run(Record("v", index=-6)), r"index \[-6\] is out of range for 5 units"),
        (lambda: run("v")["w"], "recording: there is no 'w'.*Known: v"),
        (lambda: run("v").unit("w"), "there is no 'w'"),
        (lambda: run(Spikes("spike"))["spike"], r"recorded as spikes: use .spikes\('spike'\)"),
    ],
)  # fmt: skip
def test_bad_records(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_an_unknown_path_in_a_network_names_the_nearest():
    net = Network({"V1": Network({"Exc": LIF(2)})})
    with pytest.raises(ValueError, match=r"no 'V1.Ecx.v'. Did you mean 'V1.Exc.v'"):
        simulate(net, 1.0, dt=DT, record="V1.Ecx.v")


def test_a_mean_over_a_long_row_keeps_single_precision(float32):
    del float32
    still = LIF(1, v_rest=-65.3, v_reset=-70.0)
    whole = Record("v", every=None, reduce="mean")
    mean = simulate(still, 20_000.0, dt=0.1, record=whole)["v"]
    np.testing.assert_allclose(mean, -65.3, rtol=1e-6)


def test_a_batch_of_recordings_has_no_single_answer():
    def trial(v):
        return simulate(LIF(2, v_init=v), 5.0, dt=0.1, inputs=1e3, record="spike")

    batch = jax.vmap(trial)(jnp.array([-60.0, -55.0, -51.0]))
    for ask in (batch.times, batch.spikes):
        with pytest.raises(ValueError, match="batch of 3"):
            ask("spike")
    one = jax.tree.map(lambda x: x[1], batch)
    alone = trial(-55.0).spikes("spike")
    np.testing.assert_array_equal(one.spikes("spike").index, alone.index)
    np.testing.assert_allclose(one.spikes("spike").times, alone.times)


def test_spikes_inside_of_a_transformation_are_refused_with_the_way_out():
    def count(u):
        return run("spike", 1.0, inputs=u).spikes("spike").times

    with pytest.raises(ValueError, match=r"inside of jit, vmap or grad.*rec\['spike'\]"):
        jax.eval_shape(count, 20.0)
    solution = Solution(None, {}, jnp.zeros(3), {"spike": jnp.zeros((3, 2))}, *[None] * 4, {})
    assert solution.spikes("spike").index.size == 0
    with pytest.raises(ValueError, match=r"inside of jit.*\.spike_times\('spike', count\)"):
        jax.eval_shape(lambda s: s.spikes("spike").times, solution)


def test_a_solver_of_diffrax_is_refused_with_its_two_ways_in():
    with pytest.raises(ValueError, match=r"fdyn\.solvers\.Diffrax\(.*fdyn\.solve"):
        run("v", solver=diffrax.Tsit5())


def test_a_streamed_name_is_the_name_of_a_file(tmp_path):
    with pytest.raises(ValueError, match="name of a file"):
        simulate(LIF(1), 1.0, dt=0.1, record={"../v": Record("v")}, stream=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_times_are_the_decimals_of_the_grid_in_single_precision(float32):
    del float32
    run = simulate(LIF(1), 50.0, dt=0.1, record="v")
    np.testing.assert_allclose(run.ts, np.arange(1, 501) * 0.1, rtol=1e-15)
