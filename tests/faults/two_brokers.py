"""A Kafka of two brokers, each behind a link of its own: one can be cut off while the other is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.cimpl import NewTopic

from consumer.postgres.migrate import migrate
from tests.faults.trial import Trial
from tests.faults.world import World
from tests.services import open_toxiproxy
from tests.services.kafka.local import LocalKafka
from tests.services.server_process import LOOPBACK, free_port
from tests.services.toxiproxy import Link


class TwoBrokers(World):
    """PostgreSQL as before; `links` by the broker's id."""

    def __init__(self, world: World, first: LocalKafka, second: LocalKafka, links: Mapping[int, Link]) -> None:
        super().__init__(first, world.postgres, links[1], world.postgres_link)
        self._second, self.links = second, links

    @property
    def bootstrap_servers(self) -> str:
        return ",".join(f"{LOOPBACK}:{link.port}" for link in self.links.values())

    @property
    def direct(self) -> str:
        """Both brokers without links."""
        return f"{self.kafka.bootstrap_servers},{self._second.bootstrap_servers}"


class OnOneBroker(Trial):
    """A trial whose input is not on the broker that coordinates its group."""

    def __init__(self, world: TwoBrokers, topic: str, folder: Path, seed: int) -> None:
        super().__init__(world, topic, folder, seed)
        self.coordinator = 0
        self.wait(self._knows_coordinator, "the group has a coordinator")

    def _knows_coordinator(self) -> bool:
        try:
            answer = self.admin.describe_consumer_groups([self.group], request_timeout=10.0)[self.group].result(10.0)
        except KafkaException:
            return False  # Its topic is being made.
        self.coordinator = int(answer.coordinator.id)
        return True

    def create(self, partitions: int, **topic_config: str) -> None:
        leader = 3 - self.coordinator
        topic = NewTopic(self.topic, partitions, replica_assignment=[[leader]] * partitions, config=topic_config)
        self.admin.create_topics([topic])[self.topic].result(10.0)
        migrate(self.dsn)


@contextmanager
def two_brokers(world: World) -> Iterator[TwoBrokers]:
    """Brokers that end with the body; the rest is the world's."""
    with ExitStack() as closing:
        proxy = open_toxiproxy()
        closing.callback(proxy.close)
        ports = {1: free_port(), 2: free_port()}
        first = LocalKafka({}, ports[1])
        closing.callback(first.close)
        first.start()
        second = LocalKafka({}, ports[2], joins=first)
        closing.callback(second.close)
        second.start()
        nodes = {1: first, 2: second}
        links = {id_: proxy.link(f"broker-{id_}", node.behind_proxy, ports[id_]) for id_, node in nodes.items()}
        yield TwoBrokers(world, first, second, links)
