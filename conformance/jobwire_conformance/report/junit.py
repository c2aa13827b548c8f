"""Write reports as JUnit: a suite an implementation and role, a test case a check."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence

from ..model import CaseResult, Check, Status
from .merge import Run
from .summary import BAD, failing, left_out, rerun, status_of
from .text import visible


def document(runs: Sequence[Run]) -> str:
    """Return the document."""
    top = ET.Element("testsuites", name="jobwire-conformance")
    for run in runs:
        for role in dict.fromkeys(case.role for case in run.report.cases):
            cases = [case for case in run.report.cases if case.role == role and not left_out(case)]
            suite = ET.SubElement(top, "testsuite", name=_text(f"{run.label} {role}"))
            for case in cases:
                suite.extend(_elements(run, case))
            _count(suite)
        if not run.report.complete:
            suite = ET.SubElement(top, "testsuite", name=_text(run.label))
            broken = ET.SubElement(suite, "testcase", classname="report", name="complete")
            ET.SubElement(broken, "error", message=_text("; ".join(run.report.problems)))
            _count(suite)
    ET.indent(top)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(top, encoding="unicode") + "\n"


def _elements(run: Run, case: CaseResult) -> Iterator[ET.Element]:
    seconds = f"{case.ms / 1000 / max(1, len(case.checks)):.3f}"
    for number, check in enumerate(case.checks, 1):
        name = f"{number} {check.requirement} {check.what}"
        element = ET.Element("testcase", classname=_text(case.id), name=_text(name), time=seconds)
        _judge(run, case, check, element)
        yield element
    if not failing(case) and case.status is not Status.PASS:
        # What is no check's: a crash, an excuse that has run out, a case that was not run.
        element = ET.Element("testcase", classname=_text(case.id), name="case", time="0")
        kind = "error" if case.status is Status.ERROR else "failure" if case.status in BAD else "skipped"
        said = ET.SubElement(element, kind, message=_text(f"{case.status.value}: {case.reason}".rstrip(": ")))
        if kind != "skipped":
            said.text = _text(f"rerun: {rerun(run.report.header, case.id)}")
        yield element


def _judge(run: Run, case: CaseResult, check: Check, element: ET.Element) -> None:
    status = status_of(case, check)
    facts = f"expected {check.expected}\ngot {check.got}\nrerun: {rerun(run.report.header, case.id)}"
    if status in BAD:
        kind = "error" if status is Status.ERROR else "failure"
        said = ET.SubElement(element, kind, type=check.requirement, message=_text(f"{check.requirement}: {check.what}"))
        said.text = _text(facts)
    elif status is Status.KNOWN:
        ET.SubElement(element, "skipped", message=_text(f"known to fail: {case.reason}"))
    elif status is not Status.PASS:
        ET.SubElement(element, "system-out").text = _text(f"{status.value}\n{facts}")


def _count(suite: ET.Element) -> None:
    for name, path in (
        ("tests", "testcase"),
        ("failures", "*/failure"),
        ("errors", "*/error"),
        ("skipped", "*/skipped"),
    ):
        suite.set(name, str(len(suite.findall(path))))


def _text(text: str) -> str:
    # XML has no way to write most control signs, not even as references.
    return visible(text, keep="\n")
