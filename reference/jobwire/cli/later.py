"""A command that is imported when it is called: help, and each other command, would wait for all of them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from .collector import at_rest


class Later(click.Command):
    """Stand for a command of a module beside this one; `help` is the first sentence of its own help."""

    def __init__(self, module: str, name: str, help: str) -> None:
        super().__init__(name, help=help)
        self._module = module

    @property
    def real(self) -> click.Command:
        """The command itself."""
        with at_rest():
            module = import_module(f".{self._module}", __package__)
        found: click.Command = getattr(module, self.name or "")
        return found

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Begin a call of the command itself."""
        return self.real.make_context(*args, **kwargs)
