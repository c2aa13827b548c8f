"""Stand between one process and the server: pass all on, record it, and do what the faults say."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from . import resp
from .ends import End
from .events import SUBSCRIBING, UNSUBSCRIBING, Exchange, History, now_ms
from .faults import AFTER, Fault, FaultPlan


class Proxy:
    """The server, as one process under test sees it."""

    def __init__(self, upstream: tuple[str, int], by: str, history: History, namespace: str) -> None:
        self.upstream = upstream
        self.by = by
        self.history = history
        self.namespace = namespace
        self.faults = FaultPlan()
        self.on_kill: Callable[[], None] | None = None
        """Ends the process group."""
        self.commands = 0
        """How many commands the process has sent."""
        self.accepted = 0
        """How many connections it has made."""
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        """Listen on a port of the machine; return the address of a Redis server that is there."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, "127.0.0.1", 0, backlog=128)
        port = self._server.sockets[0].getsockname()[1]
        return f"redis://127.0.0.1:{port}/0"

    async def close(self) -> None:
        """Stop listening and end all connections."""
        if self._server is not None:
            self._server.close()
        self.cut()
        # The ends of connections are told by the loop.
        await asyncio.sleep(0)

    def cut(self) -> None:
        """End all connections at once."""
        for connection in list(self._connections):
            connection.abort()

    def kill(self) -> None:
        """End the process, and pass on nothing more of what it sent."""
        if self.on_kill is not None:
            self.on_kill()
        self.cut()

    def sent(self, connection: int, opened_at: float, command: list[bytes]) -> Exchange:
        """Record a command."""
        self.commands += 1
        exchange = Exchange(self.by, connection, self.commands, now_ms(), command, opened_at=opened_at)
        self.history.transcript.append(exchange)
        if exchange.name == b"blpop":
            self.history.wake()
        return exchange

    def ended(self, exchange: Exchange) -> None:
        """Record how a command ended."""
        for event in exchange.told(self.namespace):
            self.history.add(event)

    def trouble(self, what: str) -> None:
        """Record what a process meets that it is not to blame for."""
        self.history.add({"wire": what, "by": self.by})

    def _accept(self) -> asyncio.Protocol:
        self.accepted += 1
        connection = Connection(self, self.accepted, self._connections.discard)
        self._connections.add(connection)
        return connection.client


