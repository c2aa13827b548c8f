"""docs/implementing-a-worker.md builds a worker step by step; each step is run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/implementing-a-worker.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```\w+ (?P<file>[\w.]+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
STEP = re.compile(r"^## (?P<number>\d+)\. ", re.MULTILINE)
PASSES = re.compile(r"^Passes: (?P<cases>.+)\.$", re.MULTILINE)
LAST = 12
MAIN = '\n\nif __name__ == "__main__":\n    main()\n'


def steps() -> dict[int, str]:
    """Return the text of each step, by its number."""
    starts = [(int(match["number"]), match.start()) for match in STEP.finditer(TEXT)]
    ends = [start for _, start in starts[1:]] + [TEXT.index("## The handlers")]
    return {number: TEXT[start:end] for (number, start), end in zip(starts, ends, strict=True)}


STEPS = steps()
WITH_CASES = [number for number, text in STEPS.items() if PASSES.search(text)]


def build(folder: Path, upto: int) -> Path:
    """Write the worker as it is after a step; a later definition takes the place of an earlier one."""
    code = "\n\n".join(
        match["code"] for number in range(1, upto + 1) for match in BLOCK.finditer(STEPS[number])
        if match["file"] == "worker.py"
    )  # fmt: skip
    files = {match["file"]: match["code"] for match in BLOCK.finditer(TEXT)}
    (folder / "worker.py").write_text(code + MAIN, encoding="utf-8")
    (folder / "handlers.py").write_text(files["handlers.py"], encoding="utf-8")
    manifest = folder / "jobwire.toml"
    manifest.write_text(files["jobwire.toml"].replace('"../lua"', f'"{ROOT / "lua"}"'), encoding="utf-8")
    return manifest


def judge(manifest: Path, *filters: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "jobwire_conformance", "run", str(manifest), "--jobs", "2", *filters]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)


def test_the_steps_are_numbered_without_a_gap() -> None:
    assert list(range(1, LAST + 1)) == list(STEPS)


@pytest.mark.parametrize("number", WITH_CASES)
def test_after_each_step_the_worker_passes_the_cases_named_there(number: int, tmp_path: Path) -> None:
    found = PASSES.search(STEPS[number])
    assert found is not None
    cases = re.findall(r"`([^`]+)`", found["cases"])
    manifest = build(tmp_path, number)
    result = judge(manifest, *(part for case in cases for part in ("--case", case)))
    # A part of the cases is no verdict: 3.
    assert (3, len(cases)) == (result.returncode, int(re.findall(r"\((\d+) pass", result.stdout)[0])), result.stdout
