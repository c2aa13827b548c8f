"""Print: tables and lines for people, one JSON document for programs, errors as one line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from ..queues import Unreadable

# In JSON only strings hold these; a terminal may obey some of them.
_UNSAFE = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_SHOWN_BYTES = 200


def fail(message: str) -> None:
    """Print an error as one line on stderr."""
    click.echo(f"jobwire: {printable(message)}", err=True)


def printable(text: str) -> str:
    """Return text that a terminal shows on one line: whatever else it holds is escaped."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def to_json(value: Any) -> str:
    """Return a value as JSON on one line."""
    try:
        text = msgspec.json.encode(value, enc_hook=_plain).decode()
    except (TypeError, ValueError):  # what only MessagePack can carry, such as a key that is no string
        text = msgspec.json.encode(repr(value)).decode()
    return _UNSAFE.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text)


def print_json(value: Any) -> None:
    """Print a value as one JSON document."""
    click.echo(to_json(value))


def _plain(value: Any) -> Any:
    return repr(value)


def print_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows in columns under a head; numbers to the right."""
    cells = [[printable(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    right = [bool(rows) and all(isinstance(row[i], int) for row in rows) for i in range(len(head))]
    for line in (list(head), *cells):
        aligned = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        ]
        click.echo("  ".join(aligned).rstrip())


def shown(document: dict[str, Any] | Unreadable | None) -> Any:
    """Return a stored document for JSON; of an unreadable one its first bytes as Python writes them, and why."""
    if isinstance(document, Unreadable):
        return {"unreadable": repr(document.data[:_SHOWN_BYTES]), "problem": document.problem}
    return document


def when(instant_ms: int) -> str:
    """Return an instant as UTC."""
    try:
        return datetime.fromtimestamp(instant_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{instant_ms} ms"


def age(span_ms: int) -> str:
    """Return a span of time in its largest sensible unit."""
    seconds = abs(span_ms) / 1000
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s"
