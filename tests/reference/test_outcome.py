"""Reading and writing outcomes: shapes, cuts, what is dropped where it does not fit."""

from typing import Any

import pytest

from jobwire.errors import Malformed, TooLarge, UnsupportedVersion, ValueRefused
from jobwire.outcome import (
    MAX_MESSAGE_BYTES,
    MAX_STACK_BYTES,
    Code,
    ErrorInfo,
    Outcome,
    OutcomeState,
    cut,
    decode_outcome,
    write_error,
    write_success,
)
from jobwire.values import MAX_BYTES, Encoding
from tests.reference.documents import ABSENT, ERROR, OUTCOME, nested, outcome, pack, unpack
from tests.schemas.documents import SCHEMAS, examples, validator
from tests.spec.text import code_words, section

BOTH = pytest.mark.parametrize("encoding", Encoding)


@BOTH
@pytest.mark.parametrize(
    ("expected", "name", "value"),
    [
        (None, "result", ABSENT),
        (None, "result", None),
        ([{"a": 0.5}], "result", [{"a": 0.5}]),
        (1, "attempt", 1.0),
        (0, "attempt", -0.0),
        (7000, "finished_at", 7e3),
        (None, "worker", None),
        ("w", "worker", "w"),
        (None, "error", None),
        ("1.9", "jobwire", "1.9"),
    ],
)
def test_a_member_is_read(encoding: Encoding, expected: Any, name: str, value: Any) -> None:
    assert expected == getattr(decode_outcome(outcome(encoding, **{name: value})), name)


@BOTH
def test_an_unknown_code_and_unknown_members_are_read(encoding: Encoding) -> None:
    error = ERROR | {"code": "of_a_later_version", "later": 1, "type": None}
    data = outcome(encoding, state="failed", error=error, later={})
    assert ErrorInfo(code="of_a_later_version", message="no") == decode_outcome(data).error


@BOTH
@pytest.mark.parametrize("version", ["2.0", "0.1", "10.0"])
def test_another_major_version_comes_before_all_fields(encoding: Encoding, version: str) -> None:
    with pytest.raises(UnsupportedVersion, match=r"OUT-3"):
        decode_outcome(pack({"jobwire": version, "id": 5}, encoding))
    with pytest.raises(UnsupportedVersion, match=r"OUT-3"):
        decode_outcome(outcome(encoding, jobwire=version))


