"""Keep what was said and written in each case as files of text, in a folder of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..model import Status
from ..report.explain import line
from ..report.stream import entry
from ..report.text import visible
from ..report.timeline import history, wire


def keep_files(folder: Path, record: Mapping[str, Any]) -> None:
    """Write the files of a case that was run."""
    if record["kind"] != "case" or record["status"] in (Status.NOT_RUN, Status.NOT_APPLICABLE):
        return
    case = entry(record)
    place = folder / case.id
    place.mkdir(parents=True, exist_ok=True)
    checks = [f"{one.status.value} {one.requirement} {one.what}\n" for one in case.checks]
    texts = {
        "wire.txt": "".join(f"{line(one)}\n" for one in wire(case)),
        "history.txt": "".join(f"{line(one)}\n" for one in history(case)),
        "events.ndjson": "".join(f"{json.dumps(event, default=repr)}\n" for event in case.events),
        "checks.txt": "".join(visible(check, keep="\n") for check in checks),
        "stderr.txt": case.stderr,
        "steps.txt": "".join(f"{step}\n" for step in case.steps),
    }
    for name, text in texts.items():
        if text:
            (place / name).write_text(text, encoding="utf-8", errors="backslashreplace")
