"""
A Redis or Valkey Cluster for tests: real nodes on loopback, joined by commands.

`Cluster` has some masters, and a replica for each if wanted. `move` gives a slot to another master,
completely, or half of the way. Nothing here knows the package.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import redis
from harness import eventually
from ports import free_port
from redis.crc import key_slot
from redis_parts import RedisServer

SLOTS = 16_384


class Cluster:
    """
    Masters and replicas; a context manager.

    Attributes:
        masters: the nodes that have the slots at first.
        replicas: one for each master, in the same order; empty if not wanted.
        url: for the service.
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        masters: int = 3,
        replicas: bool = False,
        node_timeout_ms: int = 1000,
        binary: Path | None = None,
        client: dict[str, Any] | None = None,
    ) -> None:
        """Prepare the nodes; *client*: what a client of a node needs besides its port."""
        self._client = client or {}
        self._stack = ExitStack()

        # The cluster bus would use the port plus 10,000, which may be too high.
        self._buses: dict[int, int] = {}

        def node(name: str) -> RedisServer:
            bus = free_port()
            made = RedisServer(
                folder / name,
                *("--cluster-enabled", "yes", "--cluster-port", str(bus)),
                *("--cluster-node-timeout", str(node_timeout_ms)),
                *(
                    "--cluster-require-full-coverage",
                    "no",
                    "--cluster-replica-validity-factor",
                    "0",
                ),
                *("--cluster-allow-replica-migration", "no", "--repl-diskless-sync-delay", "0"),
                *options,
                binary=binary,
            )
            self._buses[made.port] = bus
            return made

        self.masters = [node(f"m{number}") for number in range(masters)]
        self.replicas = [node(f"r{number}") for number in range(masters if replicas else 0)]
        self.url = self.url_of(*self.masters)

    def url_of(self, *nodes: RedisServer) -> str:
        """Return the URL that names *nodes*."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)

    def client(self, node: RedisServer) -> redis.Redis:
        """Return a client of one *node*."""
        return node.client(**self._client)

    def start(self) -> Self:
        """Start all nodes, and wait until each node knows all others."""
        nodes = [*self.masters, *self.replicas]
        for node in nodes:
            self._stack.enter_context(node)
        share = -(-SLOTS // len(self.masters))
        for at, node in enumerate(self.masters):
            first, last = at * share, min(SLOTS, (at + 1) * share) - 1
            with self.client(node) as client:
                client.execute_command("CLUSTER SET-CONFIG-EPOCH", at + 1)
                client.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
        with self.client(nodes[0]) as client:
            for node in nodes[1:]:
                bus = self._buses[node.port]
                client.execute_command("CLUSTER MEET", "127.0.0.1", node.port, bus)
        eventually(lambda: all(self._knows(node, len(nodes)) for node in nodes), every=0.02)
        for master, replica in zip(self.masters, self.replicas, strict=False):
            with self.client(replica) as client:
                client.execute_command("CLUSTER REPLICATE", self.id_of(master))
        eventually(lambda: all(map(self._follows, self.replicas)), every=0.05)
        return self

    def _knows(self, node: RedisServer, nodes: int) -> bool:
        """Say whether *node* knows this number of *nodes*, and the owners of all slots."""
        with self.client(node) as client:
            told = client.execute_command("CLUSTER INFO")
        wanted = {
            "cluster_state": "ok",
            "cluster_known_nodes": str(nodes),
            "cluster_slots_ok": str(SLOTS),
        }
        return bool(wanted.items() <= told.items())

    def _follows(self, replica: RedisServer) -> bool:
        with self.client(replica) as client:
            return bool(client.info("replication").get("master_link_status") == "up")

    def is_master(self, node: RedisServer) -> bool:
        """Say whether *node* itself says that it is a master."""
        with self.client(node) as client:
            role = client.role()[0]
        return role in {b"master", "master"}

    def id_of(self, node: RedisServer) -> str:
        """Return the id of *node* in the cluster."""
        with self.client(node) as client:
            found = client.execute_command("CLUSTER MYID")
        return found.decode() if isinstance(found, bytes) else str(found)

    def master_of(self, key: str) -> RedisServer:
        """Return which of the first masters has the slot of *key* now."""
        slot = key_slot(key.encode())
        for node in self._running():
            with self.client(node) as client:
                raw = client.execute_command("CLUSTER NODES")
            for at, known in raw.items():
                port = int(at.rpartition(":")[2])
                if "master" in known["flags"] and any(
                    int(span[0]) <= slot <= int(span[-1]) for span in known["slots"]
                ):
                    return next(each for each in self._all() if each.port == port)
        raise LookupError(key)

    def _all(self) -> list[RedisServer]:
        return [*self.masters, *self.replicas]

    def _running(self) -> list[RedisServer]:
        return [node for node in self._all() if node.process is not None]

    def begin_move(self, key: str, to: RedisServer) -> RedisServer:
        """Begin to move the slot of *key* to the master *to*; return its present master."""
        slot, source = key_slot(key.encode()), self.master_of(key)
        with self.client(to) as client:
            client.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", self.id_of(source))
        with self.client(source) as client:
            client.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", self.id_of(to))
        return source

    def move_keys(self, key: str, source: RedisServer, to: RedisServer, most: int = 1000) -> int:
        """Move at most *most* keys of the slot of *key*; return their number."""
        slot = key_slot(key.encode())
        with self.client(source) as client:
            keys = client.execute_command("CLUSTER GETKEYSINSLOT", slot, most)
            if keys:
                client.execute_command(
                    *("MIGRATE", "127.0.0.1", to.port, "", 0, 5000, "KEYS", *keys)
                )
        return len(keys)

    def end_move(self, key: str, source: RedisServer, to: RedisServer) -> None:
        """Make the master *to* the owner of the slot of *key*."""
        slot, id_ = key_slot(key.encode()), self.id_of(to)
        for node in (to, source):
            with self.client(node) as client:
                client.execute_command("CLUSTER SETSLOT", slot, "NODE", id_)

    def move(self, key: str, to: RedisServer) -> None:
        """Move the slot of *key* and all its keys to the master *to*."""
        source = self.begin_move(key, to)
        while self.move_keys(key, source, to):
            pass
        self.end_move(key, source, to)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self._stack.close()
            raise

    def __exit__(self, *_: object) -> None:
        self._stack.close()
