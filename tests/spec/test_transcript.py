"""The first section of SPEC.md, pasted into a shell and redis-cli."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers import Server
from tests.spec.text import ROOT, blocks, code_words, section, table

INSTANT = re.compile(r"\b\d{13}\b")


@pytest.fixture
def shell(server: Server, server_url: str, tmp_path: Path) -> dict[str, str]:
    """Return an environment in which redis-cli talks to the server."""
    real = shutil.which("redis-cli")
    assert real, "redis-cli is not installed (Debian: apt-get install redis-tools)"
    stand_in = tmp_path / "redis-cli"
    stand_in.write_text(f'#!/bin/sh\nexec {real} -p {server.port} "$@"\n')
    stand_in.chmod(0o755)
    return os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}


def run(command: list[str], typed: str, shell: dict[str, str]) -> str:
    return subprocess.run(command, input=typed, env=shell, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_transcript(shell: dict[str, str]) -> None:
    load, *steps = blocks(section("1."))
    digests = [code_words(row["SHA-1"])[0] for row in table(section("Appendix B"), "SHA-1")]
    assert (load.info, run(["sh", "-e"], load.text, shell).split()) == ("sh", digests)

    assert len(steps) == 12
    for command, reply in zip(steps[::2], steps[1::2], strict=True):
        assert (command.info.partition(" ")[0], reply.info) == ("redis", "reply")
        printed = run(["redis-cli", "--no-raw"], command.text, shell)
        assert INSTANT.sub("<ms>", printed.strip()) == INSTANT.sub("<ms>", reply.text.strip())
