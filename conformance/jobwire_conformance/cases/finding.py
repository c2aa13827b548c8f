"""What an observation found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Whether a fact is as wanted, and what was wanted and came.

    `slow` says that only an upper limit of time was missed, `final` that waiting would change nothing.
    """

    holds: bool
    expected: str
    got: str = ""
    at: float | None = None
    slow: bool = False
    final: bool = False
