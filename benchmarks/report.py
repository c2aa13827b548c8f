"""The tables, as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from .peers import ROWS, Kind, Row
from .results import Results
from .targets import shares, verdicts

BEGIN, END = "<!-- benchmarks -->", "<!-- /benchmarks -->"
# Column: title, figure, values that are added up, and how many decimals.
COLUMNS = (
    ("enqueue, jobs/s", "one", ("rate",), 0),
    ("bulk, jobs/s", "bulk", ("rate",), 0),
    ("process, jobs/s", "process", ("rate",), 0),
    ("{cores} processes, jobs/s", "processes", ("rate",), 0),
    ("trip p50, ms", "trip", ("p50_ms",), 2),
    ("p99, ms", "trip", ("p99_ms",), 2),
    ("half load p50, ms", "load", ("p50_ms",), 2),
    ("p99, ms", "load", ("p99_ms",), 2),
    ("server CPU enqueue, us/job", "one", ("server_us",), 0),
    ("process, us/job", "process", ("server_us",), 0),
    ("worker CPU, us/job", "process", ("worker_us",), 0),
    ("memory, bytes/job", "memory", ("bytes",), 0),
    ("killed worker's job again, s", "crash", ("again_s",), 1),
)
TITLES = {"one": "enqueue one by one", "bulk": "bulk enqueue", "process": "process rate"}
Cells = Sequence[str]


def table(head: Cells, rows: Iterable[Cells]) -> str:
    """Return a Markdown table; all columns but the first are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    escaped = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in escaped) + "\n"


def comparison(results: Results, payload: int = 0) -> str:
    """Return the table of all rows at one payload: medians, and half the distance of the extremes."""
    columns = [column for column in COLUMNS if any(results.of(column[1], row.name, payload) for row in ROWS)]
    head = [title.format(cores=cores(results)) for title, *_ in columns]
    notes = _Notes()
    lines = []
    for row in _present(results):
        cells = [
            _cell(results, row, figure, values[0], digits, payload, notes) for _, figure, values, digits in columns
        ]
        name = f"**{row.name}**" if row.kind is Kind.OWN else f"*{row.name}*" if row.kind is Kind.LIMIT else row.name
        lines.append([name, *cells])
    return table(["", *head], lines) + notes.text()


def targets(results: Results) -> str:
    """Return the table of targets."""
    words = {True: "met", False: "**not met**", None: "not measured"}
    rows = [(each.about, each.wanted, each.came, words[each.met]) for each in verdicts(results)]
    return table(["target", "wanted", "measured", ""], rows)


def limits(results: Results) -> str:
    """Return the table of limits."""
    rows = [(TITLES[figure], limit, f"{part:.2f}") for figure, limit, part in shares(results)]
    return table(["Jobwire's", "limit measured in the same run", "part of it"], rows)


def script_costs(results: Results) -> str:
    """Return the table of what each script costs the server."""
    rows = []
    for batch in (100, 1):
        for payload in _payloads(results, "scripts"):
            names = [f"{phase}_{batch}_us" for phase in ("enqueue", "claim", "settle", "all")]
            cells = [_plain(results, "scripts", name, 1, payload) for name in names]
            rows.append([f"{batch} a call, {size(payload)}", *cells])
    return table(["server CPU, us/job", "enqueue", "claim", "settle", "all"], rows)


def growth(results: Results) -> str:
    """Return the table of growth."""
    rows = []
    for kind, what in (("waiting", "jobs waiting"), ("idle", "idle workers beside it"), ("queues", "queues")):
        for count in _levels(results, kind):
            names = (("rate", 0), ("claim_p50_ms", 2), ("claim_p99_ms", 2))
            cells = [_plain(results, "growth", f"{name}_{kind}_{count}", digits) for name, digits in names]
            rows.append([f"{count:,} {what}", *cells])
    return table(["", "process, jobs/s", "claim of 100, p50, ms", "p99, ms"], rows)


def starts(results: Results) -> str:
    """Return the table of start times."""
    names = (("import jobwire", "import_ms"), ("jobwire --help", "help_ms"), ("worker to first job", "first_ms"))
    return table(["", "ms"], [(title, _plain(results, "start", name, 0)) for title, name in names])


