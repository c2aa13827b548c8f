"""Read what stands on the command line: JSON or text, pairs, durations, instants."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import click
import msgspec

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")


class Duration(click.ParamType[timedelta]):
    """Seconds, or a number with a unit."""

    name = "DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return a timedelta."""
        if isinstance(value, timedelta):
            return value
        match = _DURATION.fullmatch(str(value))
        if not match:
            self.fail(f"expected seconds or a number with ms, s, m, h or d, got {value!r}", param, ctx)
        try:
            return timedelta(seconds=float(match[1]) * _UNITS[match[2] or "s"])
        except OverflowError:
            self.fail(f"expected less than 999999999 days, got {value!r}", param, ctx)


class Instant(click.ParamType[int]):
    """Milliseconds since 1970, or a date and time with its zone."""

    name = "INSTANT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return ms."""
        text = str(value)
        if text.isascii() and text.isdigit():
            return int(text)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            self.fail(f"expected ms or a time such as 2026-01-31T12:00:00Z, got {text!r}", param, ctx)
        return round(moment.timestamp() * 1000)


class Object(click.ParamType[dict[str, Any]]):
    """A JSON object."""

    name = "JSON"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        """Return a dict."""
        if isinstance(value, dict):
            return value
        try:
            found = msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError) as error:
            self.fail(f"expected a JSON object, got {value!r}: {error}", param, ctx)
        if not isinstance(found, dict):
            self.fail(f"expected a JSON object, got {value!r}", param, ctx)
        return found


DURATION, INSTANT, OBJECT = Duration(), Instant(), Object()


def value_of(text: str, raw: bool) -> Any:
    """Return the JSON value of a text where it is JSON and not `raw`, else the text."""
    if raw:
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text


def pairs_of(option: str, pairs: Sequence[str], raw: bool) -> dict[str, Any]:
    """Return the dict of texts such as `name=value`."""
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise click.UsageError(f"{option}: expected NAME=VALUE, got {pair!r}")
        found[name] = value_of(value, raw)
    return found
