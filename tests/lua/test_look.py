"""look: what is known of many ids, without a write."""

import pytest

from tests.lua.binding import Job, Queue, Seen, dump

UNKNOWN = Seen("unknown", 0, b"", b"")


@pytest.fixture
def furnished(queue: Queue) -> Queue:
    """Return a queue with one id in each state, each named after it."""
    queue.enqueue("failed", "retrying", "finished", "active", "decided", "cancelling")
    failed, retrying, finished, active, decided, cancelling = queue.claim(6).jobs
    queue.end(failed, "fail", b"failed doc")
    queue.end(retrying, "retry", b"retrying doc")
    queue.end(finished, "succeed", b"finished doc")
    queue.extend((active.id, active.token, b"half"), (decided.id, decided.token, b"all"))
    queue.end(decided, "decide", b"decided doc")
    queue.cancel(cancelling.id, b"cancelling doc")
    queue.enqueue("ready", Job("scheduled", run_at=9007199254740991))
    return queue


EXPECTED = {
    "ready": Seen("ready", 0, b"", b""),
    "scheduled": Seen("scheduled", 0, b"", b""),
    "retrying": Seen("scheduled", 1, b"retrying doc", b""),
    "active": Seen("active", 1, b"", b"half"),
    "decided": Seen("active", 1, b"decided doc", b"all"),
    "cancelling": Seen("active", 1, b"cancelling doc", b""),
    "failed": Seen("failed", 1, b"failed doc", b""),
    "finished": Seen("finished", 0, b"finished doc", b""),
    "nobody": UNKNOWN,
    "": UNKNOWN,
}


def test_all_states_at_once_and_in_the_order_asked(furnished: Queue) -> None:
    before = dump(furnished.client)
    assert furnished.look(*EXPECTED) == list(EXPECTED.values())
    assert furnished.look(*reversed(EXPECTED)) == list(reversed(EXPECTED.values()))
    assert furnished.look("failed", "failed", "nobody", "failed")[1::2] == [EXPECTED["failed"]] * 2
    assert dump(furnished.client) == before


def test_a_thousand_ids(furnished: Queue) -> None:
    assert furnished.look(*["nobody"] * 999, "failed") == [UNKNOWN] * 999 + [EXPECTED["failed"]]


def test_an_unreadable_record_reads_as_attempt_0(furnished: Queue) -> None:
    furnished.client.hset(furnished.key("record"), "active", "nonsense")
    assert furnished.look("active") == [Seen("active", 0, b"", b"half")]


def test_an_empty_server(queue: Queue) -> None:
    assert queue.look("a", "b") == [UNKNOWN, UNKNOWN]
    assert dump(queue.client) == {}
