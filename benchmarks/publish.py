"""Write what a run gave: JSON, tables, plots, and the block that README files show."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from . import report
from .results import Results

PLOTS = {
    "throughput.png": "Jobs a second",
    "latency.png": "Round trips",
    "resources.png": "CPU and memory",
    "growth.png": "Growth",
}


def publish(results: Results, out: Path, readmes: Sequence[Path]) -> str:
    """Write all files into `out`, put the block into `readmes`, and return the tables for the terminal."""
    from .plots import draw  # here, as it is slow to import

    out.mkdir(parents=True, exist_ok=True)
    results.write(out / "latest.json")
    text = report.whole(results)
    (out / "table.md").write_text(text)
    drawn = draw(results, out)
    for readme in readmes:
        insert(results, readme, out, drawn)
    return f"{text}\nWritten to {out}\n"


def block(results: Results, link: str, drawn: Sequence[str]) -> str:
    """Return what a README shows; `link` leads from it to the folder of the results."""
    plots = [f"![{PLOTS[name]}]({link}/{name})\n" for name in drawn]
    tables = f"More tables: [{link}/table.md]({link}/table.md).\n"
    return "\n".join([report.comparison(results), report.conditions(results), *plots, tables])


def insert(results: Results, readme: Path, out: Path, drawn: Sequence[str]) -> None:
    """Rewrite the marked block of a README."""
    link = os.path.relpath(out, readme.parent)
    readme.write_text(report.rewritten(readme.read_text(), block(results, link, drawn)))
