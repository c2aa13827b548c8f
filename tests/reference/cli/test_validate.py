import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.reference.cli.conftest import call

EXAMPLES = Path(__file__).parents[3] / "schemas" / "examples"
JOB = {"jobwire": "1.0", "id": "a", "type": "t", "queue": "q"}
OUTCOME = {"jobwire": "1.0", "id": "a", "state": "succeeded", "attempt": 1, "finished_at": 1}
SCHEMAS = ("job", "step", "outcome", "error")


def check(path: Path, schema: str, document: Any) -> dict[str, Any]:
    path.write_bytes(document if isinstance(document, bytes) else json.dumps(document).encode())
    said = call("validate", str(path), "--schema", schema, "--json")
    (told,) = said.json["files"]
    assert said.code == (0 if told["ok"] else 1)
    assert told["ok"] == (told["class"] is None)
    verdict: dict[str, Any] = told
    return verdict


@pytest.mark.parametrize("schema", SCHEMAS)
def test_every_valid_example(schema: str) -> None:
    # One step's id comes back in its `join`, which only code can see. [FLOW-2]
    files = sorted(str(path) for path in (EXAMPLES / schema / "valid").iterdir())
    said = call("validate", "--schema", schema, *files)
    assert said == (0, "".join(f"{file}: ok\n" for file in files), "")


@pytest.mark.parametrize("schema", SCHEMAS)
def test_every_invalid_example(schema: str) -> None:
    files = sorted(map(str, (EXAMPLES / schema / "invalid").iterdir()))
    said = call("validate", "--schema", schema, "--json", *files)
    assert said.code == 1
    for told in said.json["files"]:
        assert told["problems"], told["file"]
        assert told["class"] in ("malformed", "unsupported_version", "invalid")


@pytest.mark.parametrize(
    ("code", "paths", "document"),
    [
        ("malformed", [""], b""),
        ("malformed", [""], b"[]"),
        ("malformed", [""], b' {"jobwire":"1.0"}'),
        ("malformed", [""], b'{"jobwire":'),
        ("malformed", [""], b"{" * 100_000),
        ("malformed", [""], b"\xdf\xff\xff\xff\xff"),
        ("malformed", [""], msgspec.msgpack.encode({1: 2})),
        ("unsupported_version", ["jobwire"], {"jobwire": "2.0", "id": 5}),
        ("invalid", ["jobwire"], JOB | {"jobwire": "1"}),
        ("invalid", [""], {"jobwire": "1.0", "id": "a", "type": "t"}),
        ("invalid", ["id", "priority", "retry.factor", "retry.no_retry_on.1"], JOB | {
            "id": "a b", "priority": 10, "retry": {"factor": 0.5, "no_retry_on": ["x", 5]},
        }),
        ("invalid", ["then.0", "then.0.queue", "then.1.retry"], JOB | {
            "then": [{"id": "b", "queue": "a:b"}, {"id": "c", "type": "t", "queue": "q", "retry": []}],
        }),
        ("invalid", ["join.index", "join.then.0.timeout_ms"], JOB | {"join": {
            "group": "g", "index": -1, "size": 1, "then": [{"id": "b", "type": "t", "queue": "q", "timeout_ms": 0}],
        }}),
        ("invalid", ["join.index"], JOB | {"join": {
            "group": "g", "index": 1, "size": 1, "then": [{"id": "b", "type": "t", "queue": "q"}],
        }}),
        ("invalid", ["then.0.id"], JOB | {"then": [{"id": "a", "type": "t", "queue": "q"}]}),
        ("refused", [""], JOB | {"args": [{"a": 1, "A": 2}]}),
        ("refused", [""], JOB | {"args": [2**53]}),
        ("refused", [""], JOB | {"args": ["x" * 1_048_576]}),
        ("refused", [""], json.dumps(JOB).encode()[:-1] + b',"args":[' + b"[" * 40 + b"]" * 40 + b"]}"),
        (None, [], msgspec.msgpack.encode(JOB | {"args": [1], "priority": 4.0})),
        (None, [], JOB | {"jobwire": "1.7", "headers": None, "of_later": {}}),
    ],
)  # fmt: skip
def test_jobs(code: str | None, paths: list[str], document: Any, tmp_path: Path) -> None:
    verdict = check(tmp_path / "job", "job", document)
    assert (verdict["class"], [problem["path"] for problem in verdict["problems"]]) == (code, paths)


@pytest.mark.parametrize(
    ("code", "paths", "schema", "document"),
    [
        ("invalid", ["jobwire", "type"], "step", JOB | {"type": ""}),
        ("invalid", ["join.then.0.id"], "step", {"id": "0", "type": "t", "queue": "q", "join": {
            "group": "g", "index": 0, "size": 1, "then": [{"id": "0", "type": "t", "queue": "q"}],
        }}),
        (None, [], "step", {"id": "0", "type": "t", "queue": "q"}),
        ("invalid", ["attempt", "finished_at"], "outcome", OUTCOME | {"attempt": -1, "finished_at": "x"}),
        ("invalid", ["error.code"], "outcome", OUTCOME | {"state": "failed", "error": {"code": 5, "message": ""}}),
        ("unsupported_version", ["jobwire"], "outcome", OUTCOME | {"jobwire": "2.0"}),
        ("invalid", ["error.message"], "outcome", OUTCOME | {
            "state": "failed", "error": {"code": "timeout", "message": "ü" * 2049},
        }),
        ("invalid", ["stack"], "error", {"code": "timeout", "message": "", "stack": "ü" * 8193}),
        ("refused", [""], "error", {"code": "timeout", "message": "", "details": {"a": 1, "A": 2}}),
        (None, [], "outcome", OUTCOME | {"result": 2.5}),
    ],
)  # fmt: skip
def test_others(code: str | None, paths: list[str], schema: str, document: Any, tmp_path: Path) -> None:
    verdict = check(tmp_path / "document", schema, document)
    assert (verdict["class"], [problem["path"] for problem in verdict["problems"]]) == (code, paths)


def test_what_is_printed(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(JOB | {"priority": 10, "args": "\x1b[31m" * 100}))
    said = call("validate", str(path))
    assert said.code == 1
    head, args, priority = said.out.splitlines()
    assert head == f"{path}: invalid"
    assert args.startswith("  args: '\\x1b[31m")
    assert len(args) < 300
    assert priority.startswith("  priority: 10 is ")


def test_stdin_and_files_that_cannot_be_read(tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "jobwire", "validate", "-", str(tmp_path / "nope"), str(tmp_path)],
        input=json.dumps(JOB),
        capture_output=True,
        text=True,
    )
    assert (said.returncode, said.stdout) == (1, "-: ok\n")
    lines = said.stderr.splitlines()
    assert lines[0] == f"jobwire: {tmp_path}/nope: expected a file to read, got No such file or directory"
    assert len(lines) == 2


@pytest.mark.parametrize("words", [[], ["x", "--schema", "nope"]])
def test_usage(words: list[str]) -> None:
    code, out, err = call("validate", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
