"""Put the reports of several implementations side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .stream import Report
from .summary import label


class Different(Exception):
    """Reports that cannot be compared."""


@dataclass(frozen=True)
class Run:
    """A report among others: its name on a page, and a short key for its anchors."""

    key: str
    label: str
    report: Report


def merge(reports: Sequence[Report]) -> list[Run]:
    """Name reports apart; those of different cases or another SPEC.md are refused."""
    for what, found in (("corpus", _digests(reports, "corpus")), ("SPEC.md", _spec_digests(reports))):
        if len(set(found)) > 1:
            lines = "".join(f"\n  {one[:16]} {report.path}" for one, report in zip(found, reports, strict=True))
            raise Different(f"expected reports of one {what}, got {len(set(found))}:{lines}")
    names = [label(report.header) for report in reports]
    return [
        Run(f"i{number}", name if names.count(name) == 1 else f"{name} ({report.path})", report)
        for number, (name, report) in enumerate(zip(names, reports, strict=True))
    ]


def _digests(reports: Sequence[Report], name: str) -> list[str]:
    return [str(report.header.get(name)) for report in reports]


def _spec_digests(reports: Sequence[Report]) -> list[str]:
    return [str((report.header.get("spec") or {}).get("sha256")) for report in reports]
