"""The rules of the house, checked on the source itself."""

import ast
import dataclasses
import graphlib
import importlib
import inspect
import pkgutil
import pydoc
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import equinox as eqx
import pytest

import fdyn

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# From the bottom up; a module may import from its own layer's package and from layers below.
LAYERS = (
    ("fdyn._types", "fdyn._misc", "fdyn._tree", "fdyn._param", "fdyn._grid"),
    ("fdyn.sparse",),
    ("fdyn.components",),
    ("fdyn.solvers",),
    (),  # the drivers: every other private module of the core
    ("fdyn.fit", "fdyn.analyze"),
    ("fdyn.plot",),
    ("fdyn",),
)
DRIVERS = 4
HOOKS = {"activity", "diffusion", "events", "held", "kick", "timer"}
HOOKED = ("AbstractComponent", "AbstractNeuron", "AbstractSynapse")


def sources(*folders: str) -> list[Path]:
    return sorted(p for f in folders for p in (ROOT / f).rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(p): p for p in sources("fdyn", "pallas_kernels")}


def layer(module: str) -> int:
    for rank, names in enumerate(LAYERS):
        if module in names or any(n != "fdyn" and module.startswith(n + ".") for n in names):
            return rank
    return DRIVERS


def package(module: str) -> str:
    """What may be imported sideways: `fdyn.fit` is one unit, and so is the core."""
    parts = module.split(".")
    return module if len(parts) < 2 else "fdyn" if parts[1][0] == "_" else ".".join(parts[:2])


def imports(path: Path, modules=MODULES) -> set[str]:
    """The modules that a file imports, anywhere in it, relative names resolved."""
    name = module_name(path)
    base = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            up = base[: len(base) - node.level + 1] if node.level else []
            origin = ".".join([*up, *(node.module.split(".") if node.module else [])])
            # `from . import x` names a module, `from ._x import X` something in one.
            inner = {f"{origin}.{alias.name}" for alias in node.names}
            found |= {x if x in modules else origin for x in inner}
    return found


def internal_imports(path: Path) -> set[str]:
    return {m for m in imports(path) if m.split(".")[0] in ("fdyn", "pallas_kernels")}


def public_packages() -> list[str]:
    return [
        m
        for m, p in MODULES.items()
        if p.name == "__init__.py" and "._" not in m and m[:4] == "fdyn"
    ]


def public_names(module: str) -> list[str]:
    """What an `__init__` re-exports as `from ._x import X as X`."""
    return [
        alias.name
        for node in ast.parse(MODULES[module].read_text()).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name == alias.asname
    ]


def public_objects() -> dict[str, object]:
    """Every public class and function once, under the name of the package nearest to it."""
    found = {}
    for module in sorted(public_packages(), key=lambda m: -m.count(".")):
        for name in public_names(module):
            thing = getattr(importlib.import_module(module), name)
            if not inspect.ismodule(thing) and not any(thing is x for x in found.values()):
                found[f"{module}.{name}"] = thing
    return found


PUBLIC = public_objects()
PUBLIC_CLASSES = {k: v for k, v in PUBLIC.items() if inspect.isclass(v)}


def all_classes() -> list[type]:
    found = set()
    for info in pkgutil.walk_packages(fdyn.__path__, "fdyn."):
        module = importlib.import_module(info.name)
        found |= {
            c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == info.name
        }
    return sorted(found, key=lambda c: (c.__module__, c.__qualname__))


def is_ours(cls: type) -> bool:
    return cls.__module__.split(".")[0] == "fdyn"


def named_abstract(cls: type) -> bool:
    return cls.__name__.lstrip("_").startswith("Abstract")


def own_methods(cls: type) -> dict[str, object]:
    """Functions and properties written in the body of a class (not made by `dataclass`)."""
    body = ast.parse(inspect.getsource(sys.modules[cls.__module__]))
    names = {
        item.name
        for node in ast.walk(body)
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__
        for item in node.body
        if isinstance(item, ast.FunctionDef)
    }
    return {name: inspect.getattr_static(cls, name) for name in names if name in vars(cls)}


