"""Read a YAML file with the lines of its cases; refuse a key that stands twice."""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

# The parser in C is ten times as fast, where the wheel has it.
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Unreadable(Exception):
    """The file is not YAML, or holds a key twice; begins with the line."""


@dataclass(frozen=True)
class Located:
    """The items of a list: the value, its line, and the lines of its steps."""

    items: list[tuple[Any, int, list[int]]]


class _Loader(_Base):  # type: ignore[misc]
    """Reads the scalars of YAML 1.2: `yes` and `12:30` are strings, `1e3` is a number."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Construct a map; refuse a key that is no string or stands twice."""
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if not isinstance(key, str):
                raise Unreadable(f"{line}: wanted a string as key, got {key!r}")
            if key in seen:
                raise Unreadable(f"{line}: the key {key} stands twice")
            seen.add(key)
        result: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return result


for tag, pattern, first in (
    ("bool", r"true|false", "tf"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+0123456789."),
    ("null", r"null|~|", "n~\0"),
):
    name = f"tag:yaml.org,2002:{tag}"
    _Loader.add_implicit_resolver(name, re.compile(rf"^(?:{pattern})$"), ["", *first.replace("\0", "")])
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))
_Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(node.value))


def read_yaml(path: Path) -> Located | None:
    """Return the items of the list that the file holds, or nothing if it holds no list."""
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        try:
            return _located(loader, loader.get_single_node())
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Unreadable(f"{line}: {error.problem}") from error
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        raise Unreadable(f"1: {error}") from error


def _located(loader: Any, root: yaml.Node | None) -> Located | None:
    if not isinstance(root, yaml.SequenceNode):
        return None
    items = []
    for node in root.value:
        value = loader.construct_object(node, deep=True)
        items.append((value, node.start_mark.line + 1, _step_lines(node)))
    return Located(items)


def _step_lines(node: yaml.Node) -> list[int]:
    members = node.value if isinstance(node, yaml.MappingNode) else []
    steps = next((value for key, value in members if key.value == "steps"), None)
    return [step.start_mark.line + 1 for step in steps.value] if isinstance(steps, yaml.SequenceNode) else []
