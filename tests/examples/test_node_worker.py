"""examples/node_worker.py builds what is not built, one build at a time, and says what is in the way."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples.programs import NODE, NPM, copied, program

FIRST = "The worker for Node is built first ({}): some 10 seconds, 2 minutes at most.\n"


class Builder:
    """A copy of the examples, and a PATH of stand-ins."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "path"
        self.path.mkdir()
        self.examples = copied(directory)
        self.folder = self.examples / "workers" / "typescript"

    def begin(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, self.examples / "node_worker.py"],
            env=os.environ | {"PATH": str(self.path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def build(self) -> tuple[int, str, str]:
        process = self.begin()
        out, err = process.communicate(timeout=30)
        return process.returncode, out, err

    def renew(self, file: str) -> None:
        """Make a file newer than all that was built."""
        newest = (self.folder / "tsconfig.tsbuildinfo").stat().st_mtime_ns + 10**9
        os.utime(self.folder / file, ns=(newest, newest))


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    builder = Builder(tmp_path)
    program(builder.path, "node", NODE)
    program(builder.path, "npm", NPM)
    return builder


def test_only_what_is_not_built_is_built(builder: Builder) -> None:
    assert builder.build() == (0, FIRST.format("npm ci, npx tsc"), "")
    assert builder.build() == (0, "", "")


@pytest.mark.parametrize(
    ("what", "file"),
    [
        ("npx tsc", "src/codec.ts"),
        ("npx tsc", "tsconfig.json"),
        ("npm ci, npx tsc", "package-lock.json"),
    ],
)
def test_what_is_older_than_its_sources_is_built(what: str, file: str, builder: Builder) -> None:
    builder.build()
    builder.renew(file)
    assert builder.build() == (0, FIRST.format(what), "")


@pytest.mark.parametrize("file", ["dist/worker.js", "tsconfig.tsbuildinfo"])
def test_what_is_missing_is_built(file: str, builder: Builder) -> None:
    builder.build()
    (builder.folder / file).unlink()
    assert builder.build() == (0, FIRST.format("npx tsc"), "")


def test_two_at_a_time_build_once(builder: Builder) -> None:
    processes = [builder.begin() for _ in range(2)]
    printed = [process.communicate(timeout=30) for process in processes]
    assert [0, 0] == [process.returncode for process in processes]
    assert [("", ""), (FIRST.format("npm ci, npx tsc"), "")] == sorted(printed)


@pytest.mark.parametrize(
    ("reason", "programs"),
    [
        ("node is not installed", {}),
        ("node is not installed", {"npm": NPM}),
        ("npm is not installed", {"node": NODE}),
        ("Node 20 or newer is needed, this is v18.19.0", {"node": "echo v18.19.0", "npm": NPM}),
        ("Node 20 or newer is needed, this is none", {"node": "exit 1", "npm": NPM}),
        ("npm ci ended with status 1 and said: no network", {"node": NODE, "npm": "echo no network\necho 2\nexit 1"}),
        ("npm ci ended with status 7 and said: nothing", {"node": NODE, "npm": "exit 7"}),
        (
            "npx tsc ended with status 2 and said: no type",
            {"node": NODE, "npm": NPM.replace("sleep 0.3", "echo no type; exit 2")},
        ),
    ],
)
def test_what_is_in_the_way_is_said(reason: str, programs: dict[str, str], tmp_path: Path) -> None:
    builder = Builder(tmp_path)
    for name, script in programs.items():
        program(builder.path, name, script)
    status, _, err = builder.build()
    assert (1, f"{reason}\n") == (status, err)
    assert not (builder.folder / "tsconfig.tsbuildinfo").exists()
