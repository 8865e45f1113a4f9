"""The benchmark networks do the same work as those of other simulators: their rates agree.

The ranges are those of Brian2, NEST, NEURON, BrainPy and a C program on the same networks, over
seeds: COBA 20 to 25 Hz; COBAHH 33 to 45 Hz at 4,000 neurons, 34 to 38 Hz at 16,000.
"""

import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
FIELDS = {
    "peer": str,
    "mode": str,
    "model": str,
    "n": int,
    "duration_ms": float,
    "dt": float,
    "build_s": float,
    "compile_s": float,
    "run_s": float,
    "mean_rate_hz": float,
    "version": str,
}


def run(model, *arguments):
    command = [sys.executable, f"benchmarks/{model}.py", "--json", *map(str, arguments)]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (line,) = output.splitlines()
    result = json.loads(line)
    assert {name: type(result[name]) for name in FIELDS} == FIELDS
    assert (result["peer"], result["model"]) == ("fdyn", model)
    return result


def test_one_json_line():
    result = run("coba", "--n", 400, "--duration", 50, "--dt", 0.1, "--seed", 0)
    assert (result["n"], result["duration_ms"], result["dt"]) == (400, 50.0, 0.1)


def test_sparse_products(tmp_path):
    """All contenders take part, agree (the script compares them) and are drawn."""
    command = [sys.executable, "benchmarks/sparse.py", "--quick", "--out", str(tmp_path)]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    rows = json.loads((tmp_path / "sparse_speed.json").read_text())
    names = {row["contender"] for row in rows}
    assert names >= {"fdyn CSR", "fdyn FixedFanOut", "scipy", "BCOO", "BCSR", "dense"}
    assert len(rows) == 3 * len(names) and all(row["us"] > 0 for row in rows)
    assert [json.loads(line) for line in output.splitlines()[: len(rows)]] == rows
    assert len(output.splitlines()) == len(rows) + 4  # and a table of ratios
    assert (tmp_path / "sparse_speed.png").read_bytes()[1:4] == b"PNG"


@pytest.mark.slow
def test_work_and_precision(tmp_path):
    """The solvers of all three kinds tend to the solution that scipy finds of its own equations."""
    command = [sys.executable, "benchmarks/work_precision.py", "--quick", "--out", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    rows = json.loads((tmp_path / "work_precision.json").read_text())
    errors = {}
    for row in rows:
        assert row["evaluations"] > 0 and row["seconds"] > 0
        errors.setdefault(row["solver"], []).append((row["spike_ms"], row["v_mv"]))
    expected = {"ExponentialEuler", "StrangSplitting", "solve, Tsit5", "scipy, RK45"}
    assert set(errors) == expected
    for (late, rms), (later, less) in errors.values():
        assert later < late and less < rms
    assert errors["StrangSplitting"][0][0] < errors["ExponentialEuler"][0][0] / 10
    assert max(errors["solve, Tsit5"][-1]) < 1e-4
    assert (tmp_path / "work_precision.png").read_bytes()[1:4] == b"PNG"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("model, low, high", [("coba", 20, 25), ("cobahh", 33, 45)])
def test_rates(model, low, high, seed):
    assert low <= run(model, "--seed", seed)["mean_rate_hz"] <= high


@pytest.mark.slow
def test_rate_of_the_large_network():
    assert 34 <= run("cobahh", "--n", 16_000)["mean_rate_hz"] <= 38
