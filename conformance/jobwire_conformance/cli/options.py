"""Choose cases: the options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from ..model import requirements
from ..plan import Selection
from ..report.summary import PROFILES, ROLES

Command = TypeVar("Command", bound=Callable[..., Any])


def selecting(command: Command) -> Command:
    """Add the options that choose cases."""
    for option in (
        click.option("--profile", multiple=True, type=click.Choice(PROFILES), help="Only cases of this profile."),
        click.option("--role", multiple=True, type=click.Choice(ROLES), help="Only cases of this role."),
        click.option("--requirement", multiple=True, metavar="ID", help="Only cases that judge this requirement."),
        click.option(
            "--case", multiple=True, metavar="GLOB", help="Only cases whose id matches, as in 'worker/retry/*'."
        ),
    ):
        command = option(command)
    return command


def selection_of(filters: Mapping[str, tuple[str, ...]], only: frozenset[str] | None = None) -> Selection:
    """Return what the options ask for; a requirement that there is not is refused."""
    wanted = tuple(name.upper() for name in filters["requirement"])
    unknown = [name for name in wanted if name not in requirements()]
    if unknown:
        raise click.UsageError(f"--requirement: expected one of SPEC.md, got {', '.join(unknown)}")
    return Selection(
        cases=filters["case"], requirements=wanted, roles=filters["role"], profiles=filters["profile"], only=only
    )
