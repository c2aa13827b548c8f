"""End what the suite has started even if the suite itself is killed: left workers would go on for ever.

They would go on to look for their proxy, too, and find that of a later run at its old port.
"""

from __future__ import annotations

import atexit
import contextlib
import subprocess
import sys
from typing import Final

# It ends the groups that are left once its input ends, as it does with the suite.
_CODE: Final = """
import os, signal, sys
left = set()
for line in sys.stdin:
    number = int(line)
    left.add(number) if number > 0 else left.discard(-number)
for group in left:
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        pass
"""


class Guard:
    """A process that outlives the suite by a moment."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def add(self, group: int) -> None:
        """Look after a process group."""
        if self._process is None:
            command = [sys.executable, "-I", "-S", "-c", _CODE]
            # A signal to the suite's own group must not reach it.
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, bufsize=0, start_new_session=True)
            atexit.register(self.close)
        self._tell(group)

    def remove(self, group: int) -> None:
        """Forget a group that has ended: its number can become that of another."""
        self._tell(-group)

    def close(self) -> None:
        """End all groups that are left."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            self._process.wait()
            self._process = None

    def _tell(self, number: int) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.write(b"%d\n" % number)
