"""Dotted paths into nested states: `"V1.E.v"`."""

from typing import Any

import jax

from ._misc import nearest


def path_str(keys: Any) -> str:
    """A JAX key path as dotted text."""
    return jax.tree_util.keystr(keys, simple=True, separator=".")


def split(path: str) -> tuple[str, ...]:
    """`"V1.E"` as `("V1", "E")`; the empty path is the root."""
    return tuple(path.split(".")) if path else ()


def get(tree: Any, path: tuple[str, ...], default: Any = None) -> Any:
    """The entry of nested dictionaries at `path`, or `default` where there is none."""
    for name in path:
        if not isinstance(tree, dict) or name not in tree:
            return default
        tree = tree[name]
    return tree


def put(tree: dict, path: tuple[str, ...], value: Any) -> dict:
    """A copy of nested dictionaries with the entry at `path` set."""
    head, *rest = path
    inner = put(dict(tree.get(head) or {}), tuple(rest), value) if rest else value
    return {**tree, head: inner}


def leaf_paths(tree: Any) -> list[str]:
    """The dotted paths of all array leaves of nested dictionaries."""
    return [path_str(k) for k, _ in jax.tree_util.tree_leaves_with_path(tree)]


def unknown(what: str, path: str, known: list[str]) -> ValueError:
    """The error for a path that does not exist, with the nearest names."""
    return ValueError(f"{what}: there is no {path!r}. {nearest(path, known)}")
