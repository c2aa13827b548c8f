"""Measure everything, interleaved: for each repeat, for each payload, for each figure, for each row."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from . import machine
from .context import Context
from .environments import Broken, Program, prepare
from .figures import CRASH, FIGURES, crash
from .figures.kinds import Values
from .modes import DISTURBED, Mode
from .peers import JOBWIRE, Kind, Row
from .programs import Unsupported, ask
from .progress import Progress
from .results import Measurement, Results
from .server import running


class Task(NamedTuple):
    """One measurement to come."""

    repeat: int
    payload: int
    figure: str
    row: Row


def tasks(mode: Mode, rows: list[Row]) -> Iterator[Task]:
    """Yield all measurements in order; each repeat begins with another row, so that nobody is always first."""
    for repeat in range(mode.repeats):
        turned = rows[repeat % len(rows) :] + rows[: repeat % len(rows)]
        for payload in mode.payloads:
            for name in mode.figures:
                if name == CRASH or (repeat and name in mode.once) or (payload and not FIGURES[name].sized):
                    continue
                for row in turned:
                    if FIGURES[name].includes(row) and (name, row.name) not in mode.without:
                        yield Task(repeat, payload, name, row)


def run(mode: Mode, rows: list[Row], engine: str | None, folder: Path, say: Callable[[str], None]) -> Results:
    """Make all environments, run all measurements, and return them."""
    began = time.time()
    programs, peers = _introduce(rows, say)
    rows = [row for row in rows if "error" not in peers[row.name]]
    with running(engine) as server:
        started = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(began))
        about: dict[str, Any] = {"mode": mode.name, "repeats": mode.repeats, "started": started}
        about |= {"server": server.about(), "machine": machine.about()}
        results = Results(about, peers)
        context = Context(server, mode, programs, folder)
        _measure_all(context, results, list(tasks(mode, rows)), Progress(say))
        if CRASH in mode.figures:
            _crash_all(context, results, rows, say)
    about["seconds"] = round(time.time() - began)
    return results


def _introduce(rows: list[Row], say: Callable[[str], None]) -> tuple[dict[str, Program], dict[str, dict[str, str]]]:
    """Return the programs of all rows, and what each says of itself, or its error."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = {driver: pool.submit(prepare, driver, say) for driver in dict.fromkeys(row.driver for row in rows)}
    programs: dict[str, Program] = {}
    peers: dict[str, dict[str, str]] = {}
    for row in rows:
        peers[row.name] = {"language": row.language, "variant": row.variant}
        try:
            programs[row.driver] = made[row.driver].result()
            options = {"url": "redis://127.0.0.1:1/0", "variant": row.variant, "payload": 0}
            peers[row.name] |= ask(programs[row.driver], "about", options)
        except (Broken, Unsupported) as error:
            peers[row.name]["error"] = str(error)
            say(f"{row.name} is left out: {error}")
    return programs, peers


def _measure_all(context: Context, results: Results, todo: list[Task], progress: Progress) -> None:
    failed: set[tuple[str, str, int]] = set()
    for done, task in enumerate(todo):
        key = (task.figure, task.row.name, task.payload)
        if key in failed:
            continue
        progress.begin(task.figure, task.row.name, task.payload)
        measurement = _measure(context, task)
        results.add(measurement)
        if not measurement.values:
            failed.add(key)
        rest = [(each.figure, each.row.name, each.payload) for each in todo[done + 1 :]]
        progress.end(measurement, context.mode.repeats, [key for key in rest if key not in failed])


def _measure(context: Context, task: Task) -> Measurement:
    """Measure once, and once more if something else used the machine meanwhile; keep the quieter one."""
    best = _once(context, task)
    for _ in range(context.mode.again):
        if not best.disturbed:
            break
        best = min(best, _once(context, task), key=lambda each: (not each.values, each.foreign))
    return best


def _once(context: Context, task: Task) -> Measurement:
    context.foreign()
    try:
        values = FIGURES[task.figure].measure(context, task.row, task.payload)
        return _made(task, values, context.foreign())
    except Unsupported as error:
        return _made(task, {}, 0.0, unsupported=str(error))
    except Exception as error:  # whatever happens to one peer, the others go on
        return _made(
            task, {}, 0.0, error=f"{error}" if isinstance(error, Broken) else f"{type(error).__name__}: {error}"
        )


def _made(task: Task, values: Values, foreign: float, **more: str) -> Measurement:
    return Measurement(
        repeat=task.repeat,
        figure=task.figure,
        row=task.row.name,
        payload=task.payload,
        values={name: float(value) for name, value in values.items() if name != "note"},
        note=str(values.get("note", "")),
        foreign=round(foreign, 3),
        disturbed=foreign > DISTURBED,
        **more,
    )


def _crash_all(context: Context, results: Results, rows: list[Row], say: Callable[[str], None]) -> None:
    """Do it once for every peer and example, and as often as all else for Jobwire, all at the same time."""
    say(f"crash: every worker is killed, and watched for up to {crash.WATCHED_S:.0f} s")
    todo = [(row, context.program(row)) for row in rows if row.kind in (Kind.PEER, Kind.EXAMPLE)]
    todo += [(row, context.program(row)) for row in rows if row.name == JOBWIRE for _ in range(context.mode.repeats)]

    def told(row: Row, values: Values | Exception) -> None:
        task = Task(len(results.of(CRASH, row.name)), 0, CRASH, row)
        if isinstance(values, Exception):
            results.add(_made(task, {}, 0.0, error=str(values)))
            say(f"crash {row.name}: {values}")
        else:
            results.add(_made(task, values, 0.0))
            say(f"crash {row.name}: runs again after {values['again_s']:.1f} s")

    crash.measure(todo, context.server.engine, context.folder, told)
