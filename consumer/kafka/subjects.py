"""The registry's side of what is announced in Avro: the id of a schema under its subject."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from consumer.core.facts import Standing
from consumer.errors import Fatal, PublishDown
from consumer.kafka.registry_client import registry_client, says_unknown

if TYPE_CHECKING:
    from confluent_kafka.schema_registry import Schema

COMPATIBILITY = "BACKWARD_TRANSITIVE"
"""Of a subject that is made here: who reads by a schema can read all that was written by former ones."""

_REFUSED, _NOT_FOUND, _CONFLICT = (401, 403), 404, 409
_BUSY = (408, 425, 429)
_Answer = TypeVar("_Answer")


class Subjects:
    """Subjects of a schema registry.

    Args:
        settings: the client's own properties: `url`, `basic.auth.user.info`, `ssl.ca.location`, `timeout` (s), …
        section: of config.yaml, for messages.

    Raises:
        ConfigError: the client refuses a property.
    """

    def __init__(self, settings: Mapping[str, object], section: str) -> None:
        from confluent_kafka import schema_registry  # noqa: PLC0415 - only who uses Avro pays for this import

        self._client, self._section = registry_client(settings, section), section
        self._schema, self._refusal = schema_registry.Schema, schema_registry.SchemaRegistryError

    def schema_id(self, subject: str, text: str, *, register: bool) -> int:
        """The id of an Avro schema under its subject.

        Args:
            register: if it is not there, put it there.

        Raises:
            PublishDown: the registry does not answer.
            Fatal: it is not there; or the registry does not take it, or does not let this program in.
        """
        schema = self._schema(text, "AVRO")
        known = self._id(subject, schema)
        if known is not None:
            return known
        if not register:
            raise Fatal(
                f"{self._section}: subject {subject} has not this program's schema; register "
                "schemas/milestone-reached.avsc there, or set output.register_schema: true"
            )
        return self._registered(subject, schema)

    def standing(self, subject: str, text: str) -> Standing:
        """How the subject takes an Avro schema; nothing is written.

        Raises:
            PublishDown: the registry does not answer.
            Fatal: the registry does not let this program in.
        """
        schema = self._schema(text, "AVRO")
        if self._id(subject, schema) is not None:
            return Standing.REGISTERED
        fits = self._asked(lambda: self._client.test_compatibility(subject, schema))
        # A subject that is not there takes everything.
        return Standing.INCOMPATIBLE if fits is False else Standing.WELCOME

    def close(self) -> None:
        """Ends its connections."""
        self._client.close()

    def _id(self, subject: str, schema: Schema) -> int | None:
        found = self._asked(lambda: self._client.lookup_schema(subject, schema))
        return None if found is None else found.schema_id

    def _registered(self, subject: str, schema: Schema) -> int:
        is_new = self._asked(lambda: self._client.get_latest_version(subject)) is None
        number = self._asked(lambda: self._client.register_schema(subject, schema))
        if number is None:
            raise Fatal(f"{self._section}: the registry has no API for registering schemas; check the URL")
        if is_new:
            self._asked(lambda: self._client.set_compatibility(subject, COMPATIBILITY))
        return number

    def _asked(self, question: Callable[[], _Answer]) -> _Answer | None:
        """The registry's answer; None if what was asked about is not there."""
        try:
            return question()
        except self._refusal as error:
            status = error.http_status_code
            if says_unknown(error):
                return None
            if status in _REFUSED:
                why = f"the registry refuses this program ({error}); check its credentials and rights"
            elif status == _CONFLICT:
                why = f"the registry's schemas for milestone-reached are incompatible with this program's: {error}"
            elif status == _NOT_FOUND:
                why = f"{error}; check the URL, there may be no registry's API"
            elif 400 <= status < 500 and status not in _BUSY:
                why = f"the registry refuses the schema: {error}"
            else:
                raise PublishDown(f"the schema registry does not answer: {error}") from error
            raise Fatal(f"{self._section}: {why}") from error
        except Exception as error:  # Whatever the client's HTTP library raises: there is no answer.
            raise PublishDown(f"the schema registry does not answer: {type(error).__name__}: {error}") from error
