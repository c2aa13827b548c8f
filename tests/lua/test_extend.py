"""extend: leases, progress, and the news that somebody wants the job cancelled."""

import pytest

from tests.lua.binding import Held, Queue, dump

NONCE = "0123456789abcdef"


def lease_end(queue: Queue, id: str = "a") -> float | None:
    return queue.client.zscore(queue.key("active"), id)


def held(queue: Queue) -> Held:
    queue.enqueue("a")
    return queue.take(nonce=NONCE, lease_ms=60_000)


@pytest.mark.parametrize("lease_ms", [1000, 15_000, 86_400_000])
def test_the_lease_is_set_to_now_plus_lease_ms_longer_or_shorter(queue: Queue, lease_ms: int) -> None:
    job, before = held(queue), queue.now()
    assert queue.extend((job.id, job.token, b""), lease_ms=lease_ms) == ["ok"]
    assert before <= (lease_end(queue) or 0) - lease_ms <= queue.now()


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ("ok", []),
        ("cancel", ["cancel"]),
        ("ok", ["decide"]),
        ("ok", ["cancel", "decide"]),
        ("ok", ["decide", "cancel"]),
        ("lost", ["retry"]),
        ("lost", ["release"]),
        ("lost", ["fail"]),
        ("lost", ["succeed"]),
        ("cancel", ["cancel", "retry"]),
        ("lost", ["cancel", "release"]),
    ],
)
def test_answers(queue: Queue, expected: str, words: list[str]) -> None:
    job = held(queue)
    for word in words:
        if word == "cancel":
            queue.cancel("a")
        else:
            queue.end(job, word)
    assert queue.extend((job.id, job.token, b"")) == [expected]


@pytest.mark.parametrize(
    ("id", "token"),
    [
        *[
            ("a", token)
            for token in ("", "1.", "1.-", f"2.{NONCE}", f"1.{NONCE} ", f"01.{NONCE}", "1.0123456789abcdeF")
        ],
        *[("ready", "0.-"), ("nobody", "0.-"), ("nobody", f"1.{NONCE}"), ("", "")],
    ],
)
def test_a_wrong_token_is_lost_and_changes_nothing(queue: Queue, id: str, token: str) -> None:
    held(queue)
    queue.enqueue("ready")
    before = dump(queue.client)
    assert queue.extend((id, token, b"half")) == ["lost"]
    assert dump(queue.client) == before


@pytest.mark.parametrize(
    ("expected", "reports"),
    [
        (None, [b""]),
        (b"\x80", [b"\x80"]),
        (b"2", [b"1", b"2"]),
        (b"1", [b"1", b""]),
        (b"p" * 65_536, [b"p" * 65_536]),
        (b"1", [b"1", b"p" * 65_537]),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_progress(queue: Queue, expected: bytes | None, reports: list[bytes]) -> None:
    job = held(queue)
    assert [queue.extend((job.id, job.token, report)) for report in reports] == [["ok"]] * len(reports)
    assert queue.client.hget(queue.key("progress"), "a") == expected


def test_one_lost_job_does_not_touch_its_neighbours(queue: Queue) -> None:
    queue.enqueue(*"abc")
    a, b, c = queue.claim(3).jobs
    queue.cancel("c")
    queue.end(b, "succeed")
    assert queue.extend(*[(job.id, job.token, job.id.encode()) for job in (a, b, c)]) == ["ok", "lost", "cancel"]
    assert queue.client.hgetall(queue.key("progress")) == {b"a": b"a", b"c": b"c"}
    assert lease_end(queue, "b") is None


def test_a_thousand_jobs_in_one_call(queue: Queue) -> None:
    queue.enqueue(*[f"j{number}" for number in range(1000)])
    jobs = queue.claim(1000).jobs
    queue.expire(*[job.id for job in jobs])
    assert queue.extend(*[(job.id, job.token, b"P") for job in jobs]) == ["ok"] * 1000
    assert queue.client.zcount(queue.key("active"), 0, queue.now()) == 0
