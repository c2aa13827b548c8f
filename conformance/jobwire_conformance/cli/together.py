"""interop: have implementations work with each other."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from ..interop.run import interop as run_interop
from ..model import Status
from .running import REPORT, TIME_SCALE, written


@click.command(short_help="Have implementations work with each other.")
@click.argument("manifests", type=click.Path(path_type=Path), nargs=-1, required=True)
@REPORT
@TIME_SCALE
def interop(manifests: tuple[Path, ...], report: Path | None, time_scale: float) -> int:
    """Have the implementations at MANIFESTS work with each other.

    Each producer with each worker in both encodings; chains and groups through the workers of all; a worker killed in
    the middle of a job, and between the parts of a settle, whose job one of another language finishes. An
    implementation that cannot be started leaves cells that are not run, and then there is no verdict.
    """
    records: list[dict[str, Any]] = []
    with written(report) as write:

        def emit(record: dict[str, Any]) -> None:
            write(record)
            records.append(record)
            _tell(record)

        code = asyncio.run(run_interop(manifests, emit, time_scale))
    for line in _matrix([record for record in records if "producer" in record.get("axes", {})]):
        click.echo(line)
    footer = records[-1]
    click.echo(f"{footer['verdict']}: {', '.join(f'{n} {name}' for name, n in footer['counts'].items() if n)}")
    return code


def _tell(record: dict[str, Any]) -> None:
    if record["kind"] == "case" and record["status"] != Status.PASS:
        click.echo(f"{str(record['status']).upper()} {record['id']}: {record['reason']}")
    elif record["kind"] == "case":
        click.echo(f"pass {record['id']} ({len(record['checks'])} checks, {record['ms']:.0f} ms)")


def _matrix(cells: list[dict[str, Any]]) -> list[str]:
    """Return a table: producers down, workers across, in each cell the encodings that hold."""
    producers = list(dict.fromkeys(cell["axes"]["producer"] for cell in cells))
    workers = list(dict.fromkeys(cell["axes"]["worker"] for cell in cells))
    width = max((len(name) for name in [*producers, *workers]), default=0) + 2
    lines = ["", "producer".ljust(width) + "".join(name.rjust(width) for name in workers)]
    for producer in producers:
        row = [
            _cell([c for c in cells if (c["axes"]["producer"], c["axes"]["worker"]) == (producer, w)]) for w in workers
        ]
        lines.append(producer.ljust(width) + "".join(text.rjust(width) for text in row))
    return lines


def _cell(cells: list[dict[str, Any]]) -> str:
    if all(cell["status"] == Status.NOT_RUN for cell in cells):
        return "not run"
    checks = [check for cell in cells for check in cell["checks"]]
    held = sum(check["status"] == Status.PASS for check in checks)
    return f"{held}/{len(checks)}"
