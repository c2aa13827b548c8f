"""The command line: `jobwire --help`."""

from .main import main, run

__all__ = ["main", "run"]
