"""The envelope that a worker hands over when a job of a chain or group has succeeded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from .envelope import Envelope, convert
from .errors import Malformed
from .scripts import Accept
from .values import Encoding, check_value, decode_object, encode, nearest

# A result gains levels when it becomes an argument. [FLOW-4]
THEN_DEPTH = 30
JOIN_DEPTH = 28


class Next(NamedTuple):
    """The next job of a workflow, ready for `pass`."""

    queue: str
    job: Accept


def accept(envelope: Envelope, data: bytes) -> Accept:
    """Return what enqueue needs of an envelope and its bytes. [PROD-1]"""
    return Accept(envelope.id, data, envelope.run_at or 0, envelope.policy.max_attempts, envelope.priority)


def next_of_chain(envelope: Envelope, result: Any, encoding: Encoding) -> Next:
    """Build the first step of `then` from the stored result; raise TooLarge or ValueRefused. [FLOW-6]"""
    return _hand_over(envelope, envelope.then, result, encoding)


def next_of_group(envelope: Envelope, values: Sequence[bytes], encoding: Encoding) -> Next:
    """Build the callback of a complete group from its members' outcomes; raise TooLarge or ValueRefused. [FLOW-8]"""
    if envelope.join is None:
        raise Malformed("join: expected a member of a group [FLOW-8]")
    return _hand_over(envelope, envelope.join.then, [decode_object(value) for value in values], encoding)


def _hand_over(envelope: Envelope, steps: Sequence[dict[str, Any]], result: Any, encoding: Encoding) -> Next:
    fields = {name: member for name, member in steps[0].items() if member is not None}
    if fields.pop("pass_result", True):
        fields["args"] = [result, *fields.get("args", [])]
    fields["jobwire"] = envelope.jobwire
    fields["parent_id"] = envelope.id
    fields["root_id"] = envelope.root_id or envelope.id
    if len(steps) > 1:
        fields["then"] = list(steps[1:])
    # What came from a peer may hold 1e20 in digits, which is no integer to refuse. [VAL-2]
    fields = nearest(fields)
    check_value(fields, "next envelope")
    known = convert(fields)
    return Next(known.queue, accept(known, encode(fields, encoding, "next envelope")))
