"""The commands of jobwire-conformance, and how each ends."""

import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from jobwire_conformance.cli import run
from jobwire_conformance.model import PACKAGE, requirements
from jobwire_conformance.plan import everything
from jobwire_conformance.report.stream import read
from jobwire_conformance.selftest.mutants import load_mutants
from tests.servers import Server

from .report_samples import header, passed, written

SPECIMEN = str(PACKAGE / "specimen")
CODEC, RETRY = "codec/structure/json", "worker/retry/last-attempt"
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Command:
    """Run a command line; return its exit code and what it wrote."""

    def call(*args: str | Path) -> tuple[int, str, str]:
        capfd.readouterr()
        code = run([str(one) for one in args])
        return code, *capfd.readouterr()

    return call


@pytest.fixture(scope="module")
def mistaken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """Run two cases against an implementation with a mistake; return its folder, the report, and what was shown."""
    folder = tmp_path_factory.mktemp("mistaken")
    [mutant] = [one for one in load_mutants() if one.says == "Sets a key of the queue by itself."]
    mutant.make(folder / "program")
    report = folder / "run.ndjson"
    words = ["run", folder / "program", "--case", CODEC, "--case", RETRY, "--report", report, "--keep", folder / "kept"]
    ran = subprocess.run(
        [sys.executable, "-m", "jobwire_conformance", *map(str, words)], capture_output=True, text=True, timeout=200
    )
    assert (1, "") == (ran.returncode, ran.stderr)
    return folder, report, ran.stdout


def test_a_mistake_is_found_and_explained(mistaken: tuple[Path, Path, str]) -> None:
    folder, _, out = mistaken
    for expected in (
        f"FAIL  {RETRY}  KEY-1: ",
        "KEY-1 MUST, SPEC.md#71-keys",
        ":{default}:control layout 1",
        f"rerun: jobwire-conformance run {folder / 'program'} --case {RETRY} --verbose",
        "specimen 1.0.0: does not conform (1 pass, 1 fail",
    ):
        assert expected in out


def test_what_was_said_is_kept(mistaken: tuple[Path, Path, str]) -> None:
    kept = mistaken[0] / "kept" / RETRY
    assert "> claim {default} " in (kept / "wire.txt").read_text()
    assert "handler start id=" in (kept / "history.txt").read_text()
    assert "fail KEY-1" in (kept / "checks.txt").read_text()
    assert [json.loads(line) for line in (kept / "events.ndjson").read_text().splitlines()]
    assert (mistaken[0] / "kept" / CODEC / "checks.txt").exists()


def test_pages_are_made_from_a_report(mistaken: tuple[Path, Path, str], command: Command, tmp_path: Path) -> None:
    names = {kind: tmp_path / "pages" / f"report.{kind}" for kind in ("html", "junit", "markdown", "json")}
    options = [word for kind, path in names.items() for word in (f"--{kind}", path)]
    code, out, _ = command("report", mistaken[1], *options)
    assert (0, "specimen 1.0.0: does not conform") == (code, out.splitlines()[-1])
    assert "<!doctype html>" == names["html"].read_text().splitlines()[0]
    assert ET.fromstring(names["junit"].read_text()).findall(".//failure")
    assert "- **KEY-1**" in names["markdown"].read_text()
    assert "fail" == json.loads(names["json"].read_text())["runs"][0]["requirements"]["KEY-1"]["status"]


def test_a_part_is_no_proof(mistaken: tuple[Path, Path, str], command: Command) -> None:
    code, _, err = command("verify", mistaken[1])
    assert 1 == code
    assert "cases: expected all that applies to be run, got skipped " in err
    assert err.endswith("proves nothing\n")


def test_what_failed_is_run_again_until_it_fails(mistaken: tuple[Path, Path, str], command: Command) -> None:
    code, out, _ = command("run", mistaken[0] / "program", "--failed", mistaken[1], "--repeat", "3")
    assert 1 == code
    assert ["run 1 of 3"] == [line for line in out.splitlines() if line.startswith("run ")]
    assert {RETRY} == {line.split()[1] for line in out.splitlines() if line.startswith("FAIL")}


def test_a_part_that_holds_is_no_verdict(command: Command) -> None:
    code, out, _ = command("run", SPECIMEN, "--case", CODEC, "--verbose")
    assert 3 == code
    assert f"PASS  {CODEC}" in out
    assert "specimen 1.0.0: no verdict (1 pass, " in out
    assert "conforms" not in out


