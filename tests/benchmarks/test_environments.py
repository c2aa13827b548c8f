"""What a driver is run by, and the workers in other languages."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.environments import BUILDERS, DRIVERS, Broken, prepare
from benchmarks.peers import ROWS, Kind

# Says how it was called.
PROGRAM = """
import json, os, sys
told = {name: value for name, value in os.environ.items() if name.startswith(("JOBWIRE_", "BENCH_"))}
print(json.dumps([sys.argv[1], told]), flush=True)
"""
OPTIONS = {"url": "redis://127.0.0.1:1/0", "variant": "json-c50", "payload": 1024}


def test_every_row_has_a_driver_and_every_example_a_builder() -> None:
    assert not [row.name for row in ROWS if not (DRIVERS / row.driver).is_dir()]
    assert set(BUILDERS) == {row.driver for row in ROWS if row.kind is Kind.EXAMPLE}


@pytest.mark.parametrize("driver", BUILDERS)
def test_a_missing_toolchain_is_named(driver: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Broken, match="is not installed"):
        prepare(driver, lambda _: None)


def played(tmp_path: Path, role: str, **more: Any) -> list[Any]:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, str(DRIVERS / "example.py"), sys.executable, str(program)]
    text = subprocess.check_output([*command, role, json.dumps(OPTIONS | more)], env={})
    return [json.loads(line) for line in text.decode().splitlines()]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_worker_is_told_by_its_environment(processes: int, tmp_path: Path) -> None:
    told = {
        "JOBWIRE_REDIS_URL": OPTIONS["url"],
        "JOBWIRE_CONCURRENCY": "50",
        "BENCH_ENCODING": "json",
        "BENCH_COUNT": "0",
        "BENCH_PAYLOAD": "1024",
    }
    assert [["worker", told]] * processes == played(tmp_path, "worker", processes=processes)


def test_its_own_producer_is_told_how_many(tmp_path: Path) -> None:
    [[role, told]] = played(tmp_path, "one", count=7)
    assert ("one", "7") == (role, told["BENCH_COUNT"])
