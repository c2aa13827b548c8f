"""status, pause, resume, limit: queues, and the state of jobs."""

from __future__ import annotations

from typing import Any

import click

from ..envelope import DEFAULT_QUEUE, check_id
from ..lifecycle import State
from ..queues import QueueStatus, document, look, names, now_ms
from ..queues import status as read_status
from .jobs import json_option
from .output import age, print_json, print_table, shown, to_json
from .target import Target

_HEAD = ("QUEUE", "READY", "SCHEDULED", "ACTIVE", "LEASE OVER", "FAILED", "NEXT DUE", "OLDEST FAILED", "SETTINGS")


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--queue", "queues", multiple=True, help="Only this queue; several times for several.")
@json_option
@click.pass_obj
def status(target: Target, ids: tuple[str, ...], queues: tuple[str, ...], as_json: bool) -> None:
    """Show the sizes and settings of queues, or the state of jobs.

    Without IDs: every queue of the namespace, or those named. LEASE OVER counts active jobs whose
    worker has gone. With IDs: the jobs of one queue, `default` unless named.
    """
    if ids:
        if len(queues) > 1:
            raise click.UsageError(f"--queue: expected one queue beside IDs, got {len(queues)}")
        _show_jobs(target, queues[0] if queues else DEFAULT_QUEUE, ids, as_json)
    else:
        _show_queues(target, queues, as_json)


def _show_queues(target: Target, queues: tuple[str, ...], as_json: bool) -> None:
    app = target.app()
    now = now_ms(app.store, target.keys(DEFAULT_QUEUE))
    found = [read_status(app.store, target.keys(queue), now) for queue in queues or names(app.store, app.namespace)]
    if as_json:
        print_json({"now": now, "queues": [each._asdict() for each in found]})
    else:
        print_table(_HEAD, [_row(each, now) for each in found])


def _row(each: QueueStatus, now: int) -> list[object]:
    settings = ["paused"] if each.paused else []
    numbers = {"max_active": each.max_active, "failed_ttl_ms": each.failed_ttl_ms}
    settings += [f"{name}={value}" for name, value in numbers.items() if value is not None]
    due = "-" if each.next_due_at is None else "now" if each.next_due_at <= now else f"in {age(each.next_due_at - now)}"
    oldest = "-" if each.oldest_failed_at is None else f"{age(now - each.oldest_failed_at)} ago"
    sizes = (each.ready, each.scheduled, each.active, each.lease_over, each.failed)
    return [each.queue, *sizes, due, oldest, " ".join(settings) or "-"]


def _show_jobs(target: Target, queue: str, ids: tuple[str, ...], as_json: bool) -> None:
    app = target.app()
    jobs = []
    for id, seen in zip(ids, look(app.store, target.keys(queue), [check_id(id, "id") for id in ids]), strict=True):
        outcome = shown(document(seen.document)) or {}
        attempt = outcome.get("attempt", 0) if seen.state == "finished" else seen.attempt
        state = outcome.get("state", seen.state) if seen.state == "finished" else seen.state
        known = {"id": id, "state": state, "attempt": attempt}
        jobs.append(known | {"progress": shown(document(seen.progress)), "outcome": outcome or None})
    if as_json:
        print_json({"queue": queue, "jobs": jobs})
    else:
        print_table(("ID", "STATE", "ATTEMPT", "PROGRESS", "ERROR"), [_job_row(job) for job in jobs])


def _job_row(job: dict[str, Any]) -> list[object]:
    progress = "-" if job["progress"] is None else to_json(job["progress"])
    known = job["attempt"] or job["state"] != State.UNKNOWN.value
    return [job["id"], job["state"], job["attempt"] if known else "-", progress, error_of(job["outcome"])]


def error_of(outcome: Any) -> str:
    """Return the error of a decoded outcome in a few words."""
    if not isinstance(outcome, dict):
        return "-"
    if "unreadable" in outcome:
        return f"unreadable outcome: {outcome['problem']}"
    error = outcome.get("error")
    if not isinstance(error, dict):
        return "-"
    parts = [error.get(name) for name in ("code", "type", "message")]
    return ": ".join(str(part) for part in parts if part)[:200]


@click.command()
@click.argument("queue")
@click.pass_obj
def pause(target: Target, queue: str) -> None:
    """Give out no more jobs of a queue; it still accepts new ones."""
    target.app().configure(queue, "paused", 1)
    click.echo(f"queue {queue!r}: paused")


@click.command()
@click.argument("queue")
@click.pass_obj
def resume(target: Target, queue: str) -> None:
    """Give out the jobs of a paused queue again."""
    target.app().configure(queue, "paused", None)
    click.echo(f"queue {queue!r}: resumed")


class _Limit(click.IntRange):
    """A number of jobs, or None for the word `none`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value == "none" else super().convert(value, param, ctx)


@click.command()
@click.argument("queue")
@click.argument("max_active", type=_Limit(1, 1_000_000_000), metavar="N|none")
@click.pass_obj
def limit(target: Target, queue: str, max_active: int | str) -> None:
    """Let at most N jobs of a queue run at a time, over all workers."""
    target.app().configure(queue, "max_active", None if isinstance(max_active, str) else max_active)
    click.echo(f"queue {queue!r}: max_active {max_active}")
