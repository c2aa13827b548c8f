"""Documents to begin from, in both encodings, written by libraries that are not the reference's."""

import json
from typing import Any

import msgpack

from jobwire.values import Encoding

LARGEST = 2**53 - 1
JOB: dict[str, Any] = {"jobwire": "1.0", "id": "a", "type": "t", "queue": "q"}
STEP: dict[str, Any] = {"id": "b", "type": "t", "queue": "q"}
JOIN: dict[str, Any] = {"group": "g", "index": 0, "size": 2, "then": [STEP]}
OUTCOME: dict[str, Any] = {"jobwire": "1.0", "id": "a", "state": "succeeded", "attempt": 1, "finished_at": 7}
ERROR: dict[str, Any] = {"code": "handler_error", "message": "no"}
# A name that a case can give to a member that is to be left out.
ABSENT: Any = ...


def without_absent(value: dict[str, Any]) -> dict[str, Any]:
    return {name: member for name, member in value.items() if member is not ABSENT}


def pack(value: Any, encoding: Encoding) -> bytes:
    """Encode by the independent library."""
    return json.dumps(value).encode() if encoding is Encoding.JSON else msgpack.packb(value)


def unpack(data: bytes, encoding: Encoding) -> Any:
    """Decode by the independent library."""
    return json.loads(data) if encoding is Encoding.JSON else msgpack.unpackb(data)


def job(encoding: Encoding = Encoding.JSON, **members: Any) -> bytes:
    """Return the envelope of the smallest job with these members."""
    return pack(without_absent(JOB | members), encoding)


def outcome(encoding: Encoding = Encoding.JSON, **members: Any) -> bytes:
    """Return a succeeded outcome with these members."""
    return pack(without_absent(OUTCOME | members), encoding)


def nested(levels: int) -> Any:
    """Return arrays inside one another; of depth `levels`."""
    value: Any = None
    for _ in range(levels):
        value = [value]
    return value