class Connection:
    """One connection of the process, and the one to the server that belongs to it."""

    def __init__(self, proxy: Proxy, number: int, gone: Callable[[Connection], None]) -> None:
        self.client = End(self.opened, self.commands, self.half_close, self.client_gone)
        self.server = End(lambda: None, self.replies, self.server_gone, self.server_gone)
        self._proxy = proxy
        self._number = number
        self._opened_at = now_ms()
        self._gone = gone
        self._held: deque[tuple[bytes, Exchange]] = deque()
        """Commands that were not passed on yet."""
        self._asked: deque[Exchange] = deque()
        """Commands whose replies have not come."""
        self._waiting: Fault | None = None
        """The fault of the oldest held command."""
        self._after: Fault | None = None
        """The fault that waits for the reply to the last command."""
        self._paused = True
        """Whether commands are held: until the server is there, or while a fault works."""
        self._half_closed = False
        self._ended = False
        self._listens = False
        """Whether messages can come that answer nothing."""
        self._due = 0
        """How many frames of the reply to the oldest command are still to come, when it is about channels."""
        self._opening: asyncio.Task[None] | None = None

    def opened(self) -> None:
        """Connect to the server."""
        self._opening = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self.server, *self._proxy.upstream)
        except OSError:
            self._proxy.trouble("no server")
            self.abort()
            return
        self._paused = False
        self._pump()

    def commands(self, frames: list[bytes]) -> None:
        """Take in what the process sent."""
        for frame in frames:
            parts = resp.command(frame)
            if parts:
                self._held.append((frame, self._proxy.sent(self._number, self._opened_at, parts)))
                self._listens = self._listens or parts[0].lower() in SUBSCRIBING
        self._pump()

    def half_close(self) -> None:
        """Tell the server that nothing more is sent, once what is held was passed on."""
        self._half_closed = True
        self._pump()

    def _pump(self) -> None:
        """Pass on what can be; a command with a fault waits until all before it are answered."""
        ready: list[bytes] = []
        while self._held and not self._paused:
            frame, exchange = self._held[0]
            fault = self._fault(exchange)
            if fault is not None and self._asked:
                break
            self._held.popleft()
            if fault is None:
                self._asked.append(exchange)
                ready.append(frame)
            else:
                self._apply(fault, frame, exchange)
        if ready:
            self.server.write(b"".join(ready))
        if self._half_closed and not self._held and not self._paused:
            self.server.write_eof()

    def _fault(self, exchange: Exchange) -> Fault | None:
        if exchange.fault:
            return self._waiting
        if not self._proxy.faults:
            return None
        fault = self._proxy.faults.take(exchange.asked(self._proxy.namespace))
        if fault is not None:
            exchange.fault = fault.do
            self._waiting = fault
        return fault

    def _apply(self, fault: Fault, frame: bytes, exchange: Exchange) -> None:
        if fault.do in AFTER:
            self._after, self._paused = fault, True
            self._ask(frame, exchange)
        elif fault.do == "delay":
            self._paused = True
            asyncio.get_running_loop().call_later(fault.ms / 1000, self._resume, fault, frame, exchange)
        elif fault.do == "error":
            self._end(exchange, f"-{fault.error}\r\n".encode())
            self.client.write(exchange.reply)
            fault.met()
        else:
            self._asked.append(exchange)
            (self._proxy.kill if fault.do == "kill_before" else self.abort)()
            fault.met()

    def _ask(self, frame: bytes, exchange: Exchange) -> None:
        self._asked.append(exchange)
        self.server.write(frame)

    def _resume(self, fault: Fault, frame: bytes, exchange: Exchange) -> None:
        fault.met()
        if exchange.lost:
            return
        self._paused = False
        self._ask(frame, exchange)
        self._pump()

    def replies(self, frames: list[bytes]) -> None:
        """Take in what the server sent."""
        passed: list[bytes] = []
        ended: list[Exchange] = []
        for frame in frames:
            if self._take(frame, ended) and self._after is not None:
                self.client.write(b"".join(passed))
                self._finish(self._after, frame, ended[-1])
                passed.clear()
            else:
                passed.append(frame)
        self.client.write(b"".join(passed))
        for exchange in ended:
            self._proxy.ended(exchange)
        self._pump()

    def _take(self, frame: bytes, ended: list[Exchange]) -> bool:
        """Put a frame to its command; return whether that is complete."""
        if not self._asked or resp.is_push(frame, self._listens):
            return False
        exchange = self._asked[0]
        exchange.reply += frame
        if not self._completes(exchange, frame):
            return False
        self._asked.popleft()
        exchange.replied_at, exchange.after_eof = now_ms(), self._half_closed
        ended.append(exchange)
        return True

    def _completes(self, exchange: Exchange, frame: bytes) -> bool:
        """Whether a reply is complete: SSUBSCRIBE and its like are answered by a frame a channel."""
        if exchange.name not in SUBSCRIBING | UNSUBSCRIBING or frame.startswith(b"-"):
            return True
        if len(exchange.command) == 1:  # from all channels; the frame ends in how many are left
            return frame.endswith(b":0\r\n")
        self._due = self._due or len(exchange.command) - 1
        self._due -= 1
        return not self._due

    def _finish(self, fault: Fault, frame: bytes, exchange: Exchange) -> None:
        """Let a fault take effect whose reply has come."""
        self._after = None
        if fault.do == "cut_after":
            self.client.write(frame)
            self.client.close()
        else:
            exchange.lost, exchange.lost_at = True, exchange.replied_at
            (self._proxy.kill if fault.do == "kill_after" else self.abort)()
        fault.met()

    def _end(self, exchange: Exchange, reply: bytes) -> None:
        exchange.reply, exchange.replied_at = reply, now_ms()
        self._proxy.ended(exchange)

    def server_gone(self) -> None:
        """Pass on that the server ended the connection."""
        if not self._ended and not self._half_closed:
            self._proxy.trouble("closed by the server")
        self.client.close()

    def client_gone(self) -> None:
        """Let the server run what was passed on, and forget the rest."""
        self.server.close()
        self._forget()

    def abort(self) -> None:
        """End the connection at once, on both sides."""
        self.client.abort()
        self.server.close()
        self._forget()

    def _forget(self) -> None:
        self._ended = True
        if self._opening is not None:
            self._opening.cancel()
        lost = [*self._asked, *(exchange for _, exchange in self._held)]
        self._asked.clear()
        self._held.clear()
        self._paused = True
        for exchange in lost:
            exchange.lost, exchange.lost_at = True, now_ms()
            self._proxy.ended(exchange)
        self._gone(self)
