"""failed: list, show, requeue and purge the jobs that failed for good."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from ..envelope import check_id
from ..errors import Refused
from ..queues import FailedJob, document, failed_count, failed_ids, failed_job, now_ms
from ..queues import failed as read_failed
from .jobs import json_option, print_answers, queue_option
from .output import fail, print_json, print_table, shown, when
from .parsing import DURATION, INSTANT
from .queues import error_of
from .target import Target


@click.group()
def failed() -> None:
    """See to the jobs that failed for good."""


@failed.command("list")
@queue_option
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Show no more than so many.")
@json_option
@click.pass_obj
def list_failed(target: Target, queue: str, limit: int, as_json: bool) -> None:
    """List failed jobs, the newest first."""
    jobs = [_summary(job) for job in read_failed(target.app().store, target.keys(queue), limit)]
    if as_json:
        print_json({"queue": queue, "jobs": jobs})
        return
    rows = [[job["id"], when(job["failed_at"]), job["type"] or "-", job["attempts"], error_of(job)] for job in jobs]
    print_table(("ID", "FAILED AT", "TYPE", "ATTEMPTS", "ERROR"), rows)


def _summary(job: FailedJob) -> dict[str, Any]:
    envelope, outcome = shown(document(job.envelope)) or {}, shown(document(job.outcome)) or {}
    error = outcome.get("error")
    kind = envelope.get("type")
    if "unreadable" in outcome:
        error = {"code": "unreadable", "message": outcome["problem"]}
    return {
        "id": job.id,
        "failed_at": job.failed_at,
        "type": kind if isinstance(kind, str) else None,
        "attempts": job.attempts,
        "error": error,
    }


@failed.command()
@click.argument("id")
@queue_option
@click.pass_obj
def show(target: Target, id: str, queue: str) -> int:
    """Show the envelope and the outcome of a failed job, as JSON."""
    job = failed_job(target.app().store, target.keys(queue), check_id(id, "id"))
    if job is None:
        fail(f"job {id!r}: expected one of the failed jobs of queue {queue!r}, got none")
        return 1
    documents = {"envelope": shown(document(job.envelope)), "outcome": shown(document(job.outcome))}
    known = {"id": job.id, "queue": queue, "failed_at": job.failed_at, "attempts": job.attempts}
    print_json(known | documents)
    return 0


@failed.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="All jobs that have failed by now.")
@queue_option
@json_option
@click.pass_obj
def requeue(target: Target, ids: tuple[str, ...], everything: bool, queue: str, as_json: bool) -> int:
    """Put failed jobs back into their queue, with all their attempts."""
    if bool(ids) == everything:
        raise click.UsageError(f"expected IDs or --all, got {'both' if ids else 'neither'}")
    app = target.app()
    if ids:
        ids = tuple(dict.fromkeys(ids))
        answers = dict(zip(ids, app.requeue([check_id(id, "id") for id in ids], queue), strict=True))
        print_answers(queue, answers, as_json)
        return 1 if "unknown" in answers.values() else 0
    keys = target.keys(queue)
    count = 0
    for part in failed_ids(app.store, keys, now_ms(app.store, keys)):
        count += app.requeue(part, queue).count("requeued")
    if as_json:
        print_json({"queue": queue, "requeued": count})
    else:
        click.echo(f"{count} requeued")
    return 0


@failed.command()
@queue_option
@click.option("--older-than", type=DURATION, help="Those that failed so long ago or longer: 7d, 12h; 0 for all.")
@click.option("--before", type=INSTANT, help="Those that failed at or before: ms, or 2026-01-31T12:00:00Z.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def purge(
    target: Target, queue: str, older_than: timedelta | None, before: int | None, yes: bool, as_json: bool
) -> int:
    """Delete failed jobs for good."""
    if (older_than is None) == (before is None):
        raise click.UsageError("expected one of --older-than and --before")
    app = target.app()
    keys = target.keys(queue)
    if older_than is not None:
        before = now_ms(app.store, keys) - round(older_than.total_seconds() * 1000)
    if before is None or before < 0:
        raise Refused(f"--older-than: expected an instant after 1970, got {before} ms")
    count = failed_count(app.store, keys, before)
    if count and not yes and not _confirmed(f"Delete {count} failed jobs of queue {queue!r} for good?"):
        fail("nothing deleted; --yes deletes without asking")
        return 1
    count = app.purge(queue, before_ms=before) if count else 0
    if as_json:
        print_json({"queue": queue, "purged": count})
    else:
        click.echo(f"{count} purged")
    return 0


def _confirmed(question: str) -> bool:
    try:
        return click.confirm(question, err=True)
    except click.Abort:  # Ctrl+C, or nobody there to ask
        return False
