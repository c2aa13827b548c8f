"""Run the command line: python -m jobwire_conformance."""

from .cli import main

main()
