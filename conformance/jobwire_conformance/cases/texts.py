"""Put values in the place of `${dir}`, `${now}` and `${repeat}` in a step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_HOLE = re.compile(r"\$\{(?P<inside>[^}]*)\}")
_NOW = re.compile(r"now(?P<shift>[+-][0-9]+)?")
_REPEAT = re.compile(r"repeat:(?P<text>[^:]+):(?P<times>[0-9]{1,7})")


def fill(value: Any, folder: Path, now: int) -> Any:
    """Return the value with every hole in it filled; `now` is the server's time in ms."""
    if isinstance(value, dict):
        return {key: fill(member, folder, now) for key, member in value.items()}
    if isinstance(value, list):
        return [fill(member, folder, now) for member in value]
    if not isinstance(value, str) or "${" not in value:
        return value
    whole = _HOLE.fullmatch(value)
    instant = whole and _NOW.fullmatch(whole["inside"])
    if instant:
        return now + int(instant["shift"] or 0)
    return _HOLE.sub(lambda hole: _text(hole["inside"], folder), value)


def needs_now(value: Any) -> bool:
    """Tell whether the server's time stands in the value."""
    return any(inside.startswith("now") for inside, _ in _holes(value))


def unknown_holes(value: Any) -> list[str]:
    """Return what stands in `${…}` and means nothing there."""
    return [
        f"${{{inside}}}" if whole else f"${{{inside}}} as part of a string"
        for inside, whole in _holes(value)
        # A part of a string cannot be an integer.
        if not _is_known(inside) or (_NOW.fullmatch(inside) and not whole)
    ]


def _text(inside: str, folder: Path) -> str:
    if inside == "dir":
        return str(folder)
    repeat = _REPEAT.fullmatch(inside)
    if repeat is None:
        raise ValueError(f"${{{inside}}}: wanted dir, repeat:text:times, or now as a whole string")
    return repeat["text"] * int(repeat["times"])


def _is_known(inside: str) -> bool:
    return inside == "dir" or bool(_NOW.fullmatch(inside) or _REPEAT.fullmatch(inside))


def _holes(value: Any) -> Iterator[tuple[str, bool]]:
    """Yield what stands in each hole, and whether it is the whole string."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for member in value:
            yield from _holes(member)
    elif isinstance(value, str) and "${" in value:
        whole = _HOLE.fullmatch(value) is not None
        yield from ((hole["inside"], whole) for hole in _HOLE.finditer(value))
