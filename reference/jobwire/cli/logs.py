"""Logs of a worker: one line for each fact, with its fields as key=value."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

from .output import to_json

LEVELS = ("debug", "info", "warning", "error")

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_BARE = re.compile(r"[!#-<>-~]+")


class Lines(logging.Formatter):
    """Write a record as time, level, message and fields."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03d"

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a traceback, where there is one, follows as lines of its own."""
        fields = {name: value for name, value in vars(record).items() if name not in _OWN}
        parts = [self.formatTime(record), record.levelname.lower(), _one_line(record.getMessage())]
        parts += [f"{name}={_field(value)}" for name, value in fields.items()]
        line = " ".join(parts)
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _one_line(text: str) -> str:
    return text if text.isprintable() else to_json(text)


def _field(value: Any) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text if _BARE.fullmatch(text) else to_json(text)


def log_to_stderr(level: str) -> None:
    """Send all logs of this process from `level` on to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    logging.basicConfig(level=level.upper(), handlers=[handler])
