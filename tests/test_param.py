"""Parameters: units, bounds, types, replacement, summary."""

import dataclasses
import inspect
import pickle

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pint
import pytest

import fdyn
import fdyn.analyze
import fdyn.components as comp
import fdyn.fit
from fdyn import Network, param, replace, summary
from fdyn._param import parameters
from fdyn.components import KHH, LIF, ConductanceBased, Leak, PoissonInput
from fdyn.sparse import OneToOne


class Model(eqx.Module):
    tau: jax.Array = param(20.0, unit="ms", doc="time constant", bound="positive")
    gain: jax.Array = param(1.0, unit="1", doc="gain", bound="non-negative")
    e: jax.Array | None = param(None, unit="mV", doc="an optional potential")
    need: jax.Array = param(unit="nS", doc="a required conductance")

    def __init__(self, need, tau=20.0, gain=1.0, e=None):
        self.need, self.tau, self.gain, self.e = need, tau, gain, e


U = pint.UnitRegistry()


def test_whatever_comes_is_a_strongly_typed_array():
    for value in (5, 5.0, np.float32(5), np.int64(5), jnp.array(5), jnp.float32(5.0), np.array(5)):
        tau = Model(1.0, tau=value).tau
        assert tau.dtype == jnp.float64 and not tau.weak_type and tau.shape == () and tau == 5
    assert Model(1.0, tau=[1, 2]).tau.shape == (2,)
    assert Model(1.0).e is None and Model(1.0, e=3).e.dtype == jnp.float64


def test_single_precision_where_that_is_the_default(float32):
    assert Model(1.0).tau.dtype == jnp.float32 and LIF(2).spike.beta.dtype == jnp.float32


def test_quantities_are_converted():
    m = Model(2.0 * U.uS, tau=0.01 * U.s, gain=50 * U.percent, e=[-0.065, -0.07] * U.V)
    assert m.tau == 10 and m.gain == 0.5
    assert float(m.need) == pytest.approx(2000, rel=1e-15)
    np.testing.assert_allclose(m.e, [-65, -70])
    assert float(KHH(g=360 * U.S / U.m**2).g) == pytest.approx(36.0)
    assert float(replace(m, lambda m: m.tau, 1 * U.s).tau) == 1000


def test_replace_takes_no_quantity_where_no_unit_is_declared():
    conn = OneToOne(1.0, n=2)
    with pytest.raises(ValueError, match="no unit is declared.*weight.*<Quantity"):
        replace(conn, lambda c: c.weight, 3.0 * U.uS)
    assert replace(conn, lambda c: c.weight, 3.0).weight == 3.0


def public_parameters():
    for package in (fdyn, fdyn.components, fdyn.sparse, fdyn.solvers, fdyn.fit, fdyn.analyze):
        for cls in vars(package).values():
            if isinstance(cls, type) and issubclass(cls, eqx.Module):
                for f in dataclasses.fields(cls):
                    if "unit" in f.metadata:
                        yield f"{cls.__name__}.{f.name}", f.metadata["unit"]


def test_pint_knows_every_declared_unit():
    declared = dict(public_parameters())
    assert declared["LIF.r"] == "Gohm" and len(declared) > 20
    for name, unit in declared.items():
        if unit != "1":
            assert U.parse_units(unit) != U.dimensionless, name
    assert float(LIF(1, r=50 * U.megaohm).r) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Model(1.0, tau=5 * U.mV), "'tau' is measured in 'ms' and cannot take.*millivolt"),
        (lambda: Model(1.0, gain=5 * U.mV), "'gain' is measured in '1'"),
        (lambda: Model(1.0, tau=0), r"'tau' must be positive \(in 'ms'\), got \[0.0\]"),
        (lambda: Model(1.0, tau=[1, -2, -3]), r"got \[-3.0, -2.0\]"),
        (lambda: Model(1.0, tau=-5 * U.s), r"'tau' must be positive.*-5000"),
        (lambda: Model(1.0, gain=-1), "'gain' must be non-negative"),
        (lambda: Model(float("nan")), "'need' must be a number.*nan"),
        (lambda: Model(None), "'need' expects a number or an array in 'nS', got None"),
        (lambda: Model("a"), "'need' expects.*'a'"),
        (lambda: Model([[1.0], [1.0, 2.0]]), "'need' expects"),
        (lambda: param(1.0, unit="ms", doc="", bound="small"), "bound must be one of"),
    ],
)
def test_bad_values(make, match):
    with pytest.raises(ValueError, match=match):
        make()


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: LIF(3, tua=20.0), "LIF has no parameter 'tua'. Did you mean 'tau'"),
        (lambda: PoissonInput(1, rat=2.0), "PoissonInput has no parameter 'rat'.*'rate'"),
        (lambda: KHH(ph=3.0), "KHH has no parameter 'ph'.*'phi'"),
        (lambda: comp.IonShell(dept=1.0), "IonShell has no parameter 'dept'.*'depth'"),
        (lambda: comp.Exponential(tao=1.0), "Exponential has no parameter 'tao'.*'tau'"),
        (lambda: comp.COBA(E=0.0), "COBA has no parameter 'E'. Known: e"),
        (lambda: comp.TsodyksMarkram(tau_reg=1.0), "TsodyksMarkram has no.*'tau_rec'"),
        (lambda: comp.PairSTDP(a_plos=1.0), "PairSTDP has no parameter 'a_plos'.*'a_plus'"),
        (lambda: comp.PartialReset(fractoin=1.0), "PartialReset has no.*'fraction'"),
        (lambda: comp.SuperSpike(bata=1.0), "SuperSpike has no parameter 'bata'.*'beta'"),
        (lambda: Network(node={}), "Network has no parameter 'node'.*'nodes'"),
    ],
)
def test_misspelt_parameters_are_answered_with_the_nearest(make, match):
    with pytest.raises(TypeError, match=match):
        make()


