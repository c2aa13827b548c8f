"""The wheel works on its own: installed into an empty venv, away from the checkout, it serves and runs a job."""

import os
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobwire.defaults import DEFAULT_URL
from tests.snippets import ROOT, blocks, promised

# Built and installed once: all tests of this group run in one process of the test run.
pytestmark = pytest.mark.xdist_group("wheel")

PACKAGES = {"jobwire": "reference", "jobwire_conformance": "conformance"}
SHARED = ("lua", "schemas")


def build(source: Path, kind: str, into: Path) -> Path:
    """Build an sdist or a wheel with the tools of this venv."""
    command = [sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", into, source]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    [built] = into.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked sdist."""
    packed = build(ROOT, "sdist", tmp_path_factory.mktemp("sdist"))
    into = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(packed) as archive:
        archive.extractall(into, filter="data")
    [unpacked] = into.iterdir()
    return unpacked


def contents(directory: Path) -> dict[str, bytes]:
    """Return the files below a directory, without what only a checkout has."""
    files = [path for path in directory.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


def packed(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("name", SHARED)
def test_the_wheel_holds_what_is_a_link_in_the_checkout(name: str, package: str, wheel: Path) -> None:
    assert (ROOT / PACKAGES[package] / package / name).is_symlink()
    inside = {path: data for path, data in packed(wheel).items() if path.startswith(f"{package}/{name}/")}
    assert inside == {f"{package}/{name}/{path}": data for path, data in contents(ROOT / name).items()}


def test_the_wheel_holds_the_text_that_the_suite_quotes(wheel: Path) -> None:
    assert packed(wheel)["jobwire_conformance/SPEC.md"] == (ROOT / "SPEC.md").read_bytes()


def test_the_wheel_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    names = set(packed(wheel))
    assert {"jobwire/__init__.py", "jobwire/py.typed", "jobwire/cli/__init__.py"} <= names
    assert {"jobwire_conformance/cli/main.py", "jobwire_conformance/specimen/worker.py"} <= names
    assert {name.split("/")[0] for name in names} == {*PACKAGES, "jobwire-1.0.0.dist-info"}
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert [name for name in names if name.endswith((".pyc", ".so"))] == []


@pytest.mark.parametrize("name", SHARED)
def test_the_sdist_has_it_at_the_top(name: str, sdist: Path) -> None:
    assert not (sdist / name).is_symlink()
    assert contents(sdist / name) == contents(ROOT / name)


def test_a_wheel_of_the_sdist_is_the_same(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    again = packed(build(sdist, "wheel", tmp_path))
    assert again == packed(wheel)


class Installed:
    """A venv with the wheel and its dependencies, and nothing else."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.bin = directory / "venv" / "bin"
        # What would let this checkout, or the coverage of this test run, reach in.
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV", "JOBWIRE"))}
        self.environment = kept | {"PYTHONUNBUFFERED": "1"}

    def run(self, *command: str | Path, status: int = 0, **more: str) -> str:
        """Run a program of the venv and return what it prints; it may not warn."""
        ran = subprocess.run(
            [self.bin / command[0], *command[1:]],
            cwd=self.directory,
            env=self.environment | more,
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert (ran.returncode, ran.stderr) == (status, ""), ran.stdout
        return ran.stdout

    @contextmanager
    def running(self, *command: str, **more: str) -> Iterator[str]:
        """Run `jobwire` with a command that goes on, give its first line, stop it, and expect status 0."""
        with subprocess.Popen(
            [self.bin / "jobwire", *command],
            cwd=self.directory,
            env=self.environment | more,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stdout is not None
                yield process.stdout.readline().rstrip("\n")
            finally:
                process.send_signal(signal.SIGTERM)
        assert process.returncode == 0


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    installed = Installed(tmp_path_factory.mktemp("installed"))
    subprocess.run([sys.executable, "-m", "venv", installed.bin.parent], check=True, timeout=120)
    installed.run("python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
    return installed


def test_it_is_the_installed_package_that_runs(installed: Installed) -> None:
    where = installed.run("python", "-W", "error", "-c", "import jobwire; print(jobwire.__file__)")
    assert Path(where.strip()).is_relative_to(installed.bin.parent)
    installed.run("python", "-m", "pip", "check")


def test_help(installed: Installed) -> None:
    assert installed.run("jobwire", "--help").startswith("Usage: jobwire ")
    assert installed.run("jobwire", "--version") == "jobwire 1.0.0\n"


def test_a_job_from_end_to_end(installed: Installed) -> None:
    [program] = blocks(ROOT / "README.md", "python")
    (installed.directory / "app.py").write_text(program.text)
    with installed.running("dev", "--port", "0") as url:
        assert url.startswith("redis://127.0.0.1:")
        assert url.endswith("/0")
        with installed.running("worker", "app:app", JOBWIRE_REDIS_URL=url) as said:
            assert said == "ready"
            assert installed.run("python", "app.py", JOBWIRE_REDIS_URL=url).splitlines() == promised(program.text)


def test_a_schema_is_found(installed: Installed) -> None:
    examples = ROOT / "schemas" / "examples" / "job"
    assert "ok" in installed.run("jobwire", "validate", examples / "valid" / "minimal.json")


def test_the_suite_judges_an_implementation_elsewhere(installed: Installed) -> None:
    specimen = ROOT / "conformance" / "jobwire_conformance" / "specimen"
    shutil.copytree(specimen, installed.directory / "specimen", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    cases = ("--case", "codec/version/*", "--case", "worker/retry/*", "--case", "producer/cancel/*")
    said = installed.run("jobwire-conformance", "run", "specimen", *cases, status=3)
    assert "specimen 1.0.0: no verdict (" in said
    assert "fail" not in said


def test_the_suite_knows_its_cases_and_its_mutants(installed: Installed) -> None:
    assert "worker/retry/" in installed.run("jobwire-conformance", "list", "--requirement", "RETRY-4")
    assert "mistakes that break it" in installed.run("jobwire-conformance", "explain", "RETRY-4")


def test_the_readme_names_the_default_server() -> None:
    assert DEFAULT_URL in (ROOT / "README.md").read_text()
