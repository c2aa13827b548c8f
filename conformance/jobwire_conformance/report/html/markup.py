"""Build HTML from parts: all text and every attribute is escaped, unless it was built here."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import TypeAlias

from ..text import visible

VOID = frozenset({"meta", "link", "input", "br", "col"})


class Safe(str):
    """A piece of HTML that was built by `tag`."""


Child: TypeAlias = "str | int | float | Iterable[Child] | None"
Attribute: TypeAlias = str | int | float | bool | None


def tag(name: str, *children: Child, **attributes: Attribute) -> Safe:
    """Build an element; `class_` is class, `data_x` is data-x, True is an attribute without a value."""
    opening = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in VOID:
        return Safe(f"<{name}{opening}>")
    return Safe(f"<{name}{opening}>{join(children)}</{name}>")


def join(children: Child) -> Safe:
    """Join pieces; text among them is escaped, None is left out."""
    if children is None:
        return Safe("")
    if isinstance(children, Safe):
        return children
    if isinstance(children, str | int | float):
        return Safe(html.escape(visible(children, keep="\n\t"), quote=False))
    return Safe("".join(join(child) for child in children))


def trusted(text: str) -> Safe:
    """Take text of the suite's own as HTML."""
    return Safe(text)


def _attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = name.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(visible(value))}"'
