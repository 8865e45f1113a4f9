"""The example that trains on real digits reaches 95 % on those it has not seen."""

import importlib.util
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "train_digits.py"


@pytest.fixture
def example() -> Any:
    spec = importlib.util.spec_from_file_location("train_digits", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_train_and_test_share_no_digit(example):
    (train, train_labels), (test, test_labels) = example.load(jax.random.key(0))
    assert len(train) == len(train_labels) == 1438 and len(test) == len(test_labels) == 359
    with np.load(example.DATA) as data:
        whole = data["images"].reshape(-1, 64) / 16
    rows = [x.tobytes() for x in np.concatenate([train, test]).astype(np.float64)]
    assert sorted(rows) == sorted(x.tobytes() for x in whole)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_digits_that_were_held_out(example, float32, tmp_path, seed):
    found = example.main(["--seed", str(seed), "--out", str(tmp_path)])
    assert found["accuracy"] >= 0.95
    assert (tmp_path / "train_digits.png").exists()
