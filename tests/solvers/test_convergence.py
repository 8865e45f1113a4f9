"""The page of measured orders names every solver, and the script that makes it works."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_solver_conformance import ROWS

ROOT = Path(__file__).parents[2]


def test_the_page_names_every_solver_and_no_slope_is_off():
    text = (ROOT / "docs/convergence.md").read_text()
    rows = re.findall(r"^\| (\w+)[^|]*\| ([\d.]+) \| ([\d.]+) \|", text, re.M)
    assert {name for name, *_ in rows} == {r.covers.__name__ for r in ROWS if not r.exact}
    for name, theory, slope in rows:
        assert abs(float(theory) - float(slope)) <= 0.15, name


@pytest.mark.slow
def test_the_script_measures_and_draws(tmp_path):
    command = [sys.executable, "benchmarks/convergence.py", "--out", str(tmp_path)]
    for only in ("ODE: RK4", "FDE: FastL1"):
        subprocess.run([*command, "--only", only], cwd=ROOT, check=True, capture_output=True)
    rows = json.loads((tmp_path / "convergence.json").read_text())
    assert [r["solver"] for r in rows] == ["RK4", "FastL1"]
    for row in rows:
        assert abs(row["slope"] - row["theory"]) <= 0.15
        assert row["errors"] == sorted(row["errors"], reverse=True) and row["rounding"] > 0
    assert (tmp_path / "convergence.png").read_bytes()[1:4] == b"PNG"
