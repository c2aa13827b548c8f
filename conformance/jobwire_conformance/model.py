"""The verdicts of the suite, as plain values."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent
SPEC = PACKAGE / "SPEC.md"


class Status(StrEnum):
    """What became of a case."""

    PASS = "pass"
    FAIL = "fail"
    WARN = "warn"
    SLOW = "slow"
    KNOWN = "known"
    STALE = "stale"
    NOT_APPLICABLE = "not applicable"
    NOT_RUN = "not run"
    ERROR = "error"


@dataclass(frozen=True)
class Requirement:
    """One requirement of SPEC.md: its identifier, level and sentence, and the section that it stands in."""

    id: str
    level: str
    text: str
    section: str
    anchor: str


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: the requirement that it judges, and what was wanted and came if it failed."""

    requirement: str
    what: str
    status: Status
    expected: str = ""
    got: str = ""
    at: float | None = None


@dataclass(frozen=True)
class CaseResult:
    """The verdict on one case, with all that is needed to see why."""

    id: str
    says: str
    requirements: tuple[str, ...]
    role: str
    profile: str
    status: Status
    reason: str = ""
    ms: float = 0.0
    checks: tuple[Check, ...] = ()
    events: tuple[dict[str, Any], ...] = ()
    transcript: tuple[dict[str, Any], ...] = ()
    stderr: str = ""
    steps: tuple[str, ...] = field(default=())

    def record(self) -> dict[str, Any]:
        """Return it as values of JSON."""
        # Not `asdict`, which copies each value of a transcript.
        return vars(self) | {"checks": [dict(vars(check)) for check in self.checks]}


_SENTENCE = re.compile(
    r"^(?P<text>.*?\b(?P<level>MUST NOT|MUST|SHOULD NOT|SHOULD|MAY)\b.*) \[(?P<id>[A-Z]+-[0-9]+)\]$", re.MULTILINE
)
_HEADING = re.compile(r"^#{2,3} (?P<title>.+)$", re.MULTILINE)


@cache
def requirements() -> dict[str, Requirement]:
    """Read the requirements from SPEC.md, in its order, by identifier."""
    text = SPEC.read_text(encoding="utf-8")
    headings = [(match.start(), match["title"]) for match in _HEADING.finditer(text)]
    found: dict[str, Requirement] = {}
    for match in _SENTENCE.finditer(text):
        title = [name for start, name in headings if start < match.start()][-1]
        sentence = match["text"].removeprefix("- ").strip()
        found[match["id"]] = Requirement(match["id"], match["level"], sentence, title, _anchor(title))
    return found


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")


def overall(checks: list[Check]) -> Status:
    """Return the status that a case with these checks has: the worst, and an error if nothing was looked at."""
    if not checks:
        return Status.ERROR
    seen = {check.status for check in checks}
    return next(
        (status for status in (Status.ERROR, Status.FAIL, Status.SLOW, Status.WARN) if status in seen), Status.PASS
    )
