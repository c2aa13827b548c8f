"""Put the reports of several implementations side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..model import Status
from .stream import Entry, Report
from .summary import label


class Different(Exception):
    """Reports that cannot be compared."""


@dataclass(frozen=True)
class Run:
    """A report among others: its name on a page, and a short key for its anchors."""

    key: str
    label: str
    report: Report


@dataclass
class Pair:
    """What a producer and a worker gave together: counts by encoding, and the cases."""

    counts: dict[str, Counter[Status]] = field(default_factory=dict)
    cases: list[tuple[Run, Entry]] = field(default_factory=list)


@dataclass(frozen=True)
class Matrix:
    """Who was run with whom; a pair that is absent was not run."""

    producers: tuple[str, ...]
    workers: tuple[str, ...]
    encodings: tuple[str, ...]
    pairs: dict[tuple[str, str], Pair]


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


def matrix(runs: Sequence[Run]) -> Matrix | None:
    """Collect the cases in which one implementation enqueues and another works; None if there is no such case."""
    pairs: dict[tuple[str, str], Pair] = {}
    for run in runs:
        for case in run.report.cases:
            if {"producer", "worker"} <= case.axes.keys():
                pair = pairs.setdefault((str(case.axes["producer"]), str(case.axes["worker"])), Pair())
                pair.counts.setdefault(str(case.axes.get("encoding", "")), Counter())[case.status] += 1
                pair.cases.append((run, case))
    if not pairs:
        return None
    encodings = sorted({encoding for pair in pairs.values() for encoding in pair.counts})
    producers, workers = sorted({one for one, _ in pairs}), sorted({one for _, one in pairs})
    return Matrix(tuple(producers), tuple(workers), tuple(encodings), pairs)