def settings(results: Results) -> str:
    """Return the table of versions and settings."""
    rows = []
    for row in _present(results):
        about = results.peers[row.name]
        version = " ".join(filter(None, (about.get("version"), f"({about['client']})" if about.get("client") else "")))
        rows.append((row.name, row.language, version or "-", about.get("settings", about.get("error", ""))))
    lines = table(["", "language", "version (client)", "settings"], rows)
    return lines.replace("---:", "---")


def conditions(results: Results) -> str:
    """Return when, where and how this was measured."""
    about, machine, server = results.about, results.about["machine"], results.about["server"]
    disturbed = sum(each.disturbed for each in results.measurements)
    return (
        f"{about['started']}, {about['repeats']} repeats, medians, ± half the distance between the extremes; "
        f"{server['engine']} {server['version']} ({server['settings']}); {machine['cpu']}, {machine['memory']}, "
        f"{machine['system']}, Python {machine['python']}. {disturbed} of {len(results.measurements)} measurements "
        f"were disturbed by other programs (over 0.3 core).\n"
    )


def whole(results: Results) -> str:
    """Return everything, for table.md."""
    parts = ["# Benchmarks\n", conditions(results)]
    for payload in sorted({each.payload for each in results.measurements}):
        parts += [f"## The job with {size(payload)}\n", comparison(results, payload)]
    parts += ["## Targets\n", targets(results)]
    for title, figure, made in (
        ("Parts of the limit", "", limits),
        ("Scripts", "scripts", script_costs),
        ("Growth", "growth", growth),
        ("Starts", "start", starts),
        ("Versions and settings", "", settings),
    ):
        if not figure or any(each.figure == figure and each.values for each in results.measurements):
            parts += [f"## {title}\n", made(results)]
    if results.failures:
        parts += ["## Failures\n", "\n".join(f"- {line}" for line in results.failures) + "\n"]
    return "\n".join(parts)


def rewritten(text: str, block: str) -> str:
    """Return a document with its marked block replaced; raise ValueError if it has none."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"expected {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{block.strip()}\n{END}{after}"


def size(payload: int) -> str:
    """Say how large the argument is."""
    return f"{payload // 1024} KB" if payload else "no payload"


def cores(results: Results) -> str:
    """Return the number of cores."""
    return str(results.about["machine"]["cpu"]).partition(" ")[0]


class _Notes:
    """Footnotes of one table."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def mark(self, text: str) -> str:
        number = self._numbers.setdefault(text, len(self._numbers) + 1)
        return f" <sup>{number}</sup>"

    def text(self) -> str:
        lines = [f"<sup>{number}</sup> {text}" for text, number in self._numbers.items()]
        return "\n" + "<br>\n".join(lines) + "\n" if lines else ""


def _present(results: Results) -> list[Row]:
    return [row for row in ROWS if row.name in results.peers]


def _payloads(results: Results, figure: str) -> list[int]:
    return sorted({each.payload for each in results.measurements if each.figure == figure and each.values})


def _levels(results: Results, kind: str) -> list[int]:
    start = f"rate_{kind}_"
    names = {name for each in results.measurements for name in each.values if name.startswith(start)}
    return sorted(int(name.removeprefix(start)) for name in names)


def _cell(results: Results, row: Row, figure: str, value: str, digits: int, payload: int, notes: _Notes) -> str:
    summary = results.summary(figure, row.name, value, payload)
    if summary is None:
        error = results.error(figure, row.name, payload)
        return "–" + (notes.mark(f"{row.name}: {error}") if error else "")
    note = next((each.note for each in results.of(figure, row.name, payload) if each.note), "")
    if math.isinf(summary.median):
        return note or "never"
    spread = f" ±{summary.spread * 100:.0f} %" if summary.repeats > 1 else ""
    return f"{summary.median:,.{digits}f}{spread}" + (notes.mark(f"{row.name}: {note}") if note else "")


def _plain(results: Results, figure: str, value: str, digits: int, payload: int = 0) -> str:
    summary = next(
        (found for row in ROWS if (found := results.summary(figure, row.name, value, payload)) is not None), None
    )
    if summary is None:
        return "–"
    spread = f" ±{summary.spread * 100:.0f} %" if summary.repeats > 1 else ""
    return f"{summary.median:,.{digits}f}{spread}"
