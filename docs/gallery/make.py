"""The pages of the models and the gallery, from docstrings and by running the library.

    python docs/gallery/make.py                  # everything
    python docs/gallery/make.py neurons cells    # the pages and pictures of these families only
    python docs/gallery/make.py --text           # pages only, no pictures

docs/models.md and docs/gallery.md list every family, so they are written when none is named.
"""

import argparse
import dataclasses
import doctest
import importlib
import inspect
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib
import numpy as np

from fdyn import components

HERE = Path(__file__).parent
DOCS = HERE.parent
PICTURES = DOCS / "pictures"
NETWORKS = DOCS / "networks.md"
FAMILIES = ("ions_channels", "neurons", "synapses", "plasticity", "rates", "cells", "inputs")
COLUMNS = 3
STYLE: Any = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "lines.linewidth": 1.0,
}
# A surname with its particles, its co-authors, and the year.
_PARTICLE = r"[Vv]an|[Vv]on|[Dd]el?|[Dd]er|den|[Dd]i|[Dd]a|[Ll][ae]|al|ter"
_NAME = rf"(?:\b(?:{_PARTICLE}) )*[^\W\d_a-z][\w'’-]+"
_CITATION = re.compile(rf"({_NAME}(?:(?:, | & | and ){_NAME})*(?: et al\.)? (?:18|19|20)\d\d)")
# Where a sentence ends, or an argument of a docstring, if it is not within parentheses.
_END = re.compile(r"(?<!\bal)(?<!\be\.g)(?<!\bi\.e)(?<!\beqs)(?<!\beq)\.(?= |$)|;|, and (?=`)")


def family(name: str) -> ModuleType:
    """The module of a family: TITLE, INTRO, SECTIONS."""
    if str(HERE) not in sys.path:
        sys.path.insert(0, str(HERE))
    return importlib.import_module(name)


def families() -> dict[str, ModuleType]:
    """The families that there are, in the order of the pages."""
    return {name: family(name) for name in FAMILIES if (HERE / f"{name}.py").exists()}