def test_a_whole_run_that_holds_conforms_and_is_sound(command: Command, tmp_path: Path) -> None:
    adapter = f'"{{python}}", "{SPECIMEN}/adapter.py"'
    text = f'profiles = ["core", "cancel", "progress", "workflow"]\n[codec]\ncommand = [{adapter}]\n'
    path = manifest(tmp_path, text, "specimen", "1.0.0")
    code, out, _ = command("run", path, "--report", tmp_path / "run.ndjson")
    assert (0, "conforms") == (code, out.split("specimen 1.0.0: ")[1][:8])
    code, out, err = command("verify", tmp_path / "run.ndjson")
    assert (0, "") == (code, err)
    assert "sound: specimen 1.0.0 conforms" in out


def test_smoke_says_whether_the_programs_are_right(command: Command) -> None:
    code, out, err = command("smoke", SPECIMEN)
    assert (0, "") == (code, err)
    assert f"next: the programs talk to the suite as they have to; jobwire-conformance run {SPECIMEN} runs all" in out


def test_cases_share_a_server_that_is_there(command: Command, redis: Server) -> None:
    with redis.client() as client:
        client.flushall()
        code, out, _ = command("run", SPECIMEN, "--case", RETRY, "--redis-url", redis.url)
        assert 3 == code
        assert "specimen 1.0.0: no verdict (1 pass, " in out
        assert ", redis 7." in out.splitlines()[0]
        assert 0 == client.dbsize()


def manifest(folder: Path, text: str, name: str = "x", version: str = "1") -> Path:
    path = folder / "jobwire.toml"
    path.write_text(f'manifest = 1\nname = "{name}"\nversion = "{version}"\nlanguage = "x"\nspec = "1.0"\n{text}')
    return path


def test_a_command_that_is_not_there(command: Command, tmp_path: Path) -> None:
    path = manifest(tmp_path, 'profiles = ["core"]\n[codec]\ncommand = ["./nowhere"]\n')
    code, _, err = command("run", path)
    assert 5 == code
    assert "nowhere" in err


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("wanted core among the profiles", 'profiles = ["cancel"]\n[codec]\ncommand = ["x"]\n'),
        ("wanted at least one of [codec], [producer], [worker]", 'profiles = ["core"]\n'),
    ],
)
def test_a_bad_manifest(expected: str, text: str, command: Command, tmp_path: Path) -> None:
    code, _, err = command("run", manifest(tmp_path, text))
    assert 2 == code
    assert expected in err


@pytest.mark.parametrize(
    ("code", "expected", "words"),
    [
        (2, "Usage: jobwire-conformance", []),
        (2, "No such command 'fly'", ["fly"]),
        (2, "No such file or directory", ["run", "nowhere.toml"]),
        (2, "No such option", ["run", SPECIMEN, "--fast"]),
        (2, "--requirement: expected one of SPEC.md, got RUN-99", ["run", SPECIMEN, "--requirement", "run-99"]),
        (2, "'inspector' is not one of", ["list", "--role", "inspector"]),
        (
            2,
            "--report /nowhere/x: expected a file to write",
            ["run", SPECIMEN, "--case", CODEC, "--report", "/nowhere/x"],
        ),
        (2, "expected redis://host:port without a password", ["run", SPECIMEN, "--redis-url", "redis://a:b@host"]),
        (
            5,
            "no server: redis://127.0.0.1:1: ",
            ["run", SPECIMEN, "--case", CODEC, "--redis-url", "redis://127.0.0.1:1"],
        ),
        (2, "expected a report to read, got No such file", ["verify", "nowhere.ndjson"]),
        (
            2,
            "expected the id of a case, got worker/retry/last-atempt; do you mean",
            ["show", "worker/retry/last-atempt"],
        ),
        (2, "expected a requirement of SPEC.md, got RETRY-99; do you mean RETRY-9", ["explain", "RETRY-99"]),
        (4, "no case matches", ["run", SPECIMEN, "--case", "nothing/*"]),
    ],
)
def test_an_error_of_use_says_what_was_wanted(code: int, expected: str, words: list[str], command: Command) -> None:
    got, _, err = command(*words)
    assert code == got
    assert expected in err
    assert "Traceback" not in err


