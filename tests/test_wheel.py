"""The wheel: what it holds, and that it works in an environment of its own."""

import email
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import fdyn

ROOT = Path(__file__).parents[1]

_SCRIPT = """
import fdyn, pallas_kernels
from fdyn import simulate
from fdyn.components import LIF
print(fdyn.__file__)
print(pallas_kernels.__file__)
print(simulate(LIF(1), 100.0, dt=0.1, inputs=20.0, record="spike")["spike"].sum())
"""


def run(*command: object) -> str:
    # Nothing of the environment of the tests may lead back to the checkout.
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [str(c) for c in command], cwd=ROOT, env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder)
    (path,) = folder.glob("*.whl")
    return path


def test_what_the_wheel_holds(wheel):
    with zipfile.ZipFile(wheel) as z:
        names = z.namelist()
        (metadata,) = (n for n in names if n.endswith(".dist-info/METADATA"))
        meta = email.message_from_bytes(z.read(metadata))
    info = metadata.split("/")[0]
    assert {n.split("/")[0] for n in names} == {"fdyn", "pallas_kernels", info}
    here = {
        p.relative_to(ROOT).as_posix()
        for d in ("fdyn", "pallas_kernels")
        for p in (ROOT / d).rglob("*.py")
    }
    assert {n for n in names if n.endswith(".py")} == here
    assert not [n for n in names if "test" in n.lower()]
    assert f"{info}/licenses/LICENSE" in names
    assert (meta["Version"], meta["License-Expression"]) == (fdyn.__version__, "Apache-2.0")


def test_the_wheel_works_where_nothing_else_of_ours_is(wheel, tmp_path):
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    python = tmp_path / "env/bin/python"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python)
    run(*pip, "install", "--quiet", "--no-index", "--no-deps", wheel)
    (site,) = (tmp_path / "env/lib").glob("python*/site-packages")
    # The dependencies are those of this environment. A path that a .pth file adds is searched
    # last, and its own .pth files, one of which leads to the checkout, are not read.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    core, kernels, spikes = run(python, "-I", "-c", _SCRIPT).split()
    assert core == str(site / "fdyn/__init__.py")
    assert kernels == str(site / "pallas_kernels/__init__.py")
    assert float(spikes) == 3.0
