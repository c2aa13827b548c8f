"""Answer the suite's requests about codec and producer, one JSON object a line."""

from __future__ import annotations

import base64
import json
import sys
import threading
from collections.abc import Callable
from typing import Any

import codec
import common
import fields
from producer import Producer

Request = dict[str, Any]
Answer = dict[str, Any]


class Adapter:
    """Answer requests; those that need the server each in a thread of its own."""

    def __init__(self) -> None:
        self.writing = threading.Lock()
        self.reaching = threading.Lock()
        self.known_producer: Producer | None = None
        self.at_once = {"hello": self.hello, "decode": self.decode, "encode": self.encode, "delay": self.delay}
        self.later = {"enqueue": self.enqueue, "wait": self.wait, "cancel": self.cancel}

    def serve(self) -> None:
        """Read requests until the input ends."""
        for line in sys.stdin:
            request = json.loads(line)
            op = request.get("op")
            if op in self.later:
                threading.Thread(target=self.answer, args=(self.later[op], request), daemon=True).start()
            else:
                self.answer(self.at_once.get(op, self.unsupported), request)

    def answer(self, act: Callable[[Request], Answer], request: Request) -> None:
        """Act, and write the answer as one line."""
        try:
            answer = act(request)
        except codec.Rejected as rejected:
            answer = error(rejected.code, rejected.field)
        except codec.Unwritable as refused:
            answer = error("invalid", refused.field)
        except Exception as failure:
            answer = {"failed": f"{type(failure).__name__}: {failure}"}
        line = json.dumps({"ref": request.get("ref"), **answer})
        with self.writing:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    @property
    def producer(self) -> Producer:
        """Return the producer, made when it is first needed."""
        with self.reaching:
            if self.known_producer is None:
                self.known_producer = Producer()
            return self.known_producer

    def hello(self, request: Request) -> Answer:
        """Say who this is."""
        claimed = sorted(common.profiles())
        roles = ["codec", "producer"]
        return {"name": "specimen", "version": "1.0.0", "spec": "1.0", "roles": roles, "profiles": claimed}

    def decode(self, request: Request) -> Answer:
        """Read an envelope."""
        job = fields.read_job(base64.b64decode(request["bytes"]))
        return {"job": fields.with_defaults(job)}

    def encode(self, request: Request) -> Answer:
        """Write an envelope."""
        data = fields.write_job(request["job"], request["format"])
        return {"bytes": base64.b64encode(data).decode()}

    def delay(self, request: Request) -> Answer:
        """Say how long a retry can wait."""
        lowest, highest = fields.delay_bounds(request["retry"], request["attempt"])
        return {"ms": [lowest, highest]}

    def enqueue(self, request: Request) -> Answer:
        """Enqueue a job."""
        return {"status": self.producer.enqueue(request["job"], request["format"])}

    def wait(self, request: Request) -> Answer:
        """Wait for a job or a workflow."""
        jobs = [(job["queue"], job["id"]) for job in request["jobs"]]
        return self.producer.wait(jobs, request["timeout_ms"])

    def cancel(self, request: Request) -> Answer:
        """Cancel a job."""
        if "cancel" not in common.profiles():
            return {"unsupported": True}
        return {"status": self.producer.cancel(request["queue"], request["id"])}

    def unsupported(self, request: Request) -> Answer:
        """Answer a request of another kind."""
        return {"unsupported": True}


def error(code: str, field: str | None) -> Answer:
    """Return the answer to a document that is rejected or refused."""
    return {"error": {"code": code, "field": field} if field is not None else {"code": code}}


if __name__ == "__main__":
    Adapter().serve()
