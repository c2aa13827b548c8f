"""Send settles and claims together, and have the next round trip under way while the jobs of the last are read."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from .. import scripts
from ..client import client_errors, is_passing, translate
from ..clock import ServerClock
from ..errors import LayoutMismatch
from ..keys import QueueKeys
from ..lines import Line, Packed
from ..scripts import ClaimReply
from ..store import Store
from .claiming import Claiming
from .heartbeat import Heartbeat
from .settling import Settling, Step

log = logging.getLogger("jobwire.worker")


class Landed(NamedTuple):
    """The reply to a claim from one queue."""

    keys: QueueKeys
    reply: ClaimReply


class _Round(NamedTuple):
    """Calls that were sent; `queue` is the one that was claimed from, if one was."""

    steps: list[Step]
    queue: QueueKeys | None


class Exchange:
    """All that a worker sends but extends; the dispatcher is the only caller.

    `failed` is called when a server does not answer, or with an error; it is to back off.
    """

    def __init__(
        self,
        store: Store,
        clock: ServerClock,
        claiming: Claiming,
        settling: Settling,
        heartbeat: Heartbeat,
        failed: Callable[[], None],
    ) -> None:
        self._line = Line(store)
        self._prepared: tuple[list[Step], list[Packed]] = ([], [])
        self._clock = clock
        self._claiming = claiming
        self._settling = settling
        self._heartbeat = heartbeat
        self._failed = failed
        self._under_way: _Round | None = None
        self.cut_off = False
        """Whether a connection was lost, and the leases were not extended since."""

    def disconnected(self) -> None:
        """Take in that another connection was lost. [CLAIM-12]"""
        self.cut_off = True

    @property
    def under_way(self) -> bool:
        """Whether a reply is waited for."""
        return self._under_way is not None

    def prepare(self) -> None:
        """Pack what is to be settled, so that it can be sent as soon as the reply that is on its way has come."""
        if self._settling.due_s == 0:
            fresh = self._settling.steps()
            steps, packs = self._prepared
            steps += fresh
            packs.append(self._line.pack([step.call for step in fresh]))

    def send(self, room: int, rescue: bool, armed: bool) -> bool:
        """Send what is to be settled and the next claim, if there is any; return whether there was. [CLAIM-12]"""
        if self.cut_off and not self._reconnected():
            return False
        self.prepare()
        steps, packs = self._prepared
        queue = self._claiming.next(room, armed)
        if queue is not None:
            packs.append(self._line.pack([self._claiming.call(queue, room, rescue)]))
        if not packs:
            return False
        self._prepared = ([], [])
        try:
            self._line.send(packs)
        except client_errors() as error:
            self._lost(steps, error)
            return False
        self._under_way = _Round(steps, queue)
        return True

    def receive(self) -> Landed | None:
        """Wait for what is under way, take in what it settled, and return what it claimed. [CALL-5] [CALL-9]"""
        if self._under_way is None:
            return None
        steps, queue = self._under_way
        self._under_way = None
        try:
            replies = self._line.receive()
        except client_errors() as error:
            self._lost(steps, error)
            return None
        refused = [reply for reply in replies if isinstance(reply, Exception)]
        for reply in refused:
            # The queue of a hand-over may have another layout; only a queue of this worker's ends it. [FLOW-14]
            self._report(reply, fatal=queue is not None and reply is replies[-1])
        for step, reply in zip(steps, replies, strict=False):
            step.take(reply)
            if step.hands_over and isinstance(reply, Exception):  # put off, for itself
                refused.remove(reply)
        landed = None
        if queue is not None and not isinstance(replies[-1], Exception):
            landed = self.landed(queue, replies[-1])
        if refused:
            self._failed()
        return landed

    def landed(self, queue: QueueKeys, reply: list[Any]) -> Landed:
        """Take in a claim's reply."""
        landed = Landed(queue, scripts.claimed(reply))
        self._clock.tell(landed.reply.now)
        self._claiming.told(*landed)
        return landed

    def _lost(self, steps: list[Step], error: Exception) -> None:
        log.warning("server not reached, tried again", extra={"error": str(error)})
        self.cut_off = True
        prepared, self._prepared = self._prepared, ([], [])
        for step in (*steps, *prepared[0]):
            step.take(None)
        self._failed()

    def _report(self, reply: Exception, fatal: bool) -> None:
        error = translate(reply)
        if fatal and isinstance(error, LayoutMismatch):
            raise error
        if not is_passing(reply):
            log.error("call refused by the server, tried again", extra={"error": str(reply)})

    def _reconnected(self) -> bool:
        """Extend before anything is claimed again. [CLAIM-12]"""
        try:
            self._heartbeat.run_once()
        except client_errors() as error:
            log.warning("leases not extended, tried again", extra={"error": str(error)})
            self._failed()
            # What a single queue refuses for good is no reason to leave the others alone.
            if is_passing(error):
                return False
        self.cut_off = False
        return True
