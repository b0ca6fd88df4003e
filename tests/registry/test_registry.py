"""The schema registry's client on a real Apicurio: what it finds, what it waits for, and what it gives up."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from time import sleep

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

        def connected(url: str, clock: Clock | None = None, patience_s: float = 60, **settings: object) -> Registry:
            client = Registry({"url": url, **settings}, clock or Clock(), patience_s)
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
    for after_s in (30.0, 30.5, 32.0, 300.0):
        clock.now_s = 100.0 + after_s
        with pytest.raises(MalformedRecord, match="knows no schema with id 987654"):
            client.texts(confluent(987_654))


@pytest.mark.parametrize("kind", [IdKind.GLOBAL, IdKind.CONTENT])
def test_so_are_apicurios_ids(connect: Connect, registry: RegistryService, kind: IdKind) -> None:
    clock = Clock()
    client = connect(registry.own_api, clock)
    with pytest.raises(SchemaPending, match="does not know"):
        client.texts(SchemaId(kind, 987_654))
    clock.now_s += 30.0
    with pytest.raises(MalformedRecord, match=f"knows no schema with {kind} 987654"):
        client.texts(SchemaId(kind, 987_654))


def test_who_was_given_up_is_found_when_it_comes(connect: Connect, registry: RegistryService) -> None:
    clock = Clock()
    client = connect(registry.confluent_api, clock)
    next_number = registered(registry, "given-up-1", MONEY.replace("Money", "GivenUp1")) + 1
    for after_s, verdict in ((0.0, SchemaPending), (31.0, MalformedRecord)):
        clock.now_s = 100.0 + after_s
        with pytest.raises(verdict):
            client.texts(confluent(next_number))
    assert registered(registry, "given-up-2", MONEY.replace("Money", "GivenUp2")) == next_number
    clock.now_s += 1.0
    assert "GivenUp2" in client.texts(confluent(next_number))[0]


def test_each_id_that_is_given_up_makes_the_next_wait_shorter(connect: Connect, registry: RegistryService) -> None:
    clock = Clock()
    client = connect(registry.confluent_api, clock)
    waited = []
    for number in range(900_001, 900_008):
        began_s = clock.now_s
        while True:
            try:
                client.texts(confluent(number))
            except SchemaPending:
                clock.now_s += 1.0
            except MalformedRecord:
                break
        waited.append(clock.now_s - began_s)
    assert waited == [30, 15, 8, 4, 2, 1, 1]


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
        with pytest.raises(SchemaPending, match="does not answer"):
            client.texts(confluent(number + 1))


class _Server(ThreadingHTTPServer):
    """Answers each request with the next of its answers, the last one for ever; None: not before it is let go."""

    daemon_threads = True

    def __init__(self, *answers: tuple[int, bytes] | None) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.answers = list(answers)
        self.let_go = Event()
        self.asked = 0
        Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answering(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.asked += 1
        answer = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        if answer is None:
            self.server.let_go.wait(60)
            answer = (503, b"{}")
        self.send_response(answer[0])
        self.end_headers()
        self.wfile.write(answer[1])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        del format, args


@pytest.fixture
def serve() -> Iterator[Callable[..., _Server]]:
    """Starts servers, which are ended behind the test."""
    with ExitStack() as ending_all:

        def serving(*answers: tuple[int, bytes] | None) -> _Server:
            server = _Server(*answers)
            ending_all.callback(server.server_close)
            ending_all.callback(server.shutdown)
            ending_all.callback(server.let_go.set)
            return server

        yield serving


Serve = Callable[..., _Server]
FOUND = (200, json.dumps({"schema": MONEY}).encode())


@pytest.mark.parametrize("status", [401, 403])
def test_a_registry_that_refuses_the_program_stops_it(connect: Connect, serve: Serve, status: int) -> None:
    with pytest.raises(Fatal, match="check its credentials"):
        connect(serve((status, b'{"error_code": 40101, "message": "no"}')).url).texts(confluent(1))


NO_ANSWERS = [
    (200, b"<html>log in</html>"),
    (404, b"<html>not here</html>"),
    (404, b'{"error_code": 0, "message": "Could not find resource"}'),
    (404, b'{"error_code": 404, "message": "HTTP 404 Not Found"}'),
    (429, b"{}"),
    (500, b"{}"),
    (503, b"no JSON"),
]
# Of Apicurio's own API each of these is a schema, of some language.
NO_CONFLUENT_ANSWERS = [(200, b"{}"), (200, b'{"schema": null}'), (200, b"")]


@pytest.mark.parametrize(
    ("kind", "answer"),
    [(kind, answer) for kind in (IdKind.CONFLUENT, IdKind.GLOBAL) for answer in NO_ANSWERS]
    + [(IdKind.CONFLUENT, answer) for answer in NO_CONFLUENT_ANSWERS],
    ids=str,
)
def test_what_is_no_answer_of_a_registry_is_waited_out(
    connect: Connect, serve: Serve, answer: tuple[int, bytes], kind: IdKind
) -> None:
    clock = Clock()
    found = FOUND if kind is IdKind.CONFLUENT else (200, MONEY.encode())
    client = connect(serve(answer, found).url + "/apis/ccompat/v7", clock)
    with pytest.raises(SchemaPending, match="does not answer"):
        client.texts(SchemaId(kind, 1))
    clock.now_s += 1.0
    assert "Money" in client.texts(SchemaId(kind, 1))[0]


@pytest.mark.parametrize("status", [400, 405, 410, 422])
def test_an_id_that_the_registry_will_never_give_out_makes_a_dead_letter(
    connect: Connect, serve: Serve, status: int
) -> None:
    client = connect(serve((status, b'{"error_code": 1, "message": "no"}'), FOUND).url)
    with pytest.raises(MalformedRecord, match="refuses to give id 1"):
        client.texts(confluent(1))
    assert client.texts(confluent(2))


def test_an_id_that_the_registry_stumbles_over_holds_up_no_other(connect: Connect, serve: Serve) -> None:
    clock = Clock()
    client = connect(serve((500, b"{}"), FOUND).url, clock)
    with pytest.raises(SchemaPending, match="does not answer"):
        client.texts(confluent(7))
    assert "Money" in client.texts(confluent(8))[0]


def test_references_that_go_round_in_circles_make_a_dead_letter(connect: Connect, serve: Serve) -> None:
    reference = {"name": "n.Money", "subject": "money-value", "version": 1}
    answer = json.dumps({"schema": MONEY, "references": [reference], "subject": "s", "version": 1, "id": 1}).encode()
    with pytest.raises(MalformedRecord, match="refers to others without end"):
        connect(serve((200, answer)).url).texts(confluent(1))


def test_a_registry_that_hangs_does_not_hold_up_its_callers(connect: Connect, serve: Serve) -> None:
    """The first waits a moment for it; until there is an answer nobody else waits, and nothing more is asked."""
    server = serve(None, FOUND)
    clock = Clock()
    client = connect(server.url, clock, patience_s=0.2, timeout=50)
    for number in range(1, 200):
        with pytest.raises(SchemaPending, match="has not answered yet"):
            client.texts(confluent(number))
    assert server.asked == 1
    server.let_go.set()
    for _ in range(1_000):
        clock.now_s += 1.0
        try:
            assert "Money" in client.texts(confluent(1))[0]
        except SchemaPending:
            sleep(0.05)
        else:
            return
    pytest.fail("the answer was never taken")


@pytest.mark.parametrize(
    ("kind", "text", "content_type"),
    [("PROTOBUF", 'syntax = "proto3"; message A { string b = 1; }', "application/x-protobuf"),
     ("XSD", '<?xml version="1.0"?><xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"/>', "application/xml")],
)  # fmt: skip
def test_a_schema_of_another_language_makes_a_dead_letter(
    connect: Connect, registry: RegistryService, kind: str, text: str, content_type: str
) -> None:
    made = registry.ask(
        "/apis/registry/v2/groups/default/artifacts", text.encode(),
        {"X-Registry-ArtifactType": kind, "Content-Type": content_type},
    )  # fmt: skip
    client = connect(registry.confluent_api)
    with pytest.raises(MalformedRecord, match="is no Avro schema"):
        client.texts(SchemaId(IdKind.GLOBAL, made["globalId"]))
    with pytest.raises(MalformedRecord, match=f"of type {kind}|refuses to give|is no Avro schema"):
        client.texts(confluent(made["contentId"]))


def test_apicurios_ids_need_apicurios_address(connect: Connect) -> None:
    client = connect("http://127.0.0.1:1")
    with pytest.raises(MalformedRecord, match=r"set input\.registry\.url to Apicurio's address"):
        client.texts(SchemaId(IdKind.GLOBAL, 1))


@pytest.mark.parametrize("setting", [{"tiemout": 3}, {"ssl.ca.location": "/nowhere.pem"}])
def test_what_the_client_refuses_is_a_configuration_error(setting: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"input\.registry"):
        Registry({"url": "https://127.0.0.1:1", **setting})
