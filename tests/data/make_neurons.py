"""Traces of neurons by independent simulators: Brian2 (smooth models) and NEST (GLIF).

python tests/data/make_neurons.py    # writes neurons.json beside it; needs brian2 and nest

The equations are typed in here from the papers, in the language of each simulator.
"""

import json
from pathlib import Path

import brian2 as b2  # pyright: ignore[reportMissingImports]
import nest  # pyright: ignore[reportMissingImports]
import numpy as np

b2.prefs.codegen.target = "numpy"
MS, MV = b2.ms, b2.mV


def sampled(equations: str, start: dict, watch: list[str], dt: float, end: float, every: float):
    """Values every so many ms of a model without reset, by a Runge-Kutta method of order 4."""
    b2.start_scope()
    group = b2.NeuronGroup(1, equations, method="rk4", dt=dt * MS)
    for name, value in start.items():
        setattr(group, name, value)
    trace = b2.StateMonitor(group, watch, record=True, dt=every * MS)
    b2.run(end * MS, namespace={})
    return {"t": (trace.t / MS).tolist(), **{w: getattr(trace, w)[0].tolist() for w in watch}}


# Voltages are plain numbers in mV, times in ms.
WANG_BUZSAKI = """
dv/dt = (drive - 0.1*(v + 65) - 35*m**3*h*(v - 55) - 9*n**4*(v + 90))/ms : 1
m = am/(am + bm) : 1
am = -0.1*(v + 35)/(exp(-0.1*(v + 35)) - 1) : 1
bm = 4*exp(-(v + 60)/18) : 1
dh/dt = 5*(0.07*exp(-(v + 58)/20)*(1 - h) - h/(exp(-0.1*(v + 28)) + 1))/ms : 1
dn/dt = 5*(-0.01*(v + 34)/(exp(-0.1*(v + 34)) - 1)*(1 - n) - 0.125*exp(-(v + 44)/80)*n)/ms : 1
drive : 1
"""

# Voltages from rest, as in the paper: capacitance 3, p = 0.5, gc = 2.1.
PINSKY_RINZEL = """
dvs/dt = (-0.1*vs - 30*m**2*h*(vs - 120) - 15*n*(vs + 15) + 4.2*(vd - vs) + drive/0.5)/3/ms : 1
dvd/dt = (-0.1*vd - ica - 0.8*q*(vd + 15) - 15*c*chi*(vd + 15) + 4.2*(vs - vd))/3/ms : 1
ica = 10*s**2*(vd - 140) : 1
chi = clip(ca/250, 0, 1) : 1
m = am/(am + bm) : 1
am = 0.32*(13.1 - vs)/(exp((13.1 - vs)/4) - 1) : 1
bm = 0.28*(vs - 40.1)/(exp((vs - 40.1)/5) - 1) : 1
dn/dt = (0.016*(35.1 - vs)/(exp((35.1 - vs)/5) - 1)*(1 - n) - 0.25*exp(0.5 - 0.025*vs)*n)/ms : 1
dh/dt = (0.128*exp((17 - vs)/18)*(1 - h) - 4/(1 + exp((40 - vs)/5))*h)/ms : 1
ds/dt = (1.6/(1 + exp(-0.072*(vd - 65)))*(1 - s) - 0.02*(vd - 51.1)/(exp((vd - 51.1)/5) - 1)*s)/ms : 1
ac = int(vd <= 50)*exp((vd - 10)/11 - (vd - 6.5)/27)/18.975 + int(vd > 50)*2*exp((6.5 - vd)/27) : 1
bc = int(vd <= 50)*(2*exp((6.5 - vd)/27) - ac) : 1
dc/dt = (ac*(1 - c) - bc*c)/ms : 1
dq/dt = (clip(0.00002*ca, 0, 0.01)*(1 - q) - 0.001*q)/ms : 1
dca/dt = (-0.13*ica - 0.075*ca)/ms : 1
drive : 1
"""  # noqa: E501


def gates_at(v: float, i: float, ca: float) -> dict[str, float]:
    """The start of the Pinsky-Rinzel cell; any would do, it is stored with the trace."""
    return {
        "vs": v,
        "vd": v,
        "h": 0.999,
        "n": 0.001,
        "s": 0.009,
        "c": 0.007,
        "q": 0.01,
        "ca": ca,
        "drive": i,
    }


GLIF_LEVELS = [
    {"spike_dependent_threshold": r, "after_spike_currents": a, "adapting_threshold": t}
    for r, a, t in (
        (False, False, False),
        (True, False, False),
        (False, True, False),
        (True, True, False),
        (True, True, True),
    )
]
GLIF = {
    "C_m": 100.0,
    "g": 5.0,
    "E_L": -70.0,
    "V_th": -50.0,
    "V_reset": -70.0,
    "t_ref": 2.0,
    "asc_init": (0.0, 0.0),
    "asc_decay": (0.003, 0.1),
    "asc_amps": (-15.0, 40.0),
    "asc_r": (1.0, 0.5),
    "th_spike_add": 4.0,
    "th_spike_decay": 0.02,
    "voltage_reset_fraction": 0.3,
    "voltage_reset_add": -2.0,
    "th_voltage_index": 0.005,
    "th_voltage_decay": 0.02,
}


def glif(current: float, end: float) -> list[list[float]]:
    """Spike times (ms) of the five levels."""
    nest.ResetKernel()
    nest.resolution = 0.01
    trains = []
    for level in GLIF_LEVELS:
        neuron = nest.Create("glif_psc", params={**GLIF, **level, "V_m": -70.0})
        source = nest.Create("dc_generator", params={"amplitude": current})
        nest.Connect(source, neuron, syn_spec={"delay": 0.01})
        recorder = nest.Create("spike_recorder")
        nest.Connect(neuron, recorder)
        trains.append(recorder)
    nest.Simulate(end)
    return [np.asarray(r.events["times"]).tolist() for r in trains]


def main() -> None:
    wang = {"v": -65.0, "h": 0.8, "n": 0.1, "drive": 1.0}
    cell = gates_at(-4.6, 0.75, 0.2)
    found = {
        "made_with": {"brian2": b2.__version__, "nest": nest.__version__},
        "wang_buzsaki": {
            "start": wang,
            "trace": sampled(WANG_BUZSAKI, wang, ["v", "h", "n"], 0.002, 60.0, 2.0),
        },
        "pinsky_rinzel": {
            "start": cell,
            "trace": sampled(PINSKY_RINZEL, cell, ["vs", "vd", "ca", "q"], 0.004, 140.0, 4.0),
        },
        "glif": {"current": 200.0, "end": 400.0, "parameters": GLIF, "times": glif(200.0, 400.0)},
    }
    path = Path(__file__).parent / "neurons.json"
    path.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
