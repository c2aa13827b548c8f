"""The worker of docs/implementing-a-worker.md conforms."""

from pathlib import Path

import pytest

from tests.examples.test_implementing import LAST, build, judge


@pytest.mark.timeout(1200)
def test_after_the_last_step_the_worker_passes_all_of_core(tmp_path: Path) -> None:
    result = judge(build(tmp_path, LAST), timeout_s=1140)
    assert result.returncode == 0, result.stdout
