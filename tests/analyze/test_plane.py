"""Phase planes against the equations written out."""

import jax.numpy as jnp
import numpy as np
import pytest
from normal_forms import NeutralSaddle

from fdyn.analyze import equilibria, field_on_grid, nullclines
from fdyn.components import LIF, MorrisLecar

BOX = {"v": (-80.0, 60.0), "w": (-0.1, 1.0)}


def rates(v, w, current):
    m, w_inf = (1 + np.tanh((v + 1.2) / 18)) / 2, (1 + np.tanh((v - 2) / 30)) / 2
    dv = current - 2 * (v + 60) - 4.4 * m * (v - 120) - 8 * w * (v + 84)
    return dv / 20, 0.04 * (w_inf - w) * np.cosh((v - 2) / 60)


@pytest.mark.parametrize("flip", [False, True])
def test_field_on_a_grid(flip):
    box = dict(reversed(BOX.items())) if flip else BOX
    grid = field_on_grid(MorrisLecar(1), box, inputs=90.0, n=7)
    x, y = np.meshgrid(grid.x, grid.y)
    v, w = (y, x) if flip else (x, y)
    dv, dw = rates(v, w, 90.0)
    np.testing.assert_allclose(grid.dy if flip else grid.dx, dv, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(grid.dx if flip else grid.dy, dw, rtol=1e-12, atol=1e-12)
    assert grid.names == tuple(box)


@pytest.mark.parametrize("flip", [False, True])
def test_nullclines_are_where_a_derivative_is_zero(flip):
    box = dict(reversed(BOX.items())) if flip else BOX
    found = nullclines(MorrisLecar(1), box, inputs=90.0, n=40)
    assert len(found.x) == len(found.y) == 1
    of_v, of_w = (found.y, found.x) if flip else (found.x, found.y)
    for k, lines in enumerate((of_v, of_w)):
        v, w = lines[0].T[:: -1 if flip else 1]
        assert np.abs(rates(v, w, 90.0)[k]).max() < 1e-8
    # in one piece, from the left side of the box to the right
    v = of_w[0][:, 1 if flip else 0]
    assert np.ptp(v) == pytest.approx(140.0) and (np.diff(v) * np.sign(v[-1] - v[0]) > 0).all()


def test_nullclines_meet_at_the_equilibrium():
    model = MorrisLecar(1)
    found = nullclines(model, BOX, inputs=90.0, n=100)
    rest = equilibria(model, inputs=90.0)
    point = np.array([rest.y["v"].item(), rest.y["w"].item()])
    cell = np.array([140.0, 1.1]) / 99
    for lines in (found.x, found.y):
        assert (np.abs(lines[0] - point) / cell).max(axis=1).min() < 1


def test_a_closed_nullcline_closes_and_two_pieces_stay_apart():
    from fdyn import AbstractComponent, State

    class Ring(AbstractComponent):
        """x' = x^2 + y^2 - 1, y' = x^2 - 1/4."""

        def init(self, *, key, dt):
            return State({"x": jnp.zeros(1), "y": jnp.zeros(1)}, {})

        def flow(self, t, y, args):
            return {"x": y["x"] ** 2 + y["y"] ** 2 - 1, "y": y["x"] ** 2 - 0.25}

        def jump(self, t, y, args, *, dt, key):
            return y, args.mem, {}

    found = nullclines(Ring(), {"x": (-2.0, 2.0), "y": (-2.0, 2.0)}, n=51)
    (ring,) = found.x
    np.testing.assert_array_equal(ring[0], ring[-1])
    np.testing.assert_allclose(np.hypot(*ring.T), 1.0, rtol=1e-9)
    turns = np.unwrap(np.arctan2(ring[:, 1], ring[:, 0]))
    assert abs(turns[-1] - turns[0]) == pytest.approx(2 * np.pi)
    assert sorted(round(line[:, 0].mean(), 9) for line in found.y) == [-0.5, 0.5]
    assert all(np.ptp(line[:, 0]) < 1e-9 for line in found.y)


def test_no_nullcline_in_the_box():
    found = nullclines(MorrisLecar(1), {"v": (-80.0, -70.0), "w": (0.5, 1.0)}, n=10)
    assert found.y == []


def test_only_planar_systems():
    with pytest.raises(ValueError, match="two numbers.*4"):
        field_on_grid(MorrisLecar(2), BOX)
    with pytest.raises(ValueError, match="two numbers"):
        nullclines(LIF(1), {"v": (0.0, 1.0)})
    with pytest.raises(ValueError, match="two numbers"):
        nullclines(NeutralSaddle(), {"x": (0.0, 1.0)})
    with pytest.raises(ValueError, match="range for each"):
        field_on_grid(MorrisLecar(1), {"v": (0.0, 1.0)})
    with pytest.raises(ValueError, match="'n'"):
        field_on_grid(MorrisLecar(1), BOX, n=1)
