"""Inputs in the conformance table."""

from row import Row

from fdyn import components as comp

ROWS = [
    Row(comp.ConstantInput, lambda n, v: comp.ConstantInput(n, v(2.0)), flows=False),
    Row(comp.PoissonInput, lambda n, v: comp.PoissonInput(n, v(2e4), v(2.0)), random=True),
    Row(
        comp.OrnsteinUhlenbeck,
        lambda n, v: comp.OrnsteinUhlenbeck(n, mean=v(2.0), sigma=v(0.5), tau=v(5.0)),
        random=True,
        quick=True,
    ),
]
