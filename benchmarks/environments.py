"""An environment for each peer under .bench/: a venv, an npm folder, a Go binary; made when missing or changed.

Jobwire's workers in other languages are built anew by the tools of each, which know what has changed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

DRIVERS = Path(__file__).parent / "drivers"
ROOT = Path(__file__).parent.parent / ".bench"
EXAMPLES = Path(__file__).parent.parent / "examples" / "workers"
INSTALL_S = 600


class Broken(Exception):
    """An environment that could not be made, or a program that failed; the message is one line."""


class Program(NamedTuple):
    """The command that a driver's role and options are added to."""

    command: tuple[str, ...]


def prepare(driver: str, say: Callable[[str], None]) -> Program:
    """Return the program of a driver, with its environment made if need be; raise Broken."""
    source = DRIVERS / driver
    if driver in ("jobwire", "bare"):
        return Program((sys.executable, str(source / "driver.py")))
    if driver in BUILDERS:
        say(f"building {driver}")
        return Program((sys.executable, str(DRIVERS / "example.py"), *BUILDERS[driver](source, ROOT / driver)))
    if (source / "requirements.txt").exists():
        return _python(driver, source, say)
    if (source / "package.json").exists():
        return _node(driver, source, say)
    if (source / "go.mod").exists():
        return _go(driver, source, say)
    raise Broken(f"no driver in benchmarks/drivers/{driver}")


def _python(driver: str, source: Path, say: Callable[[str], None]) -> Program:
    home = ROOT / driver
    python = home / "bin" / "python"
    wanted = _digest([source / "requirements.txt"], sys.version)
    if not _is_made(home, wanted):
        say(f"installing {driver} (pip)")
        _run([sys.executable, "-m", "venv", str(home)])
        quiet = ("--quiet", "--disable-pip-version-check")
        _run([str(python), "-m", "pip", "install", *quiet, "-r", str(source / "requirements.txt")])
        _mark(home, wanted)
    return Program((str(python), str(source / "driver.py")))


def _node(driver: str, source: Path, say: Callable[[str], None]) -> Program:
    home, node = ROOT / driver, _found("node")
    # Copied, as Node looks for packages beside the program.
    home.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", ".npmrc", "driver.mjs"):
        if (source / name).exists():
            shutil.copy(source / name, home / name)
    wanted = _digest([source / "package.json"], node)
    if not _is_made(home, wanted, fresh=False):
        say(f"installing {driver} (npm)")
        _run([_found("npm"), "install", "--silent", "--no-audit", "--no-fund"], cwd=home)
        _mark(home, wanted)
    return Program((node, str(home / "driver.mjs")))


def _go(driver: str, source: Path, say: Callable[[str], None]) -> Program:
    home, go = ROOT / driver, _found("go")
    wanted = _digest([source / name for name in ("main.go", "go.mod", "go.sum")], go)
    if not _is_made(home, wanted):
        say(f"building {driver} (go)")
        home.mkdir(parents=True)
        _run([go, "build", "-o", str(home / "driver"), "."], cwd=source)
        _mark(home, wanted)
    return Program((str(home / "driver"),))


def _typescript(source: Path, _: Path) -> list[str]:
    node, _npm = _found("node"), _found("npm")
    _set_up("typescript")
    return [node, str(source / "driver.mjs")]


def _go_example(source: Path, home: Path) -> list[str]:
    # As if it were a part of the example, by whose versions it is built.
    _run([_found("go"), "build", "-o", str(home / "driver"), str(source / "main.go")], cwd=EXAMPLES / "go")
    return [str(home / "driver")]


def _rust(source: Path, home: Path) -> list[str]:
    _run([_found("cargo"), "build", "--release", "--quiet", "--target-dir", str(home)], cwd=source)
    return [str(home / "release" / "driver")]


def _java(source: Path, home: Path) -> list[str]:
    java, javac, _mvn = _found("java"), _found("javac"), _found("mvn")
    _set_up("java")
    classes = ":".join(str(EXAMPLES / "java" / "target" / name) for name in ("classes", "dependency/*"))
    _run([javac, "-d", str(home), "-cp", classes, str(source / "Driver.java")])
    return [java, "-cp", f"{home}:{classes}", "Driver"]


def _set_up(example: str) -> None:
    """Build an example as its manifest says."""
    manifest = tomllib.loads((EXAMPLES / example / "jobwire.toml").read_text())
    _run(manifest["setup"], cwd=EXAMPLES / example)


BUILDERS = {"typescript": _typescript, "go": _go_example, "rust": _rust, "java": _java}


def _found(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise Broken(f"{program} is not installed")
    return path


def _digest(files: list[Path], *more: str) -> str:
    parts = [path.read_bytes() for path in files] + [text.encode() for text in more]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _is_made(home: Path, wanted: str, fresh: bool = True) -> bool:
    """Whether the environment is the wanted one; with `fresh`, another one is deleted."""
    marker = home / ".made"
    if marker.exists() and marker.read_text() == wanted:
        return True
    if fresh:
        shutil.rmtree(home, ignore_errors=True)
    return False


def _mark(home: Path, wanted: str) -> None:
    (home / ".made").write_text(wanted)


def _run(command: list[str], cwd: Path | None = None) -> None:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=INSTALL_S, env=os.environ)
    except subprocess.TimeoutExpired:
        raise Broken(f"{Path(command[0]).name}: not done after {INSTALL_S} s") from None
    if done.returncode:
        raise Broken(last_line(done.stderr) or last_line(done.stdout) or f"exit code {done.returncode}")


def last_line(text: str) -> str:
    """Return the last line that holds anything, without colours, of at most 200 characters."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""
