"""self-test: prove that the suite finds the mistakes that it is there to find."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("self-test", short_help="Prove that the suite finds the mistakes it is there to find.")
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="Run N implementations at a time.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Keep what was found.")
@click.option("--only", metavar="GLOB", help="Only mutants whose name matches.")
def self_test(jobs: int | None, report: Path | None, only: str | None) -> int:
    """Run the suite against implementations that do nothing, and against one with a mistake, for each mistake known.

    The first may pass no case; each of the others has to fail the case that is there for its mistake.
    """
    from ..selftest.run import self_test as prove

    return prove(jobs=jobs, report=report, only=only)
