"""`python -m jobwire` is `jobwire`."""

from .cli import main

main()
