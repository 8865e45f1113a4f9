"""Pictures of connectivities show what is in the matrix."""

import jax
import matplotlib
import numpy as np
import pytest

from fdyn import plot
from fdyn.sparse import COO, FixedFanOut, FractionalDelay, OneToOne, fixed_probability, from_coo

matplotlib.use("Agg")

KEY = jax.random.key(0)


@pytest.fixture(autouse=True)
def closed():
    yield
    matplotlib.pyplot.close("all")


def image(conn, **options):
    ax = plot.connectivity(conn, **options)
    return ax.images[0].get_array()


def test_small_matrices_are_shown_entry_by_entry():
    conn = from_coo([0, 0, 2, 2], [1, 3, 0, 0], [2.0, -3.0, 1.0, 0.5], (3, 4))
    shown = image(conn)
    np.testing.assert_array_equal(shown.filled(0), conn.to_dense())
    np.testing.assert_array_equal(~shown.mask, np.asarray(conn.to_dense()) != 0)
    ax = plot.connectivity(conn)
    assert ax.images[0].get_clim() == (-3, 3)  # white lies in the middle
    assert ax.get_xlabel() == "postsynaptic unit" and ax.get_ylabel() == "presynaptic unit"
    assert ax.figure.axes[1].get_ylabel() == "weight"
    assert ax.get_xlim() == (-0.5, 3.5) and ax.get_ylim() == (2.5, -0.5)
    assert len(plot.connectivity(conn, colorbar=False).figure.axes) == 1


def test_large_matrices_are_averaged():
    conn = fixed_probability(KEY, 70, 90, 0.3, 2.0)
    dense = np.asarray(conn.to_dense())
    shown = image(conn, pixels=30).filled(0)
    rows, cols = np.arange(70) * 30 // 70, np.arange(90) * 30 // 90
    exact = [[dense[rows == i][:, cols == j].mean() for j in range(30)] for i in range(30)]
    np.testing.assert_allclose(shown, exact, rtol=1e-12)
    assert image(conn, pixels=80).shape == (70, 80)


def test_delays():
    conn = COO([0, 0, 1], [0, 0, 1], 1.0, n_pre=2, n_post=2, delay=[1.0, 2.0, 4.0])
    shown = image(conn, show="delay")
    np.testing.assert_array_equal(shown.filled(-1), [[1.5, -1], [-1, 4]])
    fractional = OneToOne(1.0, n=2, delay=FractionalDelay([0.3, 0.7]))
    np.testing.assert_allclose(image(fractional, show="delay").filled(-1), [[0.3, -1], [-1, 0.7]])
    assert plot.connectivity(conn, show="delay").figure.axes[1].get_ylabel() == "delay (ms)"


def test_weights_per_row_and_no_synapses():
    conn = FixedFanOut([[0, 1], [1, 2]], [[1.0], [3.0]], n_post=3)
    np.testing.assert_array_equal(image(conn).filled(0), [[1, 1, 0], [0, 3, 3]])
    assert image(from_coo([], [], 1.0, (3, 2))).mask.all()


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: plot.connectivity(OneToOne(1.0, n=2), show="delays"), "'show' must be .*'delays'"),
        (lambda: plot.connectivity(OneToOne(1.0, n=2), show="delay"), "has no delays"),
        (lambda: plot.connectivity(OneToOne(1.0, n=2), pixels=0), "'pixels' must be"),
        (lambda: plot.connectivity(OneToOne(1.0, n=0)), r"shape \(0, 0\)"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()