def is_abstract_method(method: object) -> bool:
    method = getattr(method, "method", method)  # Equinox wraps the functions of a module
    return getattr(method, "__isabstractmethod__", False)


# --- imports ------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith("fdyn")])
def test_imports_run_downward(module):
    for target in internal_imports(MODULES[module]):
        if target.startswith("pallas_kernels"):
            assert package(module) == "fdyn.sparse", f"only fdyn.sparse may import {target}"
            continue
        assert layer(target) <= layer(module), f"{module} imports {target}, which lies above it"
        sideways = layer(target) == layer(module)
        assert not sideways or package(target) == package(module), f"{module} imports {target}"


def test_the_layers_tell_up_from_down():
    assert layer("fdyn._misc") < layer("fdyn.sparse._csr") < layer("fdyn.components._neurons._lif")
    assert layer("fdyn.components._neurons._lif") < layer("fdyn.solvers") < layer("fdyn._simulate")
    assert layer("fdyn._simulate") < layer("fdyn.fit._x") < layer("fdyn.plot") < layer("fdyn")
    assert "fdyn._drive" in imports(MODULES["fdyn._simulate"])


def test_no_import_cycles():
    graph = {m: internal_imports(p) for m, p in MODULES.items()}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the cycle


def test_the_kernels_know_nothing_of_fdyn():
    for path in sources("pallas_kernels"):
        assert not {m for m in imports(path) if m.split(".")[0] == "fdyn"}, path


@pytest.mark.parametrize("module", MODULES)
def test_a_plain_install_has_all_that_is_imported(module):
    declared = {re.split(r"[<>=\[ ]", d)[0] for d in PROJECT["dependencies"]}
    declared.add("llvmlite")  # Numba's other half, in which intrinsics for it are written
    if package(module) == "fdyn.plot":
        declared.add("matplotlib")
    own = {"fdyn", "pallas_kernels"}
    found = {m.split(".")[0] for m in imports(MODULES[module])} - sys.stdlib_module_names - own
    assert found <= declared, f"{module} imports {sorted(found - declared)}: not a dependency"


