"""The command line: `jobwire-conformance --help`."""

from .main import main, run

__all__ = ["main", "run"]
