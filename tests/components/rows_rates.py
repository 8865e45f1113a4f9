"""Rate models, oscillators and what is measured of them, in the conformance table."""

import jax.numpy as jnp
from row import Row

from fdyn import Network, Projection
from fdyn import components as comp
from fdyn.sparse import OneToOne


def phases(n, vary):
    """Oscillators that drive others by the sine of the difference of phase, with a lag."""
    lag, w = 0.3, OneToOne(0.2, n=n)
    back, ahead = comp.SineSynapse(vary(-lag)), comp.SineSynapse(vary(jnp.pi / 2 - lag))
    cosine, minus_sine = comp.SineOutput(vary(jnp.pi / 2)), comp.SineOutput(vary(jnp.pi))
    node = comp.Kuramoto(n, omega=vary(0.1), theta_init=vary(0.5))
    return Network(
        {"a": node, "b": comp.Kuramoto(n, omega=0.2, theta_init=2.0)},
        {
            "sin": Projection("a", "b", w, back, cosine),
            "cos": Projection("a", "b", w, ahead, minus_sine),
        },
    )


def row(covers, n_parameters, u=0.5, **kwargs):
    """A model with these parameters, spread over its units."""

    def make(n, vary):
        return covers(n, **{k: vary(x) for k, x in n_parameters.items()})

    return Row(covers, make, lambda n: jnp.full(n, u), **kwargs)


ROWS = [
    row(comp.ThresholdLinear, {"tau": 10.0, "gain": 2.0, "r_init": 3.0}),
    row(comp.WilsonCowan, {"c1": 16.0, "theta_e": 4.0, "e_init": 0.2, "i_init": 0.1}),
    row(comp.JansenRit, {"c1": 135.0, "rate_e": 0.1, "y_init": 1.0}, 20.0),
    row(comp.WongWang, {"w": 0.26, "a": 270.0, "s_init": 0.2}, 0.05),
    row(comp.WongWang, {"sigma": 0.01, "s_init": 0.2}, 0.05, random=True, name="random WongWang"),
    row(comp.StuartLandau, {"a": 0.02, "c": 0.01, "x_init": 0.5, "y_init": 0.3}, 0.01),
    row(comp.StuartLandau, {"sigma": 0.1}, 0.01, random=True, name="random StuartLandau"),
    Row(
        comp.Kuramoto,
        lambda n, v: comp.Kuramoto(n, omega=v(0.1), theta_init=v(1.0)),
        lambda n: comp.Affine(jnp.full(n, -0.3), jnp.full(n, 0.5)),
    ),
    row(comp.Kuramoto, {"sigma": 0.1, "theta_init": 1.0}, random=True, name="random Kuramoto"),
    Row(comp.SineSynapse, phases, name="SineSynapse"),
    Row(comp.SineOutput, phases, lambda n: {"a": jnp.full(n, 0.1)}, name="SineOutput"),
    Row(
        comp.ThetaNeuron,
        lambda n, v: comp.ThetaNeuron(
            n, tau=v(10.0), eta=v(-0.5), theta_init=v(0.4), spike=comp.SuperSpike(1e9)
        ),
        lambda n: jnp.full(n, 2.0),
    ),
    row(comp.MontbrioPazoRoxin, {"eta": -5.0, "r_init": 0.02, "v_init": -1.0}),
    row(
        comp.MontbrioPazoRoxin,
        {"kappa": 2.0, "tau_a": 20.0, "r_init": 0.02},
        name="MontbrioPazoRoxin with adaptation",
    ),
    row(comp.Epileptor, {"x0": -1.6, "i1": 3.1}),
    row(comp.VanDerPol, {"mu": 2.0, "x_init": 1.5, "y_init": 0.5}),
    # A thousand times as fast as it is, to move within a millisecond.
    row(
        comp.BalloonWindkessel,
        {"epsilon": 1e6, "kappa": 650.0, "gamma": 4.1e5, "tau": 0.98, "alpha": 0.32},
    ),
    row(comp.Electrodes, {"sigma": 0.5}, random=True, flows=False),
]