def test_no_wildcard_imports():
    for path in sources("fdyn", "pallas_kernels", "tests", "examples", "benchmarks"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert all(alias.name != "*" for alias in node.names), f"{path}:{node.lineno}"


# --- classes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", all_classes(), ids=lambda c: f"{c.__module__}.{c.__qualname__}")
def test_a_class_is_abstract_or_final(cls):
    for base in cls.__mro__[1:]:
        if is_ours(base):
            assert named_abstract(base), f"{base.__name__} is concrete and cannot be subclassed"
    if issubclass(cls, eqx.Module):
        unset = cls.__abstractmethods__ | cls.__abstractvars__ | cls.__abstractclassvars__
        assert named_abstract(cls) == bool(unset), f"abstract in name or in fact: {sorted(unset)}"
    for name in own_methods(cls).keys() - {"__init__", "__check_init__"}:
        for base in cls.__mro__[1:]:
            if is_ours(base) and name in vars(base):
                hook = base.__name__ in HOOKED and name in HOOKS
                abstract = is_abstract_method(inspect.getattr_static(base, name))
                assert hook or abstract, f"{name} overrides the concrete {base.__name__}.{name}"


# --- documentation ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PUBLIC)
def test_public_symbols_are_documented(name):
    doc = inspect.getdoc(PUBLIC[name]) or ""
    assert "**Source:**" in doc, "the docstring must say where it comes from: **Source:** ..."
    if not name.split(".")[-1].startswith("Abstract"):
        assert re.search(r"^```python\n>>> ", doc, re.M), "the docstring needs a doctest"
    for block in re.findall(r"^```python\n(.*?)^```", doc, re.M | re.S):
        assert block.endswith("\n\n"), (
            "doctest reads the closing fence as output: a blank line first"
        )
    assert doc.count("```") % 2 == 0, "a fence is not closed"


@pytest.mark.parametrize("name", PUBLIC_CLASSES)
def test_public_methods_are_documented(name):
    cls = PUBLIC_CLASSES[name]
    for method, value in own_methods(cls).items():
        if not method.startswith("_"):
            value = getattr(value, "method", value)
            assert value.__doc__, f"{name}.{method} has no docstring"


@pytest.mark.parametrize(
    "name", [k for k, v in PUBLIC_CLASSES.items() if dataclasses.is_dataclass(v)]
)
def test_parameters_are_declared_and_described(name):
    cls = PUBLIC_CLASSES[name]
    doc = inspect.getdoc(cls) or ""
    for field in dataclasses.fields(cls):  # pyright: ignore[reportArgumentType]
        if "unit" in field.metadata:
            assert field.metadata["unit"] and field.metadata["doc"], field.name
            assert f"`{field.name}`" in doc, f"the docstring does not describe `{field.name}`"


@pytest.mark.parametrize("name", public_packages())
def test_help_shows_what_is_public(name):
    package = importlib.import_module(name)
    # Without `__all__`, help leaves out what comes from private modules.
    assert package.__all__ == sorted(public_names(name)), f"{name}.__all__ is not what it exports"
    text = pydoc.plain(pydoc.render_doc(package))
    for public in package.__all__:
        if inspect.isclass(thing := getattr(package, public)):
            assert re.search(rf"^    class {thing.__name__}\(", text, re.M), public
        elif callable(thing):
            assert re.search(rf"^    {public}\b", text, re.M), public


def test_there_is_something_to_document():
    assert len(PUBLIC) > 40 and "fdyn.components.LIF" in PUBLIC and "fdyn.simulate" in PUBLIC


# --- files --------------------------------------------------------------------------------------


def tracked() -> list[Path]:
    """What git tracks, or, in an unpacked archive, what it holds."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 0 and done.stdout:
        return [ROOT / name for name in done.stdout.split("\0") if (ROOT / name).is_file()]
    return [p for p in ROOT.rglob("*") if p.is_file() and ".venv" not in p.parts]


def test_files_are_short():
    for folders, limit in ((("fdyn", "pallas_kernels"), 450), (("tests", "examples"), 800)):
        for path in sources(*folders):
            lines = len(path.read_text().splitlines())
            assert lines <= limit, f"{path.relative_to(ROOT)} has {lines} lines, at most {limit}"


def test_the_top_level_stays_small():
    assert 10 < len(public_names("fdyn")) <= 25, public_names("fdyn")


def test_no_file_names_a_machine():
    # The brackets keep this very line from matching.
    machine = re.compile(r"(?<![\w.])/(?:[w]ork|[r]oot|[h]ome|[t]mp/[x])\b/?")
    registry = re.compile(r"https?://[^\s/]*(?:[p]ypi|[p]ythonhosted|[a]rtifactory|[n]exus)")
    assert machine.search("in /" + "work/main") and not machine.search("a network/work")
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for pattern in (machine, registry):
            found = pattern.search(text)
            assert not found, f"{path.relative_to(ROOT)} holds {found and found.group()!r}"


def test_nothing_is_left_unfinished():
    marks = re.compile(r"\b(?:[T]ODO|[F]IXME|[X]XX|[N]otImplementedError)\b")
    for path in sources("fdyn", "pallas_kernels"):
        found = marks.search(path.read_text())
        assert not found, f"{path.relative_to(ROOT)}: {found and found.group()}"


def test_the_changelog_tells_of_this_version():
    assert f"## [{fdyn.__version__}]" in (ROOT / "CHANGELOG.md").read_text()
