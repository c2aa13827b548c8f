"""Show a run on a terminal: what happens while it happens, and a last screen that says what to do."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

import click

from ..model import CaseResult, Check, Status
from .explain import by_requirement, failure, quoted
from .stream import Entry, entry
from .summary import PROFILES, ROLES, cell, claims, failing, held, label, left_out
from .text import visible
from .verdict import VERDICTS, Exit, exit_code, is_filtered

COLOURS = {
    Status.PASS: "green",
    Status.FAIL: "red",
    Status.STALE: "red",
    Status.ERROR: "magenta",
    Status.WARN: "yellow",
    Status.SLOW: "yellow",
    Status.KNOWN: "blue",
}
# So many failures are explained in full; of the others the report has it all.
EXPLAINED = 10
_REDRAW_S = 0.1
_DEAF = "any implementation passes these; look at manifest, adapter and worker first, README sections 1 to 3"
# What is said at the end, if at all.
_QUIET = (Status.PASS, Status.NOT_APPLICABLE, Status.NOT_RUN)


class Progress:
    """Follows the records of a run: a line for what did not pass, at once, and on a terminal a line that counts."""

    def __init__(self, out: IO[str], manifest: str, planned: int = 0, verbose: bool = False) -> None:
        self.header: Mapping[str, Any] = {}
        self.cases: list[Entry] = []
        self.footer: Mapping[str, Any] | None = None
        self._out, self._manifest, self._planned, self._verbose = out, manifest, planned, verbose
        self._tty = out.isatty()
        self._drawn = 0.0
        self._began = time.monotonic()

    def take(self, record: Mapping[str, Any]) -> None:
        """Take in a record as it is written."""
        if record["kind"] == "header":
            # The record says nothing of this machine's folders; the commands that are shown need it.
            about = {**(record.get("implementation") or {}), "path": self._manifest}
            self.header = {**record, "implementation": about}
            self._say(_title(record))
        elif record["kind"] == "case":
            self._case(entry(record))
        elif record["kind"] == "footer":
            self.footer = record
            self._clear()

    def _case(self, case: Entry) -> None:
        self.cases.append(case)
        if case.status not in _QUIET or (self._verbose and case.status is Status.PASS):
            self._say(one_line(case))
        self._count()

    def _say(self, line: str) -> None:
        self._clear()
        click.echo(line, file=self._out)

    def _clear(self) -> None:
        if self._tty:
            click.echo("\r\x1b[K", nl=False, file=self._out)

    def _count(self) -> None:
        if not self._tty or time.monotonic() - self._drawn < _REDRAW_S:
            return
        self._drawn = time.monotonic()
        self._clear()
        total = f"/{self._planned}" if self._planned else ""
        done = [case for case in self.cases if case.status is not Status.NOT_APPLICABLE and not left_out(case)]
        if not done:
            return
        seconds = f"{self._drawn - self._began:.0f} s"
        click.echo(f"{len(done)}{total}  {tally(done)}  {seconds}", nl=False, file=self._out)


def _title(header: Mapping[str, Any]) -> str:
    spec, corpus = header.get("spec") or {}, str(header.get("corpus", ""))[:12]
    return visible(
        f"{label(header)} against SPEC.md {spec.get('version', '')}, corpus {corpus}, {header.get('server')}"
    )


def one_line(case: CaseResult, checks: Sequence[Check] = ()) -> str:
    """Say in a line what became of a case, by the first of these checks, or of all that did not hold."""
    word = click.style(f"{case.status.value.upper():<5}", fg=COLOURS.get(case.status), bold=True)
    check = next(iter(checks or failing(case)), None)
    why = f"{check.requirement}: {check.what}" if check else (case.reason.rstrip().splitlines() or [""])[-1]
    return f"{word} {case.id}  {visible(why)}".rstrip()


def tally(cases: Sequence[CaseResult]) -> str:
    """Count the cases by status, on a line."""
    found = Counter("left out" if left_out(case) else case.status.value for case in cases)
    names = (*(status.value for status in Status), "left out")
    return ", ".join(f"{found[name]} {name}" for name in names if found[name]) or "no case"


def last_screen(header: Mapping[str, Any], cases: Sequence[Entry], report: str | None, whole: bool) -> Iterator[str]:
    """Say what was claimed, what held, what did not, what was not run, and what to do next."""
    yield from ("", visible(label(header)), *_claims(header, cases), "")
    yield from _failures(header, cases, whole)
    yield from _others(cases)
    code = exit_code(cases, is_filtered(header))
    yield f"{_verdict(header, code)} ({tally(cases)})"
    yield from _next(header, cases, code, report)


def _claims(header: Mapping[str, Any], cases: Sequence[CaseResult]) -> Iterator[str]:
    roles, profiles = claims(header)
    yield f"  {'':<10}" + "".join(f"{profile:<13}" for profile in PROFILES).rstrip()
    for role in ROLES:
        cells = []
        for profile in PROFILES:
            claimed = role in roles and profile in profiles
            good, applicable = held(cell(cases, role, profile))
            cells.append(f"{good}/{applicable}" if claimed and applicable else "–" if claimed else "not claimed")
        yield f"  {role:<10}" + "".join(f"{text:<13}" for text in cells).rstrip()


def _failures(header: Mapping[str, Any], cases: Sequence[Entry], whole: bool) -> Iterator[str]:
    explained: set[str] = set()
    for name, broken in by_requirement(cases, Status.FAIL, Status.STALE, Status.ERROR).items():
        for number, text in enumerate(quoted(name)):
            yield click.style(text, bold=True) if number == 0 else text
        for case, checks in broken:
            others = [other for other in cases if other.id != case.id]
            lines = failure(header, case, checks, others, whole)
            if case.id in explained or len(explained) >= EXPLAINED:
                lines = iter([one_line(case, checks)])
            explained.add(case.id)
            for number, text in enumerate(lines):
                yield f"  {click.style(text, fg=COLOURS[case.status]) if number == 0 else text}"
        yield ""


def _others(cases: Sequence[CaseResult]) -> Iterator[str]:
    for status in (Status.WARN, Status.SLOW, Status.KNOWN, Status.NOT_RUN):
        found = [case for case in cases if case.status is status and not left_out(case)]
        if found:
            yield f"{status.value}: {len(found)}"
            yield from (f"  {one_line(case)}" for case in found[:EXPLAINED])
            yield from [f"  and {len(found) - EXPLAINED} more"] * (len(found) > EXPLAINED)
            yield ""


def _verdict(header: Mapping[str, Any], code: Exit) -> str:
    colour = {Exit.CONFORMS: "green", Exit.FAILS: "red"}.get(code, "yellow")
    return click.style(f"{visible(label(header))}: {VERDICTS[code]}", fg=colour, bold=True)


def _next(header: Mapping[str, Any], cases: Sequence[CaseResult], code: Exit, report: str | None) -> Iterator[str]:
    bad = next((case for case in cases if case.status in (Status.FAIL, Status.STALE)), None)
    manifest = header["implementation"]["path"]
    if header.get("filters", {}).get("smoke") and code in (Exit.INCOMPLETE, Exit.FAILS):
        good = f"the programs talk to the suite as they have to; jobwire-conformance run {manifest} runs all"
        yield f"next: {good if code is Exit.INCOMPLETE else _DEAF}"
        return
    if code is Exit.FAILS and bad is not None:
        yield f"next: jobwire-conformance show {bad.id} says what that case does; its rerun command is above"
    elif code is Exit.SUITE:
        yield "next: this is a mistake of the suite, or nothing was checked; --keep DIR keeps what the programs wrote"
    elif code is Exit.INCOMPLETE and is_filtered(header):
        yield "next: run without filters for a verdict; a part says nothing of the whole"
    elif code is Exit.INCOMPLETE:
        yield "next: mend what kept cases from being run; see above"
    if report:
        yield f"next: jobwire-conformance report {report} --html report.html makes a page of it, with all that was said"
    else:
        yield "next: --report run.ndjson keeps all of it, for a page, for verify, and to compare with others"
