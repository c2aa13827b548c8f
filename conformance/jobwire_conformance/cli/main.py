"""The group of all commands, and the one place where an error becomes a line and an exit code."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Sequence

import click

from .. import __version__
from ..cases.loader import CaseFileError
from ..codec.files import VectorFileError
from ..manifest import ManifestError
from ..report.merge import Different
from ..report.stream import Broken
from ..report.text import visible
from ..report.verdict import Exit
from ..run import CouldNotRun
from ..selftest.mutants import MutantError
from .looking import explain, list_cases, show
from .proving import self_test
from .reporting import copy, report, verify
from .running import run_cases, smoke
from .together import interop

INTERRUPTED = 130


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 conforms, 1 does not, 2 wrong use or a bad manifest, 3 no verdict as not all was run,"
    " 4 the suite is at fault or checked nothing, 5 a command or a server could not be started.",
)
@click.version_option(__version__, message="jobwire-conformance %(version)s")
def commands() -> None:
    """Show whether an implementation of Jobwire keeps to SPEC.md.

    Start with `smoke` on the manifest of an implementation, go on with `run`.
    """


for command in (run_cases, smoke, list_cases, show, explain, verify, report, copy, self_test, interop):
    commands.add_command(command)


def run(args: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        code = commands.main(list(args), prog_name="jobwire-conformance", standalone_mode=False)
        sys.stdout.flush()
        return int(code) if isinstance(code, int) else Exit.CONFORMS
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return Exit.USAGE
    except (click.Abort, KeyboardInterrupt):
        return _told("interrupted; a report of this run has no footer and proves nothing", INTERRUPTED)
    except click.ClickException as error:
        return _told(error.format_message(), Exit.USAGE)
    except BrokenPipeError:
        sys.stdout = None  # nobody reads it, and exit would flush it
        return Exit.INCOMPLETE
    except CouldNotRun as error:
        return _told(str(error), error.exit_code)
    except (ManifestError, Broken, Different) as error:
        return _told(str(error), Exit.USAGE)
    except (CaseFileError, VectorFileError, MutantError) as error:
        return _told(f"the suite is at fault: {error}", Exit.SUITE)
    except Exception as error:  # the last resort: whoever reports it needs to say where it was
        click.echo("".join(traceback.format_exception(error)), err=True)
        return _told(f"the suite is at fault: unexpected {type(error).__name__}", Exit.SUITE)


def _told(message: str, code: int) -> int:
    shown = visible(message, keep="\n")
    click.echo(f"jobwire-conformance: {shown}", err=True)
    return code


def main() -> None:
    """Run the command line of this process."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # So it is behind `&` in a script, and each program that is started here would inherit it. [STOP-5]
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(run(sys.argv[1:]))
