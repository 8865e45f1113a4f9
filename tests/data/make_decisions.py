"""What tests/test_networks.py states of Wang's network: python make_decisions.py (needs numba).

An independent simulation, written from the equations of Wang 2002, Neuron 36:955, with sums over
groups in the place of synapses, the midpoint rule for the voltage and exact steps of the gates.
"""

import numba
import numpy as np

FIRST = np.array([0, 240, 480, 1600, 2000])  # A, B, the others, inhibitory
WEIGHTS = np.array([[1.7, 0, 0], [0, 1.7, 0], [1, 1, 1], [1, 1, 1]])  # to the row from the column
WEIGHTS[0, 1:] = WEIGHTS[1, [0, 2]] = 1 - 0.15 * 0.7 / 0.85
NOISE, AMPA, NMDA, GABA = np.array([[2.1, 1.62], [0.05, 0.04], [0.165, 0.13], [1.3, 1.0]])  # nS
LEAK, CAPACITANCE, REFRACTORY = np.array([[25.0, 20.0], [500.0, 200.0], [2.0, 1.0]])  # nS, pF, ms
ON, SHOWN, BIN = 300.0, 1000.0, 5.0  # ms


@numba.njit
def inward(v, k, g_ampa, g_nmda, g_gaba):
    block = 1 + np.exp(-0.062 * v) / 3.57
    return -(LEAK[k] + g_gaba) * (v + 70) - (g_ampa + g_nmda / block) * v


@numba.njit
def trial(coherence, seed, stop, dt=0.1, tau_gaba=5.0):
    """Rates of the four groups in bins of 5 ms, Hz."""
    np.random.seed(seed)
    n, n_e = FIRST[-1], FIRST[-2]
    v = -70 + 20 * np.random.random(n)
    wait, outside = np.zeros(n), np.zeros(n)
    x, s = np.zeros(n_e), np.zeros(n_e)
    ampa, gaba = np.zeros(3), 0.0
    motion = np.empty((2, 20))
    for i in range(2):
        for j in range(20):
            mean = 40 * (1 + (1 - 2 * i) * coherence / 100)
            motion[i, j] = max(mean + 4 * np.random.randn(), 0)
    lag = round(0.5 / dt)
    fired, number = np.zeros((lag + 1, n), np.bool_), np.zeros((lag + 1, 4))
    per_bin = round(BIN / dt)
    rates = np.zeros((4, round(stop / BIN)))
    fast, slow = np.exp(-dt / 2.0), np.exp(-dt / tau_gaba)
    for step in range(round(stop / dt)):
        t = (step + 0.5) * dt
        now, arriving = step % (lag + 1), (step + 1) % (lag + 1)
        gates = np.array([s[FIRST[k] : FIRST[k + 1]].sum() for k in range(3)])
        for group in range(4):
            k = 1 if group == 3 else 0
            rate = 2400.0
            if group < 2 and ON <= t < ON + SHOWN:
                rate += motion[group, int((t - ON) / 50)]
            g_ampa = AMPA[k] * (WEIGHTS[group] * ampa).sum()
            g_nmda = NMDA[k] * (WEIGHTS[group] * gates).sum()
            g_gaba = GABA[k] * gaba
            number[now, group] = 0
            for i in range(FIRST[group], FIRST[group + 1]):
                fired[now, i] = False
                if wait[i] > dt / 2:
                    wait[i] -= dt
                else:
                    g = NOISE[k] * outside[i] + g_ampa
                    middle = v[i] + dt / 2 * inward(v[i], k, g, g_nmda, g_gaba) / CAPACITANCE[k]
                    v[i] += dt * inward(middle, k, g, g_nmda, g_gaba) / CAPACITANCE[k]
                    if v[i] >= -50:
                        v[i], wait[i], fired[now, i] = -55, REFRACTORY[k], True
                        number[now, group] += 1
                outside[i] = outside[i] * fast + np.random.poisson(rate * dt / 1000)
            size = FIRST[group + 1] - FIRST[group]
            rates[group, step // per_bin] += number[now, group] / size / BIN * 1000
        for i in range(n_e):
            speed = 0.5 * x[i] + 0.01
            end = 0.5 * x[i] / speed
            s[i] = end + (s[i] - end) * np.exp(-speed * dt)
            x[i] = x[i] * fast + fired[arriving, i]
        ampa = ampa * fast + number[arriving, :3]
        gaba = gaba * slow + number[arriving, 3]
    return rates


if __name__ == "__main__":
    for coherence, trials, dt, tau_gaba in (
        (51.2, 12, 0.1, 5.0),
        (0.0, 40, 0.1, 5.0),
        (51.2, 4, 0.02, 5.0),
        (51.2, 8, 0.1, 10.0),
    ):
        rates = np.array([trial(coherence, seed, 1800.0, dt, tau_gaba) for seed in range(trials)])
        last, late = rates[:, :2, 240:260].mean(axis=2), rates[:, :2, -40:].mean(axis=2)
        winner = last.argmax(axis=1)
        some = np.arange(trials)
        print(f"coherence {coherence} %, dt {dt} ms, GABA {tau_gaba} ms, {trials} trials:")
        print("  before:", rates[:, :, 20:60].mean(axis=(0, 2)).round(2), "Hz")
        print(
            "  A wins", (winner == 0).sum(), "of which beyond 15 Hz", (last.max(axis=1) > 15).sum()
        )
        print("  at the end of the stimulus:", np.sort(last[some, winner]).round(1))
        print("  the winner, 300 to 500 ms later:", np.sort(late[some, winner]).round(1))
        print("  the other:", late[some, 1 - winner].max().round(1), "at most", flush=True)