def test_reports_of_other_cases_are_refused(command: Command, tmp_path: Path) -> None:
    written(tmp_path / "one.ndjson", header("one"), [passed("a", "ENC-1")])
    written(tmp_path / "two.ndjson", header("two", corpus="d1" * 32), [passed("a", "ENC-1")])
    code, _, err = command("report", tmp_path / "one.ndjson", tmp_path / "two.ndjson")
    assert 2 == code
    assert "expected reports of one corpus, got 2:\n  c0c0" in err


def test_all_cases_are_listed(command: Command) -> None:
    code, out, _ = command("list", "--json")
    assert 0 == code
    assert [case.id for case in everything()] == [case["id"] for case in json.loads(out)]


def test_a_list_is_narrowed(command: Command) -> None:
    code, out, _ = command("list", "--case", "worker/retry/*", "--requirement", "RETRY-4")
    assert 0 == code
    assert RETRY in out
    assert "codec/" not in out
    assert 4 == command("list", "--role", "codec", "--profile", "cancel")[0]


@pytest.mark.parametrize(
    ("expected", "case"),
    [
        (("RETRY-4 MUST, SPEC.md#93-", "role worker, profile core", "start: A", "worker A: {queues: [default]"), RETRY),
        (('bytes as text: {"jobwire":"1.0"', "in hex: 7b 22", "wants: {jobwire: '1.0', id: a"), CODEC),
        (("A worker is killed before and after each", "enqueued: {id: j", "judged: a death at claim"), "sweep/job/run"),
    ],
)
def test_a_case_is_shown(expected: tuple[str, ...], case: str, command: Command) -> None:
    code, out, _ = command("show", case)
    assert 0 == code
    for text in expected:
        assert text in out


def test_every_case_can_be_shown(command: Command) -> None:
    kinds = {type(case).__name__ + str(getattr(case, "verdict", "")): case for case in everything()}
    for case in kinds.values():
        code, out, _ = command("show", case.id)
        assert (0, case.id) == (code, out.splitlines()[0])


def test_a_requirement_is_explained(command: Command) -> None:
    code, out, _ = command("explain", "[key-1]")
    assert 0 == code
    for expected in ("KEY-1 MUST, section 7.1 Keys (SPEC.md#71-keys)", requirements()["KEY-1"].text, "Sets a key of"):
        assert expected in out


def test_the_vectors_are_copied(command: Command, tmp_path: Path) -> None:
    code, out, _ = command("copy", tmp_path / "vectors")
    vectors = json.loads((tmp_path / "vectors" / "vectors.json").read_text())
    assert 0 == code
    assert f"wrote {len(vectors)} vectors" in out
    assert [case.id for case in everything() if case.role == "codec"] == [vector["id"] for vector in vectors]


COMMANDS = ("run", "smoke", "list", "show", "explain", "verify", "report", "copy", "self-test")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, command: Command) -> None:
    code, out, _ = command(name, "--help")
    assert 0 == code
    assert f"Usage: jobwire-conformance {name}" in out


def test_all_commands_are_named(command: Command) -> None:
    _, out, _ = command("--help")
    assert set(COMMANDS) <= set(out.split())
    assert "Exit codes: 0 conforms" in out


def test_a_run_behind_an_ampersand_starts_programs_that_hear_of_sigint(tmp_path: Path) -> None:
    run = [sys.executable, "-m", "jobwire_conformance", "run", SPECIMEN, "--case", "worker/shutdown/interrupt"]
    # What a script starts with & ignores SIGINT, and so does all that this starts.
    ended = subprocess.run(["sh", "-c", """trap '' INT; exec "$@" """, "sh", *run], capture_output=True, timeout=120)
    assert 3 == ended.returncode, ended.stdout.decode()
    assert b"(1 pass, " in ended.stdout


def test_a_run_that_is_stopped_leaves_nothing_behind(tmp_path: Path) -> None:
    report = tmp_path / "run.ndjson"
    words = ["run", SPECIMEN, "--case", "worker/*", "--report", str(report)]
    process = subprocess.Popen(
        [sys.executable, "-m", "jobwire_conformance", *words],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(tmp_path)},
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (report.exists() and b'"status":"pass"' in report.read_bytes()):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert 130 == process.returncode
    assert "interrupted; a report of this run has no footer" in err
    assert children
    assert [] == psutil.wait_procs(children, timeout=20)[1]
    assert not read(report).complete
    assert ["run.ndjson"] == [path.name for path in tmp_path.iterdir()]
