"""docs/implementing-a-worker.md builds a worker step by step; each step is run.

All of core after the last one: tests/interop/test_tutorial.py, which needs the machine for itself.
"""

import ast
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
LAST_VERSIONS = re.compile(r"^Last versions: (?P<steps>.+)\.$", re.MULTILINE)
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


def judge(manifest: Path, *arguments: str, timeout_s: int = 280) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "jobwire_conformance", "run", str(manifest), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)


def versions() -> dict[str, list[int]]:
    """Return the steps that define a function or class of the worker, by its name."""
    found: dict[str, list[int]] = {}
    for number, text in STEPS.items():
        for match in BLOCK.finditer(text):
            for node in ast.parse(match["code"]).body if match["file"] == "worker.py" else ():
                if isinstance(node, ast.FunctionDef | ast.ClassDef):
                    found.setdefault(node.name, []).append(number)
    return found


def test_the_steps_are_numbered_without_a_gap() -> None:
    assert list(range(1, LAST + 1)) == list(STEPS)


def test_the_last_version_of_a_function_is_in_the_step_that_the_text_names() -> None:
    told = LAST_VERSIONS.search(TEXT)
    assert told is not None
    parts = [part.split(" ", 2)[1:] for part in told["steps"].split("; ")]
    named = {name: int(number) for number, names in parts for name in re.findall(r"`(\w+)`", names)}
    assert {name: steps[-1] for name, steps in versions().items() if len(steps) > 1} == named


@pytest.mark.parametrize("number", WITH_CASES)
def test_after_each_step_the_worker_passes_the_cases_named_there(number: int, tmp_path: Path) -> None:
    found = PASSES.search(STEPS[number])
    assert found is not None
    cases = re.findall(r"`([^`]+)`", found["cases"])
    manifest = build(tmp_path, number)
    result = judge(manifest, "--jobs", "2", *(part for case in cases for part in ("--case", case)))
    # A part of the cases is no verdict: 3.
    assert (3, len(cases)) == (result.returncode, int(re.findall(r"\((\d+) pass", result.stdout)[0])), result.stdout
