"""The README and the pages under docs/: their code runs, their links lead somewhere, and every
function and solver has its line. The pages of the models: test_gallery.py."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fdyn
import pallas_kernels
from fdyn import analyze, fit, solvers, sparse

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
SPARSE = [
    p.stem
    for p in PAGES
    if p.stem in ("sparse", "builders", "procedural", "delays", "operators", "accelerators")
]
# What a reader runs: JAX as it comes, not with the settings of the tests. One process for all
# pages, since most of the time would go into starting it; each page has its own names.
_RUNNER = """
import re, sys, traceback
import matplotlib
matplotlib.use("Agg")
failed = 0
for page in sys.argv[1:]:
    with open(page) as f:
        text = f.read()
    names = {"__name__": page}
    for match in re.finditer(r"^```python\\n(.*?)^```", text, re.M | re.S):
        line = text[: match.start()].count("\\n") + 1
        try:
            exec(compile("\\n" * line + match.group(1), page, "exec"), names)
        except Exception:
            traceback.print_exc()
            failed += 1
sys.exit(failed)
"""


def code_blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S)


# The pages that a newcomer reads first, those that are made of docstrings, and all others.
FIRST = ("README", "concepts", "recipes", "solvers")
MODELS = ("ions_channels", "neurons", "synapses", "plasticity", "rates", "cells", "inputs")
OTHERS = tuple(p.stem for p in PAGES if code_blocks(p) and p.stem not in FIRST + MODELS)


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(FIRST, id="first"),
        pytest.param(MODELS, id="models", marks=pytest.mark.slow),
        pytest.param(OTHERS, id="others", marks=pytest.mark.slow),
    ],
)
def test_the_code_runs(names):
    pages = [p for p in PAGES if code_blocks(p) and p.stem in names]
    assert len(pages) == len(names) > 0
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _RUNNER, *map(str, pages)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr


def anchors(page: Path) -> set[str]:
    """What the headings of a page are linked by: lower case, hyphens for spaces."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"https?://", target):
            name, _, anchor = target.partition("#")
            path = (page.parent / name).resolve() if name else page
            assert path.exists(), f"{page.name} links to {target}"
            assert not anchor or anchor in anchors(path), f"{page.name} links to {target}"


def test_the_index_lists_every_page():
    # The pages of the families of models through the page of all models.
    text = "".join((ROOT / f"docs/{name}.md").read_text() for name in ("index", "models"))
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "index.md" or f"]({page.name})" in text, page.name


def concrete(package, base: type) -> set[str]:
    return {
        name
        for name, thing in inspect.getmembers(package, inspect.isclass)
        if issubclass(thing, base) and not inspect.isabstract(thing)
    }


def rows(page: str) -> list[str]:
    """The first cells of the tables of a page, where they are code."""
    return re.findall(r"^\| `(\w+)`", (ROOT / f"docs/{page}.md").read_text(), re.M)


def test_every_solver_and_connectivity_has_its_line():
    ways = {n for n, _ in inspect.getmembers(solvers, inspect.isfunction)}
    assert concrete(solvers, solvers.AbstractStepSolver) | ways == set(rows("solvers"))
    switches = {"use_native", "use_pallas"}
    built = {n for n, _ in inspect.getmembers(sparse, inspect.isfunction)} - switches
    listed = {name for page in SPARSE for name in rows(page)}
    assert concrete(sparse, sparse.AbstractConnectivity) | built <= listed
    assert listed <= {*dir(sparse), *dir(pallas_kernels)}


@pytest.mark.parametrize(("package", "page"), [(analyze, "analyze"), (fit, "fit")])
def test_every_function_has_its_line(package, page):
    assert {n for n, _ in inspect.getmembers(package, inspect.isfunction)} == set(rows(page))


def test_the_readme_names_the_version():
    assert f"Version {fdyn.__version__.rsplit('.', 1)[0]}," in (ROOT / "README.md").read_text()
