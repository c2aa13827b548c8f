"""JUnit and Markdown: what a build server shows of a run."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from jobwire_conformance.model import Status
from jobwire_conformance.report import junit, markdown
from jobwire_conformance.report.merge import Run, merge

from .report_samples import cases, header, interop, passed, written


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    one = written(tmp_path / "one.ndjson", header(), cases())
    two = written(tmp_path / "two.ndjson", header("jobwire-py"), [passed("a", "ENC-1")])
    return merge([one, two])


@pytest.fixture
def suites(runs: list[Run]) -> ET.Element:
    return ET.fromstring(junit.document(runs))


def test_a_suite_an_implementation_and_role(suites: ET.Element) -> None:
    assert [
        "jobwire-go 0.3.0 codec",
        "jobwire-go 0.3.0 producer",
        "jobwire-go 0.3.0 worker",
        "jobwire-py 0.3.0 worker",
    ] == [suite.get("name") for suite in suites]


def test_a_test_case_a_check(suites: ET.Element) -> None:
    found = suites.findall(".//testcase[@classname='worker/run/settles-after-handler']")
    assert ["1 LEASE-1 extends while it runs", "2 RUN-8 order of start, end and settle"] == [
        one.get("name") for one in found
    ]
    [failure] = found[1].findall("failure")
    assert "RUN-8: order of start, end and settle" == failure.get("message")
    assert failure.text is not None
    assert "rerun: jobwire-conformance run jobwire.toml --case worker/run/settles-after-handler" in failure.text
    assert "<script>" in failure.text


def test_the_numbers_are_those_of_the_elements(suites: ET.Element) -> None:
    worker = suites[2]
    numbers = [worker.get(name) for name in ("tests", "failures", "errors", "skipped")]
    assert ["10", "2", "1", "3"] == numbers


@pytest.mark.parametrize(
    ("kind", "message", "case"),
    [
        ("failure", "stale: listed as known to fail, and it passed", "worker/retry/last"),
        ("error", "error: KeyError: 'suite'", "worker/lease/lost"),
        ("skipped", "not run: the worker did not start", "worker/claim/order"),
        ("skipped", "not applicable", "worker/flow/chain"),
        ("skipped", "known to fail: issue 12", "worker/retry/delays"),
    ],
)
def test_what_is_no_checks_is_one_test_case(kind: str, message: str, case: str, suites: ET.Element) -> None:
    [found] = suites.findall(f".//testcase[@classname='{case}']/{kind}")
    assert message == found.get("message")


def test_a_warning_is_no_failure(suites: ET.Element) -> None:
    [found] = suites.findall(".//testcase[@classname='worker/claim/release']")
    assert ["system-out"] == [child.tag for child in found]


def test_a_run_that_was_broken_off_is_an_error(tmp_path: Path) -> None:
    broken = merge([written(tmp_path / "run.ndjson", header(), [passed("a", "ENC-1")], end=False)])
    [found] = ET.fromstring(junit.document(broken)).findall(".//testcase[@classname='report']/error")
    assert "no footer: the run was broken off" == found.get("message")


def test_markdown_is_short_and_says_what_broke(runs: list[Run]) -> None:
    page = markdown.document(runs)
    assert "## ❌ jobwire-go 0.3.0: does not conform" in page
    assert "## ✅ jobwire-py 0.3.0: conforms" in page
    assert "| worker | 2/7 | – |" in page
    assert "- **RUN-8** A worker MUST settle \\`retry\\`" in page
    assert "`jobwire-conformance run jobwire.toml --case worker/run/settles-after-handler --verbose`" in page
    assert len(page) < 3000


def test_markdown_of_a_run_that_was_broken_off(tmp_path: Path) -> None:
    broken = merge([written(tmp_path / "run.ndjson", header(), [passed("a", "ENC-1")], end=False)])
    assert "## ⚠️ jobwire-go 0.3.0: broken off" in markdown.document(broken)


def test_markdown_of_pairs(tmp_path: Path) -> None:
    pairs = [
        interop("go", "rust", "json"),
        interop("go", "rust", "msgpack", Status.FAIL),
        interop("rust", "rust", "json"),
    ]
    page = markdown.document(merge([written(tmp_path / "run.ndjson", header(), pairs)]))
    assert "| producer ↓ worker → | rust |" in page
    assert "| go | json 1/1<br>❌ msgpack 0/1 |" in page


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("&lt;b&gt; \\| \\`x\\` \\[a\\](b) \\*c\\*", "<b> | `x` [a](b) *c*"),
        ("a\\\\nb \\\\x1b", "a\nb \x1b"),
    ],
)
def test_nothing_in_a_job_is_markdown(expected: str, text: str) -> None:
    assert expected == markdown.escape(text)


@pytest.mark.parametrize(("expected", "text"), [("`a b`", "a b"), ("`` a`b ``", "a`b"), ("`a\\|b`", "a|b")])
def test_code_holds_what_is_in_it(expected: str, text: str) -> None:
    assert expected == markdown.code(text)
