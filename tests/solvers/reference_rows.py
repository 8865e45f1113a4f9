"""What a run of a reference case reports, and which function runs which case."""

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Row:
    """One solver on one case; `error` and `tolerance` are in the measure the case states.

    `of` says of what, where a case has several (`"spike times"`, `"strong order"`).
    """

    solver: str
    error: float
    tolerance: float
    of: str = ""


Runner = Callable[[], list[Row]]
RUNNERS: dict[str, Runner] = {}


def covers(name: str) -> Callable[[Runner], Runner]:
    """Registers the function that runs the reference case of this name."""

    def register(run: Runner) -> Runner:
        if name in RUNNERS:
            raise ValueError(f"the reference case {name!r} is run twice")
        RUNNERS[name] = run
        return run

    return register
