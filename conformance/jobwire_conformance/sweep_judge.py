"""Say what has to become of the jobs of a dead worker, and whether it did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .cases.matching import difference, matches, render

ENDED = ("finished", "failed")


@dataclass(frozen=True)
class End:
    """How a job ends if nothing stops it: its state, its document, how often its handler starts."""

    queue: str
    state: str
    document: Any
    starts: Any


@dataclass(frozen=True)
class Found:
    """What is known of a job: its state, its record, its document."""

    state: str
    attempt: int = 0
    most: int = 3
    flags: str = "-"
    document: Any = None

    @property
    def is_settled(self) -> bool:
        """Whether its handler has no say any more: it has ended, was decided or cancelled."""
        return self.state in ENDED or self.flags != "-"

    @property
    def is_spent(self) -> bool:
        """Whether its worker died in its last attempt."""
        return self.state == "active" and self.flags == "-" and self.attempt >= self.most


@dataclass(frozen=True)
class Problem:
    """What went wrong with one job, and the requirement that forbids it; none: that of the command."""

    requirement: str | None
    expected: str
    got: str


LAPSED = {"state": "failed", "error": {"code": "lease_expired"}}


def expected(ends: Mapping[str, End], left: Mapping[str, Found], enqueued: Sequence[str]) -> dict[str, End]:
    """Return how each job has to end after what the dead worker left."""
    found: dict[str, End] = {}
    stopped = False
    for id, end in ends.items():
        if left[id].is_spent:
            stopped = True
            found[id] = End(end.queue, "failed", LAPSED, {"at_most": left[id].attempt})
        elif stopped and id not in enqueued and left[id].state == "unknown":
            found[id] = End(end.queue, "unknown", {"absent": True}, 0)
        else:
            found[id] = end
    return found


def problems(
    ends: Mapping[str, End],
    left: Mapping[str, Found],
    now: Mapping[str, Found],
    events: Sequence[dict[str, Any]],
    second: str,
) -> Iterator[Problem]:
    """Yield what is not as it has to be with the jobs of one dead worker; `second` is the worker after it."""
    for id, end in ends.items():
        starts = [event for event in events if event.get("log") == "start" and event["id"] == id]
        again = [event for event in starts if event["worker"] == second]
        yield from _of_its_end(id, end, left[id], now[id])
        yield from _of_its_runs(id, end, left[id], starts, again)
        yield from _of_its_settling(id, events)
    yield from _of_hand_overs(ends, now, events)


def _of_its_end(id: str, end: End, left: Found, now: Found) -> Iterator[Problem]:
    if now.state != end.state:
        # Nobody has enqueued it: the job before it was closed, and handed nothing over.
        never = "FLOW-3" if now.state == left.state == "unknown" else None
        yield Problem(never, f"{id} to end {end.state}", f"{now.state}, attempt {now.attempt} of {now.most}")
        return
    if end.state == "unknown":
        return
    wrong = difference(end.document, now.document, "document")
    if wrong:
        yield Problem(None, f"{id}: {wrong.path} {wrong.expected}", wrong.got)
    stands = left.state in ENDED or "s" in left.flags
    if stands and left.document != now.document:
        yield Problem("FLOW-12", f"{id} to keep its outcome {render(left.document)}", render(now.document))


def _of_its_runs(
    id: str, end: End, left: Found, starts: Sequence[dict[str, Any]], again: Sequence[dict[str, Any]]
) -> Iterator[Problem]:
    wrong = difference(end.starts, len(starts))
    if wrong:
        yield Problem(None, f"the handler of {id} to start {wrong.expected} times", wrong.got)
    if left.is_settled and again:
        what = left.state if left.state in ENDED else {"c": "cancelled"}.get(left.flags, "decided")
        yield Problem("RUN-1", f"no run of {id}, which was {what} before", f"started in attempt {again[0]['attempt']}")
    elif again and again[0]["attempt"] != left.attempt + 1:
        counted = f"the next run of {id} to be attempt {left.attempt + 1}"
        yield Problem("RUN-10", counted, f"attempt {again[0]['attempt']}")


def _of_its_settling(id: str, events: Sequence[dict[str, Any]]) -> Iterator[Problem]:
    ending = {"verb": {"one_of": ["succeed", "fail", "cancel", "expire"]}}
    done = [event for event in events if matches({"call": "settle", "id": id, "answer": "done"} | ending, event)]
    if len(done) > 1:
        yield Problem("LEASE-3", f"one end of {id}", ", ".join(event["verb"] for event in done))


def _of_hand_overs(
    ends: Mapping[str, End], now: Mapping[str, Found], events: Sequence[dict[str, Any]]
) -> Iterator[Problem]:
    for event in events:
        if event.get("call") != "pass" or event.get("id") not in ends or not isinstance(event.get("envelope"), dict):
            continue
        id, envelope = event["id"], event["envelope"]
        parent = now.get(envelope.get("parent_id"))
        if parent is None or parent.state != "finished":
            continue
        first = (envelope.get("args") or [None])[0]
        result = parent.document.get("result")
        if _is_of_group(first):
            wanted, got = _outcomes(first, now), first
        else:
            wanted, got = result, first
        if wanted != got:
            yield Problem("FLOW-5", f"{id} to be handed {render(wanted)}, which was stored", render(got))


def _is_of_group(first: Any) -> bool:
    return isinstance(first, list) and bool(first) and all(isinstance(each, dict) and "state" in each for each in first)


def _outcomes(given: Sequence[dict[str, Any]], now: Mapping[str, Found]) -> list[Any]:
    """Return the outcomes that the members have ended with; of one that has not, what was given."""
    members = [now.get(each.get("id", "")) for each in given]
    pairs = zip(given, members, strict=True)
    return [member.document if member and member.state == "finished" else each for each, member in pairs]
