"""The group of all commands, and the one place where an error becomes a line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from ..defaults import DEFAULT_NAMESPACE, DEFAULT_URL, URL_VARIABLE
from ..errors import Invalid, JobwireError, Refused
from .later import Later
from .target import Target

OK, TROUBLE, USAGE, INTERRUPTED = 0, 1, 2, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--url", metavar="URL", help=f"Server; default: {URL_VARIABLE}, then {DEFAULT_URL}.")
@click.option("--namespace", metavar="NAME", help=f"Prefix of all keys; default: {DEFAULT_NAMESPACE}.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="jobwire", message="jobwire %(version)s")
@click.pass_obj
def commands(target: Target, url: str | None, namespace: str | None, debug: bool) -> None:
    """Background jobs over Redis.

    Exit codes: 0 all went well, 1 a job or the server is in trouble, 2 wrong usage.
    """
    target.url, target.namespace, target.debug = url, namespace, debug


for command in (
    Later("jobs", "cancel", "Cancel jobs and print what became of each."),
    Later("dev", "dev", "Run a Valkey server until Ctrl+C or SIGTERM, and print its URL."),
    Later("jobs", "enqueue", "Enqueue a job and print its id."),
    Later("failed", "failed", "See to the jobs that failed for good."),
    Later("queues", "limit", "Let at most N jobs of a queue run at a time, over all workers."),
    Later("queues", "pause", "Give out no more jobs of a queue; it still accepts new ones."),
    Later("jobs", "result", "Wait for the end of a job and print its result as JSON."),
    Later("queues", "resume", "Give out the jobs of a paused queue again."),
    Later("queues", "status", "Show the sizes and settings of queues, or the state of jobs."),
    Later(
        "validate",
        "validate",
        "Check documents against SPEC.md: one JSON or MessagePack document in each FILE, - for stdin.",
    ),
    Later("worker", "worker", "Run the handlers of APP, a Jobwire or AsyncJobwire in MODULE, until SIGTERM or Ctrl+C."),
):
    commands.add_command(command)


def run(args: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    target = Target()
    try:
        code = commands.main(list(args), prog_name="jobwire", standalone_mode=False, obj=target)
        sys.stdout.flush()
        return code if isinstance(code, int) else OK
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return USAGE
    except click.Abort:
        _say("interrupted")
        return INTERRUPTED
    except click.ClickException as error:
        return _told(target, error, error.format_message(), error.exit_code)
    except BrokenPipeError:
        sys.stdout = None  # nobody reads it, and exit would flush it
        return TROUBLE
    except JobwireError as error:
        return _told(target, error, str(error), USAGE if isinstance(error, Refused | Invalid) else TROUBLE)
    except Exception as error:  # the last resort: a bug of ours is still one line
        return _told(target, error, f"unexpected {type(error).__name__}: {error} (--debug shows where)", TROUBLE)
    finally:
        target.close()


def _told(target: Target, error: BaseException, message: str, code: int) -> int:
    if target.debug:
        import traceback

        traceback.print_exception(error)
    _say(message)
    return code


def _say(message: str) -> None:
    from .output import fail  # here, as it loads more than help needs

    fail(message)


def main() -> None:
    """Run the command line of this process."""
    sys.exit(run(sys.argv[1:]))
