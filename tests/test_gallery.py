"""The pages of the models are what docs/gallery/make.py writes, and each model has its place."""

import inspect
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from fdyn import components
from fdyn._param import parameters

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs/gallery"))
import make  # noqa: E402

FAMILIES = make.families()
SECTIONS = [(name, s) for name, module in FAMILIES.items() for s in module.SECTIONS]
LISTED = [m for _, s in SECTIONS for m in s.models]


def models() -> set[str]:
    """The public concrete classes, without those that the protocol is made of (in `_base.py`)."""
    return {
        name
        for name in components.__all__
        if inspect.isclass(thing := getattr(components, name))
        and not name.startswith("Abstract")
        and thing.__module__.rsplit(".", 1)[-1] not in ("_base", "_history")
    }


def test_every_file_is_a_family():
    files = {p.stem for p in (ROOT / "docs/gallery").glob("*.py")} - {"make", "section"}
    assert files == set(FAMILIES)


def test_every_model_is_described_once():
    again = [name for name, count in Counter(LISTED).items() if count > 1]
    assert not again, f"in two sections: {again}"
    assert set(LISTED) <= set(components.__all__), set(LISTED) - set(components.__all__)
    assert models() <= set(LISTED), f"in no docs/gallery/*.py: {sorted(models() - set(LISTED))}"


@pytest.mark.parametrize("path", make.pages(), ids=lambda p: p.name)
def test_pages_are_up_to_date(path):
    made = make.pages()[path]
    assert path.read_text() == made, "run `python docs/gallery/make.py --text`"


def test_every_picture_is_there_and_none_is_left_over():
    needed = {p for name, s in SECTIONS for p in make.pictures(name, s)}
    there = {p.name for p in make.PICTURES.glob("*.png")}
    assert needed <= there, f"run `python docs/gallery/make.py`: {sorted(needed - there)}"
    pages = "".join(p.read_text() for p in [*ROOT.glob("*.md"), *make.DOCS.glob("*.md")])
    assert {p for p in there if f"pictures/{p}" not in pages} == set()


@pytest.mark.parametrize("name", sorted(LISTED))
def test_a_model_is_described(name):
    doc = make.read(name)
    assert doc.line.endswith((".", "$")) and len(doc.line) < 200, doc.line
    assert doc.source, "no source"
    text = make.entry(name)
    assert ">>>" not in text and "**Raises:**" not in text
    # Every argument has its row, with a meaning.
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| ?(.*?) ?\|$", text, re.M))
    assert list(rows) == list(inspect.signature(getattr(components, name)).parameters)
    assert all(rows.values()), f"no meaning: {[k for k, v in rows.items() if not v]}"


def test_a_table_says_what_a_model_holds():
    model = components.LIF(1)
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", make.entry("LIF"), re.M))
    for path, field, value in parameters(model):
        if "." not in path and value is not None:
            assert float(rows[field.name]) == pytest.approx(float(value))


def test_citations():
    text = "Lapicque 1907; Tsodyks & Markram 1997, PNAS 94:719; Montbrió, Pazó & Roxin 2015, PRX"
    cited = "Lapicque 1907; Tsodyks & Markram 1997; Montbrió, Pazó & Roxin 2015"
    assert make.citations(text) == cited
    assert make.citations("after Brette et al. 2007, J. Neurosci. 23:349") == "Brette et al. 2007"
    assert make.citations("none; a definition.") == ""
    particles = (
        "Bohte, Kok & La Poutre 2002; Thorpe, Delorme & Van Rullen 2001; del Castillo & Katz 1954"
    )
    assert make.citations(particles) == particles
    assert make.citations("after Destexhe et al. 1996") == "Destexhe et al. 1996"


def test_the_meaning_of_an_argument_is_whole():
    text = """`a`: whether it holds, `False` (as in Destexhe et al. with `True`); `b`: the number
    of charges, 2; `c`: 1 or 2, scalar. Parameters are scalars."""
    meanings = [make.meaning(k, text, v) for k, v in (("a", "`False`"), ("b", "2"), ("c", "1"))]
    assert meanings == [
        "whether it holds (as in Destexhe et al. with `True`)",
        "the number of charges",
        "1 or 2, scalar",
    ]


def test_what_is_said_of_the_output_is_not_of_the_arguments():
    assert "**State:** `source`: that of an input as rate" in make.entry("PoissonInput")


def test_a_doctest_becomes_code_that_runs():
    code = make.runnable(
        "LIF", ">>> n = LIF(2).size\n>>> n  # two\n2\n>>> import math\n>>> n - 1\n1\n"
    )
    assert code == (
        "```python\nimport math\nfrom fdyn.components import LIF\n\n"
        "n = LIF(2).size\nn  # two\n# 2\nn - 1  # 1\n```"
    )


_DRAW = """
import sys
sys.path.insert(0, "docs/gallery")
import matplotlib
matplotlib.use("Agg")
import make
for section in make.family(sys.argv[1]).SECTIONS:
    if section.panels:
        fig = make.draw(section)
        for panel, ax in zip(section.panels, fig.axes, strict=False):
            drawn = [*ax.lines, *ax.collections, *ax.images, *ax.patches, *ax.child_axes]
            assert drawn or not panel.heading, f"{panel.heading}: empty"
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_all_panels_draw(name):
    """As a reader draws them: with JAX as it comes."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _DRAW, name],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
