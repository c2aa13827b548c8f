"""See whether a report is what a whole run of this suite wrote, and whether its verdict follows from its records."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..corpus import corpus
from ..manifest import ROLES, Manifest
from ..model import SPEC, CaseResult, Status, overall
from ..plan import everything, inapplicable
from .stream import Entry, Report
from .summary import is_together
from .verdict import VERDICTS, counts, exit_code, is_filtered

ENCODINGS = ("json", "msgpack")
# So many cases are named of those that share a fault.
NAMED = 5
# What the run adds of its own accord, when an adapter cannot be talked to.
ADDED = "adapter/"
_ENDED_WELL = frozenset({Status.PASS, Status.WARN, Status.SLOW, Status.STALE})


def verify(report: Report) -> list[str]:
    """Return all that is wrong with a report; nothing if it proves what it says."""
    cases = _pairs(report) if is_together(report.header) else _cases(report)
    return [*report.problems, *_header(report.header), *_footer(report), *cases, *_records(report)]


def _pairs(report: Report) -> Iterator[str]:
    """Yield which parties were not run with which, in a report of several with each other."""
    names = [str(party.get("name")) for party in report.header["implementation"]["parties"]]
    known = [f"interop/pair/{one}/{other}/{encoding}" for one in names for other in names for encoding in ENCODINGS]
    found = Counter(case.id for case in report.cases)
    yield from _named("expected once", "got again", [name for name, count in found.items() if count > 1])
    yield from _named("expected a record of each pair", "got none of", [name for name in known if name not in found])
    skipped = [case.id for case in report.cases if case.status in (Status.NOT_RUN, Status.NOT_APPLICABLE)]
    yield from _named("expected all to be run", "got skipped", skipped)


def _header(header: Mapping[str, Any]) -> Iterator[str]:
    spec = header.get("spec") or {}
    for what, wanted, got in (
        ("corpus", corpus(), header.get("corpus")),
        ("SPEC.md", hashlib.sha256(SPEC.read_bytes()).hexdigest(), spec.get("sha256")),
    ):
        if wanted != got:
            yield f"{what}: expected that of this suite, {wanted[:16]}, got {str(got)[:16]}; it is of another release"


def _footer(report: Report) -> Iterator[str]:
    footer = report.footer
    if footer is None:
        return
    code = exit_code(report.cases, is_filtered(report.header))
    for name, wanted in (
        ("lines", report.lines),
        ("digest", report.digest),
        ("counts", counts(report.cases)),
        ("verdict", VERDICTS[code]),
        ("exit_code", int(code)),
    ):
        if footer.get(name) != wanted:
            yield f"footer: {name}: expected {wanted} by the records, got {footer.get(name)}"


def _cases(report: Report) -> Iterator[str]:
    """Yield what is wrong with which cases are there."""
    known = {case.id: case for case in everything()}
    found = Counter(case.id for case in report.cases)
    claimed = claims_of(report.header)
    here = {case.id: case for case in report.cases}
    yield from _named("expected once", "got again", [name for name, count in found.items() if count > 1])
    unknown = [name for name in found if name not in known and not name.startswith(ADDED)]
    yield from _named("expected cases of this suite only", "got", unknown)
    yield from _named("expected a record of each case", "got none of", [name for name in known if name not in found])
    both = [known[name] for name in known if name in here]
    applies = [case.id for case in both if not inapplicable(claimed, case)]
    skipped = [name for name in applies if here[name].status in (Status.NOT_RUN, Status.NOT_APPLICABLE)]
    yield from _named("expected all that applies to be run", "got skipped", skipped)
    extra = [case.id for case in both if inapplicable(claimed, case) and here[case.id].status is not _NOT_APPLICABLE]
    yield from _named("expected nothing of what is not claimed", "got", extra)
    other = [case.id for case in both if _named_otherwise(case, here[case.id])]
    yield from _named("expected role, profile and requirements as in this suite", "got others in", other)


_NOT_APPLICABLE = Status.NOT_APPLICABLE


def _named_otherwise(case: Any, entry: Entry) -> bool:
    wanted = (case.role, case.profile, tuple(case.requirements))
    return wanted != (entry.role, entry.profile, entry.requirements)


def _records(report: Report) -> Iterator[str]:
    """Yield the cases whose status does not follow from their checks."""
    yield from _named("expected a status that follows from the checks", "got another in", [
        case.id for case in report.cases if not follows(case)
    ])  # fmt: skip
    excused = {entry.get("case") for entry in report.header.get("implementation", {}).get("known_failing", ())}
    unexcused = [case.id for case in report.cases if case.status is Status.KNOWN and case.id not in excused]
    yield from _named("expected known failures to be those of the manifest", "got also", unexcused)


def follows(case: CaseResult) -> bool:
    """Return whether the status of a case follows from what was checked."""
    judged = overall(list(case.checks))
    if case.status in (Status.NOT_RUN, Status.NOT_APPLICABLE):
        return not case.checks
    if case.status is Status.KNOWN:
        return judged is Status.FAIL
    if case.status is Status.STALE:
        return judged in _ENDED_WELL
    # The suite can fail at a case whatever was checked before.
    return case.status in (judged, Status.ERROR)


def _named(wanted: str, got: str, names: list[str]) -> Iterator[str]:
    if names:
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        yield f"cases: {wanted}, {got} {', '.join(names[:NAMED])}{more}"


def claims_of(header: Mapping[str, Any]) -> Manifest:
    """Return what a header says of the implementation, to tell what applies to it."""
    about = header.get("implementation") or {}
    name, version, language, spec = (str(about.get(one, "")) for one in ("name", "version", "language", "spec"))
    codec, producer, worker = (tuple(about[role]) if about.get(role) else None for role in ROLES)
    profiles = tuple(about.get("profiles") or ())
    return Manifest(name, version, language, spec, profiles, Path(), "", codec, producer, worker)
