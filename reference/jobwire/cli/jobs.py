"""enqueue, result, cancel: one job at a time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click
import msgspec

from ..envelope import DEFAULT_QUEUE, Retry
from ..operations import DEFAULT_WAIT_S, result_of
from ..outcome import Outcome, OutcomeState
from ..values import Encoding
from .output import fail, print_json, to_json
from .parsing import DURATION, INSTANT, OBJECT, pairs_of, value_of
from .target import Target

queue_option = click.option("--queue", default=DEFAULT_QUEUE, show_default=True, help="Queue of the job.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
timeout_option = click.option(
    "--timeout", type=DURATION, help=f"Wait no longer, in seconds or as 5m; default: {DEFAULT_WAIT_S:.0f}."
)


@click.command()
@click.argument("type")
@click.argument("args", nargs=-1)
@queue_option
@click.option("--kwarg", "pairs", multiple=True, metavar="NAME=VALUE", help="A named argument, read like ARGS.")
@click.option("--kwargs", type=OBJECT, default="{}", metavar="JSON", help="Named arguments.")
@click.option("--raw", is_flag=True, help="Take ARGS and the values of --kwarg as strings.")
@click.option("--id", help="Its id, which makes the job unique in its queue; default: a new one.")
@click.option("--run-at", type=INSTANT, help="Start not before: ms, or a time such as 2026-01-31T12:00:00Z.")
@click.option("--delay", type=DURATION, help="Start not before so many seconds, or 500ms, 5m, 2h, 1d.")
@click.option("--expires-at", type=INSTANT, help="Do not start at or after.")
@click.option("--expires-in", type=DURATION, help="Do not start after so long.")
@click.option("--priority", type=int, help="0 to 9, higher first.")
@click.option("--timeout-ms", type=int, help="Longest run of one attempt.")
@click.option("--retry", type=OBJECT, metavar="JSON", help='Such as {"max_attempts":5,"delay_ms":500}.')
@click.option("--result-ttl-ms", type=int, help="How long the outcome is kept; 0: not at all.")
@click.option("--header", "headers", multiple=True, metavar="NAME=TEXT", help="A header.")
@click.option("--encoding", type=click.Choice([encoding.value for encoding in Encoding]), default="json")
@click.option("--wait", is_flag=True, help="Wait for the result and print it.")
@timeout_option
@json_option
@click.pass_obj
def enqueue(
    target: Target, /, type: str, args: tuple[str, ...], pairs: tuple[str, ...], kwargs: dict[str, Any], raw: bool,
    retry: dict[str, Any] | None, headers: tuple[str, ...], encoding: str, wait: bool, timeout: timedelta | None,
    as_json: bool, **options: Any,
) -> int:  # fmt: skip
    """Enqueue a job and print its id.

    ARGS are read as JSON where they are JSON (5, true, '["a"]'), else as strings. Put -- before one
    that begins with a dash. An id that is known already is said on stderr: `duplicate` and
    `finished` are no error, `failed` is: requeue that job instead.
    """
    if timeout is not None and not wait:
        raise click.UsageError("--timeout: expected --wait beside it")
    options["kwargs"] = kwargs | pairs_of("--kwarg", pairs, raw)
    options["headers"] = pairs_of("--header", headers, raw=True)
    options["retry"] = None if retry is None else _retry(retry)
    handle = target.app(encoding).enqueue(type, *[value_of(arg, raw) for arg in args], **options)
    answer = handle.answers[0]
    if answer != "accepted":
        fail(f"job {handle.id!r} of queue {handle.queue!r} was known already: {answer}")
    told = {"id": handle.id, "queue": handle.queue, "answer": answer}
    if not as_json:
        click.echo(handle.id)
    if wait:
        return _wait(handle, timeout, as_json, told)
    if as_json:
        print_json(told)
    return 1 if answer == "failed" else 0


def _retry(members: dict[str, Any]) -> Retry:
    unknown = sorted(members.keys() - set(Retry.__struct_fields__))
    if unknown:
        raise click.UsageError(f"--retry: expected members {', '.join(Retry.__struct_fields__)}, got {unknown[0]!r}")
    return Retry(**members)


@click.command()
@click.argument("id")
@queue_option
@timeout_option
@json_option
@click.pass_obj
def result(target: Target, id: str, queue: str, timeout: timedelta | None, as_json: bool) -> int:
    """Wait for the end of a job and print its result as JSON.

    The exit code is 1 if the job failed, was cancelled or expired, or did not end in time.
    With --json the whole outcome is printed, also of a job that failed.
    """
    return _wait(target.app().handle(id, queue), timeout, as_json, {"queue": queue})


def _wait(handle: Any, timeout: timedelta | None, as_json: bool, told: dict[str, Any]) -> int:
    outcome = handle.outcome(DEFAULT_WAIT_S if timeout is None else timeout.total_seconds())
    if as_json:
        print_json(told | plain(outcome))
    if outcome.state is OutcomeState.SUCCEEDED:
        if not as_json:
            click.echo(to_json(outcome.result))
        return 0
    result_of(outcome)
    return 1


def plain(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as the document that it is, with `result` also where that is null."""
    members: dict[str, Any] = {name: getattr(outcome, name) for name in outcome.__struct_fields__}
    kept = {name: value for name, value in members.items() if value is not None}
    if outcome.state is OutcomeState.SUCCEEDED:
        kept["result"] = outcome.result
    if outcome.error is not None:
        kept["error"] = msgspec.to_builtins(outcome.error)
    return kept | {"state": outcome.state.value}


@click.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@queue_option
@json_option
@click.pass_obj
def cancel(target: Target, ids: tuple[str, ...], queue: str, as_json: bool) -> int:
    """Cancel jobs and print what became of each.

    `cancelled`: it will not run. `requested`: its worker is told. `finished`: nothing was left to
    cancel. `unknown`: there is no such job, which makes the exit code 1.
    """
    app = target.app()
    answers = {id: app.handle(id, queue).cancel() for id in ids}
    print_answers(queue, answers, as_json)
    return 1 if "unknown" in answers.values() else 0


def print_answers(queue: str, answers: dict[str, str], as_json: bool) -> None:
    """Print one answer for each id."""
    if as_json:
        print_json({"queue": queue, "jobs": [{"id": id, "answer": answer} for id, answer in answers.items()]})
    else:
        for id, answer in answers.items():
            click.echo(f"{id}  {answer}")
