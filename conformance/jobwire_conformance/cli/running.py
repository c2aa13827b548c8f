"""run and smoke: judge an implementation."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import click

from ..elsewhere import Elsewhere
from ..manifest import Manifest, load
from ..plan import Selection, plan
from ..report.stream import Writer, read
from ..report.summary import BAD
from ..report.terminal import Progress, last_screen
from ..report.verdict import Exit
from ..run import CouldNotRun, Options, run
from ..server import ServerFailed
from .keeping import keep_files
from .options import selecting, selection_of

Emit = Callable[[dict[str, Any]], None]
MANIFEST = click.argument("manifest", type=click.Path(path_type=Path))
JOBS = click.option(
    "--jobs", type=click.IntRange(1), metavar="N", help="Run N cases at a time; default: two a processor, and one."
)
TIME_SCALE = click.option(
    "--time-scale", type=click.FloatRange(0.1, 100), default=1.0, show_default=True, metavar="X",
    help="Multiply upper limits of time, for a slow machine or a debugger.",
)  # fmt: skip
REPORT = click.option(
    "--report", "report", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Keep all records, an NDJSON line each; `report` and `verify` read them.",
)  # fmt: skip


@click.command("run", short_help="Judge an implementation by all cases that apply.")
@MANIFEST
@selecting
@click.option("--failed", type=click.Path(path_type=Path), metavar="REPORT", help="Only what failed in that report.")
@REPORT
@JOBS
@TIME_SCALE
@click.option("--seed", type=int, metavar="N", help="Seed of the order of cases; the report says which it was.")
@click.option("--repeat", type=click.IntRange(1), default=1, metavar="N", help="Run N times, to the first that fails.")
@click.option(
    "--keep", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Write what was said and logged in each case into DIR.",
)  # fmt: skip
@click.option("--verbose", is_flag=True, help="A line a case, and all that was said on the wire in one that failed.")
@click.option(
    "--redis-url", metavar="URL", callback=lambda _, __, url: _checked(url),
    help="A server for the cases to share; those that need one for themselves still start it.",
)  # fmt: skip
def run_cases(
    manifest: Path, failed: Path | None, report: Path | None, jobs: int | None, time_scale: float, seed: int | None,
    repeat: int, keep: Path | None, verbose: bool, redis_url: str | None, **filters: tuple[str, ...],
) -> int:  # fmt: skip
    """Run all cases that apply to the implementation at MANIFEST, a file or its folder.

    With any filter only a part is run: what fails has failed, but no verdict comes of it.
    """
    chosen = selection_of(filters, only=_failures(failed) if failed else None)
    options = Options(concurrency=jobs, seed=seed, time_scale=time_scale, redis_url=redis_url)
    about = load(manifest)
    code = int(Exit.INCOMPLETE)
    for number in range(repeat):
        if repeat > 1:
            click.echo(f"run {number + 1} of {repeat}")
        folder = keep / f"run-{number + 1}" if keep and repeat > 1 else keep
        code = _once(about, manifest, chosen, options, report, verbose, folder)
        if code not in (Exit.CONFORMS, Exit.INCOMPLETE):
            break
    return code


@click.command(short_help="See whether adapter and worker talk to the suite as they have to.")
@MANIFEST
@REPORT
@JOBS
@TIME_SCALE
@click.option("--verbose", is_flag=True, help="A line a case, and all that was said on the wire in one that failed.")
def smoke(manifest: Path, report: Path | None, jobs: int | None, time_scale: float, verbose: bool) -> int:
    """See whether adapter and worker talk to the suite as they have to.

    A few cases that any implementation passes; if one fails, look at the programs that you wrote for the suite first.
    The exit code is 0 if all of them held, which says nothing of the implementation yet.
    """
    options = Options(concurrency=jobs, time_scale=time_scale)
    code = _once(load(manifest), manifest, Selection(smoke=True), options, report, verbose)
    return int(Exit.CONFORMS) if code == Exit.INCOMPLETE else code


def _checked(url: str | None) -> str | None:
    if url is not None:
        try:
            Elsewhere(url)
        except ServerFailed as error:
            raise click.BadParameter(str(error)) from error
    return url


def _failures(path: Path) -> frozenset[str]:
    return frozenset(case.id for case in read(path).cases if case.status in BAD)


def _once(
    manifest: Manifest, path: Path, chosen: Selection, options: Options, report: Path | None, verbose: bool,
    folder: Path | None = None,
) -> int:  # fmt: skip
    planned = len(plan(manifest, chosen).cases)
    if not planned:
        raise CouldNotRun("no case matches; `jobwire-conformance list` names all", Exit.SUITE)
    progress = Progress(sys.stdout, str(path), planned, verbose)
    with written(report) as write:

        def emit(record: dict[str, Any]) -> None:
            write(record)
            if folder is not None:
                keep_files(folder, record)
            progress.take(record)

        code = asyncio.run(_interruptible(manifest, chosen, options, emit))
    for line in last_screen(progress.header, progress.cases, str(report) if report else None, verbose):
        click.echo(line)
    return code


async def _interruptible(manifest: Manifest, chosen: Selection, options: Options, emit: Emit) -> int:
    """Run; SIGTERM ends it as Ctrl+C does, so that no program is left behind."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await run(manifest, chosen, options, emit)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


@contextlib.contextmanager
def written(report: Path | None) -> Iterator[Emit]:
    """Write records to a file, if one is wanted."""
    if report is None:
        yield lambda _: None
        return
    with _opened(report) as file:
        yield Writer(file).write


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("wb")
    except OSError as error:
        raise click.UsageError(f"--report {path}: expected a file to write, got {error.strerror}") from error
