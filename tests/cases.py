"""Reference cases: problems with independently computed values (see data/README.md)."""

import functools
import json
from pathlib import Path
from typing import Any

_FILE = Path(__file__).parent / "data" / "cases.json"


@functools.cache
def _cases() -> dict[str, dict[str, Any]]:
    return {c["id"]: c for c in json.loads(_FILE.read_text(encoding="utf-8"))["cases"]}


def names() -> list[str]:
    """The names of all cases, in the order of the file."""
    return list(_cases())


def case(name: str) -> dict[str, Any]:
    """The case of this name: a dictionary with `parameters`, `value`, `tolerance` and more."""
    if name not in _cases():
        raise KeyError(f"no reference case {name!r}; there are {sorted(_cases())}")
    return _cases()[name]
