"""The reference cases: each is run, each error is below its tolerance, and the docs say so."""

import math

import pytest
from reference_table import CASES, RUNNERS, line, written


def test_every_case_is_run_and_shown():
    assert len(CASES) == 60
    assert set(CASES) == set(RUNNERS) == set(written())
    for name, rows in written().items():
        for solver, _, error, tolerance in rows:
            assert 0 <= float(error) <= float(tolerance), (name, solver)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_errors_are_below_the_tolerances(name):
    rows = RUNNERS[name]()
    assert rows
    for row in rows:
        assert math.isfinite(row.error) and 0 <= row.error <= row.tolerance, row
    shown = [(solver, of, tolerance) for solver, of, _, tolerance in written()[name]]
    cells = [[x.strip() for x in line(row).strip("|").split("|")] for row in rows]
    assert shown == [(solver, of, tolerance) for solver, of, _, tolerance in cells], (
        "docs/reference_cases.md is old: run python tests/solvers/reference_table.py"
    )
