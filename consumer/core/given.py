"""Records that no broker handed out: written by a person, or read from a file."""

from __future__ import annotations

from dataclasses import dataclass

_CREATED = 1


@dataclass(frozen=True, slots=True)
class GivenRecord:
    """A record as the client's own message object would be; its time stamp in ms."""

    in_topic: str
    in_partition: int
    at: int
    with_key: bytes | None
    with_value: bytes | None
    with_headers: tuple[tuple[str, bytes], ...] = ()
    stamped: int = 0

    def topic(self) -> str:
        """The topic."""
        return self.in_topic

    def partition(self) -> int:
        """The partition."""
        return self.in_partition

    def offset(self) -> int:
        """The offset."""
        return self.at

    def key(self) -> bytes | None:
        """The key."""
        return self.with_key

    def value(self) -> bytes | None:
        """The value; None for a tombstone."""
        return self.with_value

    def headers(self) -> object:
        """Names and values; None for none, as the client has it."""
        return list(self.with_headers) or None

    def timestamp(self) -> tuple[int, int]:
        """When it was made."""
        return _CREATED, self.stamped
