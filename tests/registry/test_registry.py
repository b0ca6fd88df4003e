"""The schema registry's client on a real Apicurio: what it finds, what it waits for, and what it gives up."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient

from consumer.errors import ConfigError, Fatal, MalformedRecord, SchemaPending
from consumer.formats.avro_schemas import AvroSchema
from consumer.formats.wire import IdKind, SchemaId
from consumer.kafka.registry import Registry
from tests.services import RegistryService, open_registry

pytestmark = pytest.mark.all

MONEY = '{"type":"record","name":"Money","namespace":"n","fields":[{"name":"amount","type":"long"}]}'
ORDER = '{"type":"record","name":"Order","namespace":"n","fields":[{"name":"total","type":"n.Money"}]}'


class Clock:
    """Time that tests move."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


Connect = Callable[..., Registry]


@pytest.fixture(scope="module")
def registry() -> Iterator[RegistryService]:
    with closing(open_registry()) as service:
        yield service


@pytest.fixture
def own_registry() -> Iterator[RegistryService]:
    with closing(open_registry(private=True)) as service:
        yield service


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes clients, which are closed behind the test."""
    with ExitStack() as closing_all:

        def connected(url: str, clock: Clock | None = None, **settings: object) -> Registry:
            client = Registry({"url": url, **settings}, clock or Clock())
            closing_all.callback(client.close)
            return client

        yield connected


def confluent(number: int) -> SchemaId:
    return SchemaId(IdKind.CONFLUENT, number)


def registered(registry: RegistryService, subject: str, text: str) -> int:
    with SchemaRegistryClient({"url": registry.confluent_api}) as client:
        number: int = client.register_schema(subject, Schema(text, "AVRO"))
    return number


def test_a_schema_is_found_by_the_id_of_the_wire_format(connect: Connect, registry: RegistryService) -> None:
    number = registered(registry, "money-value", MONEY)
    for url in (registry.confluent_api, registry.confluent_api + "/", registry.own_api):
        [text] = connect(url).texts(confluent(number))
        assert json.loads(text) == json.loads(MONEY)


@pytest.mark.parametrize("kind", [IdKind.GLOBAL, IdKind.CONTENT])
def test_a_schema_is_found_by_apicurios_ids(connect: Connect, registry: RegistryService, kind: IdKind) -> None:
    registered(registry, "money-value", MONEY)
    found = registry.ask("/apis/registry/v2/groups/default/artifacts/money-value/meta")
    for url in (registry.confluent_api, registry.own_api):
        [text] = connect(url).texts(SchemaId(kind, found[str(kind)]))
        assert json.loads(text) == json.loads(MONEY)


def test_a_schema_that_refers_to_another_comes_with_it(connect: Connect, registry: RegistryService) -> None:
    registered(registry, "money-value", MONEY)
    order = Schema(ORDER, "AVRO", [SchemaReference("n.Money", "money-value", 1)])
    with SchemaRegistryClient({"url": registry.confluent_api}) as client:
        number = client.register_schema("order-value", order)
    texts = connect(registry.confluent_api).texts(confluent(number))
    assert AvroSchema(texts).read(b"\x0e") == {"total": {"amount": 7}}


def test_an_id_that_nobody_knows_is_waited_for_and_then_given_up(connect: Connect, registry: RegistryService) -> None:
    clock = Clock()
    client = connect(registry.confluent_api, clock)
    for after_s in (0.0, 0.5, 2.0, 29.0):
        clock.now_s = 100.0 + after_s
        with pytest.raises(SchemaPending):
            client.texts(confluent(987_654))
    clock.now_s = 130.0
    with pytest.raises(MalformedRecord, match="knows no schema with id 987654"):
        client.texts(confluent(987_654))


def test_a_schema_that_comes_late_is_found(connect: Connect, registry: RegistryService) -> None:
    clock = Clock()
    client = connect(registry.confluent_api, clock)
    next_number = registered(registry, "late-1", MONEY.replace("Money", "Late1")) + 1
    with pytest.raises(SchemaPending):
        client.texts(confluent(next_number))
    assert registered(registry, "late-2", MONEY.replace("Money", "Late2")) == next_number
    clock.now_s += 2.0
    assert "Late2" in client.texts(confluent(next_number))[0]


def test_a_registry_that_is_away_is_waited_for(connect: Connect, own_registry: RegistryService) -> None:
    clock = Clock()
    client = connect(own_registry.confluent_api, clock, timeout=2)
    number = registered(own_registry, "money-value", MONEY)
    client.texts(confluent(number))
    own_registry.terminate()
    assert client.texts(confluent(number))
    for after_s in (1.0, 1.5, 10_000.0):
        clock.now_s = 100.0 + after_s
        with pytest.raises(SchemaPending, match=r"did not answer a moment ago|does not answer"):
            client.texts(confluent(number + 1))


class _Answering(BaseHTTPRequestHandler):
    status = 401

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(b'{"error_code": 40101, "message": "no"}')

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        del format, args


@pytest.mark.parametrize("status", [401, 403])
def test_a_registry_that_refuses_the_program_stops_it(connect: Connect, status: int) -> None:
    handler = type("Refusing", (_Answering,), {"status": status})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(Fatal, match="check its credentials"):
            connect(f"http://127.0.0.1:{server.server_port}").texts(confluent(1))
        server.shutdown()


def test_apicurios_ids_need_apicurios_address(connect: Connect) -> None:
    client = connect("http://127.0.0.1:1")
    with pytest.raises(SchemaPending, match=r"set input\.registry\.url to Apicurio's address"):
        client.texts(SchemaId(IdKind.GLOBAL, 1))


@pytest.mark.parametrize("setting", [{"tiemout": 3}, {"ssl.ca.location": "/nowhere.pem"}])
def test_what_the_client_refuses_is_a_configuration_error(setting: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"input\.registry"):
        Registry({"url": "https://127.0.0.1:1", **setting})
