"""What is generated is up to date, and right."""

import math
import subprocess
import sys
from fractions import Fraction

import pytest

from tests.spec.text import ROOT, blocks, requirements, section, table

DELAYS = table(section("Appendix C"), "`factor`")


def test_generated_parts_are_up_to_date() -> None:
    command = [sys.executable, "-m", "tools.generate", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_there_are_delays_of_every_kind() -> None:
    assert {"1", "1.5", "2", "1000"} <= {row["`factor`"] for row in DELAYS}
    assert {"0", "1"} <= {row["`jitter`"] for row in DELAYS}
    assert {"0", "9007199254740991"} <= {row["`max_delay_ms`"] for row in DELAYS}


@pytest.mark.parametrize("attempt", range(1, 7))
@pytest.mark.parametrize("row", DELAYS, ids=lambda row: " ".join(row.values()))
def test_delay(row: dict[str, str], attempt: int) -> None:
    delay, factor, limit, jitter = [Fraction(row[f"`{n}`"]) for n in ("delay_ms", "factor", "max_delay_ms", "jitter")]
    longest = min(delay * factor ** (attempt - 1), limit)
    bounds = {math.floor(longest * (1 - jitter)), math.floor(longest)}
    assert row[str(attempt)] == "–".join(map(str, sorted(bounds)))


def test_index() -> None:
    assert [row["requirement"] for row in table(section("Appendix D"), "requirement")] == requirements()


def test_diagram_has_the_states_of_the_table() -> None:
    (drawn,) = [block.text for block in blocks(section("6.")) if block.info == "mermaid"]
    states = {word for line in drawn.splitlines()[1:] for word in line.partition(":")[0].split() if word.isalpha()}
    rows = table(section("6."), "event")
    assert states == {name for row in rows for name in f"{row['from']}, {row['to']}".split(", ") if name != "–"}
