"""README's program does what it says, started by README's commands."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.demo import Processes
from jobwire.cli.main import commands
from tests.servers import ENGINES, Server, running
from tests.snippets import ROOT, blocks, promised

README = ROOT / "README.md"
DOCUMENTS = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/recipes.md", "examples/README.md")


@pytest.fixture(params=ENGINES)
def fresh(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server that no other worker claims from."""
    with running(request.param) as server:
        yield server


def test_producer_and_worker(fresh: Server, tmp_path: Path) -> None:
    [program] = blocks(README, "python")
    (tmp_path / "app.py").write_text(program.text)
    _, shell = blocks(README, "sh")
    dev, worker, producer = [line.partition("#")[0].split() for line in shell.text.splitlines()]
    assert dev == ["jobwire", "dev"]
    environment = os.environ | {"JOBWIRE_REDIS_URL": fresh.url}
    with Processes().running([sys.executable, "-m", *worker], 60, env=environment, directory=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        ran = subprocess.run(
            [sys.executable, *producer[1:]], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
        )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert promised(program.text) == ran.stdout.splitlines()


def test_the_program_has_ten_lines() -> None:
    [program] = blocks(README, "python")
    assert len(program.text.splitlines()) <= 10


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    path = ROOT / document
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", path.read_text(encoding="utf-8"))
    for target, anchor in links:
        file = (path.parent / target).resolve() if target else path
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), f"{target}#{anchor}"


def anchors(path: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_make_and_jobwire_commands_exist(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)(?=[`\s]*(?:`|#|$))", text, re.MULTILINE)) <= targets
    assert set(re.findall(r"(?:^|`)jobwire ([a-z]+)", text, re.MULTILINE)) <= set(commands.commands)
