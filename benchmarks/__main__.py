"""The command line: `python -m benchmarks`."""

from __future__ import annotations

import dataclasses
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from .environments import ROOT, Broken
from .figures import NAMES
from .modes import FULL, QUICK, Mode
from .peers import QUICK as QUICK_PEERS
from .peers import chosen, peer_names
from .publish import publish
from .results import Results
from .run import run

HERE = Path(__file__).parent


def _names(allowed: Sequence[str]) -> Callable[[click.Context, click.Parameter, str | None], tuple[str, ...] | None]:
    def check(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...] | None:
        names = None if value is None else tuple(part for part in value.split(",") if part)
        if unknown := set(names or ()) - set(allowed):
            raise click.BadParameter(f"expected some of {', '.join(allowed)}, got {', '.join(sorted(unknown))}")
        return names

    return check


def _sizes(_: click.Context, __: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    try:
        return tuple(int(part) for part in value.split(",")) if value else None
    except ValueError:
        raise click.BadParameter(f"expected numbers of bytes such as 0,1024, got {value!r}") from None


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help="The main figures beside three peers, in under 3 minutes.")
@click.option("--peers", callback=_names(peer_names()), metavar="A,B", help="Only these, and Jobwire.")
@click.option("--figures", callback=_names(NAMES), metavar="A,B", help="Only these.")
@click.option("--payloads", callback=_sizes, metavar="N,N", help="Bytes of argument, such as 0,1024,16384.")
@click.option("--repeats", type=click.IntRange(1, 50), help="Of each measurement.")
@click.option("--server", type=click.Choice(["redis", "valkey"]), help="Default: redis-server if there is one.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the results.")
@click.option("--report", is_flag=True, help="Measure nothing; write tables and plots of latest.json anew.")
def main(
    quick: bool, peers: tuple[str, ...] | None, figures: tuple[str, ...] | None, payloads: tuple[int, ...] | None,
    repeats: int | None, server: str | None, out: Path | None, report: bool,
) -> None:  # fmt: skip
    """Compare Jobwire with other job queues, on one server, with the same work, interleaved.

    Exit code 1: a peer could not be installed or failed; its row says why.
    """
    # So that everything that was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    mode = _mode(QUICK if quick else FULL, figures, payloads, repeats)
    whole = mode == FULL and peers is None
    # What is not the whole of it does not take the place of the published results.
    out = out or (HERE / "results" if whole or report else ROOT / "results")
    readmes = [HERE / "README.md", HERE.parent / "README.md"] if out == HERE / "results" else []
    if report:
        results = Results.read(out / "latest.json")
    else:
        rows = chosen(peers if peers is not None else QUICK_PEERS if quick else tuple(peer_names()))
        with tempfile.TemporaryDirectory(prefix="jobwire-bench-") as folder:
            try:
                results = run(mode, rows, server, Path(folder), _say)
            except Broken as error:
                raise click.ClickException(str(error)) from None
    click.echo(publish(results, out, readmes))
    for line in results.failures:
        _say(f"failed: {line}")
    sys.exit(1 if results.failures else 0)


def _mode(mode: Mode, figures: tuple[str, ...] | None, payloads: tuple[int, ...] | None, repeats: int | None) -> Mode:
    given = {"figures": figures, "payloads": payloads, "repeats": repeats}
    return dataclasses.replace(mode, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]


def _say(text: str) -> None:
    click.echo(text, err=True)


if __name__ == "__main__":
    main()