@BOTH
@pytest.mark.parametrize(
    "members",
    [
        {"id": ABSENT},
        {"id": 5},
        {"state": "done"},
        {"state": None},
        {"attempt": "1"},
        {"attempt": 1.5},
        {"finished_at": ABSENT},
        {"error": "no"},
        {"error": {"code": "timeout"}},
        {"jobwire": 1},
        {"jobwire": ABSENT},
    ],
    ids=repr,
)
def test_what_is_no_outcome_is_malformed(encoding: Encoding, members: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        decode_outcome(outcome(encoding, **members))


@pytest.mark.parametrize("data", [b"", b"[]", b"5", b"{", b"\x81\xa1", b'"x"', b"{}"], ids=repr)
def test_what_is_no_document_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_outcome(data)


@BOTH
def test_valid_examples_are_read(encoding: Encoding) -> None:
    outcomes, errors = examples("outcome", "valid"), examples("error", "valid")
    for file, example in outcomes.items():
        assert (file, example["id"]) == (file, decode_outcome(pack(example, encoding)).id)
    for file, example in errors.items():
        error = decode_outcome(outcome(encoding, state="failed", error=example)).error
        assert (file, example["code"]) == (file, error and error.code)


# Grammars, limits and the presence of an error are what a writer keeps, and no reason to hide how a job ended.
READ_THOUGH_INVALID = {
    "outcome": {
        *("attempt-minus-1.json", "attempt-too-large.json", "finished_at-minus-1.json", "finished_at-too-large.json"),
        *("cancelled-without-error.json", "expired-without-error.json", "retrying-without-error.json"),
        *(
            "failed-without-error.json",
            "failed-error-null.json",
            "id-129-characters.json",
            "worker-129-characters.json",
        ),
        *("id-trailing-newline.json", "version-trailing-newline.json", "worker-trailing-newline.json"),
    },
    "error": {"message-4097.json", "stack-16385.json", "type-257.json"},
}


def is_read(data: bytes) -> bool:
    try:
        decode_outcome(data)
    except (Malformed, UnsupportedVersion):
        return False
    return True


@BOTH
def test_invalid_examples_are_rejected_for_their_shape(encoding: Encoding) -> None:
    outcomes = {name: pack(example, encoding) for name, example in examples("outcome", "invalid").items()}
    errors = {name: outcome(encoding, error=example) for name, example in examples("error", "invalid").items()}
    assert READ_THOUGH_INVALID["outcome"] == {name for name, data in outcomes.items() if is_read(data)}
    assert READ_THOUGH_INVALID["error"] == {name for name, data in errors.items() if is_read(data)}


def success(result: Any, encoding: Encoding = Encoding.JSON, **settings: Any) -> bytes:
    return write_success("a", 2, result, "w", 7, encoding, **settings)


@BOTH
def test_a_success(encoding: Encoding) -> None:
    expected = OUTCOME | {"attempt": 2, "result": [1], "worker": "w"}
    assert expected == unpack(success([1], encoding), encoding)
    assert list(validator("outcome").iter_errors(expected)) == []


def test_a_result_of_nothing_is_left_out() -> None:
    assert "result" not in unpack(success(None), Encoding.JSON)


@BOTH
@pytest.mark.parametrize(
    ("error", "result", "settings"),
    [
        (ValueRefused, ..., {}),
        (ValueRefused, b"x", {}),
        (ValueRefused, "\ud800", {}),
        (ValueRefused, 2**53, {}),
        (ValueRefused, float("nan"), {}),
        (ValueRefused, nested(32), {}),
        (ValueRefused, nested(31), {"depth": 30}),
        (TooLarge, "x" * MAX_BYTES, {}),
    ],
    ids=lambda value: f"{value!r:.30}",
)
def test_a_result_is_refused(encoding: Encoding, error: type[Exception], result: Any, settings: Any) -> None:
    with pytest.raises(error):
        success(result, encoding, **settings)


@pytest.mark.parametrize(("result", "settings"), [(nested(31), {}), (nested(30), {"depth": 30})], ids=["31", "30"])
def test_a_result_of_the_greatest_depth(result: Any, settings: Any) -> None:
    assert result == decode_outcome(success(result, **settings)).result


def failure(error: ErrorInfo, encoding: Encoding = Encoding.JSON) -> ErrorInfo:
    """Write an outcome with an error and read its error."""
    data = write_error("a", 2, OutcomeState.FAILED, error, None, 7, encoding)
    assert len(data) <= MAX_BYTES
    read = decode_outcome(data)
    assert read == Outcome(jobwire="1.0", id="a", state=OutcomeState.FAILED, attempt=2, error=read.error, finished_at=7)
    assert list(validator("outcome").iter_errors(unpack(data, encoding))) == []
    assert read.error is not None
    return read.error


def info(message: str = "m", **members: Any) -> ErrorInfo:
    return ErrorInfo(code="handler_error", message=message, **members)


@BOTH
@pytest.mark.parametrize(
    ("expected", "error"),
    [
        (info(), info()),
        (info(type="E", stack="s", details=[1]), info(type="E", stack="s", details=[1])),
        (info("a?b"), info("a\ud800b")),
        (info(stack="?"), info(stack="\udcff")),
        (info("x" * 4096), info("x" * 4097)),
        (info("é" * 2048), info("é" * 2049)),
        (info("x" + "é" * 2047), info("x" + "é" * 2048)),
        (info(stack="x" * 16_384), info(stack="x" * 99_999)),
        (info(type="x" * 256), info(type="x" * 5000)),
        (info(stack="s"), info(stack="s", details=...)),
        (info(stack="s"), info(stack="s", details={1: 1})),
        (info(stack="s"), info(stack="s", details=float("inf"))),
        (info(stack="s"), info(stack="s", details="\ud800")),
        (info(stack="s"), info(stack="s", details=nested(31))),
        (info(stack="s", details=nested(30)), info(stack="s", details=nested(30))),
        (info(stack="s"), info(stack="s", details="x" * MAX_BYTES)),
        (info("\0" * 4096, stack="\1" * 16_384), info("\0" * 4096, stack="\1" * 16_384, details="x" * MAX_BYTES)),
    ],
    ids=lambda value: f"{value!r:.70}",
)
def test_an_error_is_written_whatever_it_holds(encoding: Encoding, expected: ErrorInfo, error: ErrorInfo) -> None:
    assert expected == failure(error, encoding)


@pytest.mark.parametrize(
    ("expected", "text", "limit"),
    [
        ("", "", 4),
        ("ab", "ab", 2),
        ("a", "ab", 1),
        ("", "é", 1),
        ("a", "aé", 2),
        ("a", "a\U0001f600", 4),
        ("a\U0001f600", "a\U0001f600b", 5),
        ("?", "\ud800", 1),
    ],
)
def test_a_cut_keeps_whole_characters(expected: str, text: str, limit: int) -> None:
    assert expected == cut(text, limit)


def test_codes_and_states_are_those_of_the_spec() -> None:
    (line,) = [line for line in section("5.").splitlines() if line.startswith("Codes: ")]
    assert code_words(line) == [code.value for code in Code]
    assert SCHEMAS["outcome"]["properties"]["state"]["enum"] == [state.value for state in OutcomeState]


def test_members_and_limits_are_those_of_the_schemas() -> None:
    properties = SCHEMAS["error"]["properties"]
    assert list(properties) == list(ErrorInfo.__struct_fields__)
    assert set(SCHEMAS["outcome"]["properties"]) == set(Outcome.__struct_fields__)
    limits = (properties["message"]["maxLength"], properties["stack"]["maxLength"])
    assert limits == (MAX_MESSAGE_BYTES, MAX_STACK_BYTES)
