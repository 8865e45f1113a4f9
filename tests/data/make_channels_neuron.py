"""What the authors' own implementations compute, in NEURON: channels_neuron.json.

    python make_channels_neuron.py

It needs NEURON 9 (`pip install neuron`), and in the current folder the mechanisms of ModelDB that
`FILES` lists, compiled by `nrnivmodl`. In two of them (ik2, ITGHK) `METHOD euler` was replaced by
`METHOD cnexp`, which solves the same equations exactly at a constant voltage.

- `gates`: each mechanism sits in a compartment whose capacitance is so large that its voltage stays
  where it is put. At each of `VOLTAGES` in turn the gates are read `TIMES` after the change; they
  start at the steady state of the first one.
- `cell`: a thalamic reticular cell with a current pulse, whose calcium moves the reversal potential
  of its T channels and opens its potassium channels.
"""

import json
from pathlib import Path

from neuron import h  # pyright: ignore[reportMissingImports]

VOLTAGES = [-95.0, -82.5, -71.0, -62.0, -50.5, -38.0, -20.0, 5.0, 31.0]
TIMES = [0.5, 3.0, 50.0]
FILES = {
    "TC_iA": "251881 TC_iA.mod",
    "tcik2": "143633 ik2.mod",
    "itGHK": "279 ITGHK.mod",
    "it2": "3670 IT2.mod",
    "it": "3817 IT.mod",
    "im": "3817 IM.mod",
    "ical": "123623 IL_gutnick.mod",
    "iahp": "3670 IAHP.mod",
    "ican": "3670 ICAN.mod",
    "iar": "3343 Ih.mod",
    "cad": "3343 cadecay.mod",
    "hh2": "3670 HH2.mod",
}
# Gates; temperature, °C; calcium inside, mM. TC_iA has its temperature factor at 23 °C, not at
# 23.5, so it runs there, where it is 1; so does tcik2.
MECHANISMS = {
    "TC_iA": (["m1", "h1", "m2", "h2"], 23.0, None),
    "tcik2": (["m", "h1", "h2"], 23.5, None),
    "itGHK": (["m", "h"], 34.0, 2.4e-4),
    "it2": (["m", "h"], 34.0, 2.4e-4),
    "it": (["h"], 34.0, 2.4e-4),
    "im": (["m"], 34.0, None),
    "ical": (["m", "h"], 36.0, 2.4e-4),
    "iahp": (["m"], 34.0, 0.01),
    "ican": (["m"], 34.0, 0.01),
    "iar": (["o1", "o2", "p1"], 34.0, 0.003),
}
DT = 0.0125


def compartment() -> h.Section:
    """A cylinder with an area of 1e-4 cm^2."""
    sec = h.Section()
    sec.L = sec.diam = 100 / 3.141592653589793**0.5
    return sec


def gates(name: str) -> list[list[list[float]]]:
    """The gates by voltage and time."""
    names, celsius, calcium = MECHANISMS[name]
    sec = compartment()
    sec.cm = 1e12
    sec.insert(name)
    seg = sec(0.5)
    h.celsius, h.dt = celsius, DT
    if calcium is not None:
        seg.cai, seg.cao = calcium, 2.0
    h.finitialize(VOLTAGES[0])
    for _ in range(round(2e5 / DT) if name == "iar" else 1):  # it begins closed
        h.fadvance()
    found = []
    for v in VOLTAGES:
        seg.v = v
        steps, rows = 0, []
        for t in TIMES:
            while steps < round(t / DT):
                h.fadvance()
                steps += 1
            rows.append([getattr(seg, f"{x}_{name}") for x in names])
        found.append(rows)
    return found


def cell() -> dict:
    """Spike times and the calcium of a reticular cell."""
    sec = compartment()
    for name in ("hh2", "it2", "iahp", "cad", "pas"):
        sec.insert(name)
    seg = sec(0.5)
    h.celsius, h.dt = 36.0, 0.005
    seg.g_pas, seg.e_pas = 5e-5, -80.0
    seg.gnabar_hh2, seg.gkbar_hh2, seg.vtraub_hh2 = 0.1, 0.01, -55.0
    seg.gcabar_it2, seg.shift_it2 = 0.00175, 2.0
    seg.gkbar_iahp = 0.002
    h.cac_iahp, h.beta_iahp = 0.0025, 0.03
    seg.depth_cad, seg.taur_cad, seg.cainf_cad = 1.0, 5.0, 2.4e-4
    sec.ena, sec.ek, sec.cao = 50.0, -95.0, 2.0
    clamp = h.IClamp(seg)
    clamp.delay, clamp.dur, clamp.amp = 100.0, 200.0, 0.06  # 0.6 uA/cm^2
    v, ca, t = (h.Vector().record(x) for x in (seg._ref_v, seg._ref_cai, h._ref_t))
    h.finitialize(-80.0)
    while h.t < 320.0 - 1e-9:
        h.fadvance()
    v, ca, t = list(v), list(ca), list(t)
    spikes = [
        t[i] + h.dt * -v[i] / (v[i + 1] - v[i]) for i in range(len(v) - 1) if v[i] < 0 <= v[i + 1]
    ]
    every = round(20.0 / h.dt)
    return {"spikes_ms": spikes, "calcium_mM": ca[every::every], "calcium_max_mM": max(ca)}


if __name__ == "__main__":
    result = {
        "voltages_mV": VOLTAGES,
        "times_ms": TIMES,
        "gates": {
            name: {"names": m[0], "celsius": m[1], "calcium_mM": m[2], "value": gates(name)}
            for name, m in MECHANISMS.items()
        },
        "cell": cell(),
    }
    path = Path(__file__).with_name("channels_neuron.json")
    path.write_text(json.dumps(result, indent=1) + "\n")
