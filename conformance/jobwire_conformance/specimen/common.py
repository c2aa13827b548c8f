"""What the worker and the producer share: keys, scripts, and a connection to the server."""

from __future__ import annotations

import os
import socket
import sys
import threading
from importlib import import_module
from typing import Any

import hiredis

NAMES = ("jobs", "record", "ready", "scheduled", "active", "failed", "outcomes", "progress", "control", "wake")
NAMESPACE = os.environ.get("JOBWIRE_NAMESPACE", "jobwire")

# These say that the server could not do it now. [CALL-7]
PASSING = ("READONLY", "LOADING", "TRYAGAIN", "CLUSTERDOWN", "MOVED", "ASK", "UNBLOCKED", "MASTERDOWN")

REPLY_S = 5.0

Part = str | bytes | int


class Gone(Exception):
    """The connection was lost, so that nobody knows whether the call was executed."""


class ServerError(Exception):
    """The server answered with an error."""

    @property
    def code(self) -> str:
        """Return the word that the error begins with."""
        return str(self).partition(" ")[0]


def key(queue: str, name: str) -> str:
    """Return the name of one key of a queue."""
    return f"{NAMESPACE}:{{{queue}}}:{name}"


def keys(queue: str, ids: list[str]) -> list[str]:
    """Return KEYS of a call: the ten of the queue, then the result of each id."""
    return [key(queue, name) for name in NAMES] + [key(queue, f"result:{id_}") for id_ in ids]


def profiles() -> set[str]:
    """Return the profiles that the command line names; all of them if it names none."""
    if "--profiles" not in sys.argv:
        return {"core", "cancel", "progress", "workflow"}
    return set(sys.argv[sys.argv.index("--profiles") + 1].split(","))


def log(level: str, fact: str, **fields: object) -> None:
    """Write one fact with its fields to standard error."""
    text = " ".join([level, fact, *(f"{name}={value}" for name, value in fields.items())])
    os.write(2, text.encode("utf-8", "replace") + b"\n")


def _script(name: str) -> bytes:
    """Return the text of a script: from beside this folder, or from the installed suite if this is a copy."""
    folder = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lua")
    if not os.path.isdir(folder):
        folder = os.path.join(os.path.dirname(import_module("jobwire_conformance").__file__ or ""), "lua")
    with open(os.path.join(folder, f"{name}.lua"), "rb") as file:
        return file.read()


class Link:
    """Hold one connection, opened when it is needed; a call at a time, from any thread."""

    def __init__(self) -> None:
        address = os.environ["JOBWIRE_REDIS_URL"].removeprefix("redis://").partition("/")[0]
        self.host, _, self.port = address.rpartition(":")
        self.lock = threading.RLock()
        self.breaks = 0
        self._socket: socket.socket | None = None
        self._reader = hiredis.Reader()
        self._sha: dict[str, str] = {}

    def load(self, names: tuple[str, ...]) -> None:
        """Load these scripts into the server. [CALL-1]"""
        for name in names:
            self._sha[name] = self.call("SCRIPT", "LOAD", _script(name)).decode()

    def script(self, name: str, keys: list[str], arguments: list[Any]) -> Any:
        """Call a script, and load it if the server has lost it. [CALL-2]"""
        try:
            return self.evalsha(name, keys, arguments)
        except ServerError as error:
            if error.code != "NOSCRIPT":
                raise
        self.load((name,))
        return self.evalsha(name, keys, arguments)

    def evalsha(self, name: str, keys: list[str], arguments: list[Any]) -> Any:
        """Call a script that the server has."""
        return self.call("EVALSHA", self._sha[name], len(keys), *keys, *arguments)

    def call(self, *parts: Part, reply_s: float = REPLY_S) -> Any:
        """Send one command and return its reply."""
        with self.lock:
            try:
                self.send(*parts, reply_s=reply_s)
                reply = self.receive()
            except OSError as error:
                self.close()
                raise Gone(f"{parts[0]!r}: {error}") from error
        if isinstance(reply, hiredis.ReplyError):
            raise ServerError(str(reply))
        return reply

    def send(self, *parts: Part, reply_s: float = REPLY_S) -> None:
        """Send one command, and open the connection first if there is none."""
        if self._socket is None:
            self._socket = socket.create_connection((self.host, int(self.port)), REPLY_S)
            self._reader = hiredis.Reader()
        self._socket.settimeout(reply_s)
        self._socket.sendall(hiredis.pack_command(parts))  # type: ignore[arg-type]  # meant is: any number

    def receive(self) -> Any:
        """Return the next reply, or the next message of a subscription."""
        assert self._socket is not None
        while (reply := self._reader.gets()) is False:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError("closed by the server")
            self._reader.feed(data)
        return reply

    def wait(self, seconds: float) -> Any:
        """Return the next message of a subscription, or None if none came in time."""
        assert self._socket is not None
        self._socket.settimeout(max(seconds, 0.001))
        try:
            return self.receive()
        except TimeoutError:
            return None

    def close(self) -> None:
        """Give up the connection; the next call opens another."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self.breaks += 1
