"""worker: run the handlers of an application."""

from __future__ import annotations

import dataclasses
import importlib
import logging
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import click

from ..defaults import URL_VARIABLE
from ..errors import Refused
from ..registry import Registry
from ..worker import Worker, WorkerSettings
from ..worker.processes import Lifeline, Supervisor
from ..worker.settings import default_name
from .collector import at_rest, settle
from .logs import LEVELS, log_to_stderr
from .target import Target

# The name's default differs from one process to the next.
DEFAULTS: dict[str, Any] = {each.name: each.default for each in dataclasses.fields(WorkerSettings)}


@click.command()
@click.argument("app", metavar="MODULE:APP")
@click.option("--queues", default=",".join(DEFAULTS["queues"]), show_default=True, help="Claimed in this order: a,b,c.")
@click.option("--concurrency", type=int, default=DEFAULTS["concurrency"], show_default=True, help="Jobs at a time.")
@click.option("--processes", type=click.IntRange(1, 1000), default=1, show_default=True, help="Processes that do so.")
@click.option("--lease-ms", type=int, default=DEFAULTS["lease_ms"], show_default=True, help="Length of a lease.")
@click.option("--grace-ms", type=int, default=DEFAULTS["grace_ms"], show_default=True, help="Time to finish in.")
@click.option("--name", help="Its name in outcomes; default: host and process id.")
@click.option("--burst", is_flag=True, help="End when there is nothing to do.")
@click.option("--no-stacks", is_flag=True, help="Keep stack traces out of errors.")
@click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True)
@click.option("--lifeline", metavar="FD,FD", hidden=True, help="Given to the children of --processes.")
@click.pass_obj
def worker(
    target: Target, /, app: str, queues: str, processes: int, name: str | None, burst: bool, no_stacks: bool,
    log_level: str, lifeline: str | None, **numbers: int,
) -> int:  # fmt: skip
    """Run the handlers of APP, a Jobwire or AsyncJobwire in MODULE, until SIGTERM or Ctrl+C.

    MODULE is imported with the current directory on the path. `ready` is printed once jobs are
    claimed; logs go to stderr. A first signal lets running jobs finish within --grace-ms; a second
    one gives them back at once. APP says which server is used: --url counts where APP names none.
    """
    log_to_stderr(log_level)
    settings = WorkerSettings(
        queues=tuple(queue.strip() for queue in queues.split(",")),
        name=name or default_name(),
        stacks=not no_stacks,
        burst=burst,
        **numbers,
    )
    found = load(app, target)
    if processes > 1:
        return Supervisor(processes, _children(name), _say_ready).run()
    settle()
    with at_rest():  # the client is imported
        running = Worker(found, settings)
    return _work(running, Lifeline.of(lifeline))


def _work(running: Worker, lifeline: Lifeline | None) -> int:
    if lifeline is not None:
        lifeline.hold(running.stop)
    told = lifeline.ready if lifeline is not None else _say_ready

    def tell() -> None:
        if running.wait_ready(threading.TIMEOUT_MAX):
            told()

    threading.Thread(target=tell, name="jobwire-ready", daemon=True).start()
    running.run()
    if not running.clean:
        # A handler runs in a thread that nothing can stop, and its job is released. [STOP-3]
        sys.stdout.flush()
        logging.shutdown()
        os._exit(0)
    return 0


def _say_ready() -> None:
    try:
        print("ready", flush=True)
    except OSError:  # nobody listens
        logging.getLogger("jobwire.worker").info("stdout is closed")


def _children(name: str | None) -> Callable[[int, str], list[str]]:
    """Return what makes the command of a child: this one, but one process with a name of its own."""
    own = click.get_current_context()
    assert own.parent is not None
    start = [sys.executable, "-m", "jobwire", *_options(own.parent), "worker"]

    def command(number: int, lifeline: str) -> list[str]:
        changed = {"processes": 1, "name": f"{name}-{number}" if name else None, "lifeline": lifeline}
        return [*start, *_options(own, **changed), "--", own.params["app"]]

    return command


def _options(context: click.Context, **changed: Any) -> list[str]:
    """Write the options of a command as they were given, but for those changed."""
    words: list[str] = []
    for param in context.command.params:
        value = (context.params | changed).get(param.name or "")
        if isinstance(param, click.Option) and value not in (None, False):
            words += [param.opts[0]] if param.is_flag else [param.opts[0], str(value)]
    return words


def load(path: str, target: Target) -> Registry[Any]:
    """Import an application; raise Refused if there is none."""
    module_name, _, attribute = path.partition(":")
    if not module_name or not attribute:
        raise Refused(f"worker: expected MODULE:APP, got {path!r}")
    if target.url is not None:
        os.environ[URL_VARIABLE] = target.url
    sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # the application's own code
        raise Refused(f"worker: expected to import {module_name!r}, got {type(error).__name__}: {error}") from error
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise Refused(f"worker: expected {attribute!r} in module {module_name!r}, got none") from None
    if not isinstance(found, Registry):
        raise Refused(f"worker: expected {path!r} to be a Jobwire or AsyncJobwire, got {type(found).__name__}")
    url, namespace = getattr(found, "url", None), found.namespace
    for option, wanted, has in (("--url", target.url, url), ("--namespace", target.namespace, namespace)):
        if wanted is not None and wanted != has:
            raise Refused(f"{option}: expected that of {path!r}, {has!r}, got {wanted!r}")
    return found
