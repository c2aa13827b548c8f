"""Real clusters of two nodes."""

import contextlib
from collections.abc import Iterator

import redis

from tests.servers import Server, running, until

SLOTS = 16_384


class Cluster:
    """Nodes that share the slots evenly."""

    def __init__(self, nodes: list[Server], clients: list[redis.Redis]) -> None:
        self.clients = clients
        self.ports = {client: node.port for client, node in zip(clients, nodes, strict=True)}
        share = SLOTS // len(nodes)
        for number, client in enumerate(clients):
            client.cluster("set-config-epoch", number + 1)
            client.cluster("addslotsrange", number * share, (number + 1) * share - 1)
        for node in nodes[1:]:
            clients[0].cluster("meet", "127.0.0.1", node.port)
        until(lambda: all(self._agrees(client) for client in clients), within_ms=30_000)

    def _agrees(self, client: redis.Redis) -> bool:
        info = client.cluster("info")
        return (info["cluster_state"], info["cluster_known_nodes"]) == ("ok", str(len(self.clients)))

    def slot(self, name: str) -> int:
        slot: int = self.clients[0].cluster("keyslot", f"{{{name}}}")
        return slot

    def owner(self, name: str) -> redis.Redis:
        return self.clients[self.slot(name) * len(self.clients) // SLOTS]

    def other(self, name: str) -> redis.Redis:
        return next(client for client in self.clients if client is not self.owner(name))

    def start_to_move(self, name: str) -> tuple[redis.Redis, redis.Redis]:
        """Begin to move the slot of a queue, and return its old and its new node."""
        source, target = self.owner(name), self.other(name)
        target.cluster("setslot", self.slot(name), "IMPORTING", source.cluster("myid"))
        source.cluster("setslot", self.slot(name), "MIGRATING", target.cluster("myid"))
        return source, target


@contextlib.contextmanager
def running_cluster(engine: str) -> Iterator[Cluster]:
    """Run two nodes that share the slots."""
    with contextlib.ExitStack() as stack:
        options = {"cluster_enabled": "yes", "cluster_node_timeout": "5000"}
        nodes = [stack.enter_context(running(engine, **options)) for _ in range(2)]
        yield Cluster(nodes, [stack.enter_context(node.client()) for node in nodes])
