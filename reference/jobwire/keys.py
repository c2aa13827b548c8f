"""Every key name of a queue. SPEC section 7.1."""

from __future__ import annotations

from functools import lru_cache

from .envelope import check_namespace, check_queue

NAMES = ("jobs", "record", "ready", "scheduled", "active", "failed", "outcomes", "progress", "control", "wake")


class QueueKeys:
    """The keys of one queue: `base` holds KEYS 1 to 10 in the order of every script."""

    __slots__ = ("_result", "base", "prefix", "queue")

    def __init__(self, namespace: str, queue: str) -> None:
        self.queue = check_queue(queue)
        self.prefix = f"{check_namespace(namespace)}:{{{queue}}}:"
        self.base = tuple(self.prefix + name for name in NAMES)
        self._result = self.prefix + "result:"

    def __getitem__(self, name: str) -> str:
        """Return the key called `name` in SPEC's table."""
        return self.base[NAMES.index(name)]

    def result(self, job_id: str) -> str:
        """Return the key, and the channel, of the outcome of one id."""
        return self._result + job_id

    def join(self, group: str) -> str:
        """Return the key of a group whose callback runs in this queue."""
        return f"{self.prefix}join:{group}"


@lru_cache(maxsize=4096)
def queue_keys(namespace: str, queue: str) -> QueueKeys:
    """Return the keys of a queue; raise Invalid on a bad name."""
    return QueueKeys(namespace, queue)


def control_pattern(namespace: str) -> str:
    """Return the pattern that finds the `control` key of every queue of a namespace."""
    return f"{namespace}:{{*}}:control"


def queue_of(key: str) -> str:
    """Return the queue that a key belongs to."""
    return key[key.index("{") + 1 : key.index("}")]
