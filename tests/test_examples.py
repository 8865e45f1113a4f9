"""Every example runs at its small size and leaves a picture; the two of `make demo` in full."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(p for p in (ROOT / "examples").glob("*.py") if not p.name.startswith("_"))
DEMO = ("coba", "current_clamp")


def run(script: Path, out: Path, *options: str) -> list[Path]:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), *options, "--out", str(out)],
        # From another folder, as a user may: a script finds what it needs by itself.
        cwd=out,
        env={**os.environ, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return sorted(out.rglob("*.png"))


def check_pictures(pictures: list[Path]) -> None:
    from matplotlib.image import imread

    assert pictures, "no picture"
    for path in pictures:
        pixels = imread(path)
        assert pixels.shape[0] > 200 and pixels.shape[1] > 200, f"{path.name}: {pixels.shape}"
        assert pixels[..., :3].std() > 0.02, f"{path.name} is blank"


@pytest.mark.parametrize(
    "script",
    # Of those that are not run in full, each takes ten seconds and more, most of it compiling.
    [pytest.param(p, marks=() if p.stem in DEMO else pytest.mark.slow) for p in SCRIPTS],
    ids=lambda p: p.stem,
)
def test_small(script, tmp_path):
    check_pictures(run(script, tmp_path, "--quick"))


@pytest.mark.slow
@pytest.mark.parametrize("name", DEMO)
def test_full(name, tmp_path):
    check_pictures(run(ROOT / f"examples/{name}.py", tmp_path))
