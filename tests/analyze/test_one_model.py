"""The example with one model object: simulated, fitted, analysed."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from cases import case

EXAMPLE = Path(__file__).parents[2] / "examples" / "one_model.py"


@pytest.mark.slow
def test_numbers_of_the_example(tmp_path):
    spec = importlib.util.spec_from_file_location("one_model", EXAMPLE)
    assert spec is not None and spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    found = example.main(["--quick", "--out", str(tmp_path)])
    want = [point["p"] for point in case("an_ml_hopf_set")["value"]]
    np.testing.assert_allclose(found["hopf"], want, rtol=1e-6)
    assert found["difference"] < 1e-5
    np.testing.assert_allclose(found["fitted"], found["true"], rtol=0.02)
    assert found["untouched"] == 15
