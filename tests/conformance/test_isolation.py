"""The suite knows nothing of the reference: no module imports it, and it runs where it cannot be imported."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobwire_conformance.model import PACKAGE

# An import hook, as an installed package would have it: what the suite runs in its own process, and its children.
FORBIDDEN = """
import sys

class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "jobwire":
            raise ImportError(f"{name} is imported")

sys.meta_path.insert(0, Forbidden())
"""
RUN = """
import sys
from jobwire_conformance.cli import main

sys.argv[0] = "jobwire-conformance"
main()
"""

IMPORTS = (
    "import jobwire",
    "import jobwire.keys as k",
    "from jobwire.envelope import decode",
    "import os, jobwire",
    "def f():\n    from jobwire import Jobwire",
    "import_module('jobwire.keys')",
    "importlib.import_module('jobwire')",
)


def imported(source: str) -> Iterator[str]:
    """Yield the absolute names that a module imports, and the first part of each string that names a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__", "find_spec", "run_module", "run_path"):
                yield str(node.args[0].value)


def of_the_reference(source: str) -> list[str]:
    return [name for name in imported(source) if name.partition(".")[0] == "jobwire"]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_imports_the_reference(path: Path) -> None:
    assert [] == of_the_reference(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("source", IMPORTS)
def test_an_import_is_seen(source: str) -> None:
    assert [] != of_the_reference(source)


@pytest.mark.parametrize("source", ["import jobwire_conformance", "from . import jobwire", "print('jobwire')"])
def test_what_is_none_is_not(source: str) -> None:
    assert [] == of_the_reference(source)


def without_the_reference(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line where `jobwire` cannot be imported, in the programs that it starts neither."""
    (tmp_path / "sitecustomize.py").write_text(FORBIDDEN)
    environment = {"PYTHONPATH": f"{tmp_path}:{PACKAGE.parent}", "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_the_hook_forbids(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(FORBIDDEN)
    environment = {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", "import jobwire"], env=environment, capture_output=True, text=True)
    assert "jobwire is imported" in done.stderr


def test_the_list_of_cases_needs_no_reference(tmp_path: Path) -> None:
    done = without_the_reference(tmp_path, "list")
    assert (0, "") == (done.returncode, done.stderr)
    assert "worker/" in done.stdout


def test_a_run_needs_no_reference(tmp_path: Path) -> None:
    manifest = PACKAGE / "specimen" / "jobwire.toml"
    done = without_the_reference(tmp_path, "run", str(manifest), "--role", "codec")
    assert done.returncode in (0, 3), done.stdout + done.stderr
    assert "codec" in done.stdout
