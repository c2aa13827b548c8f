"""The states of a job and the moves between them: SPEC section 6, once."""

from __future__ import annotations

import enum
from typing import NamedTuple


class State(enum.Enum):
    """Where a job is."""

    SCHEDULED = "scheduled"
    READY = "ready"
    ACTIVE = "active"
    FAILED = "failed"
    SUCCEEDED = "succeeded"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


class Event(enum.Enum):
    """What happens to a job."""

    ENQUEUE = "enqueue"
    DUE = "due"
    CLAIM = "claim"
    EXTEND = "extend"
    DECIDE = "settle decide"
    SUCCEED = "settle succeed"
    EXPIRE = "settle expire"
    SETTLE_CANCEL = "settle cancel"
    FAIL = "settle fail"
    RETRY = "settle retry"
    RELEASE = "settle release"
    LEASE_OVER = "lease over"
    CANCEL = "cancel"
    REQUEUE = "requeue"
    DELETE = "retention over, purge"


class Verb(enum.StrEnum):
    """What a settle asks for."""

    SUCCEED = "succeed"
    EXPIRE = "expire"
    CANCEL = "cancel"
    FAIL = "fail"
    RETRY = "retry"
    RELEASE = "release"
    DECIDE = "decide"


class Transition(NamedTuple):
    """One row of the table: the first that matches holds; `to` is empty where the job stays as it is."""

    sources: tuple[State, ...]
    event: Event
    when: str
    to: State | None


_S, _E = State, Event

TRANSITIONS = (
    Transition((), _E.ENQUEUE, "run_at later than now", _S.SCHEDULED),
    Transition((), _E.ENQUEUE, "", _S.READY),
    Transition((_S.SCHEDULED,), _E.DUE, "", _S.READY),
    Transition((_S.READY,), _E.CLAIM, "", _S.ACTIVE),
    Transition((_S.ACTIVE,), _E.EXTEND, "", _S.ACTIVE),
    Transition((_S.ACTIVE,), _E.DECIDE, "", _S.ACTIVE),
    Transition((_S.ACTIVE,), _E.SUCCEED, "", _S.SUCCEEDED),
    Transition((_S.ACTIVE,), _E.EXPIRE, "", _S.EXPIRED),
    Transition((_S.ACTIVE,), _E.SETTLE_CANCEL, "", _S.CANCELLED),
    Transition((_S.ACTIVE,), _E.FAIL, "", _S.FAILED),
    Transition((_S.ACTIVE,), _E.RETRY, "cancel requested, not decided", _S.ACTIVE),
    Transition((_S.ACTIVE,), _E.RETRY, "", _S.SCHEDULED),
    Transition((_S.ACTIVE,), _E.RELEASE, "", _S.READY),
    Transition((_S.ACTIVE,), _E.LEASE_OVER, "flagged, attempt >= max_attempts + 3", _S.FAILED),
    Transition((_S.ACTIVE,), _E.LEASE_OVER, "flagged", _S.ACTIVE),
    Transition((_S.ACTIVE,), _E.LEASE_OVER, "attempt >= max_attempts", _S.FAILED),
    Transition((_S.ACTIVE,), _E.LEASE_OVER, "", _S.ACTIVE),
    Transition((_S.SCHEDULED, _S.READY, _S.ACTIVE, _S.FAILED), _E.CANCEL, "decided", None),
    Transition((_S.SCHEDULED, _S.READY), _E.CANCEL, "", _S.CANCELLED),
    Transition((_S.ACTIVE,), _E.CANCEL, "", _S.ACTIVE),
    Transition((_S.FAILED,), _E.CANCEL, "", None),
    Transition((_S.FAILED,), _E.REQUEUE, "", _S.READY),
    Transition((_S.FAILED,), _E.DELETE, "", _S.UNKNOWN),
)

# States that no event leads out of.
FINAL = frozenset(State) - {source for row in TRANSITIONS for source in row.sources}

# States whose outcome answers a wait. [WAIT-4]
ENDED = FINAL - {State.UNKNOWN} | {State.FAILED}
