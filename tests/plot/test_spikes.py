"""Pictures of spikes and traces: what is drawn equals what was recorded."""

import subprocess
import sys
from typing import Any

import jax.numpy as jnp
import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from fdyn import Network, Spikes, plot, simulate
from fdyn.components import LIF, ConstantInput, PoissonInput


@pytest.fixture(scope="module")
def rec():
    net = Network({"E": LIF(20), "I": LIF(5)})
    current = ConstantInput(20, jnp.linspace(14.0, 40.0, 20))
    return simulate(
        net,
        100.0,
        dt=0.1,
        inputs={"E": current},
        record=[Spikes("E.spike"), "I.spike", "E.v", "I.v"],
    )


@pytest.fixture
def ax() -> Any:
    return Figure().subplots()


def labels(ax):
    return [t.get_text() for t in ax.get_legend().get_texts()]


def test_raster_draws_every_spike_at_its_time_and_unit(rec, ax):
    assert plot.raster(rec, ["I.spike", "E.spike"], ax=ax) is ax
    silent, active = ax.lines
    assert silent.get_xdata().size == 0
    np.testing.assert_array_equal(active.get_xdata(), rec.spikes("E.spike").times)
    np.testing.assert_array_equal(active.get_ydata(), rec.spikes("E.spike").index + 5)


def test_a_silent_population_stays_in_the_legend(rec, ax):
    plot.raster(rec, ["E.spike", "I.spike"], ax=ax)
    assert labels(ax) == ["E.spike", "I.spike"]
    # its five units keep their place
    assert ax.get_ylim() == (-0.5, 24.5)
    other: Any = Figure().subplots()
    plot.population_rate(rec, ["E.spike", "I.spike"], ax=other)
    assert labels(other) == ["E.spike", "I.spike"]
    assert other.patches[1].get_data().values.max() == 0


@pytest.mark.parametrize("width", [0.1, 7.0, 100.0, 1000.0])
def test_rate_times_duration_is_the_number_of_spikes(rec, ax, width):
    plot.population_rate(rec, "E.spike", width=width, ax=ax)
    data = ax.patches[0].get_data()
    assert data.edges[0] == pytest.approx(0, abs=1e-12)
    assert data.edges[-1] == pytest.approx(100.0)
    spikes = data.values * np.diff(data.edges) / 1000 * 20
    np.testing.assert_allclose(spikes, np.round(spikes), atol=1e-9)
    assert round(spikes.sum()) == rec.spikes("E.spike").times.size
    # spikes are counted in the bin (a, b] of the step that made them
    for k, (a, b) in enumerate(zip(data.edges[:-1], data.edges[1:], strict=True)):
        t = rec.spikes("E.spike").times
        assert round(spikes[k]) == ((t > a + 1e-6) & (t < b + 1e-6)).sum()


def test_width_must_be_positive(rec, ax):
    with pytest.raises(ValueError, match="width"):
        plot.population_rate(rec, "I.spike", width=0.0, ax=ax)


def test_traces_draw_what_was_recorded(rec, ax):
    plot.traces(rec, ["E.v", "I.v"], max_units=None, ax=ax)
    assert len(ax.lines) == 25
    np.testing.assert_array_equal(ax.lines[3].get_ydata(), rec["E.v"][:, 3])
    assert labels(ax) == ["E.v", "I.v"]
    assert len({line.get_color() for line in ax.lines}) == 2
    assert ax.get_ylabel() == "(mV)"


def test_traces_draw_ten_units_and_no_unit_of_one(rec, ax):
    plot.traces(rec, ["E.v", "I.v"], ax=ax)
    assert len(ax.lines) == 10 + 5
    other: Any = Figure().subplots()
    plot.traces(rec, "I.spike", ax=other)
    assert other.get_ylabel() == "I.spike"
    mixed: Any = Figure().subplots()
    plot.traces(rec, ["I.spike", "I.v"], ax=mixed)
    assert labels(mixed) == ["I.spike", "I.v (mV)"]


def test_few_spikes_are_drawn_large(rec, ax):
    plot.raster(rec, "E.spike", ax=ax)
    assert rec.spikes("E.spike").times.size < 200
    assert ax.lines[0].get_markersize() == 8


def test_unknown_name_is_an_error_that_names_the_known(rec, ax):
    with pytest.raises(ValueError, match="E.v"):
        plot.traces(rec, "E.w", ax=ax)
    with pytest.raises(ValueError, match="at least one"):
        plot.raster(rec, [], ax=ax)


def test_missing_matplotlib_says_what_to_install(rec, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'pip install "fdyn\[plot\]"'):
        plot.raster(rec, "E.spike")


def test_import_loads_no_matplotlib_and_leaves_the_backend_alone(rec):
    code = "import fdyn, fdyn.plot, sys; print('matplotlib' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
    before = matplotlib.get_backend(), dict(matplotlib.rcParams)
    plot.traces(rec, "E.v", ax=Figure().subplots())
    assert (matplotlib.get_backend(), dict(matplotlib.rcParams)) == before


def test_graded_spikes_of_a_dense_record_count_with_their_value(ax):
    strong = simulate(PoissonInput(50, rate=20_000.0), 50.0, dt=0.1, record="spike")
    plot.population_rate(strong, "spike", width=50.0, ax=ax)
    (rate,) = ax.patches[0].get_data().values
    assert rate == pytest.approx(float(strong["spike"].sum()) / 50 / 0.05)
    assert abs(rate - 20_000) < 5 * (20_000 / 50 / 0.05) ** 0.5


@pytest.mark.parametrize("draw", [plot.raster, plot.population_rate, plot.traces])
def test_a_recording_without_steps_has_nothing_to_draw(draw, ax):
    empty = simulate(LIF(1), 0.0, dt=0.1, record="spike")
    with pytest.raises(ValueError, match="no steps"):
        draw(empty, "spike", ax=ax)
