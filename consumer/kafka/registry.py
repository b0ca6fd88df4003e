"""The schema registry: Confluent's API, and Apicurio's own for the ids that its headers carry."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

import msgspec

from consumer.errors import Fatal, MalformedRecord, SchemaPending
from consumer.kafka.registry_client import DEFAULTS, apicurio_url, registry_client, says_unknown

if TYPE_CHECKING:
    from confluent_kafka.schema_registry import Schema

_UNKNOWN_FOR_S = 30.0
_FORGOTTEN_AFTER_S = 600.0
_ASK_AGAIN_S = 1.0
_MOST_VERDICTS = 1_000
_DEEPEST = 20
_CONFLUENT_ID = "id"
_REFUSED, _NOT_FOUND = (401, 403), 404
_BUSY = (408, 425, 429)


class SchemaId(Protocol):
    """What a record says of its schema: `id`, `globalId` or `contentId`, and a number."""

    @property
    def kind(self) -> str: ...
    @property
    def number(self) -> int: ...


_Key = tuple[str, int]


class _Unknown(NamedTuple):
    """An id that the registry does not know yet: since when, and when it was asked last."""

    since_s: float
    asked_s: float


class _Verdict(NamedTuple):
    """Why records with an id cannot be read, and when the registry said so."""

    reason: str
    asked_s: float


class _Question:
    """One question to the registry, asked in a thread of its own: the caller's must not stand still."""

    def __init__(self, key: _Key, ask: Callable[[str, int], Sequence[str]]) -> None:
        self.key = key
        self.texts: Sequence[str] = ()
        self.error: Exception | None = None
        self.answered = Event()
        self._ask = ask
        Thread(target=self._run, name="schema-registry", daemon=True).start()

    def _run(self) -> None:
        try:
            self.texts = self._ask(*self.key)
        except Exception as error:  # noqa: BLE001 - told by the thread that asked
            self.error = error
        self.answered.set()


