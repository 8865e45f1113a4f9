"""Runs the reference cases of the solvers and writes docs/reference_cases.md.

python tests/solvers/reference_table.py            # all of them, some minutes
python tests/solvers/reference_table.py dde_ fde_  # those whose names start so; others stay
"""

import importlib.util
import re
import sys
import time
from pathlib import Path

import jax

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/reference_cases.md"
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(Path(__file__).parent)]

from cases import case, names  # noqa: E402
from reference_rows import RUNNERS, Row  # noqa: E402

AREAS = {
    "ode": "Ordinary differential equations, also with resets",
    "sde": "Stochastic differential equations",
    "fde": "Fractional differential equations",
    "dde": "Delay differential equations",
}
CASES = [name for name in names() if name.split("_")[0] in AREAS]
for area in AREAS:
    if importlib.util.find_spec(f"ref_{area}"):
        importlib.import_module(f"ref_{area}")

_HEAD = """# Reference cases

Problems of the literature with values that were computed independently of fdyn: closed forms, high
precision arithmetic, or another library, as each case states (`tests/data/cases.json`, which also
has equations, parameters and sources). Every case is run by every solver that suits it, and every
error is below the tolerance, which is that of the case. The measure of the error is that of the
case: absolute, relative, or for samples the number of standard errors.

This page is written by `python tests/solvers/reference_table.py`; `make test-slow` runs all of it
again. Double precision.
"""


def table(rows: dict[str, list[str]]) -> str:
    """The page, from the cells of each row of each case."""
    text = [_HEAD]
    for area, title in AREAS.items():
        text += [f"\n## {title}\n", "| case | what | solver | of | error | tolerance |"]
        text += ["|---|---|---|---|---|---|"]
        for name in CASES:
            if name.startswith(area + "_"):
                what = case(name)["title"].replace("|", "\\|")
                text += [f"| `{name}` | {what} {cells}" for cells in rows.get(name, [])]
    return "\n".join(text) + "\n"


def line(row: Row) -> str:
    """The cells of one row, as they stand in the page."""
    return f"| {row.solver} | {row.of} | {row.error:.2g} | {row.tolerance:.2g} |"


def written() -> dict[str, list[list[str]]]:
    """What the page says: per case its rows of solver, of, error and tolerance."""
    found: dict[str, list[list[str]]] = {}
    text = PAGE.read_text() if PAGE.exists() else ""
    for name, cells in re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.M):
        found.setdefault(name, []).append([x.strip() for x in cells.split(" | ")][-4:])
    return found


def main(prefixes: list[str]) -> None:
    """Run, print, and write the page if all cases were run."""
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_numpy_dtype_promotion", "strict")
    jax.config.update("jax_numpy_rank_promotion", "raise")
    chosen = [n for n in CASES if not prefixes or n.startswith(tuple(prefixes))]
    failed = []
    rows = {
        name: [f"| {' | '.join(cells)} |" for cells in known] for name, known in written().items()
    }
    for name in chosen:
        if name not in RUNNERS:
            print(f"{name}: no function runs it")
            failed.append(name)
            continue
        began = time.perf_counter()
        found = RUNNERS[name]()
        print(f"{name}: {time.perf_counter() - began:.1f} s", flush=True)
        for row in found:
            good = row.error <= row.tolerance
            print("   ", "ok " if good else "BAD", line(row), flush=True)
            if not good:
                failed.append(name)
        if name not in failed:
            rows[name] = [line(row) for row in found]
            PAGE.write_text(table(rows))
    sys.exit(f"failed: {failed}" if failed else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