def test_the_answer_to_misspelt_parameters_leaves_construction_as_it_is():
    known = inspect.signature(LIF).parameters
    assert list(known)[:3] == ["size", "tau", "r"] and known["tau"].default == 20.0
    again = pickle.loads(pickle.dumps(LIF(2, tau=7.0)))
    assert again.size == 2 and again.tau == 7
    assert float(jax.jit(lambda tau: LIF(1, tau=tau).tau)(3.0)) == 3

    class Open(comp.AbstractReset):
        def __init__(self, **kwargs):
            assert kwargs == {"anything": 1}

        def __call__(self, v, v_th, v_reset):
            return v_reset

    Open(anything=1)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'size'"):
        LIF()  # pyright: ignore[reportCallIssue]


def test_replace_keeps_type_checks_bounds_and_copies():
    m = Model(1.0)
    new = replace(m, lambda m: m.tau, 7)
    assert new.tau == 7 and new.tau.dtype == m.tau.dtype and m.tau == 20
    two = replace(m, lambda m: (m.tau, m.gain), (1, 2))
    assert two.tau == 1 and two.gain == 2
    assert replace(m, lambda m: m.e, -60.0).e == -60
    with pytest.raises(ValueError, match="'tau' must be positive"):
        replace(m, lambda m: m.tau, -1.0)
    with pytest.raises(ValueError, match="2 leaves selected, 1 values"):
        replace(m, lambda m: [m.tau, m.gain], [1.0])
    with pytest.raises(ValueError, match="'tau'.*'ms'"):
        replace(m, lambda m: m.tau, 1 * U.mV)


def test_replace_under_a_transformation():
    slope = jax.grad(lambda x: replace(Model(1.0), lambda m: m.tau, x).tau ** 2)(3.0)
    assert float(slope) == 6


def test_every_parameter_has_a_path():
    net = Network({"E": ConductanceBased(2, {"k": KHH(), "l": Leak()}), "in": PoissonInput(2, 5.0)})
    paths = {p: f.metadata["unit"] for p, f, _ in parameters(net)}
    assert paths["nodes.E.channels.k.g"] == "mS/cm^2" and paths["nodes.in.rate"] == "Hz"


def test_the_summary_counts():
    text = summary(Network({"E": LIF(2, tau=[10.0, 20.0])}))
    row = next(x for x in text.splitlines() if x.startswith("nodes.E.tau"))
    assert row.split()[1:4] == ["2", "float64", "ms"] and "10 .. 20" in row
    assert text.splitlines()[-1].startswith("7 arrays, 8 numbers")
    inside = []
    jax.jit(lambda m: inside.append(summary(m)) or m.tau)(LIF(1))
    assert "traced" in inside[0]


def test_replace_runs_the_checks_of_the_constructor():
    with pytest.raises(ValueError, match="'v_th' must lie above"):
        replace(LIF(1), lambda m: m.v_th, -80.0)
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        replace(LIF(3), lambda m: m.tau, jnp.ones(2))
    net = Network({"E": LIF(1)})
    with pytest.raises(ValueError, match="'v_th' must lie above"):
        replace(net, lambda m: m.nodes["E"].v_th, -80.0)
