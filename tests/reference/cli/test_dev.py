import os
import re
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import redis as redis_py

from tests.reference.cli.conftest import Running
from tests.servers import free_port, until

Start = Callable[..., Running]


def url_of(running: Running) -> str:
    """Wait for the first line."""
    until(lambda: running.out.endswith("\n") or running.process.poll() is not None, within_ms=30_000)
    url, rest = running.out.split("\n", 1)
    assert rest == ""
    assert re.fullmatch(r"redis://127\.0\.0\.1:\d+/0", url)
    return url


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_server_until_a_signal(number: int, start: Start, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    dev = start("dev", "--port", "0", TMPDIR=str(temporary))
    with redis_py.Redis.from_url(url_of(dev)) as client:
        client.set("a", "b")
        (server,) = children(dev.process.pid)
        assert client.config_get("appendonly") == {"appendonly": "no"}
    dev.signal(number)
    assert dev.wait() == 0
    assert dev.err == ""
    assert not Path(f"/proc/{server}").exists()
    assert list(temporary.iterdir()) == []


def test_a_directory_keeps_the_data(start: Start, tmp_path: Path) -> None:
    for found in (None, b"kept"):
        dev = start("dev", "--port", "0", "--dir", str(tmp_path / "data" / "deep"))
        with redis_py.Redis.from_url(url_of(dev)) as client:
            assert client.get("a") == found
            client.set("a", "kept")
        dev.signal(signal.SIGTERM)
        assert dev.wait() == 0


def test_the_port_is_as_asked(start: Start) -> None:
    port = free_port()
    assert url_of(start("dev", "--port", str(port))) == f"redis://127.0.0.1:{port}/0"


def test_a_port_that_is_taken(start: Start) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        dev = start("dev", "--port", str(port))
        assert dev.wait() == 1
    assert dev.out == ""
    assert dev.err.startswith(f"jobwire: dev: expected to start a server on port {port}, got ")
    assert dev.err.count("\n") == 1


def test_a_directory_that_cannot_be_used(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    dev = start("dev", "--port", "0", "--dir", str(tmp_path / "file" / "data"))
    assert dev.wait() == 1
    assert dev.err.count("\n") == 1


def test_a_server_that_ends_by_itself(start: Start) -> None:
    dev = start("dev", "--port", "0")
    url_of(dev)
    os.kill(children(dev.process.pid)[0], signal.SIGKILL)
    assert dev.wait() == 1
    assert dev.err == "jobwire: dev: the server has ended by itself\n"
