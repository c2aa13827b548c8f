"""The tree of errors as it is drawn, and what their messages say."""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator

import pytest

from jobwire import errors
from jobwire.errors import (
    Failure,
    Invalid,
    JobEnded,
    JobwireError,
    Malformed,
    Rejected,
    UnsupportedVersion,
    WaitTimeout,
)
from jobwire.outcome import Code

CLASSES = {
    name: each for name, each in vars(errors).items() if inspect.isclass(each) and each.__module__ == errors.__name__
}


def drawn() -> dict[str, str]:
    """Return name -> parent as the docstring of the module draws them."""
    parents: dict[str, str] = {}
    above = ["Exception"]
    for line in (errors.__doc__ or "").splitlines():
        indent, text = re.fullmatch(r"( *)(.*)", line).groups()  # type: ignore[union-attr]
        names = re.match(r"[A-Z][A-Za-z]+(?:, [A-Z][A-Za-z]+)*(?=$|  )", text)
        if names:
            depth = len(indent) // 4 + 1
            parents |= dict.fromkeys(names[0].split(", "), above[depth - 1])
            above[depth:] = [names[0].split(", ")[0]]
    return parents


def test_the_tree_is_the_one_that_is_drawn() -> None:
    real = {name: each.__bases__[0].__name__ for name, each in CLASSES.items() if issubclass(each, JobwireError)}
    assert drawn() == real


def test_what_a_handler_raises_is_no_error_of_jobwire() -> None:
    assert {"Failure"} == {name for name, each in CLASSES.items() if not issubclass(each, JobwireError)}


@pytest.mark.parametrize(
    ("expected", "error"),
    [
        ("malformed", Malformed),
        ("unsupported_version", UnsupportedVersion),
        ("invalid", Invalid),
        ("malformed", Rejected),
    ],
)
def test_the_classes_of_rejected_documents_are_codes(expected: str, error: type[Rejected]) -> None:
    assert Code(expected).value == error.code


def test_invalid_names_field_problem_and_rule() -> None:
    error = Invalid("then.0.id", "expected an id, got 5", "FLOW-2")
    assert (str(error), error.field) == ("then.0.id: expected an id, got 5 [FLOW-2]", "then.0.id")
    assert Malformed("m").field is None


def test_a_timeout_is_one_of_python() -> None:
    assert issubclass(WaitTimeout, TimeoutError)


def test_an_ended_job_keeps_its_outcome() -> None:
    error = JobEnded(None, "job 'a': gone")
    assert (error.outcome, str(error)) == (None, "job 'a': gone")


def test_a_failure_says_how_the_job_failed() -> None:
    failure = Failure("no", type="BadAddress", details={"a": 1}, retry=False)
    assert (str(failure), failure.type, failure.details, failure.retry) == ("no", "BadAddress", {"a": 1}, False)
    assert (str(Failure()), Failure().type, Failure().details, Failure().retry) == ("", None, None, True)


def messages() -> list[str]:
    """Return the constant words of every message that the core raises for a document or a caller."""
    found = []
    for name in ("envelope", "operations", "outcome", "registry", "steps", "store", "values", "workflow"):
        tree = ast.parse(inspect.getsource(importlib.import_module(f"jobwire.{name}")))
        raised = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)]
        found += ["".join(words(call)) for call in raised if ast.unparse(call.func) in CHECKED]
    return found


def words(call: ast.Call) -> Iterator[str]:
    for node in ast.walk(call):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


CHECKED = {"Malformed", "UnsupportedVersion", "Invalid", "Refused", "ValueRefused", "TooLarge", "WaitTimeout"}
# Messages that carry what a library said, or what the server answered.
CARRIED = (", got , got", "enqueue: the server refused job", ":  [VAL-7]", "options: ")


def test_messages_say_what_was_wanted() -> None:
    assert len(messages()) > 30
    assert [text for text in messages() if text and "expected " not in text and not text.startswith(CARRIED)] == []
