"""The plots: few, in colours that a light and a dark page can show alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure

from .peers import ROWS, Kind
from .report import cores
from .results import Results
from .statistics import Summary

# Of middle brightness: the page shows through.
INK, FAINT = "#7a828c", "#7a828c44"
COLOURS = {Kind.OWN: "#e8590c", Kind.EXAMPLE: "#cf9a2e", Kind.PEER: "#4c8eda", Kind.LIMIT: "#9aa3ad"}
STYLE: Any = {
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": FAINT,
    "font.size": 10,
    "savefig.transparent": True,
    "savefig.dpi": 144,
}


class Panel(NamedTuple):
    """Bars of one value: its title, figure and name, how it is written, whether less is better."""

    title: str
    figure: str
    value: str
    form: str = "{:,.0f}"
    log: bool = True
    less: bool = False


def draw(results: Results, out: Path) -> list[str]:
    """Draw all plots that there are numbers for, and return their names."""
    processes = f"process, {cores(results)} processes"
    groups = {
        "throughput.png": (
            Panel("enqueue one by one, jobs/s", "one", "rate"),
            Panel("enqueue in bulk, jobs/s", "bulk", "rate"),
            Panel("process, one process, jobs/s", "process", "rate"),
            Panel(f"{processes}, jobs/s", "processes", "rate"),
        ),
        "resources.png": (
            Panel("server CPU to process, us/job", "process", "server_us", less=True),
            Panel("worker CPU to process, us/job", "process", "worker_us", less=True),
            Panel("memory of a waiting job, bytes", "memory", "bytes", log=False, less=True),
        ),
    }
    drawn = []
    with mpl.rc_context(STYLE):
        for name, panels in groups.items():
            if _bars(results, panels, out / name):
                drawn.append(name)
        if _latency(results, out / "latency.png"):
            drawn.append("latency.png")
        if _growth(results, out / "growth.png"):
            drawn.append("growth.png")
    return sorted(drawn, key=["throughput.png", "latency.png", "resources.png", "growth.png"].index)


def _bars(results: Results, panels: Sequence[Panel], path: Path) -> bool:
    data = [(panel, _ranked(results, panel)) for panel in panels]
    data = [(panel, rows) for panel, rows in data if rows]
    if not data:
        return False
    columns = 2 if len(data) in (2, 4) else min(3, len(data))
    lines = -(-len(data) // columns)
    tallest = max(len(rows) for _, rows in data)
    figure = Figure(figsize=(5.2 * columns, lines * (1.0 + 0.27 * tallest)), layout="constrained")
    for number, (panel, rows) in enumerate(data):
        _bar_panel(figure.add_subplot(lines, columns, number + 1), panel, rows)
    figure.savefig(path)
    return True


def _ranked(results: Results, panel: Panel) -> list[tuple[str, Kind, Summary]]:
    """Return the rows of a panel, the best last, which is drawn on top."""
    have = [
        (row.name, row.kind, summary)
        for row in ROWS
        if (summary := results.summary(panel.figure, row.name, panel.value)) is not None
    ]
    return sorted(have, key=lambda each: each[2].median, reverse=panel.less)


def _bar_panel(axes: Any, panel: Panel, rows: Sequence[tuple[str, Kind, Summary]]) -> None:
    places = range(len(rows))
    medians = [summary.median for _, _, summary in rows]
    errors = [[s.median - s.low for _, _, s in rows], [s.high - s.median for _, _, s in rows]]
    colours = [COLOURS[kind] for _, kind, _ in rows]
    axes.barh(places, medians, xerr=errors, color=colours, height=0.68, ecolor=INK, error_kw={"linewidth": 1})
    axes.set_yticks(places, [name for name, _, _ in rows])
    _name(axes, [kind for _, kind, _ in rows])
    largest = max(summary.high for _, _, summary in rows)
    if panel.log:
        axes.set_xscale("log")
        axes.set_xlim(min(medians) / 2, largest * 5)
        axes.xaxis.set_major_formatter("{x:,.0f}")
    else:
        axes.set_xlim(0, largest * 1.25)
    for place, (_, _, summary) in zip(places, rows, strict=True):
        axes.annotate(
            panel.form.format(summary.median), (summary.high, place), (4, 0), textcoords="offset points", va="center",
            fontsize=8.5,
        )  # fmt: skip
    axes.set_title(panel.title, loc="left")
    axes.grid(axis="x", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.minorticks_off()


def _name(axes: Any, kinds: Sequence[Kind]) -> None:
    """Let the names of our own rows stand out."""
    for label, kind in zip(axes.get_yticklabels(), kinds, strict=True):
        if kind in (Kind.OWN, Kind.EXAMPLE):
            label.set(color=COLOURS[kind], fontweight="bold")


def _latency(results: Results, path: Path) -> bool:
    titles = {"trip": "round trip on an idle worker, ms", "load": "round trip under half load, ms"}
    present = [name for name in titles if any(results.of(name, row.name) for row in ROWS)]
    if not present:
        return False
    tallest = max(sum(bool(results.of(name, row.name)) for row in ROWS) for name in present)
    figure = Figure(figsize=(5.2 * len(present), 1.1 + 0.27 * tallest), layout="constrained")
    for number, name in enumerate(present):
        axes = figure.add_subplot(1, len(present), number + 1)
        _latency_panel(axes, results, name)
        axes.set_title(titles[name], loc="left")
    figure.savefig(path)
    return True


def _latency_panel(axes: Any, results: Results, figure: str) -> None:
    rows = []
    for row in ROWS:
        middle, late = (results.summary(figure, row.name, name) for name in ("p50_ms", "p99_ms"))
        if middle is not None and late is not None:
            rows.append((row, middle, late))
    rows.sort(key=lambda each: each[1].median, reverse=True)
    for place, (row, middle, late) in enumerate(rows):
        colour = COLOURS[row.kind]
        axes.plot([middle.median, late.median], [place, place], color=colour, linewidth=3, alpha=0.45, zorder=1)
        for each, marker, name in ((middle, "o", "p50"), (late, "|", "p99")):
            error = [[each.median - each.low], [each.high - each.median]]
            axes.errorbar(each.median, place, xerr=error, fmt=marker, color=colour, ecolor=INK, elinewidth=1,
                          markersize=9, markeredgewidth=2 if marker == "|" else 0,
                          label=name if place == 0 else None)  # fmt: skip
        axes.annotate(f"{_short_ms(middle.median)} / {_short_ms(late.median)}", (late.high, place), (8, 0),
                      textcoords="offset points", va="center", fontsize=8.5)  # fmt: skip
    axes.set_xscale("log")
    largest = max(late.high for _, _, late in rows)
    axes.set_xlim(min(middle.low for _, middle, _ in rows) / 1.5, largest * 12)
    axes.set_yticks(range(len(rows)), [row.name for row, _, _ in rows])
    _name(axes, [row.kind for row, _, _ in rows])
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(axis="x", linewidth=0.7)
    axes.tick_params(length=0)
    axes.minorticks_off()
    axes.set_xlabel("● p50   | p99   (both written beside)", fontsize=8.5)


def _growth(results: Results, path: Path) -> bool:
    name = ROWS[0].name
    kinds = {"waiting": "jobs waiting", "idle": "idle workers beside it", "queues": "queues"}
    if not results.of("growth", name):
        return False
    figure = Figure(figsize=(10.4, 5.0), layout="constrained")
    axes = figure.subplots(2, 3, sharey="row", squeeze=False)
    for column, (kind, title) in enumerate(kinds.items()):
        start = f"rate_{kind}_"
        levels = sorted(
            {int(v.removeprefix(start)) for m in results.of("growth", name) for v in m.values if v.startswith(start)}
        )
        above, below = axes[0][column], axes[1][column]
        places = range(len(levels))
        _line(
            above,
            places,
            [results.summary("growth", name, f"rate_{kind}_{level}") for level in levels],
            "",
            COLOURS[Kind.OWN],
        )
        for value, label, colour in (("p50", "p50", COLOURS[Kind.OWN]), ("p99", "p99", COLOURS[Kind.PEER])):
            summaries = [results.summary("growth", name, f"claim_{value}_ms_{kind}_{level}") for level in levels]
            _line(below, places, summaries, label, colour)
        above.set_title(title, loc="left")
        for each in (above, below):
            each.set_xticks(places, [_short(level) for level in levels])
            each.grid(axis="y", linewidth=0.7)
            each.tick_params(length=0)
            each.margins(x=0.12)
        above.yaxis.set_major_formatter("{x:,.0f}")
    for line in axes:
        line[0].set_ylim(0, line[0].get_ylim()[1] * 1.1)
    axes[0][0].set_ylabel("process, jobs/s")
    axes[1][0].set_ylabel("claim of 100 jobs, ms")
    axes[1][2].legend(frameon=False, loc="lower right", fontsize=9)
    figure.savefig(path)
    return True


def _line(axes: Any, places: Sequence[int], summaries: Sequence[Summary | None], label: str, colour: str) -> None:
    have = [(place, each) for place, each in zip(places, summaries, strict=True) if each is not None]
    errors = [[each.median - each.low for _, each in have], [each.high - each.median for _, each in have]]
    at = [place for place, _ in have]
    axes.errorbar(at, [each.median for _, each in have], yerr=errors, fmt="o-", color=colour, ecolor=INK,
                  linewidth=2, elinewidth=1, markersize=6, label=label or None)  # fmt: skip


def _short_ms(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}"


def _short(count: int) -> str:
    if count >= 1_000_000:
        return f"{count // 1_000_000} million"
    return f"{count:,}"
