"""All that was measured in one run, and the medians of it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .statistics import Summary, summarise

# With fewer undisturbed repeats than this, the disturbed ones count too.
FEWEST_CLEAN = 2


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One repeat of one figure for one row; `error` or `unsupported` in place of values."""

    repeat: int
    figure: str
    row: str
    payload: int
    values: dict[str, float] = field(default_factory=dict)
    note: str = ""
    error: str = ""
    unsupported: str = ""
    foreign: float = 0.0
    disturbed: bool = False


class Results:
    """What `about` says of the run, who took part, and every measurement."""

    def __init__(
        self, about: dict[str, Any], peers: dict[str, dict[str, str]], measurements: Iterable[Measurement] = ()
    ) -> None:
        self.about = about
        self.peers = peers
        self.measurements = list(measurements)

    def add(self, measurement: Measurement) -> None:
        """Add one measurement."""
        self.measurements.append(measurement)

    def of(self, figure: str, row: str, payload: int = 0) -> list[Measurement]:
        """Return the repeats of one figure for one row."""
        wanted = (figure, row, payload)
        return [each for each in self.measurements if (each.figure, each.row, each.payload) == wanted]

    def summary(self, figure: str, row: str, name: str, payload: int = 0) -> Summary | None:
        """Return median and extremes of one value, None if it was never measured."""
        have = [each for each in self.of(figure, row, payload) if name in each.values]
        clean = [each for each in have if not each.disturbed]
        counted = clean if len(clean) >= FEWEST_CLEAN else have
        return summarise([each.values[name] for each in counted]) if counted else None

    def median(self, figure: str, row: str, name: str, payload: int = 0) -> float | None:
        """Return the median of one value, None if it was never measured."""
        found = self.summary(figure, row, name, payload)
        return found.median if found else None

    def error(self, figure: str, row: str, payload: int = 0) -> str:
        """Return what went wrong, or why there is nothing, if there is nothing else."""
        have = self.of(figure, row, payload)
        if any(each.values for each in have):
            return ""
        return next((each.error or each.unsupported for each in have), self.peers.get(row, {}).get("error", ""))

    @property
    def failures(self) -> list[str]:
        """What failed, one line each."""
        broken = [f"{row}: {about['error']}" for row, about in self.peers.items() if about.get("error")]
        failed = {f"{each.row}, {each.figure}: {each.error}": None for each in self.measurements if each.error}
        return broken + list(failed)

    def write(self, path: Path) -> None:
        """Write everything as JSON."""
        document = {
            "about": self.about,
            "peers": self.peers,
            "measurements": [_finite(asdict(each)) for each in self.measurements],
        }
        path.write_text(json.dumps(document, indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> Results:
        """Read what `write` wrote."""
        document = json.loads(path.read_text())
        measurements = []
        for each in document["measurements"]:
            values = {name: math.inf if value is None else value for name, value in each.pop("values").items()}
            measurements.append(Measurement(values=values, **each))
        return cls(document["about"], document["peers"], measurements)


def _finite(measurement: dict[str, Any]) -> dict[str, Any]:
    """JSON has no infinity."""
    values = measurement["values"].items()
    return measurement | {"values": {name: value if math.isfinite(value) else None for name, value in values}}
