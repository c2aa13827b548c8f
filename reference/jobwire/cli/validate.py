"""validate: say everything that is wrong with documents in files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ..checking import SCHEMAS, Verdict, examine
from .jobs import json_option
from .output import fail, print_json, printable


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--schema", type=click.Choice(SCHEMAS), default="job", show_default=True, help="What the documents are.")
@json_option
def validate(files: tuple[str, ...], schema: str, as_json: bool) -> int:
    """Check documents against SPEC.md: one JSON or MessagePack document in each FILE, - for stdin.

    Each problem comes with the dotted path of its field. The class of a bad document is
    `malformed`, `unsupported_version` or `invalid`; `refused` is one that readers accept and writers
    may not write.
    """
    verdicts: list[tuple[str, Verdict]] = []
    unread = False
    for file in files:
        try:
            data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        except OSError as error:
            fail(f"{file}: expected a file to read, got {error.strerror}")
            unread = True
            continue
        verdicts.append((file, examine(data, schema)))
    if as_json:
        print_json({"schema": schema, "files": [_plain(file, verdict) for file, verdict in verdicts]})
    else:
        for file, verdict in verdicts:
            _print(file, verdict)
    return 1 if unread or any(verdict.problems for _, verdict in verdicts) else 0


def _plain(file: str, verdict: Verdict) -> dict[str, Any]:
    problems = [problem._asdict() for problem in verdict.problems]
    return {"file": file, "ok": not problems, "class": verdict.code, "problems": problems}


def _print(file: str, verdict: Verdict) -> None:
    click.echo(f"{printable(file)}: {verdict.code or 'ok'}")
    for path, problem in verdict.problems:
        click.echo(f"  {printable(f'{path}: {problem}' if path else problem)}")
