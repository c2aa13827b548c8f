"""Many idle workers in one cheap process: each claims, blocks on `wake` for as long as it was told, claims again."""

from __future__ import annotations

import selectors
import socket
import sys

import hiredis

from jobwire import scripts
from jobwire.ids import new_nonce
from jobwire.keys import queue_keys

from .wire import command, packed

KEYS = queue_keys("jobwire", "idle")


class IdleWorker:
    """One worker by its connection; it is either waiting for a claim's reply or for BLPOP's."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self._reader = hiredis.Reader()
        # Random once: no job is ever claimed with it.
        self._claim = packed(scripts.claim(KEYS, new_nonce(), 15_000, 8, True))
        self._claiming = True
        self.socket.sendall(self._claim)

    def read(self) -> None:
        """Take what came, and answer as SPEC section 9.1 says."""
        self._reader.feed(self.socket.recv(65536))
        while (reply := self._reader.gets()) is not False:
            if isinstance(reply, hiredis.ReplyError):
                raise reply
            wait_s = reply[1] / 1000 if self._claiming else 0
            self._claiming = not wait_s
            self.socket.sendall(command("BLPOP", KEYS["wake"], f"{wait_s:.3f}") if wait_s else self._claim)


def main(port: int, count: int) -> None:
    """Run so many idle workers until killed; the scripts are loaded already."""
    with selectors.DefaultSelector() as selector:
        for _ in range(count):
            worker = IdleWorker(port)
            selector.register(worker.socket, selectors.EVENT_READ, worker)
        print("ready", flush=True)
        while True:
            for key, _ in selector.select():
                key.data.read()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
