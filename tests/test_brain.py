"""Rate models under noise, those of examples/, against closed forms and independent numbers."""

import sys
from pathlib import Path

import numpy as np
import pytest
from cases import case

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

import jansen_rit  # noqa: E402
import whole_brain as brain  # noqa: E402

from fdyn import Record, simulate  # noqa: E402

PART = 0.8  # of the critical coupling


# --- Jansen & Rit 1995 --------------------------------------------------------------------------


@pytest.mark.slow
def test_alpha_rhythm():
    c = case("an_jr_alpha_p200")
    found = jansen_rit.cycle()
    want = [c["value"][k] for k in ("freq_hz", "min", "max")]
    np.testing.assert_allclose(list(found.values()), want, rtol=2e-4)
    eeg = jansen_rit.noisy(20_000.0, 8, 1)
    for x, synapses in zip(eeg, jansen_rit.SYNAPSES, strict=True):
        hertz, power = jansen_rit.spectrum(x)
        # The sum of the density is the variance, but for what is slower than the pieces.
        np.testing.assert_allclose(power.sum() * hertz[1], x.var(axis=-1).mean(), rtol=0.1)
        if synapses == 68:
            band = (hertz > 1) & (hertz < 30)
            ratio = power[band] / jansen_rit.linear_spectrum(synapses, hertz[band])
            assert abs(ratio.mean() - 1) < 0.04
            assert ratio.std() < 0.2
        elif synapses == 135:
            assert abs(jansen_rit.peak(hertz, power) - c["value"]["freq_hz"]) < 0.4


# --- Deco et al. 2013 on a human connectome -----------------------------------------------------


def test_whole_brain_theory():
    """Without delays and vessels the integral over frequencies solves the Lyapunov equation."""
    from scipy.linalg import solve_continuous_lyapunov

    share = np.random.default_rng(0).uniform(size=(6, 6)) * (1 - np.eye(6))
    share /= share.sum(axis=0)
    own, others = brain.linearized(0.8)
    a = own * np.eye(6) + others * share.T
    truth = solve_continuous_lyapunov(a, -(brain.SIGMA**2) * np.eye(6))
    found, memory = brain.covariance(share, 0 * share, 0.8, np.array([0.0, 100.0]), bold=False)
    np.testing.assert_allclose(found, truth, rtol=1e-4, atol=1e-4 * truth.max())
    np.testing.assert_allclose(memory[0], 1)
    # At the critical coupling a fluctuation of all regions together no longer decays.
    assert abs(sum(brain.linearized(1.0))) < 1e-4 < -sum(brain.linearized(0.98))


@pytest.mark.slow
def test_whole_brain_fluctuations():
    """Covariances of the gatings, by the Lyapunov equation; those of BOLD up to scatter."""
    from scipy.linalg import solve_continuous_lyapunov

    data = brain.connectome()
    data["distances_mm"] = np.zeros_like(data["distances_mm"])
    own, others = brain.linearized(PART)
    n = len(data["share"])
    a = own * np.eye(n) + others * data["share"].T
    truth = solve_continuous_lyapunov(a, -(brain.SIGMA**2) * np.eye(n))
    record = [Record("R.s", every=10), Record("bold.bold", every=round(brain.IMAGE / brain.DT))]
    rec = simulate(brain.brain(data, PART), 240_000.0, dt=brain.DT, record=record, progress=False)
    found = np.cov(np.asarray(rec["R.s"], float)[500:].T)
    assert abs((np.diag(found) / np.diag(truth)).mean() - 1) < 0.02
    x, y = brain.pairs(truth), brain.pairs(found)
    # What the tracts do, over all pairs; the scatter of 240 s leaves an error of 0.013.
    assert abs(x @ y / (x @ x) - 1) < 0.05

    fc = np.corrcoef(np.asarray(rec["bold.bold"], float)[brain.SETTLING :].T)
    lags = brain.IMAGE * np.arange(1, 30)
    total, memory = brain.covariance(data["share"], data["distances_mm"], PART, lags)
    apart = brain.pairs(fc) - brain.pairs(brain.correlations(total))
    scatter = brain.scatter(memory, len(rec["bold.bold"]) - brain.SETTLING)
    np.testing.assert_allclose(np.sqrt(np.mean(apart**2)), scatter, rtol=0.04)
    assert abs(apart.mean()) < 0.1 * scatter
