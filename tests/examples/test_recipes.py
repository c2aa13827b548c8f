"""Each snippet of docs/recipes.md does what it says."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from examples.demo import HERE, Processes
from jobwire import Jobwire
from jobwire.client import connect
from tests.servers import Server, running, until
from tests.snippets import ROOT, Block, blocks, promised

RECIPES = ROOT / "docs" / "recipes.md"
PYTHON = blocks(RECIPES, "python")
ALONE = ("Durability", "TLS, Cluster, unix sockets")


def run(program: str, url: str) -> list[str]:
    """Run a snippet beside examples/app.py and return the lines that it prints."""
    environment = os.environ | {"JOBWIRE_REDIS_URL": url, "PYTHONPATH": str(HERE)}
    command = [sys.executable, "-W", "error", "-c", program]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout.splitlines()


@pytest.mark.parametrize("block", [pytest.param(block, id=block.title) for block in PYTHON if block.title not in ALONE])
@pytest.mark.usefixtures("clean", "worker")
def test_snippet(block: Block, server: Server) -> None:
    assert promised(block.text) == run(block.text, server.url)
    assert promised(block.text)


def named(title: str, language: str) -> str:
    [block] = [block for block in blocks(RECIPES, language) if block.title == title]
    return block.text


@pytest.fixture
def durable() -> Iterator[Server]:
    """A server with the settings of the recipe."""
    pairs = dict(line.split() for line in named("Durability", "conf").splitlines())
    with running("valkey", **{name.replace("-", "_"): value for name, value in pairs.items()}) as server:
        yield server


def test_durability(durable: Server) -> None:
    program = named("Durability", "python")
    assert promised(program) == run(program, durable.url)
    durable.kill()
    durable.start()
    with durable.client() as client:
        assert client.zcard("jobwire:{default}:ready") == 1


def test_the_worker_of_the_recipe_ends_in_grace(durable: Server) -> None:
    command = named("Deploy gracefully", "sh").split()
    assert command[0] == "jobwire"
    environment = os.environ | {"JOBWIRE_REDIS_URL": durable.url}
    with (
        Jobwire(durable.url) as app,
        Processes().running([sys.executable, "-m", *command], 60, env=environment) as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        handle = app.enqueue("crawl", 40)
        # A job that was only claimed would be given back.
        until(lambda: handle.progress() is not None)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert handle.state().value == "succeeded"


def urls() -> list[str]:
    program = named("TLS, Cluster, unix sockets", "python")
    return [line.split('"')[1] for line in program.splitlines() if line.startswith("Jobwire(")]


def test_urls_are_accepted() -> None:
    assert run(named("TLS, Cluster, unix sockets", "python"), "redis://localhost") == []
    assert [url.partition("://")[0] for url in urls()] == ["redis", "rediss", "unix", "redis+cluster", "rediss+cluster"]


def test_a_plain_url() -> None:
    plain = connect(urls()[0]).connection_pool
    assert plain.connection_class is redis.Connection
    assert (plain.connection_kwargs["username"], plain.connection_kwargs["password"]) == ("producer", "secret")


def test_a_tls_url() -> None:
    tls = connect(urls()[1]).connection_pool
    assert tls.connection_class is redis.SSLConnection
    assert tls.connection_kwargs["ssl_ca_certs"] == "/etc/ssl/redis.pem"


@pytest.fixture
def socket_directory() -> Iterator[Path]:
    """A directory whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="jw-") as directory:
        yield Path(directory)


@pytest.mark.parametrize("engine", ["valkey", "redis"])
def test_a_unix_url(engine: str, socket_directory: Path) -> None:
    path = socket_directory / "redis.sock"
    with running(engine, unixsocket=str(path)), Jobwire(urls()[2].replace("/run/redis/redis.sock", str(path))) as app:
        assert app.enqueue("add", 1, 2).accepted


def test_a_cluster_url() -> None:
    with running("redis", cluster_enabled="yes") as server:
        with server.client() as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            until(lambda: b"cluster_state:ok" in client.execute_command("CLUSTER", "INFO"), within_ms=20_000)
        url = urls()[3].replace("node-1.example.org:6379", f"127.0.0.1:{server.port}")
        with Jobwire(url) as app:
            assert app.enqueue("add", 1, 2).accepted
