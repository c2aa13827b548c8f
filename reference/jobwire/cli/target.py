"""Which server and namespace the commands of one invocation speak to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..defaults import DEFAULT_NAMESPACE

if TYPE_CHECKING:
    from ..app import Jobwire
    from ..keys import QueueKeys


class Target:
    """The global options, and the client that they give."""

    def __init__(self) -> None:
        self.url: str | None = None
        self.namespace: str | None = None
        self.debug = False
        self._app: Jobwire | None = None

    def app(self, encoding: str = "json") -> Jobwire:
        """Return a client of a server that answers; raise Unavailable at once if none does."""
        from ..app import Jobwire

        if self._app is None:
            self._app = Jobwire(self.url, namespace=self.namespace or DEFAULT_NAMESPACE, encoding=encoding)
            self._app.store.read("PING")
        return self._app

    def keys(self, queue: str) -> QueueKeys:
        """Return the keys of a queue."""
        from ..keys import queue_keys

        return queue_keys(self.namespace or DEFAULT_NAMESPACE, queue)

    def close(self) -> None:
        """Close the client's connections."""
        if self._app is not None:
            self._app.close()
            self._app = None
