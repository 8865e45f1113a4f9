"""Phase planes and bifurcation diagrams: what is drawn equals what was computed."""

import types
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from fdyn import plot
from fdyn.analyze import (
    BifurcationPoint,
    Branch,
    Equilibria,
    FieldGrid,
    Nullclines,
    continue_equilibria,
    field_on_grid,
)
from fdyn.components import MorrisLecar


@pytest.fixture
def ax() -> Any:
    return Figure().subplots()


def labels(ax):
    return [t.get_text() for t in ax.get_legend().get_texts()]


def test_phase_plane_draws_all_parts(ax):
    axis = np.linspace(0.0, 1.0, 4)
    rest = Equilibria(
        {"v": np.array([[0.2], [0.5], [0.8]]), "w": np.array([[0.1], [0.2], [0.3]])},
        np.zeros((3, 2)), ("stable focus", "saddle", "unstable node"), np.zeros(3), 3, 3, True,
    )  # fmt: skip
    line = np.array([[0.0, 0.0], [1.0, 1.0]])
    run = {"v": np.array([[0.0], [0.1]]), "w": np.array([[0.3], [0.4]])}
    out = plot.phase_plane(
        nullclines=Nullclines([line, line + 1], [], ("v", "w"), ("mV", "1")),
        field=FieldGrid(axis, axis, np.ones((4, 4)), np.zeros((4, 4)), ("v", "w"), ("mV", "1")),
        equilibria=rest,
        trajectory=run,
        ax=ax,
    )
    assert out is ax and (ax.get_xlabel(), ax.get_ylabel()) == ("v (mV)", "w")
    # a nullcline that lies outside of the box keeps its entry
    names = ["dv/dt = 0", "dw/dt = 0", "trajectory", "stable focus", "saddle", "unstable node"]
    assert labels(ax) == names
    shown = {x.get_label(): x for x in ax.lines}
    np.testing.assert_array_equal(shown["trajectory"].get_xydata(), [[0.0, 0.3], [0.1, 0.4]])
    for k, kind in enumerate(rest.kinds):
        np.testing.assert_array_equal(shown[kind].get_xdata(), rest.y["v"][k])
    faces = [shown[kind].get_markerfacecolor() for kind in rest.kinds]
    assert faces == ["black", "white", "white"]
    arrows = ax.collections[0]
    assert arrows.N == 16 and (arrows.U == 1).all() and (arrows.V == 0).all()


def test_names_must_come_from_somewhere(ax):
    with pytest.raises(ValueError, match="'names'"):
        plot.phase_plane(ax=ax)
    run = {"a": np.zeros((3, 1)), "b": np.ones((3, 1))}
    plot.phase_plane(trajectory=run, names=("a", "b"), ax=ax)
    assert ax.get_xlabel() == "a"


def test_a_branch_changes_its_style_at_its_points(ax):
    p = np.array([0.0, 1.0, 2.0, 3.0])
    y = {"E": {"v": np.arange(8.0).reshape(4, 2)}}
    point = BifurcationPoint(
        "hopf", 1.5, {"E": {"v": np.array([3.0, 4.0])}}, np.array([1j, -1j]), 1.0, 0.0, 1
    )
    values = np.array([[-1.0, -2], [-1, -2], [1, -2], [1, -2]]).astype(complex)
    branch: Any = Branch(p, y, values, (point,), "input E", types.SimpleNamespace(ok=True))  # pyright: ignore
    plot.branch(branch, "E.v", unit=1, ax=ax)
    stable, unstable, hopf = ax.lines
    np.testing.assert_array_equal(stable.get_xydata(), [[0.0, 1.0], [1.0, 3.0], [1.5, 4.0]])
    np.testing.assert_array_equal(unstable.get_xydata(), [[1.5, 4.0], [2.0, 5.0], [3.0, 7.0]])
    np.testing.assert_array_equal(hopf.get_xydata(), [[1.5, 4.0]])
    assert labels(ax) == ["stable", "unstable", "hopf"]
    assert (stable.get_linestyle(), unstable.get_linestyle()) == ("-", "--")
    assert ax.get_xlabel() == "input E"
    with pytest.raises(ValueError, match="'E.v'"):
        plot.branch(branch, "E.w", ax=ax)


def test_units_come_with_what_was_computed(ax):
    model = MorrisLecar(1)
    box = {"w": (0.0, 1.0), "v": (-80.0, 40.0)}
    plot.phase_plane(field=field_on_grid(model, box, n=3), ax=ax)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("w", "v (mV)")
    found = continue_equilibria(model, (4.0, 4.5), where=lambda m: m.g_ca)
    other = plot.branch(found, "v", ax=Figure().subplots())
    assert (other.get_xlabel(), other.get_ylabel()) == ("g_ca (mS/cm^2)", "v (mV)")
