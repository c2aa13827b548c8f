"""verify, report and copy: what is done with the files of a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from ..codec import export
from ..report import html, junit, markdown
from ..report.merge import Run, merge
from ..report.stream import read
from ..report.summary import as_json, judged, label, verdict
from ..report.text import visible
from ..report.together import matrices
from ..report.verdict import Exit
from ..report.verify import verify as problems_of

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(short_help="See whether a report proves what it says.")
@click.argument("report", type=click.Path(path_type=Path))
def verify(report: Path) -> int:
    """See whether REPORT is what a whole run of this suite wrote, and proves what it says.

    It recomputes the digest, the counts and the verdict, and looks whether each case that applies is there and was
    run. If so, the exit code is that of the verdict; if not, it is 1, and each fault is named.
    """
    found = read(report)
    problems = problems_of(found)
    for problem in problems:
        click.echo(visible(f"{report}: {problem}"), err=True)
    if problems:
        click.echo(f"{report}: proves nothing", err=True)
        return int(Exit.FAILS)
    click.echo(visible(f"{report}: sound: {label(found.header)} {verdict(found)}, {len(found.cases)} cases"))
    click.echo("It says what this suite saw of those commands; who ran it is for you to know.")
    return int(judged(found))


@click.command(short_help="Make pages from reports: HTML, JUnit, Markdown, JSON.")
@click.argument("reports", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="REPORT...")
@click.option("--html", "html_file", type=FILE, metavar="FILE", help="One page for a browser, with all that was said.")
@click.option("--junit", "junit_file", type=FILE, metavar="FILE", help="JUnit XML, a test case a check.")
@click.option(
    "--markdown", "markdown_file", type=FILE, metavar="FILE", help="A short page, for the summary of a build."
)
@click.option("--json", "json_file", type=FILE, metavar="FILE", help="Verdicts, counts, requirements and failures.")
def report(
    reports: Sequence[Path], html_file: Path | None, junit_file: Path | None, markdown_file: Path | None,
    json_file: Path | None,
) -> int:  # fmt: skip
    """Make pages from one REPORT, or from those of several implementations side by side.

    Without a file to write, say the verdicts. Reports of different cases or another SPEC.md are refused. The exit
    code is 0 if the pages could be written, whatever they say.
    """
    runs = merge([read(path) for path in reports])
    makers: list[tuple[Path | None, Callable[[Sequence[Run]], str]]] = [
        (html_file, html.page), (junit_file, junit.document), (markdown_file, markdown.document), (json_file, _json),
    ]  # fmt: skip
    for path, make in makers:
        if path is not None:
            _write(path, make(runs))
            click.echo(f"wrote {path}")
    for run in runs:
        click.echo(visible(f"{run.label}: {verdict(run.report)}"))
    return int(Exit.CONFORMS)


def _json(runs: Sequence[Run]) -> str:
    together = [
        {
            table.shape.row: row, table.shape.column: column, "part": part,
            "status": cell.status.value, "cases": [case.id for _, case in cell.cases],
        }
        for table in matrices(runs)
        for (row, column, part), cell in table.cells.items()
    ]  # fmt: skip
    return json.dumps({"runs": [as_json(run.report) for run in runs], "together": together}, indent=1) + "\n"


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise click.UsageError(f"{path}: expected a file to write, got {error.strerror}") from error


@click.command(short_help="Write the vectors of the codec as plain JSON.")
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
def copy(directory: Path) -> None:
    """Write the vectors of the codec into DIR as plain JSON, for tests that do not use this suite.

    In vectors.json each has the request to an adapter, and what its answer has to be.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        count = export.copy(directory / "vectors.json")
    except OSError as error:
        raise click.UsageError(f"{directory}: expected a folder to write to, got {error.strerror}") from error
    click.echo(f"wrote {count} vectors into {directory / 'vectors.json'}")