def anchor(title: str) -> str:
    """What a heading is linked by."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


# --- docstrings ---------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Doc:
    """A docstring in its parts; `before` and `after` are the paragraphs around the arguments, and
    `example` is its doctest."""

    line: str
    before: str
    arguments: str
    after: str
    example: str
    source: str


def read(name: str) -> Doc:
    """The docstring of a public name."""
    text = inspect.getdoc(getattr(components, name)) or ""
    fence = re.compile(r"^```python\n(.*?)^```\n?", re.M | re.S)
    example = "\n".join(fence.findall(text))
    text = fence.sub("", text)
    body, _, source = text.partition("**Source:**")
    line, _, body = body.partition("\n\n")
    before, _, rest = body.partition("**Arguments:**")
    arguments, _, after = rest.partition("\n\n")
    # A list of arguments begins after a blank line.
    if not arguments.strip():
        items = re.match(r"(?:(?:- |  ).*\n|\n)*", after + "\n")
        arguments = items.group() if items else ""
        after = after[len(arguments) :]
    # What is said in the same paragraph of the state and the output is not of the arguments.
    arguments, *said = re.split(r"(?=\*\*(?:State|Output):\*\*)", arguments, maxsplit=1)
    after = "\n\n".join([*(" ".join(part.split()) for part in said), after])
    kept = [p for p in after.split("\n\n") if p.strip() and not p.startswith("**Raises:**")]
    return Doc(
        line=" ".join(line.split()),
        before=before.strip(),
        arguments=arguments.strip(),
        after="\n\n".join(kept).strip(),
        example=example,
        source=" ".join(source.split()),
    )


def meaning(name: str, arguments: str, value: str = "") -> str:
    """What a docstring says of an argument that carries no metadata; its default stands apart."""
    text = " ".join(arguments.split())
    found = re.search(rf"`{name}`(?:(?:,| and) `\w+`)*: ", text)
    if not found:
        return ""
    text = text[found.end() :]
    ends = (m.start() for m in _END.finditer(text))
    end = next((e for e in ends if text.count("(", 0, e) == text.count(")", 0, e)), len(text))
    text = text[:end]
    if value and (shorter := re.sub(rf", {re.escape(value)}(?=$|,| \(| or )", "", text)):
        text = shorter
    return re.sub(r", `[^`]*`$", "", text)


def default(value: Any) -> str:
    """The default of an argument, as a reader would write it."""
    if value is inspect.Parameter.empty:
        return "required"
    if value is None or isinstance(value, bool | str):
        return f"`{value!r}`"
    if isinstance(value, int | float):
        return f"{value:g}"
    if isinstance(value, np.ndarray | list | tuple):
        return f"`{np.asarray(value).tolist()}`"
    if dataclasses.is_dataclass(value):
        return f"`{type(value).__name__}()`"
    return f"`{getattr(value, '__name__', value)}`"


def table(name: str, doc: Doc) -> str:
    """The arguments of a model with default, unit and meaning."""
    thing: Any = getattr(components, name)
    known = dataclasses.fields(thing) if dataclasses.is_dataclass(thing) else ()
    fields = {f.name: f for f in known}
    rows = []
    for p in inspect.signature(thing).parameters.values():
        field, value = fields.get(p.name), p.default
        if field is not None and field.default_factory is not dataclasses.MISSING:
            value = field.default_factory()
        meta = field.metadata if field is not None else {}
        unit = meta.get("unit", "")
        said = default(value)
        text = meta.get("doc") or meaning(p.name, doc.arguments, said)
        cells = (f"`{p.name}`", said, unit, text)
        rows.append("| " + " | ".join(escape(c) for c in cells) + " |")
    if not rows:
        return ""
    return "\n".join(["| argument | default | unit | meaning |", "|---|---|---|---|", *rows])


def escape(cell: str) -> str:
    """A cell of a table must not hold a bare bar."""
    return re.sub(r"(?<!\\)\|", r"\\|", cell)


def runnable(name: str, text: str) -> str:
    """The doctest of a model as code that runs alone, with what it prints as comments."""
    head: list[str] = []
    body: list[str] = []
    for example in doctest.DocTestParser().get_examples(text):
        source, want = example.source.rstrip(), example.want.strip()
        if source.startswith(("import ", "from ")):
            head.append(source)
        elif example.exc_msg is None:
            one = f"{source}  # {want}"
            short = want and not {"\n", "#"} & set(source + want) and len(one) < 100
            body += [one] if short else [source, *(f"# {line}" for line in want.splitlines())]
    if not body:
        return ""
    # The doctest also has the names of the module in which the model is written.
    ours = "from fdyn.components import "
    names = {n for line in head if line.startswith(ours) for n in line[len(ours) :].split(", ")}
    module = sys.modules[getattr(components, name).__module__]
    used = re.findall(r"\b[A-Za-z_]\w*", "\n".join(body))
    names |= {n for n in used if n in components.__all__ and hasattr(module, n)}
    head = [line for line in head if not line.startswith(ours)]
    head.append(ours + ", ".join(sorted(names)))
    head.sort(key=lambda line: (line.startswith("from "), line))
    return "\n".join(["```python", *head, "", *body, "```"])


def entry(name: str) -> str:
    """The description of a model on the page of its family."""
    doc = read(name)
    units = getattr(getattr(components, name), "units", {})
    parts = [f"### {name}", doc.line, doc.before, table(name, doc), doc.after]
    if isinstance(units, dict) and units and not re.search(r"\*\*(State|Output):", doc.after):
        parts.append("**State:** " + ", ".join(f"`{k}`: {u}" for k, u in units.items()) + ".")
    parts.append(runnable(name, doc.example))
    parts.append(f"**Source:** {doc.source}")
    return "\n\n".join(p for p in parts if p)


def citations(source: str) -> str:
    """Authors and years of a source."""
    found = list(dict.fromkeys(_CITATION.findall(source)))
    return "; ".join(found)


# --- pages --------------------------------------------------------------------------------------


def picture(name: str, section: Any) -> str:
    """The file of the picture of a section."""
    return f"{name}_{anchor(section.title).replace('-', '_')}.png"


def pictures(name: str, section: Any) -> list[str]:
    """The pictures of a section: its panels, and what examples have drawn."""
    own = [picture(name, section)] if section.panels else []
    given = section.pictures
    return [*own, *([given] if isinstance(given, str) else given)]


def family_page(name: str, module: ModuleType) -> str:
    """The page of one family."""
    parts = [f"# {module.TITLE}", module.INTRO.strip()]
    for section in module.SECTIONS:
        parts += [f"## {section.title}", section.text.strip()]
        parts += [f"![{section.title}](pictures/{p})" for p in pictures(name, section)]
        parts += [entry(model) for model in section.models]
    parts.append(
        f"Made by `python docs/gallery/make.py` from the docstrings; the pictures by "
        f"[docs/gallery/{name}.py](gallery/{name}.py)."
    )
    return "\n\n".join(p for p in parts if p) + "\n"


def models_page(found: dict[str, ModuleType]) -> str:
    """Every model, one line each."""
    parts = [
        "# Models",
        "Every component, one line each; all are in `fdyn.components`. Each family has a page "
        "with equations,\nparameters with units and defaults, and pictures; `help(LIF)` says the "
        "same. All pictures at once: the\n[gallery](gallery.md).",
    ]
    for name, module in found.items():
        models = [m for s in module.SECTIONS for m in s.models]
        parts.append(f"## {module.TITLE}\n\n[Equations, parameters, pictures]({name}.md)")
        if models:
            rows = ["| model | | source |", "|---|---|---|"]
            for m in models:
                doc = read(m)
                cells = (f"`{m}`", doc.line, citations(doc.source))
                rows.append("| " + " | ".join(escape(c) for c in cells) + " |")
            parts.append("\n".join(rows))
    parts.append(
        "A model that is not here is a class of a few lines, see [models of your own]"
        "(own_models.md); how to add one for\neverybody: [CONTRIBUTING](../CONTRIBUTING.md)."
    )
    return "\n\n".join(parts) + "\n"


def gallery_page(found: dict[str, ModuleType]) -> str:
    """All pictures, each section with its text up to any code."""
    parts = ["# Gallery", "What the models do, drawn by running the library."]
    for name, module in found.items():
        parts.append(f"## {module.TITLE}\n\nDrawn by [docs/gallery/{name}.py](gallery/{name}.py).")
        for s in module.SECTIONS:
            text = s.text.strip().split("\n\n```")[0]
            link = f"[{s.title}]({name}.md#{anchor(s.title)})"
            parts.append(f"{link}: {text}" if text else link)
            parts += [f"![{s.title}](pictures/{p})" for p in pictures(name, s)]
    parts.append(
        "## Networks of the literature\n\nDrawn by the scripts of [examples/](../examples/); what "
        "each shows: [networks](networks.md)."
    )
    shown = re.findall(r"^!\[(.*)\]\(pictures/networks_(\w+)\.png\)", NETWORKS.read_text(), re.M)
    for caption, script in shown:
        code = f"[examples/{script}.py](../examples/{script}.py)"
        parts.append(f"{code}: {caption}.\n\n![{caption}](pictures/networks_{script}.png)")
    return "\n\n".join(parts) + "\n"


def pages(names: Sequence[str] = ()) -> dict[Path, str]:
    """The generated pages with their texts: of these families, or by default all."""
    found = {name: family(name) for name in names} or families()
    made = {f"{name}.md": family_page(name, module) for name, module in found.items()}
    if not names:
        made |= {"models.md": models_page(found), "gallery.md": gallery_page(found)}
    return {DOCS / page: text for page, text in made.items()}


# --- pictures -----------------------------------------------------------------------------------


def draw(section: Any) -> Any:
    """The picture of a section: a figure with a grid of its panels."""
    import matplotlib.pyplot as plt

    panels = section.panels
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    with plt.rc_context(STYLE):
        size = (3.6 * columns, 2.6 * rows)
        fig, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
        for ax, panel in zip(axes.flat, panels, strict=False):
            panel.draw(ax)
            ax.set_title(panel.heading)
            if ax.axison and not (ax.get_xlabel() and ax.get_ylabel()):
                raise ValueError(f"the panel {panel.heading!r} must label both axes, with units.")
        for ax in axes.flat[len(panels) :]:
            ax.remove()
        fig.canvas.draw()
    return fig


def main(argv: list[str] | None = None) -> None:
    """Write the pages, and the pictures of the families named."""
    import matplotlib.pyplot as plt

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", help=f"some of {', '.join(FAMILIES)}")
    parser.add_argument("--text", action="store_true", help="pages only, no pictures")
    args = parser.parse_args(argv)
    known = [name for name in FAMILIES if (HERE / f"{name}.py").exists()]
    if unknown := set(args.families) - set(known):
        parser.error(f"no such family: {sorted(unknown)}; there are {', '.join(known)}")
    for path, text in pages(args.families).items():
        path.write_text(text)
    if args.text:
        return
    matplotlib.use("Agg")
    for name in args.families or known:
        began = time.perf_counter()
        for section in family(name).SECTIONS:
            if section.panels:
                fig = draw(section)
                fig.savefig(PICTURES / picture(name, section), dpi=80)
                plt.close(fig)
        print(f"{name}: {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
