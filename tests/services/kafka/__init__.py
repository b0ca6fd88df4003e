"""A Kafka for tests, whatever form it comes in."""

from abc import abstractmethod
from collections.abc import Mapping

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.services.service import Service, wait_until

IMAGE = "apache/kafka:4.1.0"  # As in docker-compose.yml.

_MEBIBYTE = 1024 * 1024

BROKER_SETTINGS: Mapping[str, str] = {
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "min.insync.replicas": "1",
    # A killed broker that comes back is let in when its former life has timed out: 9 s by default.
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "3000",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    # Change events of 100 MB must get in; the request is larger than what it carries.
    "message.max.bytes": str(120 * _MEBIBYTE),
    "replica.fetch.max.bytes": str(120 * _MEBIBYTE),
    "socket.request.max.bytes": str(150 * _MEBIBYTE),
}


class KafkaService(Service):
    """An Apache Kafka with transactions that tests and bench may fill."""

    @property
    @abstractmethod
    def bootstrap_servers(self) -> str:
        """`host:port`, the same after a restart."""

    @property
    def behind_proxy(self) -> str:
        """`host:port` of the listener that a proxy is to be put in front of; only of a server started with one."""
        raise NotImplementedError(f"{type(self).__name__} was not started with a proxy")

    def create_topic(self, name: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> None:
        """Create the topic and wait until every partition has a leader. Raises KafkaException."""
        admin = self._admin()
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=dict(config or {}))
        admin.create_topics([topic])[name].result(timeout=30.0)
        wait_until(lambda: self._led_partitions(admin, name) == partitions, timeout_s=30.0, what=f"leaders of {name}")

    def delete_topic(self, name: str) -> None:
        """Delete the topic and wait until it is gone. Raises KafkaException."""
        admin = self._admin()
        admin.delete_topics([name])[name].result(timeout=30.0)
        wait_until(lambda: name not in admin.list_topics(timeout=10.0).topics, timeout_s=30.0, what=f"{name} is gone")

    def answers(self) -> bool:
        """Whether the broker lists its topics."""
        try:
            return bool(self._admin().list_topics(timeout=1.0).brokers)
        except KafkaException:
            return False

    def _admin(self) -> AdminClient:
        # "log_level" 0: that a broker which is starting refuses connections is no news.
        return AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})

    @staticmethod
    def _led_partitions(admin: AdminClient, name: str) -> int:
        topic = admin.list_topics(timeout=10.0).topics.get(name)
        return sum(partition.leader >= 0 for partition in topic.partitions.values()) if topic else 0


def listeners(inside: str, outside: str, controller: str, proxy: tuple[str, str] | None) -> dict[str, str]:
    """Where a node listens and what it advertises; `proxy`: where it listens behind one, and where that is found.

    `controller`: where it is one; a node that is a broker only has none.
    """
    listening = {"PLAINTEXT": inside, **({"CONTROLLER": controller} if controller else {})}
    advertised = {"PLAINTEXT": outside}
    if proxy is not None:
        listening["PROXIED"], advertised["PROXIED"] = proxy
    return {
        "listeners": ",".join(f"{name}://{place}" for name, place in listening.items()),
        "advertised.listeners": ",".join(f"{name}://{place}" for name, place in advertised.items()),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in {**listening, "CONTROLLER": ""}),
    }


class GivenKafka(KafkaService):
    """A Kafka that somebody else runs; it is neither started nor stopped here."""

    def __init__(self, bootstrap_servers: str):
        self._bootstrap_servers = bootstrap_servers

    @property
    def bootstrap_servers(self) -> str:
        return self._bootstrap_servers

    def start(self) -> None:
        wait_until(self.answers, timeout_s=30.0, what=f"Kafka at {self._bootstrap_servers} answers")

    def stop(self) -> None:
        """Leave it running."""
