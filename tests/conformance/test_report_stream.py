"""Records are written as they come and read as they were; what is wrong with a file is said."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from jobwire_conformance.model import Check, Status
from jobwire_conformance.report.stream import Broken, Entry, Writer, read

from .report_samples import HOSTILE, cases, failed, header, interop, passed, written


def test_what_was_written_is_read(tmp_path: Path) -> None:
    report = written(tmp_path / "run.ndjson", header(), cases())
    assert header() == report.header
    assert [case.record() for case in cases()] == [
        {name: value for name, value in case.record().items() if name != "axes"} for case in report.cases
    ]
    assert () == report.problems
    assert report.complete


def test_the_footer_holds_lines_and_digest(tmp_path: Path) -> None:
    report = written(tmp_path / "run.ndjson", header(), cases())
    lines = (tmp_path / "run.ndjson").read_bytes().splitlines(keepends=True)
    assert report.footer is not None
    assert len(lines) - 1 == report.footer["lines"] == report.lines
    assert hashlib.sha256(b"".join(lines[:-1])).hexdigest() == report.footer["digest"] == report.digest


def test_each_record_is_on_the_disk_at_once(tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    with path.open("wb") as file:
        writer = Writer(file)
        for number, record in enumerate([header(), {"kind": "case", **failed().record()}], 1):
            writer.write(record)
            assert number == len(path.read_bytes().splitlines())


def test_a_run_that_was_broken_off_has_no_footer(tmp_path: Path) -> None:
    report = written(tmp_path / "run.ndjson", header(), cases(), end=False)
    assert not report.complete
    assert ("no footer: the run was broken off",) == report.problems


def test_axes_are_kept(tmp_path: Path) -> None:
    report = written(tmp_path / "run.ndjson", header(), [interop("go", "rust", "json")])
    assert {"producer": "go", "worker": "rust", "encoding": "json"} == report.cases[0].axes


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        ({"base64": "AP8="}, b"\x00\xff"),
        ({"float": "nan"}, float("nan")),
        ({"float": "-inf"}, float("-inf")),
        ({"b'k'": 1}, {b"k": 1}),
        ([1, None, True], (1, None, True)),
        ("\ud800", "\ud800"),
        (HOSTILE, HOSTILE),
    ],
)
def test_whatever_a_document_holds_can_be_written(expected: Any, value: Any) -> None:
    file = io.BytesIO()
    Writer(file).write({"kind": "case", "value": value})
    assert {"kind": "case", "value": expected} == json.loads(file.getvalue())


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("expected a record as JSON with a kind", "not json\n"),
        ("expected a record as JSON with a kind", "[]\n"),
        ("expected the header as the first line", '{"kind":"case"}\n'),
    ],
)
def test_what_is_no_report_is_refused(expected: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "run.ndjson").write_text(text)
    with pytest.raises(Broken, match=expected):
        read(tmp_path / "run.ndjson")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Broken, match="expected a report to read, got No such file"):
        read(tmp_path / "run.ndjson")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", 7), ("ms", "long"), ("axes", []), ("events", ["x"]), ("transcript", 1), ("requirements", [1]),
        ("checks", [{"requirement": "ENC-1"}]), ("checks", [7]), ("reason", None),
    ],
)  # fmt: skip
def test_a_member_of_another_type_is_refused(name: str, value: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    written(path, header(), [], end=False)
    record = {"kind": "case", **passed("a", "ENC-1").record(), name: value}
    path.write_bytes(path.read_bytes() + json.dumps(record).encode())
    report = read(path)
    assert () == report.cases
    assert report.problems[0].startswith("line 2: expected a case with all its fields")


@pytest.mark.parametrize(
    ("expected", "line"),
    [
        ("line 3: expected a record as JSON", b'{"kind":"ca'),
        ("line 3: expected a case or the footer, got 'note'", b'{"kind":"note"}\n'),
        ("line 3: expected a case with all its fields", b'{"kind":"case","id":"a","status":"pass"}\n'),
        ("line 3: expected a case with all its fields", b'{"kind":"case","id":"a","status":"splendid"}\n'),
        ("line 3: expected the header as the first line and nowhere else", b'{"kind":"header"}\n'),
    ],
)
def test_a_line_that_is_wrong_is_named(expected: str, line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    written(path, header(), [passed("a", "ENC-1")], end=False)
    path.write_bytes(path.read_bytes() + line)
    assert [problem for problem in read(path).problems if problem.startswith(expected)]


def test_nothing_comes_after_the_footer(tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    written(path, header(), [passed("a", "ENC-1")])
    path.write_bytes(path.read_bytes() + b'{"kind":"note"}\n')
    assert ("line 4: expected nothing after the footer, got a note record",) == read(path).problems


def test_members_of_later_versions_are_ignored(tmp_path: Path) -> None:
    record = {"kind": "case", **passed("a", "ENC-1").record(), "colour": "red"}
    record["checks"] = [{**record["checks"][0], "weight": 3}]
    entry = written(tmp_path / "run.ndjson", header(), [record], end=False).cases[0]
    assert isinstance(entry, Entry)
    assert isinstance(entry.checks[0], Check)
    assert Status.PASS is entry.status