class Registry:
    """Schemas by id, each asked for until it is had.

    A registry that does not answer is asked again for as long as it takes. An id that it does not know is waited for,
    because a registry may be younger than the records: half a minute, and half as long after each that was given up.
    Then records with it are dead letters; the registry is still asked, once a second, for as long as such records come.

    Args:
        settings: the client's own properties: `url`, `basic.auth.user.info`, `ssl.ca.location`, `timeout` (s), …
        patience_s: how long a caller stands still for an answer; it comes back for one that takes longer.
        section: of config.yaml, for messages.

    Raises:
        ConfigError: the client refuses a property.
    """

    def __init__(
        self,
        settings: Mapping[str, object],
        clock: Callable[[], float] = time.monotonic,
        patience_s: float = 0.5,
        section: str = "input.registry",
    ) -> None:
        # Not above: only who reads Avro pays for this import.
        from confluent_kafka import schema_registry  # noqa: PLC0415

        self._client = registry_client(settings, section)
        apicurio = apicurio_url(settings)
        # The client has no call for Apicurio's own API; its requests have the same TLS, credentials and proxies.
        rest = type(self._client._rest_client)
        self._apicurio = None if apicurio is None else rest({**DEFAULTS, **settings, "url": apicurio})
        self._section = section
        self._refusal = schema_registry.SchemaRegistryError
        self._clock = clock
        self._patience_s = patience_s
        self._known: dict[_Key, Sequence[str]] = {}
        self._unknown: dict[_Key, _Unknown] = {}
        self._verdicts: dict[_Key, _Verdict] = {}
        self._question: _Question | None = None
        self._given_up, self._given_up_at_s = 0, 0.0
        self._silent: dict[_Key, _Verdict] = {}
        self._answers = True
        self._referred_to: dict[tuple[str, int], Sequence[str]] = {}
        # Records are decoded by the thread that polls, and again by the one that stores.
        self._one_at_a_time = Lock()

    def texts(self, schema: SchemaId) -> Sequence[str]:
        """The schema's JSON, behind those that it refers to.

        Raises:
            SchemaPending: it cannot be had now.
            MalformedRecord: the registry does not know it, or has something that is no Avro schema.
            Fatal: the registry does not let this program in.
        """
        with self._one_at_a_time:
            return self._texts((str(schema.kind), schema.number))

    def _texts(self, key: _Key) -> Sequence[str]:
        self._take_answer()
        known = self._known.get(key)
        if known is not None:
            return known
        self._check(key)
        if self._question is not None:
            raise SchemaPending("the schema registry has not answered yet")
        self._question = _Question(key, self._fetched)
        # Of a registry that did not answer the last time the next answer is hardly waited for.
        self._question.answered.wait(self._patience_s if self._answers else self._patience_s / 10)
        self._take_answer()
        known = self._known.get(key)
        if known is not None:
            return known
        self._check(key)
        raise SchemaPending("the schema registry has not answered yet")

    def silence(self) -> str | None:
        """Why the registry cannot be asked, or does not know this program; None where it answers."""
        try:
            self._client.get_subjects()
        except Exception as error:  # noqa: BLE001 - whatever it is, there is no answer
            # Who may read schemas need not be allowed to list what there is.
            is_answer = getattr(error, "http_status_code", None) == 403
            return None if is_answer else f"{type(error).__name__}: {error}"
        return None

    def _check(self, key: _Key) -> None:
        """Raises what was said of this id, or of the registry, a moment ago."""
        now = self._clock()
        verdict = self._verdicts.get(key)
        if verdict is not None and now - verdict.asked_s < _ASK_AGAIN_S:
            raise MalformedRecord(verdict.reason)
        unknown = self._unknown.get(key)
        if unknown is not None and now - unknown.asked_s < _ASK_AGAIN_S:
            raise SchemaPending(f"the schema registry does not know {key[0]} {key[1]} yet")
        silent = self._silent.get(key)
        if silent is not None and now - silent.asked_s < _ASK_AGAIN_S:
            raise SchemaPending(silent.reason)

    def _take_answer(self) -> None:
        question, self._question = self._question, None
        if question is None:
            return
        if not question.answered.is_set():
            self._question = question
        elif question.error is None:
            self._found(question.key, question.texts)
        else:
            self._failed(question.key, question.error)

    def _found(self, key: _Key, texts: Sequence[str]) -> None:
        self._known[key] = texts
        self._answers = True
        self._silent.pop(key, None)
        self._verdicts.pop(key, None)
        if self._unknown.pop(key, None) is not None:
            self._given_up = 0

    def _failed(self, key: _Key, error: Exception) -> None:
        now = self._clock()
        self._answers = True
        status = error.http_status_code if isinstance(error, self._refusal) else None
        if status in _REFUSED:
            raise Fatal(
                f"{self._section}: the registry refuses this program ({error}); check its credentials"
            ) from error
        if isinstance(error, MalformedRecord):
            self._judge(key, str(error), now)
        elif says_unknown(error):
            self._wait_for(key, now)
        elif status is not None and 400 <= status < 500 and status not in (*_BUSY, _NOT_FOUND):
            self._judge(key, f"the schema registry refuses to give {key[0]} {key[1]}: {error}", now)
        else:
            self._answers = False
            reason = f"the schema registry does not answer: {type(error).__name__}: {error}"
            self._silent[key] = _Verdict(reason, now)

    def _wait_for(self, key: _Key, now: float) -> None:
        before = self._unknown.get(key)
        # Who comes back after a long time is waited for anew.
        is_new = before is None or now - before.asked_s > _FORGOTTEN_AFTER_S
        since_s = now if before is None or is_new else before.since_s
        self._unknown[key] = _Unknown(since_s, now)
        if now - self._given_up_at_s > _FORGOTTEN_AFTER_S:
            self._given_up = 0
        is_condemned = key in self._verdicts and not is_new
        if is_condemned or now - since_s >= max(_UNKNOWN_FOR_S / 2**self._given_up, _ASK_AGAIN_S):
            if not is_condemned:
                self._given_up, self._given_up_at_s = min(self._given_up + 1, 10), now
            self._judge(key, f"the schema registry knows no schema with {key[0]} {key[1]}", now)

    def _judge(self, key: _Key, reason: str, now: float) -> None:
        if len(self._verdicts) >= _MOST_VERDICTS:
            self._verdicts.clear()
            self._unknown.clear()
        self._verdicts[key] = _Verdict(reason, now)

    def _fetched(self, kind: str, number: int) -> Sequence[str]:
        if kind == _CONFLUENT_ID:
            return self._with_references(self._client.get_schema(number))
        if self._apicurio is None:
            raise MalformedRecord(
                f"the record names its schema by Apicurio's {kind}: set {self._section}.url to Apicurio's address "
                "with /apis/ccompat/v7 behind it"
            )
        try:
            answer = self._apicurio.get(f"ids/{kind}s/{number}", {"dereference": "true"})
        except json.JSONDecodeError as error:
            if error.doc.lstrip()[:5].lower() in ("<html", "<!doc"):
                raise
            raise MalformedRecord(f"what the registry has as {kind} {number} is no Avro schema") from error
        return (msgspec.json.encode(answer).decode(),)

    def _with_references(self, schema: Schema, inside: tuple[tuple[str, int], ...] = ()) -> Sequence[str]:
        if schema.schema_type not in (None, "AVRO"):
            raise MalformedRecord(
                f"the registry has a schema of type {schema.schema_type}, which is not read; use Avro"
            )
        if not isinstance(schema.schema_str, str):
            # The client keeps what it was given, this too.
            self._client.clear_caches()  # type: ignore[no-untyped-call]
            raise TypeError("its answer holds no schema")
        if len(inside) > _DEEPEST:
            raise MalformedRecord("a schema of the registry refers to others without end")
        texts: list[str] = []
        for reference in schema.references or ():
            name = (cast("str", reference.subject), cast("int", reference.version))
            texts += self._referred(name, (*inside, name))
        return (*dict.fromkeys(texts), schema.schema_str)

    def _referred(self, name: tuple[str, int], inside: tuple[tuple[str, int], ...]) -> Sequence[str]:
        """The texts of a schema that another refers to; asked for once, however many refer to it."""
        if name not in self._referred_to:
            self._referred_to[name] = self._with_references(self._client.get_version(*name).schema, inside)
        return self._referred_to[name]

    def close(self) -> None:
        """Ends its connections."""
        self._client.close()
        if self._apicurio is not None:
            self._apicurio.session.close()
