"""Answer every request in one and the same way, whatever it asks for: the first argument says how."""

from __future__ import annotations

import base64
import json
import sys
from typing import Any

EMPTY = base64.b64encode(b"{}").decode()
ERROR = {"code": "invalid", "field": "id"}

Answers = dict[str, dict[str, Any]]
ANSWERS: dict[str, Answers] = {
    "accepting": {"decode": {"job": {}}, "encode": {"bytes": EMPTY}, "delay": {"ms": [0, 0]}},
    "rejecting": {op: {"error": ERROR} for op in ("decode", "encode", "delay")},
    "malforming": {op: {"error": {"code": "malformed"}} for op in ("decode", "encode", "delay")},
    "pretending": {op: {"status": "accepted"} for op in ("enqueue", "wait", "cancel")},
    "refusing": {"enqueue": {"status": "refused"}, "wait": {"timeout": True}, "cancel": {"status": "unknown"}},
    "agreeing": {},
    "echoing": {},
}


def answer(kind: str, request: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of this kind of adapter."""
    if request["op"] == "hello":
        roles = ["codec", "producer"]
        profiles = ["core", "cancel", "progress", "workflow"]
        return {"name": kind, "version": "1.0.0", "spec": "1.0", "roles": roles, "profiles": profiles}
    if kind == "echoing":
        return request
    if kind == "agreeing":
        return {"ok": True}
    return ANSWERS[kind].get(request["op"], {"unsupported": True})


def main() -> None:
    """Answer requests until the input ends."""
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps({**answer(sys.argv[1], request), "ref": request["ref"]}), flush=True)


if __name__ == "__main__":
    main()
