"""Two threads of which one leads: it dispatches, and runs short batches itself, without a change of threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from .held import Batch

# The other thread takes the lead when the leader runs a batch for longer than this.
AWAY_S = 0.010
# How often it looks, and after how many looks at a leader who stays it looks no more until it is called.
LOOK_S = 0.005
LOOKS = 20


class Crew:
    """Lead by turns of two threads.

    `lead` dispatches until it returns a batch for the leader to run, or None when all is over; `run` runs one;
    `finished` hears of a batch whose runner has lost the lead meanwhile, `back` of one that ended with the lead kept.
    """

    def __init__(
        self,
        lead: Callable[[], Batch | None],
        run: Callable[[Batch], None],
        back: Callable[[Batch], None],
        finished: Callable[[Batch], None],
    ) -> None:
        self._lead = lead
        self._run = run
        self._back = back
        self._finished = finished
        # Held by the leader but while it runs a batch.
        self._baton = threading.Lock()
        self._away_since: float | None = None
        self._called = threading.Event()
        self._over = threading.Event()
        self._error: BaseException | None = None

    def work(self, look_s: float) -> None:
        """Lead until all is over, seeing to signals at least every `look_s` seconds; raise what `lead` raised."""
        self._baton.acquire()
        for leading in (True, False):
            name = f"jobwire-crew-{'a' if leading else 'b'}"
            threading.Thread(target=self._serve, args=(leading,), name=name, daemon=True).start()
        # A signal that another thread receives does not wake this one, the main thread.
        while not self._over.wait(look_s):
            pass
        if self._error is not None:
            raise self._error

    def _serve(self, leading: bool) -> None:
        while not self._over.is_set():
            if not leading:
                leading = self._watch()
                continue
            try:
                batch = self._lead()
                if batch is not None:
                    leading = self._run_away(batch)
                    continue
            except BaseException as error:  # `work` raises it
                self._error = error
            self._over.set()
            self._called.set()

    def _run_away(self, batch: Batch) -> bool:
        """Run a batch, and say whether the lead is still with this thread."""
        if not self._called.is_set():
            self._called.set()
        self._away_since = time.monotonic()
        self._baton.release()
        self._run(batch)
        if not self._baton.acquire(blocking=False):
            self._finished(batch)
            return False
        self._away_since = None
        self._back(batch)
        return True

    def _watch(self) -> bool:
        """Wait until the leader stays away for too long; return whether the lead was taken."""
        self._called.wait()
        looks = 0
        while looks < LOOKS and not self._over.is_set():
            time.sleep(LOOK_S)
            since = self._away_since
            if since is None:
                looks += 1
                continue
            looks = 0
            if time.monotonic() - since > AWAY_S and self._baton.acquire(blocking=False):
                self._away_since = None
                return True
        self._called.clear()
        return False
